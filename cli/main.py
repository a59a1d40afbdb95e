"""The command `tutor`: the commands put together, and errors as one line."""

from __future__ import annotations

import errno
import sys

import typer

from mlxtutor.errors import TutorError

from . import ask, bench, chat, console, data, doctor, eval, export, hub, models, plan, tokenizer, train

INTERRUPTED = 130  # what Typer makes of Ctrl-C

app = typer.Typer(
    name="tutor", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Make a tutoring language model that can be trusted, on the machine you own.",
)
app.command("doctor")(doctor.doctor)
app.command("train", help=train.train.__doc__)(train.train)
app.command("chat", help=chat.chat.__doc__)(chat.chat)
app.command("ask", help=ask.ask.__doc__)(ask.ask)
app.command("plan")(plan.plan)
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(data.app, name="data")
app.command("eval")(eval.evaluate)
app.add_typer(models.app, name="models")
app.add_typer(export.app, name="export")
app.add_typer(hub.app, name="hub")
app.command("bench")(bench.bench)


def main() -> None:
    """Run the command; a user's mistake is one line on stderr and exit code 1 (2 for bad usage, 130 for Ctrl-C)."""
    try:
        app()
    except TutorError as error:
        console.error(str(error))
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            console.error("interrupted")
        raise
    except Exception as error:
        line = _system_error(error)
        if line is None:
            raise
        console.error(line)
        sys.exit(1)


def _system_error(error: Exception) -> str | None:
    """One line for what the disk or a file is to blame for; None for any other error."""
    if isinstance(error, OSError):
        full, line = error.errno == errno.ENOSPC, f"{error.filename or 'the system'}: {error.strerror or error}"
    elif type(error).__name__ == "SafetensorError":  # by its name: importing safetensors would slow every command down
        full, line = "No space left" in str(error), f"a safetensors file can't be read or written: {error}"
    else:
        return None
    return line + (" (the disk is full: free some space and run again)" if full else "")


if __name__ == "__main__":
    main()
