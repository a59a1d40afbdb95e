"""The command line: help, JSON shapes, tables, and one line for every mistake."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import tiny

from mlxtutor.registry.directory import save_model
from mlxtutor.registry.models import register
from mlxtutor.training.initial import parameter_count

COMMANDS = [("doctor",), ("train",), ("plan",), ("tokenizer", "inspect"), ("tokenizer", "train"), ("data", "build"), ("data", "preview"),
            ("data", "stats"), ("data", "import"), ("data", "check"), ("data", "mix"), ("data", "split"),
            ("eval",), ("models", "list"), ("models", "show"), ("bench",), ("export", "gguf"), ("export", "ollama"), ("export", "hf"),
            ("export", "adapter")]
CONFIG = dataclasses.replace(tiny.CONFIG, max_seq_len=2048)
CHAT = {"id": "a", "kind": "value", "type": "t", "messages": [
    {"role": "user", "content": "What is 2*3?"}, {"role": "assistant", "content": ["It is ", {"calc": "2*3", "result": "6"}, "."]}]}
RECIPE = """
name: tiny
model: {vocab_size: 440, hidden_size: 64, intermediate_size: 96, num_layers: 1, num_heads: 2, num_kv_heads: 2, head_dim: 16}
tokenizer_characters: 40000
train: {row_len: 256, batch_rows: 2}
stages:
  - {name: base, tokens: 3000, sources: {corpus: 1.0}}
  - {name: tutor, tokens: 6000, sources: {em: 1.0}, train: {epochs: 2}}
