"""A record's fields, taken one after another: what nobody takes is kept as `extra`."""

from __future__ import annotations

from typing import Any

_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
EMPTY: tuple[Any, ...] = (None, "", [], {})


class Fields:
    """The fields that are still to be taken; `used` names those that were."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.left = dict(record)
        self.used: list[str] = []

    def has(self, *names: str) -> bool:
        return any(self.left.get(name) not in EMPTY for name in names)

    def take(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that holds something; the other names stay."""
        for name in names:
            if self.left.get(name) not in EMPTY:
                self.used.append(name)
                return self.left.pop(name)
        return default

    def text(self, *names: str) -> str:
        """As `take`, but text: a number reads as its digits; "" where there is none. Raises ValueError for a list or object."""
        value = self.take(*names)
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        raise ValueError(f'"{self.used[-1]}" is {kind(value)} (a text is expected)')

    def word(self, *names: str) -> str:
        """As `text`, but what is no text or number stays where it is."""
        values = {name: self.left.get(name) for name in names}
        return self.text(*(name for name, value in values.items() if isinstance(value, (str, int, float)) and not isinstance(value, bool)))


def kind(value: Any) -> str:
    """What a JSON value is, in JSON's words."""
    return _KINDS.get(type(value), type(value).__name__)
