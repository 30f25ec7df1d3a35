"""The first screen of a report: the answer, three numbers of four models, and what they rest on."""

import dataclasses
import math
from collections.abc import Container, Mapping
from typing import Any

from pinch_jax.evaluate.intervals import NOTHING
from pinch_jax.languages import language
from pinch_jax.report.drawing import Drawing
from pinch_jax.report.figures import draw
from pinch_jax.report.judge_section import judge_sentence, silence
from pinch_jax.report.outcome_section import left_out, mean_shares, unidentified
from pinch_jax.report.sections import figure_of, ran
from pinch_jax.report.tables import Section, ends, finding_number
from pinch_jax.report.text_table import number
from pinch_jax.study.comparisons import in_others
from pinch_jax.study.config import BUILT_IN, EXPERIMENTS, PRETRAINED
from pinch_jax.study.experiments.figure import Bars, Curve
from pinch_jax.study.experiments.interface import FAILS, HOLDS, UNDECIDED, Words
from pinch_jax.study.experiments.registry import experiments_of
from pinch_jax.study.outcomes import Outcomes
from pinch_jax.study.records import Records

ONE_DRAW = (
    "The examples were drawn once. The intervals say what other prompts would change; they leave "
    "the choice of examples out."
)
SEVERAL_DRAWS = (
    "Each tuning set was drawn {} times, with other examples each time. The intervals hold for "
    "other examples and other prompts."
)
TWO_DRAWS = (
    " Two draws that agree or not by luck make an interval far too narrow or very wide: three are "
    "the least that tell something."
)
COUNTED_IN_TOKENS = (
    " Sets are of as many supervised tokens: a P is the percent of these, where this page says "
    "percent of the examples."
)

VERDICTS = {
    HOLDS: "It holds here",
    FAILS: "It does not hold here",
    UNDECIDED: "Whether it holds here cannot be told",
}


def first_screen(records: Records, sections: list[Section]) -> dict[str, Any]:
    """Returns what is to be read in ten seconds.

    `answer` is to the question of the title; `models` are name -> what becomes of its answers, as
    (number, interval): right, in a wrong language, wrong in another way. `facts` are what the
    numbers rest on, and `caveat` is what the intervals hold for.
    """
    leading, shares = leading_models(records), mean_shares(records)
    draws = records.draw_count
    # Of another paper's study one of these alone says nothing.
    alone = "none" in leading and not other_papers(records)
    shown = leading if alone or len(leading) > 1 else {}
    own = set(experiments_of(records.study)).difference(BUILT_IN)
    # Of the first experiment: what stands before it says little where models are in few languages.
    results = [held.result for held in sections if held.id in ran(records)]
    return {
        "answer": _claim(records, set(other_papers(records)))
        or _answer(records, leading, shares)
        or _claim(records, own)
        or next(iter(results), ""),
        "models": {_called(records, what, run): _three(shares[run]) for what, run in shown.items()},
        "curve": _curve(records),
        "facts": _facts(records),
        "languages": len(records.study["languages"]) - len(unidentified(records)),
        "judge": judge_sentence(records),
        "caveat": (ONE_DRAW if draws == 1 else SEVERAL_DRAWS.format(draws))
        + (TWO_DRAWS if draws == 2 else "")
        + (COUNTED_IN_TOKENS if records.config["mixture"].get("supervised_tokens") else "")
        + left_out(records),
    }


def leading_models(records: Records) -> dict[str, str]:
    """Returns "none", "base", "pinch" and "even" -> a run that answered in all languages.

    The pinch is the set with the fewest examples that are not in the base language, spread evenly
    over all others. What a study does not have is left out.
    """
    base, others = records.study["base"], set(records.study["languages"]) - {records.study["base"]}
    answered = mean_shares(records)
    found: dict[str, str] = {}
    least = math.inf
    for run, spec in records.runs.items():
        held = records.examples_of(run)
        rest = {code: count for code, count in held.items() if code != base}
        even = bool(rest) and set(rest) == others and max(rest.values()) - min(rest.values()) <= 1
        if run not in answered:
            continue
        if spec == PRETRAINED:
            found["none"] = run
        elif held and not rest:
            found["base"] = run
        elif even and abs(held.get(base, 0) - max(rest.values())) <= 1:
            found["even"] = run
        elif even and sum(rest.values()) < least:
            least, found["pinch"] = sum(rest.values()), run
    return {what: found[what] for what in ("none", "base", "pinch", "even") if what in found}


