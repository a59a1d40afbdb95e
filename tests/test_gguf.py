"""GGUF files in llama.cpp against transformers and peft: every architecture, base, merged, and with an adapter beside it."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest

from mlxtutor.errors import TutorError
from mlxtutor.export import engine as llama
from mlxtutor.export.architectures import ARCHITECTURES
from mlxtutor.export.checkpoint import open_checkpoint
from mlxtutor.export.gguf_file import Description, write_adapter
from mlxtutor.export.proof import Product, Settings, prove
from mlxtutor.export.source import Source, open_source
from mlxtutor.export.writing import check_type, describe, write_gguf

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
NAMED = Description("tiny", "1", "MIT", ("base",), ("rows.jsonl",))
PROMPTS = ([5, 40, 300, 41, 77, 9, 256], list(range(60, 90)), [400] * 12)
GELU = 5e-3  # llama.cpp's GELU comes from a float16 table (ggml's vec.h, GGML_GELU_FP16)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """kind -> (base directory, adapter directory), each made once."""
    root, known = tmp_path_factory.mktemp("checkpoints"), {}

    def get(kind):
        if kind not in known:
            base = checkpoints.make(kind, root / kind)
            known[kind] = base, checkpoints.make_adapter(base, root / f"{kind}-lora")
        return known[kind]
    return get


def reference(base, adapter=None):
    """transformers' log-probabilities after each prompt, peft's where there is an adapter."""
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter:
        import peft

        model = peft.PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        return [model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1).numpy() for ids in PROMPTS]


def measured(path, vocab, lora=None):
    with llama.running(path, 512, lora, slots=1) as engine:
        return [engine.log_probs(ids, vocab) for ids in PROMPTS]


def largest(found, wanted):
    return max(float(np.abs(a - b).max()) for a, b in zip(found, wanted))


@pytest.mark.parametrize("kind", checkpoints.KINDS)
def test_log_probabilities_are_those_of_transformers_and_peft(kind, made, tmp_path):
    base, adapter = made(kind)
    allowed = GELU if ARCHITECTURES[kind].gelu_table else 1e-4
    alone, both = open_source(base), open_source(adapter, base)
    path = write_gguf(alone, tmp_path / "base.gguf", "f32", NAMED)
    merged = write_gguf(both, tmp_path / "merged.gguf", "f32", NAMED)
    write_adapter(tmp_path / "adapter.gguf", both.adapter, both.shape, NAMED)
    plain, tuned = reference(base), reference(base, adapter)
    assert largest(plain, tuned) > .1  # the adapter says something else
    assert largest(measured(path, alone.shape.vocab), plain) <= allowed
    assert largest(measured(merged, alone.shape.vocab), tuned) <= allowed
    assert largest(measured(path, alone.shape.vocab, tmp_path / "adapter.gguf"), tuned) <= allowed


@pytest.mark.parametrize("kind, wanted, allowed", [
    ("llama", "f16", 2e-2), ("qwen3", "f16", 2e-2), ("qwen2", "bf16", .2), ("llama", "q8_0", .5)])
def test_rounded_types_stay_near(kind, wanted, allowed, made, tmp_path):
    base, _ = made(kind)
    source = open_source(base)
    path = write_gguf(source, tmp_path / "m.gguf", wanted, NAMED)
    assert largest(measured(path, source.shape.vocab), reference(base)) <= allowed


@pytest.mark.parametrize("kind", [
    "qwen3", "gemma", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("llama", "mistral", "qwen2"))])
def test_the_proof_holds_for_200_texts_and_200_chats(kind, made, tmp_path):
    source = open_source(made(kind)[0])
    proof = prove(source, Product(write_gguf(source, tmp_path / "m.gguf", "f32", NAMED), "f32"), Settings(prompts=2))
    figures = {link["name"]: link["figures"] for link in proof["links"]}
    assert proof["passed"], proof
    assert figures["tokenizer"]["texts"] == figures["tokenizer"]["equal"] == 200
    assert figures["bos"]["chats"] == figures["bos"]["equal"] == figures["template"]["equal"] == 200


def test_a_bf16_checkpoint_in_shards_is_the_same_model(tmp_path):
    whole = checkpoints.make("llama", tmp_path / "whole", "bfloat16", tied=True)
    shards = checkpoints.make("llama", tmp_path / "shards", "bfloat16", tied=True, shard="20KB")
    assert (shards / "model.safetensors.index.json").is_file() and not (whole / "model.safetensors.index.json").exists()
    files = [write_gguf(open_source(folder), folder / "m.gguf", "bf16", NAMED) for folder in (whole, shards)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("bits", [4, 8])
def test_a_base_quantised_by_mlx_is_dequantised(bits, made, tmp_path):
    mlx_lm = pytest.importorskip("mlx_lm")
    base, _ = made("qwen3")
    mlx_lm.convert(str(base), str(tmp_path / "q"), quantize=True, q_bits=bits, q_group_size=32)
    source = open_source(tmp_path / "q")
    path = write_gguf(source, tmp_path / "m.gguf", "f32", NAMED)
    import mlx.core as mx

    model, _ = mlx_lm.utils.load_model(tmp_path / "q", model_config={"rope_theta": 10000.0})
    wanted = []
    for ids in PROMPTS:
        logits = np.array(model(mx.array([ids])).astype(mx.float32))[0, -1].astype(np.float64)
        wanted.append(logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max())
    assert largest(measured(path, source.shape.vocab), wanted) < 1e-3


def test_llama_3_1_frequencies(tmp_path):
    rope = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}
    base = checkpoints.make("llama", tmp_path / "base", rope_parameters=rope)
    source = open_source(base)
    path = write_gguf(source, tmp_path / "m.gguf", "f32", NAMED)
    assert largest(measured(path, source.shape.vocab), reference(base)) <= 1e-4


@pytest.mark.parametrize("change, message", [
    ({"model_type": "nanochat"}, "nanochat.*mlx-lm and transformers"), ({"model_type": "gpt2"}, "gpt2.*allowed: llama, mistral"),
    ({"hidden_size": None}, "hidden_size missing"), ({"num_hidden_layers": 3}, r"model.layers.2.input_layernorm.weight: missing"),
    ({"intermediate_size": 32}, r"gate_proj.weight: shape \(96, 64\), not \(32, 64\)"), ({"num_hidden_layers": 1}, "layers.1.*unexpected")])
def test_what_llama_cpp_could_not_read_is_refused_before_a_byte(change, message, made, tmp_path):
    found = open_checkpoint(made("llama")[0])
    config = {key: value for key, value in {**found.config, **change}.items() if value is not None}
    source = Source(type(found)(found.directory, config, found.stored), None, None)
    with pytest.raises(TutorError, match=message):
        write_gguf(source, tmp_path / "out" / "m.gguf", "f32", NAMED)
    assert not (tmp_path / "out").exists()


def test_types_that_can_not_be_written(made, tmp_path, monkeypatch):
    source = open_source(made("llama")[0])
    monkeypatch.setenv("PATH", "")
    for kind, message in (("q9", "unknown type"), ("q4_k_m", "multiple of 256")):
        with pytest.raises(TutorError, match=message):
            check_type(kind, source)
    wide = checkpoints.make("llama", tmp_path / "wide", hidden_size=256, intermediate_size=256, num_hidden_layers=1, head_dim=64)
    with pytest.raises(TutorError, match="llama-quantize, which is not on the PATH .brew install llama.cpp"):
        check_type("q4_k_m", open_source(wide))


@pytest.mark.parametrize("base, shown", [
    ("/home/ann/secret/base", "base"), ("/home/ann/base/", "base"), ("../secret/base", "base"), ("~/secret/base", "base"),
    ("~ann/base", "base"), ("C:\\Users\\ann\\base", "base"), ("runs/secret/base", "base"), ("./base", "base"),
    ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"), ("base", "base"), ("https://example.org/a/b", "https://example.org/a/b")])
def test_no_path_of_this_machine_is_written(base, shown):
    card = {"data": [{"file": base}]}
    assert describe("em", 1, card, base) == Description("em", "1", "", (shown,), (shown,))
    assert describe("em", 1, {}, "").base_models == ()


def test_the_base_s_folder_is_not_in_the_file(made, tmp_path):
    import gguf

    both = open_source(made("qwen2")[1], made("qwen2")[0])
    assert str(made("qwen2")[0]) == both.adapter.base  # as peft wrote it
    write_gguf(both, tmp_path / "m.gguf", "f32", describe("em", 1, {}, both.adapter.base))
    assert gguf.GGUFReader(tmp_path / "m.gguf").fields["general.base_model.0.name"].contents() == "qwen2"
    assert str(tmp_path.parent).encode() not in (tmp_path / "m.gguf").read_bytes()
