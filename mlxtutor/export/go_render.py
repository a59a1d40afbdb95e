"""Ollama's TEMPLATE at work: the part of Go's text/template that `go_template` writes, and nothing else.

Sources: pkg.go.dev/text/template for the language, ollama/template/template.go for the data. Anything outside the part
(pipelines, with, define, comments, printf, other fields) is a TutorError, never another output than Go's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlxtutor.errors import TutorError

_OPEN = re.compile(r"\{\{(?:-(?=[ \t\r\n]))?")
_CLOSE = re.compile(r"[ \t\r\n]*(?:(?<=[ \t\r\n])-)?\}\}")
_TOKEN = re.compile(
    r'(?P<space>[ \t\r\n]+)|(?P<string>"(?:[^"\\\n]|\\[\\"ntr])*"|`[^`]*`)|(?P<number>-?(?:0|[1-9]\d*)(?!\w))|(?P<declare>:=)|(?P<comma>,)'
    r"|(?P<path>(?:\$\w*|\))?(?:\.[A-Za-z]\w*)+|\$\w*|\.(?![\w])|\))|(?P<open>\()|(?P<word>[a-z]+)",
    re.ASCII,
)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n", "\\t": "\t", "\\r": "\r"}
_FUNCTIONS = {  # name: the least and the most values that it takes
    **dict.fromkeys(("not", "len"), (1, 1)),
    **dict.fromkeys(("ne", "index"), (2, 2)),
    **dict.fromkeys(("and", "or"), (1, 9)),
    "eq": (2, 9),
    "slice": (2, 3),
}
_FIELDS = {"top": ("System", "Messages", "Response"), "message": ("Role", "Content")}


@dataclass(frozen=True)
class _Action:
    """What stands between {{ and }}: tokens as (kind, text), and the keyword that they begin with, if any."""

    word: str
    tokens: tuple[tuple[str, str], ...]


Node = str | tuple[str, Any, Any]  # a text, or (kind, tokens, what hangs on it)
Scope = dict[str, Any]


def collate(messages: Sequence[dict]) -> tuple[str, list[dict]]:
    """Ollama's .System and .Messages: every system text joined; neighbours of one role are one message, a blank line between."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    collated: list[dict] = []
    for message in messages:
        if collated and collated[-1]["Role"] == message["role"] and message["role"] != "tool":
            collated[-1]["Content"] += "\n\n" + message["content"]
        else:
            collated.append({"Role": message["role"], "Content": message["content"]})
    return system, collated


def render(template_text: str, messages: Sequence[dict], *, system: str = "", examples: Sequence[dict] = ()) -> str:
    """The prompt that Ollama sends to the model for /api/chat; system and examples: the Modelfile's SYSTEM and MESSAGE lines.

    As in ollama/server/routes.go, the Modelfile's system text is left out where the first message is a system message.
    """
    nodes = parse(template_text)
    if not re.search(r"\.Messages\b", template_text):
        raise TutorError("the template does not use .Messages (Ollama would fill in .Prompt turn by turn, which is not supported here)")
    whole = [*examples, *messages]
    if system and messages and messages[0]["role"] != "system":
        whole.insert(0, {"role": "system", "content": system})
    joined, collated = collate(whole)
    top = {"System": joined, "Messages": collated, "Response": ""}
    return "".join(_run(nodes, top, {"$": top}))


def parse(text: str) -> list[Node]:
    """The template's nodes; TutorError for what is not in the supported part of the language."""
    pieces = _pieces(text)
    nodes = _block(pieces, ())[0]
    _check_variables(nodes, {"$"})
    return nodes


def _pieces(text: str) -> Iterator[str | _Action]:
    position, trim = 0, False
    while True:
        opening = _OPEN.search(text, position)
        literal = text[position : opening.start() if opening else len(text)]
        literal = literal.lstrip(" \t\r\n") if trim else literal
        yield literal.rstrip(" \t\r\n") if opening and opening[0].endswith("-") else literal
        if not opening:
            return
        tokens, position, trim = _tokens(text, opening.end())
        word = tokens[0][1] if tokens and tokens[0][0] == "word" and tokens[0][1] not in _FUNCTIONS else ""
        yield _Action(word, tuple(tokens[1:] if word else tokens))


