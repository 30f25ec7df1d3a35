"""Multilingual instruction tuning with a pinch of multilinguality, in JAX."""
