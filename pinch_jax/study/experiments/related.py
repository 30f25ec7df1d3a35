"""What the experiments of other papers share: languages, recipes, arms, figure and scores."""

from collections.abc import Iterable
from typing import Any

from pinch_jax.config import Config
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import EVEN, Mean, mean_of
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import Bars
from pinch_jax.study.experiments.interface import Arm, Decision, Experiment, decide, uniform_spec
from pinch_jax.study.measures import NotRun, entries_of, show
from pinch_jax.study.records import Records

SAME_SIZE = "All sets have the same number of examples."


def related_experiment(**brought: Any) -> Experiment:
    """Returns an experiment whose figure is a bar a series: its mean score over its languages."""
    figure = Bars("mean score (%)", "mean", by_series=True)
    return Experiment(figure=figure, result=each_series, **brought)


def series_arms(experiment: str, *compared: tuple[str, str, Iterable[str], str]) -> list[Arm]:
    """Returns an arm for each (series, set, languages, set that it is held against in these)."""
    return [
        Arm(experiment, spec, series, series, dict.fromkeys(codes, against))
        for series, spec, codes, against in compared
    ]


def parted(config: Config, experiment: str, kind: str = "") -> tuple[list[str], list[str]]:
    """Returns the languages of a study that it tunes on, and those that it does not.

    `kind` is the recipe that its prompts are made by; "": they are those of the corpus.

    Raises:
        UserError: it tunes on fewer than three, or on all, or not on the base; or its prompts are
            made otherwise.
    """
    check_asked(config, experiment, kind)
    tuned = [code for code in config.languages if code in config.study.tuning_languages]
    unseen = [code for code in config.languages if code not in tuned]
    if len(tuned) > 2 and unseen and config.mixture.base in tuned:
        return tuned, unseen
    raise UserError(
        f"config.study.tuning_languages={config.study.tuning_languages}: {experiment!r} needs "
        f"three or more of config.languages={config.languages}, among them config.mixture.base="
        f"{config.mixture.base!r}, and not all of them"
    )


def check_asked(config: Config, experiment: str, kind: str = "") -> None:
    """Raises UserError where the prompts of a study are not made by the recipe it is about."""
    needed = f"{kind}-{config.mixture.base}" if kind else ""
    if config.evaluate.recipe != needed:
        raise UserError(
            f"config.evaluate.recipe={config.evaluate.recipe!r}: {experiment!r} is about other "
            f"prompts; set it to {needed!r}"
        )


def recipe_spec(config: Config, kind: str, tuned: Iterable[str]) -> str:
    """Returns the spec of an even split over a recipe from the base to the other languages."""
    base = config.mixture.base
    return uniform_spec([f"{kind}-{base}-{code}" for code in tuned if code != base])


def mean_score(results: Results, experiment: str, **arm: str) -> Mean:
    """Returns the mean score of an experiment's arms with these fields, each arm alike.

    Raises:
        NotRun: there are none.
    """
    return mean_of(entry.score for entry in entries_of(results, experiment, "mean", **arm))


def above_even(results: Results, experiment: str, *decisive: str) -> Decision:
    """Decides by the scores of these series, each against 50; the first one's is the number."""
    scores = [mean_score(results, experiment, series=name).estimate() for name in decisive]
    verdict = decide(*((score, EVEN) for score in scores))
    return Decision(scores[0], verdict, series_scores(results, experiment))


def series_scores(results: Results, experiment: str) -> str:
    """Returns the score of each series of an experiment, mean of its languages, as a sentence."""
    means = results.find(experiment, "mean")
    told = [f"{e.arm['series']} ({', '.join(e.languages)}): {show(e.score)}" for e in means]
    return f"{'; '.join(told)}."


def right_share(results: Results, run: str, languages: Iterable[str]) -> Mean:
    """Returns how many percent of a run's answers are right, mean of these languages.

    Questions without an answer to be right by are left out.

    Raises:
        NotRun: a language has no others.
    """

    def share(code: str) -> Mean:
        draws = [results.answers[drawn, code].outcomes for drawn in results.draws[run]]
        right = [{id: float(of.right) for id, of in told.items() if of.kind} for told in draws]
        if not any(right):
            raise NotRun(f"prompts in {code!r} that have an answer, to be right by")
        return results.mean(right)

    return mean_of(map(share, languages))


def each_series(records: Records, experiment: str) -> str:
    """Says the score of each series, mean of its languages."""
    rows = records.experiment(experiment, "mean")
    return f"Score in percent: {'; '.join(f'{row.series} {show(row.score)}' for row in rows)}."
