"""The worked solution of a solved problem, as message content: text and structured calculator calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace

from mlxtutor.problems.types import CONSTANT_UNITS, CONSTANT_VALUES, Solved
from mlxtutor.shipped import shipped_yaml

# What solutions repeat to the letter. As single tokens these, and powers of ten, leave a tenth fewer tokens to a problem.
RECURRING = ("Given:", "Topic:", "Law:", "Units:", "Check:", "Answer:", "Missing:", CONSTANT_VALUES["k"], CONSTANT_UNITS["k"],
             CONSTANT_VALUES["eps0"], CONSTANT_VALUES["e"], "^2")


def worked(solved: Solved, order: Sequence[str], calculator: bool = True) -> list[str | dict[str, str]] | str:
    """Givens, topic, law, substitution, unit check, sanity check, answer. order: of the givens, as the problem states them.

    calculator=False leaves the evaluation to the student.
    """
    if calculator:
        return _with_calculator(solved, order)
    problem = solved.type
    lines = [opening(solved, order)]
    lines += [f"{step.symbol} = {text}" for step, text in zip(problem.steps, _symbolic(solved))]
    direction = _from_givens(solved, problem.direction) if problem.direction else None
    check = _from_givens(solved, problem.sanity) or "the sign and size of the result must fit the picture."
    lines += [f"Units: {unit_check(solved)}", f"Check: {check}"]
    lines.append(f"Answer: evaluate the expression; the unit is {problem.unit or 'none'}{f', {direction}' if direction else ''}")
    return "\n".join(lines)


def _from_givens(solved: Solved, text: Callable[[SimpleNamespace], str]) -> str | None:
    """What a check or direction says without any result; None when it needs one."""
    try:
        return text(solved.given_namespace)
    except AttributeError:
        return None


def _with_calculator(solved: Solved, order: Sequence[str]) -> list[str | dict[str, str]]:
    problem = solved.type
    parts: list[str | dict[str, str]] = []
    text = f"{opening(solved, order)}\n"
    for step, expression, result in zip(problem.steps, solved.expressions, solved.results):
        parts += [f"{text}{step.symbol} = ", {"calc": expression, "result": result}]
        text = f"{_space(step.unit)}\n"
    end = f"Units: {unit_check(solved)}\nCheck: {problem.sanity(solved.namespace)}\n"
    parts.append(f"{text}{end}Answer: {solved.results[-1]}{_space(problem.unit)}{_direction(solved)}")
    return parts


def _space(unit: str) -> str:
    return f" {unit}" if unit else ""


def _direction(solved: Solved) -> str:
    return f", {solved.direction}" if solved.direction else ""


def _symbolic(solved: Solved) -> list[str]:
    """Each step with the givens substituted and earlier results by name: nothing is computed."""
    known: dict[str, object] = {**CONSTANT_VALUES, **solved.values}
    lines = []
    for step in solved.type.steps:
        lines.append(step.expression.format(**known))
        known[step.symbol] = _Name(step.symbol)
    return lines


class _Name(str):
    """A symbol standing for a result: `{F.abs}` writes abs(F)."""

    @property
    def abs(self) -> str:
        return f"abs({self})"


def unit_check(solved: Solved) -> str:
    """`N*m^2/C^2*uC*nC/cm^2 = N`: the formula's units as this problem gives them, and the answer's."""
    def unit(match: re.Match[str]) -> str:
        name, power = match.group(1), match.group(2) or ""
        if name in CONSTANT_UNITS and not power:
            return CONSTANT_UNITS[name]
        text = CONSTANT_UNITS.get(name) or solved.values[name].unit or "1"
        compound = any(c in text for c in "/*^")
        return f"({text}){power}" if compound else f"{text}{power}"

    left = re.sub(r"\[(\w+)\](\^[\d.]+)?", unit, solved.type.units)
    return f"{left} = {solved.type.unit or '1'}"


@cache
def topics() -> dict[str, str]:
    """What each type is about, from data/problems/topics.yaml, by type name."""
    return dict(shipped_yaml("problems/topics.yaml"))


def opening(solved: Solved, order: Sequence[str]) -> str:
    """Givens, topic and law: once the numbers stand there with their units, few topics fit them."""
    return f"{givens(solved, order)}\nTopic: {topics()[solved.type.name]}\nLaw: {solved.type.law}"


def givens(solved: Solved, order: Sequence[str]) -> str:
    """`Given: 3 uC -> q1 = 3e-6, 20 cm -> r = 20e-2`: in the problem's order, in SI units.

    The value stands before its symbol: so a small model copies it first, and has its unit when it chooses the symbol.
    """
    items = [f"{solved.values[symbol].stated} -> {symbol} = {solved.values[symbol]}" for symbol in order]
    return "Given: " + (", ".join(items) or "nothing")


def missing_reply(solved: Solved, order: Sequence[str], symbol: str, name: str) -> str:
    """What the tutor says when a quantity isn't given: what it has, the law that needs more, and a question for it.

    The symbol comes before the name: the law has one that was not given, whatever it is called.
    """
    return (f"{opening(solved, order)}\nMissing: {symbol}, {name}\n"
            f"I can't compute the answer without it. What is {name}?")
