"""Low-rank adaptation: what is trained are small matrices beside the frozen weights.

A projection's weight W [*I, *O] becomes W + alpha / rank * A B, A [*I, R] and B [R, *O].

Source: Hu et al. 2021, LoRA, arXiv 2106.09685, section 4.1.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pinch_jax.errors import UserError
from pinch_jax.model.decoder import Params, abstract_params
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layers import Adapted
from pinch_jax.model.stacks import stacks
from pinch_jax.train.config import PROJECTIONS, LoraConfig

ADAPTER = {"lora_a", "lora_b"}


def check_rank(model: DecoderConfig, lora: LoraConfig) -> None:
    """Raises UserError when the rank is above that of a matrix that would be adapted."""
    for name in lora.projections:
        part, inputs = PROJECTIONS[name]
        shapes = [stack[part][name].shape[1:] for _, stack in _adaptable(model, name)]
        if not shapes:
            raise UserError(f"config.lora.projections: this model has no {name!r}; leave it out")
        most = min(min(math.prod(s[:inputs]), math.prod(s[inputs:])) for s in shapes)
        if lora.rank > most:
            raise UserError(
                f"config.lora.rank={lora.rank}: {name!r} is of rank {most}; set it to that or less"
            )


def init_adapters(model: DecoderConfig, lora: LoraConfig, key: jax.Array) -> Params:
    """Returns adapters that change nothing yet: A of variance 1 / fan_in, B zero; float32.

    A projection's draw does not depend on which others are adapted.
    """
    adapters: Params = {}
    for number, (name, (part, inputs)) in enumerate(PROJECTIONS.items()):
        if name not in lora.projections:
            continue
        own = jax.random.fold_in(key, number)
        for place, (stack, wanted) in enumerate(_adaptable(model, name)):
            count, *sizes = wanted[part][name].shape
            ins, outs = sizes[:inputs], sizes[inputs:]
            # The first stack's is that of a model with one.
            drawn_by = jax.random.fold_in(own, place) if place else own
            drawn = jax.random.normal(drawn_by, (count, *ins, lora.rank))
            adapters.setdefault(stack, {}).setdefault(part, {})[name] = {
                "lora_a": drawn / math.sqrt(math.prod(ins)),
                "lora_b": jnp.zeros((count, lora.rank, *outs)),
            }
    return adapters


def _adaptable(model: DecoderConfig, name: str) -> list[tuple[str, Params]]:
    """Returns the stacks of layers that have a projection, by name: shapes."""
    params, part = abstract_params(model), PROJECTIONS[name][0]
    names = [kind.name for kind in stacks(model)]
    return [(stack, params[stack]) for stack in names if name in params[stack][part]]


def combine(frozen: Params, trainable: Params, scaling: float = 0.0) -> Params:
    """Returns the parameters that a decoder takes, from what is frozen and what is trained.

    A weight and its adapter become one `Adapted`; what only one of the two has stays as it is,
    so that with nothing frozen this is `trainable` itself. No large array is made.
    """
    return _joined(frozen, trainable, lambda w, a, b: Adapted(w, a, scaling * b))


def merge(frozen: Params, trainable: Params, scaling: float = 0.0, donate: bool = False) -> Params:
    """Returns the same parameters as `combine`, adapters added into their weights.

    Jax arrays where they lie, one after the other, or numpy; `donate` gives up those of `frozen`.
    """

    def add(w, a, b):
        donated = (0,) if donate else ()
        program = jax.jit(
            _added, out_shardings=getattr(w, "sharding", None), donate_argnums=donated
        )
        return program(w, a, b, scaling)

    return _joined(frozen, trainable, add)


def plain(params: Params) -> Params:
    """Returns parameters of `combine` as those of `merge`: each `Adapted` made one weight."""

    def one(leaf):
        return _added(leaf.weight, leaf.a, leaf.b, 1.0) if _is_adapted(leaf) else leaf

    return jax.tree.map(one, params, is_leaf=_is_adapted)


def is_plain(params: Params) -> bool:
    """Returns whether no weight has an adapter beside it."""
    return not any(map(_is_adapted, jax.tree.leaves(params, is_leaf=_is_adapted)))


def _is_adapted(leaf: Any) -> bool:
    return isinstance(leaf, Adapted)


def _added(w: jax.Array, a: jax.Array, b: jax.Array, scaling: jax.Array | float) -> jax.Array:
    rank = a.shape[-1]
    change = a.reshape(len(w), -1, rank) @ b.reshape(len(w), rank, -1)
    return w + scaling * change.reshape(w.shape)


def _joined(frozen: Any, trainable: Any, adapt: Callable[[Any, Any, Any], Any]) -> Any:
    if not isinstance(frozen, dict):
        return adapt(frozen, *(trainable[name] for name in sorted(ADAPTER)))
    joined = frozen | trainable
    for name in frozen.keys() & trainable.keys():
        joined[name] = _joined(frozen[name], trainable[name], adapt)
    return joined
