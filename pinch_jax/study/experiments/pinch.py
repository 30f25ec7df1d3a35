"""A pinch of multilinguality: P percent over all languages, the rest in the base language.

Source: Shaham et al. (2024), arXiv 2401.01854, section 3.2.
"""

import math
from collections.abc import Sequence, Set

from pinch_jax.config import Config
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import EVEN, Estimate
from pinch_jax.languages import language
from pinch_jax.study.comparisons import Results, in_others
from pinch_jax.study.experiments.figure import BASE, Curve
from pinch_jax.study.experiments.interface import (
    BANDS,
    Arm,
    Claim,
    Decision,
    Experiment,
    Words,
    decide,
    monolingual_spec,
    own_models,
)
from pinch_jax.study.measures import (
    NotRun,
    against_untuned,
    counted_examples,
    dose,
    dose_name,
    first_dose,
    lift,
    show,
)
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Score

PINCH = Claim(
    claim="P = 1, forty examples, already lifts the other languages sharply; English falls slowly.",
    unit="points from P = 0 to P = 1, mean of the other languages",
    rule="The rise of the other languages' mean from P = 0 to P = 1, and that rise less what "
    "the base language loses, English in the paper. Holds if both intervals lie above 0; does not "
    "hold if either lies below. What a larger P does to the base is told, and decides nothing.",
    against_own=True,
)
REPLACEMENT = Claim(
    claim="P = 100 is as good as or better than the monolingual model in 8 of 12 languages, with "
    "12 times fewer examples in each.",
    unit="languages in which P = 100 scores at least 50",
    rule="The number of languages in which P = 100 scores at least 50 against the monolingual "
    "model; its interval is from those whose whole interval lies there to those whose interval "
    "reaches it. Holds if at least two thirds of this study's languages surely do; does not hold "
    "if not even so many may.",
    against_own=True,
    paper="8 of 12",
)


def arms(config: Config) -> list[Arm]:
    """Returns an arm for each of config.study.percents."""
    return percents(config, "pinch", config.study.percents)


def percents(config: Config, experiment: str, doses: Sequence[float], among: str = "") -> list[Arm]:
    """Returns arms with P percent spread evenly, the rest in the base language."""
    baselines = own_models(config.monolingual_languages)
    if config.mixture.base not in baselines:
        raise UserError(
            f"config.study.monolingual_languages={tuple(baselines)}: "
            f"{experiment!r} starts from config.mixture.base={config.mixture.base!r}; add it"
        )
    points = []
    if examples := config.study.pinch_examples:
        if not config.mixture.examples:
            raise UserError(
                f"config.study.experiments: {experiment!r} counts {examples} examples, and this "
                "mixture is counted in tokens; set config.mixture.examples, or "
                "config.study.pinch_examples=0, or leave it out"
            )
        points.append((100 * examples / config.mixture.examples, f"pinch:n{examples}{among}"))
    for percent in doses:
        spec = f"pinch:{percent:g}{among}" if percent else monolingual_spec(config.mixture.base)
        points.append((percent, spec))
    return [Arm(experiment, spec, x, "", baselines) for x, spec in sorted(points)]


def lifts(results: Results) -> Decision:
    """Decides by the rise from P = 0 to P = 1, and that rise less what the base loses."""
    base, others = results.study["base"], "mean_non_english"
    rise = lift(results, "pinch", others)
    fall = dose(results, "pinch", base, 0) - dose(results, "pinch", base, 1)
    net = (rise - fall).estimate()
    none, first = (dose(results, "pinch", others, percent) for percent in (0, 1))
    counted = [e for e in results.find("pinch", others) if counted_examples(e.arm["spec"])]
    doses = {"P = 0": none, "P = 1": first} | {dose_name(e.arm): e.score for e in counted}
    english = {dose_name(entry.arm): entry.score for entry in results.find("pinch", base)}
    told = ", ".join(f"{name}: {show(score)}" for name, score in doses.items())
    of_base = "; ".join(f"{name}: {show(score)}" for name, score in english.items())
    detail = f"{told}. Rise less the loss of {base}: {show(net)}. {base}: {of_base}."
    detail += against_untuned(results, "pinch")
    of = first_dose(results, "pinch", others)
    for entry in counted:
        of += f"; with {dose_name(entry.arm)} it is {show(entry.score - none)}"
    return Decision(rise.estimate(), decide((rise.estimate(), 0), (net, 0)), detail, of)


