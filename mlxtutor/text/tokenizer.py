"""The tokenizer: SentencePiece BPE with byte fallback, and the chat's and the calculator's tokens.

A newline is never learned as part of a piece: it is always the one byte piece <0x0A>. So the texts before and
after it encode alike apart and together, and a chat's header, body and mask meet at token boundaries. Nor is
a superscript or subscript digit: 10⁻¹³ is then read like any other exponent, though no text had that one.
A trainer may name symbols besides, texts that are always one piece, such as the exponents of POWERS.
"""

import codecs
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sentencepiece
from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2 as model_pb2

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic

MODEL_FILE = "tokenizer.model"
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|calc|>", "<|result|>", "<|/calc|>")
CHUNK_CHARS = 1000  # SentencePiece leaves out sentences of more than 4192 bytes without a word
POWERS = tuple(f"e{exponent}" for exponent in range(-31, 13))  # of ten, as a calculator writes them
_RESERVED = 1 + len(SPECIALS) + 256  # <unk>, the specials, the byte pieces

_ANY_SPECIAL = re.compile("|".join(re.escape(special) for special in SPECIALS))
_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "₀₁₂₃₄₅₆₇₈₉"
_ALONE = re.compile(f"\n|([{_RAISED}{_LOWERED}])")  # split_digits leaves these together


def escape_specials(text: str, specials: Iterable[str] = SPECIALS) -> str:
    """Text from outside in which no special token is left: `<|im_end|>` becomes `< |im_end|>`.

    A space, not another way of cutting the string: the rule then holds in a Jinja template too, and every
    runtime that reads the rendered string sees the same ids.
    """
    for special in specials:
        text = text.replace(special, f"< {special[1:]}")
    return text


class Tokenizer:
    """Text to ids and back. `encode` gives a special token's text its id, unless `escape_specials` hid it."""

    def __init__(self, model: bytes, name: str = MODEL_FILE):
        self.model = model
        self._processor, user_defined = _load_processor(model, name)
        self.vocab_size: int = self._processor.vocab_size()
        ids = [self._processor.piece_to_id(special) for special in SPECIALS]
        missing = [s for s, i in zip(SPECIALS, ids, strict=True) if self._processor.id_to_piece(i) != s]
        if missing:
            raise TutorError(f"{name}: no token {', '.join(missing)}; train one with `tutor tokenizer train`")
        self.end_of_text, self.im_start, self.im_end, self.calc, self.result, self.calc_end = ids
        self._special_ids = frozenset(ids)
        self._symbol_ids = user_defined - self._special_ids

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """From a tokenizer.model file or a model directory that has one."""
        file = path / MODEL_FILE if path.is_dir() else path
        if not file.is_file():
            raise TutorError(f"no tokenizer at {file} (give a {MODEL_FILE} or a model directory)")
        return cls(file.read_bytes(), str(file))

    def encode(self, text: str) -> list[int]:
        return self._processor.encode(text)

    def encode_many(self, texts: list[str]) -> list[list[int]]:
        return self._processor.encode(texts)

    def decode(self, ids: list[int]) -> str:
        """Special tokens show as their text."""
        return self._processor.decode(ids)

    def piece(self, token_id: int) -> str:
        """As stored: `▁` for a space, `<0xCE>` for a byte."""
        return self._processor.id_to_piece(token_id)

    def piece_bytes(self, token_id: int) -> bytes:
        """What the token adds to the UTF-8 text."""
        piece = self.piece(token_id)
        return bytes([int(piece[3:5], 16)]) if self.is_byte(token_id) else piece.replace("▁", " ").encode()

    def score(self, token_id: int) -> float:
        """Of two possible merges, the one into the piece with the higher score comes first."""
        return self._processor.get_score(token_id)

    def is_special(self, token_id: int) -> bool:
        return token_id in self._special_ids

    def is_symbol(self, token_id: int) -> bool:
        """A text that the trainer asked to be one piece wherever it stands; an ordinary text otherwise."""
        return token_id in self._symbol_ids

    def is_byte(self, token_id: int) -> bool:
        return self._processor.is_byte(token_id)

    def is_unknown(self, token_id: int) -> bool:
        return self._processor.is_unknown(token_id)

    def save(self, directory: Path) -> Path:
        """Write tokenizer.model, whole or not at all."""
        write_atomic(directory / MODEL_FILE, self.model)
        return directory / MODEL_FILE


