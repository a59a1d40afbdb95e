"""A damaged card or history: one line where it is the one used, and no other model is kept from anything."""

from __future__ import annotations

import json
import shutil

import hub_models
import pytest
from hub_models import one_line
from registry_process import add

from mlxtutor.errors import TutorError
from mlxtutor.registry.card import check_card
from mlxtutor.registry.models import list_models, register, resolve
from mlxtutor.registry.promotion import history, promote, rollback
from mlxtutor.registry.removal import remove

CARDS = [
    ("{", "not JSON"), ("[]", "[] (wanted: an object)"), (b"\xff{}", "not JSON"), ("[" * 100_000, "not JSON"),
    ({"created": None}, '"created" is null (wanted: text)'), ({"kind": None}, '"kind" is null'), ({"kind": 5}, '"kind" is 5'),
    ({"parents": ["x"]}, '"parents[0]" is "x" (wanted: an object)'), ({"parents": {"a": 1}}, "wanted: a list"),
    ({"parents": [{"role": "base"}]}, '"parents[0].model" is missing'), ({"parents": [{"model": None}]}, "parents[0].model"),
    ({"files": {"a": 1}}, '"files.a" is 1'), ({"files": {"a": {"sha256": "x"}}}, '"files.a.size" is missing'),
    ({"files": ["a"]}, '"files" is ["a"]'), ({"digest": 5}, '"digest" is 5'),
    ({"evaluation": "text"}, '"evaluation" is "text"'),
    ({"evaluation": {"after": {"splits": {"values": 1}}}}, '"evaluation.after.splits.values'),
    ({"evaluation": {"after": {"splits": {"values": {"n": 1, "scores": {"correct": 1}}}}}}, "scores.correct"),
    ({"parameters": "many"}, '"parameters" is "many" (wanted: a whole number)'), ({"parameters": True}, '"parameters" is true'),
    ({"data": ["x"]}, '"data[0]" is "x"'), ({"data": "x"}, '"data" is "x"'), ({"data": {"card": 1}}, '"data[0].card" is 1'),
    ({"data": [{"card": {"inputs": [{"card": {"licences": ["MIT"]}}]}}]}, "inputs[0].card.licences"),
    ({"licence": ["mit"]}, '"licence" is ["mit"] (wanted: text)'), ({"recipe": "abc"}, '"recipe" is "abc"'),
    ({"recipe": {"system": ["a"]}}, '"recipe.system" is ["a"]'), ({"recipe": {"stages": [1]}}, '"recipe.stages[0]" is 1'),
    ({"stages": [{"name": "a"}]}, "is missing"), ({"size": "big"}, '"size" is "big"'), ({"code": {"commit": 5}}, '"code.commit" is 5'),
    ({"origin": "x"}, '"origin" is "x"'), ({"origin": {"repo": 5}}, '"origin.repo" is 5'), ({"backend": "mlx", "dtype": None}, '"dtype"'),
]
LINES = ["{", "[]", '{"time": "x"}', '{"time": "x", "event": "jump", "from": 1, "to": 2}', b"\xff\xfe",
         '{"time": "x", "event": "promote", "from": "1", "to": 2}', '{"time": 5, "event": "promote", "from": 1, "to": 2}',
         '{"time": "x", "event": "promote", "from": true, "to": 2}', '{"time": "x", "event": "promote", "from": 1, "to": 2, "note": null}']


def damage(folder, card):
    path = folder / "tutor.json"
    path.chmod(0o644)
    if isinstance(card, dict):
        card = json.dumps({**json.loads(path.read_text()), **card})
    path.write_bytes(card if isinstance(card, bytes) else card.encode())


def append(models, name, line):
    with (models / name / "history.jsonl").open("ab") as file:
        file.write((line if isinstance(line, bytes) else line.encode()) + b"\n")


@pytest.fixture
def two(models):
    """a@1, then b@1."""
    return add(models, "a", "one"), add(models, "b", "two")


@pytest.mark.parametrize("card, said", CARDS, ids=[str(said) for _, said in CARDS])
def test_a_damaged_card_keeps_no_other_model_from_anything(tutor, models, two, card, said):
    damage(two[0].path, card)
    code, out, err = tutor("models", "list")
    assert code == 0 and "a@1" in out and "damaged" in out and said in err and "b@1" in out
    rows = {row["name"]: row["problem"] for row in json.loads(tutor("models", "list", "--json")[1])}
    assert said in rows["a"] and rows["b"] is None
    assert tutor("models", "show", "b")[0] == tutor("models", "show")[0] == tutor("models", "verify", "b")[0] == 0
    code, out, _ = tutor("models", "verify", "--json")
    assert code == 1 and [row["whole"] for row in json.loads(out)] == [False, True]
    assert "DAMAGED" in tutor("models", "verify")[1] and tutor("models", "promote", "b@1")[0] == 0
    for words in (("show", "a"), ("show", two[0].path), ("promote", "a@1"), ("verify", "a@1"), ("rollback", "a")):
        assert said in one_line(tutor("models", *words)[2]), words
    assert "tutor models remove a@1" in one_line(tutor("models", "show", "a")[2])
    assert add(models, "a", "three").id == "a@2"
    assert tutor("models", "remove", "a@1")[0] == 0 and tutor("models", "list")[2] == ""


