"""What a translator adds to a translation: taken out where that is certain, else a fault.

Chat models think aloud, say that a translation follows, quote it, put it into a frame, or add a
note. All of it is in no original. What is certain is certain by its form, in whatever language it
is written; only an introduction on the line of the translation itself is known by its words.
"""

import re
from collections.abc import Callable

from pinch_jax.corpus.translation.protect import protected_parts

_THINK = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?)"
_THOUGHT = re.compile(rf"\s*<(?P<tag>{_THINK})>.*?</(?P=tag)>\s*", re.DOTALL | re.IGNORECASE)
# Some servers give what is thought without its beginning, which their prompt ends with.
_THOUGHT_END = re.compile(rf".*</{_THINK}>\s*", re.DOTALL | re.IGNORECASE)
_THOUGHT_TAG = re.compile(rf"</?{_THINK}>", re.IGNORECASE)
_COLON = re.compile("[:：]")
_INTRODUCTION = re.compile(
    r"\s*[*_]*(?:[^\n:：]{0,40}\b(?:here|below|following)\b[^\n:：]{0,60}\b|(?:\w+ )?)"
    r"translat(?:ion|ed)\b(?: (?:text|version|in|into|to|of|from)\b[^\n:：]{0,60})?"
    r"[*_]*[:：][*_\s]*",
    re.IGNORECASE,
)
# A name before a colon: of the language at the beginning, or of a note behind.
_LABEL = re.compile(r"(?:\A|\n|\()[*_\s]*(?P<label>\w+(?: \w+)?[*_]*[:：])\s")
_RULE = re.compile(r"^[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*$", re.MULTILINE)
_ENDS_IN_COLON = re.compile(r"[:：][*_\s]*\Z")
_FENCE = re.compile(r"\s*(?P<mark>```+|~~~+)[^\n`]*\n(?P<inside>.*?)\n?(?P=mark)\s*", re.DOTALL)
_ELEMENT = re.compile(r"\s*<(?P<tag>[A-Za-z_]\w*)>\s*(?P<inside>.*?)\s*</(?P=tag)>\s*", re.DOTALL)
_FRAMES = (
    *('""', "“”", "„“", "„”", "””", "«»", "»«", "「」", "『』", "‘’", "''", "``"),
    ("**", "**"),
)
_EDGES = tuple(sorted({mark for frame in _FRAMES for mark in frame}))


def without_additions(original: str, translation: str) -> str:
    """Returns a translation without what certainly is none: thoughts, introductions, frames."""
    before = None
    while before != translation:
        before = translation
        for take_out in _CERTAIN:
            translation = take_out(original, translation)
    return translation


def find_addition(original: str, translation: str) -> str | None:
    """Returns what a translation has that its original lacks, or None; the kind of fault first."""
    own = protected_parts(original)
    for part in protected_parts(translation):
        # A language may put an ending behind a part: www.a.org:ssa.
        grown = any(one in part for one in own)
        if translation.count(part) > original.count(part) and not grown:
            return f"added part: {part[:40]!r} is not in the original"
    label = _LABEL.search(translation)
    if label and not _COLON.search(original):
        return f"added part: {label['label']!r} is not in the original"
    if _RULE.search(translation) and not _RULE.search(original):
        return "added part: a line of dashes is not in the original"
    if _lines(translation) <= _lines(original):
        return None
    first = translation.strip().partition("\n")[0]
    if _introduces(original, first):
        return f"added part: the line {first[:40]!r} is not in the original"
    sent, came = _paragraphs(original), _paragraphs(translation)
    if came > sent:
        return f"added part: {came} paragraphs came for {sent}"
    return None


def _without_thoughts(original: str, translation: str) -> str:
    if _THOUGHT_TAG.search(original):
        return translation
    if thought := _THOUGHT.match(translation):
        return translation[thought.end() :]
    tags = _THOUGHT_TAG.findall(translation)
    if tags and all(tag.startswith("</") for tag in tags):
        return _THOUGHT_END.sub("", translation, count=1)
    return translation


def _without_introduction(original: str, translation: str) -> str:
    """Returns what follows a first line that only says that something follows.

    It does if it speaks of a translation, or if what follows has all the lines of the original.
    """
    words = _INTRODUCTION.match(translation)
    if words and not _COLON.search(_first_line(original)):
        return translation[words.end() :]
    first, _, rest = translation.strip().partition("\n")
    if rest and _introduces(original, first):
        alone = without_additions(original, rest.lstrip())
        return alone if _lines(alone) == _lines(original) else translation
    return translation


def _without_fence(original: str, translation: str) -> str:
    fence = _FENCE.fullmatch(translation)
    alone = fence and fence["mark"] not in original and fence["mark"] not in fence["inside"]
    return fence["inside"] if alone else translation


def _without_element(original: str, translation: str) -> str:
    element = _ELEMENT.fullmatch(translation)
    alone = element and f"<{element['tag']}>" not in f"{original}{element['inside']}"
    return element["inside"] if alone else translation


def _without_frame(original: str, translation: str) -> str:
    """Returns what one pair of quotation marks, or of emphasis, is around."""
    if original.strip().startswith(_EDGES) or original.strip().endswith(_EDGES):
        return translation
    text = translation.strip()
    for begin, end in _FRAMES:
        inside = text[len(begin) : -len(end)]
        framed = inside.strip() and text == f"{begin}{inside}{end}"
        if framed and begin not in inside and end not in inside:
            return inside.strip()
    return translation


_CERTAIN: tuple[Callable[[str, str], str], ...] = (
    _without_thoughts,
    _without_introduction,
    _without_fence,
    _without_element,
    _without_frame,
)


def _introduces(original: str, line: str) -> bool:
    """Returns whether a line ends in a colon, as the first one of the original does not."""
    return bool(_ENDS_IN_COLON.search(line)) and not _ENDS_IN_COLON.search(_first_line(original))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _lines(text: str) -> int:
    """Returns how many lines have something in them."""
    return sum(bool(line.strip()) for line in text.split("\n"))


def _paragraphs(text: str) -> int:
    return len(re.split(r"\n[^\S\n]*\n\s*", text.strip()))
