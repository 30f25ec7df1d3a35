"""Corpora as they were published, read from their files."""
