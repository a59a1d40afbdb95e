"""Ollama's TEMPLATE (Go's text/template) for a model whose chats are rendered by a Jinja template.

The Jinja template is not translated but measured: it renders chats of marker texts, what stands between the markers is
the frame of each turn, and the Go template writes the same frames. Then both render sample chats, which must be equal.

The beginning-of-text token is not written: llama.cpp and Ollama put it before the whole prompt themselves where the
GGUF says add_bos_token (ollama/server/prompt.go renders, the runner tokenises with special tokens added), and twice is
a fault. `GoTemplate.bos` is what the GGUF must add for the prompt to be the one of training.

A chat that ends in an assistant's message is continued in Ollama: no end of turn, no new turn.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from mlxtutor.errors import TutorError
from mlxtutor.export import go_render
from mlxtutor.export.chat_template import render_jinja
from mlxtutor.export.go_render import render

__all__ = ["GoTemplate", "derive", "render"]

ROLES = {"s": "system", "u": "user", "a": "assistant"}
NOT_THINKING = {"enable_thinking": False}
_SPECIAL = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]+\]")
_FIRST, _AFTER_SYSTEM, _LAST = "eq $i 0", "and (eq $i 1) $system", "$last"
_TEXTS = (
    "What is the force?",
    "F = k·q₁q₂/r² — 3,5 µC, Ω, é, 中文, 😀",
    "{{ .Content }} {{- end -}} {% if x %} {# no #} }} {",
    "say \"\"\"so\"\"\" or 'so' or `so`, \\n \\frac{1}{2} $E$ & <b>",
    "one\n\n  two\n\tthree\n- four",
    "[1, 2]",
    "0",
)
Jinja = Callable[[list[dict], bool], str]


@dataclass(frozen=True)
class GoTemplate:
    """bos: what the GGUF must add before the prompt ("": nothing); notes: where Ollama's prompt differs, a line each."""

    text: str
    stops: tuple[str, ...]
    bos: str = ""
    takes_system: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Frame:
    """What stands before and after each role's text. first: before the first user's, where no system message is.

    system: a turn of its own, or a part of the first user turn; "last": of the last user turn; "refused"; "ignored".
    """

    first: str
    later: str
    after_user: str
    prompt: str
    before_answer: str
    continued: str
    after_answer: str
    system: str = "refused"
    before_system: str = ""
    before_late_system: str = ""
    after_system: str = "\n\n"
    user_after_system: str = ""


def derive(chat_template: str, *, bos: str = "", eos: str = "", variables: Mapping[str, str | bool | int] = NOT_THINKING) -> GoTemplate:
    """The Go template that renders chats as the Jinja template does, and the strings that end an answer.

    variables: what the chat template is rendered with besides, as training did. TutorError: what can't be expressed.
    """
    settings = "".join(f"{{% set {name} = {json.dumps(value)} %}}" for name, value in variables.items())
    template = settings + "{{ '' }}" + chat_template

    def jinja(messages: list[dict], generate: bool) -> str:
        try:
            return render_jinja(template, messages, bos, eos, add_generation_prompt=generate)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise TutorError(f"the chat template fails on these messages ({type(error).__name__}: {error})") from None

    added = bos if bos and jinja(_chat("u"), True).startswith(bos) else ""
    frame = _with_system(_turns(jinja, added), jinja, added)
    text = _written(frame)
    for messages in _samples(frame.system != "refused"):
        if difference := _difference(jinja, added, text, messages):
            raise TutorError(f"the chat template cannot be written for Ollama: {difference}; give the model another chat template")
    notes = tuple(_notes(chat_template, partial(_difference, jinja, added, text), frame, eos))
    return GoTemplate(text, _stops(frame, bos, eos), added, frame.system not in ("refused", "ignored"), notes)


def _chat(roles: str, texts: Iterable[str] = ()) -> list[dict]:
    """Messages of the roles, by their first letters; their texts are markers unless given."""
    marks = (f"zq{i}qz" for i in range(len(roles)))
    return [{"role": ROLES[letter], "content": text} for letter, text in zip(roles, itertools.chain(texts, marks))]


def _measured(jinja: Jinja, roles: str, generate: bool, added: str = "") -> tuple[tuple[int, ...], list[str]]:
    """In which order the messages' texts stand, and what stands before, between and after them."""
    pieces = re.split(r"zq(\d+)qz", jinja(_chat(roles), generate))
    return tuple(int(piece) for piece in pieces[1::2]), [pieces[0].removeprefix(added), *pieces[2::2]]


