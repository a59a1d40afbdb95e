"""Benchmarks: training steps on each backend and BLAS, side by side; answers in a batch against one at a time."""

from __future__ import annotations

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor import backends
from mlxtutor.config import ModelConfig, Recipe, TrainConfig, stage_train
from mlxtutor.datasets.batch import Batch, make_batch, plan_steps, typical_steps
from mlxtutor.errors import TutorError
from mlxtutor.inference.generate import LoadedModel, generate
from mlxtutor.training.initial import initial_weights
from mlxtutor.training.sample import sample_stage, sample_tokenizer

SAMPLE_TOKENS = 40_000
BLAS_VARIABLE = "TUTOR_BLAS"  # read by mlx_backend before mlx.core


@dataclass(frozen=True)
class Variant:
    """One thing to time: a backend, and for MLX on Linux whose matrix products it uses (None: the one it finds)."""

    name: str
    backend: str
    blas: str | None = None


@dataclass(frozen=True)
class StepJob:
    """What a child trains: a shape, settings, and the batches of one step."""

    backend: str
    dtype: str
    config: ModelConfig
    train: TrainConfig
    seed: int
    batches: list[Batch]


def variants(backend: str | None = None) -> list[Variant]:
    """Those that can be timed here; backend limits them to one of the two."""
    found = []
    if backend in (None, "mlx") and backends.installed("mlx"):
        if sys.platform == "linux":
            found.append(Variant("mlx, its own BLAS", "mlx", "stock"))
        found.append(Variant("mlx", "mlx"))
    if backend in (None, "torch") and backends.installed("torch"):
        found.append(Variant("torch", "torch"))
    if not found:
        backends.load(backend or "mlx")  # says what is missing, and how to get it
    return found


def bench_steps(recipe: Recipe, models: Path, chosen: Sequence[Variant], dtype: str = "auto", rounds: int = 3) -> dict[str, Any]:
    """Training steps of the recipe's last stage, each variant in a process of its own, in turns, after one step to warm up.

    {"tokens_per_step", "variants": [{"name", "backend", "dtype", "blas", "seconds" (median), "times", "tokens_per_s", "ratio"}]};
    ratio: speed relative to the first variant.
    """
    stage, index = recipe.stages[-1], len(recipe.stages) - 1
    train = stage_train(recipe, stage)
    tokenizer, config = sample_tokenizer(recipe, models)
    sample = sample_stage(recipe, stage, index, tokenizer, max(SAMPLE_TOKENS, 2 * train.row_len * train.batch_rows * train.accumulate))
    steps = plan_steps(sample, train, np.random.default_rng(recipe.seed))
    [step] = typical_steps(sample, steps, 1)
    batches = [make_batch(sample, rows, train.row_len) for rows in step]
    tokens = sum(int((batch.segments > 0).sum()) for batch in batches)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        children = []
        for number, variant in enumerate(chosen):
            path = Path(folder) / f"{number}.pickle"
            path.write_bytes(pickle.dumps(StepJob(variant.backend, dtype, config, train, recipe.seed, batches)))
            children.append(stack.enter_context(_child(variant, path)))
        times = [[child.step() for child in children] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*times)]
    rows = [{"name": variant.name, "backend": variant.backend, **child.about, "seconds": median, "times": list(column),
             "tokens_per_s": tokens / median, "ratio": medians[0] / median}
            for variant, child, median, column in zip(chosen, children, medians, zip(*times))]
    return {"recipe": recipe.name, "tokens_per_step": tokens, "rounds": rounds, "variants": rows}


class _Child:
    """A process that takes one training step for each line it is sent, and answers with its seconds."""

    def __init__(self, variant: Variant, path: Path) -> None:
        environment = {**os.environ, **({BLAS_VARIABLE: variant.blas} if variant.blas else {})}
        self.variant = variant
        self.process = subprocess.Popen([sys.executable, "-m", __name__, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment)
        self.about: dict[str, Any] = self._answer()

    def step(self) -> float:
        assert self.process.stdin
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout and self.process.stderr
        line = self.process.stdout.readline()
        if not line:
            last = self.process.stderr.read().strip().splitlines()[-1:] or [f"exit code {self.process.wait()}"]
            raise TutorError(f"timing {self.variant.name} failed: {last[0]}")
        return json.loads(line)


@contextmanager
def _child(variant: Variant, path: Path) -> Iterator[_Child]:
    child = _Child(variant, path)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate()


def _work(path: Path) -> None:
    """The child: warm up, then a step a line."""
    job: StepJob = pickle.loads(path.read_bytes())
    backend = backends.load(job.backend)
    device = backend.device(job.dtype)
    model = backend.build(job.config, initial_weights(job.config, np.random.default_rng(job.seed)), job.dtype)
    trainer = backend.trainer(model, job.train)
    trainer.step(job.batches, .01)
    about = {"device": device.name, "dtype": device.dtype, "blas": backend.BLAS.name if job.backend == "mlx" else None}  # type: ignore[attr-defined]
    _say(about)
    for _ in sys.stdin:
        began = time.perf_counter()
        trainer.step(job.batches, .01)
        _say({"seconds": time.perf_counter() - began})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def random_model(recipe: Recipe, models: Path, backend: backends.Backend, dtype: str = "auto") -> LoadedModel:
    """The recipe's model before any training: it answers nonsense, of full length."""
    tokenizer, config = sample_tokenizer(recipe, models)
    weights = initial_weights(config, np.random.default_rng(recipe.seed))
    return LoadedModel(backend, backend.build(config, weights, dtype), tokenizer, config.max_seq_len, f"{recipe.name} (untrained)")


def bench_decode(loaded: LoadedModel, prompts: Sequence[Sequence[int]], batch_size: int = 200, alone: int = 8,
                 max_new_tokens: int = 100) -> dict[str, Any]:
    """Answers a second of one batch against one at a time (of `alone` of the prompts): {"batched", "alone", "ratio"}."""
    generate(loaded, prompts[:2], 8)
    result: dict[str, Any] = {}
    for name, chosen, size in (("alone", prompts[:: max(1, len(prompts) // alone)][:alone], 1), ("batched", prompts, batch_size)):
        began = time.perf_counter()
        answers = generate(loaded, chosen, max_new_tokens, batch_size=size)
        seconds, tokens = time.perf_counter() - began, sum(answer.tokens for answer in answers)
        result[name] = {"answers": len(answers), "batch_size": min(size, len(chosen)), "seconds": seconds,
                        "answers_per_s": len(answers) / seconds, "tokens_per_s": tokens / seconds}
    return {"model": loaded.name, **result, "ratio": result["batched"]["answers_per_s"] / result["alone"]["answers_per_s"]}


if __name__ == "__main__":
    # as the module the jobs were pickled by, not as __main__
    from mlxtutor.bench import _work as work

    work(Path(sys.argv[1]))
