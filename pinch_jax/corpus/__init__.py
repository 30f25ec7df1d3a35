"""Parallel instruction corpora: the same example ids in every language."""
