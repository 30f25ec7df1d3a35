"""A corpus in one language becomes the same corpus in another, by way of a translator.

Texts are cut into pieces, what must survive is masked, each different piece is translated once
and kept in DIRECTORY/<target>.jsonl; what the translator added is taken out, and texts are joined
again and checked. An example whose prompt, response or answer fails a check is rejected with the
reason; to drop it in every language is the caller's part. An interrupted translation is taken up
where it was.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pinch_jax.corpus.example import Example, written
from pinch_jax.corpus.normalisation import caseless
from pinch_jax.corpus.translation.additions import without_additions
from pinch_jax.corpus.translation.checks import COPY, MANY, find_fault
from pinch_jax.corpus.translation.cutting import CutText, cut, whole_text
from pinch_jax.corpus.translation.pieces import (
    Answer,
    ask,
    open_pieces,
    piece_key,
    read_pieces,
    translate_pieces,
)
from pinch_jax.corpus.translation.translators import TranslationConfig, Translator
from pinch_jax.errors import UserError
from pinch_jax.languages import language


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a language still costs; `price` is in the currency of the config's price.

    `characters` are those sent, markers included, as Google counts them; the few words that a chat
    model is told with each piece come on top.
    """

    language: str
    examples: int
    characters: int
    pieces: int
    price: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Translated:
    """The examples that passed, in the order they came, and why the others did not.

    `rejected` is id -> reason, which is "field: kind of fault: details".
    """

    examples: tuple[Example, ...]
    rejected: Mapping[str, str]


def estimate(
    examples: Sequence[Example],
    targets: Sequence[str],
    config: TranslationConfig,
    directory: Path,
) -> tuple[Estimate, ...]:
    """Returns what each language still costs; what is on disk or the same text costs nothing.

    Raises:
      UserError: a file of pieces is broken, or a language unknown.
    """
    pieces = _pieces(_cut_texts(examples, config).values()) if config.is_paid else ()
    estimates = []
    for target in targets:
        known = read_pieces(directory / f"{target}.jsonl")
        identity = _identity(config.name, config, target)
        missing = [piece for piece in pieces if piece_key(identity, piece) not in known]
        characters = sum(map(len, missing))
        estimates.append(
            Estimate(
                language=target,
                examples=len(examples),
                characters=characters,
                pieces=len(missing),
                price=characters / 1e6 * config.price_per_million_characters,
                seconds=config.seconds(len(missing), characters),
            )
        )
    return tuple(estimates)


def translate_examples(
    examples: Sequence[Example],
    target: str,
    translator: Translator,
    config: TranslationConfig,
    directory: Path,
    progress: bool = True,
) -> Translated:
    """Returns the examples in the language `target`, translated from `config.source`.

    Each piece is on disk as soon as it is there. Ctrl-C waits for the requests under way, which
    are paid for; the next call goes on from there.

    Raises:
      UserError: the languages are the same or unknown; the translator cannot go on
        (`ServiceError`); most examples came back as they were.
    """
    identity, kept = _identity(translator.name, config, target), directory / f"{target}.jsonl"
    if translator.whole_texts:
        texts = {text: whole_text(text) for text in _texts(examples)}
        answers = {text: ask(translator, text, config.source, target) for text in texts}
    else:
        texts = _cut_texts(examples, config)
        with open_pieces(kept, identity) as file:
            translate_pieces(_pieces(texts.values()), target, translator, config, file, progress)
            answers = {piece: file.get(piece) for piece in _pieces(texts.values())}
    passed, rejected = [], {}
    for example in examples:
        try:
            passed.append(_translated(example, target, config.source, texts, answers))
        except _Fault as fault:
            rejected[example.id] = str(fault)
    copies = sum(f": {COPY}: " in reason for reason in rejected.values())
    if len(examples) >= MANY and copies > len(examples) / 2:
        raise UserError(
            f"config.corpus.translation.by={config.by!r}: {copies} of {len(examples)} examples "
            f"came back in {target!r} as they are in {config.source!r}; check that {config.name} "
            f"translates into {language(target).name}, delete "
            f"{config.path.replace('{language}', target) or kept}, and run again, or leave "
            f"{target!r} out"
        )
    return Translated(tuple(passed), rejected)


def _identity(translator: str, config: TranslationConfig, target: str) -> tuple[str, str, str]:
    if language(target) == language(config.source):
        raise UserError(
            f"config.corpus.translation.source={config.source!r} is a target too; leave it out"
        )
    return translator, config.source, target


def _texts(examples: Iterable[Example]) -> Iterator[str]:
    """Yields every text to translate, once."""
    texts = (text for example in examples for text in _fields(example).values())
    yield from dict.fromkeys(text for text in texts if text)


def _fields(example: Example) -> dict[str, str]:
    """Returns the texts of an example by their names; several turns are a text each."""
    turns = {f"turns[{number}]": text for number, (_, text) in enumerate(example.turns)}
    asked = turns or {"prompt": example.prompt}
    return asked | {"response": example.response, "answer": example.answer}


def _cut_texts(examples: Iterable[Example], config: TranslationConfig) -> dict[str, CutText]:
    return {text: cut(text, config.piece_characters) for text in _texts(examples)}


def _pieces(texts: Iterable[CutText]) -> tuple[str, ...]:
    """Returns what is sent, each different piece once, in order."""
    return tuple(dict.fromkeys(piece.text for text in texts for piece in text.pieces))


class _Fault(Exception):
    """Why an example has no translation."""


def _translated(
    example: Example,
    target: str,
    source: str,
    texts: Mapping[str, CutText],
    answers: Mapping[str, Answer],
) -> Example:
    """Returns an example in the target language; raises `_Fault`."""
    translations = _fields(example)
    for field, text in translations.items():
        if not text:
            continue
        try:
            restored = _restored(text, texts[text], answers)
            for pair in restored:
                # The name in a response, which was checked before it.
                if fault := find_fault(*pair, source, target, is_name=field == "answer"):
                    raise _Fault(fault)
        except _Fault as fault:
            raise _Fault(f"{field}: {fault}") from None
        translations[field] = restored[0][1]
    answer, response = caseless(translations["answer"]), caseless(translations["response"])
    if caseless(example.answer) in caseless(example.response) and answer not in response:
        raise _Fault("answer: not in response: translated in another way than in the response")
    turns = tuple((role, translations[f"turns[{n}]"]) for n, (role, _) in enumerate(example.turns))
    return dataclasses.replace(
        example,
        language=target,
        english_answer=bool(answer) and answer == caseless(example.answer),
        prompt=written(turns) or translations["prompt"],
        response=translations["response"],
        answer=translations["answer"],
        turns=turns,
    )


def _restored(text: str, parts: CutText, answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    """Returns (original, translation) of a text, and of its pieces where it has several.

    A long text may hide a piece that came back untranslated.
    """
    restored = []
    for piece in parts.pieces:
        answer = answers[piece.text]
        if answer.translation is None:
            raise _Fault(f"refused: {answer.refused}")
        try:
            restored.append(piece.restore(without_additions(piece.text, answer.translation)))
        except ValueError as error:
            raise _Fault(f"changed part: {error}") from None
    pairs = [(text, parts.join(restored))]
    if len(restored) > 1:
        originals = [piece.restore(piece.text) for piece in parts.pieces]
        pairs += zip(originals, restored, strict=True)
    return pairs
