"""Sampling weights of rows: how often one comes up, without ever being there twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.records.rows import HEAVIEST

WEIGHT = 1.0  # of a row that doesn't say


def weight_of(row: dict[str, Any]) -> float:
    return float(row.get("weight", WEIGHT))


def with_weight(row: dict[str, Any], weight: float) -> dict[str, Any]:
    """The row with this weight: a whole one as a whole number, the usual one unsaid."""
    rest = {key: value for key, value in row.items() if key != "weight"}
    return rest if weight == WEIGHT else {**rest, "weight": int(weight) if weight.is_integer() else weight}


def merged_weight(rows: Sequence[dict[str, Any]]) -> float:
    """Of several copies as one row: the sum where a weight is stated. A row that stands twice by accident gets no heavier."""
    total = sum(map(weight_of, rows)) if any("weight" in row for row in rows) else WEIGHT
    if total > HEAVIEST:
        raise TutorError(f"a row's weight would be {total:g} (at most {HEAVIEST:,})")
    return total


def sample(weights: Sequence[float], rng: np.random.Generator) -> Iterator[int]:
    """An endless stream of row numbers in rounds of a random order, each as often as its weight says.

    In a round a row of weight w comes floor(w) times, and once more with the chance that is left: every row is seen, and the shares are
    as even as they can be. Where all weights are below 1 they are raised until the largest is.
    """
    wanted = np.asarray(weights, float)
    wanted = wanted / min(1.0, float(wanted.max()))
    whole = np.floor(wanted)
    while True:
        times = (whole + (rng.random(len(wanted)) < wanted - whole)).astype(int)
        yield from rng.permutation(np.repeat(np.arange(len(wanted)), times)).tolist()
