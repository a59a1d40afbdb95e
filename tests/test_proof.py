"""A fault planted in each link between a model and its export: the proof fails and names the link."""

from __future__ import annotations

import dataclasses

import checkpoints
import numpy as np
import pytest

from mlxtutor.export import adapter as adapters
from mlxtutor.export import architectures, gguf_file
from mlxtutor.export.gguf_file import Description, Model, write_adapter, write_model
from mlxtutor.export.merge_check import prove_merged
from mlxtutor.export.proof import Product, Settings, prove
from mlxtutor.export.source import Source, open_source

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
NAMED, FEW = Description("tiny"), Settings(texts=40, prompts=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkpoints")
    bases = {kind: checkpoints.make(kind, root / kind) for kind in ("llama", "qwen2")}
    return {**bases, "adapter": checkpoints.make_adapter(bases["qwen2"], root / "adapter", rank=4, alpha=80, strength=.06)}


def written(source, path, vocabulary=None, rows=None):
    model = Model(source.shape, source.base.config, source.plans, vocabulary or source.vocabulary, rows or source.planned_rows, NAMED)
    write_model(path, model, "f32")
    return path


def proved(source, path, **more):
    return prove(source, Product(path, "f32", **more), FEW)


def problems(proof):
    return {link["name"]: link["problem"] for link in proof["links"] if link["problem"]}


def test_template_changed(made, tmp_path):
    source = open_source(made["qwen2"])
    changed = dataclasses.replace(source.vocabulary, chat_template=source.vocabulary.chat_template.replace("assistant\\n", "assistant:\\n"))
    assert list(problems(proved(source, written(source, tmp_path / "m.gguf", changed)))) == ["template"]


def test_stop_dropped(made, tmp_path):
    source = open_source(made["qwen2"])
    found = problems(proved(source, written(source, tmp_path / "m.gguf"), stops=("<|im_start|>",)))
    assert found == {"stop": "the Modelfile has no stop <|im_end|>"}


def test_stop_dropped_in_the_file(made, tmp_path):
    source = open_source(made["llama"])
    end = source.vocabulary.special["eos"]
    tokens = tuple("<|other|>" if at == end else token for at, token in enumerate(source.vocabulary.tokens))  # its name alone would do
    dropped = dataclasses.replace(source.vocabulary, special={**source.vocabulary.special, "eos": 5, "eot": 6}, tokens=tokens)
    found = problems(proved(source, written(source, tmp_path / "m.gguf", dropped)))
    assert found["stop"] == "<|eot_id|> does not end an answer in llama.cpp"


def test_alpha_lost_in_the_adapter_file(made, tmp_path):
    source = open_source(made["adapter"], made["qwen2"])
    base = written(Source(source.base, None, None), tmp_path / "base.gguf")
    weak = dataclasses.replace(source.adapter, alpha=float(source.adapter.rank))
    write_adapter(tmp_path / "adapter.gguf", weak, source.shape, NAMED)
    found = problems(proved(source, base, lora=tmp_path / "adapter.gguf"))
    assert found["adapter"] == "adapter.lora.alpha is 4.0, not 80.0" and "probabilities" in found and "tensors" not in found
    write_adapter(tmp_path / "adapter.gguf", source.adapter, source.shape, NAMED)
    assert proved(source, base, lora=tmp_path / "adapter.gguf")["passed"]


def test_alpha_lost_in_merging(made, tmp_path):
    source = open_source(made["adapter"], made["qwen2"])
    pairs = {name: adapters.Pair(pair.a, pair.b, 1.0) for name, pair in source.adapter.pairs.items()}
    weak = Source(source.base, dataclasses.replace(source.adapter, pairs=pairs), None)
    found = problems(proved(source, written(weak, tmp_path / "m.gguf")))
    assert "has 0.05 of the adapter's change" in found["adapter"] and "probabilities" in found and "tensors" not in found


def test_q_and_k_not_permuted(made, tmp_path, monkeypatch):
    monkeypatch.setattr(architectures, "permute_rows", lambda values, heads: values)
    source = open_source(made["llama"])
    found = problems(proved(source, written(source, tmp_path / "m.gguf")))
    assert found["permutation"] == "4 of q and k have the checkpoint's order of rows, first blk.0.attn_q.weight"
    assert "probabilities" in found and "tensors" not in found


def test_bos_added(made, tmp_path):
    source = open_source(made["qwen2"])
    twice = dataclasses.replace(source.vocabulary, add_bos=True, special={**source.vocabulary.special, "bos": 3})
    found = problems(proved(source, written(source, tmp_path / "m.gguf", twice)))
    assert "begins with [3," in found["bos"] and "tokenizer" not in found


def test_tokenizer_pre_removed(made, tmp_path, monkeypatch):
    whole = gguf_file.add_vocabulary

    def without_pre(writer, vocabulary):
        whole(writer, vocabulary)
        del writer.kv_data[0]["tokenizer.ggml.pre"]

    monkeypatch.setattr(gguf_file, "add_vocabulary", without_pre)
    source = open_source(made["qwen2"])
    found = problems(proved(source, written(source, tmp_path / "m.gguf")))
    assert found["metadata"] == "tokenizer.ggml.pre is missing" and "texts have other ids" in found["tokenizer"]


def test_tensors_swapped(made, tmp_path):
    source = open_source(made["qwen2"])
    names = {"blk.1.ffn_gate.weight": "blk.1.ffn_up.weight", "blk.1.ffn_up.weight": "blk.1.ffn_gate.weight"}
    at = {plan.name: plan for plan in source.plans}
    path = written(source, tmp_path / "m.gguf", rows=lambda plan: source.planned_rows(at[names.get(plan.name, plan.name)]))
    found = problems(proved(source, path))
    assert "blk.1.ffn_gate.weight is not the source's (what belongs there is in blk.1.ffn_up.weight)" in found["tensors"]
    assert "probabilities" in found and "permutation" not in found


def test_one_number_changed(made, tmp_path):
    source = open_source(made["llama"])

    def rows(plan):
        for values in source.planned_rows(plan):
            yield values + np.float32(.01) if plan.name == "blk.0.attn_output.weight" else values

    found = problems(proved(source, written(source, tmp_path / "m.gguf", rows=rows)))
    assert found["tensors"] == "blk.0.attn_output.weight is not the source's" and "probabilities" in found


def test_a_merged_directory_that_lost_its_adapter(made, tmp_path):
    from mlxtutor.export.hf_directory import write_hf

    source = open_source(made["adapter"], made["qwen2"])
    write_hf(source, tmp_path / "good", "float32")
    write_hf(Source(source.base, None, None), tmp_path / "lost", "float32")
    assert prove_merged(source, open_source(tmp_path / "good"), FEW)["passed"]
    found = problems(prove_merged(source, open_source(tmp_path / "lost"), FEW))
    assert "not base and adapter together" in found["tensors"] and "the adapter is lost" in found["probabilities"]
