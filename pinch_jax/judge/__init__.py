"""Who prefers which of two answers: a model. The reference judge is in `evaluate/` still."""
