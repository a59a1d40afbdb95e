"""Endless general chats for the mid and SFT stages: calculator use, the solution format, refusals, small talk."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlxtutor.datasets.everyday import TYPES, UNITS, solved
from mlxtutor.datasets.phrases import capital, load_quantities, load_smalltalk, load_sums, pick
from mlxtutor.datasets.substitution import substitution
from mlxtutor.problems.build import OFF
from mlxtutor.problems.quantities import mantissa, power_of_ten
from mlxtutor.problems.solution import missing_reply, worked
from mlxtutor.problems.types import CONSTANT_VALUES
from mlxtutor.problems.wording import compose, load_wordings
from mlxtutor.text.calculator import evaluate, format_result

Message = dict
OFF_SHARE, MISSING_SHARE = .15, .12
SI_UNITS = {"m", "s", "kg", "m/s", "m/s^2", "N", "m^2", "m^3", "kg/m^3", "Pa", "J", "W"}
TIMES = (("minutes", "60", "s"), ("min", "60", "s"), ("hours", "3600", "s"), ("h", "3600", "s"), ("days", "86400", "s"),
         ("eV", CONSTANT_VALUES["e"], "J"), ("kWh", "3.6e6", "J"))  # no powers of ten: the calculator multiplies
SPOKEN_SI = {"m": "meters", "s": "seconds", "kg": "kilograms", "N": "newtons", "Pa": "pascals", "J": "joules", "W": "watts",
             "m^2": "square meters", "m^3": "cubic meters"}


def _turn(question: str, reply: object) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]


def _calculated(rng: np.random.Generator, question: str, lead: str, expression: str, unit: str = "") -> list[Message]:
    """One question, one calculation; with the calculator off the expression is left to the student."""
    tail = f" {unit}" if unit else ""
    if rng.random() < OFF_SHARE:
        left = lead or "x = "
        return [OFF, *_turn(question, f"{left}{expression}\nAnswer: evaluate the expression; the unit is {unit or 'none'}")]
    result = format_result(evaluate(expression))
    parts = [lead] if lead else []
    return _turn(question, [*parts, {"calc": expression, "result": result}, f"{tail}\nAnswer: {result}{tail}"])


def _number(rng: np.random.Generator) -> tuple[str, str]:
    """(as printed, canonical)."""
    if rng.random() < .65:
        number = mantissa(rng, .1, 900)
        return number, number
    digits, exponent = mantissa(rng, 1, 9.99), int(rng.integers(-19, 13))
    return power_of_ten(rng, digits, exponent), f"{digits}e{exponent}"


def _arithmetic(rng: np.random.Generator) -> list[Message]:
    (a, x), (b, y) = _number(rng), _number(rng)
    sums = load_sums()
    form, expression = pick(rng, sums["arithmetic"])
    text = form.format(a=a, b=b)
    frame = pick(rng, sums["frames"])
    return _calculated(rng, frame.format(t=text, T=capital(text)), "", expression.format(x=x, y=y))


def _conversion(rng: np.random.Generator) -> list[Message]:
    if rng.random() < .2:
        stated, factor, unit = pick(rng, TIMES)
        digits = mantissa(rng, .5, 90)
        printed, expression = f"{digits} {stated}", f"{digits}*{factor}"
    else:
        kind = pick(rng, tuple(UNITS))
        unit = next(u.pint for u in UNITS[kind] if u.pint in SI_UNITS)
        stated_unit = pick(rng, [u for u in UNITS[kind] if u.exponent])
        digits = mantissa(rng, stated_unit.low, stated_unit.high)
        printed, expression = f"{digits} {pick(rng, stated_unit.printed)}", f"{digits}e{stated_unit.exponent}"
    target = pick(rng, (unit, SPOKEN_SI.get(unit, unit)))
    frame = pick(rng, load_sums()["conversions"])
    return _calculated(rng, frame.format(p=printed, u=target), f"{printed} = ", expression, unit)


def _story(rng: np.random.Generator) -> list[Message]:
    """Rates, percentages and prices."""
    a, b, c = mantissa(rng, 2, 90), str(int(rng.integers(2, 40))), str(int(rng.integers(2, 95)))
    question, expression, unit = pick(rng, load_sums()["stories"])
    return _calculated(rng, question.format(a=a, b=b, c=c), "", expression.format(a=a, b=b, c=c), unit)


def _formula(rng: np.random.Generator) -> list[Message]:
    """A mechanics problem in the tutor's format, sometimes with the calculator off or a given left out."""
    problem = pick(rng, TYPES)
    wording = load_wordings("everyday")[problem.name]
    solution = solved(rng, problem)
    system = [OFF] if rng.random() < OFF_SHARE else []
    missing = _removable(rng, problem.name) if rng.random() < MISSING_SHARE else None
    prompt = compose(rng, wording, solution.values, missing)
    reply: object
    if missing:
        reply = missing_reply(solution, prompt.order, missing, wording.names[missing][0])
    else:
        reply = worked(solution, prompt.order, not system)
    return [*system, *_turn(prompt.text, reply)]


