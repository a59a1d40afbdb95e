"""A backend of a few numbers in numpy: what the loop, the checkpoints and generation do is seen without a framework."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlxtutor.backends import Device, StepResult


class FakeBackend:
    """A model is {"w": (3,)}. val_losses: what validation finds, in turn; skipped: steps (from 0) that are not finite."""

    def __init__(self, val_losses: Sequence[float] = (), skipped: Sequence[int] = ()) -> None:
        self.val_losses, self.skipped = list(val_losses), set(skipped)

    def device(self, dtype="auto"):
        return Device("fake", "numpy", "cpu", "float32", "a test")

    def build(self, config, weights, dtype="auto"):
        return {"w": np.array(weights["w"])}

    def weights(self, model):
        return {"w": model["w"].copy()}

    def trainer(self, model, train):
        return FakeTrainer(model, self.skipped)

    def nll(self, model, batch):
        count = int(batch.mask.sum())
        loss = self.val_losses.pop(0) if self.val_losses else float(np.abs(model["w"]).sum())
        return loss * count, count


class FakeTrainer:
    """Momentum towards what the batches hold, so that weights depend on their order and on the state."""

    def __init__(self, model, skipped) -> None:
        self.model, self.skipped, self.m, self.taken = model, skipped, np.zeros(3, np.float32), 0

    def step(self, batches, lr_scale):
        self.taken += 1
        nll, count = 1.0, sum(int(batch.mask.sum()) for batch in batches)
        if self.taken - 1 in self.skipped:
            return StepResult(float("nan"), count, float("nan"), False)
        for batch in batches:
            seen = np.array([batch.inputs.mean(), batch.targets.std(), batch.mask.mean()], np.float32)
            self.m = np.float32(.9) * self.m + np.float32(.1) * (seen - self.model["w"])
        self.model["w"] = self.model["w"] + np.float32(lr_scale) * self.m
        return StepResult(nll * count, count, 1.0, True)

    def state(self):
        return {"m": self.m.copy(), "taken": np.array(self.taken, np.float32)}

    def load_state(self, state):
        self.m, self.taken = np.array(state["m"]), int(state["taken"])


START = {"w": np.zeros(3, np.float32)}


class ScriptedBackend:
    """Decoding that follows a script: after a prompt, the tokens of scripts[prompt]; a forced token takes no turn of it."""

    def __init__(self, scripts: dict[tuple[int, ...], list[int]]) -> None:
        self.scripts, self.widths = scripts, []

    def decode(self, model, prompts, sampling):
        self.widths.append(len(prompts))
        return ScriptedDecoder([list(self.scripts[tuple(prompt)]) for prompt in prompts])


class ScriptedDecoder:
    def __init__(self, scripts) -> None:
        self.scripts = scripts

    def step(self, forced):
        assert len(forced) == len(self.scripts)
        return np.array([int(f) if f >= 0 else script.pop(0) for f, script in zip(forced, self.scripts)], np.int32)

    def keep(self, rows):
        self.scripts = [self.scripts[row] for row in rows]
