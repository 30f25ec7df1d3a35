"""Answers, their language and quality, verdicts between them, and scores with intervals."""
