"""A sweep of one's own: mixtures side by side, held against one baseline, without code."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from pinch_jax.config import Config
from pinch_jax.errors import UserError
from pinch_jax.study.config import OWN, PRETRAINED, Sweep
from pinch_jax.study.experiments.figure import Bars, Curve, Figure, HeatMap
from pinch_jax.study.experiments.gain import ALL_MEANS
from pinch_jax.study.experiments.interface import BANDS, Arm, Experiment, Words, own_models
from pinch_jax.study.experiments.pinch import OWN_MODEL, which_languages
from pinch_jax.study.measures import show
from pinch_jax.study.records import Records

EXPERIMENT = Experiment(
    words=Words(
        short="Sweep",
        title="A sweep of your own",
        lead="Mixtures side by side, held against one baseline.",
        caption="The thick line or the bar is the mean of the languages. " + BANDS,
    ),
    means=ALL_MEANS,
)


def best_and_worst(records: Records, experiment: str) -> str:
    """Says which mixtures of a sweep have the highest and the lowest mean of the languages."""
    rows = records.ranked(experiment, "mean")
    if not rows:
        return "No set has a mean score of its languages."
    told = [
        f"“{', '.join(filter(None, (records.names[row.run], row.series)))}” scores "
        f"{show(row.score)}"
        for row in rows
    ]
    if len(told) > 1 and rows[0].score.value == rows[-1].score.value:
        told = [f"All {len(told)} sets score {rows[0].score.value:.1f}"]
    if len(told) > 3:
        told = [f"{told[0]}, the highest of {len(told)} sets", f"{told[-1]}, the lowest"]
    over = which_languages(records, experiment, set())
    return f"{'; '.join(told)}. These are means of the languages{over}."


def baseline_of(records: Records, experiment: str) -> str:
    """Returns what the scores of a sweep are held against, in words."""
    arms = [arm for arm in records.study["arms"] if arm["experiment"] == experiment]
    held = {(code, spec) for arm in arms for code, spec in arm["baselines"].items()}
    if all(spec == f"monolingual:{code}" for code, spec in held):
        return OWN_MODEL
    specs = {spec for _, spec in held}
    if len(specs) > 1:  # an experiment of one's own
        return "what the model is held against, which differs"
    if specs == {PRETRAINED}:
        return "the model before tuning"
    return f"the model tuned on “{records.names[next(iter(arms[0]['baseline_runs'].values()))]}”"


def shape_of(records: Records, experiment: str) -> Figure:
    """Returns a curve where the `x` of three arms or more are numbers, else bars or a heat map."""
    rows = records.experiment(experiment, "mean")
    if len(rows) >= 3 and all(re.fullmatch(r"[\d.e+-]+", row.x) for row in rows):
        pinches = are_pinches((row.spec for row in rows), records.study["base"])
        x = "examples that are not in the base language (%)"
        even = all(re.match("uniform:|monolingual:", row.spec) for row in rows)
        x = x if pinches else "number of tuning languages" if even else "x"
        held_against = baseline_of(records, experiment)
        return Curve(x, {"mean": "mean of the languages"}, baseline=held_against)
    if len(records.judged_in(experiment)) < 2:
        return Bars("score (%)", "mean")
    others = records.experiment(experiment, "mean_other")
    means = ({"mean": "mean"} if rows else {}) | ({"mean_other": "others"} if others else {})
    return HeatMap(means)


def arms(config: Config, sweep: Sweep) -> list[Arm]:
    """Returns an arm for each mixture of a sweep.

    Raises:
        UserError: no language that it is judged in has a model of its own to be held against.
    """
    judged = sweep.languages or config.languages
    if sweep.against == OWN:
        baselines = own_models([code for code in config.monolingual_languages if code in judged])
    else:
        baselines = dict.fromkeys(judged, sweep.against)
    if not baselines:
        raise UserError(
            f"config.study.sweeps: {sweep.name!r} is held against the languages' own models, and "
            "none of its languages has one; add one to config.study.monolingual_languages, or "
            f"set against={PRETRAINED!r}"
        )
    places = _places(config, sweep.specs)
    arms = [
        Arm(sweep.name, spec, x, "", baselines) for spec, x in zip(sweep.specs, places, strict=True)
    ]
    return arms if places == list(sweep.specs) else sorted(arms, key=lambda arm: arm.x)


def _places(config: Config, specs: Sequence[str]) -> list[float] | list[str]:
    """Returns where mixtures stand on the x axis.

    That is the percent of what is not in the base language where all are pinches, the number of
    languages where all are even splits, and else their names.
    """
    base, budgets = config.mixture.base, [config.mixture_of(spec).budgets for spec in specs]
    if are_pinches(specs, base):
        places = [100 * (1 - held.get(base, 0) / sum(held.values())) for held in budgets]
    elif all(re.match("uniform:|monolingual:", spec) for spec in specs):
        places = [float(sum(count > 0 for count in held.values())) for held in budgets]
    else:
        return list(specs)
    return places if len(set(places)) == len(places) else list(specs)


def are_pinches(specs: Iterable[str], base: str) -> bool:
    """Returns whether mixtures differ in how much of them is not in the base language."""
    return all(spec.startswith("pinch:") or spec == f"monolingual:{base}" for spec in specs)


def parse_sweep(text: str, name: str) -> Sweep:
    """Returns the sweep of a line: "pinch:0,1,2,5", or whole mixtures with ; between them.

    `@pretrained` or `@SPEC` at the end is what they are held against, if not the own models.

    Raises:
        UserError: there are fewer than two mixtures.
    """
    # An @ before a number is a knot of a schedule.
    listed, against = re.fullmatch(r"(.*?)(?:@(\D.*))?", text, re.DOTALL).groups("")
    specs = [spec.strip() for spec in listed.split(";") if spec.strip()]
    if len(specs) == 1 and (short := re.fullmatch(r"pinch:([^:]+)((?::.*)?)", specs[0])):
        doses, among = short.groups()
        specs = [f"pinch:{dose}{among}" for dose in doses.split(",") if dose]
    if len(specs) < 2:
        raise UserError(
            f"--sweep={text}: name two mixtures or more, such as pinch:0,1,10 or "
            "'uniform:en,fi;uniform:en,fi,it'"
        )
    return Sweep(name=name, specs=tuple(specs), against=against.strip() or OWN)


def with_sweeps(config: Config, lines: Sequence[str]) -> Config:
    """Returns a config whose study is the sweeps of these lines, and no experiment of the paper."""
    names = ["sweep", *(f"sweep_{number}" for number in range(2, len(lines) + 1))]
    sweeps = tuple(parse_sweep(line, name) for line, name in zip(lines, names, strict=False))
    study = dataclasses.replace(config.study, experiments=(), sweeps=sweeps)
    return dataclasses.replace(config, study=study)
