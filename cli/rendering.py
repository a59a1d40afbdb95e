"""An answer, with the calculator's tokens in it, as plain text or as the terminal draws it while it is being written."""

from __future__ import annotations

import re

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.text import Text

from mlxtutor.text.chat import CALC, CALC_END, RESULT, parse_parts, plain

from .typesetting import expression, formula, prose, visible

CALL_SIGN = "⌗"
_TUTOR_LABEL = re.compile(r"(Topic|Given|Law|Units|Check|Answer|Missing):(?= )")
_HEADING = re.compile(r"#{1,6} +(.*?) *#*$")
_BULLET = re.compile(r"( *)[-*+] +(?=\S)")
_MARK = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![\w*])|`([^`]+)`")
_OPEN_CALL = re.compile(r"<\|calc\|>([^<]*)(?:<\|result\|>([^<]*))?$")


def plain_answer(text: str) -> str:
    """For scripts and files: `8.99e9*3 = 2.7e10`; what an unfinished call holds stays readable."""
    return _without_tokens(plain(text)).strip()


def _without_tokens(text: str) -> str:
    """What is left of calls that were not well formed."""
    return text.replace(CALC, "").replace(RESULT, " = ").replace(CALC_END, "")


def line(text: str) -> Text:
    """One line of an answer, drawn."""
    text = visible(text)
    heading, bullet, label = _HEADING.match(text), _BULLET.match(text), _TUTOR_LABEL.match(text)
    if heading:
        return _inline(heading[1], "bold underline")
    if bullet:
        return Text(f"{bullet[1]}• ") + _inline(text[bullet.end():])
    if label:
        answer = label[1] == "Answer"
        style = "bold green" if answer else "bold yellow" if label[1] == "Missing" else "dim"
        return Text.assemble((label[0], style), _inline(text[label.end():], "bold" if answer else ""))
    return _inline(text)


def _inline(text: str, style: str = "") -> Text:
    """Calculator calls, then Markdown's marks, then formulas."""
    drawn = Text()
    pending = _OPEN_CALL.search(text)
    for part in parse_parts(text[:pending.start()] if pending else text):
        if isinstance(part, dict):
            drawn.append_text(_call(part["calc"], part["result"]))
        else:
            drawn.append_text(_marked(part))
    if pending:
        drawn.append_text(_call(pending[1], pending[2] or "" if pending[2] is not None else None))
    drawn.stylize_before(style)
    return drawn


def _call(written: str, result: str | None) -> Text:
    """`⌗ 8.99e9·3e-6 = 2.697 × 10⁴`; result None: still being written."""
    drawn = Text().append(f"{CALL_SIGN} {expression(written)}", style="cyan")
    if result is not None:
        failed = result == "error"
        drawn.append(" = ", style="cyan").append(formula(result), style="bold red" if failed else "bold cyan")
    return drawn


def _marked(text: str) -> Text:
    text = _without_tokens(text)
    drawn, end = Text(), 0
    for mark in _MARK.finditer(text):
        drawn.append(prose(text[end:mark.start()]))
        bold, italic, code = mark.groups()
        drawn.append(code or prose(bold or italic), style="bold" if bold else "italic" if italic else "cyan")
        end = mark.end()
    return drawn.append(prose(text[end:]))


class Drawing:
    """An answer as it comes: `push` gives the lines that are complete, `current` the one being written.

    A fenced block or a table is drawn once it is complete, by rich's Markdown.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._block: list[str] = []

    def push(self, text: str) -> list[RenderableType]:
        self._rest += text
        *complete, self._rest = self._rest.split("\n")
        return [drawn for one in complete for drawn in self._take(one)]

    def finish(self) -> list[RenderableType]:
        """What is left at the end of the answer."""
        drawn = self.push("\n") if self._rest else []
        return drawn + self._close()

    @property
    def current(self) -> RenderableType:
        waiting = [Text(visible(one), style="dim") for one in self._block]
        return Group(*waiting, line(self._rest))

    def _take(self, text: str) -> list[RenderableType]:
        fence = text.lstrip().startswith("```")
        fenced = bool(self._block) and self._block[0].lstrip().startswith("```")
        if fenced or fence or text.startswith("|"):
            self._block.append(text)
            return self._close() if fenced and fence else []
        if text.strip() in (r"\[", r"\]", "$$"):  # the delimiters of a displayed formula
            return self._close()
        return [*self._close(), line(text)]

    def _close(self) -> list[RenderableType]:
        block, self._block = self._block, []
        return [Markdown(visible("\n".join(block)))] if block else []


def drawn_answer(text: str) -> list[RenderableType]:
    """A whole answer, drawn."""
    drawing = Drawing()
    return drawing.push(text) + drawing.finish()
