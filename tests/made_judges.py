"""Judges whose faults are known, because they are made so, and pairs for them."""

import dataclasses

from pinch_jax.judge.certificate import make_certificate
from pinch_jax.judge.certify import ask, make_trials
from pinch_jax.judge.pairs import KnownPair
from pinch_jax.judge.protocol import Judgement


@dataclasses.dataclass
class Made:
    """A judge that is a rule: (first, second) -> log-odds; 0 is first, None is no verdict."""

    rule: object
    version: str = "1"
    fails_after: int = 10**9
    name: str = "made"
    identity: str = "made"
    wording: str = ""
    batch_size: int = 7
    everywhere: bool = False
    asked: int = 0

    def judge(self, pairs):
        if self.asked + len(pairs) > self.fails_after:
            raise ConnectionError("the judge is gone")
        self.asked += len(pairs)
        odds = [self.rule(pair.first, pair.second) for pair in pairs]
        return [
            Judgement(None, trouble="prose")
            if one is None
            else Judgement("first" if one >= 0 else "second", float(one))
            for one in odds
        ]


def pair(number, code="en", better="first", right="good", wrong="bad", source="made"):
    texts = (f"{right} {number}", f"{wrong} {number}")
    texts = texts[::-1] if better == "second" else texts
    return KnownPair(str(number), code, f"Question {number}?", *texts, better, source=source)


def certified(judge, pairs, tmp_path):
    results = ask(judge, make_trials(pairs), tmp_path / "kept.jsonl", progress=False)
    return make_certificate(judge, pairs, "made", results)


def quality(text):
    return text.startswith("good") - text.startswith("bad")


def honest(first, second):
    return quality(first) - quality(second)


def values(held, *names):
    for name in names:
        held = held[name]
    return held["value"]


class Gated(Made):
    """Lets language decide some pairs for the right answer, before it is asked as `model`."""

    decides = staticmethod(lambda pair: pair.record["id"] < "2")
    model = ""

    def judge(self, pairs):
        told = super().judge(pairs)
        right = {True: "first", False: "second"}
        return [
            dataclasses.replace(one, choice=right["good" in p.first], by="language")
            if self.decides(p)
            else dataclasses.replace(one, model=self.model)
            for p, one in zip(pairs, told, strict=True)
        ]
