"""A Hugging Face model directory, read tensor by tensor and row by row: shards, bf16 and MLX's quantised layout.

Safetensors' numpy has no bf16 and reads whole tensors; its format is a header and raw bytes
(https://github.com/huggingface/safetensors#format), so rows are read from their place in the file.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlxtutor.errors import TutorError
from mlxtutor.export.quantisation import from_bfloat16
from mlxtutor.export.values import Values, is_whole, wrong
from mlxtutor.model_files import INDEX

DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "F64": np.dtype("<f8"), "U32": np.dtype("<u4")}
FLOATS = ("F32", "F16", "BF16", "F64")
HEADER_LIMIT = 100 << 20  # bytes, the format's own
PACKED_BITS = (2, 4, 8)   # widths that don't straddle a 32-bit word


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: file, dtype as safetensors names it, shape, first byte."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Checkpoint:
    """config.json and the tensors of a model directory. Nothing is read before it is asked for."""

    directory: Path
    config: dict[str, Any]
    stored: dict[str, Stored]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name, as if no tensor were quantised."""
        return {name: self._shape(name) for name in self.stored if not self._packing(name)}

    def dtype(self, name: str) -> str:
        """As safetensors names it; of a quantised tensor, its scales'."""
        found = self.stored[name]
        return self.stored[_scales(name)].dtype if found.dtype == "U32" else found.dtype

    def rows(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows [start, stop) of a tensor as float32; a quantised one is dequantised."""
        found = self.stored[name]
        if found.dtype != "U32":
            return _as_float32(_read(found, start, stop), found.dtype)
        bits, group = self._quantisation(name)
        parts = [self.rows(part, start, stop) for part in (_scales(name), _scales(name, "biases"))]
        return dequantise(_read(found, start, stop), parts[0], parts[1], bits, group)

    def bfloat16_rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows of a tensor stored in bfloat16, as its bits in uint16."""
        return _read(self.stored[name], start, stop)

    def _packing(self, name: str) -> bool:
        """Scales and biases of a quantised tensor, which are no tensors of the model."""
        owner = name.rpartition(".")[0] + ".weight"
        return name.endswith((".scales", ".biases")) and owner in self.stored and self.stored[owner].dtype == "U32"

    def _shape(self, name: str) -> tuple[int, ...]:
        found = self.stored[name]
        if found.dtype != "U32":
            return found.shape
        if not found.shape:
            raise TutorError(f"{self.directory}: {name} is one whole number (allowed: floats, or MLX's quantised rows)")
        bits, group = self._quantisation(name)
        shape = (*found.shape[:-1], found.shape[-1] * 32 // bits)
        wanted = (*shape[:-1], shape[-1] // group)
        for part in (_scales(name), _scales(name, "biases")):
            if part not in self.stored or self.stored[part].shape != wanted:
                raise TutorError(f"{self.directory}: {part} is missing or not {wanted}, as {bits} bits in groups of {group} need it")
        return shape

    def _quantisation(self, name: str) -> tuple[int, int]:
        """(bits, group size) that config.json gives for a tensor."""
        read = Values(self.config, f"{self.directory}/config.json")
        settings = read.mapping("quantization")
        read.check()
        own = settings.get(name.removesuffix(".weight"))
        chosen = own if isinstance(own, dict) else settings
        bits, group, mode = chosen.get("bits"), chosen.get("group_size"), chosen.get("mode", "affine")
        if bits not in PACKED_BITS or not is_whole(group, 1) or mode != "affine":
            allowed = f"MLX's affine one of {', '.join(map(str, PACKED_BITS))} bits"
            raise TutorError(f"{self.directory}: {name} is quantised as {chosen} (allowed: {allowed}; or give the model it was made of)")
        return bits, group


def open_checkpoint(directory: Path) -> Checkpoint:
    """Read config.json and the headers; TutorError for what is no model directory or holds tensors that can't be read."""
    config = read_json(directory / "config.json")
    if not isinstance(config.get("model_type", ""), str):
        raise wrong(f"{directory}/config.json", "model_type", config["model_type"], "a text")
    if (directory / INDEX).is_file():
        index = read_json(directory / INDEX).get("weight_map")
        if not isinstance(index, dict) or not all(isinstance(name, str) for name in index.values()):
            raise wrong(f"{directory}/{INDEX}", "weight_map", index, "an object, tensor names to files")
        names = sorted(set(index.values()))
    else:
        names = ["model.safetensors"]
    absent = [name for name in names if not (directory / name).is_file()]
    if absent or not names:
        raise TutorError(f"{directory}: {', '.join(absent[:3]) or INDEX} missing (a model directory has its weights as safetensors)")
    stored: dict[str, Stored] = {}
    for name in names:
        stored.update(_headers(directory / name))
    other = sorted({item.dtype for item in stored.values()} - {*DTYPES})
    if other:
        allowed = f"{', '.join(FLOATS)}, or MLX's quantised layout; of bitsandbytes and FP8 checkpoints give the model they were made of"
        raise TutorError(f"{directory}: tensors of type {', '.join(other)} (allowed: {allowed})")
    return Checkpoint(directory, config, stored)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a model directory."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TutorError(f"{path.parent}: not a model directory ({path.name}: {error})") from None
    if not isinstance(data, dict):
        raise TutorError(f"{path.parent}: not a model directory ({path.name} is not a JSON object)")
    return data


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a small safetensors file as float32."""
    return {name: _as_float32(_read(found), found.dtype) for name, found in _headers(path).items()}


def dequantise(packed: np.ndarray, scales: np.ndarray, biases: np.ndarray, bits: int, group: int) -> np.ndarray:
    """MLX's affine layout: value = scale * code + bias, codes packed from the lowest bits up. packed: uint32 (rows, in * bits / 32)."""
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    codes = (packed[..., None] >> shifts) & np.uint32((1 << bits) - 1)
    codes = codes.reshape(*packed.shape[:-1], -1, group).astype(np.float32)
    return (codes * scales[..., None] + biases[..., None]).reshape(*packed.shape[:-1], -1)


def _scales(name: str, part: str = "scales") -> str:
    return f"{name.removesuffix('.weight')}.{part}"


def _headers(path: Path) -> dict[str, Stored]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_LIMIT + 1
        if length > min(HEADER_LIMIT, size):
            raise TutorError(f"{path}: not a safetensors file (its header can't be read)")
        try:
            header = json.loads(file.read(length))
            found = {name: Stored(path, str(entry["dtype"]), tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
                     for name, entry in header.items() if name != "__metadata__"}
            end = max((8 + length + entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
            numbers = [number for item in found.values() for number in (*item.shape, item.start)]
            if not all(isinstance(number, int) and number >= 0 for number in numbers):
                raise ValueError("a shape or place of a tensor makes no sense")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise TutorError(f"{path}: not a safetensors file ({error})") from None
    _check_places(path, header, found)
    if end > size:
        raise TutorError(f"{path}: {size} bytes where its header promises {end} (an unfinished download? get it again)")
    return found


def _check_places(path: Path, header: dict[str, Any], found: dict[str, Stored]) -> None:
    """Tensors lie one behind the other, each with the bytes that its shape needs, as the format wants it."""
    at = 0
    for name, item in sorted(found.items(), key=lambda pair: pair[1].start):
        begin, until = header[name]["data_offsets"]
        wanted = math.prod(item.shape) * DTYPES[item.dtype].itemsize if item.dtype in DTYPES else until - begin
        if begin != at or until - begin != wanted:
            raise TutorError(f"{path}: {name} lies at bytes {begin} to {until} (expected: {wanted} bytes from {at} on)")
        at = until


def _read(found: Stored, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Rows of a tensor in the type that is stored."""
    dtype, shape = DTYPES[found.dtype], found.shape or (1,)
    stop = shape[0] if stop is None else stop
    row = math.prod(shape[1:])
    with found.path.open("rb", buffering=0) as file:
        file.seek(found.start + start * row * dtype.itemsize)
        values = np.empty((stop - start, *shape[1:]), dtype)
        left = values.reshape(-1).view(np.uint8).data
        while len(left):  # one read of more than 2 GiB stops there
            got = file.readinto(left)
            if not got:
                raise TutorError(f"{found.path}: ends before its tensors do (an unfinished download? get it again)")
            left = left[got:]
        return values


def _as_float32(values: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "BF16":
        return from_bfloat16(values)
    return values.astype(np.float32, copy=False)
