"""What must survive translation untouched, and the markers that stand for it on the way.

Code, URLs, e-mail addresses, LaTeX and placeholders are taken out of a text before it is sent:
each is replaced by a marker, ⟦0⟧, ⟦1⟧ and so on, which translators keep. What comes back must
hold every marker exactly once. Nothing is guessed: a text that has lost one cannot be restored.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from pinch_jax.errors import UserError

# White square brackets are rare in text; where they do occur they are protected themselves.
_OPEN, _CLOSE = "⟦", "⟧"
# Google puts spaces inside brackets (googleapis/google-cloud-dotnet#3126) and both services may
# write the number in digits of the target's script. Neither leaves a doubt about the number.
_MARKER = re.compile(rf"{_OPEN}\s*(\d+)\s*{_CLOSE}")
_BRACKETS = re.compile(f"[{_OPEN}{_CLOSE}]")

_SAME_PARAGRAPH = r"(?!\n[^\S\n]*\n)"
_ATTRIBUTE = r"""\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+)"""
_URL_CHARACTER = r"[!#-&+\-./0-;=?-Z_a-z~À-ɏ]"
_PATTERNS = (
    # Inline code: as many backticks at its end as at its start; but "don`t" has an apostrophe.
    rf"(?<![`A-Za-z])(?P<ticks>`+)(?!`)(?:{_SAME_PARAGRAPH}.)+?(?<!`)(?P=ticks)(?!`)",
    # LaTeX: environments, display and inline mathematics.
    r"\\begin\{(?P<environment>[A-Za-z]+\*?)\}.*?\\end\{(?P=environment)\}",
    rf"\$\$(?:{_SAME_PARAGRAPH}[^$])+\$\$",
    rf"\\\[(?:{_SAME_PARAGRAPH}.)+?\\\]",
    rf"\\\((?:{_SAME_PARAGRAPH}.)+?\\\)",
    # "$x$", but neither "$5 and $10" nor "$5 each in $": mathematics has no spaces at its
    # ends, no digit after it, and no word of three letters without a sign of LaTeX.
    r"(?<![\\$A-Za-z0-9])\$(?![\s${])(?=[^$]*?[\\^_={}][^$]*\$|(?:(?![^\W\d_]{3})[^$])+\$)"
    rf"(?:{_SAME_PARAGRAPH}[^$])+(?<![\s\\])\$(?![\d$])",
    # URLs, without the punctuation of the sentence after them; e-mail addresses.
    rf"(?<![A-Za-z0-9])(?:(?:https?|ftp|file)://|www\.)(?:{_URL_CHARACTER}|\([^\s()<>]*\))*"
    r"(?:[/#&+\-0-9=@-Z_a-z~À-ɏ]|\([^\s()<>]*\))",
    r"(?a:(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+)",
    # Placeholders: {{x}} {% x %} ${x} {name} {0:.2f}
    r"\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}|\$\{[^{}\n]*\}",
    r"\{\w*(?:\.\w+|\[\w+\])*(?:![rsa])?(?::[^{}\s]*)?\}",
    # %s %(name)d %1$s %.2f, but not "50 %s" or "20%d"
    r"(?<![A-Za-z0-9_%])(?<!\d\s)%(?:\(\w+\)|\d+\$)?[-+#0]*\d*(?:\.\d+)?[sdiufxXcgeE@](?![A-Za-z0-9_])",
    # <TAG>, </b>, <a href="x">, <|end|>, [NAME], [/INST]
    rf"</?[^\W\d_][\w:.-]*(?:{_ATTRIBUTE}(?:{_ATTRIBUTE}|\s+[\w:.-]+)*)?\s*/?>|<\|[^|<>\s]+\|>",
    r"\[/?[A-Z][A-Z0-9_ -]*\]",
    rf"[{_OPEN}{_CLOSE}]",
)
_INLINE = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)
_LINE_ENDS = re.compile(r"\r\n?|\n")
_CODE_LINE = re.compile(r"[{}=;<>\\|$]|\w\(|\w_\w|\s--?\w|^\s*(?:#|//|>>>)")


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of a text to protect; a block is code on lines of its own."""

    start: int
    end: int
    block: bool


@dataclasses.dataclass(frozen=True)
class Piece:
    """What is sent to a translator: a text with markers, and the parts they stand for."""

    text: str
    parts: tuple[str, ...]

    def restore(self, translation: str) -> str:
        """Returns a translation of `text` with the parts back in the places of their markers.

        Raises:
          UserError: a marker is missing, comes twice, or was altered.
        """
        numbers = [int(number) for number in _MARKER.findall(translation)]
        if _BRACKETS.search(_MARKER.sub("", translation)):
            raise UserError("a marker came back altered")
        for number, part in enumerate(self.parts):
            if numbers.count(number) != 1:
                came = "is missing" if number not in numbers else "came back more than once"
                raise UserError(f"the marker of {_short(part)!r} {came}")
        if len(numbers) > len(self.parts):
            raise UserError("a marker came back that was not sent")
        return _MARKER.sub(lambda match: self.parts[int(match[1])], translation)


def make_piece(text: str, spans: tuple[Span, ...], start: int, end: int) -> Piece:
    """Returns the piece from `start` to `end`, neither of which is inside one of the spans."""
    sent, parts = [], []
    for span in spans:
        if start <= span.start and span.end <= end:
            sent += [text[start : span.start], marker(len(parts))]
            parts.append(text[span.start : span.end])
            start = span.end
    return Piece("".join([*sent, text[start:end]]), tuple(parts))


def marker(number: int) -> str:
    """Returns what stands for the part of this number."""
    return f"{_OPEN}{number}{_CLOSE}"


@functools.lru_cache(maxsize=256)
def find_spans(text: str) -> tuple[Span, ...]:
    """Returns what is to be protected in a text, in order, without overlaps."""
    spans = []
    end = 0
    for block in (*_code_blocks(text), Span(len(text), len(text), True)):
        spans += [Span(*match.span(), False) for match in _INLINE.finditer(text, end, block.start)]
        spans.append(block)
        end = block.end
    return tuple(spans[:-1])


def protected_parts(text: str) -> tuple[str, ...]:
    """Returns what is to be protected in a text, in order."""
    return tuple(text[span.start : span.end] for span in find_spans(text))


def without_protected(text: str) -> str:
    """Returns the words of a text that are a translator's business, a space for all the rest."""
    spans = find_spans(text)
    starts = (0, *(span.end for span in spans))
    ends = (*(span.start for span in spans), len(text))
    return " ".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def _code_blocks(text: str) -> Iterator[Span]:
    """Yields fenced and indented code, by CommonMark, from its first line to the last one's end."""
    starts = [0, *(match.end() for match in _LINE_ENDS.finditer(text))]
    ends = [*(match.start() for match in _LINE_ENDS.finditer(text)), len(text)]
    for token in _markdown().parse(text):
        if token.type == "fence" or (token.type == "code_block" and _is_code(token.content)):
            first, after = token.map
            yield Span(starts[first], ends[after - 1], True)


def _is_code(indented: str) -> bool:
    """Tells code from the lists and letters that people indent likewise."""
    lines = [line for line in indented.splitlines() if line.strip()]
    return 2 * sum(bool(_CODE_LINE.search(line)) for line in lines) > len(lines)


@functools.cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark")
    markdown.core.ruler.enableOnly(["normalize", "block"])
    return markdown


def _short(part: str) -> str:
    return part if len(part) <= 40 else f"{part[:39]}…"
