"""The one training loop: both backends, every stage. It yields records; who calls it draws them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.backends import Backend, StepResult, Trainer
from mlxtutor.config import TrainConfig
from mlxtutor.datasets.batch import Batch, Examples, make_batch, pack, plan_steps
from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.training.checkpoint import clear_unfinished, load_checkpoint, save_checkpoint, save_weights
from mlxtutor.training.schedule import lr_scale

Record = dict[str, Any]
MAX_SKIPPED = 20  # non-finite steps in a row before a run is given up


@dataclass(frozen=True)
class StageData:
    """A stage's examples, its fixed validation examples, and the UTF-8 bytes of the validation targets (0: not text)."""

    train: Examples
    val: Examples
    val_bytes: int = 0


def validate(backend: Backend, model: Any, batches: list[Batch]) -> float:
    """Mean loss in nats per target."""
    total, count = 0.0, 0
    for batch in batches:
        nll, targets = backend.nll(model, batch)
        total, count = total + nll, count + targets
    return total / max(count, 1)


def validation_batches(examples: Examples, train: TrainConfig) -> list[Batch]:
    rows = pack(examples.lengths - 1, min(train.pack_len, train.row_len))
    return [make_batch(examples, rows[i:i + train.batch_rows], train.row_len) for i in range(0, len(rows), train.batch_rows)]


class _Run:
    """What changes while a stage trains, and what a checkpoint holds of it."""

    def __init__(self, backend: Backend, model: Any, train: TrainConfig, folder: Path) -> None:
        self.backend, self.model, self.train, self.folder = backend, model, train, folder
        self.trainer: Trainer = backend.trainer(model, train)
        self.tokens, self.skipped, self.skipped_in_row, self.best = 0, 0, 0, math.inf
        self.began = time.perf_counter()  # of a resumed stage, as if it had never stopped

    def resume(self, loaded: tuple[dict, dict, dict]) -> int:
        """Take up a checkpoint's optimiser and counters (its weights are in the model already) -> the step to go on with."""
        _, optimizer, progress = loaded
        self.trainer.load_state(optimizer)
        self.tokens, self.skipped, self.best = progress["tokens"], progress["skipped"], progress["best"]
        self.began = time.perf_counter() - progress["record"]["seconds"]
        return int(progress["step"])

    def save(self, step: int, record: Record) -> None:
        progress = {"tokens": self.tokens, "skipped": self.skipped, "best": self.best, "record": _json_able(record)}
        save_checkpoint(self.folder / "checkpoints", step, self.backend.weights(self.model), self.trainer.state(), progress)

    def count(self, result: StepResult, batches: list[Batch]) -> None:
        self.tokens += sum(int((batch.segments > 0).sum()) for batch in batches)
        self.skipped += not result.finite
        self.skipped_in_row = 0 if result.finite else self.skipped_in_row + 1
        if self.skipped_in_row >= MAX_SKIPPED:
            rates = f"train.lr {self.train.lr}, train.muon_lr {self.train.muon_lr}"
            raise TutorError(f"the loss was not finite in {MAX_SKIPPED} steps in a row ({rates}: lower them)")

    def keep_best(self, loss: float) -> bool:
        if not loss < self.best:
            return False
        self.best = loss
        save_weights(self.folder / "best.safetensors", self.backend.weights(self.model))
        return True


def _marks(steps: int, fraction: float) -> set[int]:
    """The numbers of finished steps at which something periodic happens; always the last one."""
    every = max(1, round(steps * fraction))
    return {*range(every, steps, every), steps}


def train_stage(backend: Backend, model_of: Callable[[dict | None], Any], data: StageData, train: TrainConfig, folder: Path,
                rng: np.random.Generator, resume: bool = False, sample: Callable[[Any], str] | None = None) -> Iterator[Record]:
    """Train a stage and yield a record a step; the best weights stand in folder/best.safetensors at the end.

    model_of(weights or None) builds the model from a checkpoint's weights or from the stage's start. Killed at any
    moment and resumed, the stage ends with bit-identical weights; one whose last step was made yields that step's record.
    """
    clear_unfinished(folder, keep_checkpoint=resume)
    steps = plan_steps(data.train, train, rng)
    steps = steps[:train.max_steps] if train.max_steps else steps
    if not steps:
        raise TutorError("the stage has no examples to train on (give it more tokens or another source)")
    loaded = load_checkpoint(folder / "checkpoints") if resume else None
    run = _Run(backend, model_of(loaded[0] if loaded else None), train, folder)
    first = run.resume(loaded) if loaded else 0
    if loaded and first == len(steps):
        yield loaded[2]["record"]
    val = validation_batches(data.val, train)
    evaluations, checkpoints = _marks(len(steps), train.eval_every), _marks(len(steps), train.checkpoint_every)
    with _log(folder / "metrics.jsonl", first) as log:
        for index in range(first, len(steps)):
            began, before = time.perf_counter(), run.tokens
            batches = [make_batch(data.train, rows, train.row_len) for rows in steps[index]]
            scale = lr_scale(index, len(steps), train)
            result = run.trainer.step(batches, scale)
            run.count(result, batches)
            record = _record(index + 1, len(steps), run, result, scale, (run.tokens - before) / (time.perf_counter() - began))
            if index + 1 in evaluations:
                record |= _evaluate(run, val, data.val_bytes, sample)
            log.write(json.dumps(_json_able(record)) + "\n")
            log.flush()
            if index + 1 in checkpoints:
                run.save(index + 1, record)
            yield record


def _record(step: int, steps: int, run: _Run, result: StepResult, scale: float, rate: float) -> Record:
    return {"step": step, "steps": steps, "loss": result.nll / result.count, "lr_scale": scale, "grad_norm": result.grad_norm,
            "tokens": run.tokens, "skipped": run.skipped, "tokens_per_s": rate, "seconds": time.perf_counter() - run.began}


def _evaluate(run: _Run, val: list[Batch], val_bytes: int, sample: Callable[[Any], str] | None) -> Record:
    loss = validate(run.backend, run.model, val)
    if not math.isfinite(loss):
        raise TutorError(f"the validation loss is {loss} (train.lr {run.train.lr}, train.muon_lr {run.train.muon_lr}: lower them)")
    record: Record = {"val_loss": loss, "best": run.keep_best(loss)}
    if val_bytes:
        targets = sum(int(batch.mask.sum()) for batch in val)
        record["bits_per_byte"] = loss * targets / math.log(2) / val_bytes
    if sample:
        record["sample"] = sample(run.model)
    return record


def _json_able(record: Record) -> Record:
    """A skipped step's loss and norm are not finite, which JSON has no word for: null."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in record.items()}


def _log(path: Path, first: int) -> Any:
    """metrics.jsonl, cut back to the records before the step a run goes on with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    if first and path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= first:
                    kept.append(line)
            except json.JSONDecodeError:  # the line a kill cut short
                break
    write_atomic(path, "".join(line + "\n" for line in kept).encode())
    return path.open("a")
