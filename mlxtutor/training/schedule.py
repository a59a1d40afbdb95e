"""The learning rate over a stage, as a fraction of the peak."""

from __future__ import annotations

from mlxtutor.config import TrainConfig


def lr_scale(step: int, steps: int, train: TrainConfig) -> float:
    """Step counts from 0. Linear warm-up, flat, then linear decay to min_lr_fraction at the last step; all of the real `steps`."""
    warmup = max(1, round(train.warmup_fraction * steps))
    decay = max(1, round(train.decay_fraction * steps))
    rise = min(1.0, (step + 1) / warmup)
    left = min(1.0, (steps - 1 - step) / decay)
    return rise * (train.min_lr_fraction + (1 - train.min_lr_fraction) * left)
