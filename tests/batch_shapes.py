"""The shape of a batch, of what a test of one says."""

from pinch_jax.data.config import BatchConfig


def batch_shape(
    rows: int, row_tokens: int, row_supervised_tokens: int, examples: int = 0
) -> BatchConfig:
    """Returns a shape of one microbatch, by which any number of examples may be left out."""
    return BatchConfig(
        rows=rows,
        row_multiple=0,
        row_tokens=row_tokens,
        row_supervised_tokens=row_supervised_tokens,
        examples=examples,
        microbatches=1,
        max_dropped_fraction=1.0,
    )
