"""A small piece of a recipe's real data: for plans and benchmarks, without the minutes that all of it takes."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from mlxtutor.config import ModelConfig, Recipe, StageConfig, stage_train
from mlxtutor.datasets.batch import Examples
from mlxtutor.datasets.examples import stage_examples
from mlxtutor.datasets.sources import recipe_tokenizer
from mlxtutor.errors import TutorError
from mlxtutor.registry.directory import load_config
from mlxtutor.registry.models import resolve
from mlxtutor.text.tokenizer import Tokenizer

CHARACTERS = 400_000  # enough text for a tokenizer whose lengths are within a few per cent of the real one's


def sample_tokenizer(recipe: Recipe, models: Path) -> tuple[Tokenizer, ModelConfig]:
    """The tokenizer and shape the recipe starts from: those of the model it names, else a tokenizer of a part of its text.

    Nothing is left on disk. A vocabulary larger than the part gives is trained on all of the text, as the run would.
    """
    if isinstance(recipe.model, str):
        folder = resolve(models, recipe.model).path
        return Tokenizer.load(folder), load_config(folder)
    small = dataclasses.replace(recipe, tokenizer_characters=min(CHARACTERS, recipe.tokenizer_characters))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.model"
        try:
            return recipe_tokenizer(small, recipe.model.vocab_size, path), recipe.model
        except TutorError:
            return recipe_tokenizer(recipe, recipe.model.vocab_size, path), recipe.model


def sample_stage(recipe: Recipe, stage: StageConfig, index: int, tokenizer: Tokenizer, tokens: int) -> Examples:
    """About `tokens` tokens of the stage's training examples, the first ones of its run."""
    return stage_examples(stage, recipe, tokenizer, stage_train(recipe, stage).row_len, min(tokens, stage.tokens), (2, index))
