"""What the families' types are made of: givens of textbook size, conditions on a draw, and types of one law."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mlxtutor.problems.sanity import Check
from mlxtutor.problems.types import Given, ProblemType, Step

Accept = Callable[[SimpleNamespace], bool]


def charge(symbol: str = "q", low: float = 1e-12, high: float = 1e-3) -> Given:
    return Given(symbol, "charge", low, high, signed=True)


def length(symbol: str, low: float = 5e-3, high: float = 10.) -> Given:
    return Given(symbol, "length", low, high)


def within(symbol: str, low: float, high: float) -> Accept:
    """Accepts draws in which the size of a given or result lies between the two (SI)."""
    return lambda v: low <= abs(vars(v)[symbol]) <= high


def similar(*values: float, factor: float = 20.) -> bool:
    """Whether all sizes are within a factor of each other."""
    sizes = [abs(value) for value in values]
    return max(sizes) < factor * min(sizes)


def comparable(head: str) -> Accept:
    """Accepts parts of one combination (head: `R` for R1, R2, R3) that differ by less than a factor of a thousand."""
    return lambda v: similar(*(x for name, x in vars(v).items() if name in (f"{head}1", f"{head}2", f"{head}3")), factor=1000)


def reciprocals(head: str, count: int) -> str:
    """`1/{R1}+1/{R2}`."""
    return "+".join(f"1/{{{head}{i}}}" for i in range(1, count + 1))


def family(name: str) -> Callable[..., ProblemType]:
    """Makes types of a family: their last step computes the left side of the law."""
    def make(kind: str, givens: tuple[Given, ...], law: str, expression: str, unit: str, units: str, check: Check,
             accept: Accept | None = None, before: tuple[Step, ...] = (), **options: Any) -> ProblemType:
        step = Step(law.partition(" = ")[0], expression, unit)
        return ProblemType(f"{name}_{kind}", name, givens, law, (*before, step), units, check, accept=accept, **options)
    return make
