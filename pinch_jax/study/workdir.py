"""The work directory: one study's, and every file in it whole."""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ml_collections_configs import base
from pinch_jax.config import Config, from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.hosts.waiting import is_primary
from pinch_jax.storage.files import digest, read_record, write_record, write_text

# Of the study's model, which may keep no weights.
TOKENIZER = "tokenizer"
# What may differ between two calls on one work directory: none of it decides a result.
FREE_FIELDS = (
    "study.experiments",
    "study.sweeps",
    "study.monolingual_languages",
    "study.percents",
    "study.unseen_percents",
    "study.breadth_orders",
    "study.draws",
    "study.keep_weights",
    # Verdicts are kept by who judges.
    "study.judge",
    "judges",
    "mixture.spec",
    "corpus.data_dir",
    "batch.max_dropped_fraction",
    "mesh",
    "track",
    "evaluate.tensor",
    "train.remat_policy",
    "train.checkpoint_period_steps",
    "train.log_period_steps",
    "evaluate.period_steps",
)


def results_lock(workdir: Path) -> Path:
    """Returns the lock of what is made of all runs: study.json, tables, page.

    Shards may end at once, and calls with other experiments: each page is of one study.json.
    """
    return workdir / "results.lock"


def write_command(workdir: Path, command: str) -> None:
    """Keeps what was typed to run the study, without where it is kept."""
    write_text(workdir / "command.txt", command + "\n")


def read_command(workdir: Path) -> str:
    """Returns what was typed to run the study; "" if a work directory does not say."""
    path = workdir / "command.txt"
    return path.read_text("utf-8", errors="replace").strip() if path.exists() else ""


def responses_path(workdir: Path, run: str, language: str) -> Path:
    """Returns where the responses of a run, by the name of its directory, are kept."""
    return workdir / "runs" / run / "responses" / f"{language}.jsonl"


def verdict_path(
    workdir: Path, judge: Mapping[str, Any], run: str, baseline_run: str, language: str
) -> Path:
    """Returns where the verdicts of a judge on two runs in a language are kept.

    `judge` is an entry of `judges` in study.json.
    """
    folder = f"{judge['as']}-{digest([judge['name'], judge['version']])[:12]}"
    return workdir / "verdicts" / folder / f"{run}--{baseline_run}--{language}.jsonl"


def claim_workdir(config: Config, workdir: Path) -> None:
    """Writes the config into the work directory, once all else that could be refused was checked.

    Raises:
        UserError: as `check_workdir` does.
    """
    check_workdir(config, workdir)
    path, ours = workdir / "config.json", json.loads(config.to_json())
    if is_primary() and not (path.exists() and read_config(workdir) == ours):
        workdir.mkdir(parents=True, exist_ok=True)
        write_record(path, ours)


def check_workdir(config: Config, workdir: Path) -> None:
    """Checks that a work directory is nobody's, or this study's.

    Raises:
        UserError: the directory belongs to another study; names the first field that differs.
    """
    if not (workdir / "config.json").exists():
        return
    ours, theirs = flat(json.loads(config.to_json())), flat(read_config(workdir))
    if ours.keys() - theirs.keys():
        # A field that is younger than the study decides nothing as long as nobody sets it.
        theirs = _usual() | theirs
    for field in sorted(outside(ours.keys() | theirs.keys(), FREE_FIELDS)):
        a, b = ours.get(field, "absent"), theirs.get(field, "absent")
        if a != b:
            told = f"config.{field} is {b!r} there and {a!r} here; choose another --workdir"
            if "absent" not in (a, b) and None not in (a, b):
                flag = f"--config.{field}={b}"
                # The names in a tuple have single quotes.
                told += f", or set {flag}" if shlex.quote(flag) == flag else f', or set "{flag}"'
            raise UserError(f"--workdir={workdir} holds another study: {told}")


def _usual() -> dict[str, Any]:
    """Returns the fields that a study has unless told, but for those of the model."""
    usual = flat(json.loads(from_config_dict(base.get_config()).to_json()))
    return {name: value for name, value in usual.items() if not name.startswith("model.")}


def read_config(workdir: Path) -> dict[str, Any]:
    """Returns the config of a work directory's study, as JSON has it.

    Raises:
        UserError: there is no study, or the file is damaged.
    """
    path = workdir / "config.json"
    if not path.exists():
        raise UserError(f"--workdir={workdir} holds no study, no config.json; name that of one")
    return read_record(path, "delete it, and give the config of this study to `pinch study`")


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        nested = isinstance(value, Mapping) and value
        found |= flat(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return found


def outside(fields: Iterable[str], tables: Iterable[str]) -> list[str]:
    """Returns the dotted names that are none of these fields, and in none of these tables."""
    return [f for f in fields if not any(f == one or f.startswith(f"{one}.") for one in tables)]
