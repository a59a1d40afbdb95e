"""A stand-in for llama-quantize: matrices as Q4_K by the simplest rule, which llama.cpp reads as its own.

    python fake_quantize.py IN OUT [FILE_TYPE] [q4_k | q8_0 | none | nan]      what is quantised, and how
"""

from __future__ import annotations

import sys

import gguf
import numpy as np


def q4_k(values: np.ndarray) -> np.ndarray:
    """(rows, n * 256) float32 -> (rows, n * 144) bytes. The layout: ggml-common.h, block_q4_K; of the scales: get_scale_min_k4."""
    parts = values.reshape(-1, 8, 32)
    least = np.minimum(parts.min(axis=2), 0)
    steps = (parts.max(axis=2) - least) / 15
    scale, least_scale = ((each.max(axis=1, keepdims=True) / 63).astype(np.float16) for each in (steps, -least))
    codes, least_codes = (np.rint(each / np.maximum(unit.astype(np.float32), 1e-12)).clip(0, 63).astype(np.uint8)
                          for each, unit in ((steps, scale), (-least, least_scale)))
    unit, offset = (scale.astype(np.float32) * codes)[..., None], (least_scale.astype(np.float32) * least_codes)[..., None]
    quants = np.rint((parts + offset) / np.maximum(unit, 1e-12)).clip(0, 15).astype(np.uint8)
    packed = np.concatenate([codes[:, :4] | (codes[:, 4:] >> 4) << 6, least_codes[:, :4] | (least_codes[:, 4:] >> 4) << 6,
                             codes[:, 4:] & 15 | (least_codes[:, 4:] & 15) << 4], axis=1)
    halves = (quants[:, ::2] | quants[:, 1::2] << 4).reshape(-1, 128)
    return np.concatenate([scale.view(np.uint8), least_scale.view(np.uint8), packed, halves], axis=1).reshape(len(values), -1)


def main() -> None:
    source, path, file_type, how = (*sys.argv[1:], *("15", "q4_k")[len(sys.argv) - 3:])
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    writer.add_file_type(int(file_type))
    types = gguf.GGMLQuantizationType
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1])
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values.astype(np.float32))
        elif how == "none":
            writer.add_tensor(tensor.name, values.astype(np.float16))
        elif how == "q8_0":
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, types.Q8_0), raw_dtype=types.Q8_0)
        else:
            broken = how == "nan" and tensor.name == "blk.0.ffn_up.weight"  # scales of NaN
            writer.add_tensor(tensor.name, q4_k(values) | np.uint8(255 * broken), raw_dtype=types.Q4_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
