"""The numbers that findings are decided by, taken from the scores and answers of a study."""

from collections.abc import Iterable
from typing import Any

from pinch_jax.evaluate.scores import Bootstrap, Estimate, mean_of
from pinch_jax.study.comparisons import Results, Scored
from pinch_jax.study.config import GAIN


class NotRun(Exception):
    """What a finding needs was no part of the study."""


def show(number: Bootstrap | Estimate, digits: int = 1) -> str:
    """Return a number with its interval as text."""
    held = number.estimate() if isinstance(number, Bootstrap) else number
    return f"{held.value:.{digits}f} [{held.low:.{digits}f}, {held.high:.{digits}f}]"


def entries_of(results: Results, experiment: str, language: str, **arm: Any) -> list[Scored]:
    """Return the scores of an experiment in a language or mean, of arms with these fields.

    Raises:
      NotRun: there are none.
    """
    if entries := results.find(experiment, language, **arm):
        return entries
    raise NotRun(" ".join([experiment, *(f"at {name} = {value}" for name, value in arm.items())]))


def cells_of(results: Results, experiment: str) -> list[Scored]:
    """Return the scores of an experiment that are of one language, and not 50 by construction."""
    return [
        entry
        for entry in results.scored
        if entry.arm["experiment"] == experiment and not (entry.is_mean or entry.is_itself)
    ]


def dose(results: Results, experiment: str, language: str, percent: float) -> Bootstrap:
    """Return the score at a P."""
    return entries_of(results, experiment, language, x=percent)[0].score


def lift(results: Results, experiment: str, language: str) -> Bootstrap:
    """Return the rise of a score from P = 0 to P = 1."""
    return dose(results, experiment, language, 1) - dose(results, experiment, language, 0)


def divided(number: Bootstrap, divisor: float) -> Bootstrap:
    """Return a fraction of a number and of all of its replicates."""
    return Bootstrap(number.value / divisor, number.replicates / divisor)


def where_own_models(results: Results) -> str:
    """Return which languages have a monolingual model, if not all have one."""
    study, against_own = results.study, ("monolingual", "pinch", "unseen")
    arms = [arm for arm in study["arms"] if arm["experiment"] in against_own]
    own = {code for arm in arms for code in arm["baseline_runs"]}
    if own.issuperset(study["languages"]) or not own:
        return ""
    named = ", ".join(code for code in study["languages"] if code in own)
    return f" Scores against a language's own model, and their means, are in {named} alone."


def against_untuned(results: Results, experiment: str) -> str:
    """Return the mean of all other languages against the untuned model at each P, if it ran."""
    runs = {e.arm["x"]: e.arm["run"] for e in results.find(experiment, results.study["base"])}
    found = {x: results.find(GAIN, "mean_non_english", run=run) for x, run in runs.items()}
    told = "; ".join(f"P = {x:g}: {show(held[0].score)}" for x, held in found.items() if held)
    return told and f" Mean of all other languages against the untuned model: {told}."


def answered_by(results: Results, runs: Iterable[str]) -> list[tuple[str, str]]:
    """Return (run, language) for the languages of the study that these runs answered in."""
    keys = [(run, code) for run in runs for code in results.study["languages"]]
    return [key for key in keys if key in results.answers]


def in_language(results: Results, answered: Iterable[tuple[str, str]]) -> Estimate:
    """Return the percentage of these responses in the language of the instruction."""
    columns = [
        {
            identity: 100.0 * (outcome.right_language)
            for identity, outcome in results.answers[key].outcomes.items()
            if outcome.too_short is False
        }
        for key in dict.fromkeys(answered)
    ]
    shares = results.means([column for column in columns if column])
    return mean_of(shares[place] for place in range(len(shares.value))).estimate()
