"""The page on which people compare two files of responses, blind: one file, and no network."""

import base64
import hashlib
import json
from pathlib import Path

import jinja2
from markupsafe import Markup

from pinch_jax.judge.people import RATINGS, checksums, texts_of
from pinch_jax.judge.verdicts import read_match
from pinch_jax.languages import direction, language
from pinch_jax.storage.files import digest, file_checksum, write_text

TEMPLATES = Path(__file__).parent / "templates"


def write_page(baseline: Path, candidate: Path, output: Path, most: int | None) -> int:
    """Writes the page of two response files and returns how many pairs it has.

    It has at most so many of each language, drawn by their ids and the files: a page with more
    pairs has those of one with fewer. Which answer is whose is in the page, and not to be seen.

    Raises:
        UserError: a file is not there or damaged; they do not answer the same prompts.
    """
    match = read_match(baseline, candidate)
    files = {"baseline_file": file_checksum(baseline), "candidate_file": file_checksum(candidate)}
    drawn = sorted(match.baseline, key=lambda key: digest([*files.values(), key[1]]))
    codes = sorted({code for code, _ in drawn})
    pairs = []
    for key in (key for code in codes for key in [k for k in drawn if k[0] == code][:most]):
        shown = texts_of(match, key)
        pairs.append(
            {"id": key[1], "language": key[0], "checksums": checksums(shown)}
            | {name: (text, direction(text)) for name, text in shown.items()}
        )
    names = {code: language(code).name for code in codes}
    data = {"languages": names, "files": files, "pairs": pairs}
    told = json.dumps({"page": digest(data)} | data, ensure_ascii=False, separators=(",", ":"))
    script = (TEMPLATES / "annotate.js").read_text("utf-8")
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    template = (TEMPLATES / "annotate.html.j2").read_text("utf-8")
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True}
    page = {
        "ratings": RATINGS,
        "style": Markup((TEMPLATES / "annotate.css").read_text("utf-8")),
        "data": Markup(told.replace("<", "\\u003c")),  # Nothing in it can be markup.
        "script": Markup(script),
        "script_hash": hashed,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, jinja2.Environment(**options).from_string(template).render(page))
    return len(pairs)
