"""The command `tutor`: the commands put together, and errors as one line."""

from __future__ import annotations

import sys

import typer

from mlxtutor.errors import TutorError

from . import ask, bench, chat, console, data, doctor, eval, models, plan, tokenizer, train

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
app.command("bench")(bench.bench)


def main() -> None:
    """Run the command; a user's mistake is one line on stderr and exit code 1 (2 for bad usage)."""
    try:
        app()
    except TutorError as error:
        console.error(str(error))
        sys.exit(1)
    except OSError as error:
        console.error(f"{error.filename or 'the system'}: {error.strerror or error}" + (" (free some space and run again)" if error.errno == 28 else ""))
        sys.exit(1)
    except KeyboardInterrupt:
        console.error("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
