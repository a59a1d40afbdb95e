"""What a problem type is: givens, law, steps through the calculator, unit check, sanity check, direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from mlxtutor.problems.quantities import Value, sample
from mlxtutor.problems.sanity import Check
from mlxtutor.text.calculator import CalculatorError, evaluate, format_result

# Constants as solutions write them. Source: CODATA 2018, rounded to three digits.
K, EPS0, E_CHARGE, M_E, M_P, G = "8.99e9", "8.85e-12", "1.6e-19", "9.11e-31", "1.67e-27", "9.8"
CONSTANT_UNITS = {"k": "N*m^2/C^2", "eps0": "F/m", "e": "C", "me": "kg", "mp": "kg", "g": "m/s^2"}
CONSTANT_VALUES = {"k": K, "eps0": EPS0, "e": E_CHARGE, "me": M_E, "mp": M_P, "g": G}


@dataclass(frozen=True)
class Given:
    """A quantity the problem states. low, high: bounds on the magnitude in SI units. unit: force the stated unit."""

    symbol: str
    kind: str
    low: float | None = None
    high: float | None = None
    signed: bool = False
    unit: str | None = None


@dataclass(frozen=True)
class Step:
    """SYMBOL = expression. `{q1}` is the value as given, `{q1.abs}` its magnitude, `{k}` a constant, `{F}` an earlier result."""

    symbol: str
    expression: str
    unit: str


# Two sources at right angles, q1 on the x axis at a, q2 on the y axis at b: the resultant's slope is (q2/b^2)/(q1/a^2).
AXIS_ANGLE = Step("theta", "atan({q2.abs}*{a}^2/({q1.abs}*{b}^2))", "deg")


def axis_angle(v: SimpleNamespace) -> str:
    """The direction of a resultant by its angle to the x axis."""
    return f"{format_result(v.theta)} degrees from the x axis"


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem. The callables take a namespace of SI floats: every given and every step's result by symbol.

    units: left side of the unit check, `[q1]` is replaced by the unit of q1 as this problem gives it, `[k]` by a constant's.
    check: the sanity sentence, of every draw or of this one. direction: None, or what the answer states after the unit.
    accept: rejects unphysical draws.
    missing: the givens that may be left out (default: all). alike: givens that the law treats alike, so that scenes that don't
    name them by number or place state them in this order. held: the type is never trained on (split `types`).
    """

    name: str
    family: str
    givens: tuple[Given, ...]
    law: str
    steps: tuple[Step, ...]
    units: str
    check: Check
    direction: Callable[[SimpleNamespace], str] | None = None
    accept: Callable[[SimpleNamespace], bool] | None = None
    missing: tuple[str, ...] | None = None
    alike: tuple[str, ...] = ()
    held: bool = False

    @property
    def unit(self) -> str:
        """SI unit of the answer, as the solution writes it."""
        return self.steps[-1].unit

    @property
    def removable(self) -> tuple[str, ...]:
        """The givens that may be left out; of those alike only the last, since the others keep their numbers."""
        allowed = tuple(g.symbol for g in self.givens) if self.missing is None else self.missing
        return tuple(symbol for symbol in allowed if symbol not in self.alike[:-1])

    def sanity(self, v: SimpleNamespace) -> str:
        return self.check if isinstance(self.check, str) else self.check(v)


@dataclass(frozen=True)
class Solved:
    """A type with numbers: the givens, each step's expression and result, the answer in SI units."""

    type: ProblemType
    values: dict[str, Value]
    expressions: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def answer(self) -> float:
        return float(self.results[-1])

    @property
    def namespace(self) -> SimpleNamespace:
        return _namespace(self.type, self.values, self.results)

    @property
    def given_namespace(self) -> SimpleNamespace:
        """The givens alone, as a solution without the calculator knows them."""
        return _namespace(self.type, self.values, ())

    @property
    def direction(self) -> str | None:
        return self.type.direction(self.namespace) if self.type.direction else None


def _namespace(problem: ProblemType, values: dict[str, Value], results: tuple[str, ...]) -> SimpleNamespace:
    names: dict[str, float] = {symbol: value.si for symbol, value in values.items()}
    names.update({step.symbol: float(result) for step, result in zip(problem.steps, results)})
    return SimpleNamespace(**names)


def solve(problem: ProblemType, values: dict[str, Value]) -> Solved:
    """Substitute the values into each step and run the calculator over it."""
    known: dict[str, object] = {**CONSTANT_VALUES, **values}
    expressions, results = [], []
    for step in problem.steps:
        expression = step.expression.format(**known)
        result = format_result(evaluate(expression))
        known[step.symbol] = Value(step.symbol, "", result, step.unit, result, result)
        expressions.append(expression)
        results.append(result)
    return Solved(problem, values, tuple(expressions), tuple(results))


def draw(problem: ProblemType, rng: np.random.Generator) -> Solved:
    """Sample givens until the type accepts them and the answer is within 1e-25..1e25 in magnitude (or exactly 0)."""
    for _ in range(1000):
        values = {g.symbol: sample(rng, g.symbol, g.kind, g.low, g.high, g.signed, g.unit) for g in problem.givens}
        try:
            solved = solve(problem, values)
        except CalculatorError:  # a division by zero or the root of a negative number: no such problem
            continue
        sane = solved.answer == 0 or 1e-25 < abs(solved.answer) < 1e25
        if sane and (problem.accept is None or problem.accept(solved.namespace)):
            return solved
    raise ValueError(f"{problem.name}: no acceptable values in 1000 draws (loosen accept or the givens' bounds)")
