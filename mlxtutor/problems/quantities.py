"""Random physical quantities, written the many ways problem texts write them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlxtutor.text.calculator import evaluate

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LATEX = {ord(char): text for char, text in {"μ": "\\mu ", "Ω": "\\Omega", "·": "\\,", "²": "^2", "³": "^3", "%": "\\%"}.items()}
PREFIXES = {"p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "": 0, "k": 3, "M": 6, "G": 9}
PREFIX_WORDS = {"p": "pico", "n": "nano", "u": "micro", "m": "milli", "c": "centi", "": "", "k": "kilo", "M": "mega", "G": "giga"}
SMALL_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass(frozen=True)
class Unit:
    """One way to state a kind: pint text, what is printed, power of ten to SI, mantissa range, weight."""

    pint: str
    symbol: str
    exponent: int
    low: float
    high: float
    words: tuple[str, str] | None = None  # singular, plural; None: never spelled out
    weight: float = 1.0
    times: str = ""  # what the calculator multiplies by, where that is no power of ten: 3600 for hours

    def canonical(self, digits: str) -> str:
        """`digits` of this unit in the SI unit: 20e-2, (8*3600)."""
        return f"({digits}*{self.times})" if self.times else digits + (f"e{self.exponent}" if self.exponent else "")


@dataclass(frozen=True)
class Kind:
    """What a quantity measures: the units it is stated in, its SI unit, its range in scientific notation."""

    name: str
    units: tuple[Unit, ...]
    si: Unit
    sci: tuple[int, int] | None = None  # exponents of d.dd × 10^n in the SI unit; None: not written so
    vague: tuple[str, ...] = ("an unknown amount",)


def _unit(base: str, symbol: str, word: str, prefix: str, low: float, high: float, weight: float = 1.0,
          plural: str | None = None, power: int = 1, scale: int = 0) -> Unit:
    printed = ("μ" if prefix == "u" else prefix) + symbol
    name = PREFIX_WORDS[prefix] + word
    plural_name = PREFIX_WORDS[prefix] + (plural or word + "s")
    pint = prefix + base
    if power > 1:
        square = {2: "square ", 3: "cubic "}[power]
        name, plural_name = square + name, square + plural_name
        pint, printed = f"{pint}^{power}", printed + {2: "²", 3: "³"}[power]
    return Unit(pint, printed, PREFIXES[prefix] * power + scale, low, high, (name, plural_name), weight)


def _compound(pint: str, symbol: str, words: str, exponent: int, low: float, high: float, weight: float = 1.0) -> Unit:
    return Unit(pint, symbol, exponent, low, high, (words, words), weight)


def _kinds() -> dict[str, Kind]:
    u = _unit
    c = _compound
    kinds = [
        Kind("charge", (u("C", "C", "coulomb", "u", .1, 999, 3), u("C", "C", "coulomb", "n", .1, 999, 3),
                        u("C", "C", "coulomb", "p", 1, 999), u("C", "C", "coulomb", "m", .1, 99, .5)),
             u("C", "C", "coulomb", "", .1, 20), (-14, -2), ("an unknown charge", "some charge", "a charge of unknown size")),
        Kind("length", (u("m", "m", "meter", "", .1, 20, 2), u("m", "m", "meter", "c", .5, 99, 3),
                        u("m", "m", "meter", "m", .5, 99, 1.5), u("m", "m", "meter", "k", .1, 20, .2), u("m", "m", "meter", "u", 1, 999, .2),
                        u("m", "m", "meter", "n", .1, 999, .3)), u("m", "m", "meter", "", .1, 20), (-6, 2),
             ("an unknown distance", "some distance", "a certain distance")),
        Kind("short", (u("m", "m", "meter", "m", .05, 20, 3), u("m", "m", "meter", "u", 1, 999),
                       u("m", "m", "meter", "c", .1, 9, 1)), u("m", "m", "meter", "", .001, .05), (-6, -2),
             ("an unknown distance", "some distance", "a small distance")),
        Kind("atomic", (u("m", "m", "meter", "n", .05, 99, 2), u("m", "m", "meter", "p", 10, 999)),
             u("m", "m", "meter", "", 1, 2), (-11, -8), ("an unknown distance",)),
        Kind("area", (u("m", "m", "meter", "c", 1, 900, 3, power=2), u("m", "m", "meter", "m", 1, 900, 1, power=2),
                      u("m", "m", "meter", "", .01, 9, 2, power=2)), u("m", "m", "meter", "", .01, 9, power=2), (-6, 0),
             ("an unknown area", "some area")),
        Kind("mass", (u("kg", "kg", "kilogram", "", .01, 5), u("g", "g", "gram", "", .1, 200, 2, scale=-3),
                      u("g", "g", "gram", "m", .1, 900, 2, scale=-3)), u("kg", "kg", "kilogram", "", .01, 5), (-16, -1),
             ("an unknown mass", "some mass")),
        Kind("particle_mass", (), u("kg", "kg", "kilogram", "", .01, 5), (-31, -25), ("an unknown mass",)),
        Kind("force", (u("N", "N", "newton", "", .1, 90, 3), u("N", "N", "newton", "m", .1, 900, 2),
                       u("N", "N", "newton", "u", 1, 900, 1.5)), u("N", "N", "newton", "", .1, 90), (-9, 2),
             ("an unknown force", "some force")),
        Kind("field", (c("N/C", "N/C", "newtons per coulomb", 0, 10, 99999, 3), c("V/m", "V/m", "volts per meter", 0, 10, 9999, 2),
                       c("kN/C", "kN/C", "kilonewtons per coulomb", 3, .5, 900), c("kV/m", "kV/m", "kilovolts per meter", 3, .5, 900),
                       c("MV/m", "MV/m", "megavolts per meter", 6, .1, 5, .3)),
             c("N/C", "N/C", "newtons per coulomb", 0, 10, 9999), (1, 7), ("an unknown field", "some field")),
        Kind("voltage", (u("V", "V", "volt", "", 1, 999, 4), u("V", "V", "volt", "k", .2, 90, 1.5), u("V", "V", "volt", "m", 1, 900, .7)),
             u("V", "V", "volt", "", 1, 999), (-3, 6), ("an unknown voltage", "some voltage")),
        Kind("capacitance", (u("F", "F", "farad", "u", .1, 999, 3), u("F", "F", "farad", "n", .1, 999, 2),
                             u("F", "F", "farad", "p", 1, 999, 2), u("F", "F", "farad", "m", .1, 50, .3)),
             u("F", "F", "farad", "", .1, 5), (-12, -2), ("an unknown capacitance", "some capacitance")),
        Kind("resistance", (u("ohm", "Ω", "ohm", "", .5, 999, 4), u("ohm", "Ω", "ohm", "k", .5, 999, 2), u("ohm", "Ω", "ohm", "M", .1, 20, .7)),
             u("ohm", "Ω", "ohm", "", .5, 999), (-1, 7), ("an unknown resistance", "some resistance")),
        Kind("current", (u("A", "A", "ampere", "", .1, 30, 3), u("A", "A", "ampere", "m", 1, 900, 2), u("A", "A", "ampere", "u", 1, 900)),
             u("A", "A", "ampere", "", .1, 30), (-7, 1), ("an unknown current", "some current")),
        Kind("power", (u("W", "W", "watt", "", .5, 3000, 3), u("W", "W", "watt", "k", .2, 9), u("W", "W", "watt", "m", 1, 900)),
             u("W", "W", "watt", "", .5, 3000), (-4, 4), ("an unknown power",)),
        Kind("energy", (u("J", "J", "joule", "", .1, 900, 2), u("J", "J", "joule", "m", .1, 900, 2), u("J", "J", "joule", "u", .1, 900, 2),
                        u("J", "J", "joule", "k", .1, 90, .5)), u("J", "J", "joule", "", .1, 900), (-19, 3), ("an unknown energy",)),
        Kind("time", (u("s", "s", "second", "", .1, 90, 3), u("s", "s", "second", "m", .5, 900, 2), u("s", "s", "second", "u", 1, 900),
                      Unit("min", "min", 0, 1, 60, ("minute", "minutes"), .5, "60"),
                      Unit("h", "h", 0, 1, 48, ("hour", "hours"), .5, "3600")),
             u("s", "s", "second", "", .1, 90), (-6, 3), ("an unknown time", "some time")),
        Kind("angle", (Unit("deg", "°", 0, 5, 85, ("degree", "degrees"), 3),), Unit("deg", "°", 0, 5, 85, ("degree", "degrees")), None,
             ("an unknown angle", "some angle")),
        Kind("speed", (c("m/s", "m/s", "meters per second", 0, 1000, 99999), c("km/s", "km/s", "kilometers per second", 3, 1, 999)),
             c("m/s", "m/s", "meters per second", 0, 1000, 99999), (3, 7), ("an unknown speed",)),
        Kind("line_density", (c("uC/m", "μC/m", "microcoulombs per meter", -6, .1, 90, 2), c("nC/m", "nC/m", "nanocoulombs per meter", -9, .5, 900, 2)),
             c("C/m", "C/m", "coulombs per meter", 0, .1, 9), (-10, -4), ("an unknown charge per length",)),
        Kind("surface_density", (c("uC/m^2", "μC/m²", "microcoulombs per square meter", -6, .1, 90, 2),
                                 c("nC/m^2", "nC/m²", "nanocoulombs per square meter", -9, .5, 900, 2),
                                 c("nC/cm^2", "nC/cm²", "nanocoulombs per square centimeter", -5, .1, 90, .4)),
             c("C/m^2", "C/m²", "coulombs per square meter", 0, .1, 9), (-10, -4), ("an unknown charge per area",)),
        Kind("volume_density", (c("uC/m^3", "μC/m³", "microcoulombs per cubic meter", -6, .1, 900, 2),
                                c("nC/m^3", "nC/m³", "nanocoulombs per cubic meter", -9, .5, 900, 2)),
             c("C/m^3", "C/m³", "coulombs per cubic meter", 0, .1, 9), (-9, -3), ("an unknown charge density",)),
        Kind("flux", (c("N*m^2/C", "N·m²/C", "newton square meters per coulomb", 0, 1, 9999, 3), c("V*m", "V·m", "volt meters", 0, 1, 9999)),
             c("N*m^2/C", "N·m²/C", "newton square meters per coulomb", 0, 1, 9999), (0, 6), ("an unknown flux",)),
        Kind("dipole", (), c("C*m", "C·m", "coulomb meters", 0, 1, 9), (-30, -8), ("an unknown dipole moment",)),
        Kind("resistivity", (), c("ohm*m", "Ω·m", "ohm meters", 0, 1, 9), (-8, -5), ("an unknown resistivity",)),
        Kind("number", (Unit("", "", 0, 1.1, 12, None, 1),), Unit("", "", 0, 1.1, 12), None, ("an unknown number",)),
        Kind("count", (Unit("", "", 0, 2, 12, None, 1),), Unit("", "", 0, 2, 12), None, ("an unknown number",)),
        Kind("many", (), Unit("", "", 0, 2, 12), (5, 15), ("an unknown number",)),
        Kind("factor", (Unit("", "", 0, .1, 12, None, 1),), Unit("", "", 0, .1, 12), None, ("an unknown number",)),
        Kind("permittivity", (Unit("", "", 0, 1.5, 90, None, 1),), Unit("", "", 0, 1.5, 90), None, ("an unknown value",)),
        Kind("percent", (Unit("percent", "%", -2, 5, 95, ("percent", "percent")),), Unit("percent", "%", -2, 5, 95), None, ("some share",)),
        Kind("atomic_number", (Unit("", "", 0, 13, 92, None, 1),), Unit("", "", 0, 13, 92), None, ("an unknown number",)),
        Kind("mev", (Unit("MeV", "MeV", 6, 1, 12, ("megaelectronvolt", "megaelectronvolts")),), Unit("MeV", "MeV", 6, 1, 12), None, ("some energy",)),
    ]
    return {kind.name: kind for kind in kinds}


KINDS = _kinds()


@dataclass(frozen=True)
class Value:
    """A sampled quantity. `canonical` is how a solution writes it: the mantissa as given, then the power of ten."""

    symbol: str
    kind: str
    canonical: str
    unit: str          # pint text of the unit as given, "" for pure numbers
    printed: str       # number and unit as this problem prints them
    stated: str        # number and unit in one plain notation: `13 nC`, `4.7e-9 C`
    vague: str = ""

    @cached_property
    def si(self) -> float:
        return evaluate(self.canonical)

    @property
    def abs(self) -> str:
        """The canonical text without its sign."""
        return self.canonical.lstrip("-")

    def __str__(self) -> str:
        return self.canonical


def mantissa(rng: np.random.Generator, low: float, high: float, whole: bool = False) -> str:
    """A number between low and high (log-uniform) with 1 to 4 significant digits, as a textbook prints it."""
    x = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    if whole:
        return str(max(int(round(x)), int(np.ceil(low))))
    digits = int(rng.choice([1, 2, 3, 4], p=[.15, .45, .32, .08]))
    text = f"{x:.{digits}g}"
    if "e" in text or float(text) <= 0:
        text = str(int(round(x)))
    if "." not in text and float(text) < 10 and rng.random() < .3:
        text += ".0"
    elif "." in text and rng.random() < .12 and len(text.replace(".", "").lstrip("0")) < 4:
        text += "0"
    return text


def power_of_ten(rng: np.random.Generator, digits: str, exponent: int) -> str:
    """`digits` × 10^exponent in one of the notations found in print."""
    sup = str(exponent).translate(SUPERSCRIPT)
    forms = [f"{digits} × 10{sup}", f"{digits} x 10^{exponent}", f"{digits}e{exponent}", f"{digits} × 10^{exponent}",
             f"{digits}×10{sup}", f"{digits}·10^{exponent}", f"{digits} * 10^{exponent}", f"{digits}E{exponent}",
             f"{digits} × 10^({exponent})", f"{digits} \\times 10^{{{exponent}}}", f"{digits}x10^{exponent}", f"{digits} x 10{sup}",
             f"{digits} times ten to the {'minus ' if exponent < 0 else ''}{_ordinal_word(abs(exponent))}"]
    weights = np.array([6, 5, 5, 3, 2, 2, 1.5, 1, 1, 1, 2, 1, .7])
    return forms[int(rng.choice(len(forms), p=weights / weights.sum()))]


def _ordinal_word(n: int) -> str:
    return SMALL_WORDS[n] if n < len(SMALL_WORDS) else str(n)


def sample(rng: np.random.Generator, symbol: str, kind_name: str, low: float | None = None, high: float | None = None,
           signed: bool = False, unit: str | None = None) -> Value:
    """Draw a quantity of a kind. low, high: bounds in SI on the magnitude (resampled until inside).

    unit: force the stated unit (pint text). signed: negative half of the time.
    """
    kind = KINDS[kind_name]
    for _ in range(400):
        value = _draw(rng, symbol, kind, unit)
        if (low is None or abs(value.si) >= low) and (high is None or abs(value.si) <= high):
            return _sign(rng, value) if signed else value
    raise ValueError(f"{symbol}: no {kind_name} between {low} and {high} (widen the bounds or give another kind)")


def _draw(rng: np.random.Generator, symbol: str, kind: Kind, unit: str | None) -> Value:
    vague = str(rng.choice(kind.vague))
    if kind.sci is not None and unit is None and (not kind.units or rng.random() < .3):
        digits = mantissa(rng, 1, 9.99)
        exponent = int(rng.integers(kind.sci[0], kind.sci[1] + 1))
        body = power_of_ten(rng, digits, exponent)
        number = f"{digits}e{exponent}"
        return Value(symbol, kind.name, number, kind.si.pint, _attach(rng, body, kind.si, digits), f"{number} {kind.si.pint}".strip(), vague)
    chosen = _choose_unit(rng, kind, unit)
    whole = kind.name == "count"
    digits = mantissa(rng, chosen.low, chosen.high, whole)
    canonical = chosen.canonical(digits)
    body, stated = digits, f"{digits} {chosen.pint}".strip()
    if digits.isdigit() and int(digits) <= 12 and chosen.words and rng.random() < .15:
        hyphened = rng.random() < .15 and chosen.words[0] != chosen.words[1]  # a two-microfarad capacitor
        many, joint = (0, "-") if hyphened else (int(digits) != 1, " ")
        return Value(symbol, kind.name, canonical, chosen.pint, f"{SMALL_WORDS[int(digits)]}{joint}{chosen.words[many]}", stated, vague)
    if digits.isdigit() and len(digits) > 3 and rng.random() < .4:
        body = f"{int(digits):,}"
    return Value(symbol, kind.name, canonical, chosen.pint, _attach(rng, body, chosen, digits), stated, vague)


def _choose_unit(rng: np.random.Generator, kind: Kind, unit: str | None) -> Unit:
    units = kind.units if unit is None else tuple(x for x in (*kind.units, kind.si) if x.pint == unit)
    if not units:
        raise ValueError(f"{kind.name}: unknown unit {unit!r} (has: {', '.join(x.pint for x in kind.units)})")
    weights = np.array([x.weight for x in units])
    return units[int(rng.choice(len(units), p=weights / weights.sum()))]


def _attach(rng: np.random.Generator, body: str, unit: Unit, digits: str) -> str:
    if not unit.symbol:
        return body
    if unit.symbol == "°":
        return body + ("°" if rng.random() < .6 else " degrees" if rng.random() < .8 else " deg")
    if unit.words and rng.random() < .2:
        return f"{body} {unit.words[0] if digits in ('1', '1.0') or rng.random() < .1 else unit.words[1]}"
    if body == digits and rng.random() < .02:
        return f"{body}\\,\\mathrm{{{unit.symbol.translate(LATEX)}}}"
    symbol = _spell(rng, unit.symbol)
    space = "" if rng.random() < .15 and body[-1].isdigit() and "10" not in body else " "
    return f"{body}{space}{symbol}"


def _spell(rng: np.random.Generator, symbol: str) -> str:
    """The variants of a printed unit symbol: the two micro signs and u, ohm, powers, products."""
    if "μ" in symbol:
        symbol = symbol.replace("μ", str(rng.choice(["μ", "µ", "u"], p=[.5, .3, .2])))
    if "Ω" in symbol and rng.random() < .3:
        symbol = symbol.replace("Ω", " ohm" if len(symbol) == 1 else "ohm").strip()
    if ("²" in symbol or "³" in symbol) and rng.random() < .4:
        symbol = symbol.replace("²", "^2").replace("³", "^3")
    if "·" in symbol and rng.random() < .5:
        symbol = symbol.replace("·", str(rng.choice([" ", "*", "-"])))
    return symbol


def _sign(rng: np.random.Generator, value: Value) -> Value:
    if rng.random() < .5:
        plus = "+" if rng.random() < .35 and value.printed[0].isdigit() else ""
        return Value(value.symbol, value.kind, value.canonical, value.unit, plus + value.printed, value.stated, value.vague)
    minus = str(rng.choice(["-", "−", "–"], p=[.7, .2, .1])) if value.printed[0].isdigit() else "minus "
    return Value(value.symbol, value.kind, "-" + value.canonical, value.unit, minus + value.printed, "-" + value.stated, value.vague)
