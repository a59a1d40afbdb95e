"""A chat that goes on: the open model, the conversation, and how answers are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mlxtutor.backends import Sampling
from mlxtutor.errors import TutorError
from mlxtutor.home import Home
from mlxtutor.inference.conversation import Conversation, fit
from mlxtutor.inference.generate import stream
from mlxtutor.text.tokenizer import StreamDecoder

from .opened import Opened
from .views import View

RETRY_TEMPERATURE = 0.7  # a greedy answer would come out the same again


@dataclass
class Session:
    """One user's chat. open_model: opens a model by name for `/model`. memory: earlier exchanges to read; None: as the model can."""

    home: Home
    opened: Opened
    open_model: Callable[[str], Opened]
    view: View
    conversation: Conversation
    sampling: Sampling
    max_tokens: int
    memory: int | None = None
    retries: int = 0
    left_out: int = 0

    @property
    def reads(self) -> int | None:
        """Earlier exchanges that the open model reads, None for all that fit."""
        return self.opened.memory if self.memory is None else self.memory

    def ask(self, text: str, sampling: Sampling | None = None) -> None:
        """Put a question, draw the answer as it comes, and keep both. A message that is too long is not kept."""
        loaded = self.opened.loaded
        self.conversation.ask(text)
        try:
            prompt = fit(self.conversation, loaded.tokenizer, loaded.max_seq_len, self.max_tokens, self.reads)
        except TutorError:
            self.conversation.take_back()
            raise
        if prompt.left_out > self.left_out:
            gone = _exchanges(prompt.left_out)
            self.view.notice(f"(the context of {loaded.max_seq_len} tokens is full: the oldest {gone} no longer in it)")
        self.left_out = prompt.left_out
        self._answer(prompt.ids, sampling or self.sampling)

    def retry(self) -> None:
        """Answer the last question again, differently."""
        text = self.conversation.take_back()
        if text is None:
            raise TutorError("nothing to answer again yet (ask something first)")
        self.retries += 1
        temperature = self.sampling.temperature or RETRY_TEMPERATURE
        self.ask(text, replace(self.sampling, temperature=temperature, seed=self.sampling.seed + self.retries))

    def reset(self) -> None:
        self.conversation = Conversation(self.conversation.system)
        self.left_out = 0

    def load(self, conversation: Conversation) -> None:
        """Go on with another conversation; an open question at its end is answered."""
        self.conversation, self.left_out = conversation, 0
        if conversation.messages and conversation.messages[-1]["role"] == "user":
            self.ask(conversation.take_back() or "")

    def switch(self, name: str) -> None:
        """Another model; the conversation stays."""
        self.opened = self.open_model(name)
        self.left_out = 0

    def _answer(self, prompt: list[int], sampling: Sampling) -> None:
        pieces: list[str] = []
        stopped = False
        try:
            self.view.answer(self._pieces(prompt, sampling, pieces))
        except KeyboardInterrupt:
            stopped = True
        finally:
            text = "".join(pieces)
            self.conversation.answer(text)
        room = min(self.max_tokens, self.opened.loaded.max_seq_len - len(prompt))
        if not text.strip():
            self.view.notice("(stopped; the question is dropped)" if stopped else "(the model gave no answer; the question is dropped)")
        elif stopped:
            self.view.notice("(stopped; what came is kept, /retry answers again)")
        elif len(pieces) > room:  # the decoder's rest is a piece too
            self.view.notice(f"(cut off after {room} tokens: --max-tokens, or the end of the context)")

    def _pieces(self, prompt: list[int], sampling: Sampling, kept: list[str]) -> Iterator[str]:
        """The answer's text, a piece a token and the decoder's rest, also put into `kept`."""
        decoder = StreamDecoder(self.opened.loaded.tokenizer)
        for token in stream(self.opened.loaded, prompt, self.max_tokens, sampling):
            kept.append(decoder.push(token))
            yield kept[-1]
        kept.append(decoder.flush())
        yield kept[-1]



def _exchanges(count: int) -> str:
    exchanges = (count + 1) // 2
    return "exchange is" if exchanges == 1 else f"{exchanges} exchanges are"
