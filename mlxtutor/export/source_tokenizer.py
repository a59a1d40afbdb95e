"""Texts and chats to ids as the source's own tokenizer does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.chat_template import render_jinja
from mlxtutor.export.checkpoint import read_json
from mlxtutor.export.values import is_whole, wrong
from mlxtutor.export.vocabulary import CONTROL, USER_DEFINED, Vocabulary, added_tokens

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

    def takes_system(self) -> bool:
        """Whether the template has a place for a system text."""
        try:
            return "%system%" in self.render([{"role": "system", "content": "%system%"}, {"role": "user", "content": "?"}])
        except TutorError:
            return False


def read_tokens(directory: Path) -> dict[int, str]:
    """The tokens by id of a directory's tokenizer, added ones included; empty where it has none that is read here."""
    found = {name: read_json(directory / name) for name in ("tokenizer_config.json", "tokenizer.json") if (directory / name).is_file()}
    settings, document = found.get("tokenizer_config.json", {}), found.get("tokenizer.json", {})
    added = {at: text for at, (text, _) in added_tokens(directory, document, settings).items()}
    if document:
        return _pieces(directory, document) | added
    if (directory / "tokenizer.model").is_file():
        processor = _read_sentencepiece(directory / "tokenizer.model")
        return {at: processor.id_to_piece(at) for at in range(processor.get_piece_size())} | added
    return {}


def _pieces(directory: Path, document: dict[str, Any]) -> dict[int, str]:
    """Tokens by id of any kind of tokenizer.json: an object, tokens to ids, or a list of pieces with their scores."""
    model = document.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocab, dict) and all(is_whole(at) for at in vocab.values()):
        return {at: token for token, at in vocab.items()}
    if isinstance(vocab, list) and all(isinstance(pair, list) and pair and isinstance(pair[0], str) for pair in vocab):
        return dict(enumerate(pair[0] for pair in vocab))
    raise wrong(f"{directory}/tokenizer.json", "vocab", vocab, "an object, tokens to ids, or a list of pieces with their scores")


def _from_json(path: Path) -> Encode:
    tokenizer = _read_json(path)
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def _from_sentencepiece(directory: Path, vocabulary: Vocabulary) -> Encode:
    """SentencePiece reads a control token's text as text: it is cut out first, as transformers' slow tokenizers do."""
    processor = _read_sentencepiece(directory / "tokenizer.model")
    special = {token: at for at, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.types)) if kind in (CONTROL, USER_DEFINED)}
    if not special:
        return processor.encode
    between = re.compile("(" + "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)) + ")")

    def encode(text: str) -> list[int]:
        return [at for part in between.split(text) if part for at in ([special[part]] if part in special else processor.encode(part))]

    return encode


def _read_json(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # its own kind is none
        raise TutorError(f"{path}: no tokenizer ({error})") from None


def _read_sentencepiece(path: Path) -> Any:
    from sentencepiece import SentencePieceProcessor

    try:
        return SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise TutorError(f"{path}: not a SentencePiece model ({error})") from None
