"""Word problems whose solutions are calculator calls (GSM8K), read as steps: where every number in them comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.text.calculator import evaluate
from mlxtutor.text.chat import plain

LARGEST = 1e9
UNCLEAR = "unclear"
# What everybody knows, and the words without which a question is about something else.
_KNOWN = {7.0: "week", 12.0: "year month dozen foot feet inch", 24.0: "day hour", 30.0: "month", 31.0: "month", 52.0: "week year",
          60.0: "hour minute second", 100.0: "percent % cent dollar $ meter", 365.0: "year day", 1000.0: "kilo kg km liter gram meter"}
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
            "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
_WORDS = {**{name: (value,) for value, name in enumerate(_NUMBERS, 1)}, "dozen": (12,), "thirty": (30,), "forty": (40,), "fifty": (50,),
          "sixty": (60,), "hundred": (100,), "thousand": (1000,), "once": (1,), "twice": (2,), "thrice": (3,), "couple": (2,), "pair": (2,),
          "both": (2,), "half": (2, .5), "halves": (2, .5), "third": (3,), "quarter": (4, .25), "fourth": (4, .25), "fifth": (5, .2),
          "sixth": (6,), "seventh": (7,), "eighth": (8,), "ninth": (9,), "tenth": (10, .1), "first": (1,), "second": (2,)}
_STEMS = {"halv": (2, .5), "doubl": (2,), "tripl": (3,), "quadrupl": (4,)}
_TOKEN = re.compile(r"(?<![\w.])(?:\d+(?:\.\d+)?|\.\d+)")
_STATED = re.compile(r"(?<![\w.,:])\$?(\d[\d,]*(?:\.\d+)?)(?![\w/]|[.,:]\d)")
_WORKED_OUT = re.compile(r"=\s*[$€£]?(\d[\d,]*(?:\.\d+)?|\.\d+)")  # what a solution computes without a call


@dataclass(frozen=True)
class Step:
    """A calculator call. sources: of every number in it `given`, an earlier step's index, `wording`, `known`; `unclear` where it is none
    of these, or may be several."""

    expression: str
    result: str
    sources: tuple[tuple[str, Any], ...]

    @property
    def value(self) -> float:
        return float(self.result.replace(",", ""))

    @property
    def clear(self) -> bool:
        return all(source != UNCLEAR for _, source in self.sources)


@dataclass(frozen=True)
class Problem:
    """A row as what it computes. givens: the numbers that the question states, each as often as it stands there."""

    row: dict[str, Any]
    question: str
    givens: tuple[str, ...]
    steps: tuple[Step, ...]


def read_problem(row: dict[str, Any]) -> Problem | None:
    """None where the solution has fewer than two steps, or the last one isn't the answer."""
    messages = row.get("messages", ())
    if [message["role"] for message in messages] != ["user", "assistant"] or isinstance(messages[1]["content"], str):
        return None
    question = plain(messages[0]["content"])
    givens = tuple(number.replace(",", "") for number in _STATED.findall(question))
    constants = _known(question) | dict.fromkeys(_worded(question), "wording")
    steps: list[Step] = []
    unrecorded: set[float] = set()
    for part in messages[1]["content"]:
        if isinstance(part, dict):
            sources = tuple(_source(token, givens, steps, constants, unrecorded) for token in _TOKEN.findall(part["calc"]))
            steps.append(Step(part["calc"], part["result"], sources))
        else:
            unrecorded |= {float(number.replace(",", "")) for number in _WORKED_OUT.findall(part)}
    if len(steps) < 2 or str(row.get("final_answer", "")).replace(",", "") != steps[-1].result.replace(",", ""):
        return None
    return Problem(row, question, givens, tuple(steps))


def _known(question: str) -> dict[float, str]:
    """Numbers that nobody has to state, of what a question speaks of."""
    lower = question.casefold()
    return {value: "known" for value, subjects in _KNOWN.items() if any(subject in lower for subject in subjects.split())}


def _worded(question: str) -> frozenset[float]:
    """Numbers that a question says in words or fractions. Seconds are no second."""
    told: set[float] = set()
    for word in re.findall(r"[a-z]+", question.casefold()):
        told.update(_WORDS.get(word, _WORDS.get(word.removesuffix("s"), ()) if word != "seconds" else ()))
        told.update(*(values for start, values in _STEMS.items() if word.startswith(start)))
    return frozenset(told | {float(part) for pair in re.findall(r"(\d+)\s*/\s*(\d+)", question) for part in pair})


def _source(token: str, givens: Sequence[str], steps: Sequence[Step], constants: Mapping[float, str],
            unrecorded: Collection[float]) -> tuple[str, Any]:
    """Where a number comes from. unrecorded: what the solution has worked out without a call."""
    value = float(token)
    found: list[Any] = [index for index, step in enumerate(steps) if step.value == value]
    found += ["given"] if any(float(given) == value for given in givens) else []
    found += [constants[value]] if value in constants else []
    return token, found[0] if len(found) == 1 and value not in unrecorded else UNCLEAR


def recompute(problem: Problem, old: str, new: str) -> list[Step] | None:
    """The steps with another given; None where one has no sensible result (half a car), or it is unclear where a number comes from."""
    if not all(step.clear for step in problem.steps):
        return None
    steps: list[Step] = []
    for step in problem.steps:
        made = follow(step, steps, lambda token: new if float(token) == float(old) else token)
        if made is None or step.value.is_integer() and not made.value.is_integer():
            return None
        steps.append(made)
    return steps


def follow(step: Step, before: Sequence[Step], given: Callable[[str], str] = str) -> Step | None:
    """A step once more, with the results of those before it as they are now; None where nothing sensible comes out. All has to be clear.

    given: what the question now states for a number of its.
    """
    sources = iter(step.sources)

    def replaced(match: re.Match[str]) -> str:
        token, source = next(sources)
        return given(token) if source == "given" else before[source].result.replace(",", "") if isinstance(source, int) else token

    expression = _TOKEN.sub(replaced, step.expression)
    try:
        value = evaluate(expression)
    except TutorError:
        return None
    return Step(expression, number(value), step.sources) if 0 < value < LARGEST else None


def number(value: float) -> str:
    """As a solution writes it: a whole one without a point."""
    return str(round(value)) if abs(value - round(value)) < 1e-9 else f"{value:.10g}"
