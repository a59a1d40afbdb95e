"""The fixed test problems of the suite `em`: four splits, none of whose prompts is ever trained on."""

from __future__ import annotations

from importlib import resources

import numpy as np

from mlxtutor.problems.build import make_row, new_types, prompt_of, trained_types
from mlxtutor.problems.types import ProblemType

SPLITS = ("values", "wordings", "others", "types")
SUITE_SEED = 2026  # every model is asked the same problems
LARGEST = 2000     # problems of a split that training keeps clear of
MISSING_SHARE = .15


def _generated(split: str, n: int, seed: int) -> list[dict]:
    types: list[ProblemType] = new_types() if split == "types" else trained_types()
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    rows, order = [], rng.permutation(len(types))
    for index in range(n if types else 0):
        if index and index % len(types) == 0:
            order = rng.permutation(len(types))
        problem = types[int(order[index % len(types)])]
        kind = "missing" if problem.removable and rng.random() < MISSING_SHARE else "value"
        rows.append(make_row(f"em-{split}-{index:05d}", split, problem, rng, held=split == "wordings", kind=kind))
    return rows


def written() -> list[dict]:
    """The hand-written problems of the split `others`."""
    from mlxtutor.datasets.rows import read_json_lines

    with resources.as_file(resources.files("mlxtutor.data").joinpath("others/em.jsonl")) as path:
        return [row for _, row in read_json_lines(path)]


def suite_rows(split: str, n: int = 0, seed: int = SUITE_SEED) -> list[dict]:
    """The first n problems of a split; n = 0: 500 of a generated one, all of `others`."""
    if split == "others":
        return written()[:n or None]
    return _generated(split, n or 500, seed)


_known: frozenset[str] | None = None


def test_prompts() -> frozenset[str]:
    """Every prompt that a training row must not have."""
    if _known is None:
        generated = (row for split in ("values", "wordings", "types") for row in _generated(split, LARGEST, SUITE_SEED))
        know_test_prompts(frozenset(prompt_of(row) for row in (*generated, *written())))
    assert _known is not None
    return _known


def know_test_prompts(prompts: frozenset[str]) -> None:
    """Take what another process found: composing them takes seconds."""
    global _known
    _known = prompts
