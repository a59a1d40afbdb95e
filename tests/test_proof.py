"""A fault planted in each link between a model and its export: the proof fails and names the link."""

from __future__ import annotations

import dataclasses
import json
import shutil

import checkpoints
import numpy as np
import pytest

from mlxtutor.export import adapter as adapters
from mlxtutor.export import architectures, gguf_file
from mlxtutor.export.gguf_file import Description, Model, write_adapter, write_model
from mlxtutor.export.merge_check import prove_merged
from mlxtutor.export.ollama_folder import plan_folder
from mlxtutor.export.proof import Product, Settings, prove
from mlxtutor.export.samples import problem_chats
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


@pytest.mark.parametrize("kind", checkpoints.KINDS)
def test_prompts_that_are_tried_by_default(kind, tmp_path, monkeypatch):
    """Among them are chats with a system text, which the templates of mistral and gemma refuse."""
    monkeypatch.setattr("mlxtutor.export.proof.ANSWER_TOKENS", 2)
    monkeypatch.setattr("mlxtutor.export.likeness.POSITIONS", 2)
    settings = dataclasses.replace(Settings(), texts=8)
    assert any(message["role"] == "system" for chat in problem_chats(settings.prompts) for message in chat)
    source = open_source(checkpoints.make(kind, tmp_path / "base"))
    proof = prove(source, Product(written(source, tmp_path / "m.gguf"), "f32"), settings)
    assert proof["passed"], problems(proof)
    assert prove_merged(source, source, settings)["passed"]


def test_template_changed(made, tmp_path):
    source = open_source(made["qwen2"])
    changed = dataclasses.replace(source.vocabulary, chat_template=source.vocabulary.chat_template.replace("assistant\\n", "assistant:\\n"))
    assert list(problems(proved(source, written(source, tmp_path / "m.gguf", changed)))) == ["template"]


def test_stop_dropped(made, tmp_path):
    source = open_source(made["qwen2"])
    planned = plan_folder(source, "tiny").modelfile
    dropped = dataclasses.replace(planned, parameters=tuple(pair for pair in planned.parameters if pair != ("stop", "<|im_end|>")))
    found = problems(proved(source, written(source, tmp_path / "m.gguf"), modelfile=dropped, planned=planned))
    assert found["stop"] == "the Modelfile has no stop <|im_end|>" and set(found) == {"stop", "modelfile"}


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


@pytest.mark.parametrize("changes, link", [
    ({"system": None}, "modelfile"), ({"system": "Calculator: on"}, "modelfile"), ({"template": "{{ .Prompt }}"}, "ollama template"),
    ({"parameters": (("temperature", "2"),)}, "stop"), ({"messages": (("user", "a"),)}, "modelfile")])
def test_what_the_modelfile_says(made, tmp_path, changes, link):
    source = open_source(made["qwen2"])
    planned = plan_folder(source, "tiny", "Ask.").modelfile
    path = written(source, tmp_path / "m.gguf")
    assert proved(source, path, modelfile=planned, planned=planned)["passed"]
    if changes.get("template"):
        planned = dataclasses.replace(planned, **{**changes, "template": planned.template.replace("<|im_start|>user", "<|im_start|>human")})
    found = problems(proved(source, path, modelfile=dataclasses.replace(planned, **{k: v for k, v in changes.items() if k != "template"}),
                            planned=planned))
    assert link in found


@pytest.mark.parametrize("messages, broken", [
    ((("user", "a"), ("assistant", "b")), set()), ((("user", "a"),), {"ollama template"})])  # Ollama joins two questions to one
def test_messages_of_the_modelfile(messages, broken, made, tmp_path):
    source = open_source(made["qwen2"])
    planned = dataclasses.replace(plan_folder(source, "tiny", "Ask.").modelfile, messages=messages)
    assert set(problems(proved(source, written(source, tmp_path / "m.gguf"), modelfile=planned, planned=planned))) == broken


@pytest.mark.parametrize("change", ["types", "scores", "merges", "tokens"])
def test_one_entry_of_the_vocabulary(change, made, tmp_path):
    source = open_source(made["qwen2"] if change != "scores" else checkpoints.make("gemma", tmp_path / "gemma"))
    whole = source.vocabulary
    other = {"types": (*whole.types[:-1], 3 if whole.types[-1] == 1 else 1), "scores": (*whole.scores[:300], -5000.0, *whole.scores[301:]),
             "merges": whole.merges[:-1], "tokens": (*whole.tokens[:-2], "xyzzy", whole.tokens[-1])}[change]
    found = problems(proved(source, written(source, tmp_path / "m.gguf", dataclasses.replace(whole, **{change: other}))))
    assert "of " in found["vocabulary"] or "merges, not" in found["vocabulary"]


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
def test_one_row_of_one_tensor(kind, made, tmp_path):
    source = open_source(made["llama"])

    def rows(plan):
        for values in source.planned_rows(plan):
            if plan.name == "blk.0.ffn_up.weight":
                values[5] = 0
            yield values

    model = Model(source.shape, source.base.config, source.plans, source.vocabulary, rows, NAMED)
    write_model(tmp_path / "m.gguf", model, kind)
    assert problems(prove(source, Product(tmp_path / "m.gguf", kind), FEW))["tensors"] == "blk.0.ffn_up.weight is not the source's"


def test_frequencies_of_llama_3_left_out(tmp_path, monkeypatch):
    rope = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}
    source = open_source(checkpoints.make("llama", tmp_path / "base", rope_parameters=rope))
    assert proved(source, written(source, tmp_path / "m.gguf"))["passed"]
    monkeypatch.setattr(gguf_file, "rope_factors", lambda *_: None)
    assert "rope_freqs" in problems(proved(source, written(source, tmp_path / "m.gguf")))["tensors"]


def test_a_tokenizer_that_normalises(made, tmp_path):
    """Real Qwen tokenizers do (NFC); llama.cpp doesn't, so what is normalised already must agree."""
    base = shutil.copytree(made["qwen2"], tmp_path / "base")
    document = json.loads((base / "tokenizer.json").read_text())
    (base / "tokenizer.json").write_text(json.dumps({**document, "normalizer": {"type": "NFC"}}))
    source = open_source(base)
    proof = proved(source, written(source, tmp_path / "m.gguf"))
    assert proof["passed"], problems(proof)


def test_a_template_that_asks_for_the_date(made, tmp_path):
    source = open_source(made["llama"])
    template = "{% generation %}{{ strftime_now('%d %b %Y') }}{% endgeneration %}\n" + source.vocabulary.chat_template
    dated = dataclasses.replace(source.vocabulary, chat_template=template)
    object.__setattr__(source, "__dict__", {**source.__dict__, "vocabulary": dated})
    assert "template" not in problems(proved(source, written(source, tmp_path / "m.gguf")))


def test_small_contexts(tmp_path):
    source = open_source(checkpoints.make("qwen3", tmp_path / "base", max_position_embeddings=64))
    assert proved(source, written(source, tmp_path / "m.gguf"))["passed"]


@pytest.mark.parametrize("left_out", ["tie_word_embeddings", "rope_parameters"])
def test_defaults_of_config_json(left_out, made, tmp_path):
    base = shutil.copytree(made["llama"], tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    config.pop(left_out)
    (base / "config.json").write_text(json.dumps(config))
    source = open_source(base)
    assert proved(source, written(source, tmp_path / "m.gguf"))["passed"]
