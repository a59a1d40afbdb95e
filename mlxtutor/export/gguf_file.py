"""GGUF files of a model or an adapter, written piece by piece: memory doesn't grow with the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.adapter import Adapter
from mlxtutor.export.architectures import BLOCK_NAMES, LAYER, OUTER_NAMES, Shape, TensorPlan, metadata, permute_rows, rope_factors
from mlxtutor.export.quantisation import FILE_TYPES, encode, encoded_size, gguf_module, tensor_type
from mlxtutor.export.vocabulary import Vocabulary
from mlxtutor.files import open_atomic

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Description:
    """general.* of the file: who made it of what."""

    name: str
    version: str = ""
    licence: str = ""
    base_models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """What is to be written. rows(plan): the tensor as float32, in runs of rows, already as llama.cpp reads it. where: it comes from."""

    shape: Shape
    config: dict[str, Any]
    plans: list[TensorPlan]
    vocabulary: Vocabulary
    rows: Callable[[TensorPlan], Iterator[np.ndarray]]
    description: Description
    where: str = "the model"


def write_model(path: Path, model: Model, kind: str, progress: Progress | None = None) -> None:
    """Write the file; it is whole when this returns. Raises TutorError before the first byte."""
    gguf = gguf_module()
    writer = gguf.GGUFWriter(None, model.shape.architecture.gguf)
    _describe(writer, model.description)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for key, value in metadata(model.shape, model.config, model.where).items():
        _add(writer, f"{model.shape.architecture.gguf}.{key}", value)
    add_vocabulary(writer, model.vocabulary)
    plans = [(plan, tensor_type(plan.name, plan.shape, kind)) for plan in model.plans]
    factors = rope_factors(model.shape, model.config, model.where)
    if factors is not None:
        _announce(writer, "rope_freqs.weight", factors.shape, "f32")
    for plan, chosen in plans:
        _announce(writer, plan.name, plan.shape, chosen)
    total = sum(encoded_size(plan.shape, chosen) for plan, chosen in plans)
    with _opened(writer, path) as file:
        if factors is not None:
            _write(writer, file, "rope_freqs.weight", iter([factors]), "f32", lambda size: None)
        done = 0

        def count(size: int) -> None:
            nonlocal done
            done += size
            if progress:
                progress(done, total)

        for plan, chosen in plans:
            _write(writer, file, plan.name, model.rows(plan), chosen, count)


def write_adapter(path: Path, adapter: Adapter, shape: Shape, description: Description) -> None:
    """A LoRA adapter for llama.cpp and Ollama's ADAPTER. In float32: float16 overflows on strong adapters."""
    gguf = gguf_module()
    writer = gguf.GGUFWriter(None, shape.architecture.gguf)
    _describe(writer, description)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", adapter.alpha)
    writer.add_file_type(FILE_TYPES["f32"])
    tensors = []
    for name, pair in adapter.pairs.items():
        target = tensor_name(name, shape)
        b = pair.b
        if shape.architecture.permuted and target.endswith(("attn_q.weight", "attn_k.weight")):
            b = permute_rows(b, shape.heads if target.endswith("attn_q.weight") else shape.kv_heads)
        tensors += [(f"{target}.lora_a", pair.a), (f"{target}.lora_b", b)]
    for name, values in tensors:
        _announce(writer, name, values.shape, "f32")
    with _opened(writer, path) as file:
        for name, values in tensors:
            _write(writer, file, name, iter([values]), "f32", lambda size: None)


def tensor_name(source: str, shape: Shape) -> str:
    """GGUF's name of a checkpoint's tensor; TutorError for one that isn't known."""
    stem, _, kind = source.rpartition(".")
    if stem in OUTER_NAMES:
        return f"{OUTER_NAMES[stem]}.{kind}"
    for layer in range(shape.layers):
        prefix = LAYER.format(layer)
        if stem.startswith(prefix) and stem[len(prefix):] in BLOCK_NAMES:
            return f"blk.{layer}.{BLOCK_NAMES[stem[len(prefix):]]}.{kind}"
    raise TutorError(f"{source}: llama.cpp has no tensor for it in this architecture ({shape.kind})")


def add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    """Everything under tokenizer.*; what llama.cpp would fill in by itself is said."""
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    if vocabulary.scores:
        writer.add_token_scores(list(vocabulary.scores))
    if vocabulary.merges:
        writer.add_token_merges(list(vocabulary.merges))
    adders = {"bos": writer.add_bos_token_id, "eos": writer.add_eos_token_id, "unk": writer.add_unk_token_id,
              "pad": writer.add_pad_token_id, "eot": writer.add_eot_token_id}
    for role, at in vocabulary.special.items():
        adders[role](at)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(vocabulary.add_space_prefix)
    if vocabulary.chat_template:
        writer.add_chat_template(vocabulary.chat_template)


def _describe(writer: Any, description: Description) -> None:
    writer.add_name(description.name)
    for value, add in ((description.version, writer.add_version), (description.licence, writer.add_license)):
        if value:
            add(value)
    if description.base_models:
        writer.add_base_model_count(len(description.base_models))
        for index, name in enumerate(description.base_models):
            writer.add_base_model_name(index, name)
    if description.datasets:
        writer.add_dataset_count(len(description.datasets))
        for index, name in enumerate(description.datasets):
            writer.add_dataset_name(index, name)


def _add(writer: Any, key: str, value: Any) -> None:
    if isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_uint32(key, value)


def _announce(writer: Any, name: str, shape: tuple[int, ...], kind: str) -> None:
    gguf = gguf_module()
    writer.add_tensor_info(name, shape, np.dtype(np.float32), encoded_size(shape, kind), raw_dtype=gguf.GGMLQuantizationType[kind.upper()])


@contextmanager
def _opened(writer: Any, path: Path) -> Iterator[BinaryIO]:
    """The file with everything but the tensors in it; it takes its name when the block ends well."""
    with open_atomic(path) as file:
        writer.fout, writer.path, writer.state = [file], path, gguf_module().gguf_writer.WriterState.EMPTY
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.write_padding(file, file.tell())
        yield file


def named_encode(name: str, values: np.ndarray, kind: str) -> np.ndarray:
    """encode, with the tensor named where it can't be."""
    try:
        return encode(values, kind)
    except TutorError as error:
        raise TutorError(f"{name}: {error}") from None


def read_ahead(rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same runs, the next one read while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, rows, None)
        while (values := coming.result()) is not None:
            coming = pool.submit(next, rows, None)
            yield values


def _write(writer: Any, file: BinaryIO, name: str, rows: Iterator[np.ndarray], kind: str, count: Callable[[int], None]) -> None:
    """One tensor's bytes, padded as GGUF wants; count(size) for each run."""
    size = 0
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(int)
        for values in read_ahead(rows):
            data = named_encode(name, values, kind)
            writing.result()
            writing = pool.submit(file.write, data.data)
            size += data.nbytes
            count(data.nbytes)
        writing.result()
    writer.write_padding(file, size)
