"""Logistic regression that says how far each observation moves it, so that intervals follow."""

import numpy as np
import scipy.special

# Enough of them for any data: a step is halved until it leads down, and the last ones are tiny.
STEPS, TINY = 100, 1e-10


def fit_logistic(
    inputs: np.ndarray, outcomes: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns coefficients [input], influences [observation, input], and what the prior adds.

    inputs [observation, input]; outcomes [observation] from 0 to 1, where a half is a tie. `spread`
    [input] is how large a coefficient may well be, as the standard deviation of a normal prior;
    infinite for one that is free. It keeps coefficients finite where the inputs tell the outcomes
    without a fault. Sums of influences over what belongs together give the sandwich variance,
    which holds for ties too; the third result [input] is the variance beside it that comes from not
    knowing how far the true coefficients lie from 0, to which they are drawn.

    Source: Gelman et al. (2008), A Weakly Informative Default Prior Distribution for Logistic and
    Other Regression Models; Huber (1967), The Behavior of Maximum Likelihood Estimates under
    Nonstandard Conditions.
    """
    penalty = 1.0 / np.square(spread)
    found = np.zeros(inputs.shape[1])

    def loss(at: np.ndarray) -> float:
        odds = inputs @ at
        return float(np.sum(np.logaddexp(0, odds) - outcomes * odds) + penalty @ at**2 / 2)

    def slopes(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chance = scipy.special.expit(inputs @ at)
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty)
        return outcomes - chance, curvature

    for _ in range(STEPS):
        rest, curvature = slopes(found)
        step = np.linalg.solve(curvature, inputs.T @ rest - penalty * found)
        while loss(found + step) > loss(found) + TINY and np.abs(step).max() > TINY:
            step /= 2
        found = found + step
        if np.abs(step).max() < TINY:
            break
    rest, curvature = slopes(found)
    inverse = np.linalg.inv(curvature)
    return found, (inputs * rest[:, None]) @ inverse, np.square(inverse) @ penalty
