"""A model directory's tokenizer as GGUF stores it: SentencePiece BPE, or byte-level BPE with a known splitting rule.

A missing `tokenizer.ggml.pre` mistokenises without a word, and llama.cpp adds a BOS or takes id 11 as the end where nothing
says otherwise: everything is written out, and what isn't known is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.architectures import MOST_TOKENS
from mlxtutor.export.checkpoint import read_json
from mlxtutor.export.values import is_whole, wrong

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
    settings, document = _read_if_there(directory / "tokenizer_config.json"), _read_if_there(directory / "tokenizer.json")
    if (directory / "tokenizer.model").is_file():
        tokens, types, scores, prefix = _sentencepiece(directory)
        model, pre, normalisation = "llama", "default", ""
        merges: list[str] = []
    else:
        tokens, merges = _byte_level(document, directory)
        types, scores, prefix = [NORMAL] * len(tokens), [], False
        model, pre, normalisation = "gpt2", _rule(document, directory), _normalisation(document, directory)
    added = added_tokens(directory, document, settings)
    _place(added, tokens, types, scores, directory, vocab_size, model)
    ends = _ends(base or directory, config, vocab_size)
    special = _special_ids(directory, settings, tokens, ends)
    return Vocabulary(model, pre, tuple(tokens), tuple(types), tuple(scores), tuple(merges), special,
                      tuple(sorted({special["eos"], special["eot"], *ends})), _adds_bos(directory, document, settings, special), prefix,
                      read_chat_template(directory), normalisation)


def _read_if_there(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


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
    if not document:
        raise TutorError(f"{directory}: no tokenizer.json and no tokenizer.model (put the model's own tokenizer there)")
    where, model = f"{directory}/tokenizer.json", document.get("model")
    decoder = json.dumps(document.get("decoder"))
    kind = model.get("type") if isinstance(model, dict) else model
    if not isinstance(model, dict) or kind != "BPE" or "ByteLevel" not in decoder:
        allowed = "byte-level BPE as tokenizer.json, or SentencePiece BPE as tokenizer.model"
        raise TutorError(f"{directory}: a tokenizer of type {kind!r} that can't be exported (allowed: {allowed})")
    vocab, merges = model.get("vocab"), model.get("merges", [])
    if not isinstance(vocab, dict) or not all(is_whole(at, high=MOST_TOKENS) for at in vocab.values()):
        raise wrong(where, "vocab", vocab, f"an object, tokens to ids from 0 to {MOST_TOKENS}")
    if not isinstance(merges, list) or not all(_is_merge(merge) for merge in merges):
        raise wrong(where, "merges", merges, "a list of pairs of tokens")
    tokens = [""] * (1 + max(vocab.values(), default=-1))
    for token, at in vocab.items():
        tokens[at] = token
    return tokens, [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def _is_merge(merge: object) -> bool:
    pair = merge.split(" ") if isinstance(merge, str) else merge
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)


def _rule(document: dict[str, Any], directory: Path) -> str:
    """llama.cpp's name of the way a text is split before merging."""
    steps = _steps(document, "pre_tokenizer", "pretokenizers", directory)
    splits = [step for step in steps if step["type"] == "Split"]
    levels = [step for step in steps if step["type"] == "ByteLevel"]
    if len(splits) + len(levels) == len(steps) and len(levels) == 1 and len(splits) < 2 and not levels[0].get("add_prefix_space"):
        pattern: Any = splits[0].get("pattern") if splits else {"Regex": ""}
        for name, known in RULES.items():
            if pattern == {"Regex": known} and bool(levels[0].get("use_regex", True)) == (name == "gpt-2"):
                return name
    raise TutorError(f"{directory}/tokenizer.json: splits texts by a rule that isn't known here (known: those of {', '.join(RULES)}); "
                     "llama.cpp would tokenise otherwise without a word")


def _normalisation(document: dict[str, Any], directory: Path) -> str:
    steps = [step["type"] for step in _steps(document, "normalizer", "normalizers", directory)]
    if steps not in ([], ["NFC"]):
        raise TutorError(f"{directory}/tokenizer.json: normalises by {', '.join(steps)}, llama.cpp doesn't (allowed: nothing, NFC)")
    return steps[0] if steps else ""


