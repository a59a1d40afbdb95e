"""Ollama's Modelfile: a writer, and a parser that reads what Ollama reads and refuses what it would silently get wrong.

The grammar is that of ollama/parser/parser.go: `COMMAND value`, commands in any case, one space before the name of a
parameter or a role, `#` comments at the start of a line only, no backslash escapes. A value that opens with `"` or
`\"""` goes on until a line ends in the same quotes, so a text can't hold such a line. What isn't printable is dropped.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlxtutor.errors import TutorError

FILE_NAME = "Modelfile"
ROLES = ("system", "user", "assistant")
_ONCE = ("from", "template", "system", "adapter", "renderer", "parser", "requires")
COMMANDS = (*_ONCE, "parameter", "license", "message")
_NOT_READ = ("draft", "capability")  # of newer releases; nothing here writes them

# ollama/api/types.go: Options and Runner; `stop` may repeat, of every other parameter Ollama keeps the last silently
PARAMETERS: dict[str, type] = {
    **dict.fromkeys(("num_keep", "seed", "num_predict", "top_k", "repeat_last_n"), int),
    **dict.fromkeys(("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread"), int),
    **dict.fromkeys(("temperature", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty"), float),
    "use_mmap": bool,
    "stop": str,
}
_IGNORED = {
    *("penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock"),
    *("mirostat", "mirostat_tau", "mirostat_eta", "typical_p"),
}
_NUMBERS = {int: r"[+-]?\d{1,30}", float: r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"}
_KINDS = {int: "a whole number", float: "a number"}
_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_VERSION = re.compile(r"v?\d+(\.\d+(\.\d+([-+][0-9A-Za-z.+-]+)?)?)?")
_SPACES = " \t\r\n"
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*(?=[\r\n]|\Z))*([^ \t\r\n#])")
_OPENING = re.compile(r'[ \t\r\n]*("""|"|)')
_LINE_END = re.compile(r"[\r\n]|\Z")


@dataclass(frozen=True)
class Modelfile:
    """`from_` and `adapters` are paths relative to the file; parameters and messages are pairs, in order."""

    from_: str
    template: str | None = None
    system: str | None = None
    adapters: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    license: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for command in _written(self):
            _check(command, seen)


@dataclass(frozen=True)
class _Command:
    """`key`: the name of a parameter, the role of a message; `line`, `last`: where it begins and ends, from 1."""

    name: str
    key: str
    value: str
    line: int = 0
    last: int = 0


def typed(name: str, value: str) -> int | float | bool | str:
    """A parameter's value as Ollama's API takes it; raises TutorError for a name or number that Ollama refuses."""
    if name in _IGNORED:
        raise TutorError(f"parameter {name} is deprecated: Ollama ignores or refuses it (allowed: {', '.join(PARAMETERS)})")
    if name not in PARAMETERS:
        raise TutorError(f'unknown parameter "{name}" (allowed: {", ".join(PARAMETERS)})')
    kind = PARAMETERS[name]
    if kind is str:
        return value
    if kind is bool:
        if value not in _BOOLS:
            raise TutorError(f"{name} is {value!r} (allowed: true, false)")
        return _BOOLS[value]
    number = kind(value) if re.fullmatch(_NUMBERS[kind], value, re.ASCII) else math.nan
    limit = 2**63 - 1 if kind is int else 3.4028235e38
    if not -limit <= number <= limit:
        raise TutorError(f"{name} is {value!r} (allowed: {_KINDS[kind]} in decimal digits, at most {limit:g})")
    return number


def typed_parameters(modelfile: Modelfile) -> dict[str, int | float | bool | str | list[str]]:
    """The parameters as POST /api/create takes them: numbers as numbers, the stop strings as one list."""
    stops = [value for name, value in modelfile.parameters if name == "stop"]
    others = {name: typed(name, value) for name, value in modelfile.parameters if name != "stop"}
    return others | ({"stop": stops} if stops else {})


def render(modelfile: Modelfile) -> str:
    """The file's text, which `parse` reads back as the same Modelfile; TutorError for a value the grammar can't carry."""
    return "".join(_line(command) for command in _written(modelfile))


