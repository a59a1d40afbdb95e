"""Second and third turns after a worked solution: what if, what for, in other units, how to check; each computes something new."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.errors import TutorError
from mlxtutor.problems.quantities import PREFIX_WORDS, PREFIXES
from mlxtutor.problems.solution import unit_check
from mlxtutor.problems.types import CONSTANT_VALUES, Solved
from mlxtutor.shipped import shipped_yaml
from mlxtutor.socratic.dialogue import sentence
from mlxtutor.socratic.moves import depends
from mlxtutor.socratic.slips import grown, growth, si_unit
from mlxtutor.text.calculator import evaluate, format_result

Content = list[Any]
Turn = tuple[str, Content]  # what the student asks, what the tutor answers
CONVERTED = ("N", "V", "C", "F", "A", "ohm", "W", "J", "m", "s", "N/C", "V/m")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?")
_PRODUCT = re.compile(r"[\d.e*/^()-]+")


@cache
def phrases() -> dict[str, Any]:
    return dict(shipped_yaml("followup/phrases.yaml"))


class Deeper:
    """The questions that can be asked after a solution. names: of the givens, by symbol."""

    def __init__(self, rng: np.random.Generator, solved: Solved, names: dict[str, tuple[str, ...]], target: str) -> None:
        self.rng, self.solved, self.names, self.target = rng, solved, names, target
        self.step, self.expression, self.result = solved.type.steps[-1], solved.expressions[-1], solved.results[-1]

    def turns(self, count: int) -> list[Turn]:
        """Up to `count` different ones, in a random order."""
        makers = [self._what_if, self._wanted, self._convert, self._estimate, self._units]
        found = (makers[index]() for index in self.rng.permutation(len(makers)))
        return [turn for turn in found if turn][:count]

    def _turn(self, kind: str, facts: dict[str, str], content: Content) -> Turn:
        facts = {"target": self.target, "law": self.solved.type.law, **facts}
        ask = sentence(pick(self.rng, phrases()[kind]["ask"]).format(**facts))
        return ask, [sentence(pick(self.rng, phrases()[kind]["reply"]).format(**facts)), *content]

    def _given(self) -> tuple[str, float] | None:
        """A given, and what doubling it multiplies the result by. None where the result doesn't depend on what reveals it."""
        if not depends(self.solved.type):
            return None
        symbol = pick(self.rng, list(self.solved.values))
        factor = growth(self.solved, symbol)
        return (symbol, factor) if factor and factor > 0 and abs(factor - 1) > .01 else None

    def _facts(self, symbol: str, factor: float) -> dict[str, str]:
        return {"s": symbol, "name": self.names[symbol][0], "stated": self.solved.values[symbol].stated, "grows": grown(factor)}

    def _what_if(self) -> Turn | None:
        given = self._given()
        if given is None or len(self.solved.type.steps) > 1:
            return None
        symbol, factor = given
        value = self.solved.values[symbol]
        known = {**CONSTANT_VALUES, **{name: given.canonical for name, given in self.solved.values.items()}}
        doubled = _Doubled(value.canonical)
        expression = self.step.expression.format(**{**_attributes(known), symbol: doubled})
        content = [f"{self.step.symbol} = ", *_call(expression), f"{_space(self.step.unit)}."]
        return self._turn("what_if", self._facts(symbol, factor), content)

    def _wanted(self) -> Turn | None:
        given = self._given()
        if given is None:
            return None
        symbol, factor = given
        power = math.log2(factor)
        if abs(power - round(power)) > .01 or not round(power):
            return None
        by = 2 ** (1 / round(power))
        value = self.solved.values[symbol]
        if value.si <= 0:
            return None
        facts = {**self._facts(symbol, factor), "factor": f"{by:.4g}"}
        return self._turn("wanted", facts, [f"{symbol} = ", *_call(f"{by:.4g}*{value.canonical}"), f"{_space(si_unit(value))}."])

    def _convert(self) -> Turn | None:
        """The answer in a prefixed unit, in which it is between 1 and 1000."""
        unit = self.step.unit
        size = abs(self.solved.answer)
        fitting = [prefix for prefix, power in PREFIXES.items() if prefix not in ("", "c") and 1 <= size / 10.0 ** power < 1000]
        if unit not in CONVERTED or not fitting:
            return None
        prefix = fitting[0]
        shown = ("μ" if prefix == "u" else prefix) + unit
        power = -PREFIXES[prefix]
        meaning = f"{PREFIX_WORDS[prefix]} means 10^{PREFIXES[prefix]}"
        facts = {"other": shown, "meaning": sentence(meaning)}
        expression = f"{self.result}*1e{power}" if power >= 0 else f"{self.result}/1e{-power}"
        return self._turn("convert", facts, [*_call(expression), f" {shown}."])

    def _estimate(self) -> Turn | None:
        """Only for products and quotients: there the powers of ten add up."""
        if not _PRODUCT.fullmatch(self.expression) or "(" in self.expression or self.solved.answer == 0:
            return None
        rounded = _NUMBER.sub(_power_of_ten, self.expression)
        try:
            found = evaluate(rounded)
        except TutorError:
            return None
        if not 0.1 < abs(found / self.solved.answer) < 10:
            return None
        return self._turn("estimate", {}, [*_call(rounded), f". {pick(self.rng, phrases()['estimate']['end'])}"])

    def _units(self) -> Turn | None:
        check = unit_check(self.solved)
        return self._turn("units", {}, [f"{check}."]) if re.search(r"[*/]", check.partition(" = ")[0]) else None


class _Doubled(str):
    """A given as its double: `(2*20e-2)`."""

    def __new__(cls, canonical: str) -> _Doubled:
        made = super().__new__(cls, f"(2*{canonical})")
        made.size = f"(2*{canonical.lstrip('-')})"  # type: ignore[attr-defined]
        return made

    @property
    def abs(self) -> str:
        return str(self.size)  # type: ignore[attr-defined]


class _Plain(str):
    @property
    def abs(self) -> str:
        return self.lstrip("-")


def _attributes(known: dict[str, str]) -> dict[str, _Plain]:
    return {name: _Plain(text) for name, text in known.items()}


def _call(expression: str) -> Content:
    return [{"calc": expression, "result": format_result(evaluate(expression))}]


def _space(unit: str) -> str:
    return f" {unit}" if unit else ""


def _power_of_ten(match: re.Match[str]) -> str:
    """A number as the nearest power of ten; small whole numbers, exponents among them, as they are."""
    text = match[0]
    before = match.string[match.start() - 1:match.start()]
    value = float(text)
    if before == "^" or value in (2, 3, 4) and "e" not in text:
        return text
    return f"1e{round(math.log10(value))}" if value else text