class StreamDecoder:
    """Text as its ids come: a character whose bytes are still incomplete waits for the rest."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        return self._utf8.decode(self._tokenizer.piece_bytes(token_id))

    def flush(self) -> str:
        """What is left when the stream ends: U+FFFD for an incomplete character, else nothing."""
        return self._utf8.decode(b"", final=True)


def train_tokenizer(texts: Iterable[str], vocab_size: int, path: Path, symbols: Sequence[str] = ()) -> Tokenizer:
    """Train on the texts and write `path`, a tokenizer.model file. The same texts give the same bytes.

    symbols: texts that are always one piece; of those that begin alike the longest is taken.
    """
    reserved = _RESERVED + len(symbols)
    if vocab_size <= reserved:
        raise TutorError(f"vocab_size {vocab_size}: at least {reserved + 1} ({reserved} are reserved)")
    written = io.BytesIO()
    sentences = _sentences(texts)
    first = next(sentences, None)
    if first is None:
        raise TutorError("no text to train a tokenizer on")
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_chain(first, sentences),
            model_writer=written,
            model_type="bpe",
            vocab_size=vocab_size,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            user_defined_symbols=[*SPECIALS, *symbols],
            required_chars=_RAISED,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise _training_error(str(error), vocab_size) from error
    tokenizer = Tokenizer(written.getvalue(), str(path))
    write_atomic(path, tokenizer.model)
    return tokenizer


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    """What pieces are learned from: lines without special tokens, raised digits apart, cut to CHUNK_CHARS."""
    for text in texts:
        for part in _ANY_SPECIAL.split(text):
            for line in _ALONE.split(part):
                for start in range(0, len(line or ""), CHUNK_CHARS):
                    yield line[start : start + CHUNK_CHARS]


def _training_error(message: str, vocab_size: int) -> TutorError:
    """SentencePiece's two messages about the size, in our words; what a text's reader raised in it; any other as it is."""
    _, ours, told = message.partition("TutorError: ")
    if ours:
        return TutorError(told.splitlines()[0])
    if too_high := re.search(r"too high.*<= (\d+)", message):
        return TutorError(
            f"vocab_size {vocab_size} is more than this text gives (at most {too_high[1]}); "
            "lower it or add text"
        )
    if too_low := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return TutorError(
            f"vocab_size {vocab_size} is less than this text's characters need (at least {too_low[1]})"
        )
    return TutorError(f"SentencePiece could not train: {message.splitlines()[0]}")


def _load_processor(model: bytes, name: str) -> tuple[sentencepiece.SentencePieceProcessor, frozenset[int]]:
    """The processor, and the ids of user-defined pieces, which it doesn't tell.

    Refuses what other runtimes would not read the same way (llama.cpp: unigram; chats: a dummy prefix).
    """
    proto = model_pb2.ModelProto()  # type: ignore[attr-defined]
    try:
        proto.ParseFromString(model)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except (RuntimeError, DecodeError) as error:
        raise TutorError(f"{name}: not a SentencePiece model") from error
    if not proto.pieces:
        raise TutorError(f"{name}: an empty SentencePiece model")
    spec = proto.trainer_spec
    if spec.model_type != spec.BPE:
        kind = spec.ModelType.Name(spec.model_type).lower()
        raise TutorError(f"{name}: a {kind} model (allowed: bpe, which every runtime reads alike)")
    if proto.normalizer_spec.add_dummy_prefix:
        raise TutorError(f"{name}: trained with add_dummy_prefix (needed: add_dummy_prefix=False)")
    return processor, frozenset(i for i, piece in enumerate(proto.pieces) if piece.type == piece.USER_DEFINED)
