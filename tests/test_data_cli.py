"""`tutor data import|check|mix|split` as they are typed: shapes, cards, one line for every mistake."""

import json
import random

import pytest

from mlxtutor.files import write_atomic

CHANCE = random.Random(1)
RECORDS = [{"question": f"What is {n} times {n * n}? " + " ".join(f"w{CHANCE.randrange(900)}x" for _ in range(12)),
            "answer": f"Answer: {n ** 3}", "stars": n} for n in range(2, 32)]


@pytest.fixture
def tutor(tutor):
    return lambda *arguments: tutor("data", *arguments)


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "app.json"
    path.write_text(json.dumps({"records": [*RECORDS, {"question": "?"}]}))
    return path


def card(path):
    return json.loads((path.parent / f"{path.name}.card.json").read_text())


def test_import(tutor, records, tmp_path):
    out = tmp_path / "rows.jsonl"
    code, text, _ = tutor("import", records, "--licence", "MIT", "--out", out, "--json")
    found = json.loads(text)
    assert code == 0 and (found["read"], found["rows"], found["rejected"]) == (31, 30, {"schema": 1})
    row = json.loads(out.read_text().splitlines()[0])
    assert (row["id"], row["source"], row["licence"], row["extra"]) == ("app-000001", "app", "MIT", {"stars": 2})
    assert card(out)["inputs"][0]["file"] == "app.json" and card(out)["licences"] == {"MIT": 30}
    code, text, explained = tutor("import", records, "--out", out, "--explain")
    assert "app.json:1: app -> app-000001: user, assistant; kept as extra: stars" in explained
    assert "left out (schema): no answer of the assistant's" in explained
    assert max(map(len, text.splitlines()[:-1])) <= 80 or str(tmp_path) in text


def test_check_mix_split(tutor, records, tmp_path):
    rows, clean, mixed, parts = (tmp_path / name for name in ("rows.jsonl", "clean.jsonl", "mixed.jsonl", "parts"))
    tutor("import", records, "--licence", "MIT", "--out", rows)
    rows.write_text(rows.read_text() * 2)
    code, text, _ = tutor("check", rows, "--json", "--fix", clean, "--report", tmp_path / "report")
    found = json.loads(text)
    assert code == 0 and found["rows"] == 60 and found["counts"]["repeated"] == 30
    assert found["findings"][0].keys() >= {"line", "rule", "message"}
    assert found["fixed"]["rows"] == 30 and card(clean)["dropped"]["repeated"] == 30
    assert json.loads((tmp_path / "report/findings.json").read_text()) == found
    assert (tmp_path / "report/report.html").read_text().startswith("<!doctype html>")
    assert tutor("mix", clean, f"{rows}:2", "--seed", 7, "--out", mixed)[0] == 0
    assert {json.loads(line)["weight"] for line in mixed.read_text().splitlines()} == {3}
    assert card(mixed)["inputs"][0]["card"]["command"].startswith("tutor data check")
    before = mixed.read_bytes()
    tutor("mix", clean, f"{rows}:2", "--seed", 7, "--out", mixed)
    assert mixed.read_bytes() == before
    code, text, _ = tutor("split", mixed, "--val", 0.2, "--out", parts, "--json")
    assert code == 0 and json.loads(text)["rows"] == {"train": 24, "val": 6}
    assert card(parts / "val.jsonl")["rows"] == 6


def test_a_new_split_leaves_nothing_of_an_old_one(tutor, records, tmp_path):
    rows, clean, parts = tmp_path / "rows.jsonl", tmp_path / "clean.jsonl", tmp_path / "parts"
    tutor("import", records, "--licence", "MIT", "--out", rows)
    tutor("check", rows, "--fix", clean)
    assert tutor("split", clean, "--val", 0.2, "--test", 0.2, "--out", parts)[0] == 0
    assert tutor("split", clean, "--val", 0.2, "--out", parts)[0] == 0
    assert sorted(path.name for path in parts.glob("*.jsonl")) == ["train.jsonl", "val.jsonl"]
    (parts / "val.jsonl").write_text("mine\n")
    code, _, err = tutor("split", clean, "--val", 0.2, "--out", parts)
    assert code == 1 and "not written by tutor data split, or changed since" in " ".join(err.split())
    assert (parts / "val.jsonl").read_text() == "mine\n"


