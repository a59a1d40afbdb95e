"""Checkpoints that are whole or absent: written beside, synced, then renamed."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save, save_file

from mlxtutor.files import sync, write_atomic

Weights = dict[str, np.ndarray]


def save_weights(path: Path, weights: Weights) -> None:
    """A safetensors file, atomically; save_file would leave a temporary file of its own where it is killed."""
    write_atomic(path, save(weights, metadata={"format": "pt"}))


def load_weights(path: Path) -> Weights:
    return load_file(str(path))


def save_checkpoint(folder: Path, step: int, weights: Weights, optimizer: Weights, progress: dict) -> None:
    """folder/step-NNNNNNN appears complete or not at all; older ones go afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    final, beside = folder / f"step-{step:07d}", folder / f".step-{step:07d}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    save_file(weights, str(beside / "model.safetensors"))
    save_file(optimizer, str(beside / "optimizer.safetensors"))
    (beside / "progress.json").write_text(json.dumps({**progress, "step": step}))
    for file in (*beside.iterdir(), beside):
        sync(file)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(beside, final)
    for old in folder.iterdir():
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path) -> tuple[Weights, Weights, dict] | None:
    """The newest checkpoint's weights, optimiser state and progress, or None."""
    found = sorted(folder.glob("step-*")) if folder.is_dir() else []
    if not found:
        return None
    newest = found[-1]
    progress = json.loads((newest / "progress.json").read_text())
    return load_file(str(newest / "model.safetensors")), load_file(str(newest / "optimizer.safetensors")), progress


def clear_unfinished(folder: Path, keep_checkpoint: bool) -> None:
    """Remove what killed runs left in a stage's folder, which has one writer: partial files, all checkpoints but the newest kept."""
    checkpoints = folder / "checkpoints"
    kept = sorted(checkpoints.glob("step-*"))[-1:] if keep_checkpoint else []
    for path in checkpoints.glob("*"):
        if path not in kept:
            shutil.rmtree(path)
    for path in folder.glob(".*"):
        if re.fullmatch(r"\..+\.\d+", path.name):  # the names of write_atomic and save_weights
            path.unlink()
