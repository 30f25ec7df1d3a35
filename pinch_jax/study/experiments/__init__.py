"""The experiments of a study, one file each; `interface.py` says what a file brings."""
