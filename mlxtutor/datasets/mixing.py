"""Several files of rows as one, with weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.datasets.weights import WEIGHT, merged_weight, weight_of, with_weight
from mlxtutor.errors import TutorError
from mlxtutor.quality.reading import digest, row_texts
from mlxtutor.records.importing import read_all
from mlxtutor.records.rows import HEAVIEST


@dataclass(frozen=True)
class Part:
    """A file to mix, and what its rows' weights are multiplied by."""

    source: str
    weight: float = WEIGHT


@dataclass(frozen=True)
class Mixed:
    """rows: each once; read: rows of each part, in order; repeated: those that stood in a part, or in several, already; notes: what the
    rows couldn't keep, counted."""

    rows: list[dict[str, Any]]
    read: list[int]
    repeated: int
    notes: Counter[str]


def parse_part(text: str) -> Part:
    """`rows.jsonl:2` is that file with a weight of 2. Raises TutorError for a weight that is none."""
    path, colon, weight = text.rpartition(":")
    if not colon or Path(text).exists():
        return Part(text)
    try:
        value = float(weight)
    except ValueError:
        if Path(path).exists():
            raise TutorError(f'"{text}": the weight is {weight} (a number above 0 is expected, as in {path}:2)') from None
        return Part(text)
    if not 0 < value < float("inf"):
        raise TutorError(f'"{text}": the weight is {weight} (a number above 0 is expected, as in {path}:2)')
    return Part(path, value)


def mix(parts: Sequence[Part], rng: np.random.Generator | None) -> Mixed:
    """All rows of all parts, each once, with its weight; in a random order, or for None in theirs.

    A row that stands in several parts, the same but for case and white space, has the sum of its weights: each part's share of what is
    sampled stays the one that was asked for. Of a row that a part repeats the weights count together where they are stated.
    """
    rows: dict[bytes, dict[str, Any]] = {}
    read: list[int] = []
    notes: Counter[str] = Counter()
    for part in parts:
        here: dict[bytes, list[dict[str, Any]]] = defaultdict(list)
        for row in read_all(part.source, notes):
            here[digest(row_texts(row))].append(row)
        read.append(sum(map(len, here.values())))
        for key, copies in here.items():
            weight = part.weight * merged_weight(copies) + (weight_of(rows[key]) if key in rows else 0.0)
            if weight > HEAVIEST:
                raise TutorError(f"{part.source}: a row's weight would be {weight:g} (at most {HEAVIEST:,})")
            rows[key] = with_weight(rows.get(key, copies[0]), weight)
    mixed = list(rows.values())
    ordered = mixed if rng is None else [mixed[index] for index in rng.permutation(len(mixed))]
    return Mixed(ordered, read, sum(read) - len(mixed), notes)
