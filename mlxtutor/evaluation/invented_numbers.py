"""Numbers in an answer that come from nowhere: neither the problem's, nor a constant, nor calculated in the answer."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import floor, log10
from typing import Any

from mlxtutor.evaluation.expressions import iterate_pieces
from mlxtutor.evaluation.notation import plain
from mlxtutor.evaluation.reading import Number, Reading, find_numbers
from mlxtutor.evaluation.transcript import Transcript
from mlxtutor.evaluation.units import leading_unit, parse_unit

# CODATA 2018: k, eps0, e, electron and proton mass, c, G, N_A; then g, pi, exp(-1) and 1 - exp(-1); electrons in a coulomb;
# 1/k = 4*pi*eps0 for a meter and a centimeter; the field at which air breaks down.
CONSTANTS = (8.9875517923e9, 8.8541878128e-12, 1.602176634e-19, 9.1093837015e-31, 1.67262192369e-27, 2.99792458e8,
             6.6743e-11, 6.02214076e23, 9.81, 9.8, 3.14159265, 0.36787944, 0.63212056,
             6.241509074e18, 1.11265e-10, 1.11265e-12, 3e6)
ROUND = (9e9, 8.99e9, 3e8, 6.25e18, 10.0, 0.5, 0.37, 0.63)  # the same with fewer digits than rounding keeps
FORMULA = (1 / 3, 2 / 3, 1.5, 0.25, 37.0, 63.0, 45.0, 60.0, 90.0, 180.0, 270.0, 360.0, 3600.0)  # factors, percentages, angles
MAX_SMALL = 10  # integers up to here stand in formulas
EXACT = 1e-6


@lru_cache(maxsize=16384)
def stated_numbers(text: str) -> tuple[float, ...]:
    """Every number of a problem's text as sizes: as written, in SI units, and its mantissa alone."""
    text = plain(text)
    found: set[float] = set()
    for number in find_numbers(text):
        unit = parse_unit(leading_unit(text[number.end:])[0])
        found |= {abs(number.value), abs(number.value) * (unit.factor if unit else 1), float(number.mantissa)}
    return tuple(found)


def given_numbers(problem: str, answer: dict[str, Any]) -> tuple[float, ...]:
    """The sizes that an answer may use: the problem's, the givens', the constants of the row and those everybody knows."""
    found = set(stated_numbers(problem)) | {abs(float(constant)) for constant in answer.get("constants") or []}
    for given in answer.get("givens") or []:
        if given["symbol"] != answer.get("missing"):
            found |= set(stated_numbers(given.get("text") or ""))
            found |= {abs(float(given["value"]))} if given.get("value") is not None else set()
    return tuple(found | set(CONSTANTS) | set(ROUND))


def find_invented(transcript: Transcript, known: Sequence[float], final: Reading | None, may_compute: bool = True) -> tuple[float, ...]:
    """The invented numbers, in order. known: sizes from given_numbers; final: the answer, whose number no formula excuses.

    may_compute: results of the calculator, and of arithmetic that the answer writes out correctly, count as calculated.
    """
    results = [abs(x) for x in transcript.results] if may_compute else []
    texts = [*((expression, True) for expression, _ in transcript.calls), (transcript.prose, not may_compute)]
    unknown = [(n, _sizes(n, text) + (_factor(n, text) if typed else ())) for text, typed in texts for n in find_numbers(text)]
    unknown = [(n, sizes) for n, sizes in unknown if not _is_known(n, sizes, known, results)]
    unfounded = _is_unfounded(final, known, results)
    if (unknown or unfounded) and may_compute:
        known = (*known, *(x * x for x in known))  # 0.04 for 20 cm squared
        results += _computed(transcript.prose, known, results)
        unknown = [(n, sizes) for n, sizes in unknown if not _is_known(n, sizes, known, results)]
        unfounded = unfounded and _is_unfounded(final, known, results)
    invented = [n.value for n, _ in unknown]
    if unfounded and final and final.value is not None and final.value not in invented:
        invented.append(final.value)
    return tuple(invented)


def _is_unfounded(final: Reading | None, known: Sequence[float], results: Sequence[float]) -> bool:
    """Whether the final answer's number is nobody's result; being a small integer or a usual angle doesn't found it."""
    if final is None or not (final.marked and final.value):
        return False
    unit = parse_unit(final.unit)
    sizes = {abs(final.value), abs(final.value) * (unit.factor if unit else 1)}
    return not any(_equals(size, x, 1) for size in sizes for x in (*known, *results))


def _sizes(number: Number, text: str) -> tuple[float, ...]:
    """A number's size as written and, where a unit follows it in the text, in SI units."""
    unit = parse_unit(leading_unit(text[number.end:])[0])
    size = abs(number.value)
    return (size, size * unit.factor) if unit and unit.factor != 1 else (size,)


def _factor(number: Number, expression: str) -> tuple[float, ...]:
    """In an expression `56.1*10^2` may also be 56.1 times the square of 10: then 56.1 is the number to know."""
    return (float(number.mantissa),) if "*10^" in expression[number.start:number.end] else ()


def _is_known(number: Number, sizes: Iterable[float], known: Sequence[float], results: Sequence[float]) -> bool:
    size = abs(number.value)
    if number.bare or size in FORMULA or _is_small(size) or _is_power_of_ten(size):
        return True
    return any(_equals(s, x, 2) for s in sizes for x in known) or any(_equals(s, x, 1) for s in sizes for x in results)


def _is_small(size: float) -> bool:
    return size <= MAX_SMALL and size == int(size)


def _is_power_of_ten(size: float) -> bool:
    return abs(log10(size) - round(log10(size))) < 1e-9


def _equals(size: float, known: float, least_digits: int) -> bool:
    """Whether two sizes agree, or the first is the second rounded to at least so many digits."""
    if abs(size - known) <= EXACT * known:
        return True
    if not size or not known or abs(size - known) > 0.5 * known:
        return False
    digits = len(f"{size:.10e}".split("e")[0].replace(".", "").rstrip("0"))
    place = 10.0 ** (floor(log10(known)) - max(digits, least_digits) + 1)
    return digits >= least_digits and abs(size - known) <= 0.5001 * place


def _computed(text: str, known: Sequence[float], results: Sequence[float]) -> list[float]:
    """Sizes that the text's own arithmetic gives: `4e-6*6e-6 = 2.4e-11` from known numbers, and equal forms of the same value."""
    derived: list[float] = []
    values: list[float] = list(results)
    for piece in iterate_pieces(text):
        numbers = find_numbers(piece.text)
        unknown = [n for n in numbers if not _is_known(n, _sizes(n, piece.text), known, [*results, *derived])]
        size = abs(piece.value)
        if not unknown:
            if piece.computed:
                values.append(size)
                derived.append(size)
        elif any(abs(size - value) <= 0.01 * value for value in values):
            derived += [x for n in unknown for x in _sizes(n, piece.text)]
    return derived
