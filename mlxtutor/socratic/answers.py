"""Whether a turn of a dialogue states the answer, in digits or in words."""

from __future__ import annotations

import re
from itertools import groupby

from mlxtutor.evaluation.notation import plain
from mlxtutor.evaluation.reading import find_numbers
from mlxtutor.quality.reading import AGREE
from mlxtutor.quality.words import question_of

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
         "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPOKEN = {**{word: value for value, word in enumerate(_ONES)}, **{word: 10 * value for value, word in enumerate(_TENS, 2)}}
_POWERS = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
# before `one` and `two` that are results and not just words
_SAYING = frozenset((
    "is", "s", "be", "get", "got", "equals", "equal", "to", "makes", "leaves", "leave", "left", "gives", "have", "has", "becomes",
    "exactly", "about"))
_EXPONENT = re.compile(r"(?<=[A-Za-z)])\^-?\d+")


def states(text: str, answer: str) -> bool:
    """Whether a text has the answer's number, or, of an answer without one, all its telling words."""
    wanted = numbers_in(answer)[:1]
    if wanted:
        return any(abs(value - wanted[0]) <= AGREE * abs(wanted[0]) for value in numbers_in(text))
    stems = question_of(answer).stems
    return bool(stems) and stems <= question_of(text).stems | question_of(text).names


def numbers_in(text: str) -> list[float]:
    """All numbers of a text, those in words too, but for the exponents of units and formulas."""
    return [number.value for number in find_numbers(_EXPONENT.sub("", plain(text)))] + _spoken(text)


def _spoken(text: str) -> list[float]:
    """`twenty-seven`, `a hundred and five`, `two thousand`; `one` and `two` only where they are said to be something."""
    words = re.findall(r"[a-z]+", text.casefold())
    joined = [word for at, word in enumerate(words) if word != "and" or not ({*words[at - 1:at]} & {*_POWERS})]
    found, before = [], ""
    for spoken, group in groupby(joined, lambda word: word in _SPOKEN or word in _POWERS):
        run = list(group)
        if spoken and (run not in (["one"], ["two"]) or before in _SAYING or not before):
            found.append(_value(run))
        before = run[-1]
    return found


def _value(words: list[str]) -> float:
    total, part = 0, 0
    for word in words:
        if word in _SPOKEN:
            part += _SPOKEN[word]
        elif word == "hundred":
            part = max(part, 1) * _POWERS[word]
        else:
            total, part = total + max(part, 1) * _POWERS[word], 0
    return float(total + part)
