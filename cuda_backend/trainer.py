"""One optimiser step in torch: token-weighted accumulation, clipping, AdamW and Muon."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from cuda_backend.cpu import step as cpu_step
from cuda_backend.device import WORKERS, cpu_workers
from cuda_backend.model import Model, batch_nll
from cuda_backend.muon import Muon
from mlxtutor.backends import StepResult, Weights
from mlxtutor.config import TrainConfig
from mlxtutor.datasets.batch import Batch
from mlxtutor.training.groups import parameter_groups

R = TypeVar("R")


class Trainer:
    """The optimisers of one model. Learning rates are the configuration's peaks times lr_scale."""

    def __init__(self, model: Model, train: TrainConfig) -> None:
        named = dict(model.named_parameters())
        names = parameter_groups(((name, parameter.ndim) for name, parameter in named.items()), train.optimizer)
        muon, decayed, plain = ([named[name] for name in group] for group in names)
        self.model, self.train = model, train
        groups = [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        adamw = torch.optim.AdamW(groups, lr=train.lr, betas=(train.beta1, train.beta2), eps=train.eps, fused=True)
        self.optimizers: list[tuple[str, torch.optim.Optimizer, float]] = [("adamw", adamw, train.lr)]
        self.kernels = cpu_step.supported(model)
        self.workers = cpu_workers()
        self.parts = WORKERS if self.workers else 1  # each worker takes a part of the rows, and of the matrices
        self.shares = [range(part, len(named), self.parts) for part in range(self.parts)]
        for share in (muon[part::self.parts] for part in range(self.parts)):
            if share:
                momentum = Muon(share, lr=train.muon_lr, weight_decay=train.weight_decay, momentum=0.95, nesterov=True)
                self.optimizers.append(("muon", momentum, train.muon_lr))

    def step(self, batches: Sequence[Batch], lr_scale: float) -> StepResult:
        """Gradients of the mean over all targets of the batches, clipped; skipped when not finite."""
        total, count = 0.0, 0
        summed: list[Tensor] = []
        weights = cpu_step.step_weights(self.model, self._run) if self.kernels else None
        for batch in batches:
            parts = list(self._run(lambda part: self._gradients(part, weights), batch.split(self.parts)))
            total, count = total + sum(loss for loss, _, _ in parts), count + sum(targets for _, targets, _ in parts)
            summed = self._shared(_added, *([summed] if summed else []), *(gradients for _, _, gradients in parts))
        norm = float(torch.linalg.vector_norm(torch.stack(self._shared(torch._foreach_norm, summed)))) / count
        if not math.isfinite(norm) or not math.isfinite(total):
            return StepResult(total, count, norm, False)
        clip = min(1.0, self.train.grad_clip / (norm + 1e-6)) if self.train.grad_clip else 1.0
        summed = self._shared(lambda gradients: torch._foreach_mul(gradients, clip / count), summed)
        for parameter, gradient in zip(self.model.parameters(), summed):
            parameter.grad = gradient
        for _, optimizer, lr in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * lr_scale
        list(self._run(lambda kept: kept[1].step(), self.optimizers))
        return StepResult(total, count, norm, True)

    def _run(self, function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R]:
        """The function of each item, by the workers where there are any.

        Nothing of a step is done by this thread: its own team of cores would go on waiting busily, in the workers' way.
        """
        return self.workers.map(function, items) if self.workers else map(function, items)

    def _gradients(self, batch: Batch, weights: cpu_step.StepWeights | None) -> tuple[float, int, list[Tensor]]:
        """Summed loss in nats, number of targets, and a gradient a parameter."""
        if self.kernels and weights:
            return cpu_step.gradients(self.model, self.kernels, weights, batch)
        loss, targets = batch_nll(self.model, batch)
        return float(loss.detach()), targets, list(torch.autograd.grad(loss, list(self.model.parameters())))

    def _shared(self, function: Callable[..., Sequence[Tensor]], *lists: list[Tensor]) -> list[Tensor]:
        """The function of lists of a tensor a parameter, which gives such a list: each worker its share of the parameters."""
        made = self._run(lambda share: function(*([tensors[i] for i in share] for tensors in lists)), self.shares)
        found = {i: tensor for share, tensors in zip(self.shares, made) for i, tensor in zip(share, tensors)}
        return [found[i] for i in range(len(found))]

    def _names(self) -> dict[Tensor, str]:
        return {parameter: name for name, parameter in self.model.named_parameters()}

    def state(self) -> Weights:
        """Optimiser state by `optimizer/parameter/slot`, as numpy."""
        names, flat = self._names(), {}
        for kind, optimizer, _ in self.optimizers:
            for parameter, slots in optimizer.state.items():
                for slot, value in slots.items():
                    flat[f"{kind}/model.{names[parameter]}/{SLOTS[slot]}"] = torch.as_tensor(value).float().cpu().numpy().copy()
        return flat

    def load_state(self, state: Weights) -> None:
        """Take up the state that `state` gave, in this backend or the other."""
        parameters = {f"model.{name}": parameter for parameter, name in self._names().items()}
        slots = {ours: torchs for torchs, ours in SLOTS.items()}
        owners = {p: optimizer for _, optimizer, _ in self.optimizers for group in optimizer.param_groups for p in group["params"]}
        for key, value in state.items():
            _, name, slot = key.split("/")
            where = parameters[name]
            tensor = torch.from_numpy(np.array(value, np.float32))
            owners[where].state[where][slots[slot]] = tensor if slot == "step" else tensor.to(where.device)


def _added(first: list[Tensor], *others: list[Tensor]) -> list[Tensor]:
    """Their sum in float32."""
    total = [gradient.float() for gradient in first]
    for other in others:
        torch._foreach_add_(total, other)
    return total


# torch's slot names -> the names of checkpoints.
SLOTS = {"step": "step", "exp_avg": "m", "exp_avg_sq": "v", "momentum_buffer": "momentum"}


def trainer(model: Model, train: TrainConfig) -> Trainer:
    """The optimiser state of a model under a configuration."""
    return Trainer(model, train)
