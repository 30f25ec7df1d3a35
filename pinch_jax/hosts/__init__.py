"""Processes that work on one study: how they meet, wait, write in turn, stop, and spend time."""
