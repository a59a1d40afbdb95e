"""Exercises in putting numbers into a given formula: the step that every worked solution takes, without a text to understand first.

Half of the formulas are laws of the trained problem types, with their full solution; the others are made up, of the same symbols: so
what is learned is to look up the value of whatever symbol stands in a formula, and to notice that one has none.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.problems.build import trained_types
from mlxtutor.problems.quantities import sample
from mlxtutor.problems.solution import missing_reply, opening, worked
from mlxtutor.problems.types import Given, ProblemType, Solved, Step, draw, solve
from mlxtutor.problems.wording import load_wordings
from mlxtutor.text.calculator import CalculatorError

MISSING_SHARE, REAL_SHARE = .15, .5
FORMS = ("Put {v} into {l}.", "Evaluate {l} for {v}.", "{l}. Here {v}. Find {s}.", "{V}. Use {l}.", "Substitute {v} into {l}.",
         "With {v}, what does {l} give?", "Compute {s} from {l} with {v}.", "{l}\n{v}\n{s} = ?", "Given {v}: {l}. How large is {s}?",
         "I have {l} and {v}. What is {s}?", "Formula: {l}. Values: {v}.", "Apply {l} to {v}.")
RESULTS = ("x", "y", "F", "E", "V", "Q", "U", "C", "R", "I", "P", "W", "t", "r", "d", "q")
FRONTS = ("", "", "", "", "k*", "2*k*", "eps0*", "4*pi*eps0*", "2*", "pi*", "e*")


def substitution(rng: np.random.Generator, calculator: bool) -> tuple[str, object]:
    """A formula with numbers, and the reply."""
    real = rng.random() < REAL_SHARE
    solved = draw(pick(rng, trained_types()), rng) if real else _made_up(rng)
    problem = solved.type
    left_out = ""
    if problem.removable and len(solved.values) > 1 and rng.random() < MISSING_SHARE:
        left_out = pick(rng, problem.removable)
    order = [symbol for symbol in rng.permutation(list(solved.values)).tolist() if symbol != left_out]
    values = pick(rng, (", ", ", ", " and ", "; ")).join(f"{symbol} = {solved.values[symbol].printed}" for symbol in order)
    question = pick(rng, FORMS).format(v=values, V=values, l=problem.law, s=problem.steps[-1].symbol)
    if left_out:
        return question, missing_reply(solved, order, left_out, _name(problem, left_out))
    return question, worked(solved, order, calculator) if real else _bare(solved, order, calculator)


def _bare(solved: Solved, order: list[str], calculator: bool) -> object:
    """A made-up formula has no unit and no meaning to check."""
    lead = f"{opening(solved, order)}\n{solved.type.steps[0].symbol} = "
    if not calculator:
        return f"{lead}{solved.expressions[0]}\nAnswer: evaluate the expression; the unit is none"
    return [lead, {"calc": solved.expressions[0], "result": solved.results[0]}, f"\nAnswer: {solved.results[0]}"]


def _name(problem: ProblemType, symbol: str) -> str:
    return load_wordings(problem.family)[problem.name].names[symbol][0] if problem.family != "made_up" else f"the value of {symbol}"


@cache
def _pool() -> tuple[Given, ...]:
    """Every given of the trained types, once."""
    return tuple({(g.symbol, g.kind): g for problem in trained_types() for g in problem.givens}.values())


def _made_up(rng: np.random.Generator) -> Solved:
    """A formula of up to five symbols, with numbers that it can be evaluated for."""
    while True:
        chosen: dict[str, Given] = {}
        for _ in range(int(rng.choice([2, 3, 4, 5], p=[.3, .35, .25, .1]))):
            given = pick(rng, _pool())
            chosen.setdefault(given.symbol, given)
        formula = pick(rng, FRONTS) + _formula(rng, [*chosen])
        for symbol in chosen:
            formula = formula.replace(f"{{{symbol}}}^2", f"{{{symbol}.abs}}^2" if chosen[symbol].signed else f"{{{symbol}}}^2")
        result = pick(rng, [symbol for symbol in RESULTS if symbol not in chosen])
        problem = ProblemType("made_up", "made_up", tuple(chosen.values()), f"{result} = {_law(formula)}", (Step(result, formula, ""),),
                              "", "")
        values = {s: sample(rng, s, g.kind, g.low, g.high, g.signed, g.unit) for s, g in chosen.items()}
        try:
            solved = solve(problem, values)
        except CalculatorError:
            continue
        if 1e-25 < abs(solved.answer) < 1e25:
            return solved


def _law(formula: str) -> str:
    """`{q.abs}*{r}` as a law writes it: `|q|*r`."""
    for part in formula.split("{")[1:]:
        name = part.partition("}")[0]
        symbol = name.removesuffix(".abs")
        formula = formula.replace("{" + name + "}", f"|{symbol}|" if name != symbol else symbol)
    return formula


def _formula(rng: np.random.Generator, symbols: list[str]) -> str:
    """Products, quotients, sums, powers and roots in which each symbol stands once."""
    if len(symbols) == 1:
        return pick(rng, ("{%s}", "{%s}", "{%s}", "{%s.abs}", "{%s}^2", "{%s.abs}^2")) % symbols[0]
    cut = int(rng.integers(1, len(symbols)))
    left, right = _formula(rng, symbols[:cut]), _formula(rng, symbols[cut:])
    operator = str(rng.choice(["*", "/", "+", "-"], p=[.4, .35, .15, .1]))
    if operator in "+-":
        return pick(rng, ("({}{}{})", "({}{}{})", "({}{}{})^2", "sqrt({}{}{})")).format(left, operator, right)
    if operator == "/" and not right.startswith(("(", "sqrt(")) and any(c in right for c in "*/"):
        right = f"({right})"
    return f"{left}{operator}{right}" if rng.random() < .85 else f"sqrt({left}{operator}{right})"
