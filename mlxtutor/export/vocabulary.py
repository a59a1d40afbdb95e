"""A model directory's tokenizer as GGUF stores it: SentencePiece BPE, or byte-level BPE with a known splitting rule.

A missing `tokenizer.ggml.pre` mistokenises without a word, and llama.cpp adds a BOS or takes id 11 as the end where nothing
says otherwise: everything is written out, and what isn't known is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.checkpoint import read_json

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # llama.cpp's token types
SENTENCEPIECE_BPE = 2  # sentencepiece_model.proto, TrainerSpec.ModelType

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "</s>")
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
RULES = {  # how a byte-level BPE splits a text, by llama.cpp's name for it
    "qwen2": _LETTERS + r"|\p{N}" + _REST,
    "llama-bpe": _LETTERS + r"|\p{N}{1,3}" + _REST,
    "gpt-2": "",  # the ByteLevel pre-tokenizer's own expression
}


@dataclass(frozen=True)
class Vocabulary:
    """One entry an id. model: llama.cpp's kind, llama (SentencePiece) or gpt2 (byte level); special: ids by role."""

    model: str
    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...]
    merges: tuple[str, ...]
    special: dict[str, int]
    ends: tuple[int, ...]  # every id that ends an answer
    add_bos: bool
    add_space_prefix: bool
    chat_template: str | None
    normalisation: str = ""  # what the source's tokenizer does to a text first and llama.cpp doesn't

    def token(self, role: str) -> str:
        """The text of a special token, empty where there is none."""
        return self.tokens[self.special[role]] if role in self.special else ""


def read_vocabulary(directory: Path, vocab_size: int, config: dict[str, Any], base: Path | None = None) -> Vocabulary:
    """The tokenizer of a model directory, padded to the model's vocab_size; TutorError for one that llama.cpp has no equal of.

    base: the model's own directory, where the tokenizer lies elsewhere; what ends its answers is said there.
    """
    settings = read_json(directory / "tokenizer_config.json") if (directory / "tokenizer_config.json").is_file() else {}
    if (directory / "tokenizer.model").is_file():
        tokens, types, scores, prefix = _sentencepiece(directory)
        model, pre, normalisation = "llama", "default", ""
        merges: list[str] = []
    else:
        document = read_json(directory / "tokenizer.json")
        tokens, merges = _byte_level(document, directory)
        types, scores, prefix = [NORMAL] * len(tokens), [], False
        model, pre, normalisation = "gpt2", _rule(document, directory), _normalisation(document, directory)
    added = _added_tokens(directory, settings)
    _place(added, tokens, types, scores, directory, vocab_size, model)
    special = _special_ids(base or directory, settings, tokens, config)
    return Vocabulary(model, pre, tuple(tokens), tuple(types), tuple(scores), tuple(merges), special,
                      _all_ends(base or directory, config, special), _adds_bos(directory, settings, special), prefix,
                      read_chat_template(directory), normalisation)


def _sentencepiece(directory: Path) -> tuple[list[str], list[int], list[float], bool]:
    """Pieces, types, scores, and whether a space is put before a text."""
    from sentencepiece import sentencepiece_model_pb2

    model_pb2: Any = sentencepiece_model_pb2  # its classes are made when it is imported
    proto = model_pb2.ModelProto()
    try:
        proto.ParseFromString((directory / "tokenizer.model").read_bytes())
    except Exception as error:  # protobuf's own kind
        raise TutorError(f"{directory}/tokenizer.model: not a SentencePiece model ({error})") from None
    kind = proto.trainer_spec.model_type
    if kind != SENTENCEPIECE_BPE:
        name = model_pb2.TrainerSpec.ModelType.Name(kind).lower()
        raise TutorError(f"{directory}/tokenizer.model: a {name} model, which llama.cpp reads otherwise than SentencePiece (allowed: bpe)")
    spec = proto.normalizer_spec
    if spec.remove_extra_whitespaces or spec.precompiled_charsmap and spec.name != "identity":
        what = "removes white space" if spec.remove_extra_whitespaces else f"normalises by {spec.name}"
        raise TutorError(f"{directory}/tokenizer.model: {what}, which llama.cpp doesn't do (allowed: identity)")
    tokens, types, scores = [], [], []
    for piece in proto.pieces:
        tokens.append(piece.piece)
        types.append(int(piece.type))
        scores.append(piece.score)
    return tokens, types, scores, bool(spec.add_dummy_prefix)


def _byte_level(document: dict[str, Any], directory: Path) -> tuple[list[str], list[str]]:
    """Tokens by id (holes are empty) and merges of a tokenizer.json."""
    model = document.get("model") or {}
    decoder = json.dumps(document.get("decoder") or {})
    if model.get("type") != "BPE" or "ByteLevel" not in decoder:
        allowed = "byte-level BPE as tokenizer.json, or SentencePiece BPE as tokenizer.model"
        raise TutorError(f"{directory}: a tokenizer of type {model.get('type')!r} that can't be exported (allowed: {allowed})")
    tokens = [""] * (1 + max(model["vocab"].values(), default=-1))
    for token, at in model["vocab"].items():
        tokens[at] = token
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model.get("merges", [])]
    return tokens, merges


