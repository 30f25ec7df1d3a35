"""People as a judge: what they said of pairs on the pages of `pinch annotate`, and how alike."""

import collections
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import krippendorff

from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import ASKED
from pinch_jax.judge.pairs import OUTCOMES
from pinch_jax.judge.protocol import Judgement, Pair
from pinch_jax.judge.records import ORDERS, chosen
from pinch_jax.judge.verdicts import Match
from pinch_jax.storage.files import digest, write_text
from pinch_jax.storage.json_input import check_fields, read_objects

RATINGS = ("excellent", "pass", "fail")
"""The paper's, the best first. Source: Shaham et al. (2024), arXiv 2401.01854, figure 2."""
_VALUES = {
    "order": ORDERS,
    "choice": ("first", "second", "tie"),
    "baseline_rating": RATINGS,
    "candidate_rating": RATINGS,
}


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What somebody said of a pair: a line of the file that a page gives.

    Attributes:
        page: the checksum of the page.
        order: baseline_first or candidate_first: whose answer 1 was.
        choice: first, second or tie.
        baseline_rating, candidate_rating: excellent, pass or fail.
        seconds: how long the pair was looked at.
        prompt, baseline, candidate: the checksums of the texts that were seen.
        baseline_file, candidate_file: those of the files that the page was made of.
    """

    page: str
    id: str
    language: str
    annotator: str
    order: str
    choice: str
    baseline_rating: str
    candidate_rating: str
    seconds: float
    prompt: str
    baseline: str
    candidate: str
    baseline_file: str
    candidate_file: str

    def __post_init__(self) -> None:
        for field, values in _VALUES.items():
            if getattr(self, field) not in values:
                raise UserError(f"{field}={getattr(self, field)!r} is none of {values}")
        if not isinstance(self.seconds, int | float):
            raise UserError(f"seconds={self.seconds!r} is no number")

    @property
    def outcome(self) -> float:
        """1.0 where the candidate is better, 0.0 where the baseline is, 0.5 for a tie."""
        tie = self.choice == "tie"
        return 0.5 if tie else float(chosen(self.order, self.choice) == "candidate")


Annotated = Mapping[tuple[str, str], Sequence[Annotation]]


def read_annotations(paths: Iterable[Path]) -> list[Annotation]:
    """Returns what the files say, once where several say the same.

    Raises:
        UserError: a line is none of a page's; somebody says two things of one pair.
    """
    remedy = "give the file as the page of `pinch annotate` wrote it"
    texts = [f.name for f in dataclasses.fields(Annotation) if f.type is str]
    held: dict[tuple[str, ...], Annotation] = {}
    for path in paths:
        for place, record in read_objects(path, remedy):
            check_fields(place, record, texts)
            try:
                said = Annotation(**record)
            except (TypeError, UserError) as error:
                raise UserError(f"{place}: not an annotation ({error}); {remedy}") from None
            of = said.language, said.id, said.annotator, said.baseline_file, said.candidate_file
            if held.setdefault(of, said) != said:
                raise UserError(_says_else(place, said))
    if not held:
        raise UserError(f"{', '.join(map(str, paths))}: no annotations; {remedy}")
    return [*held.values()]


def annotated(annotations: Iterable[Annotation], match: Match) -> Annotated:
    """Returns (language, id) -> what was said of a pair of these files.

    Raises:
        UserError: something was said of another pair than these files have, or somebody says two
            things of a pair, on pages of other files that have it too.
    """
    held: dict[tuple[str, str], dict[str, Annotation]] = {}
    for said in annotations:
        key = said.language, said.id
        there = checksums(texts_of(match, key)) if key in match.baseline else {"prompt": ""}
        if any(getattr(said, name) != checksum for name, checksum in there.items()):
            raise UserError(
                f"--annotations: {said.annotator!r} saw other texts of {said.language} {said.id!r} "
                f"(page {said.page}); give the --baseline and --candidate that page was made of"
            )
        if held.setdefault(key, {}).setdefault(said.annotator, said).outcome != said.outcome:
            raise UserError(_says_else("--annotations", said))
    return {key: [*by.values()] for key, by in held.items()}


def _says_else(place: str, said: Annotation) -> str:
    return (
        f"{place}: {said.annotator!r} says something else of {said.language} {said.id!r} before "
        "it; keep the later file of an annotator alone; two people need two names"
    )


def texts_of(match: Match, key: tuple[str, str]) -> dict[str, str]:
    """Returns what is shown of a pair: prompt, baseline, candidate."""
    ours, theirs = match.baseline[key], match.candidate[key]
    shown = (ours["prompt"], ours["response"], theirs["response"])
    return dict(zip(("prompt", "baseline", "candidate"), shown, strict=True))


def checksums(texts: Mapping[str, str]) -> dict[str, str]:
    """Returns the checksum of each text."""
    return {name: digest(text) for name, text in texts.items()}


def majority(said: Sequence[Annotation]) -> float:
    """Returns the outcome that most annotators of a pair give, 0.5 where none has more."""
    counts = collections.Counter(one.outcome for one in said).most_common(2)
    tied = len(counts) == 2 and counts[0][1] == counts[1][1]
    return 0.5 if tied else counts[0][0]


class PeopleJudge:
    """Chooses as most annotators did; a `Judge`.

    A tie is "first" in both orders, so that the two differ: a tie by protocol. What nobody
    annotated has no verdict.
    """

    name, identity, wording, batch_size, everywhere = "people", "people", "", 256, False

    def __init__(self, said: Annotated):
        """Keeps what was said of the very pairs that are to be judged."""
        self._outcomes = {key: majority(held) for key, held in said.items()}
        self._candidates = {key: held[0].candidate for key, held in said.items()}
        self.version = digest(sorted([*key, outcome] for key, outcome in self._outcomes.items()))

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Returns the place of the better response of each pair."""
        return [self._judgement(pair) for pair in pairs]

    def _judgement(self, pair: Pair) -> Judgement:
        key = pair.record["language"], pair.record["id"]
        if key not in self._outcomes:
            return Judgement(None, trouble="nobody annotated it")
        candidate_first = digest(pair.first) == self._candidates[key]
        second = self._outcomes[key] == (0.0 if candidate_first else 1.0)
        return Judgement("second" if second else "first")


