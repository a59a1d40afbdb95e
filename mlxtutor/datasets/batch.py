"""Tokenised examples, best-fit packing into rows, and batches."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlxtutor.config import TrainConfig

POOL = 16  # steps whose rows are sorted together: padding is then 3 % of a pass


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

    def padded(self, multiple: int) -> Batch:
        """The rows made longer, up to a multiple: few lengths, where each new one costs time."""
        more = -self.inputs.shape[1] % multiple
        if not more:
            return self
        return Batch(*(np.pad(array, ((0, 0), (0, more)))
                       for array in (self.inputs, self.targets, self.mask, self.segments, self.positions)))

    def split(self, parts: int) -> list[Batch]:
        """The rows in `parts` of about equal size; whole where it has fewer rows than that."""
        if parts < 2 or len(self.inputs) < parts:
            return [self]
        return [self.take(rows) for rows in np.array_split(np.arange(len(self.inputs)), parts)]


def join_examples(items: Sequence[tuple[Sequence[int], Sequence[bool]]]) -> Examples:
    """Lay (ids, mask) pairs end to end."""
    lengths = np.array([len(ids) for ids, _ in items], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    if not items:
        return Examples(np.zeros(0, np.int32), np.zeros(0, bool), starts)
    return Examples(np.concatenate([np.asarray(ids, np.int32) for ids, _ in items]),
                    np.concatenate([np.asarray(mask, bool) for _, mask in items]), starts)


def concatenate(parts: Sequence[Examples]) -> Examples:
    """All examples of the parts, in order."""
    ends = np.cumsum([0, *(len(part.tokens) for part in parts)])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends)]
    return Examples(np.concatenate([part.tokens for part in parts]), np.concatenate([part.mask for part in parts]),
                    np.concatenate([*starts, ends[-1:]]))


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
    """Lay out rows of examples, as wide as the longest row. Of an example of n tokens, n-1 are inputs; what goes beyond row_len is cut."""
    shape = (len(rows), max(1, min(row_len, max(_row_size(examples, row) for row in rows))))
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


def _row_size(examples: Examples, row: Sequence[int]) -> int:
    """Inputs of a row's examples."""
    return sum(int(examples.starts[i + 1] - examples.starts[i]) - 1 for i in row)


def plan_steps(examples: Examples, train: TrainConfig, rng: np.random.Generator) -> list[list[list[list[int]]]]:
    """steps[step][pass][row] -> example indices. Each epoch repacks in a new order; every row is used; one step may be smaller.

    The rows of a pass are of about one length, since attention costs the square of the longest. The passes of a step, where it has
    several, come from short, middling and long rows, but where a pass without any target was joined to its neighbour.
    """
    steps: list[list[list[list[int]]]] = []
    for _ in range(train.epochs):
        order = rng.permutation(len(examples))
        packed = pack((examples.lengths - 1)[order], min(train.pack_len, train.row_len))
        rows = [[int(order[i]) for i in row] for row in packed]
        rows = [rows[i] for i in rng.permutation(len(rows))]
        size = train.batch_rows * train.accumulate
        pools = [rows[i:i + POOL * size] for i in range(0, len(rows), POOL * size)]
        dealt = [step for pool in pools for step in _deal(examples, pool, train, rng)]
        passes = _with_targets(examples, dealt, train.row_len)
        steps += [passes[i:i + train.accumulate] for i in range(0, len(passes), train.accumulate)]
    return steps


def typical_steps(examples: Examples, steps: list[list[list[list[int]]]], count: int) -> list[list[list[list[int]]]]:
    """Up to `count` planned steps of different lengths, of even quantiles from the middle outward; for one the median step."""
    ordered = sorted(steps, key=lambda step: sum(_row_size(examples, row) for rows in step for row in rows))
    count = min(count, len(ordered))
    middle_first = sorted(range(count), key=lambda i: abs(2 * i + 1 - count))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in middle_first]


def _deal(examples: Examples, pool: list[list[int]], train: TrainConfig, rng: np.random.Generator) -> list[list[list[int]]]:
    """A pool's rows as passes of similar lengths, in an order in which each step's passes differ in length."""
    pool = sorted(pool, key=lambda row: _row_size(examples, row))
    passes = [pool[i:i + train.batch_rows] for i in range(0, len(pool), train.batch_rows)]
    count = -(-len(passes) // train.accumulate)
    steps = [passes[i::count] for i in range(count)]
    return [one for i in rng.permutation(count) for one in steps[i]]


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
