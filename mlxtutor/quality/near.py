"""Texts that are almost the same: candidates by MinHash, then compared exactly; and groups of such rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.quality.reading import Reading, digest
from mlxtutor.quality.words import jaccard, pairs

NEAR = 0.8           # Jaccard of word pairs
BANDS, ROWS = 14, 5  # MinHash: 1 - (1 - 0.8^5)^14 = 99.6 % of the pairs at 0.8 are compared
MIN_WORDS = 6        # of a text that can be almost like another


@dataclass(frozen=True)
class Kept:
    """A text to compare with; of a whole row also what its question and answer are."""

    line: int
    number: int
    pairs: np.ndarray
    numbers: tuple[float, ...]
    units: tuple[str, ...] = ()
    asked: np.ndarray | None = None
    final: Any = None
    told: Any = None
    choices: frozenset[str] = frozenset()


class Near:
    """Texts by MinHash; each new one is compared with those before it that share a band."""

    def __init__(self) -> None:
        try:
            import datasketch
        except ImportError:
            raise TutorError('finding near-duplicates needs datasketch (to get it: pip install "mlxtutor[data]")') from None
        self._new = lambda: datasketch.MinHash(num_perm=BANDS * ROWS, hashfunc=int)
        self._start = self._new()
        self._index = datasketch.MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        self._kept: list[Kept] = []

    def sketch(self, found: list[str]) -> tuple[np.ndarray, Any] | None:
        """Word pairs and their sketch; None for a text that is too short to be almost like another."""
        if len(found) < MIN_WORDS:
            return None
        own = pairs(found)
        sketch = self._start.copy()
        sketch.update_batch(own.tolist())
        return own, sketch

    def candidates(self, sketch: Any) -> list[Kept]:
        """The texts that share a band with this one, the first first."""
        return [self._kept[index] for index in sorted(self._index.query(sketch))]

    def add(self, sketch: Any, kept: Kept) -> None:
        self._index.insert(len(self._kept), sketch, check_duplication=False)
        self._kept.append(kept)


def most_like(own: np.ndarray, candidates: Sequence[Kept]) -> tuple[Kept, float] | None:
    """The first of those that this text is most like, with their Jaccard, where that is at least NEAR."""
    near = [(jaccard(own, kept.pairs), -index) for index, kept in enumerate(candidates)]
    share, index = max(near, default=(0.0, 0))
    return (candidates[-index], share) if share >= NEAR else None


class Groups:
    """Rows that are the same, almost the same, or linked by name, in groups."""

    def __init__(self) -> None:
        self._first: dict[object, int] = {}
        self._near = Near()
        self._parent: list[int] = []

    def add(self, row: dict[str, Any], names: Sequence[object] = ()) -> None:
        """names: whatever the rows of one group share."""
        number = len(self._parent)
        self._parent.append(number)
        read = Reading(number, row)
        for name in (digest(read.texts), *names):
            self._link(number, self._first.setdefault(name, number))
        sketched = self._near.sketch(read.words)
        if sketched:
            own, sketch = sketched
            for kept in self._near.candidates(sketch):  # those that are in the group already need no look
                if self._root(kept.number) != self._root(number) and jaccard(own, kept.pairs) >= NEAR:
                    self._link(number, kept.number)
            self._near.add(sketch, Kept(number, number, own, ()))

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = index = self._parent[self._parent[index]]
        return index

    def _link(self, first: int, second: int) -> None:
        self._parent[self._root(first)] = self._root(second)

    def groups(self) -> list[list[int]]:
        """Row numbers by group."""
        found: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._parent)):
            found[self._root(number)].append(number)
        return list(found.values())
