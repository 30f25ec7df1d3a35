"""Text to ids and back, by the tokenizer's own pieces."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import sentencepiece


class Tokenizer:
    """A SentencePiece model.

    Attributes:
        path: the `.model` file.
        checksum: sha256 of that file, part of a run's fingerprint.
        vocab_size: how many pieces there are.
        bos_id, eos_id, pad_id: what begins a text, ends a response, fills a row.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(
                f"no tokenizer at {self.path}; give a SentencePiece .model file"
            )
        model = self.path.read_bytes()
        self.checksum = hashlib.sha256(model).hexdigest()
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.vocab_size = self._pieces.vocab_size()
        self.bos_id = self._pieces.bos_id()
        self.eos_id = self._pieces.eos_id()
        self.pad_id = self._pieces.pad_id()

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
