"""llama.cpp as the judge of an export: tokens, templates, log-probabilities and answers of a GGUF file."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.machine import cores

SLOTS = 4          # answers decoded at a time
TIMEOUT_S = 600.0  # of one request
SMALL_BYTES = 100_000_000  # of a file whose model one core runs best: threads wait for each other by spinning


@dataclass(frozen=True)
class Engine:
    """A running llama.cpp with one model."""

    host: str
    port: int
    slots: int
    version: str

    @cached_property
    def letter(self) -> int:
        """The id of a plain letter."""
        return self.tokenize("a")[-1]

    def tokenize(self, text: str) -> list[int]:
        """Ids of a text in which special tokens count as such; no BOS is added."""
        return self._post("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def tokenize_whole(self, text: str) -> list[int]:
        """As tokenize, with what the file says is added to every text (BOS)."""
        return self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]

    def render(self, messages: list[dict]) -> str:
        """A chat by the template in the file, ready for the answer."""
        return self._post("/apply-template", {"messages": messages})["prompt"]

    def log_probs(self, ids: Sequence[int], vocab_size: int) -> np.ndarray:
        """(V,) log-probabilities of what follows these ids; -inf for what the engine leaves out, NaN where it has no number."""
        likeliest = self._likeliest(ids, vocab_size)
        found = np.full(vocab_size, -np.inf if likeliest else np.nan)
        for entry in likeliest:
            value = entry["logprob"]
            found[entry["id"]] = np.nan if value is None else value  # NaN is null in its JSON
        return found

    def greedy(self, ids: Sequence[int], max_tokens: int, ends: frozenset[int]) -> list[int]:
        """The likeliest continuation, up to and with the id that ends it; shorter where the engine has no numbers."""
        found: list[int] = []
        while len(found) < max_tokens and not (found and found[-1] in ends):
            likeliest = self._likeliest([*ids, *found], 1)
            if not likeliest:
                break
            found.append(likeliest[0]["id"])
        return found

    def _likeliest(self, ids: Sequence[int], n: int) -> list[dict[str, Any]]:
        """The n likeliest next tokens. An end or a half character would be answered without probabilities, or not at all: a plain
        letter is made to come, the probabilities are from before. None where the logits are so large that it doesn't come."""
        reply = self._post("/completion", {"prompt": list(ids), "n_predict": 1, "n_probs": n, "temperature": 0, "samplers": [],
                                           "logit_bias": [[self.letter, 1e6]], "cache_prompt": True, "post_sampling_probs": False})
        found = reply.get("completion_probabilities")
        return found[0]["top_logprobs"] if found else []

    def complete(self, ids: Sequence[int], max_tokens: int, stops: Sequence[str] = (), shown: Sequence[str] = ()) -> dict[str, Any]:
        """Greedy continuation. shown: special tokens that appear in the text and so can be stops. {"content", "tokens", ...}."""
        return self._post("/completion", {"prompt": list(ids), "n_predict": max_tokens, "temperature": 0, "samplers": ["temperature"],
                                          "stop": list(stops), "preserved_tokens": list(shown), "return_tokens": True,
                                          "cache_prompt": True, "repeat_penalty": 1.0})

    def ends_at(self, token: int) -> bool:
        """Whether this token ends an answer: it is made the only one that can come."""
        reply = self._post("/completion", {"prompt": [token], "n_predict": 3, "temperature": 0, "samplers": ["temperature"],
                                           "logit_bias": [[token, 1e6]]})
        return reply["stop_type"] == "eos"

    def map(self, function: Any, items: Sequence[Any]) -> list[Any]:
        """function of each item, as many at a time as there are slots."""
        with ThreadPoolExecutor(self.slots) as pool:
            return list(pool.map(function, items))

    def _post(self, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
            response = connection.getresponse()
            reply = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise TutorError(f"llama.cpp gave up on {path} ({error or type(error).__name__})") from None
        finally:
            connection.close()
        if response.status != 200:
            raise TutorError(f"llama.cpp refused {path} ({reply.get('error', {}).get('message', reply)})")
        return reply


@contextmanager
def running(model: Path, context: int, lora: Path | None = None, slots: int = SLOTS, path: str | None = None) -> Iterator[Engine]:
    """llama.cpp with this file, ended when the block ends. path: where to take xllamacpp from, instead of the installed one.

    Raises TutorError with llama.cpp's own words when the file can't be loaded.
    """
    threads = 1 if model.is_file() and model.stat().st_size < SMALL_BYTES else cores()
    settings = {"model": str(model), "lora": str(lora) if lora else None, "context": context, "slots": slots, "threads": threads}
    with tempfile.TemporaryFile() as log:
        process = _start(settings, log, path)
        assert process.stdout and process.stdin
        try:
            line = process.stdout.readline()
            reply = json.loads(line) if line else {"error": f"ended with code {process.wait()}"}
            if "error" in reply:
                raise TutorError(f"{model}: llama.cpp can't load it ({reply['error']}{_reason(log)})")
            host, _, port = reply["address"].removeprefix("http://").rpartition(":")
            yield Engine(host, int(port), slots, reply["version"])
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _start(settings: dict, log: Any, path: str | None) -> subprocess.Popen[str]:
    code = "import sys; sys.path[:0] = {!r}; from mlxtutor.export.engine_process import serve; import json; serve(json.loads(sys.argv[1]))"
    root = [str(Path(__file__).parents[2])]
    command = [sys.executable, "-c", code.format(([path] if path else []) + root), json.dumps(settings)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)


def _reason(log: Any) -> str:
    """What llama.cpp said last that sounds like an error."""
    log.seek(0)
    lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
    wrong = [line for line in lines if "error" in line.lower() or "fail" in line.lower() or "assert" in line.lower()]
    return f": {wrong[0][:300]}" if wrong else ""
