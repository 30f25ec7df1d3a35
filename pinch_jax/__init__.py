"""Multilingual instruction tuning with a pinch of multilinguality, in JAX."""

import time

# When this process began, on its monotonic clock.
BEGAN = time.monotonic()
