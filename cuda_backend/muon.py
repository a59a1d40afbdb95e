"""torch's Muon with the matrices of one shape orthogonalised together, in one batched product instead of one each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """Its settings, its state and its numbers (the tests compare the bits): only the order of the work differs."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update from the gradients; parameters that have none stay."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients = [parameter.grad for parameter in parameters]
            for parameter in parameters:
                if "momentum_buffer" not in self.state[parameter]:
                    self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            momenta = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            updates = torch._foreach_lerp(gradients, momenta, group["momentum"]) if group["nesterov"] else momenta
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            for shape in dict.fromkeys(update.shape for update in updates):
                chosen = [index for index, update in enumerate(updates) if update.shape == shape]
                lr = group["lr"] * math.sqrt(max(1, shape[0] / shape[1]))
                turned = orthogonalised([updates[index] for index in chosen], group["ns_coefficients"], group["ns_steps"], group["eps"])
                for index, direction in zip(chosen, turned):
                    parameters[index].add_(direction, alpha=-lr)


def orthogonalised(matrices: list[Tensor], coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Newton-Schulz in bf16: (m, n) each -> stacked (k, m, n) with singular values near 1. Source: Keller Jordan's Muon."""
    a, b, c = coefficients
    tall = matrices[0].shape[0] > matrices[0].shape[1]
    x = matrices[0].new_empty((len(matrices), *matrices[0].shape), dtype=torch.bfloat16)
    each = list(x.unbind())
    torch._foreach_copy_(each, matrices)
    torch._foreach_div_(each, list(x.flatten(1).norm(dim=1).clamp(min=eps).unbind()))
    for _ in range(steps):
        gram = x.mT @ x if tall else x @ x.mT  # of the shorter side
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, x, polynomial, beta=a) if tall else torch.baddbmm(x, polynomial, x, beta=a)
    return x
