"""What the responses of each run are, every one of a single kind: right, wrong, or no answer.

outcomes.csv has a row for each run, language and task; `all` tasks together, and the `mean` over
the languages of the study. Only questions that have an answer are counted. What they are,
`Outcome.kind` says; beside that, a response in a wrong language may hold the right answer as that
language has it.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.corpus.language_id import TOO_SHORT
from pinch_jax.evaluate.outcome import RIGHT_KINDS
from pinch_jax.evaluate.records import other_answers
from pinch_jax.evaluate.scores import wilson
from pinch_jax.evaluate.text_match import names_only, normalise
from pinch_jax.files import write_text
from pinch_jax.study.answers import Answers
from pinch_jax.study.comparisons import Results

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
NAMES = ("run", "spec", "language", "task", "prompts")
ENDS = ("", "_low", "_high")


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """A row of outcomes.csv: share -> percent of the prompts and the ends of its 95 % interval.

    `prompts` are those of a language, also where the shares are means over the languages.
    """

    run: str
    spec: str
    language: str
    task: str
    prompts: int
    shares: Mapping[str, tuple[float, float, float]]


def outcome_rows(results: Results) -> tuple[Outcomes, ...]:
    """Return the outcomes of every run, in its languages and, where it has all, their mean.

    In a language that cannot be identified nothing is told of the language of responses, and the
    mean is over the others, if there are any.

    The interval of one language is Wilson's. That of a mean is of the paired bootstrap over the
    prompts, since the languages share them; where no response or every one is of a kind, which
    leaves a bootstrap without width, it is Wilson's for as many prompts as one language has.
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
    rows = []
    for run, held in by_run.items():
        spec = results.study["runs"][run]["spec"]
        for code, kinds in held.items():
            hidden = dict.fromkeys(OF_LANGUAGE, NOT_TOLD) if code in untold else {}
            tasks = _by_task(results, run, code, kinds)
            rows += [
                Outcomes(run, spec, code, task, len(own), _shares(kinds, own) | hidden)
                for task, own in tasks.items()
            ]
        if all(code in held for code in languages):
            told = [code for code in languages if code not in untold]
            kinds = {code: held[code] for code in told or languages}
            hidden = {} if told else dict.fromkeys(OF_LANGUAGE, NOT_TOLD)
            tasks = _by_task(results, run, languages[0], held[languages[0]])
            for task, own in tasks.items():
                shares = _mean_shares(results, kinds, own) | hidden
                rows.append(Outcomes(run, spec, MEAN, task, len(own), shares))
    return tuple(rows)


def _kind(
    identity: str,
    answers: Answers,
    asked: Mapping[str, Mapping[str, Mapping[str, Any]]],
    others: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> str | None:
    """Return what a response is; one in a wrong language is held against that language's answer.

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
    results: Results, run: str, language: str, prompts: Iterable[str]
) -> dict[str, list[str]]:
    """Return task -> its prompts, all of them together first."""
    tasks: dict[str, list[str]] = {ALL_TASKS: list(prompts)}
    for identity in tasks[ALL_TASKS]:
        record = results.answers[run, language].records[identity]
        tasks.setdefault(record["task"], []).append(identity)
    return tasks


def _is(share: str, kind: str) -> bool:
    return kind in SUMS[share] if share in SUMS else kind == share


def _shares(
    kinds: Mapping[str, str], prompts: Iterable[str]
) -> dict[str, tuple[float, float, float]]:
    held = [kinds[identity] for identity in prompts]
    counts = {share: sum(_is(share, kind) for kind in held) for share in SHARES}
    return {
        share: (100.0 * count / len(held), *(100.0 * end for end in wilson(count, len(held))))
        for share, count in counts.items()
    }


def _mean_shares(
    results: Results, kinds: Mapping[str, Mapping[str, str]], prompts: list[str]
) -> dict[str, tuple[float, float, float]]:
    """Return the shares over the languages, in each of which these prompts were answered."""
    columns = [
        {
            identity: 100.0 * float(np.mean([_is(share, own[identity]) for own in kinds.values()]))
            for identity in prompts
        }
        for share in SHARES
    ]
    means, shares = results.means(columns), {}
    for place, (share, column) in enumerate(zip(SHARES, columns, strict=True)):
        estimate = means[place].estimate()
        ends = estimate.low, estimate.high
        if len(held := set(column.values())) == 1 and held <= {0.0, 100.0}:
            successes = len(prompts) if held == {100.0} else 0
            ends = tuple(100.0 * end for end in wilson(successes, len(prompts)))
        shares[share] = (estimate.value, *ends)
    return shares


def write_outcomes(path: Path, rows: Iterable[Outcomes]) -> None:
    """Write outcomes.csv."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*NAMES, *(share + end for share in SHARES for end in ENDS)])
    for row in rows:
        values = [f"{value:.6g}" for share in SHARES for value in row.shares[share]]
        writer.writerow([*(getattr(row, name) for name in NAMES), *values])
    write_text(path, table.getvalue())


def read_outcomes(path: Path) -> tuple[Outcomes, ...]:
    """Return the rows of outcomes.csv.

    Raises:
      ValueError: a column is missing.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = {*NAMES, *(share + end for share in SHARES for end in ENDS)}
        if missing := columns - set(reader.fieldnames or ()):
            raise ValueError(f"{path}: no column {sorted(missing)}; delete it and analyse anew")
        return tuple(
            Outcomes(
                **{name: row[name] for name in NAMES[:-1]},
                prompts=int(row["prompts"]),
                shares={share: tuple(float(row[share + end]) for end in ENDS) for share in SHARES},
            )
            for row in reader
        )