def _tokens(text: str, position: int) -> tuple[list[tuple[str, str]], int, bool]:
    """The action's tokens, where the text behind it begins, and whether that text is trimmed."""
    tokens = []
    while not (closing := _CLOSE.match(text, position)):
        token = _TOKEN.match(text, position)
        if not token or not token.lastgroup:
            raise TutorError(f"the template has {text[position : position + 20]!r} in an action (allowed: fields, variables, texts)")
        if token.lastgroup != "space":
            tokens.append((token.lastgroup, token[0]))
        position = token.end()
    return tokens, closing.end(), closing[0].endswith("-}}")


def _block(pieces: Iterator[str | _Action], ends: tuple[str, ...]) -> tuple[list[Node], _Action]:
    """The nodes up to one of `ends` (up to the end of the text, where there is none) and the action that ended them."""
    nodes: list[Node] = []
    for piece in pieces:
        if isinstance(piece, str):
            nodes.append(piece)
        elif piece.word in ends and (not piece.tokens or piece.tokens[0] == ("word", "if") and piece.word == "else"):
            return nodes, piece
        elif piece.word == "if":
            nodes.append(("if", None, _branches(pieces, piece.tokens)))
        elif piece.word == "range":
            nodes.append(("range", _checked(_range(piece.tokens)), _block(pieces, ("end",))[0]))
        elif not piece.word and len(piece.tokens) > 2 and piece.tokens[1][0] == "declare" and re.match(r"\$\w+$", piece.tokens[0][1]):
            nodes.append(("set", _checked(piece.tokens[2:]), piece.tokens[0][1]))
        elif not piece.word and piece.tokens:
            nodes.append(("show", _checked(piece.tokens), None))
        else:
            raise TutorError(f"the template has {{{{ {piece.word} }}}} (allowed here: if, range, else, end, each where it belongs)")
    if ends:
        raise TutorError(f"the template ends before {{{{ {ends[-1]} }}}}")
    return nodes, _Action("", ())


def _branches(pieces: Iterator[str | _Action], condition: tuple) -> list[tuple[Any, list[Node]]]:
    """(condition, nodes) of an if and of what follows its elses; the condition of a plain else is None."""
    nodes, end = _block(pieces, ("else", "end"))
    branches: list[tuple[Any, list[Node]]] = [(_checked(condition), nodes)]
    if end.word == "else" and end.tokens[:1] == (("word", "if"),):
        return branches + _branches(pieces, end.tokens[1:])
    if end.word == "else":
        branches.append((None, _block(pieces, ("end",))[0]))
    return branches


def _range(tokens: tuple) -> tuple:
    names = tuple(text for _, text in tokens[:3:2])
    if [kind for kind, _ in tokens[:4]] != ["path", "comma", "path", "declare"] or not all(n.startswith("$") for n in names):
        return tokens
    return (("range", names), *tokens[4:])


def _checked(tokens: tuple) -> tuple:
    if not tokens:
        raise TutorError("the template has an action without a value")
    for kind, text in tokens:
        if kind == "word" and text not in _FUNCTIONS:
            raise TutorError(f"the template calls {text} (allowed: {', '.join(_FUNCTIONS)})")
    return tokens


def _check_variables(nodes: list[Node], declared: set[str]) -> None:
    """As Go does it, also where nothing runs."""
    declared = set(declared)
    for node in nodes:
        if isinstance(node, str):
            continue
        kind, tokens, rest = node
        tests = [test for test, _ in rest if test] if kind == "if" else [tokens]
        used = {text.partition(".")[0] for test in tests for found, text in test if found == "path" and text.startswith("$")}
        if unknown := used - declared:
            raise TutorError(f"the template uses {min(unknown)}, which is not declared")
        if kind == "if":
            for _, branch in rest:
                _check_variables(branch, declared)
        elif kind == "range":
            _check_variables(rest, declared | set(tokens[0][1] if tokens[0][0] == "range" else ()))
        elif kind == "set":
            declared.add(rest)