def _turns(jinja: Jinja, added: str) -> _Frame:
    order, gaps = _measured(jinja, "uauau", True, added)
    if order != (0, 1, 2, 3, 4):
        raise TutorError(f"the chat template writes 5 messages in the order {[i + 1 for i in order]} (allowed: each once, in turn)")
    if gaps[1] != gaps[3] or gaps[2] != gaps[4]:
        first, second = (gaps[1], gaps[3]) if gaps[1] != gaps[3] else (gaps[2], gaps[4])
        raise TutorError(f"the chat template frames the second exchange of a chat otherwise than the first: {second!r}, not {first!r}")
    user_end, answer_end = (_measured(jinja, roles, False)[1][-1] for roles in ("u", "ua"))
    before_last = _measured(jinja, "uaua", False)[1][3]
    after_user = os.path.commonprefix([user_end, gaps[1], gaps[5], before_last])
    after_answer = os.path.commonprefix([answer_end, gaps[2]])
    return _Frame(
        first=gaps[0],
        later=gaps[2].removeprefix(after_answer),
        after_user=after_user,
        prompt=gaps[5].removeprefix(after_user),
        before_answer=gaps[1].removeprefix(after_user),
        continued=before_last.removeprefix(after_user),
        after_answer=after_answer,
    )


def _with_system(turns: _Frame, jinja: Jinja, added: str) -> _Frame:
    """The frame with what a system message adds to it; a wrong guess shows in the sample chats."""
    fields = dict(vars(turns))
    try:
        order, gaps = _measured(jinja, "suau", True, added)
    except TutorError:
        # as Gemma 3 and Ollama's own templates do: a system text that a user gives isn't dropped in silence
        return _Frame(**fields | {"before_system": turns.first, "before_late_system": turns.later})
    if order == (1, 2, 3):
        return _Frame(**fields | {"system": "ignored", "user_after_system": turns.first})
    if order == (1, 2, 0, 3):
        return _Frame(**fields | {"system": "last", "user_after_system": turns.first, "after_system": gaps[3]})
    if order != (0, 1, 2, 3):
        raise TutorError(f"the chat template writes a system text and 3 others in the order {[i + 1 for i in order]} (allowed: each once)")
    user = next((start for start in (turns.later, turns.first) if start and gaps[1].endswith(start)), "")
    fields |= {"before_system": gaps[0], "before_late_system": _before_late_system(turns, jinja) or gaps[0]}
    fields |= {"after_system": gaps[1].removesuffix(user), "user_after_system": user}
    return _Frame(**fields | {"system": "own turn" if user else "first turn"})


def _before_late_system(turns: _Frame, jinja: Jinja) -> str:
    """What stands before a system text in the midst of a chat; empty where the template takes none there."""
    try:
        order, gaps = _measured(jinja, "uasu", True)
    except TutorError:
        return ""
    return gaps[2].removeprefix(turns.after_answer) if order == (0, 1, 2, 3) else ""


def _written(frame: _Frame) -> str:
    """The Go template."""
    user = _either([(_FIRST, frame.first), (_AFTER_SYSTEM, frame.user_after_system)], frame.later)
    if frame.system == "last":
        user += "{{ if and $last $system }}{{ $.System }}" + _literal(frame.after_system) + "{{ end }}"
    user += "{{ .Content }}" + _literal(frame.after_user)
    answer = _either([(_LAST, frame.continued)], frame.before_answer) + "{{ .Content }}" + _either([(_LAST, "")], frame.after_answer)
    system = _either([(_FIRST, frame.before_system)], frame.before_late_system) + "{{ .Content }}" + _literal(frame.after_system)
    turns = [] if frame.system in ("last", "ignored") else [("system", system)]
    branches = (f'{{{{ if eq .Role "{role}" }}}}{text}' for role, text in [*turns, ("user", user), ("assistant", answer)])
    body = "{{ else".join(branch.removeprefix("{{") if i else branch for i, branch in enumerate(branches)) + "{{ end }}"
    if frame.prompt:
        body += '{{ if and $last (ne .Role "assistant") }}' + _literal(frame.prompt) + "{{ end }}"
    declared = "{{ $last := eq (len (slice $.Messages $i)) 1 }}" if "$last" in body else ""
    if "$system" in body:
        declared += '{{ $system := eq (index $.Messages 0).Role "system" }}'
    return "{{ range $i, $_ := .Messages }}" + declared + body + "{{ end }}"


