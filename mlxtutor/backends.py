"""The seam: what a backend is, which ones are here, which one to take and why."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlxtutor.config import ModelConfig, TrainConfig
from mlxtutor.datasets.batch import Batch
from mlxtutor.errors import TutorError

MODULES = {"mlx": "mlxtutor.mlx_backend", "torch": "cuda_backend"}
FRAMEWORKS = {"mlx": "mlx.core", "torch": "torch"}
FIXES = {"mlx": "pip install . in the project's folder, on Linux it brings mlx[cpu]",
         "torch": "pip install \".[torch]\" in the project's folder, or make tutor BACKEND=torch"}
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Device:
    """Where a backend would run. peak_flops: of the dtype, for MFU; None where unknown."""

    backend: str
    name: str
    kind: str      # cpu | metal | cuda
    dtype: str
    reason: str
    peak_flops: float | None = None


@dataclass(frozen=True)
class StepResult:
    """One optimiser step. nll: summed over `count` targets, in nats; finite: False when the step was skipped."""

    nll: float
    count: int
    grad_norm: float
    finite: bool


@dataclass(frozen=True)
class Sampling:
    """temperature 0 is greedy; top_p 1 keeps every token."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class Trainer(Protocol):
    def step(self, batches: Sequence[Batch], lr_scale: float) -> StepResult: ...
    def state(self) -> Weights: ...
    def load_state(self, state: Weights) -> None: ...


class Decoder(Protocol):
    """Batched decoding with a KV cache; rows are prompts of any length. keep: rows in ascending order."""

    def step(self, forced: np.ndarray) -> np.ndarray: ...
    def keep(self, rows: np.ndarray) -> None: ...


class Backend(Protocol):
    """A module with these functions; mlxtutor.mlx_backend and cuda_backend are the two."""

    def device(self, dtype: str = "auto") -> Device: ...
    def build(self, config: ModelConfig, weights: Weights, dtype: str = "auto") -> Any: ...
    def weights(self, model: Any) -> Weights: ...
    def trainer(self, model: Any, train: TrainConfig) -> Trainer: ...
    def nll(self, model: Any, batch: Batch) -> tuple[float, int]: ...
    def logits(self, model: Any, tokens: np.ndarray) -> np.ndarray: ...
    def decode(self, model: Any, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Decoder: ...


def installed(name: str) -> bool:
    """Whether the backend's framework can be imported, without importing it."""
    root = FRAMEWORKS[name].split(".")[0]
    return root in sys.modules or importlib.util.find_spec(root) is not None


def load(name: str) -> Backend:
    """The backend module of that name; TutorError names the extra that brings it."""
    if name not in MODULES:
        raise TutorError(f'unknown backend "{name}" (allowed: auto, {", ".join(MODULES)})')
    if not installed(name):
        raise TutorError(f'backend "{name}" is not installed (to get it: {FIXES[name]})')
    return importlib.import_module(MODULES[name])  # type: ignore[return-value]


def slow_step(name: str, device: Device) -> str:
    """Why training takes twice as long here as it could; "" where it doesn't."""
    if name != "torch" or device.kind != "cpu":
        return ""
    from cuda_backend.cpu.kernels import missing
    from cuda_backend.device import DTYPES

    return missing(DTYPES[device.dtype])


def choose(name: str = "auto") -> tuple[str, str]:
    """The backend to use and why. auto: Metal, then CUDA, then torch with bf16 on the CPU, then MLX on the CPU."""
    if name != "auto":
        load(name)
        return name, "asked for"
    if installed("mlx") and sys.platform == "darwin":
        return "mlx", "Apple silicon: MLX runs on Metal"
    if installed("torch"):
        device = load("torch").device()
        if device.kind == "cuda":
            return "torch", f"CUDA GPU: {device.name}"
        if device.dtype == "bfloat16" or not installed("mlx"):
            return "torch", f"torch on the CPU computes in {device.dtype}" + ("" if installed("mlx") else "; mlx is not installed")
    if installed("mlx"):
        return "mlx", "no GPU, and torch is not installed or has no fast bf16 here"
    raise TutorError(f"no backend is installed (MLX: {FIXES['mlx']}; torch: {FIXES['torch']})")
