"""JSON without the paths of the machine it was written on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PATHS = (  # in a longer text: quoted, as an address, bare
    re.compile(r"""(?<=['"])(?:~|[A-Za-z]:)?[/\\][^'"\n]*[/\\]([^'"/\\\n]*)(?=['"])"""),
    re.compile(r"""\bfile://[^\s'"]*/([^\s'"/]*)"""),
    re.compile(r"""(?<![\w./])(?:~|[A-Za-z]:)?[/\\](?:[^\s'",;:/\\]+[/\\])+([^\s'",;:/\\]*)"""),
)


def without_paths(value: Any) -> Any:
    """JSON with every absolute path replaced by its last part: whole strings, words of commands, and keys that hold a folder."""
    if isinstance(value, Mapping):
        return {key: without_paths(item) for key, item in value.items()
                if not (key in ("folder", "path") and isinstance(item, str) and _absolute(item))}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if not isinstance(value, str):
        return value
    if _absolute(value):
        return _last_part(value)
    for pattern in _PATHS:
        value = pattern.sub(lambda found: found[1] or ".", value)
    return value


def _absolute(text: str) -> bool:
    """A path and nothing else, spaces included: not a chat template, which may begin with a slash too."""
    return "\n" not in text and len(text) < 1024 and re.match(r"(?:~?/|[A-Za-z]:[/\\]|\\\\)[^\s/*\\]", text) is not None


def _last_part(text: str) -> str:
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1]