def write_pairs(said: Annotated, match: Match, path: Path) -> None:
    """Writes each pair with what most annotators say, as `pinch certify --pairs` reads it."""
    better = {1 - outcome: better for better, outcome in OUTCOMES.items()}
    lines = []
    for key, held in said.items():
        shown = texts_of(match, key)
        pair = {name: match.baseline[key][name] for name in ("id", "language", *ASKED)}
        pair |= {"first": shown["baseline"], "second": shown["candidate"]}
        pair |= {"better": better[majority(held)], "source": "people"}
        lines.append(json.dumps(pair, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))


def alpha(units: Iterable[Mapping[str, float]]) -> float:
    """Returns Krippendorff's alpha for ordered values of units, {annotator: value}.

    It is NaN where no unit has two values, or all values are alike.

    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
    """
    several = [unit for unit in units if len(unit) > 1]
    if len({value for unit in several for value in unit.values()}) < 2:
        return math.nan
    names = sorted({name for unit in several for name in unit})
    table = [[unit.get(name, math.nan) for unit in several] for name in names]
    return float(krippendorff.alpha(table, level_of_measurement="ordinal"))


def agreement_lines(said: Mapping[tuple[str, ...], Sequence[Annotation]]) -> Iterator[str]:
    """Yields a sentence a language: who annotated how much, and how alike; keys begin with it."""
    for code in sorted({key[0] for key in said}):
        held = [of for key, of in said.items() if key[0] == code]
        alike = alpha({one.annotator: one.outcome for one in of} for of in held)
        yield (
            f"{code}: {len(held)} pairs by {len({one.annotator for of in held for one in of})} "
            f"annotators, {sum(len(of) > 1 for of in held)} by several; Krippendorff's alpha of "
            f"their choices is {'not defined' if math.isnan(alike) else f'{alike:.2f}'}."
        )
