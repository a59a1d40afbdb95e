"""The tokenizer files of a Hugging Face model directory, giving SentencePiece's ids without SentencePiece.

`tokenizer.json` is the format of the `tokenizers` library: BPE with byte fallback over the whole text, spaces
as "▁", and the merges that the pieces imply (SentencePiece keeps pieces and scores, not merges).
"""

import json
from pathlib import Path

from mlxtutor.text.chat import END_OF_TEXT, FRAME_TOKENS, IM_END, ROLES
from mlxtutor.text.tokenizer import MODEL_FILE, SPECIALS, Tokenizer

TEMPLATE_FILE = "chat_template.jinja"
TOKENIZER_FILES = (
    MODEL_FILE,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    TEMPLATE_FILE,
)

_BODY = """\
{%- macro compact(content) -%}
{%- if content is string -%}
{{ content }}
{%- else -%}
{%- for part in content -%}
{%- if part is string -%}
{{ part }}
{%- else -%}
{{ '<|calc|>' + part['calc'] + '<|result|>' + part['result'] + '<|/calc|>' }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{%- if message['role'] not in @ROLES@ -%}
{{ raise_exception('unknown role "' + message['role'] + '" (allowed: @NAMES@)') }}
{%- endif -%}
{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' -%}
{{ compact(message['content'])@FRAME@ }}
{%- else -%}
{{ message['content']@ALL@ }}
{%- endif -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
"""


def chat_template() -> str:
    """The Jinja template whose output is `chat.render`'s text."""
    return (
        _BODY.replace("@ALL@", _escapes(SPECIALS))
        .replace("@FRAME@", _escapes(FRAME_TOKENS))
        .replace("@ROLES@", repr(list(ROLES)))
        .replace("@NAMES@", ", ".join(ROLES))
    )


def write_tokenizer_files(tokenizer: Tokenizer, directory: Path, max_seq_len: int) -> list[Path]:
    """Write TOKENIZER_FILES into a model directory; max_seq_len is the model's, in tokens."""
    tokenizer.save(directory)
    named = {
        "eos_token": IM_END,
        "pad_token": END_OF_TEXT,
        "additional_special_tokens": [s for s in SPECIALS if s not in (IM_END, END_OF_TEXT)],
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "unk_token": None,
        **named,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_seq_len,
        "added_tokens_decoder": {str(t.pop("id")): t for t in _added_tokens(tokenizer)},
    }
    texts = {
        "tokenizer.json": _json(tokenizer_json(tokenizer)),
        "tokenizer_config.json": _json(config),
        "special_tokens_map.json": _json(named),
        TEMPLATE_FILE: chat_template(),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in TOKENIZER_FILES]


def tokenizer_json(tokenizer: Tokenizer) -> dict:
    """The document that `tokenizers.Tokenizer.from_file` reads."""
    space, shown = {"String": " "}, {"String": "▁"}
    vocab = {tokenizer.piece(i): i for i in range(tokenizer.vocab_size)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(tokenizer),
        "normalizer": {"type": "Replace", "pattern": space, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": shown, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": merges(tokenizer),
        },
    }


def merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, the pair that SentencePiece merges first at the front."""
    normal_ids = (i for i in range(tokenizer.vocab_size) if _is_normal(tokenizer, i))
    normal = {tokenizer.piece(i): tokenizer.score(i) for i in normal_ids}
    by_score = sorted((piece for piece in normal if len(piece) > 1), key=lambda piece: -normal[piece])
    return [
        (piece[:cut], piece[cut:])
        for piece in by_score
        for cut in range(1, len(piece))
        if piece[:cut] in normal and piece[cut:] in normal
    ]


def _is_normal(tokenizer: Tokenizer, token_id: int) -> bool:
    apart = (tokenizer.is_special, tokenizer.is_symbol, tokenizer.is_byte, tokenizer.is_unknown)
    return not any(kind(token_id) for kind in apart)


def _added_tokens(tokenizer: Tokenizer) -> list[dict]:
    ids = (i for i in range(tokenizer.vocab_size) if tokenizer.is_special(i) or tokenizer.is_symbol(i))
    return [
        {
            "id": i,
            "content": tokenizer.piece(i),
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": tokenizer.is_special(i),
        }
        for i in ids
    ]


def _escapes(specials: tuple[str, ...]) -> str:
    """`tokenizer.escape_specials` as Jinja filters."""
    return "".join(f" | replace('{special}', '< {special[1:]}')" for special in specials)


def _json(value: dict) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
