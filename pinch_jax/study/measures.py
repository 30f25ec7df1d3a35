"""The numbers that findings are decided by, taken from the scores and answers of a study."""

import math
import re
from collections.abc import Iterable
from typing import Any

from pinch_jax.evaluate.intervals import NOTHING, Contrast, Estimate, Mean, mean_of
from pinch_jax.study.comparisons import Arm, Results, Scored, in_others
from pinch_jax.study.config import GAIN


class NotRun(Exception):
    """What a finding needs was no part of the study."""


def show(number: Mean | Contrast | Estimate, digits: int = 1) -> str:
    """Returns a number with its interval as text, "no number" where there is none."""
    held = number if isinstance(number, Estimate) else number.estimate()
    if math.isnan(held.value):
        return "no number"
    # z: -0.04 is 0.0, and not -0.0.
    return f"{held.value:z.{digits}f} [{held.low:z.{digits}f}, {held.high:z.{digits}f}]"


def entries_of(results: Results, experiment: str, language: str, **arm: Any) -> list[Scored]:
    """Returns the scores of an experiment in a language or mean, of arms with these fields.

    Raises:
      NotRun: there are none.
    """
    if entries := results.find(experiment, language, **arm):
        return entries
    raise NotRun(" ".join([experiment, *(f"at {name} = {value}" for name, value in arm.items())]))


def cells_of(results: Results, experiment: str) -> list[Scored]:
    """Returns the scores of an experiment that are of one language, and not 50 by construction."""
    return [
        entry
        for entry in results.scored
        if entry.arm["experiment"] == experiment and not (entry.is_mean or entry.is_itself)
    ]


def dose(results: Results, experiment: str, language: str, percent: float) -> Mean:
    """Returns the score at a P."""
    return entries_of(results, experiment, language, x=percent)[0].score


def counted_examples(spec: str) -> str:
    """Returns how many examples in other languages a spec names; "" where it names a P."""
    found = re.search(r":n(\d+)", spec)
    return found[1] if found else ""


def dose_name(arm: Arm) -> str:
    """Returns an arm's P, or its number of examples where the spec names that, in words."""
    count = counted_examples(arm["spec"])
    return f"{count} examples" if count else f"P = {arm['x']:g}"


def first_dose(results: Results, experiment: str, language: str) -> str:
    """Returns of how many languages a mean is in this study, and how many examples P = 1 is."""
    entry = entries_of(results, experiment, language, x=1)[0]
    part = in_others(results.study, entry.arm["run"])
    return f" ({len(entry.languages)} of them); P = 1 is {part} examples"


def mean_of_orders(entries: Iterable[Scored]) -> dict[int, Mean]:
    """Returns number of tuning languages -> mean over the orders of adding them."""
    held: dict[int, list[Mean]] = {}
    for entry in entries:
        held.setdefault(entry.arm["x"], []).append(entry.score)
    return {x: mean_of(scores) for x, scores in sorted(held.items())}


def lift(results: Results, experiment: str, language: str) -> Contrast:
    """Returns the rise of a score from P = 0 to P = 1."""
    return dose(results, experiment, language, 1) - dose(results, experiment, language, 0)


def where_own_models(results: Results) -> str:
    """Returns which languages have a monolingual model, if not all have one."""
    study, against_own = results.study, ("monolingual", "pinch", "unseen")
    arms = [arm for arm in study["arms"] if arm["experiment"] in against_own]
    own = {code for arm in arms for code in arm["baseline_runs"]}
    if own.issuperset(study["languages"]) or not own:
        return ""
    named = ", ".join(code for code in study["languages"] if code in own)
    return f" Scores against a language's own model, and their means, are in {named} alone."


def against_untuned(results: Results, experiment: str) -> str:
    """Returns the mean of all but the base against the untuned model at each P, if it ran."""
    base = results.study["base"]
    arms = [entry.arm for entry in results.find(experiment, base)]
    found = {dose_name(arm): results.find(GAIN, "mean_non_english", run=arm["run"]) for arm in arms}
    told = "; ".join(f"{name}: {show(held[0].score)}" for name, held in found.items() if held)
    return told and f" Mean of all languages but {base} against the untuned model: {told}."


def answered_by(results: Results, runs: Iterable[str]) -> list[tuple[str, str]]:
    """Returns (run, language) for the languages of the study that these runs answered in.

    A run stands for all draws of its tuning set.
    """
    languages = results.study["languages"]
    keys = [(run, code) for run in runs if run in results.draws for code in languages]
    return [key for key in keys if key in results.answers]


def in_language(results: Results, answered: Iterable[tuple[str, str]]) -> Estimate:
    """Returns how many percent of these responses are in the language of the instruction.

    Those too short to tell are left out; NaN if all are.
    """
    means = []
    for run, code in dict.fromkeys(answered):
        draws = [
            {
                identity: float(outcome.right_language)
                for identity, outcome in results.answers[drawn, code].outcomes.items()
                if outcome.too_short is False
            }
            for drawn in results.draws[run]
        ]
        if any(draws):
            means.append(results.mean(draws))
    return mean_of(means).estimate() if means else NOTHING