def parse(text: str) -> Modelfile:
    """What Ollama reads in the text; TutorError, with the line, for what it refuses, drops or overwrites."""
    single: dict[str, str] = {}
    pairs: dict[str, list] = {"adapter": [], "parameter": [], "license": [], "message": []}
    seen: set[str] = set()
    for command in _commands(text.removeprefix("\ufeff")):
        try:
            _check(command, seen)
        except TutorError as error:
            raise TutorError(f"line {command.line}: {error}") from None
        if command.name in ("parameter", "message"):
            pairs[command.name].append((command.key, command.value))
        elif command.name in pairs:
            pairs[command.name].append(command.value)
        else:
            single[command.name] = command.value
    if "from" not in single:
        raise TutorError("no FROM line (a Modelfile needs one, with the GGUF file of the model)")
    return Modelfile(
        from_=single.pop("from"),
        adapters=tuple(pairs["adapter"]),
        parameters=tuple(pairs["parameter"]),
        license=tuple(pairs["license"]),
        messages=tuple(pairs["message"]),
        **single,
    )


def load(path: Path) -> Modelfile:
    """A Modelfile whose FROM and ADAPTER are files beside it: a FROM that is none, Ollama would pull as a model's name."""
    try:
        modelfile = parse(_decoded(path.read_bytes()))
        for command, value in (("FROM", modelfile.from_), *(("ADAPTER", adapter) for adapter in modelfile.adapters)):
            _check_file(command, value, path.parent)
    except OSError as error:
        raise TutorError(f"{path}: cannot be read ({error.strerror})") from None
    except TutorError as error:
        raise TutorError(f"{path}: {error}") from None
    return modelfile


def file_of(value: str, folder: Path) -> Path:
    """The file that FROM or ADAPTER names, in a Modelfile of this folder."""
    return Path(value).expanduser() if value.startswith("~") else folder / value


def _check_file(command: str, value: str, folder: Path) -> None:
    file = file_of(value, folder)
    if file.is_dir():
        raise TutorError(f"{command} {value}: a folder (allowed: one GGUF file)")
    if not file.is_file():
        taken = " (Ollama would take it for the name of a model to pull)" if command == "FROM" else ""
        raise TutorError(f"{command} {value}: no such file beside the Modelfile{taken}; put the GGUF file there or correct the name")


def _decoded(data: bytes) -> str:
    """UTF-8, or UTF-16 behind its byte order mark; Ollama replaces bytes that are neither."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TutorError(f"byte {error.start} is not {encoding.removesuffix('-sig').upper()} (save the file as UTF-8)") from None


def _check(command: _Command, seen: set[str]) -> None:
    """`seen`: the commands and parameters so far that may stand once."""
    name, value = command.name, command.value
    if name == "parameter":
        typed(command.key, value)
    if name == "message" and command.key not in ROLES:
        raise TutorError(f'unknown role "{command.key}" (allowed: {", ".join(ROLES)})')
    if name in ("from", "adapter") and not value:
        raise TutorError(f"{name.upper()} is empty (a GGUF file is expected)")
    if name == "requires" and not _VERSION.fullmatch(value):
        raise TutorError(f"REQUIRES is {value!r} (allowed: a version such as 0.14.0)")
    once = name.upper() if name in _ONCE else f"parameter {command.key}" if name == "parameter" and command.key != "stop" else ""
    if once and once in seen:
        raise TutorError(f"a second {once} (Ollama would keep only one of the two; leave one out)")
    seen.add(once)


def _written(modelfile: Modelfile) -> Iterator[_Command]:
    yield _Command("from", "", modelfile.from_)
    yield from (_Command("adapter", "", adapter) for adapter in modelfile.adapters)
    for name in ("template", "system", "renderer", "parser", "requires"):
        if (value := getattr(modelfile, name)) is not None:
            yield _Command(name, "", value)
    yield from (_Command("parameter", name, value) for name, value in modelfile.parameters)
    yield from (_Command("message", role, content) for role, content in modelfile.messages)
    yield from (_Command("license", "", text) for text in modelfile.license)


def _line(command: _Command) -> str:
    """The command under the first quoting that reads back as its value."""
    quotes: tuple[str, ...] = ("", '"', '"""')
    if command.name in ("template", "license") or "\n" in command.value:
        quotes = ('"""', '"')
    elif command.name in ("system", "message") or command.key == "stop":
        quotes = ('"', '"""')
    head = " ".join(word for word in (command.name.upper(), command.key) if word)
    for quote in quotes:
        line = f"{head} {quote}{command.value}{quote}\n"
        try:
            read = [(c.name, c.key, c.value) for c in _commands(line)]
        except TutorError:
            continue
        if read == [(command.name, command.key, command.value)]:
            return line
    raise TutorError(f"{head}: {_obstacle(command.value)}")


