"""Endless short texts for the base and mid stages: conversions, arithmetic, synonyms, which law, lists of givens.

A conversion's canonical form keeps the digits as written and puts the prefix or power of ten in the exponent:
`20 cm = 20e-2 m`, `4 cm^2 = 4e-4 m^2`, `5.4 × 10⁻³ m = 5.4e-3 m`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlxtutor.datasets.calc_chats import iter_calc_chats
from mlxtutor.datasets.phrases import article, capital, load_quantities, pick
from mlxtutor.problems.build import trained_types
from mlxtutor.problems.quantities import KINDS, SMALL_WORDS, Value, mantissa, power_of_ten, sample
from mlxtutor.problems.solution import givens, topics, unit_check
from mlxtutor.problems.types import CONSTANT_UNITS, CONSTANT_VALUES, ProblemType, Solved, draw
from mlxtutor.problems.wording import Wording, load_wordings
from mlxtutor.text.calculator import evaluate, format_result

__all__ = ["conversion", "iter_calc_chats", "iter_drills", "scientific"]

EXPONENTS = (-19, 12)  # every one is drilled: a model fails on those it never saw
CONVERTED = tuple(name for name, kind in KINDS.items() if kind.si.pint not in ("", "deg", "MeV", "percent"))
SPELLED = {"half a meter": "0.5 m", "a quarter of a meter": "0.25 m", "half a volt": "0.5 V", "half an ampere": "0.5 A",
           "two and a half volts": "2.5 V", "one and a half meters": "1.5 m", "half a microcoulomb": "0.5e-6 C",
           "two and a half nanocoulombs": "2.5e-9 C", "half a millimeter": "0.5e-3 m", "a thousand volts": "1000 V",
           "a million ohms": "1e6 ohm", "a dozen volts": "12 V", "a tenth of a meter": "0.1 m", "half a second": "0.5 s",
           "half a minute": "30 s", "two minutes": "120 s", "an hour": "3600 s", "a hundred newtons": "100 N",
           "one centimeter": "1e-2 m", "a millimeter": "1e-3 m", "a nanocoulomb": "1e-9 C", "a microfarad": "1e-6 F"}
TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
NUMBER_WORDS = [*SMALL_WORDS, *TEENS]
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}


def conversion(rng: np.random.Generator) -> tuple[str, str, str]:
    """(as printed, canonical number, SI unit): ("20 cm", "20e-2", "m")."""
    draw_one = rng.random()
    if draw_one < .3:
        return scientific(rng)
    if draw_one < .42:
        return _spelled(rng)
    if draw_one < .47:
        return _grouped(rng)
    kind = pick(rng, CONVERTED)
    value = sample(rng, "x", kind, signed=kind == "charge")
    return value.printed, value.canonical, si_unit(value)


def scientific(rng: np.random.Generator) -> tuple[str, str, str]:
    """Like `conversion`, with a power of ten from all of EXPONENTS in front of an SI unit."""
    exponent = int(rng.integers(EXPONENTS[0], EXPONENTS[1] + 1))
    digits = mantissa(rng, 1, 9.99) if rng.random() < .85 else mantissa(rng, 10, 99)
    sign = "-" if rng.random() < .15 else ""
    unit = KINDS[pick(rng, CONVERTED)].si
    printed = power_of_ten(rng, digits, exponent)
    return f"{sign}{printed} {unit.symbol}", f"{sign}{digits}e{exponent}", unit.pint


def _spelled(rng: np.random.Generator) -> tuple[str, str, str]:
    """Numbers in words: three nanocoulombs, forty-five volts."""
    if rng.random() < .4:
        words = pick(rng, tuple(SPELLED))
        number, stated = SPELLED[words].split()
        return words, number, stated
    value = int(rng.integers(2, 100))
    tens = TENS.get(value - value % 10, "")
    words = NUMBER_WORDS[value] if value < 20 else f"{tens}-{SMALL_WORDS[value % 10]}" if value % 10 else tens
    kind = KINDS[pick(rng, [name for name in CONVERTED if KINDS[name].units])]
    unit, plural = pick(rng, [(unit, unit.words[1]) for unit in kind.units if unit.words])
    canonical = unit.canonical(str(value))
    spoken = Value("x", kind.name, canonical, unit.pint, f"{words} {plural}", f"{value} {unit.pint}".strip())
    minus = rng.random() < .15 and kind.name == "charge"
    return ("minus " if minus else "") + spoken.printed, ("-" if minus else "") + spoken.canonical, si_unit(spoken)


def _grouped(rng: np.random.Generator) -> tuple[str, str, str]:
    """Thousands with a comma: 1,500 V."""
    number = int(rng.integers(10, 1000)) * int(pick(rng, (10, 100, 100, 1000)))
    unit = KINDS[pick(rng, CONVERTED)].si
    return f"{number:,} {unit.symbol}", str(number), unit.pint


def si_unit(value: Value) -> str:
    """The unprefixed unit of a value as stated; a field in kV/m stays in V/m."""
    for stated in ("V/m", "V*m"):
        if value.unit.endswith(stated):
            return stated
    return KINDS[value.kind].si.pint


def _conversion_line(rng: np.random.Generator) -> str:
    printed, number, unit = conversion(rng)
    form = pick(rng, ("{p} = {n} {u}", "{p} is {n} {u}", "{p} = {n} {u}.", "{P} means {n} {u}.", "Write {p} in SI units: {n} {u}.",
                      "{p} -> {n} {u}", "How much is {p}? {n} {u}.", "In SI units {p} is {n} {u}.", "For the calculator {p} becomes {n}.",
                      "{n} stands for {p}.", "The text says {p}; we write {n}.", "{p}: {n}", "{p} = {n}"))
    return form.format(p=printed, P=capital(printed), n=number, u=unit)


def _named_line(rng: np.random.Generator) -> str:
    """A statement such as `The separation is 20 cm, so r = 20e-2 m.`"""
    quantity = pick(rng, load_quantities())
    value = sample(rng, quantity.symbol, quantity.kind)
    name = pick(rng, quantity.names)
    form = pick(rng, ("The {a} is {p}, so {s} = {n} {u}.", "{p} is the {a}: {s} = {n} {u}.", "With {b} of {p}, {s} = {n} {u}.",
                      "{A} {p}: {s} = {n}", "Given: {a} {p}. In SI: {s} = {n} {u}.", "{A} = {p} gives {s} = {n} {u}.",
                      "The {a} equals {p}. We write {s} = {n} {u}.", "It has {b} of {p}, that is {s} = {n} {u}."))
    return form.format(a=name, A=capital(name), b=article(name), p=value.printed, s=quantity.symbol, n=value.canonical, u=si_unit(value))


def _arithmetic_line(rng: np.random.Generator) -> str:
    a, b = (int(x) for x in rng.integers(1, 21, 2))
    small = mantissa(rng, 1, 99)
    p, q = (int(x) for x in rng.integers(-12, 7, 2))
    expression = pick(rng, (
        f"{a}+{b}", f"{a}*{b}", f"{a * b}/{b}", f"{a + b}-{b}", f"{a}^2", f"sqrt({a * a})", f"1e{p}*1e{q}", f"1e{p}/1e{q}",
        f"{small}*{a}", f"{small}/{b}", f"{small}e{p}*{a}", f"({a}e{p})^2", f"{small}e-2^2", f"1/{b}", f"{small}e{p}/{b}e{q}",
        f"{a}*{b}/({a}+{b})", f"sqrt({a}^2+{b}^2)", f"1/(1/{a}+1/{b})"))
    return f"{expression} = {format_result(evaluate(expression))}"


def _synonym_line(rng: np.random.Generator) -> str:
    quantity = pick(rng, load_quantities())
    other = pick(rng, load_quantities())
    first, second = (pick(rng, quantity.names) for _ in range(2))
    forms = ["The {a} is written {s} and measured in {w}.", "{A}: symbol {s}, unit {u}.", "Which unit has the {a}? {W}, {u}.",
             "{Q}? This asks for {s}, in {w}.", '"{Q}?" asks for the {a} {s}.', "When a text asks {q}, it wants {s} in {u}.",
             "To answer how large the {a} is, find {s}.", "{s} stands for the {a}. Its unit is {u}."]
    if first != second:
        forms += ["{A} is another word for {b}: {s}.", "The {a} and the {b} are both called {s}.", "{A}, {b}: {s}, in {w}."]
    if other.symbol != quantity.symbol and other.unit != quantity.unit:
        forms.append("The {a} {s} is in {w}, the {o} {t} in {x}.")
    return pick(rng, forms).format(a=first, A=capital(first), b=second, s=quantity.symbol, u=quantity.unit, w=quantity.spoken,
                                   W=capital(quantity.spoken), q=pick(rng, quantity.asks), Q=capital(pick(rng, quantity.asks)),
                                   o=pick(rng, other.names), t=other.symbol, x=other.spoken)


def _typed(rng: np.random.Generator) -> tuple[ProblemType, Wording]:
    problem = pick(rng, trained_types())
    return problem, load_wordings(problem.family)[problem.name]


def _law_line(rng: np.random.Generator) -> str:
    """Which law answers which question, from the trained types' own words (never those held out for tests)."""
    problem, wording = _typed(rng)
    known = [pick(rng, wording.names[given.symbol]) for given in problem.givens]
    listed = ", ".join(known[:-1]) + " and " + known[-1] if len(known) > 1 else known[0]
    target = pick(rng, wording.targets) if wording.targets else problem.steps[-1].symbol
    question = pick(rng, wording.questions) if wording.questions else f"What is {target}?"
    context = pick(rng, wording.contexts) if wording.contexts else ""
    form = pick(rng, ("Known: {k}. Wanted: {t}. Law: {l}", "{c} {q} Law: {l}", "To find {t} from {k}, use {l}.", '"{q}" Use {l}.',
                      "{T} follows from {k}: {l}", "{c} {q} We need {k}. Then {l}", "{q} This asks for {t}, in {u}. Law: {l}",
                      "{c} {q} Topic: {o}. Law: {l}", "{c} {q} Topic: {o}.", "Known: {k}. Topic: {o}. Law: {l}", "Topic: {o}. {q}"))
    return form.format(o=topics()[problem.name], k=listed, t=target, T=capital(target), l=problem.law, c=context, q=question,
                       u=problem.unit or "no unit").strip()


