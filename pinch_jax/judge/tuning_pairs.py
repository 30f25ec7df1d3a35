"""Judge prompts made of any corpus with answers, so that a judge is tuned like any other model.

An instruction, its reference and something worse are put as a model judge is asked; the response
is the label of the reference.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pinch_jax.corpus.example import SPLITS, Example, checksum
from pinch_jax.corpus.normalisation import is_blank
from pinch_jax.corpus.sources import Corpus
from pinch_jax.data.order import key
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import other_answers, response_record
from pinch_jax.judge.pairs import alike
from pinch_jax.judge.prompt import Wording
from pinch_jax.judge.protocol import Pair

# So many examples are looked at for one whose answer is wrong here.
TRIES = 100

ByLanguage = Mapping[str, Example]


def judge_corpus(
    corpus: Corpus, kinds: Sequence[str], wording: Wording, labels: tuple[str, str]
) -> Corpus:
    """Returns a corpus of judge prompts about the examples of another one.

    `labels` are what the first and the second answer of a prompt are called.
    An example becomes a pair of each of `kinds`. Beside its reference stands

        answer    the reference of an example of its task that has another answer
        language  its reference in another language
        echo      its prompt
        empty     nothing

    which is the same in every language, so that the pairs are parallel too. Where that cannot be
    in some language, there is no pair in any. A kind that is named twice brings two pairs. Of an
    even number of pairs of a kind, from the first on, exactly half have their reference first.

    Raises:
      UserError: no pair of some kind can be made.
    """
    made = {
        split: _judge_examples(split, getattr(corpus, split), kinds, wording, labels)
        for split in SPLITS
    }
    checksums = {
        code: checksum((split, made[split][code]) for split in SPLITS) for code in corpus.checksums
    }
    return dataclasses.replace(corpus, **made, checksums=checksums)


def _judge_examples(
    split: str,
    parallel: Mapping[str, Sequence[Example]],
    kinds: Sequence[str],
    wording: Wording,
    labels: tuple[str, str],
) -> dict[str, tuple[Example, ...]]:
    """Returns the pairs of a split by language, those of an example beside each other."""
    every = [dict(zip(parallel, own, strict=True)) for own in zip(*parallel.values(), strict=True)]
    placed: list[tuple[int, ByLanguage]] = []
    for number, kind in enumerate(kinds):
        pairs = list(_pairs(kind, kinds[:number].count(kind), every))
        if not pairs:
            raise UserError(
                f"config.corpus.judge_pairs={tuple(kinds)}: no {split} example gives a pair of the "
                f"kind {kind!r}; leave it out, or use a corpus with references"
            )
        for index, (place, name, worse) in enumerate(pairs):
            # Of two that follow each other one has its reference first, whichever is drawn.
            opening = key(0, "judge pair", pairs[index - index % 2][1]) % 2
            right = (opening + index) % 2  # the place of the reference
            made = {}
            for code, own in every[place].items():
                answers = (worse[code], own.response) if right else (own.response, worse[code])
                pair = Pair(response_record(own, ""), *answers)
                made[code] = dataclasses.replace(
                    own,
                    id=name,
                    task=f"judge/{kind}",
                    prompt=wording.ask(pair, labels),
                    turns=(),
                    response=labels[right],
                    answer=labels[right],
                    english_answer=code != "en",
                )
            placed.append((place, made))
    placed.sort(key=lambda pair: pair[0])
    return {code: tuple(made[code] for _, made in placed) for code in parallel}


def _pairs(
    kind: str, turn: int, every: Sequence[ByLanguage]
) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Yields the place of an example, the id of its pair, and what is worse in each language.

    `turn`: so many pairs of the kind there are already.
    """
    tasks: dict[str, list[ByLanguage]] = {}
    for example in every:
        tasks.setdefault(_any(example).task, []).append(example)
    for place, example in enumerate(every):
        if any(is_blank(own.response) for own in example.values()):
            continue
        name = f"{_any(example).id}.{kind}"
        found: list[dict[str, str]] = []
        for worse in _worse(kind, name, example, tasks[_any(example).task]):
            if worse not in found:
                found.append(worse)
            if len(found) > turn:
                yield place, f"{name}{turn or ''}", worse
                break


def _any(example: ByLanguage) -> Example:
    return next(iter(example.values()))


def _worse(
    kind: str, name: str, example: ByLanguage, task: Sequence[ByLanguage]
) -> Iterator[dict[str, str]]:
    """Yields, by language, what is worse than the reference in each of them."""
    codes, start = list(example), key(0, "worse", name)
    for turn in range(TRIES if kind in ("answer", "language") else 1):
        if kind == "answer":
            # By example and not by answer: a frequent answer is as often wrong as it is right.
            other = task[(start + turn) % len(task)]
            worse = {code: other[code].response for code in codes}
            wrong = all(_is_wrong(other[code], example[code]) for code in codes)
        else:
            if kind == "language":
                shift = (start + turn) % len(codes)
                others = codes[shift:] + codes[:shift]
                shown = (example[code].response for code in others)
            else:
                shown = (example[code].prompt if kind == "echo" else "" for code in codes)
            worse = dict(zip(codes, shown, strict=True))
            wrong = not any(alike(worse[code], example[code].response) for code in codes)
        if wrong:
            yield worse


def _is_wrong(other: Example, own: Example) -> bool:
    """Returns whether the reference of another example does not answer this one."""
    if is_blank(other.response) or alike(other.response, own.response):
        return False
    if not (own.answer and other.answer):
        return True
    return bool(other_answers({0: response_record(own, ""), 1: response_record(other, "")})[0])
