"""What few draws of examples add to the variance of a mean, and what few prompts may hide of it.

Draws and prompts are crossed: each draw's model answers all prompts. Draws are few, so their part
of an interval is Student's. Prompts may be few by the squares of their influences.
"""

import numpy as np
import scipy.special

TAIL = 0.025
"""What is left beyond either end of a 95 % interval."""
NORMAL = 1.959964
"""How many standard errors such an interval reaches, where the variance is known well."""
NOISE = 0.25
"""How much of what prompts add to the scatter of draws is taken off it."""
CHANCES = scipy.special.expit(np.arange(-60.0, 16.0))
"""The chances of a smaller scatter than that of the draws, close to 0 and 1 too."""
WEIGHTS = CHANCES * (1 - CHANCES) / np.sum(CHANCES * (1 - CHANCES))
"""How much each of them stands for."""
FEW = 2.0
"""So many telling prompts say as much of how alike languages are as what is assumed of them."""
MANY = 20.0
"""So many telling prompts are enough for a normal distribution."""


def tell(draws: np.ndarray) -> bool:
    """Returns whether an interval can hold for `draws` [draw]: there is one, or two have a value.

    Of several draws of which one alone has a value, how far they lie apart is not known.
    """
    return len(draws) < 2 or int(np.isfinite(draws).sum()) > 1


def draw_variance(draws: np.ndarray, influence: np.ndarray) -> float:
    """Returns the variance of a mean of draws that the choice of examples gives; 0 of one draw.

    It is the scatter of `draws` [draw] without what would be there if all tuning sets were alike,
    because each draw answers each prompt a little differently: `influence` [draw, prompt] says how
    much that is. With few draws both are uncertain, and with all of it taken off intervals are too
    narrow where draws matter. A quarter is ours: tests/benchmarks/interval_coverage.py.

    Source: Searle, Casella and McCulloch (1992), Variance Components.
    """
    held = np.isfinite(draws)
    count = int(held.sum())
    if count < 2:
        return 0.0
    scatter = float(np.var(draws[held], ddof=1))
    return max(0.0, scatter - NOISE * noise(draws, influence)) / count


def noise(draws: np.ndarray, influence: np.ndarray) -> float:
    """Returns how much draws of the same tuning set would scatter, since prompts are few.

    It is of `influence` [draw, prompt] what is left once the mean of the draws is taken off. Where
    some of `draws` are NaN, the influences of the others make up for them, and are scaled back.
    """
    held = np.isfinite(draws)
    own = influence[held] * held.mean()
    rest = own - own.mean(axis=0)
    return float(np.sum(rest**2)) / (len(own) - 1)


def reach(prompt_variance: float, draw_variance: float, draws: np.ndarray) -> float:
    """Returns how many standard errors a 95 % interval reaches to either side.

    Normal as far as the variance comes from prompts, Student's as far as from draws.

    Source: Cochran and Cox (1957), Experimental Designs.
    """
    if draw_variance == 0.0:
        return NORMAL
    student = -float(scipy.special.stdtrit(np.isfinite(draws).sum() - 1, TAIL))
    both = prompt_variance * NORMAL + draw_variance * student
    return both / (prompt_variance + draw_variance)


def possible(draws: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """Returns what `draw_variance` may truly be where draws scatter so: [at each of `CHANCES`].

    Few draws may lie close by chance, and what they then hide decides what is far off. All that
    prompts add is taken off here: it is known well, and no quarter of it is needed.

    Source: Weerahandi (1993), Generalized Confidence Intervals.
    """
    held = draws[np.isfinite(draws)]
    free = len(held) - 1
    chi2 = 2 * scipy.special.gammaincinv(free / 2, CHANCES)
    scatter = float(np.var(held, ddof=1)) * free / chi2
    return np.maximum(0.0, scatter - noise(draws, influence)) / len(held)


def telling(squares: np.ndarray) -> float:
    """Returns how many prompts a variance rests on; 0 where all are alike."""
    total = float(squares.sum())
    return total**2 / float(np.sum(squares**2)) if total > 1e-12 else 0.0


def doubt(squares: np.ndarray, alike: float) -> float:
    """Returns how much larger the variance may be, as what is of a prompt may be more alike.

    `alike` is the variance if all of it were. It is 1 where no prompt tells anything.
    """
    held = telling(squares)
    return float(squares.sum() / alike) ** (-FEW / (held + FEW)) if held else 1.0


def rarity(squares: np.ndarray, most: float) -> float:
    """Returns how much larger the variance may be, where nearly all prompts tie.

    How many do not is a count, which is skewed, and an interval around even is not: they count as
    if there were up to `FEW` more of them. It is 1 where as many tell as would of wins and losses
    alone, `most`, or `MANY`. The form and the constants are ours: with them the 82 to 93 % of
    intervals that hold the truth are 93 to 97 (tests/benchmarks/interval_coverage.py).
    """
    held = telling(squares)
    return 1 + max(0.0, 1 - held / min(most, MANY)) * FEW / held if held else 1.0
