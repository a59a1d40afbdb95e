"""Arithmetic and algebra word problems as problem types, from data/socratic/word_problems.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mlxtutor.problems.quantities import Value
from mlxtutor.problems.types import Given, ProblemType, Solved, Step, solve
from mlxtutor.shipped import shipped_yaml
from mlxtutor.text.calculator import evaluate

FAMILY = "word problems"


@dataclass(frozen=True)
class WordProblem:
    """ranges: lowest and highest number and how it is printed, by symbol."""

    type: ProblemType
    ranges: dict[str, tuple[int, int, str]]
    names: dict[str, tuple[str, ...]]
    target: str
    scenes: tuple[str, ...]
    questions: tuple[str, ...]
    decimals: int = 0  # of the answer

    def draw(self, rng: np.random.Generator) -> Solved:
        """With whole numbers, and an answer that the calculator gives exactly: positive, whole where things are counted, else to cents."""
        while True:
            values = {symbol: _value(rng, symbol, *limits) for symbol, limits in self.ranges.items()}
            solved = solve(self.type, values)
            exact = evaluate(solved.expressions[-1])
            if solved.answer > 0 and abs(solved.answer - exact) < 1e-9 and abs(round(exact, self.decimals) - exact) < 1e-9:
                return solved

    def text(self, rng: np.random.Generator, solved: Solved) -> str:
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        question = self.questions[int(rng.integers(len(self.questions)))]
        return f"{scene.format(**{symbol: value.printed for symbol, value in solved.values.items()})} {question}"


def _value(rng: np.random.Generator, symbol: str, low: int, high: int, printed: str) -> Value:
    number = str(int(rng.integers(low, high + 1)))
    text = printed.format(v=number)
    unit = printed.replace("{v}", "").strip()
    return Value(symbol, "number of a word problem", number, unit if unit in ("m", "cm") else "", text, text)


@cache
def word_problems() -> dict[str, WordProblem]:
    """All of them by name."""
    return {name: _problem(name, fields) for name, fields in shipped_yaml("socratic/word_problems.yaml").items()}


def _problem(name: str, fields: dict) -> WordProblem:
    step = Step(fields["law"].partition(" = ")[0], fields["expression"], fields["unit"])
    problem = ProblemType(name, FAMILY, tuple(Given(symbol, "number") for symbol in fields["givens"]), fields["law"], (step,), "", "")
    return WordProblem(problem, {symbol: tuple(limits) for symbol, limits in fields["givens"].items()},
                       {symbol: (text,) for symbol, text in fields["names"].items()}, fields["target"], tuple(fields["scenes"]),
                       tuple(fields["questions"]), fields.get("decimals", 0))
