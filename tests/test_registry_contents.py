"""What a version holds and what a name means: files by digest, cards, data and its licences, addresses."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from registry_process import add

from mlxtutor.errors import TutorError
from mlxtutor.records.card import write_card
from mlxtutor.registry.manifest import compare, describe_files, digest_of
from mlxtutor.registry.models import list_models, register, resolve
from mlxtutor.registry.origin import code_state, data_entries, data_of, licence_of, parent_entry
from mlxtutor.registry.promotion import promote


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


def old_model(models, name="old", version=1):
    """As the registry wrote it before there were digests."""
    folder = models / name / str(version)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("weights")
    card = {"name": name, "created": "2025-01-01T00:00:00.000000+00:00", "kind": "micro", "version": version,
            "data": {"file": "chats.jsonl"}}
    (folder / "tutor.json").write_text(json.dumps(card))
    return folder


def _copy(source, target):
    for root, _, files in os.walk(source):
        for name in files:
            path = target / Path(root, name).relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Path(root, name).read_bytes())


# contents

def test_a_card_describes_the_files_and_the_code(models):
    ref = add(models, "a", "x")
    listed = ref.card["files"]
    assert set(listed) == {"config.json", "deep/notes.txt", "model.safetensors"}
    for name, file in listed.items():
        content = (ref.path / name).read_bytes()
        assert file == {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    assert ref.card["size"] == sum(file["size"] for file in listed.values()) and ref.card["code"] == code_state()
    canonical = json.dumps(listed, sort_keys=True).replace(" ", "")
    assert ref.digest == "sha256:" + hashlib.sha256(canonical.encode()).hexdigest() == digest_of(describe_files(ref.path))
    for path in ref.path.rglob("*"):
        assert path.is_dir() or not stat.S_IMODE(path.stat().st_mode) & 0o222


def test_the_same_files_are_the_version_that_is_there(models):
    first, other = add(models, "a", "x"), add(models, "a", "y")
    again = register(models, "a", {"kind": "other"}, lambda folder: _copy(first.path, folder))
    assert (again.id, again.card) == ("a@1", first.card) and [ref.id for ref in list_models(models)] == ["a@1", other.id]
    assert add(models, "b", "x").id == "b@1"
    promote(models, "a@1")
    assert add(models, "a", "x").stable


def test_files_that_were_edited_are_no_longer_the_same(models):
    ref = add(models, "a", "x")
    (ref.path / "config.json").chmod(0o644)
    (ref.path / "config.json").write_text("[]")
    assert add(models, "a", "x").id == "a@2"


def test_another_models_damaged_card_does_not_lose_a_new_model(models):
    card = add(models, "a", "x").path / "tutor.json"
    card.chmod(0o644)
    card.write_text("{")
    assert add(models, "a", "y").version == 2


def test_a_link_is_refused(models, tmp_path):
    def write(folder):
        folder.mkdir()
        (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(TutorError, match="model.safetensors: a link .*copy"):
        register(models, "a", {}, write)
    assert list_models(models) == []


def test_verifying_names_what_changed(models):
    ref = add(models, "a", "x")
    assert not compare(ref.path, ref.card).any
    for path in ref.path.rglob("*"):
        path.chmod(0o755)
    (ref.path / "config.json").write_text("[]")
    (ref.path / "deep" / "notes.txt").unlink()
    (ref.path / "chat_template.jinja").write_text("")
    (ref.path / ".DS_Store").write_text("a Mac's own")
    found = compare(ref.path, ref.card)
    assert (found.changed, found.missing, found.added) == (("config.json",), ("deep/notes.txt",), ("chat_template.jinja",))
    assert str(found) == "changed: config.json; missing: deep/notes.txt; added: chat_template.jinja"
    assert compare(ref.path, {**ref.card, "digest": "sha256:0"}).changed == ("config.json", "tutor.json")
    with pytest.raises(TutorError, match="a@1: its files are not what was registered .changed: config.json.*not promoted"):
        promote(models, "a@1")


def test_models_from_before_digests_go_on(models):
    folder = old_model(models)
    assert [ref.id for ref in list_models(models)] == ["old@1"] and resolve(models, "old").path == folder
    ref = resolve(models, None)
    assert (ref.digest, compare(ref.path, ref.card).known, data_of(ref.card)) == (None, False, [{"file": "chats.jsonl"}])
    assert parent_entry(ref)["digest"] == digest_of(describe_files(folder))
    assert promote(models, "old@1").new.stable and add(models, "old", "x").version == 2


# names

def test_what_a_name_means(models):
    one, _, three = (add(models, "a", content) for content in ("one", "two", "three"))
    last = add(models, "b", "four")
    assert [resolve(models, name).id for name in (None, "a", "a@newest", "a@latest")] == ["b@1", "a@3", "a@3", "a@3"]
    with pytest.raises(TutorError, match="a has no stable version .make one: tutor models promote a@3"):
        resolve(models, "a@stable")
    promote(models, "a@1")
    assert [resolve(models, name).id for name in (None, "a", "a@stable", "a@newest", "b")] == ["a@1", "a@1", "a@1", "a@3", "b@1"]
    promote(models, "b@1")
    assert resolve(models, None).id == "b@1"
    assert resolve(models, last.digest).id == "b@1" and resolve(models, three.digest[:15]).id == "a@3"
    assert resolve(models, str(one.path)).id == "a@1"


def test_digests_that_name_no_model_or_several(models, monkeypatch):
    add(models, "a", "one")
    for digest, said in (("", "is no digest"), ("1234567", "is no digest"), ("0123456789", "no model with the digest")):
        with pytest.raises(TutorError, match=said):
            resolve(models, f"sha256:{digest}")
    alike = "sha256:" + "ab" * 30
    monkeypatch.setattr("mlxtutor.registry.models.digest_of", lambda files: alike + files["model.safetensors"]["sha256"][:4])
    add(models, "a", "two")
    add(models, "a", "three")
    with pytest.raises(TutorError, match="begins the digests of a@2, a@3 .give more digits"):
        resolve(models, "sha256:abababab")


def test_the_same_files_under_two_names_are_one_digest(models):
    ref = add(models, "a", "one")
    add(models, "b", "one")
    assert resolve(models, ref.digest).id == "a@1"


def test_numbers_that_are_no_versions_are_not_models(models):
    card = add(models, "a", "x").path / "tutor.json"
    for name in ("²", "٣", "03", "0"):
        (models / "a" / name).mkdir()
        (models / "a" / name / "tutor.json").write_text(card.read_text())
    assert [ref.id for ref in list_models(models)] == ["a@1"] and add(models, "a", "y").version == 2


# data

def test_data_and_its_licences(tmp_path):
    rows, mixed, corpus = tmp_path / "rows.jsonl", tmp_path / "mixed.jsonl", tmp_path / "corpus"
    rows.write_text("{}\n")
    mixed.write_text("{}\n{}\n")
    corpus.mkdir()
    (corpus / "a.md").write_text("text")
    write_card(rows, "tutor data import", [], {"licences": {"MIT": 1, "CC-BY-4.0": 3}})
    write_card(mixed, "tutor data mix", [str(rows)], {"rows": 2})
    entries = data_entries({"data": str(mixed)})
    assert entries[0]["use"] == "data" and entries[0]["card"]["inputs"][0]["card"]["licences"] == {"MIT": 1, "CC-BY-4.0": 3}
    assert licence_of(entries) == "cc-by-4.0 AND mit"
    folder, = data_entries({"corpus": str(corpus)})
    assert folder == {"use": "corpus", "file": "corpus", "digest": digest_of(describe_files(corpus)), "files": 1}
    assert licence_of([*entries, folder]) is None is licence_of([])
    assert data_entries({"corpus": "hub:owner/name"}) == [{"use": "corpus", "file": "hub:owner/name"}]
    write_card(rows, "tutor data import", [], {"licences": {"MIT": 1, "unknown": 3}})
    write_card(mixed, "tutor data mix", [str(rows)], {"rows": 2})
    assert licence_of(data_entries({"data": str(mixed)})) is None


@pytest.mark.parametrize("names, licence", [
    (["CC BY 4.0", "CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"], "cc-by-4.0"),
    (["MIT AND CC BY 4.0", "mit"], "cc-by-4.0 AND mit"),
    (["my own", "MIT"], "mit AND my own"), (["All rights reserved"], "All rights reserved"), (["MIT", "unknown"], None)])
def test_a_licence_counts_once_however_it_is_written(names, licence):
    assert licence_of([{"file": "a.jsonl", "card": {"licences": {name: 1}}} for name in names]) == licence
