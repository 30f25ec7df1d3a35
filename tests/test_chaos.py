"""Calls that are ended in any way, at any moment, come to the same bytes in the end."""

from chaos import chaos


def test_ended_at_any_moment_a_call_goes_on_and_no_byte_differs():
    """A short form; `python tests/chaos.py 100` is the long one."""
    assert chaos(kills=2, seed=2872).total() >= 2
