"""Verdicts between two files of responses, each pair judged in both orders.

A response wins when it is chosen in both orders; `scores` counts that. Verdicts are appended
as they come: what was judged is never judged again, and an interrupted file is taken up where
it was cut. A verdict on a response that has changed since is judged anew. Where a judge has none
there is no line, and the next call asks again.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import ASKED, Records, other_answers, read_responses
from pinch_jax.hosts.waiting import agreed, is_primary
from pinch_jax.judge.asking import ask_and_keep
from pinch_jax.judge.protocol import Judge, Judgement, Pair
from pinch_jax.judge.records import ORDERS, Verdict, chosen, read_verdicts, seen_by_judge
from pinch_jax.storage.files import digest, json_line, mend_last_line, write_text

# Of a verdict: language, id, order.
Key = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Match:
    """Two files of responses to the same prompts, as a judge sees them."""

    baseline: Records
    candidate: Records
    others: Mapping[tuple[str, str], tuple[str, ...]]

    @property
    def keys(self) -> list[Key]:
        """What is to be judged, in the order of the baseline's lines, both orders together."""
        return [(*asked, order) for asked in self.baseline for order in ORDERS]

    def pair(self, key: Key) -> Pair:
        """Returns what is shown."""
        asked, order = key[:2], key[2]
        ours, theirs = (held[asked]["response"] for held in (self.baseline, self.candidate))
        first, second = (ours, theirs) if order == ORDERS[0] else (theirs, ours)
        return Pair(self.baseline[asked], first, second, self.others[asked])


def read_match(baseline: Path, candidate: Path) -> Match:
    """Returns two files of responses.

    Raises:
      UserError: one is not there or damaged; they do not answer the same prompts.
    """
    ours, theirs = read_responses(baseline), read_responses(candidate)
    _check_same_prompts(baseline, ours, candidate, theirs)
    return Match(ours, theirs, other_answers(ours))


def judge_files(
    judge: Judge, baseline: Path, candidate: Path, output: Path, progress: bool = True
) -> list[Verdict]:
    """Returns the verdicts on two response files in both orders, adding the new ones to `output`.

    They are in the order of the baseline's lines, baseline_first before candidate_first; those that
    the judge has none on are missing, and a warning says how many. What the judge raises ends the
    work. All processes call it, as `ask_and_keep`; the first one returns all verdicts.

    Raises:
      UserError: as `read_match` does; or `output` is of another judge or about other prompts.
    """
    match = read_match(baseline, candidate)
    seen = seen_by_judge(match.baseline, match.candidate, judge.version)
    verdicts: dict[Key, Verdict] = {}

    def begin() -> list[Key]:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            verdicts.update(_read_own_verdicts(judge, output, seen))
        return [key for key in match.keys if key not in verdicts]

    unjudged = agreed(f"reading {output}", begin) if judge.everywhere else begin()
    pairs = {key: match.pair(key) for key in map(tuple, unjudged)}

    def keep(key: Key, told: Judgement) -> dict[str, Any]:
        verdicts[key] = _verdict(judge, key, pairs[key], told, seen[key[:2]])
        return vars(verdicts[key])

    said = ask_and_keep(judge, pairs, output, keep, f"judge {output.stem}", progress).values()
    missing = [told.trouble for told in said if told.choice is None]
    if missing and is_primary():
        told = "%s: no verdict on %d of %d (the first: %s); another call asks again"
        logging.warning(told, output, len(missing), len(match.keys), missing[0])
    return [verdicts[key] for key in match.keys if key in verdicts]


def _verdict(judge: Judge, key: Key, pair: Pair, told: Judgement, seen: str) -> Verdict:
    language, id, order = key
    return Verdict(
        id=id,
        language=language,
        order=order,
        choice=told.choice,
        winner=chosen(order, told.choice),
        judge=judge.name,
        seen=seen,
        version=judge.version,
        wording=judge.wording,
        responses=(digest(pair.first), digest(pair.second)),
        log_odds=told.log_odds,
        by=told.by,
        model=told.model,
    )


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
        for field in ASKED:
            if record[field] != candidate_records[key][field]:
                raise UserError(
                    f"{candidate}: the {field} of {key} differs from {baseline}: "
                    f"{candidate_records[key][field]!r} and {record[field]!r}; generate both "
                    "with the same corpus"
                )


def _read_own_verdicts(
    judge: Judge, output: Path, seen: Mapping[tuple[str, str], str]
) -> dict[Key, Verdict]:
    """Returns the verdicts of a file that is to be continued.

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
        told = "%s: %d verdicts are on other responses, or by another version; judged anew"
        logging.warning(told, output, stale)
        lines = [json_line(vars(verdict)) for verdict in valid.values()]
        write_text(output, "".join(lines))
    return valid
