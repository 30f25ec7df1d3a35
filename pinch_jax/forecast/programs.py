"""The programs of a run for devices that are not there: what they are given, and how large it is.

They are those that the run itself compiles (study/workbench.py, judge/model.py), with shapes in the
place of arrays.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from pinch_jax.data.batches import Batch
from pinch_jax.devices.mesh import batch_sharding, batch_ways, ways
from pinch_jax.devices.sharding import SPLIT, parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.evaluate.decode import REFILLS, TOKENS, refilled_rows
from pinch_jax.forecast.flops import attention_flops, decode_flops, forward_flops, train_flops
from pinch_jax.judge.model import ROW_PROMPTS, ModelJudge, batch_shape
from pinch_jax.judge.prompt import read_wording
from pinch_jax.judge.protocol import Pair
from pinch_jax.model.cache import init_cache
from pinch_jax.model.decoder import abstract_params, in_precision
from pinch_jax.model.export import written_bytes
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.source import open_model
from pinch_jax.model.stacks import stretches
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.lora import combine
from pinch_jax.train.step import NOTHING, summed_loss


@dataclasses.dataclass(frozen=True)
class PlannedProgram:
    """A program that is not compiled yet.

    Attributes:
        kind: "train", "decode" or "judge".
        lower: returns it lowered; nothing is computed.
        decoder: the model that it runs.
        flops: useful flops of one call, of all devices together.
        attention: those of its attention in one forward pass over all rows.
        held: what each device holds from before the call to after it: bytes by what it is.
        beside: how many of them the program is not given, so that its compiler does not know them.
        made: what a device makes in it and we can tell by shapes: bytes by what it is.
        work: what one call gets done: a step, answers or verdicts, at most.
        size: what of that is told of it: "64 rows of 2,048 tokens".
        read: bytes that a device reads at least, over and over: weights and cache for each token.
        loops: how often loops run that do not say so themselves, by the scope that each is in.
    """

    kind: str
    lower: Callable[[], Any]
    decoder: DecoderConfig
    flops: float
    attention: float
    held: dict[str, int]
    made: dict[str, int]
    work: int
    size: str
    read: float = 0.0
    loops: Mapping[str, float] = dataclasses.field(default_factory=dict)
    beside: int = 0


def planned_program(bench: Workbench, kind: str) -> PlannedProgram:
    """Returns a program of a run; `kind` is one of PROGRAMS."""
    return PROGRAMS[kind](bench)


def programs_of(bench: Workbench) -> list[str]:
    """Returns which programs the study of a config needs."""
    judged = any(bench.config.judges[name].kind == "model" for name in bench.config.study.judges)
    return ["train", "decode"] + ["judge"] * judged


def _train(bench: Workbench) -> PlannedProgram:
    c, mesh, decoder = bench.config, bench.mesh, bench.decoder
    rows, tokens, slots = c.batch.rows, c.batch.row_tokens, c.batch.row_supervised_tokens
    state = _placed(bench.abstract_state(), bench.state_shardings)
    frozen = NOTHING
    if c.lora.rank:
        frozen = _parameters(mesh, decoder, c.model.dtype)
    batch = _batch(bench, rows)
    held = {"parameters": _bytes(state.params) + _bytes(frozen), "batch": _bytes(batch)}
    held["optimizer"] = _bytes(state.opt_state)
    kept = _kept(bench, state.params, frozen)
    devices = ways(mesh, ("data", *SPLIT))
    return PlannedProgram(
        kind="train",
        lower=lambda: bench.train_step.lower(state, batch, 100, frozen),
        decoder=decoder,
        flops=train_flops(decoder, rows, tokens, slots),
        attention=rows * attention_flops(decoder, tokens),
        held=held,
        made={"activations kept": kept // devices, "gradients": _bytes(state.params)},
        work=1,
        size=f"{rows} rows of {tokens:,} tokens",
    )


def _batch(bench: Workbench, rows: int) -> Batch:
    shape = bench.config.batch
    long, wide = (shape.row_tokens, "int32"), (shape.row_supervised_tokens, "int32")
    columns = Batch(long, long, long, wide, wide, (shape.row_supervised_tokens, "float32"))
    return Batch(*_rows(bench.mesh, rows, columns))


def _kept(bench: Workbench, trained: Any, frozen: Any) -> int:
    """Returns the bytes that all devices keep of a forward pass for the backward pass."""
    c, decoder, shard = bench.config, bench.decoder, bench.shard
    dtype, policy = jnp.dtype(c.model.dtype), c.train.remat_policy
    rows = c.batch.rows // c.batch.microbatches

    def backward(trained, frozen, batch):
        def loss(trained):
            params = combine(frozen, trained, c.lora.scaling)
            return summed_loss(decoder, dtype, shard, params, batch, policy)

        return jax.vjp(loss, trained)[1]

    kept = jax.tree.leaves(jax.eval_shape(backward, trained, frozen, _batch(bench, rows)))
    # Of each layer, and with the rows of the batch: neither weights nor what is made of them.
    of_rows = ((rows,), (rows * c.batch.row_tokens,))
    layers: set[tuple[int, ...]] = set()
    for stretch in stretches(decoder):
        counts = {stretch.period, *(count for _, count in stretch.unit)}
        layers |= {(stretch.repeats,), *((stretch.repeats, count) for count in counts)}
    return sum(
        x.size * x.dtype.itemsize
        for x in kept
        if any(x.shape[: len(n)] == n and x.shape[len(n) :][:1] in of_rows for n in layers)
    )


def _decode(bench: Workbench) -> PlannedProgram:
    c, decoder, e = bench.config, bench.decoder, bench.config.evaluate
    mesh, params = bench.answers.mesh, bench.answers.shapes
    count, held = e.rows * e.prompts_per_row, e.rows // batch_ways(mesh)
    prompts, padding, keys = _rows(
        mesh, count, ((e.prompt_tokens, "int32"), (0, "int32"), (2, "uint32"))
    )
    length = e.prompt_tokens + e.new_tokens
    cache = jax.eval_shape(functools.partial(init_cache, decoder, e.rows, length, c.model.dtype))
    tensor = mesh.shape["tensor"]
    cached = sum(
        x.size * x.dtype.itemsize // (1 if x.shape[2] % tensor else tensor)
        for x in jax.tree.leaves(cache)
    )
    cached //= batch_ways(mesh)
    # All weights are read for a token; of a table that is not the head, one row.
    tables = () if decoder.tied_embeddings else ("embedding",)
    tables += ("layer_embedding",) if decoder.layer_embed_dim else ()
    read = _bytes(params) - sum(_bytes(params[name]) for name in tables)
    refills = e.prompts_per_row * held / refilled_rows(held)
    tokens = e.prompts_per_row * (e.new_tokens - 1)
    # Full tuning leaves float32, adapters are merged into that; what answers read is made of it.
    tuned = _bytes(_parameters(bench.mesh, decoder, "float32"))
    return PlannedProgram(
        kind="decode",
        lower=lambda: bench.answers.decode.lower(params, prompts, padding, keys),
        decoder=decoder,
        flops=decode_flops(decoder, count, e.prompt_tokens, e.new_tokens),
        attention=count * attention_flops(decoder, e.prompt_tokens),
        held={
            "parameters": _bytes(params),
            "batch": _bytes((prompts, padding, keys)),
            "tuned parameters": tuned,
        },
        made={"cache": cached},
        work=count,
        size=f"{count} prompts in {e.rows} rows of {e.prompt_tokens:,} + {e.new_tokens:,} tokens",
        read=tokens * (read + cached),
        # Where every answer is as long as it may be.
        loops={REFILLS: refills, TOKENS: tokens / refills},
        beside=tuned,
    )


def _judge(bench: Workbench) -> PlannedProgram:
    c, mesh = bench.config, bench.mesh
    name, judge = next(
        ((n, c.judges[n]) for n in c.study.judges if c.judges[n].kind == "model"), ("", None)
    )
    if judge is None:
        raise UserError(
            f"--program=judge: config.study.judge={c.study.judge!r} names no model; set it to the "
            "name of a judge of kind 'model', or leave the program out"
        )
    model = open_model(judge.model, field=f"config.judges.{name}.model")
    decoder = model.decoder
    params = _parameters(mesh, decoder, judge.dtype)
    wording = read_wording(judge.template, judge.prompt_language, f"config.judges.{name}")
    by = ModelJudge(name, wording, model, bench.shard, judge.dtype)
    # With the longest instruction, and two answers that are as long as they may be.
    empty = Pair({"id": "", "prompt": "", "language": "en"}, "", "")
    prompt = len(by.prompt_ids(empty)) + c.evaluate.prompt_tokens + 2 * c.evaluate.new_tokens
    rows, tokens = batch_shape(prompt, batch_ways(mesh))
    batch = _rows(mesh, rows, (*[(tokens, "int32")] * 3, (ROW_PROMPTS, "int32")))
    return PlannedProgram(
        kind="judge",
        lower=lambda: by.choose.lower(params, *batch),
        decoder=decoder,
        # Two rows of the head are multiplied.
        flops=rows * forward_flops(decoder, tokens, 0),
        attention=rows * attention_flops(decoder, tokens),
        held={"parameters": _bytes(params), "batch": _bytes(batch)},
        made={},
        work=rows * min(tokens // prompt, ROW_PROMPTS),
        size=f"{rows} rows of {tokens:,} tokens",
    )


PROGRAMS = {"train": _train, "decode": _decode, "judge": _judge}


def _parameters(mesh: jax.sharding.Mesh, decoder: DecoderConfig, dtype: str) -> Any:
    """Returns the shapes of a model's parameters as they are loaded, where they lie."""
    cast = functools.partial(in_precision, dtype=jnp.dtype(dtype))
    shapes = jax.eval_shape(cast, abstract_params(decoder))
    return _placed(shapes, parameter_shardings(mesh, shapes))


def model_files(bench: Workbench) -> dict[str, int] | None:
    """Returns bytes: of a tuned model's files, and what a chip and a host hold more to write them.

    None where a study writes no model. A piece is gathered to every chip; a host has that of the
    file that it writes, and the array that it is made of.
    """
    if bench.config.keeps_adapters:
        return None
    files, piece = written_bytes(bench.decoder, _parameters(bench.mesh, bench.decoder, "float32"))
    return {"bytes": files, "chip_bytes": piece, "host_bytes": 2 * piece}


def _placed(shapes: Any, shardings: Any) -> Any:
    return jax.tree.map(
        lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings
    )


def _rows(mesh: jax.sharding.Mesh, rows: int, wide: Iterable[tuple[int, str]]) -> Any:
    """Returns arrays of so many rows: (columns, dtype) each, without columns where they are 0."""
    sharding = batch_sharding(mesh)

    def array(columns, dtype):
        shape = (rows, columns) if columns else (rows,)
        return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=sharding)

    return tuple(array(*one) for one in wide)


def _bytes(tree: Any) -> int:
    """Returns the bytes of a tree of placed shapes on one device."""
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in leaves)
