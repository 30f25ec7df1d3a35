"""What the file of an experiment brings: comparisons, means, findings, figure, result and words.

A file ends with EXPERIMENT, an `Experiment`. Each of the other files here is an example;
`pinch.py` is a good one to begin with.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from pinch_jax.config import Config
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import Figure
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Score

# Whether a mean is over a language, by the language that the others replace, those that the arm's
# set holds examples of, and those that some set of the experiment does: so the means of all arms
# are over the same ones.
MEANS: dict[str, Callable[[str, str, Set[str], Set[str]], bool]] = {
    "mean": lambda code, base, tuned, seen: True,
    "mean_non_english": lambda code, base, tuned, seen: code != base,
    "mean_seen": lambda code, base, tuned, seen: code != base and code in seen,
    "mean_unseen": lambda code, base, tuned, seen: code not in seen,
    "mean_other": lambda code, base, tuned, seen: code not in tuned,
}
HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "cannot tell", "not run"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One tuned model of an experiment and what it is held against.

    Attributes:
        experiment: its name: "pinch".
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


class Claim(NamedTuple):
    """A finding of the paper; `unit` says what the number is that stands beside it.

    `rule` says in words what decides. `against_own`: it is about scores against the models of the
    languages themselves, which not every language may have. `paper` is the paper's own number,
    where it gives one by the same measure.
    """

    claim: str
    unit: str
    rule: str
    against_own: bool = False
    paper: str = ""


class Decision(NamedTuple):
    """The number of a finding, its verdict, and what else belongs to it.

    `of` stands behind the claim's unit: of how much of this study the number is.
    """

    number: Estimate
    verdict: str
    detail: str
    of: str = ""


def decide(*conditions: tuple[Estimate, float]) -> str:
    """Returns whether the numbers are above their bounds.

    It holds if every interval lies above its bound, and does not if any lies below.
    """
    if any(number.high < bound for number, bound in conditions):
        return FAILS
    return HOLDS if all(number.low > bound for number, bound in conditions) else UNDECIDED


@dataclasses.dataclass(frozen=True)
class Words:
    """What the section of an experiment asks, and how its figure is read.

    Attributes:
        short: its name in the navigation.
        title: its heading.
        lead: the question, and what is compared.
        caption: how the figure is read.
        paper: the figure of the paper, if it has one.
        found: what the paper found, in a sentence.
        source: the paper, where it is not the one that the others are of; it heads the page of a
            study that is of no other.
    """

    short: str
    title: str
    lead: str
    caption: str
    paper: str = ""
    found: str = ""
    source: str = ""

    @property
    def paper_name(self) -> str:
        """What the page calls its paper: "the paper", or the number of another one."""
        return self.source.partition(",")[0] or "the paper"


class Beside(NamedTuple):
    """A number of the paper beside this study's, by the same measure; its judge is another."""

    what: str
    paper: str
    here: str


HEAT_CAPTION = (
    "A row is a model, the best first. A column is a language of instructions; languages of one "
    "family stand together. Blue is better than the baseline, orange is worse, 50 is as good. The "
    "column “others” is the mean of the languages that a model was not tuned on."
)
BANDS = "A band is a 95 % interval. The dashed line is 50: as good as the baseline."
BARS = "The line across the end of a bar is its 95 % interval; 50 is dashed."


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment of a study.

    Attributes:
        words: of its section.
        arms: its comparisons, none where it looks at the models of others; raises UserError where
            the config lacks what they need.
        means: which means over its languages it has, by their names in `MEANS`; those
            without languages are left out.
        findings: what the paper says of it, each with what decides, which raises `NotRun` where
            the study lacks it.
        figure: what is drawn of its scores; None draws a curve, bars or a heat map by their shape.
        result: what this study's scores say, in a sentence or two, of the records of a study and
            the experiment's name there; None says which arm is best and which is worst.
        beside: the numbers that the paper gives beside those of its claims, and this study's.
        rows: what it adds to scores.csv, of the results of a study.
        measure: what it asks of the untuned model itself, by a workbench: all that decides it, and
            what makes it, which JSON can say. It is kept in study.json, as `measured`.
        needs: other experiments at whose models it looks.
        arms_of_others: in the place of `arms`: its comparisons, from those of all others.
    """

    words: Words
    arms: Callable[[Config], list[Arm]] = lambda config: []
    means: Sequence[str] = ("mean",)
    findings: Sequence[tuple[Claim, Callable[[Results], Decision]]] = ()
    figure: Figure | None = None
    result: Callable[[Records, str], str] | None = None
    beside: Callable[[Records, str], list[Beside]] = lambda records, name: []
    rows: Callable[[Results], Sequence[Score]] = lambda results: ()
    measure: Callable[[Any], tuple[Any, Callable[[], Any]]] | None = None
    needs: Sequence[str] = ()
    arms_of_others: Callable[[Config, Sequence[Arm]], list[Arm]] | None = None

    def __post_init__(self) -> None:
        if unknown := set(self.means) - MEANS.keys():
            raise UserError(
                f"means={self.means} of an Experiment: no {sorted(unknown)}; choose from {[*MEANS]}"
            )


def check_several(config: Config, experiment: str) -> None:
    """Raises UserError where fewer than two languages have a monolingual model to compare."""
    if len(config.monolingual_languages) < 2:
        raise UserError(
            f"config.study.monolingual_languages={config.monolingual_languages}: {experiment!r} "
            "compares languages; name two or more, or leave it out"
        )


def monolingual_spec(language: str) -> str:
    """Returns the spec of the set that is all in one language."""
    return f"monolingual:{language}"


def uniform_spec(languages: Sequence[str]) -> str:
    """Returns the spec of an even split; of one language, that of its monolingual set."""
    if len(languages) == 1:
        return monolingual_spec(languages[0])
    return "uniform:" + ",".join(languages)


def own_models(languages: Sequence[str]) -> dict[str, str]:
    """Returns each language with the set of its own model: what it is held against."""
    return {code: monolingual_spec(code) for code in languages}