evaluation: {values: 4, wordings: 4, types: 4, batch_size: 4}
"""


@pytest.fixture
def model(tutor_home, tiny_tokenizer):
    """A registered model that knows nothing."""
    share = {"value": .5, "low": .4, "high": .6, "n": 10}
    split = {"n": 12, "scores": {"correct": share}}
    card = {"kind": "micro", "parameters": parameter_count(CONFIG), "backend": "mlx", "dtype": "float32",
            "stages": [{"name": "base", "seconds": 5.0, "tokens": 1000, "tokens_per_s": 200.0, "loss": 1.25, "steps": 7}],
            "evaluation": {"before": {"splits": {"values": split}}, "after": {"splits": {"values": split}}}}
    weights = tiny.model_weights(config=CONFIG)
    return register(tutor_home / "models", "em-tutor", card, lambda folder: save_model(folder, CONFIG, weights, tiny_tokenizer))


@pytest.fixture
def chats(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps({**CHAT, "id": str(i)}) + "\n" for i in range(5)))
    return path


@pytest.fixture
def recipe(tmp_path, chats):
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE + f"data: {chats}\n")
    return path


def one_line(err):
    lines = [line for line in err.splitlines() if line.strip()]
    return len(lines) == 1 and lines[0].startswith("error: ")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(tutor, words):
    code, out, _ = tutor(*words, "--help")
    assert code == 0 and "Example: tutor " + " ".join(words) in " ".join(out.split())


def test_help_imports_no_framework():
    """Nor numpy: the help page must come at once."""
    heavy = ["numpy", "mlx", "torch", "matplotlib", "transformers", "sentencepiece", "pint"]
    check = f"import sys, mlxtutor.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_installed_module_prints_one_line_and_exits_with_1():
    done = subprocess.run([sys.executable, "-m", "mlxtutor.cli.main", "models", "show", "nobody"], capture_output=True, text=True)
    assert done.returncode == 1 and one_line(done.stderr) and done.stdout == ""


def test_data_build_json_and_the_files_of_others(tutor, tmp_path):
    code, out, _ = tutor("data", "build", "em", "--train", 3, "--test", 2, "--out", tmp_path / "em", "--json")
    document = json.loads(out)
    assert code == 0 and document["counts"]["train"] == 3 and sum(by["train"] for by in document["family"].values()) == 3
    assert set(document["files"]) == {path.name for path in (tmp_path / "em").glob("*.jsonl")}
    (tmp_path / "em" / "train.jsonl").write_text("{}\n")
    code, _, err = tutor("data", "build", "em", "--train", 3, "--test", 2, "--out", tmp_path / "em")
    assert code == 1 and one_line(err) and "train.jsonl" in err and (tmp_path / "em" / "train.jsonl").read_text() == "{}\n"


@pytest.mark.parametrize("arguments, wanted", [
    (("models", "show", "nobody"), 'no model "nobody"'),
    (("eval",), "no model yet (make one: tutor train)"),
    (("eval", "nobody", "--n", "1"), 'no model "nobody"'),
    (("eval", "--suite", "maths"), 'unknown suite "maths" (allowed: em)'),
    (("eval", "--split", "vales"), 'unknown split "vales" (allowed: values,'),
    (("plan", "micro", "--backend", "jax"), 'unknown backend "jax" (allowed: auto, mlx, torch)'),
    (("plan", "nano"), 'no recipe "nano" (shipped: micro'),
    (("plan", "absent.yaml"), "absent.yaml: can't be read"),
    (("plan", "micro", "--set", "train.learning_rate=1"), 'unknown key "train.learning_rate"'),
    (("plan", "micro", "--set", "train.max_step=1"), 'did you mean "max_steps"?'),
    (("plan", "micro", "--set", "seed"), "is not key=value"),
    (("bench", "sleep"), 'nothing to time called "sleep" (allowed: steps, decode, all)'),
    (("bench", "--backend", "jax"), 'unknown backend "jax"'),
    (("data", "build", "chemistry", "--out", "x"), 'no generator "chemistry" (allowed: em, socratic, followup)'),
    (("data", "preview", "absent.jsonl"), "absent.jsonl: can't be read"),
    (("data", "stats", "absent.jsonl"), "absent.jsonl: can't be read"),
    (("tokenizer", "inspect", "x", "--model", "nobody"), 'no model "nobody"'),
    (("tokenizer", "train", "absent", "--out", "x"), "absent: no such file or folder"),
])
def test_a_mistake_is_one_line_and_exit_code_1(tutor, tmp_path, monkeypatch, arguments, wanted):
    monkeypatch.chdir(tmp_path)
    code, out, err = tutor(*arguments)
    assert code == 1 and out == "" and one_line(err) and wanted in err
    assert not any(path.name != "tutor-home" for path in tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("nonsense",), ("plan", "--bogus"), ("eval", "--n", "0"), ("data", "build", "em"),
                                       ("data", "build", "em", "--out", "x", "--train", "-1"), ("tokenizer", "inspect")])
def test_bad_usage_exits_with_2(tutor, arguments):
    assert tutor(*arguments)[0] == 2


@pytest.mark.parametrize("text, wanted", [
    ("", "no records in it"),
    ('{"messages": []}\n', ":1: "),
    (json.dumps(CHAT) + "\n{oops\n", ":2: not JSON"),
    (json.dumps(CHAT) + '\n{"question": 1}\n', ":2: no answer of the assistant's"),
    (json.dumps(CHAT) + '\n{"messages": [{"role": "robot", "content": "x"}]}\n', 'unknown role "robot"'),
])
@pytest.mark.parametrize("words", [("data", "stats"), ("data", "preview")], ids=" ".join)
def test_bad_rows_are_named_with_their_line(tutor, tmp_path, words, text, wanted):
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    code, _, err = tutor(*words, path)
    assert code == 1 and one_line(err) and f"{path}" in err and wanted in err


def test_a_missing_extra_is_named(tutor, model, monkeypatch):
    monkeypatch.setattr("mlxtutor.backends.installed", lambda name: name != "torch")
    code, _, err = tutor("eval", "--n", "1", "--backend", "torch")
    assert code == 1 and one_line(err) and 'pip install ".[torch]"' in err


def test_models_list_and_show(tutor, model, tutor_home):
    code, out, _ = tutor("models", "list", "--json")
    assert code == 0
    row, = json.loads(out)
    assert row.items() >= {"name": "em-tutor", "version": 1, "kind": "micro", "path": str(model.path), "stable": False,
                           "created": model.card["created"]}.items()
    shown = tutor("models", "show")[1]
    for text in ("em-tutor@1", f"{parameter_count(CONFIG):,}", "1.2500", "50.0 %", "40.0-60.0", "model.safetensors"):
        assert text in shown
    document = json.loads(tutor("models", "show", model.path, "--json")[1])
    assert document["files"]["model.safetensors"] == (model.path / "model.safetensors").stat().st_size
    assert document["stages"][0]["loss"] == 1.25


def test_no_models_is_an_empty_list(tutor):
    assert json.loads(tutor("models", "list", "--json")[1]) == []
    assert "tutor train" in tutor("models", "list")[1]


def test_inspect_gives_the_pieces_of_the_text(tutor, model, tiny_tokenizer):
    text = "force µ <|calc|>2*3<|result|> [bold]"
    document = json.loads(tutor("tokenizer", "inspect", text, "--json")[1])
    ids = [piece["id"] for piece in document["pieces"]]
    assert ids == tiny_tokenizer.encode(text) and tiny_tokenizer.decode(ids) == text
    assert document["bytes_per_token"] == len(text.encode()) / len(ids)
    assert [p["piece"] for p in document["pieces"] if p["special"]] == ["<|calc|>", "<|result|>"]
    out = tutor("tokenizer", "inspect", text)[1]
    assert str(ids[0]) in out and "<0x5B>" in out and max(map(len, out.splitlines())) <= 80


def test_tokenizer_train_writes_a_tokenizer_or_nothing(tutor, tmp_path, chats):
    source = tmp_path / "text.txt"
    source.write_text("".join(tiny.texts(200)))
    assert tutor("tokenizer", "train", source, chats, "--vocab-size", 380, "--out", tmp_path / "made")[0] == 0
    assert json.loads(tutor("tokenizer", "inspect", "force", "--model", tmp_path / "made", "--json")[1])["vocab_size"] == 380
    code, _, err = tutor("tokenizer", "train", source, "--vocab-size", 90_000, "--out", tmp_path / "none")
    assert code == 1 and one_line(err) and "90000" in err and not (tmp_path / "none").exists()
    assert "is a file" in tutor("tokenizer", "train", source, "--out", source)[2]


def test_preview_marks_what_counts_towards_the_loss(tutor, chats):
    out = tutor("data", "preview", chats, "--n", 1)[1]
    assert "<|im_start|>assistant\n«It is <|calc|>2*3<|result|>»6<|/calc|>«.<|im_end|>»" in out
    assert "2." not in out.split("assistant")[1]


def test_stats_counts_rows_and_tokens(tutor, chats, model):
    document = json.loads(tutor("data", "stats", chats, "--model", "em-tutor", "--json")[1])
    assert document["rows"] == 5 and document["counts"]["kind"] == {"value": 5} and document["repeated_prompts"] == 4
    assert 0 < document["tokens"]["trained"] < document["tokens"]["total"]
    assert json.loads(tutor("data", "stats", chats, "--json")[1])["tokens"] is None
    assert "count towards the loss" in tutor("data", "stats", chats, "--model", "em-tutor")[1]


def test_plan_gives_the_documented_shape_and_leaves_nothing(tutor, recipe, tmp_path, tutor_home, backend):
    name = "torch" if "cuda" in backend.__name__ else "mlx"
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = tutor("plan", recipe, "--backend", name, "--json")
    document = json.loads(out)
    assert code == 0 and sorted(tmp_path.rglob("*")) == before and not tutor_home.exists()
    assert {"parameters", "trainable", "tokens", "steps", "peak_memory_bytes", "seconds"} <= set(document)
    assert document["steps"] == sum(stage["steps"] for stage in document["stages"]) and document["seconds"] > 0
    assert document["peak_memory_bytes"] > 4 * document["parameters"]
    short = json.loads(tutor("plan", recipe, "--backend", name, "--set", "train.max_steps=3", "--json")[1])
    assert [stage["steps"] for stage in short["stages"]] == [3, 3]


def test_eval_keeps_what_it_measured(tutor, model, tutor_home, tmp_path):
    code, out, err = tutor("eval", "em-tutor", "--n", 3, "--split", "values", "--split", "others", "--json", "--out", tmp_path / "kept")
    document = json.loads(out)
    assert code == 0 and "kept in" in err
    assert (document["model"], document["suite"], document["n"]) == ("em-tutor@1", "em", 6)
    assert set(document["splits"]) == {"values", "others"} and document["splits"]["values"]["n"] == 3
    score = document["splits"]["values"]["scores"]["correct"]
    assert score["low"] <= score["value"] <= score["high"]
    kept = json.loads((tmp_path / "kept" / "evaluation.json").read_text())
    assert kept["splits"] == document["splits"] and (tmp_path / "kept" / "evaluation.md").read_text().startswith("# em-tutor@1 on em")
    assert len((tmp_path / "kept" / "answers.jsonl").read_text().splitlines()) == 6
    code, _, err = tutor("eval", "--n", 1, "--out", tmp_path / "kept")
    assert code == 1 and one_line(err) and "not empty" in err


def test_eval_prints_tables_within_80_columns(tutor, model, tutor_home):
    out = tutor("eval", "--n", 2, "--split", "types")[1]
    assert "types: 2 problems" in out and "95 % interval" in out and "types by family" in out
    assert max(map(len, out.splitlines())) <= 80
    assert len(list((tutor_home / "evaluations").glob("em-tutor@1-em-*/evaluation.json"))) == 1


def test_bench_times_each_variant(tutor, recipe, backend):
    name = "torch" if "cuda" in backend.__name__ else "mlx"
    code, out, _ = tutor("bench", "--backend", name, "--recipe", recipe, "--rounds", 1, "--batch-size", 4, "--json")
    document = json.loads(out)
    assert code == 0 and document["steps"]["variants"][0]["ratio"] == 1
    assert all(v["backend"] == name and v["tokens_per_s"] > 0 for v in document["steps"]["variants"])
    decode = document["decode"][0]
    assert decode["ratio"] == pytest.approx(decode["batched"]["answers_per_s"] / decode["alone"]["answers_per_s"])


def test_doctor_json(tutor):
    code, out, _ = tutor("doctor", "--json")
    document = json.loads(out)
    assert code == 0 and set(document["backends"]) == {"mlx", "torch"}
    assert all(set(b) >= {"available", "device", "dtype", "reason", "fix"} for b in document["backends"].values())
    assert np.isfinite(document["memory_bytes"]["available"]) and document["home"]["writable"]
