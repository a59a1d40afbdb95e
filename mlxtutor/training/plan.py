"""What a run would take, before it runs: tokens, steps, memory, disk, and the time, from a short measurement."""

from __future__ import annotations

import math
import resource
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mlxtutor.backends import Sampling
from mlxtutor.config import ModelConfig, StageConfig, TrainConfig, stage_train
from mlxtutor.datasets.batch import Batch, Examples, make_batch, plan_steps, typical_steps
from mlxtutor.datasets.examples import makers, stage_pieces
from mlxtutor.errors import TutorError
from mlxtutor.problems.suite import suite_rows
from mlxtutor.text.chat import encode_chat
from mlxtutor.text.tokenizer import Tokenizer
from mlxtutor.training import memory
from mlxtutor.training.initial import initial_weights, parameter_count
from mlxtutor.training.pipeline import VAL_TOKENS, Job
from mlxtutor.training.sample import CHARACTERS, sample_stage, sample_tokenizer

SAMPLE_TOKENS = 60_000
TIMED_STEPS = 3
TIMED_SECONDS = 3.0
DECODE_STEPS = 12
PROMPT_TOKENS = 150    # of the suite's longest problems
FORWARD_SHARE = 1 / 3  # a forward pass costs a third of a training step
PROCESS_BYTES = {"mlx": 100 * 2**20, "torch": 270 * 2**20}  # Python, numpy, the framework; measured on Linux


@dataclass(frozen=True)
class StagePlan:
    """A stage's size. tokens: those trained on, over all epochs; fill: share of the passes' positions that is not padding."""

    name: str
    tokens: int
    steps: int
    tokens_per_step: int
    fill: float
    targets_per_pass: int
    tokens_per_s: float | None
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """A whole run. seconds covers tokenizer, stages and evaluations; None where nothing was measured."""

    parameters: int
    trainable: int
    tokens: int
    steps: int
    peak_memory_bytes: int
    disk_bytes: int
    seconds: float | None
    tokenizer_seconds: float
    evaluation_seconds: float | None
    stages: tuple[StagePlan, ...]


def plan_run(job: Job, measure: bool = True) -> Plan:
    """The plan of a job; nothing is written. measure: train a few steps and decode a few tokens for the time."""
    recipe = job.recipe
    if not recipe.stages:
        raise TutorError(f"recipe {recipe.name} has no stages (give it at least one: name, tokens, sources)")
    began = time.perf_counter()
    tokenizer, config = sample_tokenizer(recipe, job.home.models)
    learning = 0.0 if isinstance(recipe.model, str) else (time.perf_counter() - began) * max(1.0, recipe.tokenizer_characters / CHARACTERS)
    weights = initial_weights(config, np.random.default_rng([recipe.seed, 1])) if measure else {}
    stages = tuple(_plan_stage(job, stage, index, tokenizer, config, weights) for index, stage in enumerate(recipe.stages))
    evaluation = _evaluation_seconds(job, tokenizer, config, weights) if measure else None
    seconds = sum((stage.seconds or 0.0 for stage in stages), learning) + (evaluation or 0.0) if measure else None
    optimizers = [stage_train(recipe, stage).optimizer for stage in recipe.stages]
    return Plan(parameters=parameter_count(config), trainable=parameter_count(config), tokens=sum(s.tokens for s in stages),
                steps=sum(s.steps for s in stages), peak_memory_bytes=_peak_bytes(job, config, stages),
                disk_bytes=memory.disk_bytes(config, optimizers, recipe.evaluation), seconds=seconds, tokenizer_seconds=learning,
                evaluation_seconds=evaluation, stages=stages)


