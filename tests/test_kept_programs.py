"""Compiled programs stay in the work directory, but those of CPUs, or where JAX was told better."""

import errno

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from pinch_jax.storage.files import file_checksum
from pinch_jax.study import kept_programs
from pinch_jax.study.kept_programs import keep_compiled

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_enable_xla_caches",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture
def settings():
    """Leaves JAX as it was."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture
def accelerator(settings, monkeypatch):
    """A CPU that is taken for an accelerator."""
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def call(workdir):
    """Compiles, or loads, a program in a work directory; returns what it gives."""
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    jax.clear_caches()
    keep_compiled(workdir)
    return jax.jit(lambda x: x * 5 - 2)(jnp.ones(7)).tolist()


def programs(workdir):
    return {p.name: p.stat().st_mtime_ns for p in workdir.glob("compiled/*-cache")}


def test_on_an_accelerator_a_compiled_program_is_in_the_work_directory(accelerator, tmp_path):
    call(tmp_path)
    kept = programs(tmp_path)
    assert kept
    assert call(tmp_path) == 7 * [3] and programs(tmp_path) == kept
    keep_compiled(tmp_path / "another")
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "compiled")


def test_on_a_cpu_none_is_kept(settings, tmp_path):
    keep_compiled(tmp_path)
    assert jax.config.jax_compilation_cache_dir is None


@pytest.mark.parametrize("damage", ["flipped", "cut", "another checksum", "no checksum"])
def test_a_program_that_is_not_what_was_written_is_compiled_again(accelerator, tmp_path, damage):
    """JAX reads a flipped bit where it finds zstandard, and runs what comes of it."""
    call(tmp_path)
    for path in tmp_path.glob("compiled/*-cache"):
        content = bytearray(path.read_bytes())
        if damage == "flipped":
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        elif damage == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "another checksum":
            path.with_name(path.name + ".sha256").write_text("0")
        else:  # written by a call that was killed, perhaps not to its end
            path.with_name(path.name + ".sha256").unlink()
    damaged = programs(tmp_path)
    assert call(tmp_path) == 7 * [3]
    anew = programs(tmp_path)
    assert anew.keys() == damaged.keys() and all(anew[name] != damaged[name] for name in anew)
    assert call(tmp_path) == 7 * [3] and programs(tmp_path) == anew, "and then it is kept"


def test_a_program_that_another_call_deletes_meanwhile_is_no_fault(
    accelerator, tmp_path, monkeypatch
):
    """As of two shards that begin at once."""
    call(tmp_path)

    def deleted(path):
        path.unlink()
        return file_checksum(path)

    monkeypatch.setattr(kept_programs, "file_checksum", deleted)
    kept_programs._delete_changed(tmp_path / "compiled")
    assert not programs(tmp_path)


def test_a_disk_that_is_full_ends_nothing(accelerator, tmp_path, monkeypatch, caplog):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_programs, "write_text", full)
    assert call(tmp_path) == 7 * [3]
    assert "not kept: [Errno 28]" in caplog.text
