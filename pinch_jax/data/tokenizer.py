"""Text to ids and back, by the tokenizer's own pieces."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece
import tokenizers

Span = tuple[int, int]

# What stands for a blank inside a piece, in SentencePiece and in byte-level tokenizers.
BLANKS = "\u2581\u0120"
# The pieces that begin a text, end it and fill a row, as families of models call them. A
# tokenizer.json has no field that says which of its pieces does what.
PIECES = {
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[CLS]", "<SOS>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "[SEP]", "<EOT>"),
    "pad": ("<pad>", "<|finetune_right_pad_id|>", "<|pad|>", "<|endoftext|>", "[PAD]"),
}


class Tokenizer:
    """A SentencePiece model.

    Attributes:
        path: the `.model` file.
        checksum: sha256 of that file, part of a run's fingerprint.
        vocab_size: how many pieces there are.
    """

    # What the file is called in the directory of a model.
    FILE = "tokenizer.model"

    def __init__(self, path: str | Path):
        self.path = Path(path)
        model = _content(self.path)
        self.checksum = hashlib.sha256(model).hexdigest()
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise ValueError(
                f"{self.path} is not a SentencePiece model; give another file"
            ) from None
        self.vocab_size = self._pieces.vocab_size()

    def _special_id(self, role: str) -> int | None:
        id = getattr(self._pieces, f"{role}_id")()
        return None if id < 0 else id

    @property
    def bos_id(self) -> int:
        """What begins a text; ValueError where the tokenizer has no such piece, as below."""
        return self._required("bos")

    @property
    def eos_id(self) -> int:
        """What ends a response."""
        return self._required("eos")

    @property
    def pad_id(self) -> int:
        """What fills a row: where no piece is for that, the one that ends a response."""
        id = self._special_id("pad")
        return self.eos_id if id is None else id

    def _required(self, role: str) -> int:
        id = self._special_id(role)
        if id is None:
            what = {"bos": "begins a text", "eos": "ends a response"}[role]
            raise ValueError(
                f"the tokenizer {self.path} has no piece that {what} ({role}), such as "
                f"{', '.join(PIECES[role])}; give one that has"
            )
        return id

    def piece_id(self, piece: str) -> int:
        """Returns the id of a control piece such as `<answer>`.

        Raises:
            ValueError: the tokenizer has no such piece.
        """
        id = self._pieces.piece_to_id(piece)
        if id == self._pieces.unk_id():
            raise ValueError(f"the tokenizer {self.path.name} has no piece {piece!r}")
        return id

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without BOS or EOS; it cannot contain control pieces."""
        return self._pieces.encode(text)

    def decode(self, ids: list[int]) -> str:
        """Returns the text of some ids; control pieces leave no trace."""
        return self._pieces.decode(ids)

    def spans(self, text: str) -> list[Span]:
        """Returns (begin, end) of each of the text's tokens, in characters of the text.

        Tokens that share a character, such as its bytes, have all of it. A blank that the
        tokenizer puts before a text is of no characters.
        """
        found = self._pieces.encode(text, return_type="offset_mapping")
        spans = list(found["offsets"])
        # Of the pieces that stand for one character, only the last is said to be anything.
        for index in range(len(spans) - 2, -1, -1):
            begin, end = spans[index]
            if begin == end == spans[index + 1][0]:
                spans[index] = begin, spans[index + 1][1]
        return _without_added_blanks(text, found["pieces"], spans)


class JsonTokenizer(Tokenizer):
    """A `tokenizer.json` of the library `tokenizers`; everything as in a SentencePiece model."""

    FILE = "tokenizer.json"

    def __init__(self, path: str | Path):
        self.path = Path(path)
        model = _content(self.path)
        self.checksum = hashlib.sha256(model).hexdigest()
        try:
            self._pieces = tokenizers.Tokenizer.from_str(model.decode())
        except Exception as error:  # the library raises no other
            raise ValueError(f"{self.path} is not a tokenizer.json: {error}") from None
        self._pieces.no_truncation()
        self._pieces.no_padding()
        # Text that looks like a control piece is text.
        self._pieces.encode_special_tokens = True
        self.vocab_size = 1 + max(self._pieces.get_vocab().values())

    def _special_id(self, role: str) -> int | None:
        ids = map(self._pieces.token_to_id, PIECES[role])
        return next((id for id in ids if id is not None), None)

    def piece_id(self, piece: str) -> int:
        """Returns the id of a piece.

        Raises:
            ValueError: the tokenizer has no such piece.
        """
        id = self._pieces.token_to_id(piece)
        if id is None:
            raise ValueError(f"the tokenizer {self.path.name} has no piece {piece!r}")
        return id

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without BOS or EOS; it cannot contain control pieces."""
        return self._pieces.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        """Returns the text of some ids; control pieces leave no trace."""
        return self._pieces.decode(ids, skip_special_tokens=True)

    def spans(self, text: str) -> list[Span]:
        """Returns (begin, end) of each of the text's tokens, in characters of the text."""
        found = self._pieces.encode(text, add_special_tokens=False)
        return _without_added_blanks(text, found.tokens, found.offsets)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Returns the tokenizer of a file, or of a directory that holds one.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is neither a SentencePiece model nor a tokenizer.json.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        held = [path / kind.FILE for kind in (JsonTokenizer, Tokenizer)]
        path = next((file for file in held if file.exists()), held[0])
    is_json = _content(path).lstrip()[:1] == b"{"
    return JsonTokenizer(path) if is_json else Tokenizer(path)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(
            f"no tokenizer at {path}; give a SentencePiece .model or a tokenizer.json"
        )
    return path.read_bytes()


def _without_added_blanks(text: str, pieces: Sequence[str], spans: Sequence[Span]) -> list[Span]:
    """Returns the spans, empty where a piece is a blank and its place in the text is none."""
    return [
        (begin, begin) if not piece.strip(BLANKS) and text[begin:end].strip() else (begin, end)
        for piece, (begin, end) in zip(pieces, spans, strict=True)
    ]


def train_tokenizer(
    texts: Iterable[str], path: Path, vocab_size: int, control_pieces: tuple[str, ...]
) -> Tokenizer:
    """Returns a unigram tokenizer with byte fallback, trained on `texts` and written to `path`."""
    with path.open("wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            byte_fallback=True,
            character_coverage=1.0,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            control_symbols=list(control_pieces),
            # One thread makes the result the same on every machine.
            num_threads=1,
            minloglevel=2,
        )
    return Tokenizer(path)
