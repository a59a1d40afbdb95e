"""What students usually do wrong, as changes of a solved problem: the formula they use, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mlxtutor.datasets.phrases import pick
from mlxtutor.errors import TutorError
from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.quantities import KINDS, Value
from mlxtutor.problems.types import ProblemType, Solved, Step, solve
from mlxtutor.socratic.moves import depends
from mlxtutor.text.calculator import format_result

_GROWTH = {2: "twice as large", 4: "four times as large", 8: "eight times as large", .5: "half as large", .25: "a quarter as large",
           1: "just as large", .125: "an eighth as large"}
_PREFIXED = re.compile(r"(-?[\d.]+)e(-?\d+)")
LEAST = .05  # relative: a slip that changes less is nothing to talk about
OFF, FAR = 10, 1.5  # factors by which a result surprises, and by which an estimate tells it from the right one
UNSIGNED = ("m", "m^2", "s", "kg", "F", "ohm", "")  # no quantity in these is negative
_PAIR = re.compile(r"\{(\w+)\}([*/])\{(\w+)\}")


@dataclass(frozen=True)
class Slip:
    """kind: a key of data/socratic/moves.yaml. symbol: the given at issue. used: the student's law. wrong: the problem as they solve it.

    unit_used: the unit that the student's law gives, where it is another one; bare: what they put in for the symbol.
    """

    kind: str
    symbol: str
    used: str
    wrong: Solved
    unit_used: str = ""
    bare: str = ""


def find_slips(solved: Solved, names: dict[str, tuple[str, ...]]) -> list[Slip]:
    """Every slip that this problem allows and that changes its answer. names: of the givens, by symbol."""
    found = []
    for kind in (_square, _prefix, _inverse, _half, _counterpart, _sign, _brackets, _percent, _perimeter):
        try:
            found += list(kind(solved))
        except TutorError:  # what the student types has no value
            continue
    found += [slip for slip in _diameter(solved, names)]
    return [slip for slip in found if abs(slip.wrong.answer - solved.answer) > LEAST * abs(solved.answer)]


def growth(solved: Solved, symbol: str) -> float | None:
    """What doubling a given multiplies the result by; None where there is none."""
    value = solved.values[symbol]
    try:
        doubled = solve(solved.type, {**solved.values, symbol: replace(value, canonical=f"(2*{value.canonical})")})
    except TutorError:
        return None
    return doubled.answer / solved.answer if solved.answer else None


def choose(rng: np.random.Generator, slips: list[Slip]) -> Slip:
    """One of them: first the kind, so that those with many givens to go wrong aren't more frequent."""
    kind = pick(rng, sorted({slip.kind for slip in slips}))
    return pick(rng, [slip for slip in slips if slip.kind == kind])


def slip_facts(solved: Solved, slip: Slip, names: dict[str, tuple[str, ...]]) -> dict[str, str] | None:
    """What phrases about a slip are filled with; None where doubling the given at issue has no plain effect."""
    value, unit = solved.values[slip.symbol], solved.type.unit
    right, wrong = growth(solved, slip.symbol), growth(slip.wrong, slip.symbol)
    if right is None or wrong is None or right <= 0 or wrong <= 0:
        return None
    moved = depends(solved.type)
    result = f"{slip.wrong.results[-1]} {unit}".strip()
    charge = value.kind == "charge" and unit == "V"  # the potential that it makes
    return {"s": slip.symbol, "name": names[slip.symbol][0], "stated": value.stated, "bare": slip.bare, "used": slip.used, "unit": unit,
            "si": f"{format_result(value.si)} {si_unit(value)}".strip(), "law": solved.type.law, "unit_used": slip.unit_used,
            "wrong": result, "off": result if _apart(solved, slip) >= OFF else "", "far": result if _apart(solved, slip) >= FAR else "",
            "right": f"{solved.results[-1]} {unit}".strip(), "test": slip.symbol if charge else "",
            "grows": _plainly(right) if moved else "", "grows_used": _plainly(wrong) if moved else "",
            "would": "" if moved else _plainly(right), "trend": _trend(right) if moved else ""}


def _plainly(factor: float) -> str:
    """`twice as large`; "" for a factor that nobody sees without calculating."""
    return "" if grown(factor)[0].isdigit() else grown(factor)


def _trend(factor: float) -> str:
    return "" if abs(factor - 1) < .01 else "larger" if factor > 1 else "smaller"


def _apart(solved: Solved, slip: Slip) -> float:
    """The factor between the right result and the student's."""
    ratio = slip.wrong.answer / solved.answer
    return max(ratio, 1 / ratio) if ratio > 0 else float("inf")


def grown(factor: float) -> str:
    """`twice as large`, `1.41 times as large`."""
    named = next((text for size, text in _GROWTH.items() if abs(factor - size) < 1e-3 * size), None)
    return named or f"{factor:.3g} times as large"


def si_unit(value: Value) -> str:
    """The SI unit of a given; of a word problem's the one it is stated in."""
    return KINDS[value.kind].si.pint if value.kind in KINDS else value.unit


def _changed(solved: Solved, expression: str, law: str) -> Solved:
    """The problem with another last step, as solved by who believes in it."""
    last = solved.type.steps[-1]
    problem = replace(solved.type, law=law, steps=(*solved.type.steps[:-1], Step(last.symbol, expression, last.unit)))
    return solve(problem, solved.values)


def _edited(solved: Solved, kind: str, symbol: str, old: str, new: str, in_law: str, law_new: str, unit_used: str = "") -> Iterator[Slip]:
    expression, law = solved.type.steps[-1].expression, solved.type.law
    if old in expression and in_law in law:
        used = law.replace(in_law, law_new)
        yield Slip(kind, symbol, used, _changed(solved, expression.replace(old, new), used), unit_used)


