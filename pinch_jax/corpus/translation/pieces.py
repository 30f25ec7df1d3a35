"""Pieces of texts: translated many at a time, and kept on disk, so that none is paid for twice.

A JSON line is written and flushed as soon as its piece is there. It holds what came back, word for
word, so that a check that learns something new can look again without a call.
"""

import contextlib
import dataclasses
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from pinch_jax.corpus.translation.translators import TranslationConfig, Translator
from pinch_jax.errors import UserError
from pinch_jax.service.faults import Refused
from pinch_jax.service.kept import AddLine, open_lines
from pinch_jax.service.pace import Pace, Patience, side_by_side
from pinch_jax.storage.files import is_whole, without_checksum

FIELDS = {"key", "by", "text", "translation", "refused"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back for a piece: a translation, or else the reason that there is none."""

    translation: str | None
    refused: str | None


@dataclasses.dataclass(frozen=True)
class PieceFile:
    """The file of one target language, open for one process; made by `open_pieces`."""

    add_line: AddLine
    known: dict[str, Answer]
    identity: tuple[str, str, str]

    def get(self, text: str) -> Answer | None:
        """Returns the answer to a piece, or None if it was never asked."""
        return self.known.get(piece_key(self.identity, text))

    def add(self, text: str, answer: Answer) -> None:
        """Keeps an answer, on disk before this returns; from any thread."""
        key = piece_key(self.identity, text)
        fields = {"key": key, "by": self.identity[0], "text": text}
        self.add_line(fields | dataclasses.asdict(answer))
        self.known[key] = answer


def piece_key(identity: tuple[str, str, str], text: str) -> str:
    """Returns the SHA-256 of a piece; `identity` is (translator, source, target)."""
    return hashlib.sha256(json.dumps([*identity, text]).encode()).hexdigest()


@contextlib.contextmanager
def open_pieces(path: Path, identity: tuple[str, str, str]) -> Iterator[PieceFile]:
    """Opens the pieces of a language to read and add to, for this process alone.

    It waits while another one translates into the file.

    Raises:
      UserError: a line before the last is broken.
    """
    with open_lines(path) as add_line:
        yield PieceFile(add_line, read_pieces(path), identity)


def read_pieces(path: Path) -> dict[str, Answer]:
    """Returns key -> answer of a file, {} if there is none; a last line that was cut is left out.

    Raises:
      UserError: a line before the last is broken or damaged.
    """
    if not path.exists():
        return {}
    answers = {}
    *lines, last = path.read_bytes().split(b"\n")
    if is_whole(last):
        lines.append(last)
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            # A line of before there were checksums, which may have cost money, has these alone.
            if set(record) != FIELDS:
                record = without_checksum("it", record, "it will be asked for again")
            answers[record["key"]] = Answer(record["translation"], record["refused"])
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}:{number}: not a piece ({error!r}); delete the line") from error
    return answers


def translate_pieces(
    pieces: Sequence[str],
    target: str,
    translator: Translator,
    config: TranslationConfig,
    file: PieceFile,
    progress: bool,
) -> None:
    """Puts into the file what it lacks of some pieces, each as soon as it is there.

    Many are translated at a time. Ctrl-C and errors end it when the requests under way are done.

    Raises:
      ServiceError: the translator cannot go on.
    """
    missing = [piece for piece in pieces if file.get(piece) is None]
    stop = threading.Event()
    pace = Pace(config.requests_per_second)
    patience = Patience(pace, config.attempts, config.wait_seconds, stop)

    def translate(piece: str) -> int:
        call = lambda: ask(translator, piece, config.source, target)  # noqa: E731
        file.add(piece, patience.request(translator.name, call))
        return len(piece)

    bar = tqdm(
        desc=f"translate into {target}",
        total=sum(map(len, missing)),
        unit="character",
        unit_scale=True,
        disable=not progress,
    )
    with bar:
        side_by_side(
            translate,
            missing,
            config.concurrency,
            stop,
            done=bar.update,
            leaving=lambda: bar.set_postfix_str("waiting for what is under way"),
        )


def ask(translator: Translator, text: str, source: str, target: str) -> Answer:
    """Returns what a translator has to say to a text, also where it refuses."""
    try:
        return Answer(translator.translate(text, source, target), None)
    except Refused as refused:
        return Answer(None, str(refused))
