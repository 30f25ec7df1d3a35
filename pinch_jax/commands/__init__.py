"""The commands of `pinch`, flags and wiring only."""
