"""`tutor models` and the commands that take a model: what they print, what scripts get, what is refused."""

from __future__ import annotations

import json

import pytest
from registry_process import add

from mlxtutor.records.card import write_card
from mlxtutor.registry.models import register
from mlxtutor.registry.origin import data_entries

WORDS = ["list", "show", "promote", "rollback", "history", "remove", "verify"]


def scored(models, name, content, value, parents=()):
    share, off = ({"value": value, "low": value - .1, "high": value + .1, "n": n} for value, n in ((value, 40), (value - .2, 9)))
    splits = {split: {"n": 49, "scores": {"correct": share, "correct_off": off}} for split in ("values", "wordings", "others")}

    def write(folder):
        folder.mkdir()
        (folder / "model.safetensors").write_text(content)

    card = {"kind": "micro", "parameters": 2_065_344, "parents": list(parents),
            "evaluation": {"id": "0123456789abcdef", "before": {"splits": {}}, "after": {"splits": splits}}}
    return register(models, name, card, write)


@pytest.fixture
def models(tutor_home):
    """em-tutor@1 (stable), @2 built on it, and my-adapter@1 built on @2."""
    models = tutor_home / "models"
    first = scored(models, "em-tutor", "one", .75)
    second = scored(models, "em-tutor", "two", .82, [{"role": "base", "model": "em-tutor@1", "digest": first.digest}])
    add(models, "my-adapter", "three", [second])
    return models


def narrow(out):
    return max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("word", WORDS)
def test_every_command_has_help_with_an_example(tutor, word):
    code, out, _ = tutor("models", word, "--help")
    assert code == 0 and f"Example: tutor models {word}" in " ".join(out.split())


def test_promote_compares_the_two(tutor, models):
    code, out, _ = tutor("models", "promote", "em-tutor@1")
    assert code == 0 and out == "em-tutor@1 is the stable version\n"
    code, out, _ = tutor("models", "promote", "em-tutor@2", "--note", "tried with a class")
    assert code == 0 and narrow(out) and "em-tutor@2 is the stable version, in place of em-tutor@1" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["values", "40", "75.0", "%", "65.0-85.0", "82.0", "%", "72.0-92.0"] in lines
    assert ["calculator", "off", "9", "55.0", "%", "45.0-65.0", "62.0", "%", "52.0-72.0"] in lines and "49" not in out
    assert tutor("models", "promote", "em-tutor@2")[1] == "em-tutor@2 is the stable version already\n"


def test_promotion_and_rollback_for_scripts(tutor, models):
    tutor("models", "promote", "em-tutor@1")
    document = json.loads(tutor("models", "promote", "em-tutor@2", "--json")[1])
    assert (document["model"], document["from"], document["changed"]) == ("em-tutor@2", "em-tutor@1", True)
    assert document["evaluation"]["from"]["values"]["scores"]["correct"]["value"] == .75
    assert document["evaluation"]["to"]["values"]["scores"]["correct_off"]["n"] == 9
    assert json.loads(tutor("models", "promote", "em-tutor@2", "--json")[1])["changed"] is False
    document = json.loads(tutor("models", "rollback", "em-tutor", "--json")[1])
    assert (document["model"], document["from"]) == ("em-tutor@1", "em-tutor@2")
    document = json.loads(tutor("models", "rollback", "em-tutor", "--to", 0, "--json")[1])
    assert (document["model"], document["from"], document["evaluation"]["to"]) == (None, "em-tutor@1", {})
    rows = json.loads(tutor("models", "history", "em-tutor", "--json")[1])
    assert [row["event"] for row in rows] == ["promote", "promote", "rollback", "rollback"]
    assert all(set(row) == {"name", "time", "event", "from", "to", "note"} for row in rows)


def test_list_marks_the_stable_one(tutor, models):
    tutor("models", "promote", "em-tutor@1")
    out = tutor("models", "list")[1]
    assert narrow(out) and [line.split()[:2] for line in out.splitlines() if "stable" in line] == [["em-tutor@1", "stable"]]
    rows = json.loads(tutor("models", "list", "--json")[1])
    assert [(row["name"], row["version"], row["stable"]) for row in rows] == [
        ("em-tutor", 1, True), ("em-tutor", 2, False), ("my-adapter", 1, False)]
    assert all(row["digest"].startswith("sha256:") and row["size"] > 0 for row in rows)


def test_show_draws_the_family(tutor, models):
    tutor("models", "promote", "em-tutor@2")
    _, out, err = tutor("models", "show", "em-tutor", "--tree")
    assert err == "also here: em-tutor@1 (e.g. tutor models show em-tutor@1)\n"
    assert tutor("models", "show", "em-tutor@2", "--tree")[2] == tutor("models", "show", "my-adapter")[2] == ""
    assert out == ("em-tutor@2 · micro · stable · 82.0 % correct\n"
                   "├── made from\n"
                   "│   └── base: em-tutor@1 · micro · 75.0 % correct\n"
                   "└── built on it\n"
                   "    └── my-adapter@1 · micro · as base\n")
    whole = tutor("models", "show")[1]
    assert "  calculator off         9" in whole
    assert out in whole and narrow("\n".join(line for line in whole.splitlines() if not line.startswith("folder")))
    document = json.loads(tutor("models", "show", "em-tutor@2", "--json")[1])
    assert document["children"] == [{"role": "base", "model": "my-adapter@1"}] and document["parents"][0]["model"] == "em-tutor@1"
    assert document["manifest"]["model.safetensors"]["size"] == document["files"]["model.safetensors"] == 3


