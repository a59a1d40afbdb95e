"""Texts and chats to ids as the source's own tokenizer does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mlxtutor.export.chat_template import render_jinja
from mlxtutor.export.vocabulary import CONTROL, USER_DEFINED, Vocabulary

Encode = Callable[[str], list[int]]


class SourceTokenizer:
    """`tokenizers` on tokenizer.json, or SentencePiece between the special tokens. No BOS is added."""

    def __init__(self, directory: Path, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        json_file = directory / "tokenizer.json"
        self.encode: Encode = _from_json(json_file) if json_file.is_file() else _from_sentencepiece(directory, vocabulary)

    def encode_chat(self, messages: list[dict]) -> list[int]:
        """Ids of a chat, ready for the answer."""
        return self.encode(self.render(messages))

    def render(self, messages: list[dict], settings: str = "", clock: bool = True) -> str:
        """A chat by the source's Jinja template; settings: Jinja that stands before it; clock: it may ask for the date."""
        template, token = settings + (self.vocabulary.chat_template or ""), self.vocabulary.token
        return render_jinja(template, messages, token("bos"), token("eos"), clock=clock)


def _from_json(path: Path) -> Encode:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def _from_sentencepiece(directory: Path, vocabulary: Vocabulary) -> Encode:
    """SentencePiece reads a control token's text as text: it is cut out first, as transformers' slow tokenizers do."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(directory / "tokenizer.model"))
    special = {token: at for at, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.types)) if kind in (CONTROL, USER_DEFINED)}
    if not special:
        return processor.encode
    between = re.compile("(" + "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)) + ")")

    def encode(text: str) -> list[int]:
        return [at for part in between.split(text) if part for at in ([special[part]] if part in special else processor.encode(part))]

    return encode