def replaces(results: Results) -> Decision:
    """Decides by in how many languages P = 100 is as good as the own model."""
    # A language without any verdict is one of them too, and may be as good as not.
    cells = [
        entry
        for entry in results.scored
        if (entry.arm["experiment"], entry.arm["x"]) == ("pinch", 100)
        and not (entry.is_mean or counted_examples(entry.arm["spec"]))
    ]
    if not cells:
        raise NotRun("pinch at P = 100")
    scores = [cell.score.estimate() for cell in cells]
    reach = Estimate(
        sum(score.value >= EVEN for score in scores),
        sum(score.low >= EVEN for score in scores),
        sum(not score.high < EVEN for score in scores),
    )
    needed = math.ceil(len(cells) * 2 / 3)
    each = ", ".join(f"{cell.language} {show(cell.score)}" for cell in cells)
    of = f", of {len(cells)}; the paper's 8 of 12 would be {needed}"
    alike = ", ".join(cell.language for cell in cells if {*cell.values} == {EVEN / 100})
    told = f" Every prompt is a tie in {alike}: both are as good, or as bad." if alike else ""
    return Decision(reach, decide((reach, needed - 0.5)), f"{each}.{told}", of)


OWN_MODEL = "the model tuned on the language of the instructions alone"
P_AXIS = "examples spread over all languages (%)"


def first_dose_says(records: Records, experiment: str, mean: str, whose: str) -> str:
    """Says what a mean is without other languages, with the first dose of them, and at the end."""
    rows = by_dose(records, experiment, mean)
    if len(rows) < 2:
        return f"{whose} were judged at {'one P alone' if rows else 'no P'}."
    none, first, last = rows[0], rows[1], rows[-1]
    where = f"at P = {float(none.x):.3g}"
    if float(none.x) == 0:
        where = f"when all examples are {_base(records)}"
    said = (
        f"{whose} score {show(none.score)} {where}, and "
        f"{show(first.score)} with {in_others(records.study, first.run)} in other languages."
    )
    if last is not first:
        said += f" At P = {float(last.x):g} they score {show(last.score)}."
    return f"{said} 50 would be as good as a model tuned on each language alone."


def by_dose(records: Records, experiment: str, language: str) -> list[Score]:
    """Returns the scores in a language or mean, from the least P to the largest."""
    return sorted(records.experiment(experiment, language), key=lambda row: float(row.x))


def which_languages(records: Records, experiment: str, left_out: Set[str]) -> str:
    """Returns the codes of the judged languages but some, where a study does not judge in all."""
    judged = records.judged_in(experiment)
    if set(judged) >= set(records.study["languages"]):
        return ""
    named = ", ".join(code for code in judged if code not in left_out)
    return f" ({named})" if named else ""


def a_pinch_lifts(records: Records, experiment: str) -> str:
    """Says how the first dose moves the other languages, and what becomes of the base."""
    base = records.study["base"]
    whose = f"The other languages{which_languages(records, experiment, {base})}"
    said = first_dose_says(records, experiment, "mean_non_english", whose)
    rows = by_dose(records, experiment, base)
    first, last = rows[0], rows[-1]
    if first is last:
        return said
    return f"{said} {_base(records)} goes from {show(first.score)} to {show(last.score)}."


def _base(records: Records) -> str:
    return language(records.study["base"]).name


EXPERIMENT = Experiment(
    words=Words(
        short="Pinch",
        title="A pinch of multilinguality",
        paper="Figure 3",
        lead="P % of the examples are spread evenly over all languages, and the rest are in one, "
        "English in the paper. The number of examples stays the same. How large must P be?",
        caption="The doses stand evenly spaced. A thin line is a language. The baseline is "
        + OWN_MODEL
        + ". A label with “ex.” counts the examples in other languages; forty of 4,640 are the "
        "paper's P = 1. " + BANDS,
        found="Forty of 4,640 examples (P = 1) lift the other languages sharply, and English falls "
        "slowly.",
    ),
    arms=arms,
    means=("mean_non_english",),
    findings=[(PINCH, lifts), (REPLACEMENT, replaces)],
    figure=Curve(
        P_AXIS,
        {"mean_non_english": "mean of the other languages", BASE: ""},
        baseline=OWN_MODEL,
    ),
    result=a_pinch_lifts,
)