def _square(solved: Solved) -> Iterator[Slip]:
    """The square of a given is forgotten. Only in a law of a single term, where doubling it counts four times or a quarter: there the
    units show it."""
    if re.search(r"[+-]", solved.type.law):
        return
    for symbol, value in solved.values.items():
        factor, unit, own = growth(solved, symbol), solved.type.unit, si_unit(value)
        if own and factor and any(abs(factor - power) < .01 * power for power in (4, .25)):
            shown = own if unit == f"{own}^2" else _of_units(unit, "/" if factor > 1 else "*", own)
            yield from _edited(solved, "square", symbol, f"{{{symbol}}}^2", f"{{{symbol}}}", f"{symbol}^2", symbol, shown)


def _prefix(solved: Solved) -> Iterator[Slip]:
    """A prefix is left out: 20 for 20 cm."""
    for symbol, value in solved.values.items():
        match = _PREFIXED.fullmatch(value.canonical)
        unit = si_unit(value)
        if match and unit and value.unit != unit:
            wrong = solve(solved.type, {**solved.values, symbol: replace(value, canonical=match[1])})
            yield Slip("prefix", symbol, solved.type.law, wrong, bare=match[1])


def _inverse(solved: Solved) -> Iterator[Slip]:
    """Multiplied instead of divided, or the other way round."""
    match = _PAIR.fullmatch(solved.type.steps[-1].expression)
    if match and {match[1], match[3]} == set(solved.values) and all(value.si > 0 for value in solved.values.values()):
        first, sign, second = match.groups()
        other = "/" if sign == "*" else "*"
        used = f"{solved.type.law.partition(' = ')[0]} = {first}{other}{second}"
        units = [si_unit(solved.values[symbol]) for symbol in (first, second)]
        wrong = _changed(solved, f"{{{first}}}{other}{{{second}}}", used)
        yield Slip("inverse", second, used, wrong, _of_units(units[0], other, units[1]) if all(units) else "")


def _of_units(first: str, sign: str, second: str) -> str:
    return f"{first}/({second})" if sign == "/" and re.search("[*/]", second) else f"{first}{sign}{second}"


def _half(solved: Solved) -> Iterator[Slip]:
    """The half of an energy is forgotten: U = C*V^2."""
    expression, law = solved.type.steps[-1].expression, solved.type.law
    if "energy" in solved.type.name and expression.endswith("/2") and law.endswith("/2"):
        used = law.removesuffix("/2")
        yield Slip("half", list(solved.values)[-1], used, _changed(solved, expression.removesuffix("/2"), used))


def _brackets(solved: Solved) -> Iterator[Slip]:
    """Brackets are left out, in a law that is nothing but sums and products."""
    expression = solved.type.steps[-1].expression
    if solved.type.family == "word problems" and "(" in expression:
        symbol = re.findall(r"\{(\w+)\}", expression.partition("(")[2])[0]
        used = re.sub(r"[()]", "", solved.type.law)
        yield Slip("brackets", symbol, used, _changed(solved, re.sub(r"[()]", "", expression), used))


def _percent(solved: Solved) -> Iterator[Slip]:
    for symbol, value in solved.values.items():
        if "%" in value.printed:
            for slip in _edited(solved, "percent", symbol, "/100", "", "/100", ""):
                yield replace(slip, bare=value.canonical)


def _perimeter(solved: Solved) -> Iterator[Slip]:
    if solved.type.name == "rectangle_area":
        yield Slip("perimeter", "a", "A = 2*a+2*b", _changed(solved, "2*{a}+2*{b}", "A = 2*a+2*b"))


def _counterpart(solved: Solved) -> Iterator[Slip]:
    """The rule for series where the parts are in parallel, or the other way round."""
    other = counterpart(solved.type)
    if other and {given.symbol for given in other.givens} == set(solved.values):
        yield Slip("counterpart", other.givens[0].symbol, other.law, solve(other, solved.values))


def counterpart(problem: ProblemType) -> ProblemType | None:
    """`circuits_series_two` for `circuits_parallel_two`, and so on."""
    swapped = {"series": "parallel", "parallel": "series"}
    name = re.sub("series|parallel", lambda match: swapped[match[0]], problem.name)
    return TYPES.get(name) if name != problem.name and name.endswith(("two", "three")) else None


def _sign(solved: Solved) -> Iterator[Slip]:
    """The minus of a charge is left out of a quantity that has a sign."""
    expression = solved.type.steps[-1].expression
    simple = len(solved.type.steps) == 1 and len(solved.values) < 4 and solved.direction is None and solved.type.unit not in UNSIGNED
    for symbol, value in solved.values.items() if simple else ():
        if value.si < 0 and f"{{{symbol}}}" in expression:
            wrong = solve(solved.type, {**solved.values, symbol: replace(value, canonical=value.abs)})
            if wrong.answer == -solved.answer:
                yield Slip("sign", symbol, solved.type.law, wrong)


def _diameter(solved: Solved, names: dict[str, tuple[str, ...]]) -> Iterator[Slip]:
    """A radius is doubled."""
    for symbol, value in solved.values.items():
        called = names.get(symbol, ())
        if called and all("radius" in name for name in called[:2]):
            number, _, unit = value.stated.partition(" ")
            try:
                double = f"{2 * float(number):.6g} {unit}"
                wrong = solve(solved.type, {**solved.values, symbol: replace(value, canonical=f"(2*{value.canonical})")})
            except (ValueError, TutorError):
                continue
            yield Slip("diameter", symbol, solved.type.law, wrong, bare=double)