def _substitution(rng: np.random.Generator) -> list[Message]:
    """Numbers into a given formula."""
    off = rng.random() < OFF_SHARE
    return [*([OFF] if off else []), *_turn(*substitution(rng, not off))]


def _removable(rng: np.random.Generator, name: str) -> str:
    """A given that every scene of the type states in [brackets], so that the text without it stays a sentence."""
    wording = load_wordings("everyday")[name]
    return pick(rng, [symbol for symbol in wording.names
                      if all(any("{" + symbol + "}" in part.split("]")[0] for part in text.split("[")[1:]) for text in wording.scenes)])


def _word_question(rng: np.random.Generator) -> list[Message]:
    """Symbols, units and synonyms, asked and answered in words."""
    quantity = pick(rng, load_quantities())
    name, other = pick(rng, quantity.names), pick(rng, quantity.names)
    question, reply = pick(rng, (
        ("What is the unit of the {a}?", "The {a} is measured in {w} ({u})."), ("In which unit is the {a} given?", "In {w} ({u})."),
        ("Which symbol stands for the {a}?", "The {a} is written {s}."), ("What does {s} in {w} stand for?", "{s} is the {a}, in {w}."),
        ('My problem asks "{q}?". Which quantity is that?', "It asks for the {a} {s}, in {w}."),
        ('What do they want when they ask "{q}?"', "They want the {b}: {s}, in {u}."),
        ("What does the word {b} mean here?", "It means the quantity {s}, measured in {w}.")))
    words = {"a": name, "b": other, "s": quantity.symbol, "u": quantity.unit, "w": quantity.spoken, "q": pick(rng, quantity.asks)}
    return _turn(question.format(**words), reply.format(**words))


def _smalltalk(rng: np.random.Generator) -> list[Message]:
    asks, replies = pick(rng, load_smalltalk())
    question = pick(rng, asks)
    return _turn(capital(question) if rng.random() < .5 else question, pick(rng, replies))


KINDS: tuple[tuple[float, Callable[[np.random.Generator], list[Message]]], ...] = (
    (.08, _arithmetic), (.1, _conversion), (.05, _story), (.2, _formula), (.45, _substitution), (.07, _word_question), (.05, _smalltalk),
)


def iter_calc_chats(rng: np.random.Generator) -> Iterator[list[Message]]:
    """Endless chats as `messages`; one in six has a second exchange in the same calculator mode."""
    weights = np.array([weight for weight, _ in KINDS])
    weights /= weights.sum()
    while True:
        messages = KINDS[int(rng.choice(len(KINDS), p=weights))][1](rng)
        if rng.random() < 1 / 6:
            second = KINDS[int(rng.choice(len(KINDS), p=weights))][1](rng)
            if _mode(second) == _mode(messages) or _mode(second) == "on" and not _calculates(second):
                messages = messages + [message for message in second if message["role"] != "system"]
        yield messages


def _mode(messages: list[Message]) -> str:
    return "off" if messages[0]["role"] == "system" else "on"


def _calculates(messages: list[Message]) -> bool:
    return any(isinstance(message["content"], list) for message in messages)
