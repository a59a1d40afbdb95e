"""The folder that `tutor export` writes to: what may not be written there, and what stays of an earlier export."""

from __future__ import annotations

import dataclasses
import json
import shutil

import checkpoints
import pytest
import tiny

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
