"""A model folder into a running Ollama over its HTTP API (ollama/docs/api.md): blobs, then create, then one question.

What is asked: GET /api/version; HEAD and POST /api/blobs/sha256:HEX; POST /api/create with the blobs by relative name;
GET /api/tags for the digest; POST /api/chat.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mlxtutor.errors import TutorError
from mlxtutor.export.modelfile import FILE_NAME, Modelfile, file_of, load, typed_parameters
from mlxtutor.export.ollama_host import DEFAULT_HOST, Server, read_host

QUESTION = "What is the unit of electric charge?"
CHUNK_BYTES = 1 << 20
CONNECT_S = 10
TIMEOUT_S = 600  # the longest silence: a server that hashes or loads a large model says nothing meanwhile
FILES_SINCE = (0, 5, 5)  # before it, /api/create took a path on the server
NO_ADAPTER_SINCE = (0, 34, 1)
# ollama/types/model/name.go: [host[:port]/][namespace/]model[:tag]
_NAME = re.compile(r"(?:(?:\w[\w.:-]{0,349}/)?\w[\w-]{0,79}/)?\w[\w.-]{0,79}(?::\w[\w.-]{0,79})?", re.ASCII)

Progress = Callable[[str, int, int], None]


def check_running(host: str) -> str:
    """Ollama's version; TutorError where none answers."""
    return str(_json(read_host(host), "GET", "/api/version").get("version", ""))


def check_name(name: str) -> str:
    """The name, as Ollama takes it; TutorError where it doesn't."""
    if not _NAME.fullmatch(name):
        raise TutorError(f"{name!r} is no name for a model in Ollama (allowed: [namespace/]model[:tag] of letters, digits, _ - .)")
    return name


def push(
    folder: Path, name: str, host: str = DEFAULT_HOST, progress: Progress | None = None, *, question: str = QUESTION
) -> dict[str, Any]:
    """Create the model of a folder with a Modelfile, and ask it one question.

    progress: called with a status and the bytes done and in all (0, 0 where there are none to count).
    Returns {"model", "digest", "answer", "version", "warnings", "blobs": {name: digest}}; TutorError in one line for whatever fails.
    """
    report = progress or (lambda status, done, total: None)
    check_name(name)
    server = read_host(host)
    modelfile = load(folder / FILE_NAME)
    version = check_running(host)
    warnings = _warnings(version, modelfile)
    for warning in warnings:
        report(f"warning: {warning}", 0, 0)
    blobs = {value: _uploaded(server, file_of(value, folder), report) for value in (modelfile.from_, *modelfile.adapters)}
    _create(server, _request(modelfile, name, blobs), report)
    digest = _digest(server, name)
    report("asking a question", 0, 0)
    answer = _answer(server, name, question)
    return {"model": name, "digest": digest, "answer": answer, "version": version, "warnings": warnings, "blobs": blobs}


def _warnings(version: str, modelfile: Modelfile) -> list[str]:
    """What this release may do otherwise; TutorError where it can't take the folder. 0.0.0 is a build without a version."""
    number = _number(version)
    if not any(number):
        return [f"Ollama says it is version {version or 'none'!r}: its limits are not checked"]
    if number < FILES_SINCE:
        raise TutorError(f"Ollama is version {version} (needed: 0.5.5 or newer); update it from ollama.com/download")
    if modelfile.requires and number < _number(modelfile.requires):
        raise TutorError(f"Ollama is version {version}, the Modelfile requires {modelfile.requires}; update it from ollama.com/download")
    if modelfile.adapters and number >= NO_ADAPTER_SINCE:
        raise TutorError(f"Ollama {version} takes no ADAPTER (only releases up to 0.34.0 do); export the merged model, the default")
    if modelfile.adapters:
        return [f"Ollama {version} takes this ADAPTER, but releases from 0.34.1 refuse it: the merged model runs in both"]
    return []


