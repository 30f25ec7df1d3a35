"""What to change where a program does not fit: small changes first, each of them compiled."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.config import Config
from pinch_jax.devices.mesh import batch_ways, ways
from pinch_jax.errors import UserError
from pinch_jax.forecast.chips import Topology
from pinch_jax.forecast.compilation import forecast
from pinch_jax.forecast.programs import planned_program
from pinch_jax.model.config import SAVE_NOTHING
from pinch_jax.study.workbench import Workbench

Change = dict[str, Any]


def find_remedy(
    bench: Workbench, kind: str, topology: Topology, kept: Path
) -> tuple[Change, list[dict[str, Any]]]:
    """Returns the first change with which a program fits, {} if none does, and all that were tried.

    A change is {"train.remat_policy": "save_nothing"}. What is held from before the call to after
    it may already be too much: then nothing is compiled.
    """
    tried: list[dict[str, Any]] = []
    for change in changes(bench, kind):
        entry: dict[str, Any] = {"change": change, "fits": False}
        tried.append(entry)
        try:
            changed = Workbench(
                with_change(bench.config, change), progress=False, devices=bench.devices
            )
            planned = planned_program(changed, kind)
        except UserError as error:
            entry["refused"] = str(error)
            continue
        if sum(planned.held.values()) > topology.chip.memory:
            entry |= {"peak_bytes": sum(planned.held.values()), "at_least": True}
            continue
        record = forecast(planned, topology, kept)
        entry |= {name: record.get(name) for name in ("fits", "peak_bytes", "exposed_seconds")}
        if record["fits"]:
            return change, tried
    return {}, tried


def changes(bench: Workbench, kind: str) -> Iterator[Change]:
    """Yields changes to a config, from what costs least: time first, then rows."""
    c, mesh = bench.config, bench.mesh
    inside = mesh.devices.size // ways(mesh, ("context", "tensor"))
    split = {"mesh.data": 1, "mesh.fsdp": inside}
    splits = [{}] if mesh.shape["fsdp"] == inside else [{}, split]
    cheaper: list[Change] = [{}]
    if kind == "train":
        remat = {"train.remat_policy": SAVE_NOTHING}
        remats = [{}] if c.train.remat_policy == SAVE_NOTHING else [{}, remat]
        parts = _doubled(c.batch.microbatches, c.batch.rows // batch_ways(mesh))
        micro = [{"batch.microbatches": n} for n in parts]
        cheaper = [a | b for b in ({}, *micro[:1], *micro[-1:]) for a in remats]
    elif kind == "decode":
        halves = _doubled(1, c.evaluate.rows // batch_ways(bench.answers.mesh))
        cheaper = [{}] + [{"evaluate.rows": c.evaluate.rows // n} for n in halves]
    seen: list[Change] = [{}]
    for change in (a | b for a in splits for b in cheaper):
        if change not in seen:
            seen.append(change)
            yield change


def _doubled(first: int, most: int) -> list[int]:
    """Returns 2, 4, 8 ... times `first`, as long as they divide `most`."""
    found, number = [], 2 * first
    while number <= most and most % number == 0:
        found.append(number)
        number *= 2
    return found


def with_change(config: Config, change: Mapping[str, Any]) -> Config:
    """Returns a config with other values in some fields: {"mesh.fsdp": 16}."""
    parts: dict[str, dict[str, Any]] = {}
    for path, value in change.items():
        part, name = path.split(".")
        parts.setdefault(part, {})[name] = value
    made = {part: dataclasses.replace(getattr(config, part), **v) for part, v in parts.items()}
    return dataclasses.replace(config, **made)
