"""Ids against the rows of a model's table: some tokenizers know tokens that the model does not."""

from collections.abc import Sequence

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.text.base import Tokenizer


def check_ids(ids: np.ndarray | Sequence[int], rows: int, tokenizer: Tokenizer, where: str) -> None:
    """Raises UserError when one of these ids has no row in a table of so many.

    A device reads such a row without complaint, and what it makes of it is NaN or another token's.
    `where` begins the message.
    """
    ids = np.asarray(ids)
    if not ids.size or (ids.min() >= 0 and ids.max() < rows):
        return
    id = int(ids[(ids < 0) | (ids >= rows)].flat[0])
    known = 0 <= id < tokenizer.vocab_size
    token = f"the token {tokenizer.token(id)!r} has the id {id}" if known else f"no token has {id}"
    raise UserError(
        f"{where}: {token}, and the model's table has the rows 0 to {rows - 1} alone; give a model "
        "with a row for each token that is used, or a template and texts that do without"
    )
