"""Model directories whose JSON files hold something else than they should: one line that names it, or an export, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
from functools import lru_cache

import checkpoints
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlxtutor.errors import TutorError
from mlxtutor.export import ollama_folder
from mlxtutor.export.adapter import read_adapter, write_mlx
from mlxtutor.export.ollama_folder import computes_inside, plan_folder
from mlxtutor.export.source import open_source
from mlxtutor.export.writing import check_type, describe, write_gguf

pytest.importorskip("gguf")
VALUES = ["x", None, True, 1.5, -1, 0, 10**30, 1e300, float("nan"), [], ["x"], [[]], {}, {"1": "x"}, {"type": 1, "content": 1},
          [{"name": "default"}], [{"id": 10**30, "content": "x"}]]
PLACES = {
    "config.json": [
        ("num_hidden_layers",), ("num_attention_heads",), ("num_key_value_heads",), ("head_dim",), ("vocab_size",), ("hidden_size",),
        ("intermediate_size",), ("max_position_embeddings",), ("rms_norm_eps",), ("model_type",), ("rope_theta",), ("rope_scaling",),
        ("rope_parameters",), ("rope_parameters", "rope_theta"), ("rope_parameters", "rope_type"), ("eos_token_id",), ("hidden_act",),
        ("quantization",), ("sliding_window",), ("attention_bias",), ("tie_word_embeddings",)],
    "generation_config.json": [("eos_token_id",), ()],
    "tokenizer_config.json": [
        ("bos_token",), ("eos_token",), ("unk_token",), ("pad_token",), ("chat_template",), ("added_tokens_decoder",),
        ("added_tokens_decoder", "3"), ("added_tokens_decoder", "x"), ("add_bos_token",), ()],
    "tokenizer.json": [
        ("model",), ("model", "type"), ("model", "vocab"), ("model", "vocab", "x"), ("model", "merges"), ("model", "merges", 0),
        ("pre_tokenizer",), ("pre_tokenizer", "pretokenizers"), ("pre_tokenizer", "pretokenizers", 0),
        ("pre_tokenizer", "pretokenizers", 0, "pattern"), ("pre_tokenizer", "pretokenizers", 1, "type"), ("normalizer",), ("decoder",),
        ("added_tokens",), ("added_tokens", 0), ("added_tokens", 0, "id"), ("added_tokens", 0, "content"), ("post_processor",), ()],
    "model.safetensors.index.json": [("weight_map",), ("weight_map", "model.norm.weight"), ()],
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 256}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """In shards, its rotary settings under the older keys."""
    base = checkpoints.make("llama", tmp_path_factory.mktemp("checkpoints") / "base", shard="60KB", num_hidden_layers=1)
    config = json.loads((base / "config.json").read_text())
    theta = config.pop("rope_parameters")["rope_theta"]
    (base / "config.json").write_text(json.dumps({**config, "rope_theta": theta}))
    return base


@pytest.fixture(autouse=True)
def derived_once(monkeypatch):
    monkeypatch.setattr(ollama_folder, "derive", lru_cache(ollama_folder.derive))


@pytest.fixture(scope="module")
def adapter(base):
    return checkpoints.make_adapter(base, base.parent / "adapter")


def planted(document, place, value):
    """The document with the value at this place."""
    if not place:
        return value
    document = document.copy() if isinstance(document, (dict, list)) else {}
    if isinstance(document, list):
        document[place[0]] = planted(document[place[0]], place[1:], value)
        return document
    return {**document, place[0]: planted(document.get(place[0], {}), place[1:], value)}


def spoiled(directory, folder, name, place, value):
    """A copy of the directory, its weights linked, with the value planted in one file."""
    shutil.copytree(directory, folder, copy_function=os.link)
    document = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(json.dumps(planted(document, place, value)))
    return folder


def exported(source, path):
    """Everything that an export reads; None, or what it refuses in one line."""
    try:
        check_type("q8_0", source)
        computes_inside(source)
        plan_folder(source, "name")
        write_gguf(source, path, "q8_0", describe("name", 1, {}))
    except TutorError as error:
        assert "\n" not in str(error) and len(str(error)) < 700
        return str(error)
    return None


@pytest.mark.parametrize("name, place", [(name, place) for name, places in PLACES.items() for place in places])
def test_any_value_anywhere(base, tmp_path, name, place):
    for at, value in enumerate(VALUES):
        folder = spoiled(base, tmp_path / str(at), name, place, value)
        try:
            source = open_source(folder)
        except TutorError as error:
            assert str(folder) in str(error)
            continue
        message = exported(source, tmp_path / "m.gguf")
        assert message is None or str(folder) in message or "chat template" in message or "embd" in message, (value, message)


@pytest.mark.parametrize("rope", [YARN, LLAMA3])
def test_any_value_of_a_rope_scaling(base, tmp_path, rope):
    for key in rope:
        for at, value in enumerate(VALUES):
            folder = spoiled(base, tmp_path / f"{key}-{at}", "config.json", ("rope_parameters",), {**rope, key: value})
            exported(open_source(folder), tmp_path / "m.gguf")


@pytest.mark.parametrize("key", ["r", "lora_alpha", "peft_type", "init_lora_weights", "use_rslora", "base_model_name_or_path", "bias"])
def test_any_value_of_an_adapter(base, adapter, tmp_path, key):
    for at, value in enumerate(VALUES):
        folder = spoiled(adapter, tmp_path / str(at), "adapter_config.json", (key,), value)
        try:
            exported(open_source(folder, base), tmp_path / "m.gguf")
        except TutorError as error:
            assert "\n" not in str(error) and str(folder) in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("name, place", [(name, place) for name in ("tokenizer_config.json", "tokenizer.json") for place in PLACES[name]])
def test_any_value_beneath_an_adapter_and_beside_it(base, adapter, tmp_path, name, place):
    for at, value in enumerate(VALUES):
        beneath = spoiled(base, tmp_path / f"base-{at}", name, place, value)
        beside = shutil.copytree(adapter, tmp_path / f"adapter-{at}", copy_function=os.link)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile((beneath if file == name else base) / file, beside / file)
        for source in ((adapter, beneath), (beside, base)):
            try:
                open_source(*source)
            except TutorError as error:
                assert "\n" not in str(error)


def test_any_value_of_an_adapter_of_mlx_lm(base, adapter, tmp_path):
    write_mlx(read_adapter(adapter), tmp_path / "mlx", 1)
    for key in ("rank", "scale", "keys", None):
        for at, value in enumerate(VALUES):
            place = ("lora_parameters", key) if key else ("lora_parameters",)
            folder = spoiled(tmp_path / "mlx", tmp_path / f"{key}-{at}", "adapter_config.json", place, value)
            try:
                exported(open_source(folder, base), tmp_path / "m.gguf")
            except TutorError as error:
                assert "\n" not in str(error) and str(folder) in str(error)


@pytest.mark.parametrize("shape", [(96, 16), (96,), ()])
def test_any_value_of_a_quantisation(base, tmp_path, shape):
    name = "model.layers.0.mlp.up_proj"
    whole = shutil.copytree(base, tmp_path / "whole")
    shards = sorted(whole.glob("*.safetensors"))
    tensors = {key: value for shard in shards for key, value in load_file(shard).items()}
    tensors[f"{name}.weight"] = np.zeros(shape, np.uint32)
    tensors |= {f"{name}.{part}": np.ones((96, 2), np.float32) for part in ("scales", "biases")}
    for file in [*shards, whole / "model.safetensors.index.json"]:
        file.unlink()
    save_file(tensors, whole / "model.safetensors")
    good = {"bits": 8, "group_size": 32}
    if shape == (96, 16):
        assert exported(open_source(spoiled(whole, tmp_path / "good", "config.json", ("quantization",), good)), tmp_path / "m.gguf") is None
    for place in (), ("bits",), ("group_size",), ("mode",), (name,):
        for at, value in enumerate(VALUES):
            folder = spoiled(whole, tmp_path / "-".join((*place, str(at))), "config.json", ("quantization",), planted(good, place, value))
            exported(open_source(folder), tmp_path / "m.gguf")


@pytest.mark.parametrize("name, place, value, message", [
    ("config.json", ("num_hidden_layers",), 10**20, "/config.json: num_hidden_layers is 100000000000000000000 (allowed: a whole number"),
    ("config.json", ("rms_norm_eps",), "x", "/config.json: rms_norm_eps is 'x' (allowed: a number above 0"),
    ("config.json", ("head_dim",), 15, "head_dim is 15 (allowed: an even number"),
    ("config.json", ("rope_theta",), "x", ": rope_theta is 'x' (allowed: a number"),
    ("config.json", ("rope_scaling",), ["x"], ": rope_scaling is ['x'] (allowed: an object)"),
    ("config.json", ("rope_parameters",), {**YARN, "factor": "x"}, "the yarn rope scaling: factor is 'x'"),
    ("config.json", ("rope_parameters",), {**LLAMA3, "high_freq_factor": 1.0}, "high_freq_factor 1.0 (allowed: a larger one)"),
    ("config.json", ("eos_token_id",), 9999, "/config.json: eos_token_id is 9999 (allowed: an id from 0 to"),
    ("generation_config.json", ("eos_token_id",), "x", "/generation_config.json: eos_token_id is 'x' (allowed: an id"),
    ("tokenizer_config.json", ("bos_token",), ["x"], "/tokenizer_config.json: bos_token is ['x'] (allowed: a text"),
    ("tokenizer_config.json", ("chat_template",), 3, "/tokenizer_config.json: chat_template is 3 (allowed: a text"),
    ("tokenizer_config.json", ("added_tokens_decoder",), {"x": 1}, "added_tokens_decoder is {'x': 1} (allowed: an object, ids"),
    ("tokenizer_config.json", ("added_tokens_decoder",), {"3": 1}, "the added token 3 is 1 (allowed: an object with its text"),
    ("tokenizer.json", ("model", "vocab"), {"a": 10**9}, "/tokenizer.json: vocab is {'a': 1000000000} (allowed: an object"),
    ("tokenizer.json", ("model", "merges"), ["a"], "/tokenizer.json: merges is ['a'] (allowed: a list of pairs"),
    ("tokenizer.json", ("pre_tokenizer",), "x", "/tokenizer.json: pre_tokenizer is 'x' (allowed: null, an object"),
    ("tokenizer.json", ("added_tokens",), ["x"], "/tokenizer.json: added_tokens is ['x'] (allowed: a list of objects")])
def test_the_line_names_file_key_value_and_what_is_allowed(base, tmp_path, name, place, value, message):
    assert message in exported(open_source(spoiled(base, tmp_path / "model", name, place, value)), tmp_path / "m.gguf")


def test_all_that_is_wrong_is_said_at_once(base, tmp_path):
    folder = spoiled(base, tmp_path / "model", "config.json", ("head_dim",), "x")
    config = json.loads((folder / "config.json").read_text())
    del config["vocab_size"]
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": -1}))
    message = exported(open_source(folder), tmp_path / "m.gguf")
    assert all(part in message for part in ("hidden_size is -1", "head_dim is 'x'", "vocab_size missing"))


def test_a_template_that_is_no_utf8(base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "model")
    (folder / "chat_template.jinja").write_bytes(b"abc\xff")
    assert "chat_template.jinja: byte 3 is not UTF-8" in exported(open_source(folder), tmp_path / "m.gguf")
