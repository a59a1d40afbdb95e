"""A source as a model directory in Hugging Face's layout: its adapter merged, quantised tensors dequantised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlxtutor.errors import TutorError
from mlxtutor.export.architectures import ARCHITECTURES, plan_tensors
from mlxtutor.export.gguf_file import Progress, named_encode
from mlxtutor.export.quantisation import encoded_size
from mlxtutor.export.source import Source, check_rounding
from mlxtutor.export.vocabulary import read_chat_template
from mlxtutor.files import open_atomic, write_atomic
from mlxtutor.model_files import INDEX

DTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
STORED_AS = {"F32": "float32", "F64": "float32", "F16": "float16", "BF16": "bfloat16"}
SHARD_BYTES = 4 << 30
TEMPLATE_FILE, SETTINGS_FILE, GENERATION_FILE = "chat_template.jinja", "tokenizer_config.json", "generation_config.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", SETTINGS_FILE, "special_tokens_map.json", TEMPLATE_FILE, "added_tokens.json",
                   "vocab.json", "merges.txt")
QUANTISED_KEYS, DTYPE_KEYS = ("quantization", "quantization_config"), ("torch_dtype", "dtype")  # of config.json: written anew
KEPT_FILES = (GENERATION_FILE, *TOKENIZER_FILES)


def default_dtype(source: Source) -> str:
    """What the base is stored in."""
    return STORED_AS[source.dtype]


def check_dtype(source: Source, dtype: str) -> None:
    """TutorError for a dtype that isn't known or would lose the adapter, and for tensors that don't fit config.json."""
    if dtype not in DTYPES:
        raise TutorError(f'unknown dtype "{dtype}" (allowed: {", ".join(DTYPES)})')
    if source.base.config.get("model_type") in ARCHITECTURES:
        plan_tensors(source.shape, source.base.shapes, str(source.directory))
    check_rounding(source, DTYPES[dtype])


def write_hf(source: Source, folder: Path, dtype: str, progress: Progress | None = None) -> list[Path]:
    """Write it, a few rows in memory at a time; gives the files. dtype: one that check_dtype has let pass."""
    folder.mkdir(parents=True, exist_ok=True)
    files = _write_shards(source, folder, DTYPES[dtype], progress)
    config = {key: value for key, value in source.base.config.items() if key not in (*QUANTISED_KEYS, *DTYPE_KEYS)}
    write_atomic(folder / "config.json", (json.dumps({**config, "torch_dtype": dtype}, indent=2) + "\n").encode())
    files.append(folder / "config.json")
    for name, data in kept_files(source).items():
        write_atomic(folder / name, data)
        files.append(folder / name)
    return files


def kept_files(source: Source) -> dict[str, bytes]:
    """The base's generation settings, and a tokenizer all from one directory: a template beside another would hide it.

    An adapter's own template takes the place of that directory's.
    """
    directory = source.tokenizer_directory
    places = {GENERATION_FILE: source.directory, **dict.fromkeys(TOKENIZER_FILES, directory)}
    files = {name: (place / name).read_bytes() for name, place in places.items() if (place / name).is_file()}
    if source.chat_template is not None and source.chat_template != read_chat_template(directory):
        files[TEMPLATE_FILE] = source.chat_template.encode()
        settings = json.loads(files.get(SETTINGS_FILE, b"{}"))
        if settings.pop("chat_template", None) is not None:
            files[SETTINGS_FILE] = (json.dumps(settings, ensure_ascii=False, indent=2) + "\n").encode()
    return files


def _write_shards(source: Source, folder: Path, kind: str, progress: Progress | None) -> list[Path]:
    """The weights as one file, or several of at most SHARD_BYTES with their index."""
    shapes = source.base.shapes
    names = [name for name in shapes if not (source.base.config.get("tie_word_embeddings") and name == "lm_head.weight")]
    sizes = {name: encoded_size(shapes[name], kind) for name in names}
    shards = _divide(names, sizes)
    total, done, files = sum(sizes.values()), 0, []

    def count(size: int) -> None:
        nonlocal done
        done += size
        if progress:
            progress(done, total)

    for number, chosen in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write_shard(source, folder / name, {n: sizes[n] for n in chosen}, kind, count)
        files.append(folder / name)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": {n: f.name for f, chosen in zip(files, shards) for n in chosen}}
        write_atomic(folder / INDEX, (json.dumps(index, indent=2) + "\n").encode())
        files.append(folder / INDEX)
    return files


def _divide(names: list[str], sizes: dict[str, int]) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    for name in names:
        if shards[-1] and sum(sizes[n] for n in shards[-1]) + sizes[name] > SHARD_BYTES:
            shards.append([])
        shards[-1].append(name)
    return shards


def _write_shard(source: Source, path: Path, sizes: dict[str, int], kind: str, count: Callable[[int], None]) -> None:
    """One safetensors file (https://github.com/huggingface/safetensors#format)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, size in sizes.items():
        header[name] = {"dtype": kind.upper(), "shape": list(source.base.shapes[name]), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open_atomic(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sizes:
            for values in source.chunks(name):
                data = named_encode(name, values, kind)
                file.write(data.data)
                count(data.nbytes)
