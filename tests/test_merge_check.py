"""A fault planted in a merged directory: its proof fails and names what is wrong."""

from __future__ import annotations

import json
import shutil

import checkpoints
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlxtutor.export.hf_directory import write_hf
from mlxtutor.export.merge_check import prove_merged
from mlxtutor.export.proof import Settings
from mlxtutor.export.source import Source, open_source

pytest.importorskip("gguf")
FEW = Settings(texts=40, prompts=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The source, and the directory that was written of it."""
    root = tmp_path_factory.mktemp("merged")
    base = checkpoints.make("qwen2", root / "base")
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": [700, 702]}))
    source = open_source(checkpoints.make_adapter(base, root / "adapter", rank=4, alpha=80, strength=.06), base)
    write_hf(source, root / "good", "float32")
    return source, root / "good"


def problems(source, folder):
    proof = prove_merged(source, open_source(folder), FEW)
    json.dumps(proof, allow_nan=False)
    return {link["name"]: link["problem"] for link in proof["links"] if link["problem"]}


def changed(folder, change):
    """The weights of the directory, changed."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_right_one_holds(made):
    proof = prove_merged(made[0], open_source(made[1]), FEW)
    assert proof["passed"], proof
    assert [link["name"] for link in proof["links"]] == ["tensors", "files", "vocabulary", "tokenizer", "template", "probabilities"]


def test_the_adapter_lost(made, tmp_path):
    source = made[0]
    write_hf(Source(source.base, None, None), tmp_path / "lost", "float32")
    found = problems(source, tmp_path / "lost")
    assert "not base and adapter together" in found["tensors"] and "the adapter is lost" in found["probabilities"]


@pytest.mark.parametrize("value", [99, np.nan])
def test_three_rows_in_the_middle(value, made, tmp_path):
    def change(weights):
        weights["model.embed_tokens.weight"][300:303] = value

    found = problems(made[0], changed(shutil.copytree(made[1], tmp_path / "out"), change))
    assert found["tensors"] == "1 tensors are not base and adapter together, first model.embed_tokens.weight"


def test_weights_that_overflow(made, tmp_path):
    def change(weights):
        weights["lm_head.weight"][:] = 3e38

    found = problems(made[0], changed(shutil.copytree(made[1], tmp_path / "out"), change))
    assert "the export's are not finite at " in found["probabilities"]


@pytest.mark.parametrize("change", [
    lambda weights: weights.pop("model.norm.weight"), lambda weights: weights.update(more=np.zeros(3, np.float32)),
    lambda weights: weights.update({"model.norm.weight": weights["model.norm.weight"].astype(np.float16)})])
def test_another_set_of_tensors(change, made, tmp_path):
    """Of an architecture that isn't known here, where nothing else would show it."""
    base = shutil.copytree(made[0].directory, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "model_type": "other"}))
    write_hf(open_source(base), tmp_path / "out", "float32")
    assert not problems(open_source(base), tmp_path / "out")
    assert "1 tensors are not base" in problems(open_source(base), changed(tmp_path / "out", change))["tensors"]


def test_an_unknown_architecture_with_all_but_the_outer_rows_lost(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=300, n_positions=64)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    changed(tmp_path / "base", lambda weights: weights.update(scale=np.array(3, np.float32)))  # of no dimension
    source = open_source(tmp_path / "base")
    write_hf(source, tmp_path / "out", "float32")
    assert not problems(source, tmp_path / "out")

    def change(weights):
        for values in weights.values():
            if values.ndim > 1:
                values[1:-1] = 0

    shutil.copytree(tmp_path / "out", tmp_path / "scalar")
    scalar = changed(tmp_path / "scalar", lambda weights: weights.update(scale=np.array(2, np.float32)))
    assert problems(source, scalar) == {"tensors": "1 tensors are not base and adapter together, first scale"}
    assert "transformer.h.0." in problems(source, changed(tmp_path / "out", change))["tensors"]


@pytest.mark.parametrize("name, content, links", [
    ("tokenizer.json", "{}", {"files", "tokenizer"}), ("tokenizer.json", "{", {"files", "tokenizer"}),
    ("tokenizer_config.json", {"chat_template": "BROKEN"}, {"files", "vocabulary", "template"}),
    ("tokenizer_config.json", {"chat_template": "{% broken"}, {"files", "vocabulary", "tokenizer"}),
    ("chat_template.jinja", "BROKEN", {"files", "vocabulary", "template"}),
    ("generation_config.json", "{}", {"files", "vocabulary"}), ("config.json", {"initializer_range": 1}, {"files"}),
    ("config.json", {"quantization": {"bits": 4, "group_size": 32}}, {"files"})])
def test_the_files_beside_the_weights(name, content, links, made, tmp_path):
    folder = shutil.copytree(made[1], tmp_path / "out")
    before = json.loads((folder / name).read_text()) if isinstance(content, dict) else {}
    (folder / name).write_text(content if isinstance(content, str) else json.dumps({**before, **content}))
    found = problems(made[0], folder)
    assert set(found) == links and found["files"] == f"not the source's: {name}"


def test_a_token_of_the_tokenizer(made, tmp_path):
    folder = shutil.copytree(made[1], tmp_path / "out")
    document = json.loads((folder / "tokenizer.json").read_text())
    document["model"]["merges"].pop(0)
    (folder / "tokenizer.json").write_text(json.dumps(document))
    found = problems(made[0], folder)
    assert "texts have other ids" in found["tokenizer"] and found["vocabulary"] == "other merges than the source's"
