"""Units in text. A table of names says what is a unit; pint says what it measures and how large it is in SI units."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from mlxtutor.evaluation.notation import plain

PREFIXES = {"T": "tera", "G": "giga", "M": "mega", "k": "kilo", "m": "milli", "u": "micro", "n": "nano", "p": "pico", "f": "femto"}
PREFIXED = {  # symbol: names; these take every prefix
    "N": "newton newtons", "C": "coulomb coulombs", "V": "volt volts", "F": "farad farads", "J": "joule joules",
    "W": "watt watts", "A": "ampere amperes amp amps", "m": "meter meters metre metres", "s": "second seconds sec secs",
    "g": "gram grams", "Hz": "hertz", "ohm": "ohms", "T": "tesla teslas", "H": "henry henries henrys", "Pa": "pascal pascals",
    "Wb": "weber webers", "S": "siemens", "eV": "electronvolt electronvolts",
}
BARE = {"cm": "centimeter centimeters centimetre centimetres", "deg": "degree degrees", "rad": "radian radians",
        "h": "hour hours hr", "min": "minute minutes", "K": "kelvin kelvins", "angstrom": "angstroms", "dm": "decimeter decimeters",
        "percent": "%", "dyn": "dyne dynes", "e": "", "cN": "", "cC": "", "mol": "mole moles"}
WORD_POWERS = {"squared": 2, "cubed": 3}
MAX_UNIT_LENGTH = 60  # characters of prose looked at for a unit
WORD_POWERS_BEFORE = {"square": 2, "sq": 2, "cubic": 3}

_TOKEN = re.compile(r"""\s*(?:(?P<per>per\b|/)|(?P<times>\*|-(?=[A-Za-z])|\.(?=[A-Za-z]))|(?P<open>\()|(?P<close>\))
                        |\^\s*(?P<power>[-+]?\d+(?:\.\d+)?|\(\s*\d+/\d+\s*\))|(?P<word>[A-Za-z]+(?![A-Za-z_014-9])|%)|(?P<number>\d+(?:\.\d+)?(?:e[-+]?\d+)?))""",
                    re.VERBOSE)
_OPENING = re.compile(r"[ \t]*\)?[ \t]*(?:[(\[]\s*|-(?=[A-Za-z]))?")
_SECOND, _DIGIT, _CLOSE = re.compile(r"[ -]([a-z]+)"), re.compile(r"[23](?![\w.])"), re.compile(r"\s*\)")


@dataclass(frozen=True)
class Unit:
    """factor: size in coherent SI units; dimension: pint's, hashable; atoms: the symbols it was written with."""

    factor: float
    dimension: Any
    atoms: frozenset[str]


@cache
def _symbols() -> dict[str, str]:
    """Every accepted spelling -> pint's symbol (`microcoulombs`, `μC` as `uC` -> `uC`)."""
    table = {}
    for symbol, names in PREFIXED.items():
        for prefix, word in {"": "", **PREFIXES}.items():
            known = {prefix + symbol, *(word + name for name in names.split())}
            table.update(dict.fromkeys(known, prefix + symbol))
    for symbol, names in BARE.items():
        table.update(dict.fromkeys([symbol, *names.split()], symbol))
    del table["TH"], table["Ts"], table["GA"], table["MS"]  # never units in practice, but headings are
    return table


def symbol_of(word: str) -> str | None:
    """pint's symbol for a unit's name or symbol as printed, or None."""
    table = _symbols()
    return table.get(word) or (table.get(word.lower()) if len(word) > 3 else None)


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


@lru_cache(maxsize=65536)
def parse_unit(text: str) -> Unit | None:
    """The unit that the whole text is, or None. Empty, `1`, `none` and `dimensionless` are the pure number."""
    text = plain(text).strip().strip("[]").strip()
    if text.lower() in ("", "1", "none", "dimensionless", "no unit", "unitless"):
        return _unit("", frozenset())
    found = _scan(text, 0, numbers=True)
    return _unit(*found[:2]) if found and not text[found[2]:].strip(" .") else None


def leading_unit(text: str) -> tuple[str, int]:
    """The longest unit that plain text starts with, and where it ends; ("", 0) where it starts with none."""
    text = text[:MAX_UNIT_LENGTH].split("\n", 1)[0]
    opening = _OPENING.match(text)
    start = opening.end() if opening else 0
    if start == len(text) or not (text[start].isalpha() or text[start] in "(%"):
        return "", 0
    found = _leading(text[start:])
    if found is None:
        return "", 0
    end = start + found[1]
    closed = text[start - 1:start] in ("(", "[") and text[end:end + 1] in (")", "]")
    return found[0], end + closed