def _called(records: Records, what: str, run: str) -> str:
    """Returns a leading model in words."""
    base = language(records.study["base"]).name
    if what in ("none", "base"):
        return "No tuning" if what == "none" else f"{base} only"
    if what == "even":
        return f"Even split over {len(records.study['languages'])} languages"
    return f"{in_others(records.study, run)} examples in other languages"


def _three(shares: Outcomes) -> list[tuple[str, str]]:
    """Returns what is right, in a wrong language, and wrong in another way, in percent."""
    right, elsewhere = shares.right, shares.other_language
    told = [(number(held.value, 0), ends(held, 0)) for held in (right, elsewhere)]
    return [*told, (number(100 - right.value - elsewhere.value, 0), "")]


def _answer(records: Records, leading: Mapping[str, str], shares: Mapping[str, Outcomes]) -> str:
    """Returns what a pinch changes, by paired differences; "" without such models."""
    if not {"base", "pinch"} <= leading.keys():
        return ""
    base, pinch = shares[leading["base"]], shares[leading["pinch"]]
    above = records.above_base.get(leading["pinch"])
    right, wrong = (above.right, above.other_language) if above else (NOTHING, NOTHING)
    helps, harms = right.low > 0 or wrong.high < 0, right.high < 0 or wrong.low > 0
    start = {
        (True, False): "A pinch helps",
        (False, True): "A pinch does harm",
        (True, True): "A pinch helps and does harm",
    }.get((helps, harms), "Whether a pinch helps cannot be told")

    def told(held: Outcomes, whose: str) -> str:
        right, elsewhere = (number(share.value, 0) for share in (held.right, held.other_language))
        # In which language answers are cannot be told in any language of some studies.
        wrong = "" if elsewhere == "–" else f" and {elsewhere} % are in a wrong language"
        return f"{right} % {whose}are right{wrong}."

    said = (
        f"{start}: with {in_others(records.study, leading['pinch'])} examples in other languages, "
        f"{told(pinch, 'of the answers ')} With {language(records.study['base']).name} examples "
        f"only, {told(base, '')}"
    )
    if "even" not in leading:
        return said
    even = shares[leading["even"]]
    more = helps and not harms and even.right.low > pinch.right.high
    start = "More helps more: with" if more else "With"
    return f"{said} {start} an even split, {number(even.right.value, 0)} % are right."


def other_papers(records: Records) -> dict[str, Words]:
    """Returns the words of the experiments that are of other papers, where none is of the paper."""
    chosen = experiments_of(records.study)
    words = {name: held.words for name, held in chosen.items() if held.words.source}
    return words if set(EXPERIMENTS).isdisjoint(chosen) else {}


def _claim(records: Records, experiments: Container[str]) -> str:
    """Returns the first claim of these experiments, and whether it holds; "" without any."""
    for found in records.findings:
        if found.experiment in experiments and found.verdict in VERDICTS:
            said = f"{found.claim} {VERDICTS[found.verdict]}: {finding_number(found)} {found.unit}."
            return silence(records) + said
    return ""


def _curve(records: Records) -> Drawing | None:
    """Returns the first curve of the study without thin lines, and what the paper found there.

    Of another paper it may be bars.
    """
    for name in ran(records):
        figure = figure_of(records, name)
        if isinstance(figure, Bars) and (words := other_papers(records).get(name)):
            (drawing,) = draw(records, name, words.title, figure)
            return dataclasses.replace(drawing, name="first", note=words.caption)
        if isinstance(figure, Curve):
            words = experiments_of(records.study)[name].words
            plain = dataclasses.replace(figure, each=False)
            (drawing,) = draw(records, name, words.title, plain)
            said = f"50 is as good as {figure.baseline}."
            said = f"In the paper: {words.found} {said}" if words.found else said
            return dataclasses.replace(drawing, name="first", note=said)
    return None


def _facts(records: Records) -> list[tuple[str, str]]:
    """Returns what the numbers rest on."""
    sets = [records.examples_of(run) for run in records.tuned_runs]
    sizes = sorted({sum(held.values()) for held in sets if held}) or [0]
    judged = {row.language for row in records.responses}
    prompts = max((int(row.prompts) for row in records.responses), default=0)
    draws = records.draw_count
    tuned = sum(run["spec"] != PRETRAINED for run in records.study["runs"].values())
    examples = f"{sizes[0]:,}" + (f" to {sizes[-1]:,}" if len(sizes) > 1 else "")
    return [
        ("tuned models", f"{tuned:,}"),
        ("languages", f"{len(judged):,}"),
        ("examples a model", examples),
        ("prompts a language", f"{prompts:,}"),
        ("draw of the examples" if draws == 1 else "draws of the examples", f"{draws:,}"),
    ]
