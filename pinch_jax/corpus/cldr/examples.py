"""The bundled parallel corpus: facts of Unicode CLDR, asked and told in 17 languages.

The phrases of a language are templates in `phrases/<code>.json`, written so that every name
stands in its citation form. `statements` tell all facts and teach the base model; `examples`
ask them and tune it; the split is by fact, so no held-out answer was ever tuned on.
"""

import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping

from pinch_jax.corpus.cldr.facts import LANGUAGES, TASKS, Fact, facts
from pinch_jax.corpus.cldr.locale_names import names
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.normalisation import caseless
from pinch_jax.errors import UserError

PHRASES = pathlib.Path(__file__).parent / "phrases"
HELDOUT_FRACTION = 0.2
HELDOUT_STATEMENTS_FRACTION = 0.01
# Picked by the shares alone, before anything was trained: months and weekdays are so few that most
# seeds hold out none or half of them.
_SPLIT_SEED = "pinch-762"


@functools.cache
def phrases(language: str) -> Mapping[str, Mapping]:
    """Returns task -> {"statements", "questions", "response"}, the templates of a language.

    Raises:
      UserError: it is no language of the bundled corpus.
    """
    if language not in LANGUAGES:
        raise UserError(
            f"language={language!r}: not one of the bundled corpus; use {', '.join(LANGUAGES)}"
        )
    return json.loads((PHRASES / f"{language}.json").read_text(encoding="utf-8"))


def is_heldout(key: str) -> bool:
    """Returns whether the facts of this key are kept from tuning.

    Each key is drawn by its own hash, so that the choice is the same whatever other facts exist.
    """
    return _draw(key) < HELDOUT_FRACTION


def _draw(key: str) -> float:
    """Returns a number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256(f"{_SPLIT_SEED}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@functools.cache
def examples(language: str) -> tuple[Example, ...]:
    """Returns every question about every fact with its response, parallel across languages."""
    return tuple(
        _question(fact, phrasing, language)
        for fact in facts()
        for phrasing in range(len(phrases(language)[fact.task]["questions"]))
    )


def train_examples(language: str) -> tuple[Example, ...]:
    """Returns the examples whose facts may be tuned on."""
    return tuple(example for example in examples(language) if not is_heldout(example.fact))


def heldout_examples(language: str) -> tuple[Example, ...]:
    """Returns the held-out examples, ordered so that a prefix is a fair sample of all of them."""
    return fair_examples(language, heldout=True)


def fair_examples(language: str, heldout: bool) -> tuple[Example, ...]:
    """Returns the examples of either split, ordered so that a prefix is a fair sample of them.

    Each fact is asked once before one is asked in a second phrasing, and within such a round
    the tasks are spread evenly: any prefix holds each task in proportion, to within one.
    """
    spread = []
    for order, task in enumerate(TASKS):
        own = [f for f in facts() if f.task == task and is_heldout(f.key) == heldout]
        for index, fact in enumerate(sorted(own, key=_rank)):
            spread.append(((index + 0.5) / len(own), order, index, fact))
    spread.sort(key=lambda entry: entry[:3])
    phrasings = {task: len(phrases(language)[task]["questions"]) for task in TASKS}
    return tuple(
        # Facts start with different phrasings, so that a prefix mixes the phrasings too.
        _question(fact, (position + turn) % phrasings[fact.task], language)
        for turn in range(max(phrasings.values()))
        for position, (_, _, _, fact) in enumerate(spread)
        if turn < phrasings[fact.task]
    )


def _rank(fact: Fact) -> bytes:
    """Order facts of a task by a hash: alphabetical order would put the A's into every prefix."""
    return hashlib.sha256(f"{_SPLIT_SEED}:{fact.task}:{fact.subject}".encode()).digest()


def _question(fact: Fact, phrasing: int, language: str) -> Example:
    subject, answer = _names_of(fact, language)
    template = phrases(language)[fact.task]
    prompt = template["questions"][phrasing].format(subject=subject)
    response = template["response"].format(answer=answer)
    return _example(fact, str(phrasing), language, prompt, response)


def _example(fact: Fact, name: str, language: str, prompt: str, response: str) -> Example:
    answer, english = _names_of(fact, language)[1], _names_of(fact, "en")[1]
    return Example(
        id=f"{fact.task}.{fact.subject}.{name}",
        fact=fact.key,
        task=fact.task,
        language=language,
        prompt=prompt,
        response=response,
        answer=answer,
        english_answer=language != "en" and caseless(answer) == caseless(english),
    )


def _names_of(fact: Fact, language: str) -> tuple[str, str]:
    subject_kind, answer_kind = TASKS[fact.task]
    known = names(language)
    return known[subject_kind][fact.subject], known[answer_kind][fact.answer]


@functools.cache
def statements(language: str) -> tuple[Example, ...]:
    """Returns every fact told in every phrasing: the text a base model is pretrained on.

    They have no prompt. Beside its phrasings each fact is an entry, "subject – response", which
    shows the sentence that a response will be; and one of its questions stands alone, without an
    answer, so that its words are known too.
    """
    told = []
    for fact in facts():
        subject, answer = _names_of(fact, language)
        template = phrases(language)[fact.task]
        questions = template["questions"]
        texts = {
            f"s{number}": text.format(subject=subject, answer=answer)
            for number, text in enumerate(template["statements"])
        }
        texts["e"] = f"{subject} – {template['response'].format(answer=answer)}"
        asked = _draw(f"question {fact.task}.{fact.subject}") * len(questions)
        texts["q"] = questions[int(asked)].format(subject=subject)
        told += [_example(fact, name, language, "", text) for name, text in texts.items()]
    return tuple(told)


def train_statements(language: str) -> tuple[Example, ...]:
    """Returns the statements to pretrain on: all facts, but not all phrasings of each."""
    return tuple(text for text in statements(language) if not _is_kept(text))


def heldout_statements(language: str) -> tuple[Example, ...]:
    """Returns the statements whose loss is measured: other phrasings of facts that are told."""
    return tuple(text for text in statements(language) if _is_kept(text))


def _is_kept(text: Example) -> bool:
    return _draw(f"statement {text.id}") < HELDOUT_STATEMENTS_FRACTION


# Name of a bundled corpus -> split -> its examples in a language.
CONTENT: Mapping[str, Mapping[str, Callable[[str], tuple[Example, ...]]]] = {
    "cldr_instructions": {"train": train_examples, "heldout": heldout_examples},
    "cldr_statements": {"train": train_statements, "heldout": heldout_statements},
}
