"""How much memory and disk a run takes, in bytes, from shapes alone."""

from __future__ import annotations

import numpy as np

from mlxtutor.config import EvaluationConfig, ModelConfig, TrainConfig
from mlxtutor.training.initial import parameter_count, shapes

FLOAT = 4
ROOM = 64  # positions by which the backends let a key-value cache grow
EXAMPLE_BYTES_PER_TOKEN = 45  # a list's pointer and integer for the id, a pointer for the mask, and the arrays made of them


def slot_count(config: ModelConfig, optimizer: str) -> int:
    """Numbers the optimiser keeps: two a parameter for AdamW, one for what Muon updates (the hidden matrices)."""
    hidden = sum(int(np.prod(s)) for name, s in shapes(config).items() if len(s) == 2 and "embed_tokens" not in name)
    return 2 * parameter_count(config) - (hidden if optimizer == "muon" else 0)


def layer_width(config: ModelConfig, length: int) -> int:
    """Numbers a layer makes per token: the residual stream and both norms (6 D), q, k, v before and after norm and rotation
    (3 per head's width), the attention's weights over `length` tokens (2 a head), SwiGLU's inputs and products (5 M)."""
    heads = config.num_heads + 2 * config.num_kv_heads
    return 6 * config.hidden_size + 3 * heads * config.head_dim + 2 * config.num_heads * length + 5 * config.intermediate_size


def training_bytes(config: ModelConfig, train: TrainConfig, targets: int) -> int:
    """Weights, gradients (and their clipped copy), optimiser state, and one pass's activations kept for the backward pass.

    targets: those of one pass, whose logits are formed. Within 20 % of the growth of the process measured on a CPU, on both backends.
    """
    tokens = train.row_len * train.batch_rows
    activations = tokens * (config.num_layers * layer_width(config, train.row_len) + 4 * config.hidden_size)
    state = 3 * parameter_count(config) + slot_count(config, train.optimizer)
    return FLOAT * (state + activations + 3 * targets * config.vocab_size)


def decoding_bytes(config: ModelConfig, batch_size: int, prompt: int, answer: int) -> int:
    """Weights, one layer's activations over a batch of prompts of `prompt` tokens, and the key-value cache when the answers are
    `answer` tokens long; growing it copies a layer at a time."""
    cache = 2 * batch_size * (prompt + answer + ROOM) * config.num_kv_heads * config.head_dim * (config.num_layers + 1)
    prefill = batch_size * prompt * layer_width(config, prompt)
    return FLOAT * (parameter_count(config) + cache + prefill + 2 * batch_size * config.vocab_size)


def disk_bytes(config: ModelConfig, optimizers: list[str], evaluation: EvaluationConfig) -> int:
    """What a run leaves: each stage's best weights and last checkpoint, the model, the answers; and the checkpoint being replaced."""
    weights = FLOAT * parameter_count(config)
    checkpoints = [weights + FLOAT * slot_count(config, optimizer) for optimizer in optimizers]
    asked = evaluation.values + evaluation.wordings + evaluation.types + 100
    return sum(checkpoints) + max(checkpoints) + weights * (len(optimizers) + 1) + 2 * asked * 1500
