"""Where the words of a text are, also in scripts that set no spaces between them.

The boundaries are those of ICU: Unicode Standard Annex 29, and dictionaries for Chinese, Japanese,
Thai, Lao, Khmer and Burmese.
"""

import regex
from icu4py.breakers import WordBreaker

# Katakana is not among them: what is written in it is mostly one foreign word.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

_LETTER_OR_DIGIT = regex.compile(r"[\p{Alphabetic}\p{N}]")


def words(text: str) -> list[tuple[int, int]]:
    """Returns (begin, end) of each word of a text, in characters; one has a letter or a digit."""
    spans, begin = [], 0
    # Any language has the dictionaries: the script of the text chooses among them.
    for part in WordBreaker(text, "en"):
        end = begin + len(part)
        if _LETTER_OR_DIGIT.search(part):
            spans.append((begin, end))
        begin = end
    return spans
