"""The answers of a study without their prompts, to be published and to go on from elsewhere.

A folder holds a folder for each run: what it is, how it was trained, and `answers.jsonl.gz`. The
first line of that says how the answers were made and, by their sha256, what was asked and what was
answered; then comes an object with the `id`, `language` and `response` of each. The prompts are the
corpus's, and under its licence; whoever has the corpus can judge the answers anew, or let the study
go on behind them.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import read_responses, response_record
from pinch_jax.hosts.waiting import primary_alone
from pinch_jax.storage.files import write_bytes
from pinch_jax.storage.json_input import check_fields, parse_object
from pinch_jax.study.comparisons import answers_of
from pinch_jax.study.plan import Study
from pinch_jax.study.records import read_study
from pinch_jax.study.responses import write_responses
from pinch_jax.study.run import Run
from pinch_jax.study.workdir import read_config, responses_path

ANSWERS = "answers.jsonl.gz"
DESCRIBED = ("mixture.json", "metrics.jsonl")
# What decides the answers of a model to its prompts.
DECODED_BY = ("new_tokens", "temperature", "top_p")
TOLD = "answers_sha256"
_REPAIR = "take the corpus and the config of the study that gave these answers"


def publish_answers(workdir: Path, folder: Path) -> list[str]:
    """Writes the answers of a study and returns its runs' names.

    Of a finished one they are those that it compares, else those of all runs that have answered:
    what else lies in a work directory may be of another call, and to other prompts.

    Raises:
        UserError: there is no study, no run has answered, or a file of responses is broken.
    """
    config = read_config(workdir)
    answered: dict[Path, list[Path]] = {}
    for file in sorted(_answered(workdir)):
        answered.setdefault(file.parents[1], []).append(file)
    if not answered:
        raise UserError(
            f"--workdir={workdir}: none of its runs has answered yet; run `pinch study`"
        )
    if (workdir / "runs").resolve() == folder.resolve():
        raise UserError(f"--output={folder}: the runs of this study are there; name another folder")
    for run, files in answered.items():
        held = [read_responses(file, kept=True) for file in files]
        records = [record for some in held for record in some.values()]
        target = folder / run.name
        target.mkdir(parents=True, exist_ok=True)
        _copy_description(run, target)
        told = [{name: r[name] for name in ("id", "language", "response")} for r in records]
        lines = [_head(run.name, config, records) | {TOLD: _sha256(told)}, *told]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        # Without the time, so that the same answers are the same file.
        write_bytes(target / ANSWERS, gzip.compress(text.encode(), mtime=0))
    return [run.name for run in answered]


def _answered(workdir: Path) -> list[Path]:
    """Returns the files of responses to publish."""
    if not (workdir / "study.json").exists():
        return [*workdir.glob("runs/*/responses/*.jsonl")]
    compared = answers_of(read_study(workdir))
    return [responses_path(workdir, run, code) for run, code in compared]


def adopt_answers(study: Study, folder: Path) -> list[str]:
    """Gives the runs of a study the published answers that they lack, and returns the runs' names.

    Such a run is finished, although its weights are elsewhere.

    Raises:
        UserError: the folder has no answers of any run of this study.
        UserError: the answers are to other prompts, or were made in another way.
    """
    there = [run for run in study.distinct if (folder / run.directory.name / ANSWERS).exists()]
    if not there:
        raise UserError(
            f"--answers={folder} has no answers of this study; its runs are named like "
            f"{study.distinct[0].directory.name}"
        )
    lacking = [run for run in there if study.lacks_answers(run)]

    def adopt():
        for run in lacking:
            _adopt(study, run, folder / run.directory.name)

    primary_alone("taking answers over", adopt)
    return [run.directory.name for run in lacking]


def _adopt(study: Study, run: Run, source: Path) -> None:
    head, *answers = _read_answers(source / ANSWERS)
    told = head.pop(TOLD, None)
    heldout = study.bench.corpus.heldout
    examples = {(code, e.id): e for code, some in heldout.items() for e in some}
    try:
        asked = [examples[answer["language"], answer["id"]] for answer in answers]
    except KeyError as unknown:
        raise UserError(f"{source}: the corpus has no prompt {unknown}; {_REPAIR}") from None
    records = [response_record(example, "") for example in asked]
    config = json.loads(study.bench.config.to_json())
    if head != (ours := _head(run.directory.name, config, records)):
        differing = next(name for name in ours if head.get(name) != ours[name])
        raise UserError(
            f"{source}: {differing} is {head.get(differing)!r} there and {ours[differing]!r} here; "
            f"{_REPAIR}"
        )
    # Older folders do not say it.
    if told not in (None, _sha256(answers)):
        raise UserError(
            f"{source / ANSWERS} does not match its {TOLD}: an answer was changed; take it anew "
            "from where it was"
        )
    (run.directory / "responses").mkdir(parents=True, exist_ok=True)
    _copy_description(source, run.directory)
    # Last: where there are responses, a run is finished.
    responses = [answer["response"] for answer in answers]
    write_responses(study.bench, run, zip(asked, responses, strict=True))


def _read_answers(path: Path) -> list[dict[str, Any]]:
    """Returns the head of a file and its answers, each of them with all its fields."""
    remedy = "take it anew from where it was"
    try:
        with path.open("rb") as stored, gzip.open(stored) as file:
            lines = file.read().removesuffix(b"\n").split(b"\n")
    # What gzip says of a file that was cut short, or whose own checksum is another.
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from error
    places = [f"{path}:{number}" for number in range(1, len(lines) + 1)]
    told = [parse_object(place, line, remedy) for place, line in zip(places, lines, strict=True)]
    for place, answer in zip(places[1:], told[1:], strict=True):
        check_fields(place, answer, ("language", "id", "response"), empty=("response",))
    return told


def _copy_description(source: Path, target: Path) -> None:
    for name in DESCRIBED:
        if (source / name).exists():
            write_bytes(target / name, (source / name).read_bytes())


def _head(
    run: str, config: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    asked = [[r["language"], r["id"], r.get("asked", r["prompt"])] for r in records]
    head = {"run": run} | {name: config["evaluate"][name] for name in DECODED_BY}
    # Greedy answers do not depend on it.
    seed = {"seed": config["seed"]} if head["temperature"] else {}
    return head | seed | {"prompts_sha256": _sha256(asked)}


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
