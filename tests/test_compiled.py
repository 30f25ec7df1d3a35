"""Compiled programs stay in the work directory, but those of CPUs, or where JAX was told better."""

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from pinch_jax.study.workdir import keep_compiled

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


def test_on_an_accelerator_a_compiled_program_is_in_the_work_directory(
    settings, monkeypatch, tmp_path
):
    keep_compiled(tmp_path)
    assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    keep_compiled(tmp_path)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.jit(lambda x: x * 5 - 2)(jnp.ones(7))
    assert list((tmp_path / "compiled").glob("*-cache"))
    keep_compiled(tmp_path / "another")
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "compiled")