def _obstacle(value: str) -> str:
    """Why no quoting carries the value."""
    if (at := _unprintable(value)) is not None:
        return f"character {at + 1} is {value[at]!r} (allowed: printable characters, spaces, tabs and newlines); Ollama would drop it"
    bad = next(line for line in re.split("[\r\n]", value) if line.rstrip(_SPACES).endswith('"""'))
    return f'a line ends in """ ({bad[-40:]!r}), which closes the text for Ollama; put something behind it'


def _unprintable(text: str) -> int | None:
    """Where the first character stands that Ollama drops (Go's strconv.IsPrint; Python's isprintable is the same classes)."""
    return next((i for i, char in enumerate(text) if not char.isprintable() and char not in _SPACES), None)


def _commands(text: str) -> Iterator[_Command]:
    position, before = 0, None
    while start := _BETWEEN.match(text, position):
        line = _line_number(text, start.start(1))
        name, position = _word(text, start.start(1), "[A-Za-z]+")
        if name is None or name.lower() not in COMMANDS:
            raise TutorError(f"line {line}: {_unknown(text, start.start(1), before)}")
        name, key = name.lower(), ""
        if name in ("parameter", "message"):
            word, position = _word(text, position, "[A-Za-z0-9_]*" if name == "parameter" else "[A-Za-z]*")
            if word is None:
                raise TutorError(f"line {line}: {name.upper()} without a value (expected: {name.upper()} NAME value, one space between)")
            key = word
        end = _end(text, position, line)
        raw = text[position:end]
        if (at := _unprintable(raw)) is not None:
            where = _line_number(text, position + at)
            raise TutorError(f"line {where}: {raw[at]!r} is not printable, Ollama would drop it (take it out)")
        before = _Command(name, key, _unquoted(raw.strip(_SPACES)), line, _line_number(text, end))
        yield before
        position = end


def _word(text: str, position: int, pattern: str) -> tuple[str | None, int]:
    """A word and where its value begins; None where no space or tab follows."""
    match = re.compile(f"({pattern})[ \t]").match(text, position)
    return (match[1], match.end()) if match else (None, position)


def _end(text: str, position: int, line: int) -> int:
    """Where the value that begins here ends: at the first line end where its quotes are closed."""
    opening = _OPENING.match(text, position)
    quote, first = (opening[1], opening.start(1)) if opening else ("", position)
    for stop in _LINE_END.finditer(text, position):
        last = stop.start()
        while last > first and text[last - 1] in _SPACES:
            last -= 1
        if not quote or last <= first or (last - first >= 2 * len(quote) and text.startswith(quote, last - len(quote))):
            return stop.start()
    raise TutorError(f"line {line}: a text opens with {quote} and is never closed (its last line must end in {quote})")


def _unquoted(raw: str) -> str:
    quote = '"""' if raw.startswith('"""') else '"' if raw.startswith('"') else ""
    return raw[len(quote) : len(raw) - len(quote)]


def _unknown(text: str, position: int, before: _Command | None) -> str:
    word = re.compile(r"[^ \t\r\n]*").match(text, position)
    shown = word[0][:40] if word else ""
    hint = ""
    if before and before.last > before.line:
        hint = f"; the {before.name.upper()} of line {before.line} was closed by the quotes that end line {before.last}"
    if shown.lower() in COMMANDS:
        return f"{shown} without a value{hint}"
    what = "a command that is not supported:" if shown.lower() in _NOT_READ else "unknown command"
    return f'{what} "{shown}" (allowed: {", ".join(COMMANDS).upper()}){hint}'


def _line_number(text: str, position: int) -> int:
    return len(re.findall(r"\r\n|\r|\n", text[:position])) + 1
