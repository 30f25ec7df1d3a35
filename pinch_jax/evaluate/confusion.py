"""Language confusion: which lines of open answers are in the language that was asked for.

The rules, and the names of the figures, are the benchmark's, so that they can be compared with its
own; what lid.176 says counts as it is, without what a study knows of its languages.

Source: Marchisio et al. 2024, Understanding and Mitigating Language Confusion in LLMs, arXiv
2406.20052, section 3, and the script of github.com/for-ai/language-confusion.
"""

import collections
import csv
import functools
import io
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pinch_jax.corpus.lid import code_of, line_label, script_of
from pinch_jax.corpus.reading.rows import unpacked
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import language_of
from pinch_jax.storage.json_input import check_fields, read_objects

Rates = dict[str, float]

# Shorter lines are passed over: lid.176 cannot tell their language.
LEAST_TOKENS = 5
# A less probable label is none.
LEAST_PROBABILITY = 0.3
# Shorter English words are words of other languages too.
LEAST_LETTERS = 4
EVERY = "all"
_CSV_FIELDS = ("task", "source", "language", "completion")
_PUNCTUATION = str.maketrans({"—": " "} | dict.fromkeys(string.punctuation + "،", ""))


class Answer(NamedTuple):
    """An open answer: the group it is counted in, and the code of the language asked for."""

    task: str
    source: str
    language: str
    text: str


def read_answers(path: Path) -> list[Answer]:
    """Returns the answers of a file: the benchmark's CSV, gzipped or not, or JSON lines of ours.

    Of JSON lines the task is "answers", and the source is their own `task`, or "answers" too.

    Raises:
        UserError: a line lacks a field, or its language is none; the file has no answers.
    """
    is_csv = path.name.removesuffix(".gz").endswith(".csv")
    answers = []
    for place, answer in (_read_csv if is_csv else _read_json_lines)(path):
        if answer.source == EVERY:
            raise UserError(f"{place}: the source {EVERY!r} is that of means; give it another name")
        answers.append(answer._replace(language=language_of(place, answer.language)))
    if not answers:
        raise UserError(f"{path}: no answers; generate them first")
    return answers


def read_english_words(path: Path) -> frozenset[str]:
    """Returns the words of a list, one a line, that show English among another script."""
    with unpacked(path) as stream, io.TextIOWrapper(stream, "utf-8-sig") as file:
        words = {line.strip() for line in file}
    return frozenset(word for word in words if word.islower() and len(word) >= LEAST_LETTERS)


def confusion(
    answers: Iterable[Answer], english: frozenset[str] | None
) -> dict[str, dict[str, Rates]]:
    """Returns {task: {"source/language": rates}}, as the benchmark's script gives them.

    A rate is between 0 and 1: `acc`, of an answer's lines, meaned over answers; `lpr`, line pass
    rate, of answers whose lines are all in the language; `wpr`, word pass rate, of those the ones
    without an English word, where the language is not in Latin script and `english` is known.
    "source/all" is meaned over the languages, "all/language" over the sources, "all/all" over the
    languages' own means.
    """
    groups: dict[tuple[str, str, str], list[str]] = collections.defaultdict(list)
    for answer in answers:
        groups[answer.task, answer.source, answer.language].append(answer.text)
    told: dict[str, dict[tuple[str, str], Rates]] = collections.defaultdict(dict)
    for (task, source, code), texts in sorted(groups.items()):
        told[task][source, code] = pass_rates(texts, code, english)
    return {
        task: {
            "/".join(names): {rate: round(value, 6) for rate, value in rates.items()}
            for names, rates in sorted(_with_means(of_task).items())
        }
        for task, of_task in told.items()
    }


def pass_rates(texts: Iterable[str], code: str, english: frozenset[str] | None) -> Rates:
    """Returns the rates of one language's answers; those without a line that counts are left out.

    Raises:
        UserError: the words of this language are told apart by a library that is not installed.
    """
    told = [held for text in texts if (held := check_answer(text, code, english))]
    shares = [held.share for held in told]
    clean = sum(held.has_no_english for held in told)
    passed = sum(share == 1 for share in shares)
    # Where nothing was there to fail, nothing failed: as the benchmark has it.
    rates = {
        "acc": sum(shares) / len(shares) if shares else 1.0,
        "lpr": passed / len(shares) if shares else 1.0,
    }
    if english is not None and script_of(code) != "Latin":
        rates["wpr"] = clean / passed if passed else 1.0
    return rates


