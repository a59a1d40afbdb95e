"""The word lists behind drills and calculator chats, from data/drills/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np

from mlxtutor.shipped import shipped_yaml

T = TypeVar("T")


@dataclass(frozen=True)
class Quantity:
    """A physical quantity and the words for it. unit: SI, pint text; kind: name in problems.quantities.KINDS."""

    symbol: str
    unit: str
    spoken: str
    kind: str
    names: tuple[str, ...]
    asks: tuple[str, ...]


@cache
def load_quantities() -> tuple[Quantity, ...]:
    rows = shipped_yaml("drills/vocabulary.yaml")
    return tuple(Quantity(**{**row, "names": tuple(row["names"]), "asks": tuple(row["asks"])}) for row in rows)


@cache
def load_smalltalk() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """(questions, replies) groups: any reply of a group answers any of its questions."""
    return tuple((tuple(row["ask"]), tuple(row["say"])) for row in shipped_yaml("drills/smalltalk.yaml"))


@cache
def load_sums() -> dict[str, list[Any]]:
    """Question forms of sums, conversions and stories, with the expression that answers each."""
    return dict(shipped_yaml("drills/sums.yaml"))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def article(word: str) -> str:
    """The word with `a` or `an`."""
    return f"an {word}" if word[:1].lower() in "aeiou" else f"a {word}"
