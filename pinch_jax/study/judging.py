"""The verdicts of a study: one judge after the other, over all comparisons."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.language_id import StudyWords
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import response_record, words_of_records
from pinch_jax.hosts.locks import one_writer
from pinch_jax.hosts.waiting import is_primary
from pinch_jax.judge.certificate import read_certificate
from pinch_jax.judge.config import JudgeConfig
from pinch_jax.judge.opening import agree_to_pay, open_judge, where_asked
from pinch_jax.judge.protocol import Judge, Pair, answered_by
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.judge.scores import outcomes
from pinch_jax.judge.verdicts import judge_files, read_match
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.folders import delete_unfinished
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import verdict_path


class Matches(NamedTuple):
    """What is to be judged.

    Attributes:
        files: (candidate run, baseline run, language) -> the files of responses, baseline first.
        asked: language -> the prompts that are answered in it.
    """

    files: Mapping[tuple[str, str, str], tuple[Path, Path]]
    asked: Mapping[str, Sequence[Example]]

    def pairs(self) -> Iterator[Pair]:
        """Yields all that a judge is shown."""
        for files in self.files.values():
            match = read_match(*files)
            yield from map(match.pair, match.keys)


def words_of(asked: Mapping[str, Sequence[Example]]) -> StudyWords:
    """Returns what the prompts that are answered in each language say of the languages."""
    examples = (example for some in asked.values() for example in some)
    return words_of_records(response_record(example, "") for example in examples)


def check_certificates(config: Config) -> None:
    """Raises UserError where a judge's certificate is not there, or is that of the references.

    Whether it is of this very judge is known once that is opened.
    """
    for name in config.study.judges:
        kind, file = config.judges[name].kind, config.judges[name].certificate
        if not file:
            continue
        field = f"config.judges.{name}.certificate"
        path, told = as_path(file, field), f"{field}={file!r}"
        if not path.is_file():
            call = f"pinch certify --config=... --judge={name} --output={file!r}"
            raise UserError(f"{told}: no such file; `{call}` makes it, with the same fields")
        held = read_certificate(path)["judge"]
        if kind != "reference" and held["identity"] == ReferenceJudge.identity:
            raise UserError(f"{told}: is of the references; certify with --judge={name}")


def judge_study(
    bench: Workbench, workdir: Path, matches: Matches, progress: bool, yes: bool
) -> list[dict[str, Any]]:
    """Writes the verdicts of all judges of a study; returns who they are, as study.json has it.

    All processes call it. A judge that lies on their mesh is asked by all; the first asks others.
    `yes` agrees to what they cost.
    """
    told: list[dict[str, Any]] = []
    folder, words = workdir / "verdicts", words_of(matches.asked)

    def tidy() -> None:
        for held in (folder, *folder.glob("*/")):
            delete_unfinished(held)

    judges = {name: bench.config.judges[name] for name in bench.config.study.judges}
    opened: dict[str, tuple[Judge, dict[str, Any]]] = {}

    def open_one(name: str) -> None:
        by = open_judge(name, judges[name], words, bench.shard, folder / f"{name}.paid.jsonl")
        opened[name] = by, _described(name, judges[name], by)

    def judge(name: str) -> None:
        by, entry = opened.pop(name)
        agree_to_pay(by, matches.pairs(), yes)
        _judge_by(by, entry, workdir, matches, progress)
        told.append(entry)

    with one_writer(folder / "lock", tidy):
        # Before one is paid for: a later one may not open, or have the certificate of another.
        for name, config in judges.items():
            where_asked(config, f"opening {name}", functools.partial(open_one, name))
        for name, config in judges.items():
            if config.kind == "model":
                # The weights of the runs and those of the judge need not fit together.
                bench.release()
            where_asked(config, f"judging by {name}", functools.partial(judge, name))
    return told


def _described(name: str, config: JudgeConfig, judge: Judge) -> dict[str, Any]:
    """Returns who a judge is."""
    return {
        "as": name,
        "kind": config.kind,
        "name": judge.name,
        "version": judge.version,
        # Where this machine keeps it is nobody's concern.
        "model": Path(config.model).name if config.kind == "model" else config.model,
        "language_gate": config.language_gate,
        "certificate": _certificate(name, config, judge),
        "no_verdict": {},
        "outcomes": 0,
        "asked": 0,
        "with_log_odds": 0,
        "answered_by": [],
    }


def _certificate(name: str, config: JudgeConfig, judge: Judge) -> dict[str, Any] | None:
    """Returns what `pinch certify` wrote of this very judge, by the name that it has today.

    None where no file is named.
    """
    if not config.certificate:
        return None
    certificate = read_certificate(as_path(config.certificate))
    if certificate["judge"]["identity"] != judge.identity:
        raise UserError(
            f"config.judges.{name}.certificate={config.certificate!r}: is of another judge, "
            f"{certificate['judge']['name']!r}, or of other words or settings; certify this one"
        )
    return certificate | {"judge": certificate["judge"] | {"name": name}}


def _judge_by(
    judge: Judge, entry: dict[str, Any], workdir: Path, matches: Matches, progress: bool
) -> None:
    """Writes a judge's verdicts, and enters how many there are of what, and who answered.

    `outcomes` are prompts of all comparisons, each once, `asked` the verdicts that language did not
    give; `no_verdict` is on how many prompts of each comparison there is none.
    """
    quiet, name = not (progress and is_primary()), f"judging by {entry['as']}"
    for compared, files in tqdm(matches.files.items(), name, unit="file", disable=quiet):
        path = verdict_path(workdir, entry, *compared)
        verdicts = judge_files(judge, *files, path, progress=False)
        told = len(outcomes(verdicts))
        if missing := len(matches.asked[compared[2]]) - told:
            entry["no_verdict"][path.stem] = missing
        asked = [verdict.log_odds is not None for verdict in verdicts if verdict.by == "judge"]
        entry["outcomes"] += told
        entry["asked"] += len(asked)
        entry["with_log_odds"] += sum(asked)
        models = {*entry["answered_by"], *answered_by(verdicts)}
        entry["answered_by"] = sorted(models)