@pytest.mark.parametrize("card", [{"recipe": "abc"}, {"parents": ["x"]}, {"data": [1]}, {"licence": ["mit"], "recipe": {"system": ["a"]}}])
def test_a_folder_with_a_damaged_card_is_one_line(tutor, models, tiny_tokenizer, tmp_path, card):
    shutil.copytree(hub_models.micro(models, tiny_tokenizer).path, folder := tmp_path / "given")
    damage(folder, card)
    for words in (("models", "show", folder), ("export", "hf", folder, "--out", tmp_path / "out"), ("hub", "push", folder, "me/x")):
        assert f"{folder}/tutor.json: not a model's card" in one_line(tutor(*words)[2])


def test_cards_that_are_sound(models, tiny_tokenizer):
    for card in ({}, {"data": {"file": "x.jsonl"}}, {"parents": None, "recipe": None, "evaluation": {}, "stages": []},
                 {"parents": [{"role": "base", "model": "Q/w", "digest": None}], "evaluation": {"before": {"splits": {}}}},
                 hub_models.on_data(models, tiny_tokenizer, [hub_models.data(licences=["MIT"])]).card):
        check_card(card, "here")


@pytest.mark.parametrize("line", LINES)
def test_a_damaged_history_keeps_no_other_model_from_anything(tutor, models, two, line):
    append(models, "a", line)
    said = "history.jsonl:2: no event of a history"
    for call in (lambda: resolve(models, "a"), lambda: promote(models, "a@1"), lambda: rollback(models, "a"),
                 lambda: remove(models, "a@1"), lambda: history(models, "a")):
        with pytest.raises(TutorError, match=said):
            call()
    assert two[0].path.exists() and promote(models, "b@1").new.stable and resolve(models, None).id == "b@1"
    code, out, err = tutor("models", "list")
    assert code == 0 and said in err and "b@1" in out
    code, out, _ = tutor("models", "history", "--json")
    assert code == 0 and [(row["name"], row["event"]) for row in json.loads(out)] == [("a", "damaged"), ("b", "promote")]
    assert tutor("models", "history")[0] == 0
    made = register(models, "a", {}, lambda folder: (folder.mkdir(), (folder / "x").write_text("hours of training")))
    assert made.version == (3 if b'"to": 2' in (models / "a" / "history.jsonl").read_bytes().splitlines()[1] else 2)
    assert (made.path / "x").exists()
    remove(models, add(models, "c", "three").id)


def test_a_removal_that_was_cut_off_waits_for_its_history(models, two):
    two[0].path.rename(models / "a" / ".removed-1")
    append(models, "a", "{")
    assert promote(models, "b@1").new.stable
    assert add(models, "a", "three").id == "a@2"


def test_a_line_that_was_cut_off_takes_no_other_with_it(models, two):
    path = models / "a" / "history.jsonl"
    path.write_bytes(path.read_bytes() + b'{"time"')
    assert add(models, "a", "three").id == "a@2"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if line.endswith("}\n")))
    assert resolve(models, "a").id == "a@2"


def test_a_note_with_a_separator_is_one_line(models, two):
    promote(models, "a@1", "one\u2028two\x85three")
    assert history(models)[-1]["note"] == "one\u2028two\x85three"


def test_a_number_stays_given_where_the_folder_is_deleted_by_hand(models, two):
    shutil.rmtree(add(models, "a", "two").path)
    assert add(models, "a", "three").id == "a@3"
    shutil.rmtree(models / "a" / "3")
    shutil.rmtree(models / "a" / "1")
    assert list_models(models) == [resolve(models, "b@1")] and add(models, "a", "four").id == "a@4"


@pytest.mark.parametrize("change", [promote, remove])
def test_a_digest_of_several_versions_changes_none(models, change):
    ref, other = add(models, "a", "one"), add(models, "b", "one")
    for digest in (ref.digest, ref.digest[:20]):
        with pytest.raises(TutorError, match=rf'which one\? "{digest}" is a@1, b@1 .e.g. tutor models {change.__name__} a@1.'):
            change(models, digest)
    assert ref.path.exists() and other.path.exists()
    remove(models, "b@1")
    assert promote(models, ref.digest).new.id == "a@1"
