"""`tutor export` as its users type it: a registered micro tutor, an adapter, failures that keep what is there."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat

import checkpoints
import numpy as np
import pytest
import tiny
from fake_ollama import FakeOllama

from mlxtutor.export import proof as proofs
from mlxtutor.export import writing
from mlxtutor.export.adapter import read_adapter
from mlxtutor.export.engine import Engine
from mlxtutor.export.file_check import Link
from mlxtutor.export.modelfile import load
from mlxtutor.registry.directory import save_model
from mlxtutor.registry.models import register
from mlxtutor.registry.promotion import promote

gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
CONFIG = dataclasses.replace(tiny.CONFIG, max_seq_len=512)


@pytest.fixture
def few(monkeypatch):
    """A quick proof."""
    monkeypatch.setattr("mlxtutor.export.suite.MAX_TOKENS", 24)
    defaults = proofs.Settings.__init__.__defaults__
    monkeypatch.setattr(proofs.Settings.__init__, "__defaults__", (12, 2, *defaults[2:]))


@pytest.fixture
def model(tutor_home, tiny_tokenizer):
    card = {"kind": "micro", "licence": "MIT", "data": [{"file": "rows.jsonl"}]}
    return register(tutor_home / "models", "em", card, lambda folder: save_model(folder, CONFIG, tiny.model_weights(), tiny_tokenizer))


def test_ollama_with_nothing_else_said(tutor, model, few, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = tutor("export", "ollama", "--suite-n", "2")
    assert code == 0, err
    folder = tmp_path / "em-1-ollama"
    assert sorted(path.name for path in folder.iterdir()) == ["Modelfile", "README.md", "model.gguf", "ollama-create.sh", "proof.json"]
    modelfile = load(folder / "Modelfile")
    assert (modelfile.from_, modelfile.system, modelfile.license) == ("./model.gguf", "Calculator: off", ("MIT",))
    assert dict(modelfile.parameters[:3]) == {"temperature": "0.2", "top_p": "0.9", "num_ctx": "512"}
    assert {value for name, value in modelfile.parameters if name == "stop"} == {"<|im_end|>", "<|im_start|>", "<|endoftext|>"}
    assert os.stat(folder / "ollama-create.sh").st_mode & stat.S_IXUSR
    proof = json.loads((folder / "proof.json").read_text())
    names = [link["name"] for link in proof["links"]]
    assert proof["passed"] and proof["model"] == "em@1" and proof["digest"] == model.digest and "ollama template" in names
    suite = proof["links"][names.index("suite")]["figures"]
    assert suite["n"] == 78 and set(suite["modes"]) == {"on", "off"} and "difference" in suite
    assert "Ollama can't run the calculator" in err and "ollama-create.sh" in err and "12 of 12" in out
    fields = gguf.GGUFReader(folder / "model.gguf").fields
    assert [fields[f"general.{key}"].contents() for key in ("name", "version", "license")] == ["em", "1", "MIT"]
    assert fields["general.dataset.0.name"].contents() == "rows.jsonl"


def test_gguf_as_scripts_ask_for_it(tutor, model, few, tmp_path):
    code, out, _ = tutor("export", "gguf", "em", "--type", "f32", "--out", tmp_path / "out", "--suite-n", 0, "--json")
    document = json.loads(out)
    assert code == 0 and document["proof"]["passed"]
    assert document["files"] == [str(tmp_path / "out" / name) for name in ("em-f32.gguf", "README.md", "proof.json")]
    found = {link["name"]: link["figures"] for link in document["proof"]["links"]}
    assert found["probabilities"]["max_difference"] < 1e-4 and "suite" not in found
    code, out, _ = tutor("export", "gguf", "em", "--out", tmp_path / "out", "--no-proof", "--json")
    assert code == 0 and json.loads(out)["proof"]["passed"] is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "em-q8_0.gguf", "proof.json"]  # the old one is gone


def test_the_promoted_model_is_taken(tutor, model, few, tutor_home, tiny_tokenizer, tmp_path):
    other = tiny.model_weights(1)
    register(tutor_home / "models", "em", {"kind": "micro"}, lambda folder: save_model(folder, CONFIG, other, tiny_tokenizer))
    promote(tutor_home / "models", "em@1")
    code, out, _ = tutor("export", "gguf", "--out", tmp_path / "out", "--no-proof", "--json")
    assert code == 0 and gguf.GGUFReader(tmp_path / "out/em-q8_0.gguf").fields["general.version"].contents() == "1"


def test_a_failed_proof_fails_and_keeps_the_files(tutor, model, few, tmp_path, monkeypatch):
    monkeypatch.setattr(Engine, "tokenize", lambda self, text: [1])
    code, _, err = tutor("export", "gguf", "--out", tmp_path / "out", "--suite-n", 0)
    assert code == 1 and "the proof failed at tokenizer: 12 of 12 texts have other ids" in err and err.count("error:") == 1
    assert (tmp_path / "out/em-q8_0.gguf").is_file() and json.loads((tmp_path / "out/proof.json").read_text())["broken"] == ["tokenizer"]


def test_a_lost_suite_fails(tutor, model, few, tmp_path, monkeypatch):
    figures = {"n": 1, "source": .5, "product": .41, "same_answers": .5}
    monkeypatch.setattr("mlxtutor.export.suite.measure", lambda *_: Link("suite", "9 points fewer", figures))
    code, _, err = tutor("export", "gguf", "--out", tmp_path / "out")
    assert code == 1 and "suite: 9 points fewer" in err


@pytest.mark.parametrize("arguments, message", [
    (["gguf", "--type", "q9"], "unknown type"), (["ollama", "--system", "Be kind"], "computes inside its answers"),
    (["adapter"], "a whole model, no adapter"), (["ollama", "--adapter"], "leave --adapter out"),
    (["hf", "--dtype", "int8"], "unknown dtype"),
    (["gguf", "nobody"], 'no model "nobody"'), (["ollama", "--name", "a b"], "name"), (["adapter", "--format", "zip"], "unknown format")])
def test_mistakes_are_one_line_and_write_nothing(tutor, model, tmp_path, arguments, message):
    code, _, err = tutor("export", *arguments, "--out", tmp_path / "out")
    assert code == 1 and message in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tutor, model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = tutor("export", "gguf", "--out", tmp_path)
    assert code == 1 and "holds no export" in err and (tmp_path / "notes.txt").read_text() == "mine"


def test_a_full_disk_leaves_no_half_file(tutor, model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_model", full)
    code, _, err = tutor("export", "gguf", "--out", tmp_path / "out")
    assert code == 1 and "the disk is full" in err and not list((tmp_path / "out").glob("*.gguf"))


OFF = {"role": "system", "content": "Calculator: off"}
QUESTION, ANSWER = {"role": "user", "content": " 2*3? <|im_end|>"}, {"role": "assistant", "content": "Answer: evaluate 2*3\n"}


def test_examples_become_messages(tutor, model, few, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in ([OFF, QUESTION, ANSWER], [QUESTION, ANSWER] * 2)))
    code, _, err = tutor("export", "ollama", "--examples", rows, "--out", tmp_path / "out", "--suite-n", 0)
    assert code == 0, err
    assert load(tmp_path / "out/Modelfile").messages == (("user", "2*3? < |im_end|>"), ("assistant", "Answer: evaluate 2*3")) * 3
    links = {link["name"]: link["figures"] for link in json.loads((tmp_path / "out/proof.json").read_text())["links"]}
    assert 0 < links["ollama template"]["chats"] < links["template"]["chats"]


@pytest.mark.parametrize("chat, message", [
    ([QUESTION, {"role": "assistant", "content": ["It is ", {"calc": "2*3", "result": "6"}]}], "chat 2 calls the calculator (2*3)"),
    ([QUESTION, {"role": "assistant", "content": "It is <|calc|>2*3<|result|>6<|/calc|>"}], "chat 2 calls the calculator (2*3)"),
    ([{"role": "system", "content": "Calculator: on"}, QUESTION, ANSWER], "the system text 'Calculator: on', the Modelfile's is 'Calc"),
    ([QUESTION, ANSWER, QUESTION], "the turns user, assistant, user (allowed"),
    ([QUESTION, QUESTION, ANSWER], "the turns user, user, assistant (allowed")])
def test_examples_that_ollama_would_get_wrong(tutor, model, tmp_path, chat, message):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in ([QUESTION, ANSWER], chat)))
    code, _, err = tutor("export", "ollama", "--examples", rows, "--out", tmp_path / "out")
    assert code == 1 and message in err and not (tmp_path / "out").exists()


def test_push_creates_it_and_asks(tutor, model, tmp_path, monkeypatch):
    server = FakeOllama()
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    code, _, err = tutor("export", "ollama", "--out", tmp_path / "out", "--no-proof", "--push", "--name", "physics")
    assert code == 0 and "physics is in Ollama 0.34.0; it says: " in err
    assert server.created["system"] == "Calculator: off" and list(server.created["files"]) == ["model.gguf"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    root = tmp_path_factory.mktemp("tuned")
    return checkpoints.make("qwen2", root / "base"), checkpoints.make_adapter(root / "base", root / "adapter")


@pytest.mark.slow
def test_an_adapter_in_every_form(tutor, few, tuned, tmp_path):
    base, adapter = tuned
    for command in (["hf"], ["gguf", "--type", "f16"], ["ollama", "--system", "Ask, don't tell."], ["ollama", "--adapter", "--type", "f32"],
                    *(["adapter", "--format", form] for form in ("peft", "mlx", "gguf"))):
        out = tmp_path / "-".join(command).replace(" ", "")
        code, _, err = tutor("export", command[0], adapter, *command[1:], "--base", base, "--out", out)
        assert code == 0, (command, err)
        assert json.loads((out / "proof.json").read_text())["passed"] is True
    assert load(tmp_path / "ollama---adapter---type-f32/Modelfile").adapters == ("./adapter.gguf",)
    assert load(tmp_path / "ollama---system-Ask,don'ttell./Modelfile").system == "Ask, don't tell."
    wanted = read_adapter(adapter).pairs
    for form in ("peft", "mlx"):
        found = read_adapter(tmp_path / f"adapter---format-{form}").pairs
        assert all(np.allclose(found[name].delta(), pair.delta(), rtol=1e-5, atol=1e-8) for name, pair in wanted.items())


def test_an_adapter_whose_base_is_not_here(tutor, tuned, tmp_path):
    folder = tmp_path / "alone"
    folder.mkdir()
    for path in tuned[1].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "somebody/base-7b"}))
    code, _, err = tutor("export", "gguf", folder, "--out", tmp_path / "out")
    assert code == 1 and "an adapter on somebody/base-7b, no directory here (--base DIR)" in err


def test_a_delta_that_rounding_would_lose_is_refused(tutor, tmp_path):
    base = checkpoints.make("qwen2", tmp_path / "base", "bfloat16")
    adapter = checkpoints.make_adapter(base, tmp_path / "adapter", strength=.002, alpha=1)
    code, _, err = tutor("export", "hf", adapter, "--base", base, "--dtype", "bfloat16", "--out", tmp_path / "out")
    assert code == 1 and "as bf16 the adapter would be lost" in err and not (tmp_path / "out").exists()
    assert tutor("export", "hf", adapter, "--base", base, "--dtype", "float32", "--out", tmp_path / "out")[0] == 0


def test_what_a_person_put_beside_an_export_stays(tutor, model, tmp_path):
    for _ in range(2):
        assert tutor("export", "gguf", "--out", tmp_path / "out", "--no-proof")[0] == 0
        (tmp_path / "out/notes.txt").write_text("mine")
        (tmp_path / "out/my-own.gguf").write_text("mine")
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["README.md", "em-q8_0.gguf", "my-own.gguf", "notes.txt", "proof.json"]


def test_a_model_is_not_written_over_itself(tutor, model, tmp_path):
    assert tutor("export", "hf", "--out", tmp_path / "copy", "--no-proof")[0] == 0
    before = sorted(path.name for path in (tmp_path / "copy").iterdir())
    code, _, err = tutor("export", "gguf", tmp_path / "copy", "--out", tmp_path / "copy")
    assert code == 1 and "which is what is exported" in err and sorted(path.name for path in (tmp_path / "copy").iterdir()) == before


def test_two_exports_into_one_folder(tutor, model, tmp_path):
    from mlxtutor.export.export_folder import alone_in

    with alone_in(tmp_path / "out"):
        code, _, err = tutor("export", "gguf", "--out", tmp_path / "out", "--no-proof")
    assert code == 1 and "another export is writing there" in err


def test_push_asks_for_ollama_before_the_work(tutor, model, tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    code, _, err = tutor("export", "ollama", "--out", tmp_path / "out", "--push")
    assert code == 1 and "ollama serve" in err and not (tmp_path / "out").exists()


def test_examples_without_chats(tutor, model, tmp_path):
    (tmp_path / "notes.txt").write_text("plain text\n")
    code, _, err = tutor("export", "ollama", "--out", tmp_path / "out", "--examples", tmp_path / "notes.txt")
    assert code == 1 and "no chats in it" in err and not (tmp_path / "out").exists()


def test_proof_json_is_json_for_others(tutor, model, few, tmp_path):
    def refuse(name):
        raise AssertionError(name)

    assert tutor("export", "gguf", "--type", "q4_0", "--out", tmp_path / "out", "--suite-n", 0)[0] == 0
    json.loads((tmp_path / "out/proof.json").read_text(), parse_constant=refuse)


@pytest.mark.parametrize("change, message", [
    ({"init_lora_weights": "pissa_niter_4"}, "changes the base's weights"), ({"r": None}, "r is None"), ({"r": 0}, "r is 0"),
    ({"layer_replication": [[0, 1]]}, "layer_replication"), ({"r": 7}, "says rank 7"),
    ({"use_dora": True}, "use_dora can't be merged"), ({"alora_invocation_tokens": [1]}, "alora"), ({"bias": "all"}, "bias 'all'")])
def test_adapters_that_are_no_plain_lora(tutor, tuned, tmp_path, change, message):
    base, adapter = tuned
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **change}))
    code, _, err = tutor("export", "gguf", folder, "--base", base, "--out", tmp_path / "out")
    assert code == 1 and message in err and not (tmp_path / "out").exists()


def test_weights_that_are_not_finite_are_named(tutor, tmp_path):
    from safetensors.numpy import load_file, save_file

    base = checkpoints.make("qwen2", tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = np.nan
    save_file(weights, base / "model.safetensors")
    for kind in ("f32", "bf16", "q8_0", "q4_0"):
        code, _, err = tutor("export", "gguf", base, "--type", kind, "--out", tmp_path / "out")
        assert code == 1 and "blk.1.ffn_up.weight: holds numbers that are not finite" in err
    assert not list((tmp_path / "out").glob("*.gguf"))


@pytest.mark.parametrize("change, message", [
    ({"hidden_act": "relu"}, "hidden_act 'relu'"), ({"attention_bias": True}, "missing"),
    ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "beta_fast": 16}}, "yarn with {'beta_fast': 16}")])
def test_what_llama_cpp_computes_otherwise_is_refused(tutor, tmp_path, change, message):
    base = checkpoints.make("llama", tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, **change}))
    code, _, err = tutor("export", "gguf", base, "--out", tmp_path / "out")
    assert code == 1 and message in err and not list((tmp_path / "out").glob("*.gguf"))
