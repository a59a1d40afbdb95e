"""A stage's tokenised examples, each source with its share. Generated sources are made in pieces, by all cores where there are many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlxtutor.config import Recipe, StageConfig
from mlxtutor.datasets.batch import Examples, concatenate, join_examples
from mlxtutor.datasets.sources import Document, Text, generated, iter_source
from mlxtutor.errors import TutorError
from mlxtutor.machine import cores
from mlxtutor.problems.suite import know_test_prompts, test_prompts
from mlxtutor.processes import processes
from mlxtutor.text.chat import encode_chat
from mlxtutor.text.tokenizer import Tokenizer, escape_specials

Item = tuple[list[int], list[bool]]
PIECE_TOKENS = 200_000  # the same pieces, whatever the number of cores
FEW_PIECES = 4          # are made faster than other processes start
MAX_FRUITLESS = 5000    # items in a row without a target, after which a source is given up


@dataclass(frozen=True)
class Piece:
    """About `tokens` tokens of one source. key: seeds it, apart from every other piece."""

    source: str
    recipe: Recipe
    row_len: int
    tokens: float
    key: tuple[int, ...]
    validation: bool


def stage_examples(stage: StageConfig, recipe: Recipe, tokenizer: Tokenizer, row_len: int, tokens: int,
                   stream: tuple[int, ...], validation: bool = False) -> Examples:
    """About `tokens` tokens, each source with its share. stream: seeds the sources, apart from every other use of the seed."""
    pieces = stage_pieces(stage, recipe, row_len, tokens, stream, validation)
    return concatenate(list(_made(pieces, tokenizer)))


def stage_pieces(stage: StageConfig, recipe: Recipe, row_len: int, tokens: int, stream: tuple[int, ...], validation: bool) -> list[Piece]:
    """What `stage_examples` is made of: a file is one piece."""
    total = sum(stage.sources.values())
    pieces: list[Piece] = []
    for index, (name, weight) in enumerate(sorted(stage.sources.items())):
        whole = Piece(name, recipe, row_len, tokens * weight / total, (recipe.seed, *stream, index), validation)
        pieces += _cut(whole) if generated(name, recipe) else [whole]
    return pieces


def makers(pieces: Sequence[Piece]) -> int:
    """How many processes make them."""
    return 1 if len(pieces) <= FEW_PIECES else cores()


def _cut(whole: Piece) -> list[Piece]:
    count = max(1, math.ceil(whole.tokens / PIECE_TOKENS))
    last = whole.tokens - (count - 1) * PIECE_TOKENS
    return [replace(whole, tokens=last if number == count - 1 else PIECE_TOKENS, key=(*whole.key, number)) for number in range(count)]


def _made(pieces: Sequence[Piece], tokenizer: Tokenizer) -> Iterator[Examples]:
    """The pieces' examples, in order."""
    workers = makers(pieces)
    if workers == 1:
        yield from (_make(piece, tokenizer) for piece in pieces)
        return
    with processes(workers, _start, (tokenizer.model, test_prompts()), "made examples", "give the stage fewer tokens") as pool:
        yield from pool.map(_make, pieces)


_tokenizer: Tokenizer | None = None  # of a process that makes pieces for another


def _start(model: bytes, prompts: frozenset[str]) -> None:
    global _tokenizer
    _tokenizer = Tokenizer(model)
    know_test_prompts(prompts)


def _make(piece: Piece, tokenizer: Tokenizer | None = None) -> Examples:
    tokenizer = tokenizer or _tokenizer
    assert tokenizer
    items: list[Item] = []
    got = fruitless = 0
    for document in iter_source(piece.source, piece.recipe, np.random.default_rng(piece.key), piece.validation):
        fruitless += 1
        for ids, mask in encode_document(document, tokenizer, piece.row_len):
            if any(mask[1:piece.row_len + 1]):
                items.append((ids, mask))
                got, fruitless = got + len(ids), 0
        if fruitless > MAX_FRUITLESS:
            where = f"within train.row_len ({piece.row_len}) tokens"
            raise TutorError(f'source "{piece.source}": {fruitless} rows on end have no target {where}')
        if got >= piece.tokens:
            break
    return join_examples(items)


def encode_document(document: Document, tokenizer: Tokenizer, row_len: int) -> list[Item]:
    """A chat is one example; a text is cut into pieces of at most row_len targets, which all count."""
    if not isinstance(document, Text):
        return [encode_chat(tokenizer, document)]
    ids = [*tokenizer.encode(escape_specials(document.text)), tokenizer.end_of_text]
    pieces = [ids[i:i + row_len + 1] for i in range(0, max(len(ids) - 1, 1), row_len)]
    return [(piece, [True] * len(piece)) for piece in pieces]
