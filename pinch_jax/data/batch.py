"""What a train step is given; apart from how it is planned, which takes more packages."""

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """One step's rows; B rows, T tokens, S slots for supervised tokens.

    tokens [B, T] int32; padding is the tokenizer's pad id.
    segments [B, T] int32: the examples of a row count from 1; 0 is padding.
    positions [B, T] int32: from 0 in each example.
    supervised [B, S] int32: indices into T of the inputs whose next token is a target.
    targets [B, S] int32: those next tokens.
    weights [B, S] float32: 1 where the slot is used, else 0.
    """

    tokens: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    supervised: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
