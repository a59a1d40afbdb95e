"""What a chat's `/commands` do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.inference.conversation import load, save
from mlxtutor.registry.models import list_models

from .opened import shown_id
from .session import Session


@dataclass(frozen=True)
class Command:
    """run(session, argument) -> False ends the chat. argument: what it takes, for the help."""

    run: Callable[[Session, str], bool | None]
    argument: str
    help: str


def run_command(session: Session, line: str) -> bool:
    """Run `/name argument`; False when the chat is to end. TutorError for an unknown one."""
    name, _, argument = line.partition(" ")
    if name not in COMMANDS:
        raise TutorError(f'unknown command "{name}" (allowed: {" ".join(COMMANDS)})')
    return COMMANDS[name].run(session, argument.strip()) is not False


def completions(session: Session, line: str) -> list[str]:
    """Whole lines that a line starting with "/" may become."""
    if line.startswith("/model "):
        return [f"/model {shown_id(ref)}" for ref in list_models(session.home.models)]
    return list(COMMANDS)


def _help(session: Session, _: str) -> None:
    session.view.table(["command", "", ""], [[name, command.argument, command.help] for name, command in COMMANDS.items()])
    session.view.notice("Enter sends, Alt-Enter starts a new line. Ctrl-C stops an answer or clears the line, Ctrl-D leaves.")


def _reset(session: Session, _: str) -> None:
    session.reset()
    session.view.notice("(a new conversation; the system text stays)" if session.conversation.system else "(a new conversation)")


def _retry(session: Session, _: str) -> None:
    session.retry()


def _save(session: Session, name: str) -> None:
    path = _path(name, "/save")
    save(session.conversation, path, session.opened.id)
    session.view.notice(f"(saved to {path})")


def _load(session: Session, name: str) -> None:
    path = _path(name, "/load")
    conversation = load(path)
    count = conversation.questions()
    system = f"; system: {conversation.system}" if conversation.system else ""
    session.view.notice(f"({count} question{'' if count == 1 else 's'} from {path}{system})")
    if [message["role"] for message in conversation.messages[-2:]] == ["user", "assistant"]:
        session.view.show(*(message["content"] for message in conversation.messages[-2:]))
    session.load(conversation)


def _system(session: Session, text: str) -> None:
    if text:
        session.conversation.system = None if text == "off" else text
    system = session.conversation.system
    session.view.notice(f"(system: {system})" if system else "(no system text)")


def _model(session: Session, name: str) -> None:
    if name:
        session.switch(name)
        session.view.notice(session.opened.headline)
        return
    rows = []
    for ref in list_models(session.home.models):
        here = "•" if ref.path == session.opened.ref.path else ""
        kind = "damaged" if ref.problem else ref.card.get("kind", "")
        rows.append([here, shown_id(ref), kind, ref.card.get("created", "")[:16].replace("T", " ")])
    session.view.table(["", "model", "kind", "made (UTC)"], rows)


def _quit(session: Session, _: str) -> bool:
    return False


def _path(name: str, command: str) -> Path:
    if not name:
        raise TutorError(f"{command} needs a file (e.g. {command} chat.json)")
    return Path(name).expanduser()


COMMANDS = {
    "/help": Command(_help, "", "this list"),
    "/reset": Command(_reset, "", "forget the conversation"),
    "/retry": Command(_retry, "", "answer the last question again"),
    "/save": Command(_save, "FILE", "write the conversation as JSON"),
    "/load": Command(_load, "FILE", "go on with a saved conversation"),
    "/system": Command(_system, "TEXT", "show or set the system text; `off` removes it, `Calculator: off` leaves the evaluation to you"),
    "/model": Command(_model, "NAME", "list the models, or go on with another one"),
    "/quit": Command(_quit, "", "leave (also Ctrl-D)"),
}