def _givens_line(rng: np.random.Generator) -> str:
    """The givens of a problem, as printed and as the calculator takes them, with the units of its law."""
    problem, wording = _typed(rng)
    solved = draw(problem, rng)
    parts = [(symbol, value, pick(rng, wording.names[symbol])) for symbol, value in solved.values.items()]
    stated = "; ".join(pick(rng, (f"{symbol} = {value.printed}", f"{name} is {value.printed}")) for symbol, value, name in parts)
    numbers = givens(solved, list(solved.values)).removeprefix("Given: ")
    form = pick(rng, ("{g}. Given: {n}.", "{g}. So {n}.", "{g}. Law: {l}. {c} Units: {u}", "Given: {n}\nLaw: {l}\n{x}",
                      "{g}.\nGiven: {n}\nUnits: {u}", "Law: {l}\nUnits: {u}"))
    text = form.format(g=stated, n=numbers, l=problem.law, u=unit_check(solved), x=_substituted(solved),
                       c=_constants(problem))
    return text.replace("  ", " ")


def _substituted(solved: Solved) -> str:
    step = solved.type.steps[0]
    return f"{step.symbol} = {solved.expressions[0]} = {solved.results[0]} {step.unit}".rstrip()


def _constants(problem: ProblemType) -> str:
    """The constants a law uses: `k = 8.99e9 N*m^2/C^2.`"""
    used = [name for name in CONSTANT_VALUES if any("{" + name + "}" in step.expression for step in problem.steps)]
    return " ".join(f"{name} = {CONSTANT_VALUES[name]} {CONSTANT_UNITS[name]}." for name in used)


