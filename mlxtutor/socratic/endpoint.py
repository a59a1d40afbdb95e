"""Dialogues from a model behind an OpenAI-compatible endpoint: asked for one by one, checked, asked for again."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.records.json_text import is_utf8
from mlxtutor.shipped import shipped_text
from mlxtutor.socratic.rules import problems

RETRIES = 5          # of a request that the endpoint didn't answer
FIRST_PAUSE = 1.0    # seconds before the first of them; each next one is twice as long
REPAIRS = 2          # times that a dialogue with faults is asked for again
GIVEN_UP = 20        # dialogues in a row without a usable one, after which the model is given up
PASSING = (408, 409, 425, 429, 500, 502, 503, 504)  # HTTP states that may be over in a moment


@dataclass(frozen=True)
class Job:
    """What to generate. exchanges: of every dialogue; price_in, price_out: in dollars for a million tokens."""

    endpoint: str
    model: str
    topic: str
    n: int
    exchanges: int = 4
    concurrent: int = 4
    key: str = ""
    timeout_s: float = 120.0
    price_in: float = 0.0
    price_out: float = 0.0

    def __post_init__(self) -> None:
        if not re.match(r"https?://", self.endpoint):
            raise TutorError(f'endpoint "{self.endpoint}" is no URL (for a local Ollama: http://localhost:11434/v1)')
        if not 2 <= self.exchanges <= 6:
            raise TutorError(f"exchanges ({self.exchanges}) must be between 2 and 6")

    @property
    def identity(self) -> dict[str, Any]:
        """What an interrupted job has to share with the one that goes on with it."""
        return {"model": self.model, "topic": self.topic, "exchanges": self.exchanges}


@dataclass
class Progress:
    """accepted: dialogues; rejected: replies, by what was wrong; tokens as the endpoint counts them."""

    accepted: int = 0
    asked: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def cost(self, job: Job) -> float:
        """Dollars."""
        return (self.tokens_in * job.price_in + self.tokens_out * job.price_out) / 1e6


class Unusable(Exception):
    """A reply that is no dialogue; what is wrong with it, one sentence each."""


def generate(job: Job, out: Path, pause: Callable[[float], None] = time.sleep) -> Iterator[Progress]:
    """Write job.n dialogues to `out`, yielding after each reply. Interrupted, the next call goes on: accepted ones wait in OUT.partial.

    Raises TutorError where the endpoint can't be reached or its model makes no usable dialogue.
    """
    partial = _Partial(out.with_name(out.name + ".partial"), job)
    rows, progress = partial.rows, partial.progress
    barren = 0
    yield progress
    texts = {_text(row) for row in rows}
    number = progress.asked
    with ThreadPoolExecutor(job.concurrent) as pool:
        running: set[Future[_Reply]] = set()
        try:
            while len(rows) < job.n:
                while len(running) < min(job.concurrent, job.n - len(rows)):
                    number += 1
                    running.add(pool.submit(_dialogue, job, number, pause))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for reply in (future.result() for future in done):
                    _count(progress, reply)
                    row = reply.row if reply.row and _text(reply.row) not in texts else None
                    barren = 0 if row else barren + 1
                    if row:
                        texts.add(_text(row))
                        rows.append({"id": f"socratic-{len(rows):06d}", **row})
                        progress.accepted = len(rows)
                    elif reply.row:
                        progress.rejected["the same dialogue again"] += 1
                    partial.append(rows[-1] if row else None, progress)
                    yield progress
                if barren >= GIVEN_UP:
                    worst = "; ".join(f"{what} ({count})" for what, count in progress.rejected.most_common(3))
                    raise TutorError(f'"{job.model}" made no usable dialogue in {barren} tries: {worst} (a larger model may do better)')
        finally:
            for future in running:
                future.cancel()
    write_atomic(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:job.n]).encode())
    partial.path.unlink()


class _Partial:
    """What an interrupted run leaves: a line for the job, then for every reply the dialogue, if it was one, and the counts so far."""

    def __init__(self, path: Path, job: Job) -> None:
        self.path, self.progress = path, Progress()
        lines = self._whole_lines()
        if lines and lines[0] != job.identity:
            raise TutorError(f"{path}: of another job ({json.dumps(lines[0])[:200]}); delete it, or write to another file")
        self.rows: list[dict[str, Any]] = [line["row"] for line in lines[1:] if line["row"]]
        if lines[1:]:
            counts = lines[-1]["counts"]
            self.progress = Progress(**{**counts, "rejected": Counter(counts["rejected"])})
        written = [job.identity, *lines[1:]]
        write_atomic(path, b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in written))

    def _whole_lines(self) -> list[dict[str, Any]]:
        """Up to the line that a kill cut."""
        lines = []
        for line in self.path.read_bytes().split(b"\n") if self.path.exists() else ():
            try:
                lines.append(json.loads(line))
            except ValueError:
                break
        return lines

    def append(self, row: dict[str, Any] | None, progress: Progress) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps({"row": row, "counts": vars(progress)}, ensure_ascii=False).encode() + b"\n")


def _text(row: dict[str, Any]) -> str:
    return "\n".join(message["content"] for message in row["messages"])


@dataclass
class _Reply:
    """A dialogue as a row, or None; what was wrong with earlier tries; tokens used."""

    row: dict[str, Any] | None
    wrong: list[str]
    asked: int
    tokens_in: int
    tokens_out: int


def _count(progress: Progress, reply: _Reply) -> None:
    progress.asked += reply.asked
    progress.tokens_in += reply.tokens_in
    progress.tokens_out += reply.tokens_out
    progress.rejected.update(reply.wrong)


def _dialogue(job: Job, number: int, pause: Callable[[float], None]) -> _Reply:
    """Ask for one dialogue; tell the model what is wrong with it and ask again."""
    prompt = shipped_text("prompts/socratic.md").format(topic=job.topic, exchanges=job.exchanges, number=number)
    messages = [{"role": "user", "content": prompt}]
    reply = _Reply(None, [], 0, 0, 0)
    for _ in range(1 + REPAIRS):
        answer = _post(job, messages, pause)
        reply.asked += 1
        usage = answer.get("usage") or {}
        reply.tokens_in += int(usage.get("prompt_tokens") or 0)
        reply.tokens_out += int(usage.get("completion_tokens") or 0)
        try:
            content = str(answer["choices"][0]["message"]["content"])
        except (KeyError, IndexError, TypeError):
            raise TutorError(f"{job.endpoint}: no chat completion came back (has: {', '.join(answer)})") from None
        try:
            reply.row = read_dialogue(content, job)
            return reply
        except Unusable as error:
            reply.wrong += error.args
            again = f"That isn't right yet: {'; '.join(error.args)}. Write it again, as JSON and nothing else."
            messages = [messages[0], {"role": "assistant", "content": content}, {"role": "user", "content": again}]
    return reply


def read_dialogue(content: str, job: Job) -> dict[str, Any]:
    """A model's reply as a row; raises Unusable with everything that is wrong."""
    start, end = content.find("{"), content.rfind("}")
    try:
        data = json.loads(content[start:end + 1])
        if not is_utf8(data):
            raise ValueError
        turns = [(str(turn["role"]), str(turn["text"]).strip(), turn.get("question_type")) for turn in data["turns"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unusable("it is no JSON of the form asked for") from None
    roles = {"student": "user", "user": "user", "tutor": "assistant", "assistant": "assistant"}
    if not turns or any(role not in roles or not text for role, text, _ in turns):
        raise Unusable("a turn is neither the student's nor the tutor's, or empty")
    messages = [{"role": roles[role], "content": text} for role, text, _ in turns]
    types = [str(kind) for role, _, kind in turns[:-1] if roles[role] == "assistant"]
    answer = str(data.get("final_answer") or "").strip()
    wrong = list(problems(messages, types, answer))
    if len(messages) != 2 * job.exchanges:
        wrong.append(f"{len(messages) / 2:g} exchanges ({job.exchanges} are asked for)")
    if wrong:
        raise Unusable(*wrong)
    return {"messages": messages, "source": f"generated by {job.model}", "topic": job.topic, "tags": ["socratic"],
            "final_answer": answer, "extra": {"question_types": types}}


def _post(job: Job, messages: list[dict[str, str]], pause: Callable[[float], None]) -> dict[str, Any]:
    """One chat completion. What may be over in a moment is tried again, after as long as the endpoint says, or longer every time."""
    body = json.dumps({"model": job.model, "messages": messages, "temperature": 0.9}).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {job.key}"} if job.key else {})}
    request = urllib.request.Request(f"{job.endpoint.rstrip('/')}/chat/completions", body, headers)
    for attempt in range(RETRIES + 1):
        waiting = FIRST_PAUSE * 2 ** attempt
        try:
            with urllib.request.urlopen(request, timeout=job.timeout_s) as response:
                return dict(json.loads(response.read()))
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {_told(error)}".strip()
            if error.code not in PASSING:
                raise TutorError(f"{job.endpoint}: {reason}") from None
            after = error.headers.get("Retry-After", "")
            waiting = float(after) if after.isdigit() else waiting
        except http.client.InvalidURL as error:
            raise TutorError(f"{job.endpoint}: no URL ({error})") from None
        except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt < RETRIES:
            pause(waiting)
    raise TutorError(f"{job.endpoint}: no answer after {RETRIES + 1} tries ({reason})")


def _told(error: urllib.error.HTTPError) -> str:
    """What the endpoint says went wrong, in one line."""
    try:
        return " ".join(error.read(400).decode(errors="replace").split())[:200]
    except OSError:
        return ""


def describe(job: Job) -> dict[str, Any]:
    """For a card: the job without its key."""
    return {name: value for name, value in asdict(job).items() if name not in ("key", "timeout_s", "concurrent")}
