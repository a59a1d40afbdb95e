"""Answers from a model: batched or streamed, the calculator running inside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlxtutor.backends import Backend, Sampling
from mlxtutor.errors import TutorError
from mlxtutor.text.calculator import CalculatorError, evaluate, format_result
from mlxtutor.text.tokenizer import Tokenizer

GREEDY = Sampling()


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer: its backend, the backend's model, the tokenizer, the context limit in tokens."""

    backend: Backend
    model: Any
    tokenizer: Tokenizer
    max_seq_len: int
    name: str = ""


@dataclass(frozen=True)
class Answer:
    """text holds the calculator's tokens; tokens counts all generated ones; finish_reason: stop or length."""

    text: str
    tokens: int
    finish_reason: str


class _Row:
    """One answer in the making: what was generated, and what the calculator wants inserted next."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.forced: list[int] = []
        self.call_at: int | None = None

    def take(self, token: int) -> bool:
        """Add a token; True when the answer is complete."""
        tokenizer = self.tokenizer
        if self.forced:
            self.forced.pop(0)
        elif token == tokenizer.calc:
            self.call_at = len(self.ids) + 1
        elif token == tokenizer.result and self.call_at is not None:
            result = calculate(tokenizer.decode(self.ids[self.call_at:]))
            self.forced = [*tokenizer.encode(result), tokenizer.calc_end]
            self.call_at = None
        if token in (tokenizer.im_end, tokenizer.end_of_text):
            return True
        self.ids.append(token)
        return False


def calculate(expression: str) -> str:
    """What the runtime inserts for an expression: its result, or `error`."""
    try:
        return format_result(evaluate(expression))
    except CalculatorError:
        return "error"


def check_length(loaded: LoadedModel, prompt: Sequence[int], where: str = "the conversation") -> None:
    """TutorError when a prompt leaves no room for an answer."""
    if len(prompt) >= loaded.max_seq_len:
        raise TutorError(f"{where} has {len(prompt)} tokens; the model reads {loaded.max_seq_len}, its answer included (shorten it)")


def generate(loaded: LoadedModel, prompts: Sequence[Sequence[int]], max_new_tokens: int = 384, sampling: Sampling = GREEDY,
             batch_size: int = 200) -> list[Answer]:
    """Answers to prompts (token ids), in their order; batches are of similar length."""
    answers: dict[int, Answer] = {}
    for batch in generate_batches(loaded, prompts, max_new_tokens, sampling, batch_size):
        answers.update(batch)
    return [answers[i] for i in range(len(prompts))]


def generate_batches(loaded: LoadedModel, prompts: Sequence[Sequence[int]], max_new_tokens: int = 384, sampling: Sampling = GREEDY,
                     batch_size: int = 200) -> Iterator[dict[int, Answer]]:
    """generate, a batch at a time: its answers by the prompt's index."""
    for index, prompt in enumerate(prompts):
        check_length(loaded, prompt, f"prompt {index + 1}")
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), batch_size):
        chosen = order[start:start + batch_size]
        own = replace(sampling, seed=sampling.seed + start)  # batches of one prompt repeated must not repeat its answers
        yield dict(zip(chosen, _generate_batch(loaded, [prompts[i] for i in chosen], max_new_tokens, own)))


def _generate_batch(loaded: LoadedModel, prompts: list[Sequence[int]], max_new_tokens: int, sampling: Sampling) -> list[Answer]:
    rows = [_Row(loaded.tokenizer) for _ in prompts]
    limits = [min(max_new_tokens, loaded.max_seq_len - len(prompt)) for prompt in prompts]  # each its own: not its batch's
    decoder = loaded.backend.decode(loaded.model, prompts, sampling)
    live = list(range(len(rows)))
    done: dict[int, str] = {}
    for taken in range(1, max(limits) + 1):
        tokens = decoder.step(np.array([rows[i].forced[0] if rows[i].forced else -1 for i in live]))
        going = [(i, int(token)) for i, token in zip(live, tokens) if i not in done]
        done.update({i: "stop" for i, token in going if rows[i].take(token)})
        done.update({i: "length" for i, _ in going if i not in done and taken == limits[i]})
        if len(done) == len(rows):
            break
        ended = sum(i in done for i in live)
        if ended * 4 >= len(live):  # gathering the cache costs about as much as a few steps
            keep = [at for at, i in enumerate(live) if i not in done]
            decoder.keep(np.array(keep))
            live = [live[at] for at in keep]
    return [Answer(loaded.tokenizer.decode(row.ids), len(row.ids), done.get(i, "length")) for i, row in enumerate(rows)]


def stream(loaded: LoadedModel, prompt: Sequence[int], max_new_tokens: int = 512, sampling: Sampling = GREEDY) -> Iterator[int]:
    """The tokens of one answer as they come, the calculator's insertions included; ends before the end-of-turn token."""
    check_length(loaded, prompt)
    row = _Row(loaded.tokenizer)
    decoder = loaded.backend.decode(loaded.model, [prompt], sampling)
    for _ in range(min(max_new_tokens, loaded.max_seq_len - len(prompt))):
        token = int(decoder.step(np.array([row.forced[0] if row.forced else -1]))[0])
        if row.take(token):
            return
        yield token
