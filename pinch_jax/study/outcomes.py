"""What the responses of each run are, every one of a single kind: right, wrong, or no answer.

outcomes.csv has a row for each run, language and task; `all` tasks together, and the `mean` over
the languages of the study. Only questions that have an answer are counted. What they are,
`Outcome.kind` says; beside that, a response in a wrong language may hold the right answer as that
language has it.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from pinch_jax.corpus.language_id import TOO_SHORT
from pinch_jax.evaluate.intervals import NOTHING, Estimate, Mean, mean_of, means_over_prompts
from pinch_jax.evaluate.outcome import RIGHT_KINDS
from pinch_jax.evaluate.records import other_answers
from pinch_jax.evaluate.text_match import names_only, normalise
from pinch_jax.study.comparisons import Answers, Results, examples_of, slow

ALL_TASKS, MEAN = "all", "mean"
# In the place of a task: all of them, less what the model tuned on the base language alone gives.
ABOVE_BASE = "above_base"
# Every response is of one of these.
ELSEWHERE = "right_elsewhere"
KINDS = ("exact", "answer", "wrong_answer", ELSEWHERE, "wrong_language", "echo", TOO_SHORT)
# Sums of kinds that are asked for.
SUMS = {"right": RIGHT_KINDS, "other_language": (ELSEWHERE, "wrong_language")}
SHARES = (*SUMS, *KINDS)
# NaN in a language that cannot be identified, which takes no part in the means.
OF_LANGUAGE = ("other_language", ELSEWHERE, "wrong_language", TOO_SHORT)
# Of a response, and 0 of none; and what each share makes of these: tables are of whole numbers.
_NUMBERS = {None: 0} | {kind: number for number, kind in enumerate(KINDS, start=1)}
_WORTH = {
    share: np.array([math.nan, *(100.0 * (kind in SUMS.get(share, (share,))) for kind in KINDS)])
    for share in SHARES
}
# (run, language) -> prompt id -> what the response is.
Kinds = Mapping[tuple[str, str], Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """A row of outcomes.csv: a field for each of SHARES, in percent of the prompts.

    `other_language` is all that is in a wrong language: `right_elsewhere`, which has the right
    answer there, and `wrong_language`, which has not; responses.csv calls all of it that. `prompts`
    are those of a language, also where the shares are means over the languages. `draw` is "" where
    the shares are means over all draws of a tuning set, whose first one is `run`.
    """

    untold = "nan"  # as this table always had it

    run: str
    spec: str
    language: str
    task: str
    draw: str
    prompts: int
    right: Estimate
    other_language: Estimate
    exact: Estimate
    answer: Estimate
    wrong_answer: Estimate
    right_elsewhere: Estimate
    wrong_language: Estimate
    echo: Estimate
    too_short: Estimate


def outcome_rows(results: Results) -> tuple[Outcomes, ...]:
    """Returns the outcomes of every tuning set, in its languages and, where it has all, their mean.

    Where sets were drawn several times, those of each draw stand behind them, over all tasks. Last
    come what each set's means are above those of the base language alone.

    In a language that cannot be identified nothing is told of the language of responses, and the
    mean is over the others, if there are any. The intervals are those of evaluate/intervals.py;
    that of a mean is over draws and prompts, which the languages share.
    """
    languages, kinds = results.study["languages"], _kinds(results)
    untold = {
        code
        for (_, code), answers in results.answers.items()
        if any(outcome.language is None for outcome in answers.outcomes.values())
    }
    sets = {("", runs[0]): runs for runs in results.draws.values()}
    for runs in results.draws.values():
        if len(set(runs)) > 1:
            sets |= {(str(draw), run): (run,) for draw, run in enumerate(runs)}
    rows, whole = [], {}
    for (draw, run), runs in slow(sets.items(), "what the answers are", "set"):
        spec = results.study["runs"][run]["spec"]
        groups = {code: (code,) for answered, code in kinds if answered == run}
        if all(code in groups for code in languages):
            groups[MEAN] = tuple(code for code in languages if code not in untold) or languages
        for name, codes in groups.items():
            hidden = dict.fromkeys(OF_LANGUAGE, NOTHING) if untold.issuperset(codes) else {}
            for task, columns in _by_task(results, kinds, runs, codes, not draw).items():
                size = max(len(column[0]) for column in columns)
                means = _means(columns)
                if (name, task, draw) == (MEAN, ALL_TASKS, ""):
                    whole[run] = means
                shares = {
                    share: mean.estimate(null=math.nan) for share, mean in means.items()
                } | hidden
                rows.append(Outcomes(run, spec, name, task, draw, size, **shares))
    return (*rows, *_above_base(results, rows, whole))


def _above_base(
    results: Results, rows: Sequence[Outcomes], whole: Mapping[str, Mapping[str, Mean]]
) -> list[Outcomes]:
    """Returns each set's means over the languages less those of the base language's, paired."""
    study = results.study
    alone = {study["base"]}
    base = next((m for run, m in whole.items() if {*examples_of(study, run)} == alone), None)
    above = []
    for row in rows:
        if not base or (row.language, row.task, row.draw) != (MEAN, ALL_TASKS, ""):
            continue
        means = {share: mean - base[share] for share, mean in whole[row.run].items()}
        shares = {
            share: mean.estimate() if math.isfinite(getattr(row, share).value) else NOTHING
            for share, mean in means.items()
        }
        above.append(dataclasses.replace(row, task=ABOVE_BASE, **shares))
    return above


def _kinds(results: Results) -> Kinds:
    """Returns what each response is; one in a wrong language is held against that one's answer."""
    asked = results.asked
    others = {code: other_answers(records) for code, records in asked.items()}

    def kind(identity: str, answers: Answers) -> str | None:
        outcome = answers.outcomes[identity]
        code = outcome.identified
        if outcome.kind != "wrong_language" or identity not in asked.get(code, ()):
            return outcome.kind
        said = normalise(answers.records[identity]["response"])
        right = names_only(said, asked[code][identity]["answer"], others[code][identity])
        return ELSEWHERE if right else "wrong_language"

    kinds = {
        key: {i: held for i in answers.outcomes if (held := kind(i, answers))}
        for key, answers in results.answers.items()
    }
    return {key: held for key, held in kinds.items() if held}


