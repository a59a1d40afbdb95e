"""Where commands print: people read stderr's tables or stdout, scripts read one JSON document on stdout."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlxtutor.errors import TutorError
from mlxtutor.home import Home

out = Console(highlight=False, soft_wrap=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def home() -> Home:
    """$TUTOR_HOME, by default ~/.tutor."""
    return Home(Path(os.environ.get("TUTOR_HOME") or Path.home() / ".tutor"))


def error(message: str) -> None:
    """One line on stderr."""
    err.print("[bold red]error:[/] ", end="")
    err.print(" ".join(message.split()), markup=False, soft_wrap=not err.is_terminal)


def note(message: str) -> None:
    """A line for people on stderr, wrapped between words on a terminal."""
    err.print(message, markup=False, soft_wrap=not err.is_terminal)


def command_line() -> str:
    """What was typed, for a record of it."""
    return shlex.join(["tutor", *sys.argv[1:]])


def print_json(document: Any) -> None:
    """The one JSON document of a --json command."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def table(title: str, columns: list[str], rows: list[list[str]], right: tuple[int, ...] = ()) -> Table:
    """A plain table; `right` are the columns of numbers. Cells are text: a bracket in them is no markup."""
    result = Table(title=title, title_justify="left", title_style="bold", min_width=len(title), box=None, pad_edge=False,
                   header_style="dim")
    for index, column in enumerate(columns):
        result.add_column(column, justify="right" if index in right else "left")
    for row in rows:
        result.add_row(*map(Text, row))
    return result


def duration(seconds: float | None) -> str:
    """`41 s`, `3.5 min`, `2.1 h`."""
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes as `512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def percent(score: dict[str, Any] | None) -> str:
    """The share of a score in per cent, `-` where it was asked of no row."""
    return "-" if not score or score["value"] is None else f"{100 * score['value']:.1f} %"


def interval(score: dict[str, Any] | None) -> str:
    """A score's 95 % interval in per cent."""
    return "-" if not score or score["value"] is None else f"{100 * score['low']:.1f}-{100 * score['high']:.1f}"


def check_other(out: Path, inputs: Sequence[str]) -> None:
    """Raise TutorError where an output is an input: a command never overwrites what it reads."""
    if out.resolve() in {Path(source).resolve() for source in inputs}:
        raise TutorError(f"{out}: an input of this command (give another name to write to)")
