"""Compiled programs of accelerators, which stay in the work directory and are checked there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.monitoring
from absl import logging

from pinch_jax.hosts.waiting import is_primary, primary_alone
from pinch_jax.storage.files import file_checksum, write_text

COMPILED_EVENT = "/jax/core/compile/backend_compile_duration"
# As JAX names a program, and what stands beside it.
PROGRAM, CHECKSUM = "-cache", ".sha256"


def keep_compiled(workdir: Path) -> None:
    """Lets JAX keep compiled programs in the work directory, unless it was told of another place.

    Those of CPUs it does not keep: hosts of other instruction sets may share a work directory.
    Those that are not what was written are deleted, to be compiled again.
    """
    if jax.default_backend() == "cpu" or jax.config.jax_compilation_cache_dir:
        return
    folder = workdir / "compiled"
    primary_alone("looking through compiled programs", lambda: _delete_changed(folder))
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # XLA's own caches know no buckets.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")

    def hear(event: str, seconds: float, **_: object) -> None:
        kept = seconds >= jax.config.jax_persistent_cache_min_compile_time_secs
        if event == COMPILED_EVENT and kept and is_primary():
            try:
                _note_checksums(folder)
            except OSError as error:  # a full disk ends no run that only wants to be faster
                logging.warning("a compiled program is not kept: %s", error)

    jax.monitoring.register_event_duration_secs_listener(hear)


def _delete_changed(folder: Path) -> None:
    """Deletes programs without their checksum, and the checksums of those that have another.

    Where zstandard is installed JAX reads one with a flipped bit, and runs it: a third of such
    programs gave other numbers without a word (LOG.md, 2026-11-30).
    """
    for path, noted in _programs(folder):
        with contextlib.suppress(FileNotFoundError):  # another call has just deleted it
            if noted.exists() and noted.read_text(encoding="utf-8") == file_checksum(path):
                continue
        noted.unlink(missing_ok=True)  # else it would be held against what is compiled again
        path.unlink(missing_ok=True)


def _note_checksums(folder: Path) -> None:
    for path, noted in _programs(folder):
        if not noted.exists():
            write_text(noted, file_checksum(path))


def _programs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yields where each program is, and its checksum."""
    for path in folder.glob(f"*{PROGRAM}"):
        yield path, path.with_name(path.name + CHECKSUM)
