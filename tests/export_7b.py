"""A random checkpoint of Qwen2.5-7B's shape on disk, exported to q8_0: memory and time beside copying a file of that size.

    python tests/export_7b.py FOLDER [q8_0]      needs 32 GB of disk; deletes nothing but its own files
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from pathlib import Path

import checkpoints
import numpy as np

from mlxtutor.export.gguf_file import Description
from mlxtutor.export.source import open_source
from mlxtutor.export.writing import write_gguf

CONFIG = {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
          "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
          "tie_word_embeddings": False, "architectures": ["Qwen2ForCausalLM"], "eos_token_id": 2}
PER_SHARD = 85  # tensors


def tensors():
    """(name, shape) in the checkpoint's order."""
    hidden, ffn, kv = CONFIG["hidden_size"], CONFIG["intermediate_size"], 512
    yield "model.embed_tokens.weight", (CONFIG["vocab_size"], hidden)
    for layer in range(CONFIG["num_hidden_layers"]):
        sizes = {"input_layernorm": (hidden,), "post_attention_layernorm": (hidden,), "self_attn.q_proj": (hidden, hidden),
                 "self_attn.k_proj": (kv, hidden), "self_attn.v_proj": (kv, hidden), "self_attn.o_proj": (hidden, hidden),
                 "mlp.gate_proj": (ffn, hidden), "mlp.up_proj": (ffn, hidden), "mlp.down_proj": (hidden, ffn)}
        for module, shape in sizes.items():
            yield f"model.layers.{layer}.{module}.weight", shape
            if module[10:] in ("q_proj", "k_proj", "v_proj"):
                yield f"model.layers.{layer}.{module}.bias", shape[:1]
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (CONFIG["vocab_size"], hidden)


def make(folder: Path) -> None:
    """The checkpoint in shards of bf16, its values the same 8 million normal numbers again and again."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints._byte_level("qwen2", folder)
    values = (np.random.default_rng(0).standard_normal(1 << 23).astype(np.float32) * np.float32(.02)).view(np.uint32) >> 16
    block = values.astype(np.uint16).tobytes()
    found = list(tensors())
    index = {}
    for number, start in enumerate(range(0, len(found), PER_SHARD)):
        name, header, at = f"model-{number:05d}.safetensors", {}, 0
        for tensor, shape in found[start:start + PER_SHARD]:
            size = 2 * int(np.prod(shape))
            header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
            at, index[tensor] = at + size, name
        text = json.dumps(header).encode()
        with (folder / name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for _ in range(at // len(block)):
                file.write(block)
            file.write(block[:at % len(block)])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_text(json.dumps(CONFIG))


def main() -> None:
    folder, kind = Path(sys.argv[1]), (sys.argv[2:] or ["q8_0"])[0]
    if not (folder / "base/config.json").exists():
        make(folder / "base")
    began = time.perf_counter()
    path = write_gguf(open_source(folder / "base"), folder / f"model-{kind}.gguf", kind, Description("seven"))
    seconds, size = time.perf_counter() - began, path.stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    shutil.copyfile(path, folder / "copy")
    with (folder / "copy").open("rb") as file:
        import os

        os.fsync(file.fileno())
    copied = time.perf_counter() - began
    (folder / "copy").unlink()
    print(f"{kind}: {size / 1e9:.2f} GB in {seconds:.0f} s, {memory:.2f} GB of memory at most; copying the file {copied:.0f} s")


if __name__ == "__main__":
    main()
