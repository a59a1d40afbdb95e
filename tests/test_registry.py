"""The registry: versions in order, also from several processes at once, and never a half-written model."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlxtutor.errors import TutorError
from mlxtutor.files import write_atomic
from mlxtutor.registry.directory import load_checked_weights, load_config
from mlxtutor.registry.models import list_models, register, resolve

REGISTER = """
import sys, time
from pathlib import Path
from mlxtutor.registry.models import register

def write(folder):
    folder.mkdir()
    time.sleep(.02)
    (folder / "model.safetensors").write_text(f"{sys.argv[2]} {turn}")

for turn in range(5):
    print(register(Path(sys.argv[1]), "tutor", {"kind": "micro", "by": sys.argv[2]}, write).version, flush=True)
"""

NUMBERS = itertools.count()


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


def write(folder, weights=b"weights"):
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights)


def add(models, name, weights=None, **card):
    """A model with these weights; without them, weights that no other has."""
    own = weights or next(NUMBERS).to_bytes(4, "big")
    return register(models, name, {"kind": "micro", **card}, lambda folder: write(folder, own))


def test_versions_count_up_by_name(models):
    refs = [add(models, name) for name in ("a", "b", "a", "a")]
    assert [ref.id for ref in refs] == ["a@1", "b@1", "a@2", "a@3"]
    assert [ref.id for ref in list_models(models)] == ["a@1", "b@1", "a@2", "a@3"]
    for ref in refs:
        assert ref.path == models / ref.name / str(ref.version)
        assert json.loads((ref.path / "tutor.json").read_text()) == ref.card
        assert ref.card["version"] == ref.version and ref.card["kind"] == "micro" and ref.card["created"].endswith("+00:00")


def test_versions_are_numbers_not_text(models):
    for _ in range(11):
        add(models, "a")
    assert resolve(models, "a").version == 11 and [ref.version for ref in list_models(models)] == list(range(1, 12))


def test_a_removed_version_does_not_disturb(models):
    add(models, "a")
    second = add(models, "a")
    (models / "a" / "1" / "tutor.json").unlink()
    assert [ref.id for ref in list_models(models)] == ["a@2"] and add(models, "a").version == second.version + 1


def test_several_processes_register_at_once(models):
    commands = [[sys.executable, "-c", REGISTER, str(models), str(n)] for n in range(4)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    taken = [(int(line), str(n)) for n, process in enumerate(processes) for line in process.communicate(timeout=60)[0].split()]
    assert sorted(version for version, _ in taken) == list(range(1, 21))
    for version, by in taken:
        ref = resolve(models, f"tutor@{version}")
        assert ref.card["by"] == by and (ref.path / "model.safetensors").read_text().split()[0] == by
    assert not list((models / "tutor").glob(".new-*"))


def test_a_model_is_listed_only_when_it_is_whole(models):
    seen = []

    def slow(folder):
        write(folder)
        (folder / "tutor.json").write_text("{}")
        seen.append(list_models(models))

    register(models, "a", {"kind": "micro"}, slow)
    assert seen == [[]] and len(list_models(models)) == 1


def test_a_failed_write_leaves_nothing(models):
    def fail(folder):
        write(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        register(models, "a", {}, fail)
    assert list_models(models) == [] and [path.name for path in (models / "a").iterdir() if path.name != ".lock"] == []
    assert add(models, "a").version == 1


def test_a_killed_write_is_not_listed(models):
    folder = models / "a" / ".new-123"
    folder.mkdir(parents=True)
    (folder / "tutor.json").write_text("{")
    (models / "a" / "7").mkdir()
    assert list_models(models) == []


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a b", "a@2", "ä", "a\n"])
def test_names_that_are_no_folder_names_are_refused(models, name):
    with pytest.raises(TutorError, match="is not usable .letters, digits"):
        add(models, name)
    assert not models.exists()


def test_resolving(models, tmp_path):
    add(models, "a")
    add(models, "b")
    add(models, "a")
    assert [resolve(models, name).id for name in ("a", "a@1", "b", "b@1")] == ["a@2", "a@1", "b@1", "b@1"]
    assert resolve(models, None).id == "a@2"
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    assert resolve(models, str(folder)).path == folder and resolve(models, str(folder)).name == "elsewhere"
    assert resolve(models, str(models / "a" / "1")).card["kind"] == "micro"


@pytest.mark.parametrize("name", ["c", "a@3", "a@", "a@x", "@1", "", "A"])
def test_what_does_not_exist_is_named_with_what_does(models, name):
    add(models, "a")
    with pytest.raises(TutorError, match=r"(?s)no model .*a@1"):
        resolve(models, name)


def test_what_has_a_slash_is_a_folder(models, tmp_path):
    add(models, "a")
    (tmp_path / "file").write_text("x")
    for name, message in [("nowhere/at/all", r"no such folder: nowhere/at/all .check the path.$"),
                          ("Qwen/Q", "no such folder: Qwen/Q .* tutor hub pull Qwen/Q"), (f"{tmp_path}/file", "/file: a file")]:
        with pytest.raises(TutorError, match=message):
            resolve(models, name)


def test_an_empty_registry_says_how_to_fill_it(models):
    with pytest.raises(TutorError, match="no model yet .make one: tutor train"):
        resolve(models, None)
    with pytest.raises(TutorError, match='no model "a" .here: none yet; make one: tutor train'):
        resolve(models, "a")


@pytest.mark.parametrize("config, message", [
    (None, "not a model directory .no config.json in it"),
    ("{", "not a model directory .config.json is not JSON"), ("[]", "not a model directory"),
    ('{"model_type": "llama"}', "model_type 'llama' is not supported"), ('{"model_type": "qwen3"}', "tied embeddings"),
    ('{"model_type": "qwen3", "tie_word_embeddings": true}', "config.json.*vocab_size")])
def test_a_directory_that_is_no_model(tmp_path, config, message):
    if config:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(TutorError, match=message):
        load_config(tmp_path)


def test_weights_that_cannot_be_read(tmp_path):
    with pytest.raises(TutorError, match="model.safetensors can't be read"):
        load_checked_weights(tmp_path, None)
    (tmp_path / "model.safetensors").write_bytes(b"1234")
    with pytest.raises(TutorError, match="model.safetensors can't be read"):
        load_checked_weights(tmp_path, None)


def test_a_file_is_old_or_new_but_never_half(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]
    monkeypatch.undo()
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new" and list(Path(tmp_path / "deep").iterdir()) == [path]
