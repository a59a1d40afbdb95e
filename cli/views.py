"""Where a chat is read and shown: the terminal, or plain lines where there is none."""

from __future__ import annotations

import sys
import termios
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from rich.console import RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from . import console
from .rendering import Drawing, drawn_answer, plain_answer
from .typesetting import visible

INDENT = 2  # columns before an answer


class View(Protocol):
    """read raises EOFError at the end of the input."""

    def read(self) -> str: ...
    def answer(self, pieces: Iterable[str]) -> None: ...
    def show(self, question: str, answer: str) -> None: ...
    def notice(self, text: str) -> None: ...
    def table(self, columns: list[str], rows: list[list[str]]) -> None: ...


class PlainView:
    """A message a line on stdin; only answers on stdout, each followed by an empty line; the rest on stderr."""

    def read(self) -> str:
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        return line.decode("utf-8", "replace")

    def answer(self, pieces: Iterable[str]) -> None:
        rest = ""
        for piece in pieces:
            *complete, rest = (rest + piece).split("\n")
            for line in complete:
                self._write(line)
        if rest:
            self._write(rest)
        self._write("")

    def show(self, question: str, answer: str) -> None:
        """Nothing: what was loaded was said before."""

    def notice(self, text: str) -> None:
        sys.stderr.write(visible(text) + "\n")

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        for row in rows:
            self.notice("\t".join(row))

    def _write(self, line: str) -> None:
        sys.stdout.write(visible(plain_answer(line)) + "\n")
        sys.stdout.flush()


class TerminalView:
    """Line editing with a history in a file, and answers drawn while they come."""

    def __init__(self, history: Path, commands: Callable[[str], list[str]]) -> None:
        """commands: what a line that starts with "/" may go on to."""
        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(mode=0o600)  # what a student asked is theirs
        self.session: PromptSession[str] = PromptSession(
            HTML("<b><ansigreen>›</ansigreen></b> "), history=FileHistory(str(history)), key_bindings=_keys(), multiline=True,
            completer=_Commands(commands), complete_while_typing=False, prompt_continuation="  ")

    def read(self) -> str:
        return self.session.prompt()

    def answer(self, pieces: Iterable[str]) -> None:
        drawing = Drawing()
        console.out.print()
        with _no_echo(), Live(_indented(Text("…", style="dim")), console=console.out, auto_refresh=False, transient=True) as live:
            try:
                for piece in pieces:
                    for drawn in drawing.push(piece):
                        console.out.print(_indented(drawn))
                    live.update(_indented(drawing.current), refresh=True)
            finally:
                live.update(Text(), refresh=True)
                for drawn in drawing.finish():
                    console.out.print(_indented(drawn))
        console.out.print()

    def show(self, question: str, answer: str) -> None:
        console.out.print(Text("› ", style="green").append(visible(question), style="dim"), "")
        for drawn in drawn_answer(answer):
            console.out.print(_indented(drawn))
        console.out.print()

    def notice(self, text: str) -> None:
        console.out.print(Text(visible(text), style="dim"))

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        console.out.print(console.table("", columns, rows))


def view_for(history: Path, commands: Callable[[str], list[str]]) -> View:
    """The terminal where both ends are one."""
    return TerminalView(history, commands) if sys.stdin.isatty() and sys.stdout.isatty() else PlainView()


@contextmanager
def _no_echo() -> Iterator[None]:
    """What is typed meanwhile, Ctrl-C's ^C too, stays out of the drawing; it waits for the next prompt."""
    settings = termios.tcgetattr(sys.stdin)
    quiet = [*settings[:3], settings[3] & ~termios.ECHO, *settings[4:]]
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)


def _indented(drawn: RenderableType) -> Padding:
    return Padding(drawn, (0, 0, 0, INDENT))


def _keys() -> KeyBindings:
    """Enter sends, Alt-Enter starts a new line (a pasted text keeps its lines), Ctrl-C clears what was typed."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    return keys


class _Commands(Completer):
    """Tab completes a command."""

    def __init__(self, commands: Callable[[str], list[str]]) -> None:
        self.commands = commands

    def get_completions(self, document, complete_event):  # type: ignore[no-untyped-def]
        text = document.text_before_cursor
        if text.startswith("/"):
            yield from (Completion(word, -len(text)) for word in self.commands(text) if word.startswith(text))
