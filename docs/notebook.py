"""MkDocs' hook for notebooks: each is run as the site is built, and becomes a page with outputs."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbconvert
import nbformat
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient


def on_files(files: Files, config: Any) -> Files:
    """Returns the files, with a page for each notebook; RUN_NOTEBOOKS=0 leaves outputs out.

    A cell that raises ends the build.
    """
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        notebook = nbformat.read(file.abs_src_path, as_version=4)
        if os.environ.get("RUN_NOTEBOOKS") != "0":
            with tempfile.TemporaryDirectory() as folder:
                place = {"metadata": {"path": folder}}
                NotebookClient(notebook, timeout=3600, resources=place).execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":  # what machines say of themselves is no part of a page
                cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        text, made = nbconvert.MarkdownExporter().from_notebook_node(notebook)
        page = Path(file.src_uri).with_suffix(".md")
        for name, content in {page.name: text, **made.get("outputs", {})}.items():
            files.append(File.generated(config, str(page.with_name(name)), content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Returns a page whose links to notebooks lead to their pages."""
    return re.sub(r"(\]\([\w/]+)\.ipynb\)", r"\1.md)", markdown)