def _plan_stage(job: Job, stage: StageConfig, index: int, tokenizer: Tokenizer, config: ModelConfig, weights: dict) -> StagePlan:
    train = stage_train(job.recipe, stage)
    began = time.perf_counter()
    sample = sample_stage(job.recipe, stage, index, tokenizer, SAMPLE_TOKENS)
    data_rate = len(sample.tokens) / (time.perf_counter() - began)
    planned = plan_steps(sample, train, np.random.default_rng([job.recipe.seed, 4, index]))
    tokens, count, fill = stage_size(sample, stage.tokens, train)
    targets = max(int(make_batch(sample, rows, train.row_len).mask.sum()) for step in planned for rows in step)
    rate = seconds = None
    if weights:
        steps = [[make_batch(sample, rows, train.row_len) for rows in step] for step in typical_steps(sample, planned, TIMED_STEPS)]
        rate = _training_rate(job, train, config, weights, steps)
        marks = min(count, round(1 / train.eval_every))
        data_rate *= makers(stage_pieces(stage, job.recipe, train.row_len, stage.tokens, (2, index), False))
        seconds = (tokens + marks * VAL_TOKENS * FORWARD_SHARE) / rate + (stage.tokens + VAL_TOKENS) / data_rate
    return StagePlan(stage.name, tokens, count, tokens // max(count, 1), fill, targets, rate, seconds)


def stage_size(sample: Examples, tokens: int, train: TrainConfig) -> tuple[int, int, float]:
    """(tokens trained on, optimiser steps, share of the passes' positions that is filled) of a stage with this many tokens of such
    examples."""
    epoch = replace(train, epochs=1)
    passes = [rows for step in plan_steps(sample, epoch, np.random.default_rng(0)) for rows in step]
    rows = [row for rows in passes for row in rows]
    inputs = int(np.minimum(sample.lengths - 1, train.row_len).sum())
    fill = inputs / sum(make_batch(sample, rows, train.row_len).inputs.size for rows in passes)
    scale = max(1.0, tokens / len(sample.tokens))  # a sample that overshot is the whole stage
    count = math.ceil(len(rows) * scale / train.batch_rows)
    steps = math.ceil(count / train.accumulate) * train.epochs
    kept = min(steps, train.max_steps) if train.max_steps else steps
    return round(inputs * scale * train.epochs * kept / steps), kept, fill


def _training_rate(job: Job, train: TrainConfig, config: ModelConfig, weights: dict, steps: list[list[Batch]]) -> float:
    """Tokens a second over a few optimiser steps at the recipe's shapes, after one to warm up (compilation, allocation)."""
    trainer = job.backend.trainer(job.backend.build(config, weights, job.dtype), train)
    trainer.step(steps[0], .01)
    tokens, began = 0, time.perf_counter()
    for batches in steps:
        trainer.step(batches, .01)
        tokens += sum(int((batch.segments > 0).sum()) for batch in batches)
        if time.perf_counter() - began > TIMED_SECONDS:
            break
    return tokens / (time.perf_counter() - began)


def _evaluation_seconds(job: Job, tokenizer: Tokenizer, config: ModelConfig, weights: dict) -> float:
    """Both evaluations: prompts of the suite prefilled and a few tokens decoded in a full batch, scaled to every answer's length.

    A model before its last stage rarely stops, so those answers are counted at full length; afterwards as long as the reference.
    """
    settings = job.recipe.evaluation
    rows = suite_rows("values", min(settings.batch_size, 200))
    prompts = [encode_chat(tokenizer, row["messages"][:-1], add_generation_prompt=True)[0] for row in rows]
    lengths = [len(encode_chat(tokenizer, row["messages"])[0]) - len(p) for row, p in zip(rows, prompts)]
    model = job.backend.build(config, weights, job.dtype)
    began = time.perf_counter()
    decoder = job.backend.decode(model, prompts, Sampling())
    prefill = time.perf_counter() - began
    free = np.full(len(prompts), -1)
    decoder.step(free)
    began = time.perf_counter()
    for _ in range(DECODE_STEPS):
        decoder.step(free)
    per_token = (time.perf_counter() - began) / DECODE_STEPS / len(prompts)
    before, after = (evaluation_count(job, early) for early in (True, False))
    answer = min(settings.max_new_tokens, float(np.mean(lengths)))
    return (before + after) * prefill / len(prompts) + per_token * (before * settings.max_new_tokens + after * answer)


def evaluation_count(job: Job, before: bool) -> int:
    """Problems asked before the last stage, or after it; 0 of `others` means all of them."""
    counts = job.recipe.evaluation.asked(before)
    return sum(n or (len(suite_rows(split)) if split == "others" else 0) for split, n in counts.items())


def _peak_bytes(job: Job, config: ModelConfig, stages: tuple[StagePlan, ...]) -> int:
    """The larger of training and answering, on top of the process and the examples; on a CPU no less than was seen while measuring."""
    settings = job.recipe.evaluation
    training = [memory.training_bytes(config, stage_train(job.recipe, s), p.targets_per_pass) for s, p in zip(job.recipe.stages, stages)]
    model = max(*training, memory.decoding_bytes(config, settings.batch_size, PROMPT_TOKENS, settings.max_new_tokens))
    examples = max(stage.tokens for stage in job.recipe.stages) * memory.EXAMPLE_BYTES_PER_TOKEN
    if job.backend.device(job.dtype).kind == "cuda":
        return model
    return max(PROCESS_BYTES[job.backend_name] + model + examples, resident_peak_bytes())


def resident_peak_bytes() -> int:
    """The most memory this process has held. Source: getrusage(2): kilobytes on Linux, bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def as_document(plan: Plan, job: Job) -> dict[str, Any]:
    """The JSON document of `tutor plan --json`."""
    device = job.backend.device(job.dtype)
    return {**asdict(plan), "model": job.recipe.name, "backend": job.backend_name,
            "device": device.name, "dtype": device.dtype}
