"""Batched decoding in torch with a KV cache, sampling on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from cuda_backend.cache import LayerCache
from cuda_backend.model import Model
from mlxtutor.backends import Sampling


class Decoder:
    """Rows of left-padded prompts. step() gives each row's next token; a forced token (>= 0) takes its place."""

    @torch.no_grad()
    def __init__(self, model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling) -> None:
        self.model, self.sampling = model, sampling
        self.place = model.embed_tokens.weight.device
        longest = max(len(p) for p in prompts)
        tokens, real = np.zeros((len(prompts), longest), np.int32), np.zeros((len(prompts), longest), bool)
        for row, prompt in enumerate(prompts):
            tokens[row, longest - len(prompt):], real[row, longest - len(prompt):] = prompt, True
        self.real = torch.from_numpy(real).to(self.place)
        self.generator = torch.Generator(self.place).manual_seed(sampling.seed)
        positions = (self.real.long().cumsum(1) - 1).clamp(min=0)
        causal = torch.ones(longest, longest, dtype=torch.bool, device=self.place).tril()
        # a padded query sees itself, so that no softmax is over nothing
        mask = (causal & self.real[:, None, None, :]) | torch.eye(longest, dtype=torch.bool, device=self.place)
        self.cache = [LayerCache() for _ in model.layers]
        with model.autocast():
            hidden = model.hidden(torch.from_numpy(tokens).to(self.place), positions, mask, self.cache)
            self.logits = (hidden[:, -1] @ model.embed_tokens.weight.T).float()
        self.position = positions[:, -1]

    @torch.no_grad()
    def step(self, forced: np.ndarray) -> np.ndarray:
        """forced: (B,) token ids, -1 to sample -> the tokens taken, (B,). The next step's logits follow from them."""
        given = torch.from_numpy(np.asarray(forced, np.int64)).to(self.place)
        token = torch.where(given >= 0, given, self._sample())
        self.position = self.position + 1
        self.real = torch.cat((self.real, torch.ones_like(token, dtype=torch.bool)[:, None]), dim=1)
        with self.model.autocast():
            hidden = self.model.hidden(token[:, None], self.position[:, None], self.real[:, None, None, :], self.cache)
            self.logits = (hidden[:, -1] @ self.model.embed_tokens.weight.T).float()
        return token.cpu().numpy().astype(np.int32)

    def _sample(self) -> torch.Tensor:
        if self.sampling.temperature == 0:
            return self.logits.argmax(-1)
        probabilities = torch.softmax(self.logits / self.sampling.temperature, dim=-1)
        if self.sampling.top_p < 1:
            ordered, order = probabilities.sort(dim=-1, descending=True)
            outside = ordered.cumsum(-1) - ordered >= self.sampling.top_p
            probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(outside, 0))
        return torch.multinomial(probabilities, 1, generator=self.generator)[:, 0]

    def keep(self, rows: np.ndarray) -> None:
        """Go on with these rows only, given in ascending order."""
        index = torch.from_numpy(np.asarray(rows, np.int64)).to(self.place)
        for layer in self.cache:
            layer.keep(index)
        self.real, self.position, self.logits = self.real[index], self.position[index], self.logits[index]


def decode(model: Model, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Decoder:
    """Prefill the prompts (token ids, none empty)."""
    return Decoder(model, prompts, sampling)
