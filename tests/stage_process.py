"""A tiny stage in a process of its own, to be killed.

    stage_process.py mlx|torch FOLDER    train it, going on where FOLDER's checkpoint stands; one line a step
    stage_process.py everywhere FOLDER   kill the numpy stage before each of its file operations and resume it each time
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import tiny
from fake_backend import START, FakeBackend
from killing import killed_at

from mlxtutor import backends
from mlxtutor.training.loop import train_stage

REAL = {"optimizer": "muon", "epochs": 2}  # Muon on the matrices, AdamW on the rest: the state of both


def train(backend, weights, folder, **changes):
    config = dataclasses.replace(tiny.TRAIN, **changes)

    def model_of(loaded):
        return backend.build(tiny.CONFIG, weights if loaded is None else loaded, "float32")

    yield from train_stage(backend, model_of, tiny.stage_data(150), config, folder, np.random.default_rng(7), resume=True)


def everywhere(folder: Path) -> None:
    operation = 0
    def stage() -> None:
        list(train(FakeBackend(), START, folder / str(operation), checkpoint_every=.4, max_steps=8))

    while killed_at(operation, stage):
        stage()
        operation += 1
    print(operation)


if __name__ == "__main__":
    if sys.argv[1] == "everywhere":
        everywhere(Path(sys.argv[2]))
    else:
        for record in train(backends.load(sys.argv[1]), tiny.model_weights(), Path(sys.argv[2]), **REAL):
            print(record["step"], record["steps"], flush=True)
