"""One optimiser step in torch: token-weighted accumulation, clipping, AdamW and Muon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from cuda_backend.model import Model, batch_nll
from mlxtutor.backends import StepResult, Weights
from mlxtutor.config import TrainConfig
from mlxtutor.datasets.batch import Batch
from mlxtutor.training.groups import parameter_groups


class Trainer:
    """The optimisers of one model. Learning rates are the configuration's peaks times lr_scale."""

    def __init__(self, model: Model, train: TrainConfig) -> None:
        named = dict(model.named_parameters())
        names = parameter_groups(((name, parameter.ndim) for name, parameter in named.items()), train.optimizer)
        muon, decayed, plain = ([named[name] for name in group] for group in names)
        self.model, self.train = model, train
        groups = [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        adamw = torch.optim.AdamW(groups, lr=train.lr, betas=(train.beta1, train.beta2), eps=train.eps)
        self.optimizers: list[tuple[str, torch.optim.Optimizer, float]] = [("adamw", adamw, train.lr)]
        if muon:
            momentum = torch.optim.Muon(muon, lr=train.muon_lr, weight_decay=train.weight_decay, momentum=0.95, nesterov=True)
            self.optimizers.append(("muon", momentum, train.muon_lr))

    def step(self, batches: Sequence[Batch], lr_scale: float) -> StepResult:
        """Gradients of the mean over all targets of the batches, clipped; skipped when not finite."""
        parameters = list(self.model.parameters())
        total, count = 0.0, 0
        for parameter in parameters:
            parameter.grad = None
        for batch in batches:
            loss, targets = batch_nll(self.model, batch)
            loss.backward()
            total, count = total + float(loss.detach()), count + targets
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients)) / count
        if not math.isfinite(norm) or not math.isfinite(total):
            return StepResult(total, count, norm, False)
        clip = min(1.0, self.train.grad_clip / (norm + 1e-6)) if self.train.grad_clip else 1.0
        torch._foreach_mul_(gradients, clip / count)
        for _, optimizer, lr in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * lr_scale
            optimizer.step()
        return StepResult(total, count, norm, True)

    def _names(self) -> dict[torch.Tensor, str]:
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
        for key, value in state.items():
            kind, name, slot = key.split("/")
            optimizer = next(o for k, o, _ in self.optimizers if k == kind)
            tensor = torch.from_numpy(np.array(value, np.float32))
            where = parameters[name]
            optimizer.state[where][slots[slot]] = tensor if slot == "step" else tensor.to(where.device)


# torch's slot names -> the names of checkpoints.
SLOTS = {"step": "step", "exp_avg": "m", "exp_avg_sq": "v", "momentum_buffer": "momentum"}


def trainer(model: Model, train: TrainConfig) -> Trainer:
    """The optimiser state of a model under a configuration."""
    return Trainer(model, train)
