"""Where commands print: people read stderr's tables or stdout, scripts read one JSON document on stdout."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlxtutor.home import Home

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)


def home() -> Home:
    """$TUTOR_HOME, by default ~/.tutor."""
    return Home(Path(os.environ.get("TUTOR_HOME") or Path.home() / ".tutor"))


def error(message: str) -> None:
    """One line on stderr."""
    err.print("[bold red]error:[/] ", end="")
    err.print(" ".join(message.split()), markup=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """The one JSON document of a --json command."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def table(title: str, columns: list[str], rows: list[list[str]], right: tuple[int, ...] = ()) -> Table:
    """A plain table; `right` are the columns of numbers."""
    result = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        result.add_column(column, justify="right" if index in right else "left")
    for row in rows:
        result.add_row(*row)
    return result
