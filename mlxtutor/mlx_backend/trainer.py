"""One optimiser step in MLX: token-weighted accumulation, clipping, AdamW and Muon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from mlxtutor.backends import StepResult, Weights
from mlxtutor.config import TrainConfig
from mlxtutor.datasets.batch import Batch
from mlxtutor.mlx_backend import blas
from mlxtutor.mlx_backend.device import cpu_streams
from mlxtutor.mlx_backend.model import Model, batch_nll
from mlxtutor.training.groups import parameter_groups

Flat = dict[str, mx.array]


class Trainer:
    """The optimisers of one model. Learning rates are the configuration's peaks times lr_scale."""

    def __init__(self, model: Model, train: TrainConfig) -> None:
        parameters = dict(tree_flatten(model.trainable_parameters()))
        muon, decayed, plain = parameter_groups(((name, parameter.ndim) for name, parameter in parameters.items()), train.optimizer)
        self.model, self.train = model, train
        betas = [train.beta1, train.beta2]
        # bias_correction: torch always corrects, MLX not by default
        self.optimizers: list[tuple[str, optim.Optimizer, float, list[str]]] = [
            ("adamw", optim.AdamW(train.lr, betas, train.eps, train.weight_decay, bias_correction=True), train.lr, decayed),
            ("adamw", optim.AdamW(train.lr, betas, train.eps, 0.0, bias_correction=True), train.lr, plain)]
        self.streams = cpu_streams()
        parts = len(self.streams) or 1
        for names in (muon[part::parts] for part in range(parts)):  # on the CPU each stream orthogonalises a part of the matrices
            if names:  # MLX's weight decay is L2 in the gradient: ours is decoupled, below
                self.optimizers.append(("muon", optim.Muon(train.muon_lr, momentum=0.95, weight_decay=0.0), train.muon_lr, names))
        for _, optimizer, _, names in self.optimizers:
            optimizer.init({name: parameters[name] for name in names})
        self.gradient = nn.value_and_grad(model, batch_nll)

    def step(self, batches: Sequence[Batch], lr_scale: float) -> StepResult:
        """Gradients of the mean over all targets of the batches, clipped; skipped when not finite."""
        total = 0.0
        summed: Flat = {}
        with blas.threads_set(1 if self.streams else None):
            for batch in batches:
                loss, gradients = self._gradients(batch)
                summed = {name: summed[name] + value for name, value in gradients.items()} if summed else gradients
                mx.eval(loss, summed)
                total += float(loss)
        count = sum(int(batch.mask.sum()) for batch in batches)
        norm = float(mx.sqrt(sum(mx.square(value.astype(mx.float32)).sum() for value in summed.values()))) / count
        if not math.isfinite(norm) or not math.isfinite(total):
            return StepResult(total, count, norm, False)
        clip = min(1.0, self.train.grad_clip / (norm + 1e-6)) if self.train.grad_clip else 1.0
        self._update({name: value * (clip / count) for name, value in summed.items()}, lr_scale)
        return StepResult(total, count, norm, True)

    def _gradients(self, batch: Batch) -> tuple[mx.array, Flat]:
        """Loss and gradients of a batch, not yet evaluated; on the CPU each stream takes a part of its rows."""
        split = batch.split(len(self.streams))
        if len(split) == 1:
            loss, tree = self.gradient(self.model, batch)
            return loss, dict(tree_flatten(tree))
        parts = []
        for stream, rows in zip(self.streams, split):
            with mx.stream(stream):
                loss, tree = self.gradient(self.model, rows)
                parts.append((loss, dict(tree_flatten(tree))))
        names = parts[0][1]
        return sum(loss for loss, _ in parts), {name: sum(gradients[name] for _, gradients in parts) for name in names}

    def _update(self, gradients: Flat, lr_scale: float) -> None:
        parameters = dict(tree_flatten(self.model.trainable_parameters()))
        updated: Flat = {}
        for index, (kind, optimizer, lr, names) in enumerate(self.optimizers):
            optimizer.learning_rate = lr * lr_scale
            shrink = 1 - lr * lr_scale * self.train.weight_decay if kind == "muon" else 1.0
            with mx.stream(self.streams[index % len(self.streams)]) if self.streams else nullcontext():
                held = {name: parameters[name] * shrink if kind == "muon" else parameters[name] for name in names}
                updated.update(optimizer.apply_gradients({name: gradients[name] for name in names}, held))
        self.model.update(tree_unflatten(list(updated.items())))
        with blas.threads_set(1 if self.streams else None):
            mx.eval(self.model.parameters(), *(optimizer.state for _, optimizer, _, _ in self.optimizers))

    def state(self) -> Weights:
        """Optimiser state by `optimizer/parameter/slot`, as numpy."""
        flat: Weights = {}
        for kind, optimizer, _, names in self.optimizers:
            for name in names:
                for slot, value in optimizer.state[name].items():
                    flat[f"{kind}/model.{name}/{_slot(kind, slot)}"] = np.array(value.astype(mx.float32))
                if kind == "adamw":
                    flat[f"{kind}/model.{name}/step"] = np.array(float(optimizer.step.item()), np.float32)
        return flat

    def load_state(self, state: Weights) -> None:
        """Take up the state that `state` gave, in this backend or the other."""
        for kind, optimizer, _, names in self.optimizers:
            for name in names:
                for slot in optimizer.state[name]:
                    key = f"{kind}/model.{name}/{_slot(kind, slot)}"
                    if key in state:
                        optimizer.state[name][slot] = mx.array(np.asarray(state[key], np.float32))
                step = state.get(f"{kind}/model.{name}/step")
                if step is not None:
                    optimizer.state["step"] = mx.array(int(step), mx.uint64)


def _slot(kind: str, slot: str) -> str:
    """MLX's slot names -> the names of checkpoints: Muon's momentum is called v."""
    return "momentum" if kind == "muon" else slot


def trainer(model: Model, train: TrainConfig) -> Trainer:
    """The optimiser state of a model under a configuration."""
    return Trainer(model, train)