def _number(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else (0, 0, 0)


def _request(modelfile: Modelfile, name: str, blobs: Mapping[str, str]) -> dict[str, Any]:
    """The body of /api/create; a text that is empty or absent is left out, and Ollama then finds its own."""
    request: dict[str, Any] = {
        "model": name,
        "files": {Path(modelfile.from_).name: blobs[modelfile.from_]},
        "adapters": {Path(adapter).name: blobs[adapter] for adapter in modelfile.adapters},
        "parameters": typed_parameters(modelfile),
        "license": list(modelfile.license),
        "messages": [{"role": role, "content": content} for role, content in modelfile.messages],
        **{field: getattr(modelfile, field) for field in ("template", "system", "renderer", "parser", "requires")},
    }
    return {field: value for field, value in request.items() if value} | {"stream": True}


def _uploaded(server: Server, path: Path, report: Progress) -> str:
    """The digest of a file that Ollama has, sent only if it had not."""
    size = path.stat().st_size
    digest = f"sha256:{_sha256(path, size, report)}"
    with _response(server, "HEAD", f"/api/blobs/{digest}") as response:
        status = response.status
    if status == 200:
        report(f"{path.name} is there already", size, size)
        return digest
    if status != 404:
        raise TutorError(f"Ollama at {server} answers {status} to the question whether it has {path.name} (expected: 200 or 404)")
    with open(path, "rb") as file:
        body = _Reader(file, size, lambda done: report(f"sending {path.name}", done, size))
        with _response(server, "POST", f"/api/blobs/{digest}", body) as response:
            if response.status not in (200, 201):
                raise TutorError(f"Ollama refuses {path.name}: {_reason(response)}")
    return digest


class _Reader:
    """A file that http.client reads chunk by chunk, counted; a file that grows meanwhile ends at `size`."""

    def __init__(self, file: BinaryIO, size: int, count: Callable[[int], None]) -> None:
        self.file, self.size, self.count, self.done = file, size, count, 0

    def read(self, n: int) -> bytes:
        data = self.file.read(min(max(n, 1), self.size - self.done))
        if not data and self.done < self.size:
            raise TutorError(f"{self.file.name} became shorter while it was sent ({self.done} of {self.size} bytes); export again")
        if data:
            self.done += len(data)
            self.count(self.done)
        return data


def _sha256(path: Path, size: int, report: Progress) -> str:
    found, done = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while data := file.read(CHUNK_BYTES):
            found.update(data)
            done += len(data)
            report(f"hashing {path.name}", done, size)
    return found.hexdigest()


def _create(server: Server, request: dict[str, Any], report: Progress) -> None:
    status = ""
    with _response(server, "POST", "/api/create", json.dumps(request).encode()) as response:
        if response.status != 200:
            raise TutorError(f"Ollama does not create {request['model']}: {_reason(response)}")
        for event in _events(response):
            if "error" in event:
                raise TutorError(f"Ollama does not create {request['model']}: {_one_line(event['error'])}")
            status = str(event.get("status", ""))
            report(status, int(event.get("completed") or 0), int(event.get("total") or 0))
    if status != "success":
        raise TutorError(f"Ollama stopped creating {request['model']} after {status!r} (expected: success); see its log and push again")


def _events(response: http.client.HTTPResponse) -> Iterator[dict]:
    return (_event(line) for line in response if line.strip())


def _event(data: bytes) -> dict:
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise TutorError(f"Ollama sends {data[:60]!r} (expected: JSON objects); is another program listening there?")
    return event


def _digest(server: Server, name: str) -> str:
    """The created model's, as `ollama list` shows it."""
    full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    for model in _json(server, "GET", "/api/tags").get("models") or []:
        if str(model.get("name", "")).lower() == full.lower():
            return str(model.get("digest", ""))
    raise TutorError(f"Ollama created {name} but does not list it; see `ollama list` and its log")


def _answer(server: Server, name: str, question: str) -> str:
    request = {
        "model": name,
        "messages": [{"role": "user", "content": question}],
        "stream": False,
        "options": {"temperature": 0, "seed": 0, "num_predict": 48},
    }
    try:
        answer = _json(server, "POST", "/api/chat", request)
    except TutorError as error:
        raise TutorError(f"{name} was created but does not run: {error}") from None
    text = str((answer.get("message") or {}).get("content", ""))
    if not text.strip():
        raise TutorError(f"{name} was created but answers nothing to {question!r}; compare its TEMPLATE with the proof of the export")
    return text


def _json(server: Server, method: str, path: str, body: dict | None = None) -> dict:
    with _response(server, method, path, json.dumps(body).encode() if body is not None else None) as response:
        if response.status != 200:
            raise TutorError(f"Ollama at {server} answers {response.status} to {path}: {_reason(response)}")
        return _event(response.read())


@contextmanager
def _response(server: Server, method: str, path: str, body: bytes | _Reader | None = None) -> Iterator[http.client.HTTPResponse]:
    """One request on a connection of its own."""
    kind = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
    connection = kind(server.host, server.port, timeout=CONNECT_S, blocksize=CHUNK_BYTES)
    headers = {"Content-Type": "application/json"}
    if isinstance(body, _Reader):
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(body.size)}
    try:
        try:
            connection.connect()
        except OSError as error:
            raise TutorError(f"Ollama does not answer at {server} ({error}); start it with `ollama serve`, or set OLLAMA_HOST") from None
        connection.sock.settimeout(TIMEOUT_S)
        with suppress(BrokenPipeError, ConnectionResetError):  # a server that refuses a body early has answered all the same
            connection.request(method, server.path + path, body, headers)  # type: ignore[arg-type]
        yield connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        reason = _one_line(error) or type(error).__name__
        raise TutorError(f"the connection to Ollama at {server} broke off ({reason}); see whether it still runs, and push again") from None
    finally:
        connection.close()


def _reason(response: http.client.HTTPResponse) -> str:
    """The server's own words, or the status."""
    data = response.read(1 << 16)
    try:
        return _one_line(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return _one_line(data.decode(errors="replace")) or f"{response.status} {response.reason}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:300]
