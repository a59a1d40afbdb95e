"""Sanity checks of worked solutions: signs, limits and bounds that a small model can state truthfully.

A sentence that compares two numbers in different notations ("R2 is the larger") is true in the data and a guess in the model's
mouth; one that follows from a sign it has just written, or that always holds, is not. `twice r would give a quarter of F.` is
verified by the tests with the type's own expression.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

Check = str | Callable[[SimpleNamespace], str]


def sign_word(value: float) -> str:
    return "positive" if value > 0 else "negative"


def by_sign(symbol: str, positive: str, negative: str) -> Callable[[SimpleNamespace], str]:
    """`q is negative, so ...`: what the sign of one quantity means."""
    def check(v: SimpleNamespace) -> str:
        value = getattr(v, symbol)
        return f"{symbol} is {sign_word(value)}, so {positive if value > 0 else negative}."
    return check


def by_signs(first: str, second: str, like: str, opposite: str) -> Callable[[SimpleNamespace], str]:
    """`q1 is positive, q2 is negative: opposite charges ...`: both signs are said before what they mean together."""
    def check(v: SimpleNamespace) -> str:
        a, b = getattr(v, first), getattr(v, second)
        meaning = f"like charges {like}" if a * b > 0 else f"opposite charges {opposite}"
        return f"{first} is {sign_word(a)}, {second} is {sign_word(b)}: {meaning}."
    return check
