"""An answer as its scorer sees it: plain text, and the calculator calls made in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mlxtutor.errors import TutorError
from mlxtutor.evaluation.notation import plain
from mlxtutor.text.calculator import CalculatorError, evaluate

_CALL = re.compile(r"<\|calc\|>(.*?)<\|result\|>(.*?)<\|/calc\|>", re.DOTALL)
_TOKEN = re.compile(r"<\|[^|<>]*\|>")
TOLERANCE = 1e-3  # of a stated result: 4 significant digits


@dataclass(frozen=True)
class Transcript:
    """compact: with the calculator's tokens, as the micro model writes; calls: (expression, result) in order."""

    compact: str

    @cached_property
    def calls(self) -> list[tuple[str, str]]:
        return [(expression.strip(), result.strip()) for expression, result in _CALL.findall(self.compact)]

    @cached_property
    def text(self) -> str:
        """Plain text, each call as `EXPRESSION = RESULT`."""
        return plain(_TOKEN.sub(" ", _CALL.sub(r"\1 = \2", self.compact))).strip()

    @cached_property
    def prose(self) -> str:
        """Plain text, each call as its result."""
        return plain(_TOKEN.sub(" ", _CALL.sub(r"\2", self.compact))).strip()

    @cached_property
    def results(self) -> list[float]:
        """The results that the calculator does give for their expressions; a made-up one is left out."""
        return [value for expression, result in self.calls if (value := _verified(expression, result)) is not None]


def read_transcript(answer: str | Sequence[str | dict[str, str]]) -> Transcript:
    """An answer as text (compact tokens or none) or as the parts of a data row's message."""
    if isinstance(answer, str):
        return Transcript(answer.replace("<|im_end|>", "").strip())
    return Transcript("".join(_render(part) for part in answer).strip())


def _render(part: str | dict[str, str]) -> str:
    if isinstance(part, str):
        return part
    if "calc" not in part or "result" not in part:
        raise TutorError(f'part of an answer has keys {sorted(part)} (allowed: a string, or "calc" and "result")')
    return f"<|calc|>{part['calc']}<|result|>{part['result']}<|/calc|>"


def _verified(expression: str, result: str) -> float | None:
    try:
        value, stated = evaluate(expression), float(result)
    except (CalculatorError, ValueError):
        return None  # a failed call has no result to build on
    return stated if abs(value - stated) <= TOLERANCE * abs(value) else None
