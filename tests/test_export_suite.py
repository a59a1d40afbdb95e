"""The test suite put to an export: of a tutor that calculates, of an adapter on one, and why it isn't of others."""

from __future__ import annotations

import dataclasses
import json

import checkpoints
import numpy as np
import pytest
import tiny
from safetensors.numpy import save_file

from mlxtutor.evaluation.asking import answer_rows
from mlxtutor.export.adapter import Adapter, Pair, write_peft
from mlxtutor.export.proof import Settings
from mlxtutor.export.source import open_source
from mlxtutor.export.suite import open_tutor
from mlxtutor.problems.suite import suite_rows
from mlxtutor.registry.directory import save_model

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr("mlxtutor.export.suite.MAX_TOKENS", 16)
    monkeypatch.setattr(Settings.__init__, "__defaults__", (8, 2, None))


@pytest.fixture
def tuned(tmp_path, tiny_tokenizer):
    """(micro tutor, adapter on it)"""
    save_model(tmp_path / "base", dataclasses.replace(tiny.CONFIG, max_seq_len=512), tiny.model_weights(), tiny_tokenizer)
    rng, pairs = np.random.default_rng(0), {}
    for name, shape in open_source(tmp_path / "base").base.shapes.items():
        if name.endswith("_proj.weight"):
            a, b = (rng.standard_normal(size).astype(np.float32) for size in ((2, shape[1]), (shape[0], 2)))
            pairs[name] = Pair(a, b, .2)
    write_peft(Adapter(pairs, 2, .4), tmp_path / "adapter")
    return tmp_path / "base", tmp_path / "adapter"


def exported(tutor, *arguments):
    code, out, err = tutor("export", "gguf", *arguments, "--type", "f32", "--json")
    assert code == 0, err
    return json.loads(out)["proof"]


def test_an_adapter_on_a_tutor_is_asked(tutor, few, tuned, tmp_path):
    base, adapter = tuned
    proof = exported(tutor, adapter, "--base", base, "--suite-n", 2, "--out", tmp_path / "out")
    figures = next(link["figures"] for link in proof["links"] if link["name"] == "suite")
    assert proof["suite"] == "asked" and figures["n"] == 78 and figures["same_answers"] > .9
    rows = suite_rows("values", 8)
    answers = [[row["answer"] for row in answer_rows(open_tutor(source, "em"), rows, 16)] for source in
               (open_source(base), open_source(adapter, base))]
    assert sum(a != b for a, b in zip(*answers)) > 4  # the adapter says something else


@pytest.mark.parametrize("kind, n, reason", [
    ("micro", 0, "--suite-n 0"), ("qwen2", 5, "the model doesn't call our calculator inside its answers")])
def test_why_it_is_not_asked(kind, n, reason, tutor, few, tuned, tmp_path):
    model = tuned[0] if kind == "micro" else checkpoints.make(kind, tmp_path / kind)
    arguments = "export", "gguf", model, "--type", "f32", "--suite-n", n, "--out", tmp_path / "out"
    code, out, _ = tutor(*arguments)
    assert code == 0 and " ".join(reason.split()[:3]) in out
    assert json.loads((tmp_path / "out/proof.json").read_text())["suite"] == f"not asked: {reason}"


def test_tokens_of_ours_on_another_architecture(tutor, few, tuned, tmp_path):
    config = json.loads((tuned[0] / "config.json").read_text())
    weights = {**tiny.model_weights(), "lm_head.weight": tiny.model_weights()["model.embed_tokens.weight"]}
    save_file(weights, tuned[0] / "model.safetensors", metadata={"format": "pt"})
    (tuned[0] / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    proof = exported(tutor, tuned[0], "--suite-n", 2, "--out", tmp_path / "out")
    assert "not supported yet (allowed: qwen3 with tied embeddings" in proof["suite"]
