"""Made-up TPU slices: devices with places on a torus and hosts, as JAX lists them."""

import dataclasses
import itertools
import math


@dataclasses.dataclass(frozen=True)
class Chip:
    """One device of a slice, with what JAX arranges a mesh by."""

    id: int
    coords: tuple[int, int, int]
    process_index: int
    device_kind: str
    platform: str = "tpu"
    core_on_chip: int = 0
    slice_index: int = 0


# The torus, the chips of a host (2x2x1), and how JAX calls the kind.
KINDS = {
    "v4": "TPU v4",
    "v5e": "TPU v5 lite",
    "v5p": "TPU v5p",
    "v6e": "TPU v6 lite",
}
FLAT = ((2, 4, 1), (4, 4, 1), (4, 8, 1), (8, 8, 1), (8, 16, 1), (16, 16, 1))
SOLID = ((2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8), (4, 8, 8))
# JAX arranges a v6e as it does a v5e.
SLICES = [("v6e", FLAT[0]), *(("v5e", torus) for torus in FLAT)]
SLICES += [(kind, torus) for kind in ("v4", "v5p") for torus in SOLID]


def chips(kind: str, torus: tuple[int, int, int]) -> list[Chip]:
    """Returns the devices of a slice in the order of jax.devices(): by host, and then x first."""
    across = [-(-size // host) for size, host in zip(torus, (2, 2, 1), strict=True)]

    def host(x, y, z):
        return x // 2 + across[0] * (y // 2 + across[1] * z)

    places = [(x, y, z) for z, y, x in itertools.product(*map(range, reversed(torus)))]
    places.sort(key=lambda place: host(*place))
    return [Chip(id, place, host(*place), KINDS[kind]) for id, place in enumerate(places)]


def shapes(count: int) -> list[tuple[int, int, int, int]]:
    """Returns the ways to write a power of two as data x fsdp x tensor x context, 1 or 4."""
    powers = [1 << n for n in range(count.bit_length())]
    every = itertools.product(*[powers] * 3, (1, 4))
    return [shape for shape in every if math.prod(shape) == count]
