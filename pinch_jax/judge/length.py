"""Win rates as if both responses were equally long, in any language.

A response's length is its tokens over those that the language takes to say a prompt of the corpus,
which is parallel: so a difference of 1 is as much text as one more, in Hindi as in English.
What decides a win is taken to be a logistic function of the language and of the difference in
length. Each language has its own level, which nothing draws towards the others: it is what is
asked for. The slope is one for all languages, as units are alike, from which a language may depart
as far as its prompts show it: over few of them a slope of its own is mostly noise, which would
widen the interval of its level.

A model that gives better answers because it gives longer ones is no better here. Both win rates
belong on a page.

Source: Dubois et al. (2024), Length-Controlled AlpacaEval, arXiv 2404.04475, who take the tanh of
the standardised difference, so that a single long response decides nothing.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.special

from pinch_jax.corpus.fertility import Tokenizer, fertility
from pinch_jax.evaluate.intervals import Mean
from pinch_jax.judge.logistic import fit_logistic

# How large the common slope may well be, and how far that of a language lies from it, in log-odds
# for one standard deviation of length: weak, and ours.
_SLOPE_SPREAD, _OWN_SPREAD = 2.5, 0.5


def usual_tokens(texts: Mapping[str, Sequence[str]], tokenizer: Tokenizer) -> dict[str, float]:
    """Returns how many tokens a text has in each language, on average; texts are parallel."""
    counts = {code: fertility(held, tokenizer) for code, held in texts.items()}
    return {code: held.tokens / held.texts for code, held in counts.items()}


def length_of(response: str, usual: float, tokenizer: Tokenizer) -> float:
    """Returns how many usual responses of its language a response is long."""
    return len(tokenizer.spans(response)) / usual


def length_controlled(values: np.ndarray, differences: np.ndarray) -> list[Mean]:
    """Returns the win rate of each language where both responses are equally long.

    `values` is [prompt, language] or [draw, prompt, language], from 0 to 100, NaN where a language
    has no such prompt; `differences` has the same shape. The means share their prompts with those
    of `means_over_prompts`, so that `mean_of` and differences take both. Where a model wins all of
    a language, or loses it, it does so at any length.
    """
    drawn = values if values.ndim == 3 else values[None]
    apart = np.reshape(differences, drawn.shape)
    fits = [_levels(one, length) for one, length in zip(drawn, apart, strict=True)]
    levels, influence, drawn_in = (np.array(part) for part in zip(*fits, strict=True))
    sizes = np.isfinite(drawn).sum(axis=1)
    means = []
    for column in range(drawn.shape[2]):
        told = levels[:, column][sizes[:, column] > 0]
        moved = influence[:, :, column] * len(drawn) / max(told.size, 1)
        by_prompts = float(np.sum(moved.mean(axis=0) ** 2))
        means.append(
            Mean(
                round(float(told.mean()), 10) if told.size else math.nan,
                moved,
                levels[:, column],
                float(sizes[:, column][sizes[:, column] > 0].min(initial=sizes[:, column].max())),
                1 + float(drawn_in[:, column].mean()) / by_prompts if by_prompts else 1.0,
            )
        )
    return means


def _levels(values: np.ndarray, differences: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns levels [language] of one draw in percent, influences [prompt, language], and more.

    The last is the variance [language] that slopes add as they are drawn towards each other.
    """
    present = np.isfinite(values)
    sums = np.where(present, values, 0.0).sum(axis=0)
    sizes = present.sum(axis=0)
    levels = np.divide(sums, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
    influence, drawn_in = np.zeros_like(values, np.float64), np.zeros(len(sizes))
    # Neither all won nor all lost: there is something to explain.
    fitted = np.flatnonzero((sizes > 0) & (levels > 0) & (levels < 100))
    prompts, languages = np.nonzero(present[:, fitted])
    if not len(prompts):
        return levels, influence, drawn_in
    apart = differences[:, fitted][prompts, languages]
    scale = math.sqrt(np.mean(apart**2)) or 1.0
    length, own = np.tanh(apart / scale)[:, None], np.eye(len(fitted))[languages]
    spread = [np.full(len(fitted), np.inf), [_SLOPE_SPREAD], np.full(len(fitted), _OWN_SPREAD)]
    inputs = np.concatenate([own, length, own * length], axis=1)
    outcomes = values[:, fitted][prompts, languages] / 100
    found, moved, added = fit_logistic(inputs, outcomes, np.concatenate(spread))
    chances = scipy.special.expit(found[: len(fitted)])
    # From log-odds to percent.
    steep = 100 * chances * (1 - chances)
    levels[fitted], drawn_in[fitted] = 100 * chances, steep**2 * added[: len(fitted)]
    for place, column in enumerate(fitted):
        influence[:, column] = np.bincount(prompts, steep[place] * moved[:, place], len(values))
    return levels, influence, drawn_in
