"""Tokenised examples, best-fit packing into rows, and batches."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Examples:
    """Tokenised examples laid end to end. tokens: (N,) int32; mask: (N,) bool, counts towards the loss; starts: (E+1,)."""

    tokens: np.ndarray
    mask: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)


@dataclass(frozen=True)
class Batch:
    """Rows of packed examples, all (B, T). inputs, targets: int32; mask: bool; segments: int32, 0 is padding, examples
    count from 1 and attend only within themselves; positions: int32, from 0 in every example."""

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    segments: np.ndarray
    positions: np.ndarray

    def take(self, rows: np.ndarray) -> Batch:
        """Some of the rows."""
        return Batch(self.inputs[rows], self.targets[rows], self.mask[rows], self.segments[rows], self.positions[rows])


def join_examples(items: Sequence[tuple[Sequence[int], Sequence[bool]]]) -> Examples:
    """Lay (ids, mask) pairs end to end."""
    lengths = np.array([len(ids) for ids, _ in items], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    if not items:
        return Examples(np.zeros(0, np.int32), np.zeros(0, bool), starts)
    return Examples(np.concatenate([np.asarray(ids, np.int32) for ids, _ in items]),
                    np.concatenate([np.asarray(mask, bool) for _, mask in items]), starts)


def pack(lengths: np.ndarray, capacity: int) -> list[list[int]]:
    """Best-fit decreasing: indices of examples per row. Nothing is dropped; an example longer than capacity gets a row of its own."""
    open_rows: list[tuple[int, int]] = []  # (room left, row), sorted
    rows: list[list[int]] = []
    for index in np.argsort(-lengths, kind="stable"):
        size = int(lengths[index])
        at = bisect_left(open_rows, (size, -1))
        if at < len(open_rows):
            room, row = open_rows.pop(at)
            rows[row].append(int(index))
        else:
            room, row = max(capacity, size), len(rows)
            rows.append([int(index)])
        if room - size > 0:
            insort(open_rows, (room - size, row))
    return rows


def make_batch(examples: Examples, rows: Sequence[Sequence[int]], row_len: int) -> Batch:
    """Lay out rows of examples. Of an example of n tokens, n-1 are inputs; one longer than row_len+1 is cut at row_len."""
    shape = (len(rows), row_len)
    inputs, targets = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    mask, segments, positions = np.zeros(shape, bool), np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for b, row in enumerate(rows):
        at = 0
        for segment, index in enumerate(row, 1):
            low, high = int(examples.starts[index]), int(examples.starts[index + 1])
            n = min(high - low - 1, row_len - at)
            span = slice(at, at + n)
            inputs[b, span] = examples.tokens[low:low + n]
            targets[b, span] = examples.tokens[low + 1:low + n + 1]
            mask[b, span] = examples.mask[low + 1:low + n + 1]
            segments[b, span], positions[b, span] = segment, np.arange(n)
            at += n
    return Batch(inputs, targets, mask, segments, positions)


def plan_steps(examples: Examples, row_len: int, batch_rows: int, accumulate: int, epochs: int,
               rng: np.random.Generator) -> list[list[list[list[int]]]]:
    """steps[step][pass][row] -> example indices. Each epoch repacks in a new order; every row is used; the last step is smaller."""
    steps: list[list[list[list[int]]]] = []
    for _ in range(epochs):
        order = rng.permutation(len(examples))
        packed = pack((examples.lengths - 1)[order], row_len)
        rows = [[int(order[i]) for i in row] for row in packed]
        rows = [rows[i] for i in rng.permutation(len(rows))]
        passes = [rows[i:i + batch_rows] for i in range(0, len(rows), batch_rows)]
        passes = _with_targets(examples, passes, row_len)
        steps += [passes[i:i + accumulate] for i in range(0, len(passes), accumulate)]
    return steps


def _with_targets(examples: Examples, passes: list[list[list[int]]], row_len: int) -> list[list[list[int]]]:
    """Join a pass without any target to its neighbour: a batch never holds zero targets. Nothing is left where no example has one."""
    def counts(index: int) -> bool:
        low, high = examples.starts[index], examples.starts[index + 1]
        return bool(examples.mask[low + 1:min(high, low + row_len + 1)].any())  # what make_batch keeps

    kept: list[list[list[int]]] = []
    waiting: list[list[int]] = []  # rows before the first target
    for rows in passes:
        if any(counts(i) for row in rows for i in row):
            kept.append(waiting + rows)
            waiting = []
        elif kept:
            kept[-1] = kept[-1] + rows
        else:
            waiting = waiting + rows
    return kept
