"""How much of a number's variance is the choice of examples and how much that of prompts."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import scipy.optimize
import scipy.special

from pinch_jax.evaluate.draws import TAIL, noise, reach
from pinch_jax.evaluate.intervals import NORMAL, Contrast, Estimate, Mean
from pinch_jax.study.comparisons import Results, Scored
from pinch_jax.study.rows import Variance

POINTS = 3.0
"""The difference that a study may want to tell."""
POWER = 0.8
"""How often it is to be told where it is there."""
PLANNED_DRAWS = (3, 5, 10)


@dataclasses.dataclass(frozen=True)
class Components:
    """The parts of the variance of a number over `draws` draws and these prompts, in points².

    Attributes:
        draw: of one draw, whatever the number of prompts.
        prompt: what the prompts give, the same in every draw.
        both: what they give to one draw alone.
    """

    draws: int
    draw: Estimate
    prompt: float
    both: float

    def share(self, draw: float) -> float:
        """Returns the percent of the number's variance that draws give, if theirs is `draw`."""
        by_draws = draw / self.draws
        total = by_draws + self.prompt + self.both / self.draws
        return 100 * by_draws / total if total else math.nan

    def prompts_needed(self, draws: int) -> float:
        """Returns how many times this study's prompts tell a difference of `POINTS`."""
        by_draws = self.draw.value / draws
        by_prompts = self.prompt + self.both / draws
        power = float(scipy.special.ndtri(POWER))
        held = np.zeros(draws)

        def lacking(times: float) -> float:
            part = by_prompts / times
            far = reach(part, by_draws, held) + power
            return far * math.sqrt(part + by_draws) - POINTS

        if lacking(1e6) > 0:
            return math.inf
        return 0.0 if lacking(1e-6) < 0 else scipy.optimize.brentq(lacking, 1e-6, 1e6)


def components(number: Mean | Contrast) -> Components:
    """Returns the parts of a number's variance; it is told in two draws or more.

    Source: Searle, Casella and McCulloch (1992), Variance Components; the interval is Tukey's and
    Williams's, what prompts add being known much better.
    """
    told = np.isfinite(number.draws)
    count, both = int(told.sum()), noise(number.draws, number.influence)
    scatter = float(np.var(number.draws[told], ddof=1))
    low, high = (
        scatter * (count - 1) / scipy.special.chdtri(count - 1, tail) for tail in (TAIL, 1 - TAIL)
    )
    over_prompts = number.over_prompts().estimate()
    prompts = ((over_prompts.high - over_prompts.low) / 2 / NORMAL) ** 2
    draw = Estimate(*(max(0.0, part - both) for part in (scatter, low, high)))
    return Components(count, draw, max(0.0, prompts - both / count), both)


def variance_rows(results: Results) -> Iterator[Variance]:
    """Yields the rows of variance.csv: each mean score, and its difference from the first.

    With one draw there are none, since it tells nothing of the others.
    """
    first: dict[tuple[str, str, str], Scored] = {}
    for entry in results.scored:
        if not entry.is_mean or not _several(entry.score):
            continue
        yield _row(entry, entry.score, "")
        curve = entry.arm["experiment"], entry.arm["series"], entry.language
        start = first.setdefault(curve, entry)
        above = entry.score - start.score
        if start is not entry and start.languages == entry.languages and _several(above):
            yield _row(entry, above, start.arm["spec"])


def _several(number: Mean | Contrast) -> bool:
    """Returns whether a number is told in two draws or more."""
    return int(np.isfinite(number.draws).sum()) > 1


def _row(entry: Scored, number: Mean | Contrast, above: str) -> Variance:
    parts, size, planned = components(number), entry.prompts / len(entry.languages), {}
    for draws in PLANNED_DRAWS:
        needed = size * parts.prompts_needed(draws) if above else math.nan
        planned[f"prompts_{draws}"] = math.ceil(needed) if math.isfinite(needed) else needed
    return Variance(
        **entry.named,
        above=above,
        draws=parts.draws,
        prompts=size,
        value=number.estimate(),
        draw_sd=Estimate(*map(math.sqrt, parts.draw.numbers)),
        draw_share=Estimate(*map(parts.share, parts.draw.numbers)),
        **planned,
    )