class Checked(NamedTuple):
    """What the lines of an answer that count are: which share of them is in the language.

    `has_no_english`: all are, and are known to have no English word.
    """

    share: float
    has_no_english: bool


def check_answer(text: str, code: str, english: frozenset[str] | None) -> Checked | None:
    """Returns what an answer that was asked for in a language is; None where no line counts.

    Raises:
        UserError: the words of this language are told apart by a library that is not installed.
    """
    counted = counted_lines(text, code)
    if not counted:
        return None
    share = sum(_is_in(line, code) for line, _ in counted) / len(counted)
    if share < 1 or english is None:
        return Checked(share, False)
    return Checked(share, not any(word.strip() in english for _, told in counted for word in told))


def counted_lines(text: str, code: str) -> list[tuple[str, Sequence[str]]]:
    """Returns the lines of an answer that are long enough to count, each with its words.

    Raises:
        UserError: the words of this language are told apart by a library that is not installed.
    """
    tokens = _tokenizer(code.partition("-")[0])
    lines = text.split("\nQ:")[0].strip().translate(_PUNCTUATION).split("\n")
    words = ((line, tokens(line)) for line in lines)
    return [(line, told) for line, told in words if len(told) >= LEAST_TOKENS]


def _with_means(of_task: Mapping[tuple[str, str], Rates]) -> dict[tuple[str, str], Rates]:
    """Returns the rates of a task with their means over languages, over sources and over all."""
    groups: dict[tuple[str, str], list[Rates]] = collections.defaultdict(list)
    for (source, code), rates in of_task.items():
        groups[source, EVERY].append(rates)
        groups[EVERY, code].append(rates)
    means = {names: _mean(own) for names, own in groups.items()}
    of_languages = [rates for (source, _), rates in means.items() if source == EVERY]
    return {**of_task, **means, (EVERY, EVERY): _mean(of_languages)}


def _mean(told: Sequence[Rates]) -> Rates:
    values = {
        name: [rates[name] for rates in told if name in rates] for name in ("acc", "lpr", "wpr")
    }
    return {name: sum(some) / len(some) for name, some in values.items() if some}


def _is_in(line: str, code: str) -> bool:
    label, probability = line_label(line)
    known = {label, code_of(label).partition("-")[0]}
    return code.partition("-")[0] in known and probability > LEAST_PROBABILITY


@functools.cache
def _tokenizer(base: str) -> Callable[[str], Sequence[str]]:
    """Returns what parts a line into words: by blanks, but for two languages without them."""
    try:
        if base == "zh":
            import jieba

            jieba.setLogLevel("WARNING")  # it tells where it has put its cache
            return lambda line: list(jieba.cut(line))
        if base == "ja":
            import fugashi

            tagger = fugashi.Tagger()
            return lambda line: [word.surface for word in tagger(line)]
    except ImportError as error:
        raise UserError(
            f"words in {base!r}: {error.name} is not installed; pip install 'pinch_jax[confusion]'"
        ) from None
    return str.split


def _read_csv(path: Path) -> Iterator[tuple[str, Answer]]:
    csv.field_size_limit(1 << 24)  # an answer may be longer than the library's 128 KiB
    with unpacked(path) as stream, io.TextIOWrapper(stream, "utf-8-sig") as file:
        rows = csv.DictReader(file)
        if missing := set(_CSV_FIELDS) - set(rows.fieldnames or ()):
            raise UserError(
                f"{path}: no column {min(missing)!r}; the benchmark's have {', '.join(_CSV_FIELDS)}"
            )
        for number, row in enumerate(rows, start=1):
            place = f"{path}, answer {number}"
            if None in row or None in row.values():
                raise UserError(f"{place}: not as many columns as names; repair it")
            yield place, Answer(*(row[name] for name in _CSV_FIELDS))


def _read_json_lines(path: Path) -> Iterator[tuple[str, Answer]]:
    for place, record in read_objects(path):
        check_fields(place, record, ("language", "response"), empty=("response",))
        source = record.get("task") or "answers"
        yield place, Answer("answers", source, record["language"], record["response"])
