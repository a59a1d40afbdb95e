"""The named sources of a stage's examples: text for language modelling, chats for tuning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlxtutor.config import Recipe
from mlxtutor.datasets.corpus import read_corpus
from mlxtutor.datasets.drills import iter_calc_chats, iter_drills
from mlxtutor.datasets.rows import read_rows
from mlxtutor.datasets.weights import sample, weight_of
from mlxtutor.errors import TutorError
from mlxtutor.problems.build import iter_rows, prompt_of, trained_types
from mlxtutor.problems.solution import RECURRING
from mlxtutor.problems.suite import test_prompts
from mlxtutor.text.chat import compact, with_system
from mlxtutor.text.tokenizer import POWERS, Tokenizer, train_tokenizer

DRILLS_PER_TEXT = 8
HELD_OUT = 20         # one document in this many validates
NAMES = {
    "corpus": "the recipe's corpus, as text",
    "drills": "conversions, notations, synonyms, arithmetic, as text",
    "statements": "problem statements without their solutions, as text",
    "chats": "general chats with the calculator",
    "em": "electrostatics problems with worked solutions, or the chats of the recipe's `data` file",
}


@dataclass(frozen=True)
class Text:
    """A document to be modelled whole."""

    text: str


Document = Text | list[dict]


def iter_source(name: str, recipe: Recipe, rng: np.random.Generator, validation: bool = False) -> Iterator[Document]:
    """Documents (Text) or chats (messages) of a source. Generated ones are endless; files come round again.

    validation: of a file, the part that training leaves out.
    """
    if name == "corpus":
        corpus = shipped_corpus() if recipe.corpus == "shipped" else recipe.corpus
        return _rounds(lambda: map(Text, read_corpus(corpus)), recipe.corpus, validation)
    if name == "drills":
        lines = iter_drills(rng)
        return (Text("\n".join(itertools.islice(lines, DRILLS_PER_TEXT))) for _ in itertools.count())
    if name == "chats":
        return iter_calc_chats(rng)
    if name == "statements":
        return (Text(prompt_of(row)) for row in _training_rows(rng))
    if name == "em" and recipe.data != "em":
        return (with_system(messages, recipe.system) for messages in _chats(Path(recipe.data), rng, validation))
    if name == "em":
        return (row["messages"] for row in _training_rows(rng))
    raise TutorError(f'unknown source "{name}" (allowed: {", ".join(NAMES)})')


def generated(name: str, recipe: Recipe) -> bool:
    """Whether a source is made on the way, from a seed, and not read from a file."""
    return name != "corpus" and (name != "em" or recipe.data == "em")


def _training_rows(rng: np.random.Generator) -> Iterator[dict]:
    """Problems of the trained types, less those that the test suite asks."""
    tested = test_prompts()
    return (row for row in iter_rows(trained_types(), "train", rng) if prompt_of(row) not in tested)


def shipped_corpus() -> Path:
    """The project's own notes."""
    import mlxtutor.data

    return Path(mlxtutor.data.__path__[0]) / "corpus"


def _chats(path: Path, rng: np.random.Generator, validation: bool) -> Iterator[list[dict]]:
    """A file's chats, endless: every 20th in turn for validation, the others as often as their weights say; of a single one, both."""
    rows = list(read_rows(path))
    held = rows[::HELD_OUT]
    if validation:
        yield from itertools.cycle(row["messages"] for row in held)
    trained = [row for index, row in enumerate(rows) if index % HELD_OUT] or held
    yield from (trained[index]["messages"] for index in sample([weight_of(row) for row in trained], rng))


def _rounds(read: Callable[[], Iterator], where: str, validation: bool) -> Iterator:
    """A file's items again and again: every 20th for validation, the others for training; of a single item, both."""
    while True:
        count = 0
        for count, item in enumerate(read(), 1):
            if (count % HELD_OUT == 1) == validation:
                yield item
        if not count:
            raise TutorError(f"{where}: no text in it (give a folder, text or JSONL with at least one document)")
        if count == 1 and not validation:
            yield from read()


def recipe_tokenizer(recipe: Recipe, vocab_size: int, path: Path) -> Tokenizer:
    """A new tokenizer for a recipe's text and solutions, written to `path`."""
    return train_tokenizer(tokenizer_texts(recipe), vocab_size, path, (*POWERS, *RECURRING))


def tokenizer_texts(recipe: Recipe) -> Iterator[str]:
    """What the tokenizer is trained on: every source of every stage, in the shares of their tokens."""
    shares: dict[str, float] = {}
    for stage in recipe.stages:
        total = sum(stage.sources.values())
        for name, weight in stage.sources.items():
            shares[name] = shares.get(name, 0.0) + stage.tokens * weight / total
    whole = sum(shares.values())
    for index, (name, share) in enumerate(sorted(shares.items())):
        rng = np.random.default_rng([recipe.seed, 0, index])
        left = recipe.tokenizer_characters * share / whole
        for item in iter_source(name, recipe, rng):
            text = item.text if isinstance(item, Text) else "\n".join(f"{m['role']}\n{compact(m['content'])}" for m in item)
            yield text
            left -= len(text)
            if left <= 0:
                break
