"""The phrases of Socratic dialogues, from data/socratic/moves.yaml, and which of them a slip's facts can fill."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from mlxtutor.problems.types import ProblemType
from mlxtutor.shipped import shipped_yaml

Phrase = TypeVar("Phrase", str, list[str])
_PLACE = re.compile(r"\{(\w+)\}")


@cache
def moves() -> dict[str, Any]:
    return dict(shipped_yaml("socratic/moves.yaml"))


def usable(phrases: Sequence[Phrase], facts: Mapping[str, str]) -> list[Phrase]:
    """The phrases, or pairs of them, whose places all have something to say."""
    return [phrase for phrase in phrases if all(facts.get(place) for place in _PLACE.findall("".join(phrase)))]


def depends(problem: ProblemType) -> bool:
    """Whether the answer changes when a given does: a resistance is found as V/I, but no voltage changes it."""
    return problem.name not in moves()["revealed"]
