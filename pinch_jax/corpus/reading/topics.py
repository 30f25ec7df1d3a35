"""SIB-200 as instructions: what is this sentence about, asked and answered in 12 languages.

The sentences are FLORES-200's, the same in every language; each is asked about in one of three
phrasings, the same in every language too. Source: Adelani et al. 2024, SIB-200, arXiv 2309.07445.
"""

import functools
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.normalisation import caseless
from pinch_jax.corpus.reading.rows import Row
from pinch_jax.errors import UserError

PHRASES = pathlib.Path(__file__).with_name("topics.json")


@functools.cache
def topic_phrases() -> Mapping[str, Mapping[str, Any]]:
    """Returns language -> {"topics": {label: name}, "separator", "phrasings"}.

    The names stand in the nominative wherever they are put, so that any of them fits.
    """
    return json.loads(PHRASES.read_text(encoding="utf-8"))


def topic_examples(rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields rows of `index_id`, `category` and `text` as questions with their topic.

    Raises:
      UserError: nobody has written the phrases of the language, a category is unknown, or an
        index is not a number.
    """
    if language not in topic_phrases():
        raise UserError(
            f"language={language!r}: no phrases to ask for a topic in, only in "
            f"{sorted(topic_phrases())}; add them to {PHRASES.name}"
        )
    phrases, english = topic_phrases()[language], topic_phrases()["en"]["topics"]
    names = phrases["topics"]
    for row in rows:
        category, index = row.text("category"), row.name("index_id")
        if category not in names or not index.isdecimal():
            raise UserError(
                f"{row.place}: category={category!r}, index_id={index!r}: the one has to be of "
                f"{sorted(names)}, the other a number; repair or delete it"
            )
        phrasing = phrases["phrasings"][int(index) % len(phrases["phrasings"])]
        topic, identity = names[category], f"sib200-{index}"
        yield Example(
            id=identity,
            fact=identity,
            task="topic",
            language=language,
            prompt=phrasing["question"].format(
                topics=phrases["separator"].join(names.values()), text=row.text("text").strip()
            ),
            response=phrasing["response"].format(topic=topic),
            answer=topic,
            english_answer=language != "en" and caseless(topic) == caseless(english[category]),
        )
