"""Which layers of a decoder have parameters of the same shapes, and how a scan goes over them.

As a rule all have, and lie in one stack. Where those without a window have heads of another size,
or the last ones no keys of their own, each kind of layer has a stack.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from pinch_jax.model.families import DecoderConfig, Params


class Kind(NamedTuple):
    """What decides the shapes of a layer.

    name: of the stack in which such layers lie, in their order.
    is_global: whether it attends beyond the window; None where those of a stack differ in that.
    shares: whether it has the keys and values of an earlier layer.
    own_values: whether values have a projection of their own, not that of the keys.
    """

    name: str
    is_global: bool | None
    shares: bool
    own_values: bool
    head_dim: int
    kv_heads: int
    mlp_dim: int


class Stretch(NamedTuple):
    """Layers from `first` on: `unit`, some of a kind after some of another, over and over."""

    first: int
    unit: tuple[tuple[Kind, int], ...]
    repeats: int

    @property
    def period(self) -> int:
        """The number of layers of a unit."""
        return sum(count for _, count in self.unit)


def kinds(config: DecoderConfig) -> tuple[Kind, ...]:
    """Returns the kind of each layer."""
    return tuple(_kind(config, n, every) for n, every in enumerate(config.global_layers))


def _kind(c: DecoderConfig, number: int, is_global: bool) -> Kind:
    if not c.has_kinds:
        return Kind("layers", None, False, True, c.head_dim, c.kv_heads, c.mlp_dim)
    shares = number >= c.layers - c.sharing_layers
    return Kind(
        name=("sharing_" if shares else "") + ("global_layers" if is_global else "local_layers"),
        is_global=is_global,
        shares=shares,
        own_values=not (is_global and c.keys_as_values),
        head_dim=c.global_head_dim or c.head_dim if is_global else c.head_dim,
        kv_heads=c.global_kv_heads or c.kv_heads if is_global else c.kv_heads,
        mlp_dim=c.sharing_mlp_dim or c.mlp_dim if shares else c.mlp_dim,
    )


def stacks(config: DecoderConfig) -> dict[Kind, tuple[int, ...]]:
    """Returns the numbers of the layers of each kind."""
    numbers: dict[Kind, list[int]] = {}
    for number, kind in enumerate(kinds(config)):
        numbers.setdefault(kind, []).append(number)
    return {kind: tuple(each) for kind, each in numbers.items()}


def stretches(config: DecoderConfig) -> list[Stretch]:
    """Returns the layers in as few stretches as they have: one, where all are of a kind."""
    each = kinds(config)
    period = (config.window_pattern or config.layers) if config.has_kinds else 1
    cuts = {*range(0, config.layers, period), config.layers - config.sharing_layers, config.layers}
    spans = itertools.pairwise(sorted(cuts))
    units = [tuple((k, len([*g])) for k, g in itertools.groupby(each[a:b])) for a, b in spans]
    found, first = [], 0
    for unit, same in itertools.groupby(units):
        found.append(Stretch(first, unit, len([*same])))
        first += found[-1].period * found[-1].repeats
    return found


def sources(config: DecoderConfig) -> tuple[int, ...]:
    """Returns, for each layer, that whose keys and values it has: itself, unless it shares."""
    own = config.layers - config.sharing_layers
    last = {every: number for number, every in enumerate(config.global_layers[:own])}
    shared = (last[every] for every in config.global_layers[own:])
    return (*range(own), *shared)


def in_order(config: DecoderConfig, stacked: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
    """Returns what there is of each layer, from what there is of those of each stack, by name."""
    left = {name: iter(each) for name, each in stacked.items()}
    return tuple(next(left[kind.name]) for kind in kinds(config))


def listed(config: DecoderConfig, params: Params) -> Params:
    """Returns parameters with those of each layer one by one, in a tuple: `layers`."""
    if isinstance(params.get("layers"), tuple):
        return params
    each = {
        kind.name: [jax.tree.map(lambda x, n=n: x[n], params[kind.name]) for n in range(len(own))]
        for kind, own in stacks(config).items()
    }
    return outside(config, params) | {"layers": in_order(config, each)}


def outside(config: DecoderConfig, params: Params) -> Params:
    """Returns the parameters that belong to no layer."""
    inside = {kind.name for kind in kinds(config)} | {"layers"}
    return {name: leaf for name, leaf in params.items() if name not in inside}
