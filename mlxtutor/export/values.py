"""Values of a model directory's JSON files by their type; what is wrong names the file, the key, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from mlxtutor.errors import TutorError

LARGEST = 2**31 - 1          # GGUF has uint32, llama.cpp int32
LARGEST_FLOAT = 3.4028235e38  # float32's


def wrong(where: str, key: str, value: object, allowed: str) -> TutorError:
    """The error of one value."""
    return TutorError(f"{where}: {_said(key, value)} (allowed: {allowed})")


def is_whole(value: object, low: int = 0, high: int = LARGEST) -> TypeGuard[int]:
    """A whole number in these bounds; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _said(key: str, value: object) -> str:
    text = repr(value)
    return f"{key} is {text if len(text) <= 60 else text[:57] + '...'}"


class Values:
    """Reads one JSON object. A wrong value gives a stand-in; `check` raises all that were wrong. where: the file.

    With a default, null and an absent key are the default.
    """

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        self.found, self.where = found, where
        self.problems: list[str] = []

    def whole(self, key: str, low: int = 1, high: int = LARGEST, default: int | None = None) -> int:
        """A whole number."""
        value = self._value(key, default)
        return value if is_whole(value, low, high) else self._wrong(key, value, f"a whole number from {low} to {high}", low)

    def number(self, key: str, default: float | None = None, high: float = LARGEST_FLOAT) -> float:
        """A number above 0."""
        value = self._value(key, default)
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= high
        return float(value) if number else self._wrong(key, value, f"a number above 0, at most {high:.3g}", 1.0)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object, empty where there is none."""
        value = self._value(key, {})
        return value if isinstance(value, dict) else self._wrong(key, value, "an object", {})

    def check(self) -> None:
        """TutorError with everything that was wrong."""
        if self.problems:
            raise TutorError(f"{self.where}: {'; '.join(self.problems)}")

    def _value(self, key: str, default: Any) -> Any:
        value = self.found.get(key)
        return default if value is None and default is not None else value

    def _wrong(self, key: str, value: object, allowed: str, instead: Any) -> Any:
        self.problems.append(f"{key} missing" if key not in self.found else f"{_said(key, value)} (allowed: {allowed})")
        return instead
