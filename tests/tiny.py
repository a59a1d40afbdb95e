"""A tiny model, texts and batches that the tests share; everything is a function of a seed."""

from __future__ import annotations

import random

import numpy as np

from mlxtutor.config import ModelConfig, TrainConfig
from mlxtutor.datasets.batch import Batch, Examples, join_examples, make_batch, pack
from mlxtutor.training.initial import initial_weights
from mlxtutor.training.loop import StageData

# grouped-query attention, and hidden_size != num_heads * head_dim, so that no two sizes can be confused
CONFIG = ModelConfig(vocab_size=440, hidden_size=64, intermediate_size=96, num_layers=2, num_heads=6, num_kv_heads=2, head_dim=16,
                     max_seq_len=128)
TRAIN = TrainConfig(optimizer="adamw", lr=3e-3, muon_lr=.02, min_lr_fraction=.05, decay_fraction=.5, row_len=32, batch_rows=4,
                    eval_every=.25, checkpoint_every=.1)
ROW_LEN = TRAIN.row_len


def model_weights(seed: int = 0, config: ModelConfig = CONFIG) -> dict[str, np.ndarray]:
    """Weights as after some training: norms that are not one, logits with a spread of about 2."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(config, rng)
    for name, value in weights.items():
        if value.ndim == 1:
            weights[name] = (value + .2 * rng.standard_normal(value.shape)).astype(np.float32)
    weights["model.embed_tokens.weight"] *= 12
    return weights


def random_examples(n: int, seed: int, longest: int = ROW_LEN + 1, vocab_size: int = CONFIG.vocab_size) -> Examples:
    """n examples of 2 to `longest` tokens, which a model can learn (each token hints at the next); the first quarter is no target."""
    rng = np.random.default_rng(seed)
    items = []
    for _ in range(n):
        length = int(rng.integers(2, longest + 1))
        start, stride = rng.integers(10, 40), rng.integers(1, 4)
        ids = (start + stride * np.arange(length) + (rng.random(length) < .1)) % vocab_size
        items.append((ids.tolist(), [False] * (length // 4) + [True] * (length - length // 4)))
    return join_examples(items)


def random_batches(n: int, seed: int, rows: int = 4) -> list[Batch]:
    """n batches of packed rows of ROW_LEN, of random sizes from 1 to `rows` rows."""
    rng = np.random.default_rng([seed, 1])
    batches = []
    for index in range(n):
        examples = random_examples(6 * rows, seed * 1000 + index)
        packed = pack(examples.lengths - 1, ROW_LEN)
        batches.append(make_batch(examples, packed[:int(rng.integers(1, rows + 1))], ROW_LEN))
    return batches


def stage_data(n: int = 120, seed: int = 3) -> StageData:
    return StageData(random_examples(n, seed), random_examples(12, seed + 1))


def prompts(n: int, seed: int, longest: int = 12) -> list[list[int]]:
    """n prompts of 1 to `longest` tokens, none of them special."""
    rng = np.random.default_rng(seed)
    return [rng.integers(10, CONFIG.vocab_size, rng.integers(1, longest + 1)).tolist() for _ in range(n)]


def texts(n: int, seed: int = 5) -> list[str]:
    """n sentences to train a tokenizer on."""
    words = ["the", "electric", "field", "force", "between", "charges", "law", "of", "k", "q1", "q2", "distance", "potential"]
    draw = random.Random(seed)
    return [f"{' '.join(draw.choices(words, k=12))} = {draw.random() * 10 ** draw.randint(-9, 9):.3g} N/C (a+b)*2^3\n" for _ in range(n)]
