"""One file of rows in parts that have nothing in common: rows that are almost alike, or of one dialogue, stay together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.quality.near import Groups
from mlxtutor.quality.reading import digest
from mlxtutor.quality.words import STOP, words
from mlxtutor.text.chat import plain

TRAIN = "train"
TELLING = 20  # characters of a first question that two rows share only if they are about one thing
TOLD = 3      # words about something, in turns that two rows share only if they are one dialogue
GREETING = frozenset(words("""
hello hi hey greetings welcome good morning afternoon evening day today dear tutor teacher assistant ai ready sure yes ok okay great nice
meet glad happy pleased like want need learn start begin study studying ask something anything course assist assistance quick chat go ahead
kind mind topic subject question questions am doing fine well
"""))


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
    """Row numbers by group: rows with one `group` (which may be another row's id), with one first question, with the same turns at the
    start (a dialogue and the same one continued), and rows that are almost alike, directly or through others."""
    groups = Groups()
    for row in rows:
        source = row.get("source")
        named: list[object] = [(source, row[key]) for key in ("id", "group") if row.get(key)]
        groups.add(row, [*named, *_beginnings(row)])
    return groups.groups()


def _beginnings(row: dict[str, Any]) -> Iterator[bytes]:
    """The first question, and the first two turns, the first three ..., each where it is more than a greeting."""
    turns = [plain(message["content"]) for message in row.get("messages", ()) if message["role"] != "system"]
    first = next((plain(message["content"]) for message in row.get("messages", ()) if message["role"] == "user"), "")
    if len(first) >= TELLING and _content(first):
        yield digest([first])
    so_far, said = b"", 0
    for number, turn in enumerate(turns, 1):
        so_far, said = digest([so_far.hex(), turn]), said + _content(turn)
        if number > 1 and said >= TOLD:
            yield so_far


def _content(text: str) -> int:
    """How many of its words are about something."""
    return sum(word not in GREETING and word not in STOP for word in words(text))
