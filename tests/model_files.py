"""Directories of models as tests look into them: their tensors, and how much is read of them."""

from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

GOLDEN = sorted(file.parent for file in Path(__file__).parent.glob("golden/*/config.json"))


def tensors_of(directory: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Returns {name: (dtype, shape, bytes)} of all files but the golden expectation."""
    found = {}
    for file in sorted(directory.glob("model*.safetensors")):
        for name, value in load_file(file).items():
            assert name not in found
            found[name] = value.dtype.name, value.shape, value.tobytes()
    return found


class Counted:
    """Before a class of stored tensors: it then knows how many elements were read from it."""

    elements = 0

    def read(self, name: str, index: Any) -> Any:
        block = super().read(name, index)
        self.elements += block.size
        return block
