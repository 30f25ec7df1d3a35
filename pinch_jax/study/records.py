"""A finished work directory, read into plain records: what the figures and the page are made of."""

import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pinch_jax.errors import UserError
from pinch_jax.storage.files import read_kept_lines, read_record
from pinch_jax.storage.folders import check_sealed
from pinch_jax.study.comparisons import examples_of
from pinch_jax.study.config import HUMAN, PRETRAINED
from pinch_jax.study.confusion import Confusion
from pinch_jax.study.naming import names_of
from pinch_jax.study.outcomes import ABOVE_BASE, Outcomes
from pinch_jax.study.rows import (
    Agreement,
    DrawScore,
    Finding,
    JudgeScore,
    ResponseShares,
    Score,
    Variance,
)
from pinch_jax.study.tables import read_table
from pinch_jax.study.workdir import read_config


@dataclasses.dataclass(frozen=True)
class Tables:
    """What `analyse` writes: a table each and, last, findings.json."""

    scores: tuple[Score, ...]
    draws: tuple[DrawScore, ...]
    variance: tuple[Variance, ...]
    judges: tuple[JudgeScore, ...]
    agreement: tuple[Agreement, ...]
    responses: tuple[ResponseShares, ...]
    outcomes: tuple[Outcomes, ...]
    confusion: tuple[Confusion, ...]
    findings: tuple[Finding, ...]


# What a row of each table is, by the names of their files.
ROWS: Mapping[str, type] = {
    field.name: get_args(field.type)[0] for field in dataclasses.fields(Tables)[:-1]
}
# What `analyse` writes, all of it or nothing.
TABLES = (*(f"{name}.csv" for name in ROWS), "findings.json")


@dataclasses.dataclass(frozen=True)
class Records(Tables):
    """Everything the report says, as read from `workdir`; `outcomes` are over all draws.

    `above_base` are run -> what its outcomes are above those of the base language alone, paired.
    """

    workdir: Path
    config: dict[str, Any]
    study: dict[str, Any]
    above_base: Mapping[str, Outcomes]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the study in its order, then those of the Slavic experiment alone."""
        return tuple(dict.fromkeys((*self.study["languages"], *self.study["slavic"])))

    def experiment(self, name: str, language: str = "") -> tuple[Score, ...]:
        """Returns the scores of an experiment, in all languages and means or in one of them."""
        rows = (row for row in self.scores if row.experiment == name)
        return tuple(row for row in rows if language in ("", row.language))

    def ranked(self, name: str, mean: str) -> list[Score]:
        """Returns the scores of an experiment in a mean, the highest first, without NaN."""
        rows = self.experiment(name, mean)
        told = [row for row in rows if not math.isnan(row.score.value)]
        return sorted(told, key=lambda row: -row.score.value)

    def judged_in(self, name: str) -> tuple[str, ...]:
        """Returns the languages that an experiment has scores in, in the order of the study."""
        judged = {row.language for row in self.experiment(name)}
        return tuple(code for code in self.languages if code in judged)

    def examples_of(self, run: str) -> dict[str, int]:
        """Returns how many examples of each language a run's set holds; none are left out."""
        return examples_of(self.study, run)

    @property
    def draw_count(self) -> int:
        """How often each tuning set was drawn; a study from before there were draws has one."""
        return self.study.get("draws", 1)

    @functools.cached_property
    def runs(self) -> dict[str, str]:
        """Run directory -> the spec of its tuning set, in the order the experiments name them.

        Where a set was drawn several times, its first draw stands for all.
        """
        ordered = dict.fromkeys(
            run
            for arm in self.study["arms"]
            for run in (arm["run"], *arm["baseline_runs"].values())
        )
        return {run: self.study["runs"][run]["spec"] for run in ordered}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """Run directory -> its tuning set in words."""
        words = names_of(self.runs.values(), self.study["languages"], self.study["base"])
        return {run: words[spec] for run, spec in self.runs.items()}

    @functools.cached_property
    def tuned_runs(self) -> tuple[str, ...]:
        """The runs that trained a model: all but the untuned one; the first draw of each set."""
        return tuple(run for run, spec in self.runs.items() if spec != PRETRAINED)

    def run_lines(self, run: str, name: str) -> list[dict[str, Any]]:
        """Returns the records of a JSON lines file of a run; none if the run has no such file."""
        path = self.workdir / "runs" / run / name
        if not path.exists():
            return []
        return [record for _, record in read_kept_lines(path, "delete it: the report can without")]


def read_study(workdir: Path) -> dict[str, Any]:
    """Returns what study.json says: the runs and comparisons of a study.

    Where people have annotated its answers, that is one of its experiments.

    Raises:
      UserError: there is none yet, or it is damaged.
    """
    path = workdir / "study.json"
    if not path.exists():
        raise UserError(f"{path}: no such file; run `pinch study` to its end first")
    study = read_record(path, "delete it, and run `pinch study` again")
    if annotation_files(workdir):
        study["experiments"] = [*dict.fromkeys((*study["experiments"], HUMAN))]
    return study


def annotation_files(workdir: Path) -> list[Path]:
    """Returns the files of annotators; a folder that may not be read is an error, and not empty.

    Raises:
        UserError: something else is there, which somebody may take for annotations that count.
    """
    folder = workdir / "annotations"
    held = sorted(folder.iterdir()) if folder.is_dir() else []
    # Of a bucket's folder the folder itself may be an object in it.
    files = [path for path in held if path != folder and not path.name.startswith(".")]
    if other := [path for path in files if path.suffix != ".jsonl"]:
        raise UserError(f"{other[0]}: is no .jsonl file of an annotator; rename it, or move it")
    return files


def read_records(workdir: Path) -> Records:
    """Returns the records of an analysed work directory.

    Raises:
      UserError: a file that the report needs is missing.
      UserError: a file is damaged, or a table lacks a column of its format.
    """
    for name in ("config.json", "study.json", *TABLES):
        if not (workdir / name).exists():
            raise UserError(
                f"workdir={str(workdir)!r} has no {name}; run `pinch study --workdir={workdir}` "
                "to its end, or name the work directory of a finished study"
            )
    check_sealed(workdir, "run `pinch report` again")
    findings = json.loads((workdir / "findings.json").read_text("utf-8"))
    names = [field.name for field in dataclasses.fields(Finding)]
    tables = {name: read_table(workdir / f"{name}.csv", kind) for name, kind in ROWS.items()}
    outcomes, study = tables.pop("outcomes"), read_study(workdir)
    return Records(
        workdir=workdir,
        # A study from before does not say its own.
        config=study.get("config") or read_config(workdir),
        study=study,
        **tables,
        outcomes=tuple(row for row in outcomes if not row.draw and row.task != ABOVE_BASE),
        above_base={row.run: row for row in outcomes if row.task == ABOVE_BASE},
        findings=tuple(Finding(**{name: entry[name] for name in names}) for entry in findings),
    )
