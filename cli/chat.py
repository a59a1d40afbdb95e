"""`tutor chat`: talk to a tutor in the terminal, or line by line from a pipe."""

from __future__ import annotations

import os
import random
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mlxtutor.errors import TutorError

from . import console

if TYPE_CHECKING:
    from mlxtutor.backends import Sampling

    from .session import Session

MAX_TOKENS = 400  # of an answer
MEMORY = "Earlier exchanges read with a question; by default none for a micro tutor, which knows single problems, else all that fit."


def chat(
    model: Annotated[str | None, typer.Argument(help="NAME[@VERSION] or a directory; by default the promoted or newest model.")] = None,
    backend: Annotated[str, typer.Option(help="auto, mlx or torch.")] = "auto",
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="The system text; the recipe's by default.")] = None,
    no_calculator: Annotated[bool, typer.Option("--no-calculator", help="The tutor sets up, you evaluate.")] = False,
    temperature: Annotated[float | None, typer.Option(min=0, help="0, the default, takes the likeliest token.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0.01, max=1, help="Sample from the likeliest tokens up to this share.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the sampling; another one each time by default.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = MAX_TOKENS,
    memory: Annotated[int | None, typer.Option(min=0, help=MEMORY)] = None,
) -> None:
    """Talk to a tutor. `/help` lists the commands, Ctrl-C stops an answer, Ctrl-D leaves.

    Without a terminal it reads a message a line and writes plain answers, an empty line after each.

    Example: tutor chat em-tutor --no-calculator
    """
    from mlxtutor.inference.conversation import Conversation

    from .commands import completions
    from .opened import open_named, system_of
    from .session import Session
    from .views import PlainView, view_for

    home = console.home()
    text = system_text(system, no_calculator) or system_of(home, model)
    opened = open_named(home, model, backend)
    chosen = sampling(temperature, top_p, random.SystemRandom().randrange(2**31) if seed is None else seed)
    session: Session
    view = view_for(home.root / "chat_history", lambda line: completions(session, line))
    session = Session(home, opened, lambda name: open_named(home, name, backend), view, Conversation(text), chosen, max_tokens, memory)
    view.notice(opened.headline)
    if not isinstance(view, PlainView):
        _greet(session)
    converse(session)


def _greet(session: Session) -> None:
    if session.conversation.system:
        session.view.notice(f"system: {session.conversation.system}")
    if session.reads == 0:
        session.view.notice("each question is answered on its own (--memory lets earlier ones be read)")
    session.view.notice("/help lists the commands, Ctrl-D leaves\n")


def sampling(temperature: float | None, top_p: float | None, seed: int | None) -> Sampling:
    """What was given, else Sampling's own defaults."""
    from mlxtutor.backends import Sampling

    given = {"temperature": temperature, "top_p": top_p, "seed": seed}
    return Sampling(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def system_text(system: str | None, no_calculator: bool) -> str | None:
    """What --system and --no-calculator ask for; they exclude each other, since the tutor knows that one text exactly."""
    from mlxtutor.inference.conversation import CALCULATOR_OFF

    if system is not None and no_calculator:
        raise typer.BadParameter("--no-calculator is itself a system text; give one of the two", param_hint="--system")
    return CALCULATOR_OFF if no_calculator else argument(system or "") or None


def argument(text: str) -> str:
    """Text of the command line with the bytes that are not UTF-8 replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def converse(session: Session) -> None:
    """Read and answer until the end; a user's mistake is one line, and the chat goes on."""
    from .commands import run_command
    from .views import PlainView

    view = session.view
    while True:
        try:
            line = view.read().strip()
            if line.startswith("/"):
                if not run_command(session, line):
                    return
            elif line:
                session.ask(line)
        except EOFError:
            return
        except KeyboardInterrupt:
            if isinstance(view, PlainView):
                raise
            view.notice("(Ctrl-D or /quit leaves)")
        except TutorError as error:
            console.error(str(error))
        except BrokenPipeError:  # whoever read the answers has left
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        except OSError as error:
            console.error(f"{error.filename or 'the system'}: {error.strerror or error}")
