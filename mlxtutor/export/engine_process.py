"""llama.cpp's server in a process of its own: `python -m mlxtutor.export.engine_process SETTINGS`.

A file that llama.cpp can't stand may end the process: not ours. The address goes to stdout as one JSON line, everything
that llama.cpp says to stderr; the process ends when its stdin closes.
"""

from __future__ import annotations

import json
import os
import sys


def serve(settings: dict) -> None:
    """Load the model, say where it listens, wait. Settings: model, lora, context, slots, threads."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        import xllamacpp
    except ImportError:
        answer.write(json.dumps({"error": 'xllamacpp is not installed (pip install ".[export]" in the project\'s folder)'}) + "\n")
        answer.flush()
        return
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    if settings.get("lora"):
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(settings["lora"], 1.0)]
    params.n_ctx = settings["context"] * settings["slots"]
    params.n_parallel = settings["slots"]
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # threads that wait by spinning stand still on a busy machine
    # float32 keys and values: with float16 ones logits are off by 1e-2 and near ties flip
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.warmup = False
    params.kv_unified = False
    params.fit_params = False
    params.cache_ram_mib = 0
    params.no_extra_bufts = True
    try:
        server = xllamacpp.Server(params)
        answer.write(json.dumps({"address": server.listening_address, "version": xllamacpp.__version__}) + "\n")
    except Exception as error:
        answer.write(json.dumps({"error": str(error)}) + "\n")
    answer.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
