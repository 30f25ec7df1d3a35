"""MkDocs' hook for notebooks: each is run as the site is built, and becomes a page with outputs."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbconvert
from mkdocs.structure.files import File, Files
from nbconvert.preprocessors import ExecutePreprocessor


def on_files(files: Files, config: Any) -> Files:
    """Returns the files, with a page for each notebook; RUN_NOTEBOOKS=0 leaves outputs out.

    A cell that raises ends the build.
    """
    # Progress bars would be lines of the page.
    os.environ["TQDM_DISABLE"] = "1"
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        exporter = nbconvert.MarkdownExporter()
        if os.environ.get("RUN_NOTEBOOKS") != "0":
            exporter.register_preprocessor(ExecutePreprocessor(timeout=3600), enabled=True)
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            text, made = exporter.from_filename(notebook.abs_src_path, resources)
        page = Path(notebook.src_uri).with_suffix(".md")
        for name, content in {page.name: text, **made["outputs"]}.items():
            uri = page.with_name(name).as_posix()
            files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Returns a page whose links to notebooks lead to their pages."""
    return re.sub(r"(\]\([\w/]+)\.ipynb\)", r"\1.md)", markdown)
