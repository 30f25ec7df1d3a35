"""The paper's experiments as comparisons between tuning sets; nothing here runs anything.

Where only some languages have a monolingual model (config.study.monolingual_languages), whatever
is held against a language's own one is so in these languages only. `gain` is ours: there every
tuned model answers in all languages.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from pinch_jax.config import Config
from pinch_jax.data.order import shuffled
from pinch_jax.errors import UserError
from pinch_jax.study.config import GAIN

# The model before tuning, where a comparison names a tuning set.
PRETRAINED = "pretrained"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One tuned model of an experiment and what it is held against.

    Attributes:
        experiment: its name in STUDY: "pinch".
        spec: the tuning set, as a mixture's name, or PRETRAINED.
        x: where it stands in the figure: P in percent, a number of languages, a language or pair.
        series: which line of the figure, where there are several.
        baselines: for each language that is judged, the tuning set it is judged against.
    """

    experiment: str
    spec: str
    x: float | str
    series: str
    baselines: Mapping[str, str]


def monolingual(language: str) -> str:
    """Returns the spec of the set that is all in one language."""
    return f"monolingual:{language}"


def uniform(languages: Sequence[str]) -> str:
    """Returns the spec of an even split; of one language, that of its monolingual set."""
    if len(languages) == 1:
        return monolingual(languages[0])
    return "uniform:" + ",".join(languages)


def _each_monolingual(languages: Sequence[str]) -> dict[str, str]:
    return {code: monolingual(code) for code in languages}


def _table(experiment: str, languages: Sequence[str]) -> list[Arm]:
    """Every monolingual model in every language, against the language's own: section 3.1, 4.1."""
    baselines = _each_monolingual(languages)
    return [Arm(experiment, monolingual(code), code, "", baselines) for code in languages]


def _pretrained(config: Config) -> list[Arm]:
    """Every monolingual model against the untuned one: appendix F."""
    baselines = dict.fromkeys(config.languages, PRETRAINED)
    return [
        Arm("pretrained", monolingual(code), code, "", baselines)
        for code in config.monolingual_languages
    ]


def _percents(
    config: Config, experiment: str, percents: Sequence[float], among: str = ""
) -> list[Arm]:
    """P percent spread evenly, the rest in the base language: sections 3.2 and 3.3."""
    baselines = _each_monolingual(config.monolingual_languages)
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
    for percent in percents:
        spec = f"pinch:{percent:g}{among}" if percent else monolingual(config.mixture.base)
        points.append((percent, spec))
    return [Arm(experiment, spec, x, "", baselines) for x, spec in sorted(points)]


def _breadth(config: Config) -> list[Arm]:
    """One more tuning language at a time, in several orders: section 3.4."""
    unseen = _unseen_languages(config, "breadth")
    arms = []
    for number, order in enumerate(config.study.breadth_orders, 1):
        for count in range(1, len(order) + 1):
            # The set does not depend on the order in which its languages came.
            tuned = [code for code in config.languages if code in order[:count]]
            baselines = _each_monolingual(unseen)
            arms.append(Arm("breadth", uniform(tuned), count, f"order {number}", baselines))
    return arms


def _pairs(config: Config) -> list[Arm]:
    """Random pairs, half and half, against the two monolingual models of each: section 3.4."""
    drawn = shuffled(config.monolingual_languages, config.study.pair_seed, "pairs")
    arms = []
    for pair in zip(drawn[::2], drawn[1::2], strict=False):
        tuned = [code for code in config.languages if code in pair]
        others = [code for code in config.languages if code not in pair]
        for half in tuned:
            baselines = dict.fromkeys(others, monolingual(half))
            arms.append(Arm("pairs", uniform(tuned), "+".join(tuned), f"against {half}", baselines))
    return arms


def _unseen(config: Config) -> list[Arm]:
    _unseen_languages(config, "unseen")
    percents = config.study.unseen_percents or config.study.percents
    return _percents(config, "unseen", percents, ":" + ",".join(config.study.tuning_languages))


def _unseen_languages(config: Config, experiment: str) -> list[str]:
    """Return the languages that are not tuned on and have a model to be held against."""
    tuned, own = config.study.tuning_languages, config.monolingual_languages
    if unseen := [code for code in own if code not in tuned]:
        return unseen
    raise UserError(
        f"config.study.tuning_languages={tuned}: {experiment!r} has no unseen language to judge in "
        f"among {own}, which have a monolingual model; take one out there, add one to "
        "config.study.monolingual_languages, or leave the experiment out"
    )


def _gain(config: Config, arms: Sequence[Arm]) -> list[Arm]:
    """Every tuned model of the other experiments against the untuned one, in all languages."""
    named = (spec for arm in arms for spec in (arm.spec, *arm.baselines.values()))
    baselines = dict.fromkeys(config.languages, PRETRAINED)
    return [
        Arm(GAIN, spec, spec, "", baselines) for spec in dict.fromkeys(named) if spec != PRETRAINED
    ]


# `pretraining_share` and `same_language` look at the models of `monolingual` from other sides.
_ARMS: dict[str, Callable[[Config], list[Arm]]] = {
    "monolingual": lambda config: _table("monolingual", config.monolingual_languages),
    "pretrained": _pretrained,
    "pinch": lambda config: _percents(config, "pinch", config.study.percents),
    "unseen": _unseen,
    "breadth": _breadth,
    "pairs": _pairs,
    "slavic": lambda config: _table("slavic", config.study.slavic_languages),
    "pretraining_share": lambda config: [],
    "same_language": lambda config: [],
}


def arms_of(config: Config) -> list[Arm]:
    """Returns all comparisons of the config's experiments, in their order.

    Raises:
        UserError: an experiment needs another one that the config leaves out, or a language that
            is not there.
    """
    chosen = config.study.experiments
    for name in ("pretraining_share", "same_language"):
        if name in chosen and "monolingual" not in chosen:
            raise UserError(
                f"config.study.experiments: {name!r} looks at the models of 'monolingual'; add it"
            )
    for name in ("monolingual", "pairs"):
        if name in chosen and len(config.monolingual_languages) < 2:
            raise UserError(
                f"config.study.monolingual_languages={config.monolingual_languages}: {name!r} "
                "compares languages; name two or more, or leave it out"
            )
    arms = [arm for name in chosen if name != GAIN for arm in _ARMS[name](config)]
    if GAIN not in chosen:
        return arms
    if gained := _gain(config, arms):
        return arms + gained
    raise UserError(
        f"config.study.experiments={chosen}: {GAIN!r} looks at the models of the others; add some"
    )


def judged_languages(arms: Sequence[Arm]) -> dict[str, list[str]]:
    """Returns for each tuning set the languages in which its model has to answer."""
    needed: dict[str, dict[str, None]] = {}
    for arm in arms:
        for language, baseline in arm.baselines.items():
            needed.setdefault(arm.spec, {})[language] = None
            needed.setdefault(baseline, {})[language] = None
    return {spec: list(languages) for spec, languages in needed.items()}
