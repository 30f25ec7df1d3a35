"""Answers: how they are made, their language, what they are, and means with intervals."""
