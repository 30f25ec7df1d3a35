"""What both sides of gemma.py are given: the same ids, the same hyperparameters."""

import dataclasses

import numpy as np

TRIMMED_ROWS = 32_768
PROMPT_TOKENS = NEW_TOKENS = 64
LEARNING_RATE, BETA1, BETA2, EPSILON, WEIGHT_DECAY, CLIP_NORM = 1e-5, 0.9, 0.95, 1e-8, 0.01, 1.0


@dataclasses.dataclass(frozen=True)
class Case:
    """What a side does.

    Attributes:
        kind: "train", "decode" or "score".
        rows, width: the batch; of "decode", the prompts.
        way: how, for the other side; of ours, "" or "trimmed".
        weights: a Hugging Face directory, for the other side.
    """

    kind: str
    rows: int
    width: int
    way: str = ""
    weights: str = ""

    @property
    def supervised(self) -> int:
        """How many tokens at the end of each row are supervised."""
        return self.width // 2

    @property
    def tokens(self) -> int:
        """The tokens of a run: what a rate counts."""
        return self.rows * (NEW_TOKENS if self.kind == "decode" else self.width)

    def ids(self) -> np.ndarray:
        """Returns int32 [rows, width]; a trimmed table has them too."""
        shape = (self.rows, self.width)
        return np.random.default_rng(0).integers(3, TRIMMED_ROWS, shape, dtype=np.int32)
