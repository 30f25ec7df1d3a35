"""A smaller vocabulary: the rows of the tokens that are kept, and their way back.

Of Gemma's 262,144 tokens a corpus needs a tenth. Without the others the table, its moments and the
logits are as much smaller; the softmax is then over the kept tokens alone, so that a kept token is
a little likelier than in the whole model, and the model can say nothing that needs another one.
"""

from collections.abc import Mapping

import numpy as np

from pinch_jax.model.families import Params
from pinch_jax.model.layout import Index, Place
from pinch_jax.model.loading import Tensors, read_block

# The parameters that have a row for each token.
TOKEN_ROWS = ("embedding", "head")


class TrimmedTensors:
    """Tensors of which the embedding and the head have the kept rows alone; `Tensors` too.

    Attributes:
        path, shapes, dtypes: as of the whole ones, but for the number of rows.
    """

    def __init__(self, whole: Tensors, where: Mapping[str, Place], kept: np.ndarray):
        self.path, self.dtypes = whole.path, whole.dtypes
        self._whole, self._kept = whole, kept
        self._trimmed = {where[name].name for name in TOKEN_ROWS if name in where}
        self.shapes = {
            name: (len(kept), *shape[1:]) if name in self._trimmed else shape
            for name, shape in whole.shapes.items()
        }

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor; rows between the kept ones are read and dropped."""
        if name not in self._trimmed:
            return self._whole.read(name, index)
        rows = self._kept[index[0]]
        if not len(rows):
            return self._whole.read(name, (slice(0, 0), *index[1:]))
        first, last = int(rows[0]), int(rows[-1])
        return self._whole.read(name, (slice(first, last + 1), *index[1:]))[rows - first]


def restore_rows(
    params: Params, kept: np.ndarray, whole: Tensors, where: Mapping[str, Place]
) -> Params:
    """Returns the parameters with all rows of the whole model, the kept ones as they are here.

    The rows between keep the values of `whole`, which is what was trimmed.
    """
    restored = dict(params)
    for name in TOKEN_ROWS:
        if name in params:
            shape = whole.shapes[where[name].name]
            everything = tuple(slice(None) for _ in shape)
            dtype = np.dtype(params[name].dtype)
            restored[name] = read_block(whole, where[name], shape, everything, dtype)
            restored[name][kept] = params[name]
    return restored
