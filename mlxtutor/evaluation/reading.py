"""Numbers and the final answer in a text, in the notations of students, textbooks and models."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlxtutor.evaluation.notation import plain
from mlxtutor.evaluation.units import is_angle, leading_unit, parse_unit, same_dimension

_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MANTISSA = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.(?=[eE][-+]?\d)|\d+(?:\.\d+)?|\.\d+"
_TO = r"\s*(?:\^\s*|to the (?:power (?:of )?)?)"
_EXPONENT = rf"([-+]|minus |negative |plus )?\s*(\d+(?!\.?\d)|{'|'.join(_SMALL[1:])})"
_NUMBER = re.compile(rf"(?<![A-Za-z_\d.])(?:10{_TO}{_EXPONENT}"
                     rf"|({_MANTISSA})(?:[eE]([-+]?\d+)|\s*(?:[xX*]|times)\s*(?:10|ten){_TO}{_EXPONENT})?)")
_MINUS_WORD = re.compile(r"(?:minus|negative)\s+$")
_MARK = re.compile(r"####(?=\s*[-+]?\s*[\d.])"
                   r"|\b(?:final\s+)?(?:answer|ans)\b\s*(?:\([^)\n]*\)\s*)?(?:(is\b)\s*:?|[:=]|\.?\s*(\n|\Z))", re.IGNORECASE)
_UNIT_IS = re.compile(r"\bunits?\s*(?:is|are|:|=|would be|should be)\s*", re.IGNORECASE)
_OPENING = re.compile(r"\W*(?:[|\w\s'(),]{1,40}?=\s*)?(?:(?:about|approximately|approx\.?|roughly|it is|is)\s+)?[-+(]?\s*")
_QUOTIENT = re.compile(r"(?<![\w.)*/^+-])\(?\b(\d+)\)?/\(?0*([1-9]\d*)\)?(?!\s*[\w.]?[*/^+(\d-])")  # 27/8
_ZERO = re.compile(r"(?<![-\w])zero\b", re.IGNORECASE)
_ERROR = re.compile(r"\s*(?:±|\+/-)\s*[\d.]+(?:e-?\d+)?")
_IS = re.compile(r"(?:\b(?:is|are|be|equals|was)|=)\s*(?:(?:about|approximately|roughly|equal to)\s+)?[-+(]?\s*$")
_OR = re.compile(r"\bor\b", re.IGNORECASE)

SAME = 0.01  # relative: two numbers this close are one, rounded differently
LARGEST = 1e300  # what overflows reads as this


@dataclass(frozen=True)
class Number:
    """value; plain text[start:end] without the sign; mantissa: the digits as written; bare: a power of ten such as 10^-3."""

    value: float
    start: int
    end: int
    mantissa: str
    bare: bool = False


@dataclass(frozen=True)
class Reading:
    """The final answer. value: as written, in `unit`; None where it states none. rest: what stands around number and unit.

    marked: stated as the answer (`Answer:`, `####`, boxed), not only the last quantity of the text.
    """

    value: float | None
    unit: str
    rest: str
    segment: str
    marked: bool


def find_numbers(text: str) -> list[Number]:
    """Every number in a plain text (see notation.plain), in order; digits inside names (`q1`, `m2`) are none."""
    return [_number(text, match) for match in _NUMBER.finditer(text)]


def _number(text: str, match: re.Match[str]) -> Number:
    bare_sign, bare_power, mantissa, e, sign, power = match.groups()
    digits = "10" if bare_power else mantissa
    exponent = int(e) if e else _exponent(bare_sign or sign, bare_power or power)
    size = float(f"1e{exponent}") if bare_power else float(f"{digits.replace(',', '')}e{exponent}")
    size = min(size, LARGEST)
    value = -size if _is_negative(text, match.start()) else size
    return Number(value, match.start(), match.end(), digits.replace(",", ""), bool(bare_power))


def _exponent(sign: str | None, power: str | None) -> int:
    if power is None:
        return 0
    size = _SMALL.index(power) if power in _SMALL else int(power)
    return -min(size, 999) if sign and sign.strip() in ("-", "minus", "negative") else min(size, 999)


def _is_negative(text: str, start: int) -> bool:
    """Whether a minus before the number is its sign, not a subtraction, a range or a bullet."""
    before = text[max(0, start - 24):start]
    if not before or before[-1] not in "- e":
        return False
    if before[-1] == "-":
        earlier = before[:-1]
        return not earlier[-1:].isalnum() and not re.search(r"[\d)]\s*$", earlier)
    if _MINUS_WORD.search(before):
        return True
    stripped = before.rstrip()
    return stripped.endswith("-") and stripped[:-1].rstrip()[-1:] in tuple("=:(")


def read_final(answer: str) -> Reading | None:
    """The last final answer: after `Answer:`, `####` or in \\boxed{}, else the last number with a unit; None without numbers."""
    text = plain(answer)
    for mark in reversed(list(_MARK.finditer(text))):
        segment = _segment(text, mark.end())
        reading = _choose(segment)
        if reading is not None:
            return replace(reading, marked=True)
        if not (mark[1] or mark[2]):  # `Answer:` without a number is an answer that states none
            return Reading(None, _stated_unit(segment), segment, segment, marked=True)
    return _last_quantity(text)


def _segment(text: str, start: int) -> str:
    """The rest of the line, or the next line that isn't empty."""
    return text[start:].lstrip(" \t*:\n").split("\n", 1)[0].strip()


