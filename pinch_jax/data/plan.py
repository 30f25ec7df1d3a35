"""The plan of a run: whose turn it is, with which example, and where a step ends."""

from itertools import pairwise

import numpy as np

from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.config import BatchConfig
from pinch_jax.data.mixture import Mixture, assign
from pinch_jax.data.order import indices_of, interleave, permutation
from pinch_jax.data.packing import fits_row, step_bounds
from pinch_jax.data.tokenized import TokenizedCorpus
from pinch_jax.errors import UserError


def plan_batches(
    mixture: Mixture, corpus: TokenizedCorpus, shape: BatchConfig, epochs: int
) -> BatchPlan:
    """Returns the plan of a run over `epochs` epochs, in each of which every example is seen once.

    A language goes round its examples, each round in another order, for as long as its turns last;
    under a schedule the rounds are its own, and the last of them may end early.

    Raises:
      UserError: the corpus has too few examples, or none of them fits into a row.
    """
    members = mixture.languages
    for member, share in zip(members, mixture.shares, strict=True):
        if share and member not in corpus.languages:
            known = list(corpus.languages)
            raise UserError(f"config.languages: the corpus has no {member!r}, only {known}")
    supervised_lengths = {name: own.supervised_lengths for name, own in corpus.languages.items()}
    owned = assign(mixture, len(corpus.ids), supervised_lengths)
    budgets = {member: len(rows) for member, rows in owned.items()}
    if sum(budgets.values()) * epochs >= 2**31:
        raise UserError(
            f"config.train.epochs={epochs}: a run has fewer than 2**31 examples over all; lower it"
        )
    language = mixture.turns(budgets, epochs)
    apart = mixture.granularity == "step"
    if apart:  # packed one language after the other, by name, and put in turn afterwards
        rank = np.argsort(indices_of(sorted(members), members))
        place = np.argsort(rank[language], kind="stable")
        language = language[place]
    example = np.empty(len(language), np.int32)
    for index, member in enumerate(members):
        mine = np.flatnonzero(language == index)
        if len(mine):
            example[mine] = _rounds(member, owned.pop(member), len(mine), mixture.seed)
    tokens, supervised = corpus.lengths(members, language, example)

    fits = fits_row(shape, tokens, supervised)
    if not fits.any():
        raise UserError(
            f"config.batch.row_tokens={shape.row_tokens}, config.batch.row_supervised_tokens="
            f"{shape.row_supervised_tokens}: no example fits into a row; the shortest needs"
            f" {tokens.min()} tokens, the one with the fewest supervised tokens {supervised.min()}"
        )
    longest = int(tokens.max()), int(supervised.max())
    lost = np.bincount(language[~fits], minlength=len(members))
    if lost.any():
        language, example = language[fits], example[fits]
        tokens, supervised = tokens[fits], supervised[fits]
    if apart:
        ends = np.searchsorted(rank[language], np.arange(len(members) + 1))
        parts = [slice(*pair) for pair in pairwise(ends)]
        steps = [_pairs(step_bounds(shape, tokens[p], supervised[p])) + p.start for p in parts]
        bounds = _in_turn(mixture, steps, place[fits])
    else:
        bounds = _pairs(step_bounds(shape, tokens, supervised))
    dropped = dict(zip(members, lost.tolist(), strict=True))
    return BatchPlan(mixture, corpus, shape, language, example, bounds, budgets, dropped, longest)


def _rounds(member: str, own: np.ndarray, turns: int, seed: int) -> np.ndarray:
    """Returns the rows that fill a member's turns, round after round: int32 [turns]."""
    if turns and not len(own):
        raise UserError(
            f"config.mixture.spec: {member!r} has turns in this run and no example of its own; "
            "raise config.mixture.examples or its share"
        )
    rounds = -(-turns // max(len(own), 1))
    orders = [own[permutation(len(own), seed, "epoch", member, r)] for r in range(rounds)]
    return np.concatenate([own[:0], *orders])[:turns]


def _pairs(ends: np.ndarray) -> np.ndarray:
    """Returns from and to of what lies between these: [len(ends) - 1, 2]."""
    return np.stack([ends[:-1], ends[1:]], axis=1)


def _in_turn(mixture: Mixture, steps: list[np.ndarray], place: np.ndarray) -> np.ndarray:
    """Returns the bounds of all languages' steps, given by their names, in the order of the run.

    Over any prefix each language has its share of the steps to within one step. Under a schedule
    `place` tells where each example would stand alone, and a step stands where its middle one does.
    """
    bounds = np.concatenate(steps)
    if mixture.schedule:
        return bounds[np.argsort(place[bounds.mean(axis=1).astype(int)], kind="stable")]
    names = sorted(mixture.languages)
    counts = {member: len(own) for member, own in zip(names, steps, strict=True)}
    turns = interleave(counts, len(bounds), mixture.seed, "steps")
    in_turn = np.empty_like(bounds)
    in_turn[np.argsort(turns, kind="stable")] = bounds
    return in_turn
