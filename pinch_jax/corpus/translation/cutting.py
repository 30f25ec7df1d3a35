"""A text as pieces to translate and what stands between them, joined again exactly.

A text that is short enough is one piece. A longer one is cut at paragraph borders; a paragraph
that is too long for a piece, between sentences, then lines, then words. Code on lines of its own
and paragraphs without a letter to translate stand between the pieces: they are never sent.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence

from pinch_jax.corpus.translation.protect import Piece, Span, find_spans, make_piece, marker

# The kinds of border, the weakest first; ANYWHERE is between any two characters.
_ANYWHERE, _WORD, _LINE, _SENTENCE, _PARAGRAPH = range(5)
_LINE_END = re.compile(r"\r\n?|\n")
# A sentence ends with a space after it, except for those that end as in Chinese.
_SENTENCE_END = re.compile(r"""[.!?…؟۔।。！？]["'”’»」』）)\]]*\Z""")
_GAP = re.compile(r"\s+|(?<=[。！？])(?![”’」』）\s])|(?<=[。！？][”’」』）])(?!\s)")
_LONGEST_ENDING = 4
# Stands for what is protected: neither a letter, nor a space, nor the end of a sentence.
_BLANK = "_"


@dataclasses.dataclass(frozen=True)
class CutText:
    """The pieces of a text; `between` has one entry more, as it begins and ends the text."""

    between: tuple[str, ...]
    pieces: tuple[Piece, ...]

    def join(self, translations: Sequence[str]) -> str:
        """Returns the text with a translation, protected parts restored, for each piece."""
        alternating = itertools.zip_longest(self.between, translations, fillvalue="")
        return "".join(itertools.chain.from_iterable(alternating))


def whole_text(text: str) -> CutText:
    """Returns a text as a single piece, nothing in it protected."""
    return CutText(("", ""), (Piece(text, ()),))


def cut(text: str, piece_characters: int) -> CutText:
    """Returns the pieces of a text, none with more characters (markers included) than that.

    A piece has to have room for a marker.
    """
    spans = find_spans(text)
    ruler = _Ruler(text, spans, piece_characters)
    blocks = [span for span in spans if span.block]
    starts = (0, *(block.end for block in blocks))
    ends = (*(block.start for block in blocks), len(text))
    between, pieces, reached = [], [], 0
    for region in zip(starts, ends, strict=True):
        for start, end in ruler.cut_region(*region):
            between.append(text[reached:start])
            pieces.append(make_piece(text, spans, start, end))
            reached = end
    return CutText((*between, text[reached:]), tuple(pieces))


class _Ruler:
    """Measures a text as it would be sent, and finds where it may be cut."""

    def __init__(self, text: str, spans: Sequence[Span], limit: int) -> None:
        longest_marker = len(marker(len(spans)))
        costs = [1] * len(text)
        shown = list(text)
        for span in spans:
            length = span.end - span.start
            costs[span.start : span.end] = [longest_marker] + [0] * (length - 1)
            shown[span.start : span.end] = [_BLANK] * length
        self.limit = limit
        self.shown = "".join(shown)
        self.sent = [0, *itertools.accumulate(costs)]

    def cut_region(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yields (start, end) of the pieces between two blocks."""
        paragraphs = self._units(start, end, _PARAGRAPH)
        for has_letters, group in itertools.groupby(paragraphs, self._has_letters):
            if has_letters:
                together = list(group)
                yield from self._pack(together[0][0], together[-1][1], _PARAGRAPH)

    def _has_letters(self, unit: tuple[int, int]) -> bool:
        return any(character.isalpha() for character in self.shown[slice(*unit)])

    def _fits(self, start: int, end: int) -> bool:
        return self.sent[end] - self.sent[start] <= self.limit

    def _pack(self, start: int, end: int, border: int) -> Iterator[tuple[int, int]]:
        """Yields units, as many together as fit; one that does not fit is cut at weaker borders."""
        if self._fits(start, end):
            yield start, end
            return
        pending: tuple[int, int] | None = None
        for unit_start, unit_end in self._units(start, end, border):
            if pending and self._fits(pending[0], unit_end):
                pending = pending[0], unit_end
                continue
            if pending:
                yield pending
            pending = unit_start, unit_end
            if border > _ANYWHERE and not self._fits(*pending):
                yield from self._pack(*pending, border - 1)
                pending = None
        if pending:
            yield pending

    def _units(self, start: int, end: int, border: int) -> Iterator[tuple[int, int]]:
        """Yields (start, end) of what such borders separate, without the space around it."""
        gaps = self._gaps(start, end, border)
        for gap_start, gap_end in (*gaps, (end, end)):
            if start < gap_start:
                yield start, gap_start
            start = gap_end

    def _gaps(self, start: int, end: int, border: int) -> Iterator[tuple[int, int]]:
        if border == _ANYWHERE:
            # Not within a span: what costs nothing more is never cut off.
            yield from ((at, at) for at in range(start + 1, end))
            return
        for match in _GAP.finditer(self.shown, start, end):
            at_edge = match.start() == start or match.end() == end
            if at_edge or self._strength(match.group(), match.start()) >= border:
                yield match.span()

    def _strength(self, gap: str, at: int) -> int:
        line_ends = len(_LINE_END.findall(gap))
        if line_ends > 1:
            return _PARAGRAPH
        if _SENTENCE_END.search(self.shown, max(0, at - _LONGEST_ENDING), at):
            return _SENTENCE
        return _LINE if line_ends else _WORD
