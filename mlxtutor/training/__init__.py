"""Schedules, initial weights, the one training loop, checkpoints, stages."""
