"""Verdicts between two files of responses, each pair judged in both orders.

A response wins when it is chosen in both orders; `scores` counts that. Verdicts are appended
as they come: what was judged is never judged again, and an interrupted file is taken up where
it was cut. A verdict on a response that has changed since is judged anew.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from absl import logging
from tqdm import tqdm

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.language_id import NO_WORDS, StudyWords
from pinch_jax.errors import UserError
from pinch_jax.evaluate.outcome import classify
from pinch_jax.evaluate.records import (
    ORDERS,
    Records,
    Verdict,
    chosen,
    other_answers,
    read_responses,
    read_verdicts,
    seen_by_judge,
)
from pinch_jax.files import json_line, mend_last_line, write_text

Place = Literal["first", "second"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two responses in the order the judge sees them, the record they answer, wrong answers."""

    record: Mapping[str, Any]
    first: str
    second: str
    others: tuple[str, ...] = ()


class Judge(Protocol):
    """Whoever chooses between two responses.

    `name` is kept with each verdict, `batch_size` pairs are judged at once and then written, and
    `knowledge` is a checksum of what else its choices depend on.
    """

    name: str
    knowledge: str
    batch_size: int

    def choose(self, pairs: Sequence[Pair]) -> list[Place]:
        """Returns "first" or "second" for each pair; raises rather than guess."""
        ...


class ReferenceJudge:
    """Chooses by the reference alone: language, not an echo, right answer, exact match, chrF.

    A response too short to tell its language is not taken for a wrong one. Between responses of
    equal quality the place decides, "first", so that the two orders differ: a tie by protocol.
    `words` are those of all languages of the study, which help to tell them apart.
    """

    # The number changes with the rule, so that no file holds verdicts by two of them.
    name = "reference-4"
    batch_size = 256

    def __init__(self, words: StudyWords = NO_WORDS):
        self._words, self.knowledge = words, words.checksum

    def choose(self, pairs: Sequence[Pair]) -> list[Place]:
        """Returns the better response of each pair; raises UserError if one has no reference."""
        qualities = ((self.quality(p, p.first), self.quality(p, p.second)) for p in pairs)
        return ["first" if first >= second else "second" for first, second in qualities]

    def quality(self, pair: Pair, response: str) -> tuple[bool, bool, bool, bool, bool, float]:
        """Returns what ranks a response: says anything, language, no echo, right, exact, chrF."""
        record = pair.record
        if not record["reference"]:
            raise UserError(
                f"judge={self.name!r}: {record['language']} {record['id']!r} has no reference to "
                "judge by; leave such prompts out, or use another judge"
            )
        asked = (record["language"], record["reference"], record["answer"])
        outcome = classify(record["prompt"], response, *asked, pair.others, self._words)
        return (
            not outcome.empty,
            not outcome.wrong_language,
            not outcome.echo,
            outcome.right,
            outcome.exact_match,
            outcome.chrf,
        )


def check_references(heldout: Iterable[Example]) -> None:
    """Raises UserError when a prompt has no reference for `ReferenceJudge` to judge by."""
    examples = tuple(heldout)
    if without := [example for example in examples if not example.response]:
        raise UserError(
            f"config.study.judge='reference': {len(without)} of {len(examples)} "
            f"held-out prompts have no reference, such as {without[0].language} "
            f"{without[0].id!r}; hold out examples with responses, or only `pinch train`, which "
            "answers them without judging"
        )


def judge_files(
    judge: Judge, baseline: Path, candidate: Path, output: Path, progress: bool = True
) -> list[Verdict]:
    """Returns the verdicts on two response files in both orders, adding the new ones to `output`.

    They are in the order of the baseline's lines, baseline_first before candidate_first. What the
    judge raises ends the work; the verdicts before it are kept.

    Raises:
      UserError: a response file is not there or damaged; the files do not answer the same prompts;
        `output` is of another judge or about other prompts.
    """
    baseline_records, candidate_records = read_responses(baseline), read_responses(candidate)
    _check_same_prompts(baseline, baseline_records, candidate, candidate_records)
    seen = seen_by_judge(baseline_records, candidate_records, judge.knowledge)
    verdicts = _read_own_verdicts(judge, output, seen) if output.exists() else {}
    wanted = [(*key, order) for key in baseline_records for order in ORDERS]
    unjudged = [key for key in wanted if key not in verdicts]
    others = other_answers(baseline_records)

    def pair(key: tuple[str, str, str]) -> Pair:
        asked, order = key[:2], key[2]
        ours, theirs = (held[asked]["response"] for held in (baseline_records, candidate_records))
        first, second = (ours, theirs) if order == ORDERS[0] else (theirs, ours)
        return Pair(baseline_records[asked], first, second, others[asked])

    output.parent.mkdir(parents=True, exist_ok=True)
    name = f"judge {output.stem}"
    bar = tqdm(total=len(unjudged), desc=name, unit="verdict", disable=not progress)
    with output.open("a", encoding="utf-8") as file, bar:
        for start in range(0, len(unjudged), judge.batch_size):
            batch = unjudged[start : start + judge.batch_size]
            choices = judge.choose([pair(key) for key in batch])
            for (code, id, order), choice in zip(batch, choices, strict=True):
                told = order, choice, chosen(order, choice), judge.name, seen[code, id]
                verdict = verdicts[code, id, order] = Verdict(id, code, *told)
                file.write(json_line(dataclasses.asdict(verdict)))
            file.flush()
            bar.update(len(batch))
    return [verdicts[key] for key in wanted]


def _check_same_prompts(
    baseline: Path, baseline_records: Records, candidate: Path, candidate_records: Records
) -> None:
    for here, there, lacking in (
        (baseline_records, candidate_records, candidate),
        (candidate_records, baseline_records, baseline),
    ):
        if missing := sorted(here.keys() - there.keys()):
            raise UserError(
                f"{lacking}: no response to {len(missing)} prompts of the other file, such as "
                f"{missing[0]}; generate both with the same prompts"
            )
    for key, record in baseline_records.items():
        for field in ("prompt", "reference", "task", "answer"):
            if record[field] != candidate_records[key][field]:
                raise UserError(
                    f"{candidate}: the {field} of {key} differs from {baseline}: "
                    f"{candidate_records[key][field]!r} and {record[field]!r}; generate both "
                    "with the same corpus"
                )


def _read_own_verdicts(
    judge: Judge, output: Path, seen: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str, str], Verdict]:
    """Returns (language, id, order) -> verdict of a file that is to be continued.

    Those on what was `seen` otherwise than now are left out, of the file too.
    """
    mend_last_line(output)
    verdicts = {}
    for verdict in read_verdicts(output):
        key = verdict.language, verdict.id, verdict.order
        if verdict.judge != judge.name:
            raise UserError(
                f"{output}: has verdicts of judge={verdict.judge!r}, not {judge.name!r}; "
                "name another output, or delete this one to have it judged anew"
            )
        if key in verdicts or key[:2] not in seen:
            trouble = "comes twice" if key in verdicts else "is not about these responses"
            raise UserError(f"{output}: the verdict {key} {trouble}; name another output")
        verdicts[key] = verdict
    valid = {key: verdict for key, verdict in verdicts.items() if verdict.seen == seen[key[:2]]}
    if stale := len(verdicts) - len(valid):
        logging.warning("%s: %d verdicts are on other responses; judged anew", output, stale)
        lines = [json_line(dataclasses.asdict(verdict)) for verdict in valid.values()]
        write_text(output, "".join(lines))
    return valid
