"""Configurations: `--config=ml_collections_configs/tiny.py`."""