def _stated_unit(segment: str) -> str:
    """The unit of an answer that leaves the number to the student: `the unit is N`."""
    match = _UNIT_IS.search(segment)
    return leading_unit(segment[match.end():])[0] if match else ""


@dataclass(frozen=True)
class _Quantity:
    number: Number
    unit: str
    end: int

    @property
    def size(self) -> float:
        """In SI units, where the unit is known."""
        unit = parse_unit(self.unit)
        return self.number.value * (unit.factor if unit else 1)


def _quantities(line: str) -> list[_Quantity]:
    """The numbers of a line that are no operands of a longer expression, each with its unit ("" for none)."""
    found = []
    for number in find_numbers(line):
        unit, length = leading_unit(line[number.end:])
        end = number.end + length
        before = line[:number.start].rstrip(" -(")[-1:]
        after = line[number.end:].lstrip(" )]")[:2]
        operand = before in tuple("*/^") or after[:1] in tuple("*/^+") or (after[:1] == "-" and after[1:].isdigit())
        if not operand:
            found.append(_Quantity(number, unit, end))
    return found


def _divided(match: re.Match[str]) -> str:
    return f"{min(float(match[1]), LARGEST) / float(match[2]):.6g}"


def _choose(line: str) -> Reading | None:
    """The quantity that a line answers with: the one it opens with, else after its last `=` or `is`, else its last."""
    line = _ZERO.sub("0", _QUOTIENT.sub(_divided, _ERROR.sub("", line)))
    found = _quantities(line)
    with_unit = [q for q in found if q.unit and not is_angle(q.unit)]
    found = with_unit or [q for q in found if q.unit] or found
    if not found:
        return None
    opening = _OPENING.match(line)
    stated = [q for q in found if _IS.search(line[:q.number.start])]
    first = found[0] if opening and opening.end() == found[0].number.start else None
    chosen = first or (stated or found)[-1]
    rest = f"{line[:chosen.number.start]} {line[chosen.end:]}".strip(" ,;.()")
    return Reading(chosen.number.value, chosen.unit, rest, line, marked=False)


def hedges(reading: Reading, stated: Sequence[float]) -> bool:
    """Whether a marked answer's line gives another number too: `14.74 V or 44.22 V`. stated: the problem's sizes, which it may repeat."""
    if not reading.marked or reading.value is None:
        return False
    line, unit = reading.segment, parse_unit(reading.unit)
    found = [quantity for quantity in _quantities(line) if not is_angle(quantity.unit)]
    if any(_OR.search(line[a.end:b.number.start]) and _differ(a, b) for a, b in zip(found, found[1:])):
        return True
    chosen = abs(reading.value) * (unit.factor if unit else 1)
    others = [abs(q.size) for q in found if q.unit and same_dimension(parse_unit(q.unit), unit)]
    return any(abs(x - chosen) > SAME * chosen and not any(abs(x - s) <= 1e-6 * s for s in stated) for x in others)


def _differ(a: _Quantity, b: _Quantity) -> bool:
    """Whether two quantities are different ones; in `14.7 or 44.2 V` the first shares the unit."""
    if not (a.unit and b.unit):
        return abs(a.number.value - b.number.value) > SAME * abs(a.number.value)
    return not same_dimension(parse_unit(a.unit), parse_unit(b.unit)) or abs(a.size - b.size) > SAME * abs(a.size)


def _last_quantity(text: str) -> Reading | None:
    """What the last line that states a quantity with a unit says, else the last number at all."""
    lines = [line for line in text.split("\n") if any(c.isdigit() for c in line) and not line.startswith(("Units:", "Check:"))]
    readings = [reading for line in reversed(lines) if (reading := _choose(line))]
    for wanted in (lambda r: r.unit and not is_angle(r.unit), lambda r: r.unit, lambda r: True):
        for reading in readings:
            if wanted(reading):
                return reading
    return None
