"""The work directory: one study's, and every file in it whole."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinch_jax.config import Config
from pinch_jax.mesh import is_primary

# What may differ between two calls on one work directory: none of it decides a result.
FREE_FIELDS = (
    "study.experiments",
    "study.monolingual_languages",
    "study.percents",
    "study.unseen_percents",
    "study.breadth_orders",
    "mixture.spec",
    "corpus.data_dir",
    "mesh",
    "train.remat_policy",
    "train.checkpoint_period_steps",
    "train.log_period_steps",
    "evaluate.period_steps",
    "evaluate.loss_prompts",
    "evaluate.period_prompts",
)


def write_text(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_command(workdir: Path, command: str) -> None:
    """Keeps what was typed to run the study, without where it is kept."""
    write_text(workdir / "command.txt", command + "\n")


def read_command(workdir: Path) -> str:
    """Returns what was typed to run the study; "" if a work directory does not say."""
    path = workdir / "command.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def claim_workdir(config: Config, workdir: Path) -> None:
    """Writes the config into the work directory, or checks that it is the one that is there.

    Raises:
        ValueError: the directory belongs to another study; names the first field that differs.
    """
    path = workdir / "config.json"
    ours = json.loads(config.to_json())
    if path.exists():
        ours_flat, theirs_flat = _flat(ours), _flat(json.loads(path.read_text()))
        for field in sorted(ours_flat.keys() | theirs_flat.keys()):
            if field.startswith(FREE_FIELDS):
                continue
            a, b = ours_flat.get(field, "absent"), theirs_flat.get(field, "absent")
            if a != b:
                raise ValueError(
                    f"--workdir={workdir} holds another study: config.{field} is {b!r} there and "
                    f"{a!r} here; choose another --workdir, or set --config.{field}={b}"
                )
    if is_primary():
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(path, ours)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
