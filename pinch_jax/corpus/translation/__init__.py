"""A corpus in one language made into the same corpus in others."""
