"""A tiny stage in a process of its own, to be killed.

    stage_process.py mlx|torch FOLDER    train it, going on where FOLDER's checkpoint stands; one line a step
    stage_process.py everywhere FOLDER   kill the numpy stage before each of its file operations and resume it each time
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path

import numpy as np
import tiny
from fake_backend import START, FakeBackend

from mlxtutor import backends
from mlxtutor.training.loop import train_stage

REAL = {"optimizer": "muon", "epochs": 2}  # Muon on the matrices, AdamW on the rest: the state of both
FILE_OPERATIONS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree"}


def train(backend, weights, folder, **changes):
    config = dataclasses.replace(tiny.TRAIN, **changes)

    def model_of(loaded):
        return backend.build(tiny.CONFIG, weights if loaded is None else loaded, "float32")

    yield from train_stage(backend, model_of, tiny.stage_data(150), config, folder, np.random.default_rng(7), resume=True)


def killed_at(operation: int, folder: Path) -> bool:
    """Train in a fork that dies by SIGKILL before its file operation of that number; False when it came to its end."""
    child = os.fork()
    if not child:
        left = operation

        def count(event, _):
            nonlocal left
            left -= event in FILE_OPERATIONS
            if event in FILE_OPERATIONS and left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        list(train(FakeBackend(), START, folder, checkpoint_every=.4, max_steps=8))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0


def everywhere(folder: Path) -> None:
    operation = 0
    while killed_at(operation, folder / str(operation)):
        list(train(FakeBackend(), START, folder / str(operation), checkpoint_every=.4, max_steps=8))
        operation += 1
    print(operation)


if __name__ == "__main__":
    if sys.argv[1] == "everywhere":
        everywhere(Path(sys.argv[2]))
    else:
        for record in train(backends.load(sys.argv[1]), tiny.model_weights(), Path(sys.argv[2]), **REAL):
            print(record["step"], record["steps"], flush=True)
