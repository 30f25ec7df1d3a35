"""Within one family: the table of Slavic languages, and in which ways they are related.

Source: Shaham et al. (2024), arXiv 2401.01854, section 4.1.
"""

from collections.abc import Callable, Sequence

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import Mean
from pinch_jax.languages import language
from pinch_jax.study.comparisons import Scored
from pinch_jax.study.experiments.interface import HEAT_CAPTION, Arm, Experiment, Words, own_models
from pinch_jax.study.experiments.monolingual import OF_OTHERS, carries_over, table

_SLAVIC_BRANCHES = {
    **dict.fromkeys(("ru", "uk", "be", "rue"), "East"),
    **dict.fromkeys(("sr", "hr", "bs", "sl", "mk", "bg"), "South"),
    **dict.fromkeys(("pl", "sk", "cs", "csb", "dsb", "hsb", "szl"), "West"),
}
_INTELLIGIBLE = ({"sr", "hr"}, {"sk", "cs"})


def arms(config: Config) -> list[Arm]:
    """Returns the table of config.study.slavic_languages."""
    codes = config.study.slavic_languages
    return table("slavic", codes, own_models(codes))


def _base(code: str) -> str:
    """Returns a language in whatever script: sr-Latn is Serbian, too."""
    return language(code).base


def _branch(code: str) -> str:
    """Returns the branch of a Slavic language; any other is a branch of its own."""
    return _SLAVIC_BRANCHES.get(_base(code), code)


# Whether two Slavic languages are related in one of the ways that the paper looks at.
RELATIONS: dict[str, Callable[[str, str], bool]] = {
    "one script": lambda a, b: language(a).script == language(b).script,
    "one branch": lambda a, b: _branch(a) == _branch(b),
    "intelligible": lambda a, b: any({_base(a), _base(b)} <= some for some in _INTELLIGIBLE),
}


def related_and_not(cells: Sequence[Scored]) -> dict[str, tuple[list[Mean], list[Mean]]]:
    """Returns relation -> (scores between related languages, the other scores), where both are.

    `cells` are scores of monolingual models in other languages.
    """
    split = {}
    for name, related in RELATIONS.items():
        near = [e.score for e in cells if related(e.arm["x"], e.language)]
        far = [e.score for e in cells if not related(e.arm["x"], e.language)]
        if near and far:
            split[name] = near, far
    return split


EXPERIMENT = Experiment(
    words=Words(
        short="Slavic",
        title="Within one family: Slavic languages",
        paper="Figure 7",
        lead="Do script, branch or mutual intelligibility predict transfer between close "
        "languages? Cyrillic: ru, sr; mutually intelligible: sr and hr, sk and cs.",
        caption=HEAT_CAPTION,
        found="None of the three predicts how well a language carries over.",
    ),
    arms=arms,
    means=("mean_other",),
    figure=OF_OTHERS,
    result=carries_over,
)
