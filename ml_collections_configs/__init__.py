"""Configurations: `--config=tiny`."""
