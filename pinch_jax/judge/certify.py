"""How far a judge can be trusted: it is asked about pairs of which the answer is known.

What is asked: known pairs; two equal answers; a right answer beside a wrong one that holds an
injection. All in both orders, so that nothing depends on the place. What the judge said is kept in
a file that grows by lines, by the judge's version and what it was shown, and never asked again.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pinch_jax.data.order import key
from pinch_jax.evaluate.records import other_answers
from pinch_jax.hosts.waiting import agreed
from pinch_jax.judge.asking import ask_and_keep
from pinch_jax.judge.battery import inject, kinds
from pinch_jax.judge.pairs import KnownPair
from pinch_jax.judge.protocol import Judge, Judgement, Pair
from pinch_jax.storage.files import digest, mended_lines

KNOWN, EQUAL = "known", "equal"
# So many prompts of a language hold each kind of injection; other kinds have others. Of a sample
# it is one for eight prompts: else there would be more injections than anything.
INJECTED, SAMPLED_BY = 4, 8
# What two equal answers differ in, so that it shows whether one of them was chosen twice.
_BLANK = " "


class Trial(NamedTuple):
    """A pair that is asked `about` in both orders: KNOWN, EQUAL or the kind of an injection.

    Of what is `asked` the text that counts is the first, then the second: of a known pair the
    pair's own first, of equal ones the one without a blank, or the injected one.
    """

    pair: KnownPair
    about: str
    asked: tuple[Pair, Pair]


class Result(NamedTuple):
    """What a judge says of a trial in both orders."""

    trial: Trial
    told: tuple[Judgement, Judgement]

    @property
    def complete(self) -> bool:
        """Whether there is a verdict in both orders."""
        return None not in (self.told[0].choice, self.told[1].choice)

    @property
    def named(self) -> float:
        """The share of the two verdicts that name the text that counts: a half is a tie."""
        return ((self.told[0].choice == "first") + (self.told[1].choice == "second")) / 2

    @property
    def by_language(self) -> bool:
        """Whether language decided, and nobody was asked."""
        return any(judgement.by == "language" for judgement in self.told)

    @property
    def log_odds(self) -> list[float]:
        """What the judge says of the place, in both orders (nats); empty if it says nothing."""
        told = [judgement.log_odds for judgement in self.told]
        return [] if None in told else told

    @property
    def odds(self) -> float:
        """The log-odds of the text that counts, the mean over both orders, which a place leaves."""
        return (self.log_odds[0] - self.log_odds[1]) / 2


def sampled(pairs: Sequence[KnownPair], count: int, seed: int) -> list[KnownPair]:
    """Returns the pairs of so many prompts of each language, the same ones in all that have them.

    A count of 0 is all of them.
    """
    ids = sorted({pair.id for pair in pairs}, key=lambda id: key(seed, "certify", id))
    rank = {id: place for place, id in enumerate(ids)}
    by_language: dict[str, set[int]] = {}
    for pair in pairs:
        by_language.setdefault(pair.language, set()).add(rank[pair.id])
    kept = {code: set(sorted(held)[: count or None]) for code, held in by_language.items()}
    return [pair for pair in pairs if rank[pair.id] in kept[pair.language]]


def injected(sample: int) -> int:
    """Returns how many prompts of a language hold each injection, of a sample; 0 is all."""
    return min(INJECTED, -(-sample // SAMPLED_BY)) if sample else INJECTED


def make_trials(
    pairs: Sequence[KnownPair], known: Sequence[KnownPair] = (), injections: int = INJECTED
) -> list[Trial]:
    """Returns all that is asked about some pairs, those of one prompt beside each other.

    `known` are all pairs there are, of which these may be a sample: what else an answer could be.
    """
    records = {(pair.language, pair.id): pair.record for pair in (*known, *pairs)}
    others = other_answers(records)

    def both(pair: KnownPair, about: str, first: Sequence[str], second: Sequence[str]) -> Trial:
        record, wrong = records[pair.language, pair.id], others[pair.language, pair.id]
        asked = Pair(record, first[0], second[0], wrong), Pair(record, second[1], first[1], wrong)
        return Trial(pair, about, asked)

    trials, strict = [], {}
    for pair in pairs:
        trials.append(both(pair, KNOWN, [pair.first] * 2, [pair.second] * 2))
        if pair.better != "tie":
            strict.setdefault(pair.language, {}).setdefault(pair.id, pair)
    for code, by_prompt in strict.items():
        held = list(by_prompt.values())
        texts = [(p.first, p.second)[:: 1 if p.better == "first" else -1] for p in held]
        for pair, (right, _) in zip(held, texts, strict=True):
            trials.append(both(pair, EQUAL, [right] * 2, [right + _BLANK] * 2))
        for kind in kinds():
            # Others for each kind and language: many prompts, each of which says something else.
            start = key(0, "inject", kind, code)
            for at in {(start + place) % len(held): None for place in range(injections)}:
                right, wrong = texts[at]
                injected = [inject(wrong, kind, code, order) for order in (0, 1)]
                trials.append(both(held[at], kind, injected, [right] * 2))
    return trials


def ask(judge: Judge, trials: Sequence[Trial], kept: Path, progress: bool = True) -> list[Result]:
    """Returns what a judge says of each trial, adding what is new to the file `kept`.

    Where it has no verdict the next call asks again. All processes call it, as `ask_and_keep`.
    """
    shown = {_seen(judge, pair): pair for trial in trials for pair in trial.asked}

    def read() -> dict[str, dict[str, Any]]:
        kept.parent.mkdir(parents=True, exist_ok=True)
        lines = mended_lines(kept, "delete the line, and certify again")
        return {line["seen"]: line["judgement"] for line in lines if line["seen"] in shown}

    held = agreed(f"reading {kept}", read) if judge.everywhere else read()
    told = {seen: Judgement(**judgement) for seen, judgement in held.items()}
    unasked = {seen: pair for seen, pair in shown.items() if seen not in told}
    by = {"judge": judge.name, "version": judge.version}

    def line(seen: str, said: Judgement) -> dict[str, Any]:
        return {**by, "seen": seen, "judgement": dataclasses.asdict(said)}

    told |= ask_and_keep(judge, unasked, kept, line, f"certify {judge.name}", progress)
    return [
        Result(trial, tuple(told[_seen(judge, pair)] for pair in trial.asked)) for trial in trials
    ]


def _seen(judge: Judge, pair: Pair) -> str:
    """Returns the checksum of all that a judgement depends on."""
    record = dict(pair.record)
    return digest([judge.name, judge.version, record, pair.first, pair.second, pair.others])
