"""One file of rows in parts that have nothing in common: rows that are almost alike, or of one dialogue, stay together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.quality.likeness import Alike

TRAIN = "train"


def split(rows: Sequence[dict[str, Any]], shares: Mapping[str, float], rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """`train` and the named parts, each with at most its share of the rows, in the rows' order.

    Groups are dealt in a random order to the parts that still have room for them whole. Raises TutorError where a part stays empty.
    """
    if not all(0 < share < 1 for share in shares.values()) or sum(shares.values()) >= 1:
        told = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        raise TutorError(f"the shares are {told} (each between 0 and 1, together below 1, so that something is left to train on)")
    groups = group_rows(rows)
    room = {name: math.ceil(share * len(rows)) for name, share in shares.items()}
    parts: dict[str, list[int]] = {TRAIN: [], **{name: [] for name in shares}}
    for index in rng.permutation(len(groups)):
        members = groups[int(index)]
        name = next((name for name in shares if len(parts[name]) + len(members) <= room[name]), TRAIN)
        parts[name] += members
    empty = [name for name, members in parts.items() if not members]
    if empty:
        raise TutorError(f"no rows for {', '.join(empty)}: the {len(rows):,} rows are {len(groups):,} groups of rows that are almost alike "
                         "(give more rows, or another share)")
    return {name: [rows[index] for index in sorted(members)] for name, members in parts.items()}


def group_rows(rows: Sequence[dict[str, Any]]) -> list[list[int]]:
    """Row numbers by group: rows with one `group`, and rows that are almost alike, directly or through others."""
    parent = list(range(len(rows)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    alike, first = Alike(), dict[str, int]()
    for index, row in enumerate(rows):
        linked = list(alike.add(row))
        if row.get("group"):
            linked.append(first.setdefault(f"{row.get('source')}\n{row['group']}", index))
        for other in linked:
            parent[root(index)] = root(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(rows)):
        groups[root(index)].append(index)
    return list(groups.values())
