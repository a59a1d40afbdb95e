"""Arithmetic written out in an answer, evaluated: `F = 8.99e9*3e-6*5e-9/20e-2^2`, `(8.99 × 10⁹)(3 μC)/(0.2 m)²`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlxtutor.evaluation.reading import find_numbers
from mlxtutor.evaluation.units import leading_unit, parse_unit
from mlxtutor.text.calculator import FUNCTIONS, CalculatorError, evaluate

_LABEL = re.compile(r"\s*(?:law|units?|unit check|check|answer|missing|given)\s*:", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_SYMBOL = re.compile(r"([A-Za-z_]\w*)\s*$")
_OPERATOR = re.compile(r"[\w)]\s*[*/^+]\s*[-\w(.]|[\w)]\s*-\s*[\w(.]|\)\s*\(")
_IMPLIED = re.compile(r"(?<=\))\s*(?=[\d(])|(?<=\d)\s*(?=\()")
_ABS = re.compile(r"\|([^|]+)\|")


@dataclass(frozen=True)
class Piece:
    """One side of an equation with its value; computed: it is a calculation, not a lone number."""

    line: int
    text: str
    value: float
    computed: bool


def iterate_pieces(text: str) -> Iterator[Piece]:
    """The sides of a plain text's equations that have a value, in order. Symbols defined on earlier lines count as known."""
    known: dict[str, float] = {}
    for index, line in enumerate(text.split("\n")):
        if "=" not in line or _LABEL.match(line):
            continue
        sides = line.split("=")
        symbol = _SYMBOL.search(sides[0])
        for side in sides[1:]:
            value = evaluate_text(side, known)
            if value is None:
                continue
            yield Piece(index, side, value, bool(_OPERATOR.search(side.replace("e-", "e").replace("e+", "e"))))
            if symbol:
                known[symbol[1]] = value


def final_expression(text: str) -> float | None:
    """The value of the last substituted expression; of a number where the last line with a value has only that."""
    pieces = list(iterate_pieces(text))
    last = [piece for piece in pieces if piece.line == pieces[-1].line]
    computed = [piece for piece in last if piece.computed]
    return (computed or last)[-1].value if last else None


def evaluate_text(text: str, known: dict[str, float]) -> float | None:
    """The value of an expression in plain text; units after numbers are converted to SI. None where it has none."""
    text = text.strip().rstrip(".,;")
    if not text or not (any(c.isdigit() for c in text) or text in known):
        return None
    for reading in (_substituted, _cleaned):
        expression = reading(text, known)
        try:
            return evaluate(expression) if expression else None
        except CalculatorError:
            continue
    return None


def _substituted(text: str, known: dict[str, float]) -> str:
    return _NAME.sub(lambda m: m[0] if m[0] in FUNCTIONS or m[0] not in known else f"({known[m[0]]!r})", text)


def _cleaned(text: str, known: dict[str, float]) -> str:
    """Numbers in the calculator's notation, their units applied, implied products written, what follows a comma cut."""
    pieces, end = [], 0
    for number in find_numbers(text):
        if number.start < end:
            continue
        name, length = leading_unit(text[number.end:])
        unit = parse_unit(name) if name else None
        size = abs(number.value) * (unit.factor if unit else 1)
        printed = text[number.end:number.end + length]
        pieces.append(f"{text[end:number.start]}{size!r}" + ")" * (printed.count(")") - printed.count("(")))
        end = number.end + length
    joined = "".join(pieces) + text[end:]
    joined = _ABS.sub(r"abs(\1)", joined).replace("[", "(").replace("]", ")")
    joined = re.sub(r"(?<=[\d)])\s*x\s*(?=[\d(])", "*", joined).split(",")[0].split(";")[0]
    return _IMPLIED.sub("*", _substituted(joined, known)).strip()
