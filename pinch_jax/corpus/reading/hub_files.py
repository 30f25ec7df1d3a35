"""Which files of a data set on the hub a config and a split are: as its card says, or by name."""

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pinch_jax.errors import UserError
from pinch_jax.storage.hub import Repository

_DATA = re.compile(r".*\.(parquet|(jsonl?|csv|tsv)(\.gz)?)")
_SHARD = re.compile(r"(?:.*/)?([^/]+)-\d{5}-of-\d{5}[^/]*")


class Wanted(NamedTuple):
    """A file of a data set, also with `*`; or else a config and a split, where it has several."""

    file: str
    config: str
    split: str


def hub_files(repository: Repository, wanted: Sequence[Wanted]) -> list[Path]:
    """Returns the files of the first that is there of what is wanted, fetched.

    Raises:
        UserError: none is; or there are several configs or splits, or formats, and none is named.
    """

    repository = repository.pinned()
    names, configs = repository.names(), repository.card().get("configs") or []
    found = (_chosen(names, configs, one) for one in wanted)
    chosen = next(filter(None, found), [])
    what = f"hub:{repository.name}: {' '.join(filter(None, wanted[0]))}"
    if not chosen:
        there = ", ".join([name for name in names if _DATA.fullmatch(name)][:20])
        raise UserError(f"{what}: no such file; name one behind it: {there}")
    if len(kinds := {Path(name).suffix for name in chosen}) > 1:
        raise UserError(f"{what}: files of several kinds, {sorted(kinds)}; name one kind")
    folder = repository.fetch(chosen)
    return [folder / name for name in chosen]


def _chosen(names: Iterable[str], configs: Sequence[Any], wanted: Wanted) -> list[str]:
    data = [name for name in names if _DATA.fullmatch(name)]
    if wanted.file:
        return [name for name in data if _matches(name, wanted.file)]
    if configs:
        config = _one("config", {c["config_name"]: c for c in configs}, wanted.config, configs)
        told = (config or {}).get("data_files", [])
        splits: dict[str, list[str]] = {}
        for part in told if isinstance(told, list) else [told]:
            part = part if isinstance(part, dict) else {"path": part}
            paths = part.get("path", [])
            paths = paths if isinstance(paths, list) else [paths]
            splits.setdefault(part.get("split", "train"), []).extend(paths)
        patterns = _one("split", splits, wanted.split) or []
        return [name for name in data if any(_matches(name, p) for p in patterns)]
    inside = [n for n in data if not wanted.config or n.startswith(f"{wanted.config}/")]
    if not wanted.split:
        return inside if len(inside) == 1 else []
    return [name for name in inside if _is_of(wanted.split, name)]


def _is_of(split: str, name: str) -> bool:
    """Returns whether a file is of a split: train.jsonl, train/0000.parquet; shards to the letter.

    data/train_sft-00000-of-00002.parquet is of train_sft, and not of train.
    """
    shard = _SHARD.fullmatch(name)
    return shard[1] == split if shard else split in re.split(r"[-_./]", name)


def _matches(name: str, pattern: str) -> bool:
    """Returns whether a glob is that of a name: `**/` stands for any folders, `*` for no `/`."""
    if "**" in pattern:
        return fnmatch.fnmatchcase(name, pattern.replace("**/", "*"))
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


def _one(what: str, known: dict[str, Any], named: str, configs: Sequence[Any] = ()) -> Any:
    """Returns what is named, or the only or default one; None if what is named is not there."""
    defaults = [c["config_name"] for c in configs if c.get("default")]
    if not named and len(known) > 1 and not (defaults or "default" in known):
        raise UserError(f"which {what}? Write one as ?{what}=...: {', '.join(known)}")
    return known.get(named or next(iter([*defaults, *({"default"} & {*known}), *known]), ""))