def _run(nodes: list[Node], dot: Any, scope: Scope) -> Iterator[str]:
    scope = dict(scope)
    for node in nodes:
        if isinstance(node, str):
            yield node
            continue
        kind, tokens, rest = node
        if kind == "show":
            yield _shown(_value(tokens, dot, scope))
        elif kind == "set":
            scope[rest] = _value(tokens, dot, scope)
        elif kind == "if":
            taken = (branch for test, branch in rest if test is None or _value(test, dot, scope))
            yield from _run(next(taken, []), dot, scope)
        else:
            names = tokens[0][1] if tokens[0][0] == "range" else ()
            items = _value(tokens[1:] if names else tokens, dot, scope)
            if not isinstance(items, list):
                raise TutorError(f"the template has a range over {type(items).__name__} (allowed: lists)")
            for i, item in enumerate(items):
                yield from _run(rest, item, scope | dict(zip(names, (i, item))))


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        raise TutorError(f"the template writes {value!r} (allowed: texts)")
    return value


def _value(tokens: Sequence[tuple[str, str]], dot: Any, scope: Scope) -> Any:
    """The value of a whole expression: one operand, or a function and its arguments."""
    rest = list(tokens)
    value = _command(rest, dot, scope)
    if rest:
        raise TutorError(f"the template has {rest[0][1]!r} too many in an expression")
    return value


def _command(rest: list[tuple[str, str]], dot: Any, scope: Scope) -> Any:
    """Up to the end of the expression or the parenthesis that closes it, which is left."""
    name = rest.pop(0)[1] if rest and rest[0][0] == "word" else ""
    values = []
    while rest and not rest[0][1].startswith(")"):
        values.append(_operand(rest, dot, scope))
    if name:
        return _call(name, values)
    if len(values) != 1:
        raise TutorError(f"the template has {len(values)} values where one belongs")
    return values[0]


def _operand(rest: list[tuple[str, str]], dot: Any, scope: Scope) -> Any:
    kind, text = rest.pop(0)
    if kind == "string":
        return text[1:-1] if text[0] == "`" else re.sub(r"\\.", lambda match: _ESCAPES[match[0]], text[1:-1])
    if kind == "number":
        return int(text)
    if kind == "open":
        value = _command(rest, dot, scope)
        if not rest:
            raise TutorError("the template has a parenthesis that is not closed")
        return _field(value, rest.pop(0)[1][1:])
    if kind != "path":
        raise TutorError(f"the template has {text!r} in an expression")
    if not text.startswith("$"):
        return _field(dot, text if text != "." else "")
    variable, point, fields = text.partition(".")
    return _field(scope[variable], point + fields)


def _field(value: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        if not isinstance(value, dict) or name not in value:
            known = ", ".join(f".{name}" for names in _FIELDS.values() for name in names)
            raise TutorError(f"the template uses .{name} where there is none (supported: {known})")
        value = value[name]
    return value


def _call(name: str, values: list) -> Any:
    low, high = _FUNCTIONS[name]
    if not low <= len(values) <= high:
        raise TutorError(f"the template gives {name} {len(values)} values (allowed: {low} to {high})")
    if name in ("eq", "ne") and any(type(value) is not type(values[0]) or not isinstance(value, (str, int)) for value in values):
        raise TutorError(f"the template compares {' with '.join(type(value).__name__ for value in values)} (allowed: texts, numbers)")
    if name == "len" and not isinstance(values[0], (str, list)):
        raise TutorError(f"the template takes the len of {type(values[0]).__name__} (allowed: texts, lists)")
    if name in ("slice", "index"):
        return _part(name, values[0], values[1:])
    functions: dict[str, Callable[[], Any]] = {
        "not": lambda: not values[0],
        "len": lambda: len(values[0].encode()) if isinstance(values[0], str) else len(values[0]),
        "eq": lambda: values[0] in values[1:],
        "ne": lambda: values[0] != values[1],
        "and": lambda: next((value for value in values if not value), values[-1]),
        "or": lambda: next((value for value in values if value), values[-1]),
    }
    return functions[name]()


def _part(name: str, items: Any, at: list) -> Any:
    """slice and index, where Go stops at what lies outside and Python would count from the end."""
    last = len(items) - (name == "index") if isinstance(items, list) else -1
    if not all(type(i) is int and 0 <= i <= last for i in at) or at != sorted(at):
        raise TutorError(f"the template takes {name} {at} of {type(items).__name__} (allowed: a list, from 0 to {last})")
    return items[at[0]] if name == "index" else items[slice(*at) if len(at) == 2 else slice(at[0], None)]