@lru_cache(maxsize=65536)
def _leading(text: str) -> tuple[str, int] | None:
    found = _scan(text, 0, numbers=False)
    return (text[:found[2]].strip(), found[2]) if found and _unit(*found[:2]) else None


def same_dimension(a: Unit | None, b: Unit | None) -> bool:
    return a is not None and b is not None and a.dimension == b.dimension


def is_angle(text: str) -> bool:
    unit = parse_unit(text)
    return unit is not None and unit.atoms in (frozenset({"deg"}), frozenset({"rad"}))


def atoms_of(text: str) -> frozenset[str]:
    """The unit symbols of a text (`N*m^2/C^2*uC` -> N, m, C, uC); empty where it is no unit."""
    unit = parse_unit(text)
    return unit.atoms if unit else frozenset()


def is_plain_si(symbol: str) -> bool:
    """Whether one such unit is exactly one coherent SI unit: no prefix, nothing special (kg is plain, g and eV aren't)."""
    unit = parse_unit(symbol)
    return unit is not None and unit.factor == 1


@lru_cache(maxsize=65536)
def _unit(expression: str, atoms: frozenset[str]) -> Unit | None:
    import pint

    registry = _registry()
    try:
        quantity = registry.parse_expression(expression) if expression else registry.Quantity(1, "")
        base = registry.Quantity(quantity).to_base_units()
    except (pint.PintError, TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError):
        return None  # junk is no unit: that is this function's answer, not an error
    return Unit(float(base.magnitude), base.dimensionality, atoms)


def _scan(text: str, start: int, numbers: bool) -> tuple[str, frozenset[str], int] | None:
    """pint's expression, atoms and end of the longest unit at `start`. numbers: allow factors such as 1 or 0.5."""
    pieces: list[str] = []
    atoms: set[str] = set()
    operator, power_before, end = "", "", start
    best: tuple[str, frozenset[str], int] | None = None
    while match := _TOKEN.match(text, end):
        kind = str(match.lastgroup)
        end = match.end()
        if kind in ("per", "times"):
            if operator or not (pieces or kind == "per"):
                break
            operator = "/" if kind == "per" else "*"
        elif kind == "power" and pieces and not operator:
            pieces[-1] += f"**({match['power']})"
        elif kind == "word" and match["word"] in WORD_POWERS and pieces and not operator:
            pieces[-1] += f"**{WORD_POWERS[match['word']]}"
        elif kind == "word" and match["word"] in WORD_POWERS_BEFORE:
            power_before = f"**{WORD_POWERS_BEFORE[match['word']]}"
            continue
        else:
            factor = _factor(text, match, numbers)
            if factor is None:
                break
            expression, found, end = factor
            if kind == "word" and not operator and pieces and match["word"] in ("e", "h", "K"):
                break  # a letter after a unit is prose or a symbol
            pieces.append((operator or ("*" if pieces else "")) + expression + power_before)
            atoms |= found
            operator = power_before = ""
        if pieces and not operator:
            first = "1" if pieces[0].startswith("/") else ""
            best = first + "".join(pieces), frozenset(atoms), end
    return best


def _factor(text: str, match: re.Match[str], numbers: bool) -> tuple[str, frozenset[str], int] | None:
    """One factor (unit, number, bracket): its pint expression, atoms and end."""
    if match["word"]:
        symbol, end = _word(text, match)
        power = _DIGIT.match(text, end)  # m2 for m^2
        expression = f"{symbol}**{power[0]}" if power else symbol
        return (str(expression), frozenset({symbol}), power.end() if power else end) if symbol else None
    if match["number"]:
        return (match["number"], frozenset(), match.end()) if numbers else None
    if match["open"]:
        inner = _scan(text, match.end(), numbers)
        closing = _CLOSE.match(text, inner[2]) if inner else None
        return (f"({inner[0]})", inner[1], closing.end()) if inner and closing else None
    return None


def _word(text: str, match: re.Match[str]) -> tuple[str | None, int]:
    """The symbol of a word, or of two where one unit is written so (`micro coulombs`, `electron volts`)."""
    word, end = match["word"], match.end()
    if word.lower() in (*PREFIXES.values(), "electron", "centi") and (second := _SECOND.match(text, end)):
        return symbol_of(word.lower() + second[1]), second.end()
    return symbol_of(word), end
