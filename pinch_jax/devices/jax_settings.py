"""What the environment sets JAX to: refused where it changes numbers, or told apart."""

import jax

from pinch_jax.errors import UserError

# What changes numbers, or what is allowed, in all of JAX, and is in no fingerprint of a run.
USUAL = {
    "jax_enable_x64": False,
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_disable_jit": False,
    "jax_numpy_rank_promotion": "allow",
    "jax_numpy_dtype_promotion": "standard",
}


def check_settings() -> None:
    """Raises UserError where the environment has set JAX to other numbers than a run has."""
    for name, usual in USUAL.items():
        if (found := getattr(jax.config, name, usual)) != usual:
            raise UserError(
                f"{name.upper()}={found}: that makes other numbers of the same run; unset it"
            )


def arithmetic(dtype: str) -> str:
    """Returns what products are made in, as runs and judges are known by: "float32, highest".

    On accelerators those of float32 have fewer digits by default, and all if
    JAX_DEFAULT_MATMUL_PRECISION says so.
    """
    asked = jax.config.jax_default_matmul_precision
    return f"{dtype}, {asked}" if asked else dtype
