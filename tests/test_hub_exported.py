"""What `tutor export` wrote and `tutor hub push` publishes: the licence check reads on where the model came from."""

from __future__ import annotations

import json
import os

import hub_models
import pytest
import tiny
from hub_models import content, one_line

from mlxtutor.export.exporting import open_export
from mlxtutor.export.proof import Settings
from mlxtutor.home import Home
from mlxtutor.registry.directory import save_model
from mlxtutor.registry.models import register, resolve

ND = "CC BY-NC-ND 4.0"


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Another machine, whose registry is empty."""
    return lambda: monkeypatch.setenv("TUTOR_HOME", str(tmp_path / "another-home"))


def exported(tutor, name, out, *words):
    code, _, err = tutor("export", *(words or ("hf",)), name, "--out", out, "--no-proof")
    assert code == 0, err
    return out


@pytest.mark.parametrize("moved", [False, True])
def test_an_export_is_refused_as_its_model_is(tutor, hub, models, tiny_tokenizer, tmp_path, elsewhere, moved):
    hub_models.on_data(models, tiny_tokenizer, [hub_models.data("rows.jsonl", [ND])], name="nd")
    folder = exported(tutor, "nd", tmp_path / "nd-hf")
    if moved:
        elsewhere()
    for name in ("nd", folder) if not moved else (folder,):
        assert "rows.jsonl is CC BY-NC-ND 4.0, which forbids to pass on" in one_line(tutor("hub", "push", name, "me/nd")[2])
    said = one_line(tutor("hub", "push", folder, "me/nd", "--base-licence", "nd-hf=mit")[2])
    assert '--base-licence names "nd-hf", which this model was not made from' in said and not hub.requests


def test_an_exports_card_says_of_what_it_is_made_and_nothing_of_this_machine(tutor, hub, models, tiny_tokenizer, tmp_path, elsewhere):
    ref = hub_models.micro(models, tiny_tokenizer)
    folder = exported(tutor, "em-tutor", tmp_path / "em-hf")
    card = json.loads((folder / "tutor.json").read_text())
    parent, = card["parents"]
    assert (card["kind"], parent["role"], parent["model"], parent["digest"]) == ("micro", "source", "em-tutor@1", ref.digest)
    assert "model.safetensors" in card["files"] and "README.md" not in card["files"] and "/home/" not in json.dumps(card)
    elsewhere()
    code, out, err = tutor("hub", "push", folder, "me/em-tutor", "--json")
    assert code == 0 and json.loads(out)["licence"] == "mit", err
    assert b"mlxtutor's own generators (MIT)" in hub.repos["me/em-tutor"].files()["README.md"]


def test_licence_files_go_with_an_export(tutor, hub, models, tiny_tokenizer, tmp_path):
    def write(folder):
        save_model(folder, tiny.CONFIG, tiny.model_weights(), tiny_tokenizer)
        for name in ("LICENSE", "USE_POLICY.md"):
            (folder / name).write_text(name)

    register(models, "lawful", {"kind": "micro", "recipe": hub_models.MINE}, write)
    folder = exported(tutor, "lawful", tmp_path / "out")
    assert {"LICENSE", "USE_POLICY.md", "tutor.json"} <= content(folder).keys()
    assert tutor("hub", "push", folder, "me/lawful")[0] == 0
    assert {"LICENSE", "USE_POLICY.md"} <= hub.repos["me/lawful"].files().keys()
    exported(tutor, "lawful", folder)  # again: what it wrote is replaced


def test_a_folder_whose_weights_are_others_is_no_export(tutor, hub, models, tiny_tokenizer, tmp_path):
    hub_models.micro(models, tiny_tokenizer)
    folder = exported(tutor, "em-tutor", tmp_path / "em-hf")
    (folder / "LICENSE").write_text("added later")
    assert tutor("hub", "push", folder, "me/one")[0] == 0 and "LICENSE" in hub.repos["me/one"].files()
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-4] + os.urandom(4))
    assert "not what its tutor.json describes (changed: model.safetensors); export it again" in one_line(
        tutor("hub", "push", folder, "me/two")[2])


@pytest.fixture
def tuned(tutor, models, tiny_tokenizer):
    """An adapter trained on data that forbids it, on a base whose card names other data."""
    base = hub_models.on_data(models, tiny_tokenizer, [hub_models.data("base.jsonl", ["CC BY-SA 4.0"])], name="base")
    parents = [{"role": "base", "model": "base@1", "digest": base.digest}]
    return hub_models.adapter(models, str(base.path), parents, data=[hub_models.data("rows.jsonl", [ND])])


@pytest.mark.parametrize("words", [("hf",), ("adapter", "--format", "peft"), ("adapter", "--format", "mlx")], ids=" ".join)
def test_a_merged_adapter_and_one_alone_carry_both_origins(tutor, hub, models, tuned, tmp_path, elsewhere, words):
    folder = exported(tutor, "my-lora", tmp_path / "out", *words)
    elsewhere()
    line = one_line(tutor("hub", "push", folder, "me/out", "--base", "me/base")[2])
    assert "rows.jsonl is CC BY-NC-ND 4.0" in line
    told = json.loads((folder / "tutor.json").read_text())["parents"][0]["card"]
    assert told["parents"][0]["card"]["data"][0]["card"]["licences"] == {"CC BY-SA 4.0": 6}


def test_an_adapter_alone_is_checked_as_its_model_is(tutor, hub, models, tiny_tokenizer, tmp_path, elsewhere):
    base = hub_models.on_data(models, tiny_tokenizer, [hub_models.data("base.jsonl", ["MIT"])], name="base")
    parents = [{"role": "base", "model": "base@1", "digest": base.digest}]
    hub_models.adapter(models, str(base.path), parents, data=[hub_models.data("rows.jsonl", ["MIT"])])
    folder = exported(tutor, "my-lora", tmp_path / "out", "adapter", "--format", "peft")
    elsewhere()
    code, out, err = tutor("hub", "push", folder, "me/out", "--base", "me/base", "--json")  # the hub knows nothing of me/base
    assert code == 0 and json.loads(out)["licence"] == "mit", err


def test_where_the_base_is_on_the_hub_is_carried(tutor, hub, models, tiny_tokenizer, tmp_path, elsewhere):
    hub.add("Q/w", {"README.md": b"---\nlicense: mit\n---\n"})
    source = [{"role": "source", "model": "Q/w"}]
    base = hub_models.micro(models, tiny_tokenizer, "w", kind="pulled", parents=source, origin={"repo": "Q/w"}, licence="mit")
    parents = [{"role": "base", "model": "w@1", "digest": base.digest}]
    hub_models.adapter(models, str(base.path), parents, data=[hub_models.data("rows.jsonl", ["MIT"])])
    folder = exported(tutor, "my-lora", tmp_path / "out", "adapter", "--format", "peft")
    elsewhere()
    code, _, err = tutor("hub", "push", folder, "me/out")
    assert code == 0, err
    assert json.loads(hub.repos["me/out"].files()["adapter_config.json"])["base_model_name_or_path"] == "Q/w"


def test_a_base_given_by_hand_counts_too(tutor, hub, models, tiny_tokenizer, tmp_path):
    hub_models.adapter(models, parents=[], data=[hub_models.data("rows.jsonl", ["MIT"])])
    hub_models.on_data(models, tiny_tokenizer, [hub_models.data("base.jsonl", [ND])], name="base")
    folder = exported(tutor, "my-lora", tmp_path / "out", "hf", "--base", "base@1")
    assert "base.jsonl is CC BY-NC-ND 4.0" in one_line(tutor("hub", "push", folder, "me/out")[2])
    bare = tmp_path / "bare"
    save_model(bare, tiny.CONFIG, tiny.model_weights(), tiny_tokenizer)
    folder = exported(tutor, "my-lora", tmp_path / "other", "hf", "--base", bare)
    hub.add("Qwen/Qwen2.5-0.5B", {"README.md": b"---\nlicense: apache-2.0\n---\n"})
    code, out, err = tutor("hub", "push", folder, "me/out", "--json")
    assert code == 0 and json.loads(out)["licence"] == "apache-2.0", err
    assert resolve(models, str(folder)).card["kind"] == "exported"


@pytest.mark.parametrize("revision, version", [("r1", 1), ("r2", 2), ("", 2)])
def test_the_base_is_the_revision_that_the_adapter_names(tutor_home, models, tiny_tokenizer, revision, version):
    for number in (1, 2):
        hub_models.micro(models, tiny_tokenizer, "w", number, kind="pulled", origin={"repo": "Q/w", "revision": f"r{number}"})
    parent = {"role": "base", "model": "Q/w", **({"revision": revision} if revision else {})}
    hub_models.adapter(models, "Q/w", [parent])
    found = open_export(Home(tutor_home), "my-lora", None, Settings())
    assert found.source.directory == models / "w" / str(version)
