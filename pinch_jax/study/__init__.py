"""Experiments as comparisons over distinct runs, from a plan to verdicts, tables and findings."""
