"""Tuning: one pure step, a loop that can stop anywhere, checkpoints that fit any mesh."""