def _rule(document: dict[str, Any], directory: Path) -> str:
    """llama.cpp's name of the way a text is split before merging."""
    steps = _flat(document.get("pre_tokenizer"), "pretokenizers")
    splits = [step for step in steps if step["type"] == "Split"]
    levels = [step for step in steps if step["type"] == "ByteLevel"]
    if len(splits) + len(levels) == len(steps) and len(levels) == 1 and len(splits) < 2 and not levels[0].get("add_prefix_space"):
        pattern = splits[0]["pattern"].get("Regex") if splits else ""
        for name, known in RULES.items():
            if pattern == known and bool(levels[0].get("use_regex", True)) == (name == "gpt-2"):
                return name
    raise TutorError(f"{directory}/tokenizer.json: splits texts by a rule that isn't known here (known: those of {', '.join(RULES)}); "
                     "llama.cpp would tokenise otherwise without a word")


def _normalisation(document: dict[str, Any], directory: Path) -> str:
    steps = [step["type"] for step in _flat(document.get("normalizer"), "normalizers")]
    if steps not in ([], ["NFC"]):
        raise TutorError(f"{directory}/tokenizer.json: normalises by {', '.join(steps)}, llama.cpp doesn't (allowed: nothing, NFC)")
    return steps[0] if steps else ""


def _flat(step: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    return [] if step is None else list(step[key]) if step["type"] == "Sequence" else [step]


def _added_tokens(directory: Path, settings: dict[str, Any]) -> dict[int, tuple[str, bool]]:
    """Added tokens by id: text, and whether it is special."""
    added: dict[int, tuple[str, bool]] = {}
    if (directory / "tokenizer.json").is_file():
        for token in read_json(directory / "tokenizer.json").get("added_tokens", []):
            added[token["id"]] = (token["content"], bool(token.get("special")))
    for at, token in settings.get("added_tokens_decoder", {}).items():
        added[int(at)] = (token["content"], bool(token.get("special")))
    return added


def _place(added: dict[int, tuple[str, bool]], tokens: list[str], types: list[int], scores: list[float], directory: Path, vocab_size: int,
           model: str) -> None:
    """Type the added tokens, fill up to the model's size with unused ones; more tokens than the model has are an error."""
    largest = max([len(tokens) - 1, *added])
    if largest >= vocab_size:
        raise TutorError(f"{directory}: the tokenizer has id {largest}, the model {vocab_size} rows of embeddings")
    tokens += [""] * (vocab_size - len(tokens))
    types += [NORMAL] * (vocab_size - len(types))
    if model == "llama":
        scores += [-10000.0] * (vocab_size - len(scores))
    for at, (text, special) in added.items():
        if types[at] in (UNKNOWN, BYTE):  # llama.cpp needs to know these as what they are
            continue
        tokens[at], types[at] = text, CONTROL if special else USER_DEFINED
    for at, token in enumerate(tokens):
        if token == "":
            tokens[at], types[at] = f"[PAD{at}]", UNUSED


def _special_ids(directory: Path, settings: dict[str, Any], tokens: list[str], config: dict[str, Any]) -> dict[str, int]:
    """bos, eos, unk and pad as the tokenizer names them; eot: the end of a turn, from generation_config.json."""
    at = {token: index for index, token in enumerate(tokens)}
    special = {}
    for role in ("bos", "eos", "unk", "pad"):
        named = settings.get(f"{role}_token")
        text = named.get("content") if isinstance(named, dict) else named
        if text is not None and text in at:
            special[role] = at[text]
    ends = list(_ends(directory, config))
    if "eos" not in special and ends:
        special["eos"] = ends[0]
    if "eos" not in special:
        raise TutorError(f"{directory}: no end token (eos_token in tokenizer_config.json, or eos_token_id); llama.cpp would take id 11")
    turn = [end for end in ends if end != special["eos"]]
    if tokens[special["eos"]] in TURN_ENDS:
        turn = []
    special["eot"] = next((end for end in turn if tokens[end] in TURN_ENDS), special["eos"])
    return special


def _ends(directory: Path, config: dict[str, Any]) -> Iterable[int]:
    """Ids that end an answer."""
    path = directory / "generation_config.json"
    for source in (read_json(path) if path.is_file() else {}, config):
        found = source.get("eos_token_id")
        yield from [found] if isinstance(found, int) else found or []


def _all_ends(directory: Path, config: dict[str, Any], special: dict[str, int]) -> tuple[int, ...]:
    return tuple(sorted({special["eos"], special["eot"], *_ends(directory, config)}))


def _adds_bos(directory: Path, settings: dict[str, Any], special: dict[str, int]) -> bool:
    """Whether the source's tokenizer puts a BOS before every text."""
    if "add_bos_token" in settings:
        return bool(settings["add_bos_token"]) and "bos" in special
    if not (directory / "tokenizer.json").is_file():
        return "bos" in special  # SentencePiece models of Llama, Mistral and Gemma: their tokenizers add it
    template = json.dumps(read_json(directory / "tokenizer.json").get("post_processor") or {})
    named = settings.get("bos_token")
    return "bos" in special and json.dumps(named.get("content") if isinstance(named, dict) else named) in template


def read_chat_template(directory: Path) -> str | None:
    """The Jinja template, from its own file or the settings; of several named ones, `default`."""
    path, settings = directory / "chat_template.jinja", directory / "tokenizer_config.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = read_json(settings).get("chat_template") if settings.is_file() else None
    if isinstance(found, list):
        found = next((item["template"] for item in found if item.get("name") == "default"), None)
    return found