def test_what_a_row_cannot_keep_is_said(tutor, tmp_path):
    """By every command that writes rows, not by import alone."""
    said = [{"role": "user", "content": "Who is it that asks here?", "name": "Bob"},
            {"role": "assistant", "content": "You.", "tool_calls": [1]}]
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    other = [{"role": "user", "content": "And what about quite another thing?"}, {"role": "assistant", "content": "Yes."}]
    rows.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in (said, other)))
    notes = {"message field left out: name": 1, "message field left out: tool_calls": 1}
    for words in (["mix", rows, "--out", out], ["split", rows, "--val", 0.5, "--out", tmp_path / "parts"], ["check", rows, "--fix", out]):
        code, text, _ = tutor(*words)
        assert code == 0 and "noted: message field left out: tool_calls (1)" in text
        code, text, _ = tutor(*words, "--json")
        found = json.loads(text)
        assert code == 0 and found.get("notes", found.get("fixed", {}).get("notes")) == notes
    assert card(out)["notes"] == card(tmp_path / "parts" / "val.jsonl")["notes"] == notes


def test_a_report_in_the_place_of_a_file(tutor, records, tmp_path):
    """Is refused before anything is written."""
    (tmp_path / "report").write_text("mine")
    code, _, err = tutor("check", records, "--fix", tmp_path / "clean.jsonl", "--report", tmp_path / "report")
    assert code == 1 and "report: a file (the name of a folder is expected)" in " ".join(err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.json", "report"]


def test_a_folder_that_may_not_be_written_to(monkeypatch, tmp_path):
    """The error names the file that was asked for. Simulated: root may write anywhere."""
    def refused(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(PermissionError) as error:
        write_atomic(tmp_path / "clean.jsonl", b"")
    assert error.value.filename == str(tmp_path / "clean.jsonl")


@pytest.mark.parametrize("words, wanted", [
    (["build", "socratic", "--topic", "moons", "--out", "x.jsonl"], "--topic does nothing for socratic (allowed: --n, --exchanges"),
    (["build", "followup", "--train", "3", "--out", "x.jsonl"], "--train does nothing for followup"),
    (["build", "socratic", "--endpoint", "http://localhost:1/v1", "--out", "x.jsonl"], "--endpoint needs --model"),
    (["check", "app.json", "--against", "app.json", "--fix", "app.json"], "app.json: an input of this command"),
    (["import", "none.json", "--out", "x.jsonl"], "none.json: can't be read (No such file or directory)"),
    (["import", "app.json", "--out", "app.json"], "app.json: an input"),
    (["import", "app.json", "--out", "x.jsonl", "--format", "csv"], 'no format "csv" (allowed: messages, conversations, '),
    (["import", "app.json", "--out", "x.jsonl", "--format", "gsm8k", "--balanced", "moon"], 'no "moon" to balance by (has: id'),
    (["check", "app.json", "--rule", "dupes"], 'no rule "dupes" (allowed: schema, '),
    (["check", "app.json", "--against", "none.json"], "none.json: can't be read"),
    (["check", "app.json", "--fix", "app.json"], "app.json: an input of this command"),
    (["mix", "app.json:0", "--out", "x.jsonl"], "the weight is 0"),
    (["mix", "app.json", "--out", "app.json"], "app.json: an input"),
    (["split", "app.json", "--out", "parts", "--val", "0"], "nothing to split off"),
    (["split", "app.json", "--out", "parts"], "app.json:1: no answer of the assistant's (tutor data check --fix leaves such rows out)"),
])
def test_mistakes(tutor, records, tmp_path, monkeypatch, words, wanted):
    monkeypatch.chdir(tmp_path)
    code, _, err = tutor(*words)
    assert code == 1 and wanted in " ".join(err.split())
    assert len([line for line in err.splitlines() if line.strip()]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.json"]