def test_folders_that_are_no_models(tutor, models, tmp_path):
    code, out, err = tutor("models", "show", tmp_path)
    assert code == 1 and out == "" and "not a model directory (no config.json in it)" in err and "Errno" not in err
    assert "error: no such folder: /no/such/folder" in tutor("models", "show", "/no/such/folder")[2]
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    assert tutor("models", "show", tmp_path / "lora")[0] == 0


def test_show_draws_data_and_parents_that_are_elsewhere(tutor, tutor_home, tmp_path):
    rows, mixed = tmp_path / "rows.jsonl", tmp_path / "mixed.jsonl"
    for path in (rows, mixed):
        path.write_text("{}\n")
    write_card(rows, "tutor data import", [], {"rows": 1234, "licences": {"MIT": 1234}})
    write_card(mixed, "tutor data mix", [str(rows)], {"rows": 2})
    card = {"kind": "lora", "data": data_entries({"data": str(mixed)}),
            "parents": [{"role": "base", "model": "Qwen/Qwen2.5-7B", "digest": None}]}
    register(tutor_home / "models", "mine", card, lambda folder: (folder.mkdir(), (folder / "adapter.bin").write_text("x")))
    out = tutor("models", "show", "--tree")[1]
    assert "base: Qwen/Qwen2.5-7B (not in the registry)" in out and "mixed.jsonl · data · 2 rows" in out
    assert "    └── rows.jsonl · 1,234 rows · MIT · sha256:" in out


def test_an_old_card_is_shown(tutor, tutor_home):
    folder = tutor_home / "models" / "old" / "1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("weights")
    (folder / "tutor.json").write_text(json.dumps({"kind": "micro", "created": "2025-01-01T00:00", "data": {"file": "x.jsonl"}}))
    assert "x.jsonl" in tutor("models", "show")[1]
    assert json.loads(tutor("models", "show", "--json")[1])["data"] == [{"file": "x.jsonl"}]
    code, out, _ = tutor("models", "verify")
    assert code == 0 and "no manifest" in out and narrow(out)
    assert json.loads(tutor("models", "verify", "old", "--json")[1])[0]["whole"] is None


def test_verify_says_what_was_edited(tutor, models):
    code, out, _ = tutor("models", "verify")
    assert code == 0 and out.count("whole") == 3
    path = models / "em-tutor" / "2" / "model.safetensors"
    path.chmod(0o644)
    path.write_text("edited")
    code, out, err = tutor("models", "verify")
    assert code == 1 and "changed: model.safetensors" in out and err == "" and narrow(out)
    code, out, _ = tutor("models", "verify", "em-tutor@2", "--json")
    assert code == 1 and json.loads(out) == [{"model": "em-tutor@2", "path": str(path.parent), "whole": False, "sealed": True,
                                              "changed": ["model.safetensors"], "missing": [], "added": []}]
    assert tutor("models", "verify", "em-tutor@1")[0] == 0


@pytest.mark.parametrize("field", ["licence", "data", "parents", "recipe", "evaluation"])
def test_an_edited_card_is_seen_by_verify_promote_push_and_export(tutor, models, tmp_path, field):
    edit_card(models / "em-tutor" / "1", **{field: None})
    assert json.loads(tutor("models", "verify", "em-tutor@1", "--json")[1])[0]["changed"] == ["tutor.json"]
    assert "not what was registered (changed: tutor.json), so it is not promoted" in tutor("models", "promote", "em-tutor@1")[2]
    assert "em-tutor@1 is not what was registered (changed: tutor.json)" in tutor("hub", "push", "em-tutor@1", "me/x")[2]
    code, _, err = tutor("export", "hf", "em-tutor@1", "--out", tmp_path / "out")
    assert code == 1 and "em-tutor" in err and "was registered" in err and not (tmp_path / "out").exists()


def edit_card(folder, **changes):
    card = folder / "tutor.json"
    card.chmod(0o644)
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}, ensure_ascii=False, indent=2) + "\n")


def test_a_model_from_before_cards_were_sealed_goes_on_and_is_said(tutor, models):
    (models / "em-tutor" / "1" / ".tutor.json.sha256").unlink()
    code, out, _ = tutor("models", "verify", "em-tutor@1")
    assert code == 0 and "whole" in out and "its card not checked" in " ".join(out.split()) and narrow(out)
    row, = json.loads(tutor("models", "verify", "em-tutor@1", "--json")[1])
    assert (row["whole"], row["sealed"]) == (True, False) and tutor("models", "promote", "em-tutor@1")[0] == 0


def test_remove_and_history(tutor, models):
    code, _, err = tutor("models", "remove", "em-tutor@2")
    assert code == 1 and "em-tutor@2 stays: my-adapter@1 built on it" in err and len(err.splitlines()) == 1
    assert json.loads(tutor("models", "remove", "my-adapter@1", "--json")[1])["removed"] == "my-adapter@1"
    assert tutor("models", "remove", "em-tutor@2")[1] == "em-tutor@2 is removed, 3 B\n"
    tutor("models", "promote", "em-tutor@1", "--note", "the [first] one")
    out = tutor("models", "history")[1]
    assert narrow(out) and "the [first] one" in out and out.count("remove") == 2
    assert tutor("models", "history", "nobody")[0] == 1


def test_nothing_yet(tutor):
    assert json.loads(tutor("models", "history", "--json")[1]) == json.loads(tutor("models", "verify", "--json")[1]) == []
    assert "nothing promoted" in tutor("models", "history")[1] and "tutor train" in tutor("models", "verify")[1]


@pytest.mark.parametrize("words", [("promote",), ("rollback",), ("remove",), ("rollback", "em-tutor", "--to", "-1")], ids=" ".join)
def test_bad_usage_exits_with_2(tutor, words):
    assert tutor("models", *words)[0] == 2
