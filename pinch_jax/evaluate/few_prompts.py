"""How much larger a variance may be than few prompts say, by the squares of their influences."""

import numpy as np

FEW = 2.0
"""So many telling prompts say as much of how alike languages are as what is assumed of them."""
MANY = 20.0
"""So many telling prompts are enough for a normal distribution."""


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