def _steps(document: dict[str, Any], key: str, of_sequence: str, directory: Path) -> list[dict[str, Any]]:
    """One step, or those of a Sequence."""
    step = document.get(key)
    steps = step.get(of_sequence) if isinstance(step, dict) and step.get("type") == "Sequence" else [] if step is None else [step]
    if not isinstance(steps, list) or not all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in steps):
        raise wrong(f"{directory}/tokenizer.json", key, step, f"null, an object with a type, or a Sequence of such as {of_sequence}")
    return steps


def added_tokens(directory: Path, document: dict[str, Any], settings: dict[str, Any]) -> dict[int, tuple[str, bool]]:
    """Added tokens by id: text, and whether it is special."""
    listed = document.get("added_tokens") or []
    if not isinstance(listed, list) or not all(isinstance(token, dict) and is_whole(token.get("id")) for token in listed):
        raise wrong(f"{directory}/tokenizer.json", "added_tokens", listed, "a list of objects with id and content")
    mapped = settings.get("added_tokens_decoder") or {}
    if not isinstance(mapped, dict) or not all(at.isdecimal() and len(at) < 10 for at in mapped):
        raise wrong(f"{directory}/tokenizer_config.json", "added_tokens_decoder", mapped, "an object, ids to tokens")
    found: list[tuple[int, Any]] = [*((token["id"], token) for token in listed), *((int(at), token) for at, token in mapped.items())]
    for at, token in found:
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise wrong(str(directory), f"the added token {at}", token, "an object with its text as content")
    return {at: (token["content"], bool(token.get("special"))) for at, token in found}


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


def _special_ids(directory: Path, settings: dict[str, Any], tokens: list[str], ends: list[int]) -> dict[str, int]:
    """bos, eos, unk and pad as the tokenizer names them; eot: the end of a turn, from generation_config.json."""
    at = {token: index for index, token in enumerate(tokens)}
    named = {role: _named(directory, settings, role) for role in ("bos", "eos", "unk", "pad")}
    special = {role: at[text] for role, text in named.items() if text is not None and text in at}
    if "eos" not in special and ends:
        special["eos"] = ends[0]
    if "eos" not in special:
        raise TutorError(f"{directory}: no end token (eos_token in tokenizer_config.json, or eos_token_id); llama.cpp would take id 11")
    turn = [end for end in ends if end != special["eos"]]
    if tokens[special["eos"]] in TURN_ENDS:
        turn = []
    special["eot"] = next((end for end in turn if tokens[end] in TURN_ENDS), special["eos"])
    return special


def _named(directory: Path, settings: dict[str, Any], role: str) -> str | None:
    """The text of a special token, as tokenizer_config.json has it."""
    found = settings.get(f"{role}_token")
    text = found.get("content") if isinstance(found, dict) else found
    if text is not None and not isinstance(text, str):
        raise wrong(f"{directory}/tokenizer_config.json", f"{role}_token", found, "a text, or an object with it as content")
    return text


def _ends(directory: Path, config: dict[str, Any], vocab_size: int) -> list[int]:
    """Ids that end an answer, each once."""
    ends: list[int] = []
    for name, source in ("generation_config.json", _read_if_there(directory / "generation_config.json")), ("config.json", config):
        found = source.get("eos_token_id")
        listed = found if isinstance(found, list) else [] if found is None else [found]
        if not all(is_whole(end, high=vocab_size - 1) for end in listed):
            raise wrong(f"{directory}/{name}", "eos_token_id", found, f"an id from 0 to {vocab_size - 1}, or a list of such")
        ends += listed
    return list(dict.fromkeys(ends))


def _adds_bos(directory: Path, document: dict[str, Any], settings: dict[str, Any], special: dict[str, int]) -> bool:
    """Whether the source's tokenizer puts a BOS before every text."""
    if "add_bos_token" in settings:
        return bool(settings["add_bos_token"]) and "bos" in special
    if not document:
        return "bos" in special  # SentencePiece models of Llama, Mistral and Gemma: their tokenizers add it
    template = json.dumps(document.get("post_processor"))
    return "bos" in special and json.dumps(_named(directory, settings, "bos")) in template


def read_chat_template(directory: Path) -> str | None:
    """The Jinja template, from its own file or the settings; of several named ones, `default`."""
    path, settings = directory / "chat_template.jinja", directory / "tokenizer_config.json"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise TutorError(f"{path}: byte {error.start} is not UTF-8 (save the file as UTF-8)") from None
    found = _read_if_there(settings).get("chat_template")
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        found = next((item.get("template") for item in found if item.get("name") == "default"), None)
    if found is not None and not isinstance(found, str):
        raise wrong(str(settings), "chat_template", found, "a text, or a list of objects with name and template")
    return found