def _by_task(
    results: Results, kinds: Kinds, runs: Sequence[str], codes: Sequence[str], each: bool
) -> dict[str, list[list[dict[str, str]]]]:
    """Returns task -> {prompt: kind} of each run, of each language that has the task.

    `all` is one of the tasks, and the only one unless `each` is asked for.
    """
    records = {code: results.answers[runs[0], code].records for code in codes}

    def of_task(task: str, run: str, code: str) -> dict[str, str]:
        told = kinds[run, code].items()
        return {i: kind for i, kind in told if task in (ALL_TASKS, records[code][i]["task"])}

    tasks = (records[code][i]["task"] for code in codes for run in runs for i in kinds[run, code])
    columns = {
        task: [[of_task(task, run, code) for run in runs] for code in codes]
        for task in dict.fromkeys((ALL_TASKS, *(tasks if each else ())))
    }
    return {task: [column for column in held if any(column)] for task, held in columns.items()}


def _means(languages: Sequence[Sequence[Mapping[str, str]]]) -> dict[str, Mean]:
    """Returns the shares of the kinds {prompt: kind} of each draw of each language, mean of all."""
    prompts = dict.fromkeys(identity for draws in languages for identity in draws[0])
    table = np.array(
        [
            [[_NUMBERS[kinds[draw].get(identity)] for kinds in languages] for identity in prompts]
            for draw in range(len(languages[0]))
        ]
    )
    # All shares are columns of one table, since most of the time goes to calls of small arrays.
    worth = np.stack([worth[table] for worth in _WORTH.values()], axis=2)
    means = iter(means_over_prompts(worth.reshape(*table.shape[:2], -1)))
    return {share: mean_of(itertools.islice(means, len(languages))) for share in _WORTH}
