"""The whole of a plan: every program compiled, and what the study takes if all of them fit."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from pinch_jax.config import Config
from pinch_jax.devices.mesh import ways
from pinch_jax.devices.sharding import SPLIT
from pinch_jax.forecast.chips import Topology
from pinch_jax.forecast.compilation import forecast
from pinch_jax.forecast.programs import model_files, planned_program, programs_of
from pinch_jax.forecast.remedies import find_remedy
from pinch_jax.forecast.spending import spending
from pinch_jax.storage.buckets import as_path
from pinch_jax.study.plan import plan_study
from pinch_jax.study.workbench import Workbench

# Rows of a tile of a TPU's memory. With 84 of Gemma 3 27B's 5,376 columns on a chip, libtpu 0.0.42
# sums where it gathers 168; of 20, it gathers and then permutes (LOG.md).
TILE_ROWS = 8


def make_plan(
    config: Config,
    topology: Topology,
    devices: Sequence[Any],
    programs: Sequence[str],
    price: float,
) -> dict[str, Any]:
    """Returns what the programs of a config need on devices, and what its study takes.

    programs: the records of `forecast`, with `remedy` and `tried` where one does not fit;
    warnings: sentences; model_files: what writing a tuned model takes, or None; study: the records
    of `spending`, None where a program does not fit. Without `programs`, all that the study
    needs. `price` is of a chip-hour.

    Raises:
        UserError: the mesh or the batch does not suit the devices, or the study cannot be planned.
    """
    bench = Workbench(config, progress=False, devices=devices)
    planned = [planned_program(bench, kind) for kind in programs or programs_of(bench)]
    with tempfile.TemporaryDirectory() as nowhere:
        study = plan_study(config, Path(nowhere), progress=False, bench=bench)
    # What was compiled before is not compiled again.
    kept = as_path(config.corpus.data_dir, "config.corpus.data_dir") / "plans"
    records = []
    for program in planned:
        record = forecast(program, topology, kept)
        if not record["fits"]:
            record["remedy"], record["tried"] = find_remedy(bench, program.kind, topology, kept)
        records.append(record)
    fit = all(record["fits"] for record in records)
    by_kind = {record["program"]: record for record in records}
    return {
        "topology": topology.name,
        "chips": topology.chips,
        "mesh": dict(bench.mesh.shape),
        "price": price,
        "programs": records,
        "warnings": [
            *([] if topology.is_gpu else tile_warnings(bench.mesh, bench.decoder.embed_dim)),
            *judge_warnings(config),
        ],
        "model_files": model_files(bench),
        "study": spending(study, by_kind, price) if fit else None,
    }


def judge_warnings(config: Config) -> list[str]:
    """Returns what is to be said of judges whose own cost is not in a plan."""
    kinds = {name: config.judges[name].kind for name in config.study.judges}
    models, services = ([n for n in kinds if kinds[n] == kind] for kind in ("model", "api"))
    others = [n for n in models if config.judges[n].model != config.judges[models[0]].model]
    told = []
    if others:
        told.append(f"The judges {', '.join(others)} are counted as if they were {models[0]!r}")
    if services:
        named = ", ".join(services)
        told.append(f"What {named} costs is not counted: a service says it when it judges")
    return told


def tile_warnings(mesh: Mesh, embed_dim: int) -> list[str]:
    """Returns what is to be said of a TPU's mesh that cuts parameters through tiles of memory."""
    split = ways(mesh, SPLIT)
    if embed_dim // split % TILE_ROWS == 0:
        return []
    smaller = (n for n in range(1, split) if split % n == 0)
    whole = [n for n in smaller if embed_dim // n % TILE_ROWS == 0]
    way_out = f"; {whole[-1]} leaves {embed_dim // whole[-1]}" if whole else ""
    return [
        f"config.mesh.fsdp x context {split} leaves {embed_dim // split} of embed_dim {embed_dim} "
        f"to a chip, no multiple of {TILE_ROWS}: the compiler sums or permutes where it would "
        f"gather{way_out}"
    ]