def _either(cases: list[tuple[str, str]], otherwise: str) -> str:
    """An if over the cases that differ from `otherwise`, without the end and the beginning that all of them share."""
    cases = [(test, text) for test, text in cases if text != otherwise]
    if not cases:
        return _literal(otherwise)
    texts = [text for _, text in cases] + [otherwise]
    end = os.path.commonprefix([text[::-1] for text in texts])[::-1]
    texts = [text.removesuffix(end) for text in texts]
    start = os.path.commonprefix(texts)
    *texts, rest = (text.removeprefix(start) for text in texts)
    tests = [test for test, _ in cases]
    if texts == [""]:
        tests, texts, rest = [f"not ({tests[0]})" if " " in tests[0] else f"not {tests[0]}"], [rest], ""
    written = "{{ else ".join(f"if {test} }}}}{_literal(text)}" for test, text in zip(tests, texts))
    return _literal(start) + "{{ " + written + ("{{ else }}" + _literal(rest) if rest else "") + "{{ end }}" + _literal(end)


def _literal(text: str) -> str:
    """Text as it stands in a template; as a quoted one where its braces would open an action."""
    if "{{" not in text and not text.endswith("{"):
        return text
    quoted = text
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        quoted = quoted.replace(char, escape)
    return f'{{{{ "{quoted}" }}}}'


def _stops(frame: _Frame, bos: str, eos: str) -> tuple[str, ...]:
    """What ends an answer: the token behind it, the end of text, and the token that opens a user's turn.

    The last as in Ollama's own templates: a model that runs past the end of its turn goes on to write the user's, and
    no answer holds that token.
    """
    found = (_SPECIAL.findall(text) for text in (frame.after_answer, frame.later))
    ends, opens = ([token for token in tokens if token != bos or token == eos] for tokens in found)
    end = ends[0] if ends else frame.after_answer.strip()
    opening = opens[0] if opens else "" if end or eos else frame.later.strip().split("\n")[0]
    stops = tuple(dict.fromkeys(stop for stop in (end, eos, opening) if stop))
    if not stops:
        raise TutorError("the chat template ends an answer with nothing that could stop it; give eos, the end-of-text token")
    return stops


def _samples(system: bool) -> Iterator[list[dict]]:
    """Chats of 1 to 4 exchanges with and without a system message, each also with an answer to be continued."""
    shapes = ["u" + "au" * n for n in range(4)]
    shapes += ["s" + shape for shape in shapes] if system else []
    for shift, shape in enumerate(shapes):
        texts = [_TEXTS[(shift + i) % len(_TEXTS)] for i in range(len(shape) + 1)]
        yield _chat(shape, texts)
        yield _chat(shape + "a", texts)
        yield _chat(shape, reversed(texts))


def _difference(jinja: Jinja, added: str, text: str, messages: list[dict]) -> str:
    """Where the two renderings of a chat part, in words; empty where they are equal."""
    generate = messages[-1]["role"] != "assistant"
    wanted = jinja(messages, generate)
    if not generate:
        wanted = wanted[: wanted.rfind(messages[-1]["content"]) + len(messages[-1]["content"])]
    found = added + go_render.render(text, messages)
    if wanted == found:
        return ""
    at = len(os.path.commonprefix([wanted, found]))
    roles = ", ".join(message["role"] for message in messages)
    return f"a chat of {roles} goes on at character {at} with {wanted[at : at + 60]!r}, Ollama's with {found[at : at + 60]!r}"


def _notes(chat_template: str, difference: Callable[[list[dict]], str], frame: _Frame, eos: str) -> Iterator[str]:
    """Texts on which Ollama's prompt differs from the chat template's."""
    shape = "uauau" if frame.system == "refused" else "suauau"
    tokens = dict.fromkeys(_SPECIAL.findall(" ".join([*(value for name, value in vars(frame).items() if name != "system"), eos])))
    probes = {
        "white space around it: the chat template takes it away, Ollama keeps it": " \nx\n ",
        "no characters: the chat template treats it otherwise": "",
        "a special token typed in it: the chat template changes it, Ollama reads it as that token": f"a {' '.join(tokens)} b",
    }
    for note, probe in probes.items():
        chats = {letter: _chat(shape, (probe if role == letter else "x" for role in shape)) for letter in dict.fromkeys(shape)}
        if changed := [ROLES[letter] for letter, chat in chats.items() if _differs(difference, chat, refused=True)]:
            yield f"a text ({', '.join(changed)}) with {note}"
    if frame.system == "refused":
        yield "a system message: the chat template refuses it, Ollama writes it before the first question"
    elif frame.system == "ignored":
        yield "a system message: the chat template leaves it out, and so does Ollama"
    elif any(_differs(difference, _chat(shape), refused=False) for shape in ("suasu", "uasuau")):
        yield "a system message in the midst of a chat: the chat template writes it otherwise"
    if "strftime_now" in chat_template:
        yield "today's date: transformers writes it, here and in Ollama the date stands in the template"


def _differs(difference: Callable[[list[dict]], str], messages: list[dict], *, refused: bool) -> bool:
    """refused: the answer for messages that the chat template refuses."""
    try:
        return bool(difference(messages))
    except TutorError:
        return refused
