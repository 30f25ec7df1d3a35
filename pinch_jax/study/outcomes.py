"""What the responses of each run are, every one of a single kind: right, wrong, or no answer.

outcomes.csv has a row for each run, language and task; `all` tasks together, and the `mean` over
the languages of the study. Only questions that have an answer are counted. What they are,
`Outcome.kind` says; beside that, a response in a wrong language may hold the right answer as that
language has it.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.corpus.language_id import TOO_SHORT
from pinch_jax.evaluate.intervals import mean_of, means_over_prompts
from pinch_jax.evaluate.outcome import RIGHT_KINDS
from pinch_jax.evaluate.records import other_answers
from pinch_jax.evaluate.text_match import names_only, normalise
from pinch_jax.files import write_text
from pinch_jax.study.comparisons import Answers, Results
from pinch_jax.study.tables import csv_text, read_rows

ALL_TASKS, MEAN = "all", "mean"
# Every response is of one of these.
ELSEWHERE = "right_elsewhere"
KINDS = ("exact", "answer", "wrong_answer", ELSEWHERE, "wrong_language", "echo", TOO_SHORT)
# Sums of kinds that are asked for.
RIGHT, OTHER_LANGUAGE = "right", "other_language"
SUMS = {RIGHT: RIGHT_KINDS, OTHER_LANGUAGE: (ELSEWHERE, "wrong_language")}
SHARES = (*SUMS, *KINDS)
# NaN in a language that cannot be identified, which takes no part in the means.
OF_LANGUAGE = (OTHER_LANGUAGE, ELSEWHERE, "wrong_language", TOO_SHORT)
NOT_TOLD = (math.nan, math.nan, math.nan)
NAMES = ("run", "spec", "language", "task", "draw", "prompts")
ENDS = ("", "_low", "_high")
COLUMNS = (*NAMES, *(share + end for share in SHARES for end in ENDS))


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """A row of outcomes.csv: share -> percent of the prompts and the ends of its 95 % interval.

    `prompts` are those of a language, also where the shares are means over the languages. `draw`
    is "" where the shares are means over all draws of a tuning set, whose first one is `run`.
    """

    run: str
    spec: str
    language: str
    task: str
    prompts: int
    shares: Mapping[str, tuple[float, float, float]]
    draw: str = ""


def outcome_rows(results: Results) -> tuple[Outcomes, ...]:
    """Returns the outcomes of every tuning set, in its languages and, where it has all, their mean.

    Where sets were drawn several times, those of each draw stand behind them.

    In a language that cannot be identified nothing is told of the language of responses, and the
    mean is over the others, if there are any. The intervals are those of evaluate/intervals.py;
    that of a mean is over draws and prompts, which the languages share.
    """
    languages = results.study["languages"]
    asked = {code: answers.records for (_, code), answers in results.answers.items()}
    others = {code: other_answers(records) for code, records in asked.items()}
    untold = {
        code
        for (_, code), answers in results.answers.items()
        if any(outcome.language is None for outcome in answers.outcomes.values())
    }
    by_run: dict[str, dict[str, dict[str, str]]] = {}
    for (run, code), answers in results.answers.items():
        kinds = {i: _kind(i, answers, asked, others) for i in answers.outcomes}
        told = {identity: kind for identity, kind in kinds.items() if kind}
        if told:
            by_run.setdefault(run, {})[code] = told
    sets = {("", runs[0]): runs for runs in results.draws.values()}
    for runs in results.draws.values():
        if len(set(runs)) > 1:
            sets |= {(str(draw), run): (run,) for draw, run in enumerate(runs)}
    rows = []
    for (draw, run), runs in sets.items():
        if run not in by_run:
            continue
        spec = results.study["runs"][run]["spec"]
        by_task = {code: _by_task(results, runs, code, by_run) for code in by_run[run]}
        groups = {code: (code,) for code in by_task}
        if all(code in by_task for code in languages):
            groups[MEAN] = tuple(code for code in languages if code not in untold) or languages
        for name, codes in groups.items():
            hidden = dict.fromkeys(OF_LANGUAGE, NOT_TOLD) if untold.issuperset(codes) else {}
            for task in dict.fromkeys(task for code in codes for task in by_task[code]):
                columns = [by_task[code][task] for code in codes if task in by_task[code]]
                size = max(len(column[0]) for column in columns)
                shares = _shares(columns) | hidden
                rows.append(Outcomes(run, spec, name, task, size, shares, draw))
    return tuple(rows)


def _kind(
    identity: str,
    answers: Answers,
    asked: Mapping[str, Mapping[str, Mapping[str, Any]]],
    others: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> str | None:
    """Returns what a response is; one in a wrong language is held against that language's answer.

    `asked` and `others` are the records of each language, and the answers that are wrong.
    """
    outcome = answers.outcomes[identity]
    if outcome.kind != "wrong_language" or identity not in asked.get(outcome.identified, ()):
        return outcome.kind
    said = normalise(answers.records[identity]["response"])
    right = asked[outcome.identified][identity]["answer"]
    wrong = others[outcome.identified][identity]
    return ELSEWHERE if names_only(said, right, wrong) else "wrong_language"


def _by_task(
    results: Results,
    runs: Sequence[str],
    language: str,
    by_run: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> dict[str, list[dict[str, str]]]:
    """Returns task -> {prompt: kind of its response} of each run, all tasks together first."""
    records = results.answers[runs[0], language].records
    tasks: dict[str, list[dict[str, str]]] = {ALL_TASKS: [{} for _ in runs]}
    for place, run in enumerate(runs):
        for identity, kind in by_run[run][language].items():
            for task in (ALL_TASKS, records[identity]["task"]):
                tasks.setdefault(task, [{} for _ in runs])[place][identity] = kind
    return tasks


def _shares(
    languages: Sequence[Sequence[Mapping[str, str]]],
) -> dict[str, tuple[float, float, float]]:
    """Returns the shares of the kinds {prompt: kind} of each draw of each language, mean of all."""
    prompts = dict.fromkeys(identity for draws in languages for identity in draws[0])
    table = np.array(
        [
            [[kinds[draw].get(identity, "") for kinds in languages] for identity in prompts]
            for draw in range(len(languages[0]))
        ]
    )
    shares = {}
    for share in SHARES:
        values = 100.0 * np.isin(table, SUMS.get(share, (share,)))
        means = means_over_prompts(np.where(table == "", np.nan, values))
        estimate = mean_of(means).estimate()
        shares[share] = (estimate.value, estimate.low, estimate.high)
    return shares


def write_outcomes(path: Path, rows: Iterable[Outcomes]) -> None:
    """Writes outcomes.csv."""
    cells = (
        [getattr(row, name) for name in NAMES]
        + [f"{value:.6g}" for share in SHARES for value in row.shares[share]]
        for row in rows
    )
    write_text(path, csv_text(COLUMNS, cells))


def read_outcomes(path: Path) -> tuple[Outcomes, ...]:
    """Returns the rows of outcomes.csv.

    Raises:
      UserError: a column is missing.
    """
    return tuple(
        Outcomes(
            **{name: row[name] for name in NAMES[:-1]},
            prompts=int(row["prompts"]),
            shares={share: tuple(float(row[share + end]) for end in ENDS) for share in SHARES},
        )
        for row in read_rows(path, COLUMNS)
    )
