"""A stage's examples: the same whatever makes them, each piece its own, nothing that the suite asks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlxtutor.config import Recipe, StageConfig
from mlxtutor.datasets import examples
from mlxtutor.datasets.batch import concatenate, join_examples
from mlxtutor.errors import TutorError

STAGE = StageConfig("tutor", {"chats": .25, "em": .75}, 8000)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(examples, "PIECE_TOKENS", 1500)


def made(tokenizer, cores, monkeypatch, stage=STAGE, **options):
    monkeypatch.setattr(examples, "cores", lambda: cores)
    return examples.stage_examples(stage, Recipe(seed=3), tokenizer, 448, options.pop("tokens", stage.tokens), (2, 0), **options)


def test_other_processes_make_the_same_examples(small_pieces, tiny_tokenizer, monkeypatch):
    alone, together = (made(tiny_tokenizer, cores, monkeypatch) for cores in (1, 2))
    for field in dataclasses.fields(alone):
        np.testing.assert_array_equal(getattr(alone, field.name), getattr(together, field.name))
    assert STAGE.tokens <= len(alone.tokens) < 1.5 * STAGE.tokens


def test_a_shorter_stage_begins_as_the_longer_one(tiny_tokenizer, monkeypatch):
    em = StageConfig("tutor", {"em": 1.0}, 6000)
    long, short = (made(tiny_tokenizer, 1, monkeypatch, em, tokens=tokens) for tokens in (6000, 2000))
    np.testing.assert_array_equal(short.tokens, long.tokens[:len(short.tokens)])


def test_no_piece_repeats_another(small_pieces, tiny_tokenizer, monkeypatch):
    found = made(tiny_tokenizer, 1, monkeypatch, StageConfig("tutor", {"em": 1.0}, 12_000))
    texts = [found.tokens[low:high].tobytes() for low, high in zip(found.starts, found.starts[1:])]
    assert len(set(texts)) == len(texts) > 8


def test_examples_laid_end_to_end():
    parts = [join_examples([([1, 2], [True, False]), ([3], [True])]), join_examples([]), join_examples([([4, 5], [False, True])])]
    whole = concatenate(parts)
    assert whole.tokens.tolist() == [1, 2, 3, 4, 5] and whole.mask.tolist() == [True, False, True, False, True]
    assert whole.starts.tolist() == [0, 2, 3, 5]


def test_a_source_without_a_target_is_given_up(tiny_tokenizer, monkeypatch):
    monkeypatch.setattr(examples, "MAX_FRUITLESS", 20)
    with pytest.raises(TutorError, match=r'source "em": 21 rows on end have no target within train.row_len \(5\) tokens'):
        examples.stage_examples(StageConfig("tutor", {"em": 1.0}, 100), Recipe(), tiny_tokenizer, 5, 100, (2, 0))
