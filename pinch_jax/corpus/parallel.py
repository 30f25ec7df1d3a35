"""What is left of examples where the same ids stand in the same order in every language."""

import collections
from collections.abc import Iterable

from tqdm import tqdm

from pinch_jax.corpus.duplicates import find_duplicates
from pinch_jax.corpus.example import ByLanguage, Example
from pinch_jax.corpus.manifest import Dropped, Leak
from pinch_jax.errors import UserError

NOT_THERE = "not in the source"


def in_every_language(
    split: str, sources: Iterable[ByLanguage], dropped: Iterable[Dropped]
) -> tuple[dict[str, tuple[Example, ...]], tuple[Dropped, ...]]:
    """Returns the examples of a split that are in every language, and why the others are not.

    Each source is in the order that the first of its languages by code has it in, whatever order
    they come in, and all of them are spread evenly: any prefix holds each source in proportion, to
    within one example. `dropped` says what is known of examples that are not there.

    Raises:
      UserError: two sources have the same id, or nothing is left.
    """
    dropped = [entry for entry in dropped if entry.split == split]
    explained = {(id, code) for held in dropped for id in held.ids for code in held.languages}
    merged: dict[str, list[Example]] = collections.defaultdict(list)
    places: list[float] = []
    seen: collections.Counter[str] = collections.Counter()
    for source in sources:
        by_id = {code: {one.id: one for one in own} for code, own in source.items()}
        every = dict.fromkeys(id for code in sorted(by_id) for id in by_id[code])
        lost, untold = set(), collections.defaultdict(list)
        for id in every:
            if absent := [code for code, own in by_id.items() if id not in own]:
                lost.add(id)
                untold[tuple(code for code in absent if (id, code) not in explained)].append(id)
        # Together, because a language may lack most of what another one has.
        dropped += [Dropped(tuple(i), split, c, NOT_THERE) for c, i in untold.items() if c]
        kept = [id for id in every if id not in lost]
        seen.update(kept)
        places += [(place + 0.5) / len(kept) for place in range(len(kept))]
        for code, own in by_id.items():
            merged[code] += [own[id] for id in kept]
    if twice := [id for id, count in seen.items() if count > 1]:
        raise UserError(
            f"config.corpus.{split}: {len(twice)} ids are in two sources, such as {twice[0]!r}; "
            "leave one of the sources out"
        )
    if not seen:
        raise UserError(
            f"config.corpus.{split}: no example is in every language; the same one needs the same "
            f"id everywhere, and {dropped[0].ids[0]!r} fails in {dropped[0].languages[0]!r}: "
            f"{dropped[0].reason}"
        )
    # Of equals the earlier source comes first.
    order = sorted(range(len(places)), key=places.__getitem__)
    spread = {code: tuple(own[place] for place in order) for code, own in merged.items()}
    return spread, tuple(dropped)


def find_leaks(train: ByLanguage, heldout: ByLanguage, similarity: float) -> tuple[Leak, ...]:
    """Returns the training prompts that are held out too, in whatever language that shows."""
    found: dict[tuple[str, str], dict] = collections.defaultdict(dict)
    told = "looking for duplicates of held-out prompts"
    for code, own in tqdm(train.items(), told, unit="language", delay=2, leave=False):
        for pair in find_duplicates(own, heldout[code], similarity):
            found[pair.train_id, pair.heldout_id][code] = pair
    return tuple(
        Leak(
            *ids,
            kind="exact" if any(pair.kind == "exact" for pair in pairs.values()) else "near",
            similarity=max(pair.similarity for pair in pairs.values()),
            languages=tuple(pairs),
        )
        for ids, pairs in found.items()
    )


def without_leaks(train: ByLanguage, leaks: Iterable[Leak]) -> dict[str, tuple[Example, ...]]:
    """Returns the training examples whose prompts are not held out.

    Raises:
      UserError: none is left.
    """
    leaking = {leak.train_id for leak in leaks}
    left = {code: tuple(one for one in own if one.id not in leaking) for code, own in train.items()}
    if not all(left.values()):
        raise UserError(
            "config.corpus.train: every prompt is in config.corpus.heldout too; give other "
            "sources, or set config.corpus.drop_duplicates=False"
        )
    return left
