"""The folder that `tutor export` writes to: what may not be written there, and what stays of an earlier export."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from functools import partial

import checkpoints
import numpy as np
import pytest
import tiny
from killing import killed_at

from mlxtutor.export import exporting
from mlxtutor.export.export_folder import check_folder, unproved
from mlxtutor.export.exporting import open_export
from mlxtutor.export.proof import Settings
from mlxtutor.home import Home
from mlxtutor.registry.directory import save_model
from mlxtutor.registry.manifest import compare, digest_of
from mlxtutor.registry.models import list_models, register
from mlxtutor.registry.origin import parent_entry

pytest.importorskip("gguf")
CONFIG = dataclasses.replace(tiny.CONFIG, max_seq_len=512)


@pytest.fixture
def model(models, tiny_tokenizer):
    return register(models, "em", {"kind": "micro"}, lambda folder: save_model(folder, CONFIG, tiny.model_weights(), tiny_tokenizer))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return checkpoints.make("llama", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.mark.parametrize("out", ["em/1/gg", "em/1", "em/9", "other/1"])
def test_nothing_is_written_among_the_models(tutor, model, models, tmp_path, out):
    (tmp_path / "alias").symlink_to(models)
    for folder in (models / out, tmp_path / "alias" / out):
        code, _, err = tutor("export", "gguf", "em@1", "--out", folder, "--no-proof")
        assert code == 1 and "among the registered models" in err and err.count("error:") == 1
    assert len(list_models(models)) == 1 and not compare(model.path, model.card).any


def test_nothing_is_written_inside_what_is_exported(tutor, base):
    before = sorted(base.rglob("*"))
    code, _, err = tutor("export", "gguf", base, "--out", base / "gguf", "--no-proof")
    assert code == 1 and "which is what is exported" in err and sorted(base.rglob("*")) == before


def edit(path, **changes):
    path.chmod(0o644)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def tuned(models, base, adapter):
    """An adapter in the registry, and the base that it names as its parent."""
    below = register(models, "big", {"kind": "hf"}, lambda folder: shutil.copytree(base, folder, dirs_exist_ok=True))
    card = {"kind": "adapter", "parents": [parent_entry(below)]}
    return below, register(models, "tuned", card, lambda folder: shutil.copytree(adapter, folder, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def adapter(base):
    return checkpoints.make_adapter(base, base.parent / "adapter")


def test_a_changed_model_is_not_exported(tutor, model, tmp_path):
    edit(model.path / "config.json", rope_theta=5.0)
    code, _, err = tutor("export", "gguf", "em", "--out", tmp_path / "out", "--no-proof")
    assert code == 1 and "em@1: its files are not what was registered (changed: config.json)" in err and not (tmp_path / "out").exists()


def test_a_copy_that_was_changed_has_no_digest(tutor, model, tmp_path):
    folder = shutil.copytree(model.path, tmp_path / "copy")
    assert open_export(Home(tmp_path), str(folder), None, Settings()).origin == {"model": "copy", "digest": model.digest}
    edit(folder / "config.json", rope_theta=5.0)
    assert open_export(Home(tmp_path), str(folder), None, Settings()).origin == {"model": "copy", "digest": None}


def test_the_base_of_an_adapter_is_checked_and_named(tutor, tuned, models, tmp_path):
    below, ref = tuned
    code, out, err = tutor("export", "adapter", "tuned", "--out", tmp_path / "out", "--json")
    assert code == 0, err
    proof = json.loads((tmp_path / "out/proof.json").read_text())
    assert (proof["model"], proof["digest"], proof["base"], proof["base_digest"]) == ("tuned@1", ref.digest, "big@1", below.digest)
    edit(below.path / "config.json", rope_theta=5.0)
    for more in ([], ["--base", "big"], ["--base", below.path]):
        code, _, err = tutor("export", "adapter", "tuned", "--out", tmp_path / "out", *more)
        assert code == 1 and "big@1: its files are not what was registered" in err


def test_another_model_with_the_base_s_name_is_not_taken(tutor, tuned, models, tmp_path):
    below, _ = tuned
    files = {**below.card["files"], "added.txt": {"sha256": "0" * 64, "size": 0}}
    edit(below.path / "tutor.json", files=files, digest=digest_of(files))
    code, _, err = tutor("export", "adapter", "tuned", "--out", tmp_path / "out")
    assert code == 1 and f"its base big@1 was {below.digest}, the big@1 that is here is sha256:" in err and "--base" in err


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage(base, what):
    """A fault in the source that is found before, or only while, it is written."""
    from safetensors.numpy import load_file, save_file

    if what == "rope":
        edit(base / "config.json", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
        return
    if what == "llama3":
        edit(base / "config.json", rope_parameters={"rope_type": "llama3", "rope_theta": 1e4, "factor": 2.0})
        return
    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = {"nan": np.nan, "overflow": 1e9}[what]
    save_file(weights, base / "model.safetensors")


@pytest.mark.parametrize("what, message", [
    ("rope", "rope scaling 'dynamic' can't be exported"),
    ("llama3", "the llama3 rope scaling: original_max_position_embeddings missing; low_freq_factor missing"),
    ("nan", "not finite"), ("overflow", "does not fit float16")])
def test_a_refused_export_leaves_the_earlier_one(tutor, base, tmp_path, what, message):
    source = shutil.copytree(base, tmp_path / "source")
    commands = {"gguf": ["--type", "f16"], "ollama": ["--type", "f16"], "hf": ["--dtype", "float16"]}
    for command in ("gguf", "ollama") if what in ("rope", "llama3") else commands:
        assert tutor("export", command, base, *commands[command], "--out", tmp_path / command, "--no-proof")[0] == 0
    damage(source, what)
    for command in [name for name in commands if (tmp_path / name).exists()]:
        before = contents(tmp_path / command)
        code, _, err = tutor("export", command, source, *commands[command], "--out", tmp_path / command, "--no-proof")
        assert code == 1 and message in err and ".gguf" not in err and contents(tmp_path / command) == before
        assert tutor("export", command, source, *commands[command], "--out", tmp_path / "new", "--no-proof")[0] == 1
        assert not (tmp_path / "new").exists()


def test_an_interrupted_export_leaves_the_earlier_one(tutor, base, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    assert tutor("export", "gguf", base, "--out", tmp_path / "out", "--no-proof")[0] == 0
    before = contents(tmp_path / "out")
    monkeypatch.setattr(exporting, "write_page", interrupted)
    assert tutor("export", "gguf", base, "--type", "f16", "--out", tmp_path / "out", "--no-proof")[0] != 0
    assert contents(tmp_path / "out") == before


def test_files_that_no_export_wrote_are_not_replaced(tutor, base, adapter, tmp_path):
    out = tmp_path / "out"
    assert tutor("export", "adapter", adapter, "--base", base, "--out", out, "--no-proof")[0] == 0
    for name in ("README.md", "config.json", "model-notes.safetensors", "base-f16.gguf"):
        (out / name).write_text("mine")
    before = contents(out)
    wanted = (["hf"], "README.md, config.json, model-notes.safetensors"), (["gguf", "--type", "f16"], "README.md, base-f16.gguf")
    for command, named in wanted:
        code, _, err = tutor("export", *command, base, "--out", out, "--no-proof")
        assert code == 1 and f"{named} would be replaced, but no export wrote it" in err and contents(out) == before


def test_the_earlier_export_goes_whatever_its_name(tutor, base, tmp_path):
    source = shutil.copytree(base, tmp_path / "a[1]")
    for kind in ("f16", "q8_0"):
        assert tutor("export", "gguf", source, "--type", kind, "--out", tmp_path / "out", "--no-proof")[0] == 0
    assert sorted(contents(tmp_path / "out")) == ["README.md", "a[1]-q8_0.gguf", "proof.json"]


@pytest.mark.slow
def test_a_killed_export_leaves_the_earlier_one_or_is_cleared_by_the_next(base, adapter, tmp_path):
    export = open_export(Home(tmp_path), str(adapter), str(base), Settings())
    for form, files in ("peft", ["adapter_config.json", "adapter_model.safetensors"]), ("gguf", ["adapter.gguf"]):
        def work(folder, form=form):
            exporting.export_adapter(export, folder, form)
            unproved(folder, "--no-proof")

        work(tmp_path / form)
        good, operation = contents(tmp_path / form), 0
        while True:
            folder = shutil.copytree(tmp_path / form, tmp_path / f"{form}-killed")
            killed = killed_at(operation, partial(work, folder))
            state = json.loads((folder / "proof.json").read_text())
            found = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
            assert state["reason"] == "unfinished" or found == good
            assert all(found[name] == good[name] for name in files)  # whole, under its name
            check_folder(folder, export.made_of, tmp_path / "models")
            work(folder)
            assert contents(folder) == good
            shutil.rmtree(folder)
            if not killed:
                break
            operation += 1
        assert operation > 5


def test_a_base_left_by_a_killed_proof_goes(tutor, base, adapter, tmp_path):
    left = tmp_path / "out/.export-unfinished/base.gguf"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    assert tutor("export", "adapter", adapter, "--base", base, "--format", "gguf", "--out", tmp_path / "out", "--no-proof")[0] == 0
    assert sorted(contents(tmp_path / "out")) == ["adapter.gguf", "proof.json"]


@pytest.mark.parametrize("absent, message", [
    (["xllamacpp"], 'the proof needs xllamacpp, not installed here (pip install ".[export]", or --no-proof)'),
    (["mlx_lm"], "the proof needs mlx_lm, not installed here (pip install mlx-lm, or --no-proof)"),
    (["xllamacpp", "mlx_lm"], "the proof needs xllamacpp and mlx_lm")])
def test_what_the_proof_needs_is_looked_for_first(tutor, base, adapter, tmp_path, monkeypatch, absent, message):
    out = tmp_path / "out"
    assert tutor("export", "gguf", base, "--out", out, "--no-proof")[0] == 0
    before = contents(out)
    for module in absent:
        monkeypatch.setitem(sys.modules, module, None)
    for command in ["gguf", base], ["ollama", base], ["adapter", adapter, "--base", base, "--format", "gguf"]:
        code, _, err = tutor("export", *command, "--out", out)
        assert code == 1 and message in err and contents(out) == before
    if "mlx_lm" in absent:
        assert "the proof needs mlx_lm" in tutor("export", "hf", base, "--out", out)[2] and contents(out) == before
    assert tutor("export", "adapter", adapter, "--base", base, "--out", tmp_path / "peft")[0] == 0  # is read back, by nothing else


def test_an_empty_out_is_refused(tutor, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in ("", " "):
        code, _, err = tutor("export", "gguf", "--out", out, "--no-proof")
        assert code == 1 and "--out is" in err and not list(tmp_path.glob("*.gguf"))


def test_the_readme_says_what_holds(tutor, model, tmp_path, monkeypatch):
    folder = tmp_path / "my exports"
    folder.mkdir()
    monkeypatch.chdir(folder)
    wanted = {"gguf": "llama-cli -m em-q8_0.gguf -cnv", "hf": "mlx_lm.generate --model . --prompt QUESTION", "ollama": "ollama run em"}
    for command, runs in wanted.items():
        code, _, err = tutor("export", command, "--out", ".", "--no-proof")
        text = (folder / "README.md").read_text()
        assert code == 0 and runs in text and "`proof.json` says whether" in text
        assert command == "ollama" or "`tutor chat em@1`" in text
        proof = json.loads((folder / "proof.json").read_text())
        assert (proof["model"], proof["digest"], proof["type"]) == ("em@1", model.digest, "f32" if command == "hf" else "q8_0")
        assert (proof["passed"], proof["reason"]) == (None, "--no-proof")
    assert "next: sh ollama-create.sh, then" in err
    assert "next: sh 'a b/ollama-create.sh'" in tutor("export", "ollama", "--out", "a b", "--no-proof")[2]


def test_a_command_of_the_readme_is_quoted(tutor, base, tmp_path):
    source = shutil.copytree(base, tmp_path / "a $b")
    assert tutor("export", "gguf", source, "--out", tmp_path / "out", "--no-proof")[0] == 0
    assert "llama-cli -m 'a $b-q8_0.gguf' -cnv" in (tmp_path / "out/README.md").read_text()
