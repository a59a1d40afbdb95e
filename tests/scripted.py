"""A backend that answers from a table, so that a test can say what a model writes."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np

from mlxtutor.backends import Device


class Scripted:
    """A backend whose answers come from a table: the last user message -> what the model would write."""

    def __init__(self, tokenizer, answers):
        self.tokenizer, self.answers, self.prompts, self.interrupt_after = tokenizer, answers, [], None

    def device(self, dtype="auto"):
        return Device("torch", "a test", "cpu", "float32", "scripted")

    def build(self, config, weights, dtype="auto"):
        return None

    def decode(self, model, prompts, sampling):
        texts = [self.tokenizer.decode(list(prompt)) for prompt in prompts]
        self.prompts += texts
        self.sampling = sampling
        asked = [re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", text, re.DOTALL)[-1] for text in texts]
        rows = [[*self.tokenizer.encode(self.answers.get(question, "no idea")), self.tokenizer.im_end] for question in asked]
        return SimpleNamespace(step=lambda forced: self._step(rows, forced), keep=lambda kept: self._keep(rows, kept))

    def _keep(self, rows, kept):
        rows[:] = [rows[at] for at in kept]

    def _step(self, rows, forced):
        if self.interrupt_after is not None:
            self.interrupt_after -= 1
            if self.interrupt_after < 0:
                self.interrupt_after = None
                raise KeyboardInterrupt
        return np.array([f if f >= 0 else row.pop(0) if row else self.tokenizer.im_end for row, f in zip(rows, forced)])