def _missing_line(rng: np.random.Generator) -> str:
    """The givens without one of them, and which it is."""
    problem, wording = _typed(rng)
    if not problem.removable:
        return _law_line(rng)
    missing = pick(rng, problem.removable)
    known = ", ".join(given.symbol for given in problem.givens if given.symbol != missing) or "nothing"
    return f"Law: {problem.law}. Known: {known}. Missing: {missing}, {pick(rng, wording.names[missing])}."


LINES: tuple[tuple[float, Callable[[np.random.Generator], str]], ...] = (
    (.32, _conversion_line), (.12, _named_line), (.1, _arithmetic_line), (.18, _synonym_line), (.12, _law_line), (.12, _givens_line),
    (.04, _missing_line),
)


def iter_drills(rng: np.random.Generator) -> Iterator[str]:
    """Endless short texts of one to eight lines; half of them keep to one sort of line, as an exercise sheet does."""
    weights = np.array([weight for weight, _ in LINES])
    while True:
        count = int(rng.integers(1, 9))
        chosen = rng.choice(len(LINES), count if rng.random() < .5 else 1, p=weights / weights.sum())
        lines = [LINES[chosen[i % len(chosen)]][1](rng) for i in range(count)]
        yield pick(rng, ("\n", "\n", " ")).join(lines)
