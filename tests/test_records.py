"""Import: every format, nothing lost unseen, hostile files."""

import csv
import gzip
import json
import random
import re
import sys
from datetime import date
from types import SimpleNamespace

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.errors import TutorError
from mlxtutor.records.benchmarks import calculator_parts
from mlxtutor.records.importing import ImportOptions, import_files, parse_columns, read_file
from mlxtutor.records.json_text import BadJSON, iter_records, parse_json
from mlxtutor.records.reading import Defect, Record, read_source
from mlxtutor.records.rows import Row, to_row
from mlxtutor.text.chat import check_messages, plain


def row_of(record: dict, form: str | None = None) -> Row:
    row = to_row(Record(1, record), form, "test", None)
    assert isinstance(row, Row), row
    return row


def said(row: Row) -> list[tuple[str, str]]:
    return [(message["role"], plain(message["content"])) for message in row.value["messages"]]


Q, A = "What is 2+2?", "It is 4."
PAIR = [("user", Q), ("assistant", A)]


@pytest.mark.parametrize("name, record, expected", [
    ("messages", {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}, PAIR),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, {"role": "assistant", "content": A}]}, PAIR),
    ("messages", {"system": "Be brief.", "messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]},
     [("system", "Be brief."), *PAIR]),
    ("conversations", {"conversations": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}, PAIR),
    ("conversations", {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]}, PAIR),
    ("alpaca", {"instruction": "Add.", "input": "2+2", "output": A}, [("user", "Add.\n\n2+2"), ("assistant", A)]),
    ("alpaca", {"instruction": Q, "input": "", "output": A, "tags": "sums, easy", "difficulty": 2}, PAIR),
    ("prompt-completion", {"prompt": Q, "completion": A}, PAIR),
    ("prompt-completion", {"prompt": [{"role": "user", "content": Q}], "completion": [{"role": "assistant", "content": A}]}, PAIR),
    ("gsm8k", {"question": Q, "answer": "2+2 = <<2+2=4>>4 in all.\n#### 4"}, [("user", Q), ("assistant", "2+2 = 4 in all.\nAnswer: 4")]),
    ("scienceqa", {"question": "Which is a metal?", "choices": ["iron", "wood"], "answer": 0, "hint": "", "lecture": "",
                   "solution": "Iron conducts.", "subject": "natural science", "topic": "physics"},
     [("user", "Which is a metal?\n\nA. iron\nB. wood"),
      ("assistant", "The answer is A. iron\n\nExplanation: Iron conducts.")]),
    ("bridge", {"c_h": [{"user": "tutor", "text": "And?"}, {"user": "student", "text": "4 m"}, {"user": "student", "text": "no"}],
                "c_r_": [{"user": "tutor", "text": "Why?"}], "e": "guess"},
     [("assistant", "And?"), ("user", "4 m\nno"), ("assistant", "Why?")]),
    ("app", {"question": Q, "answer": A}, PAIR),
    ("app", {"query": Q, "target": A, "context": ["Hello", "Hi"]}, [("user", "Hello"), ("assistant", "Hi"), *PAIR]),
    ("app", {"user": Q, "assistant": A, "context": "Student: Hello\nTutor: Hi\nthere"},
     [("user", "Hello"), ("assistant", "Hi\nthere"), *PAIR]),
    ("app", {"prompt": Q, "response": A, "context": "Chapter 2"}, [("system", "Chapter 2"), *PAIR]),
])
def test_formats(name, record, expected):
    row = row_of(record)
    assert row.format == name
    assert said(row) == expected
    check_messages(row.value["messages"])


def test_what_an_app_says_about_a_record():
    said_so = {"student_level": "High School", "answer_mode": "Axiomatic", "topic": "sums", "stars": 5}
    row = row_of({"question": Q, "answer": A, **said_so})
    assert {key: row.value[key] for key in ("learner_level", "answer_mode", "topic", "extra")} == {
        "learner_level": "teen", "answer_mode": "axiomatic", "topic": "sums", "extra": {"stars": 5}}
    assert row_of({"question": Q, "answer": A, "level": "intro"}).value["difficulty"] == "intro"


def test_text_rows():
    assert row_of({"text": "Charge is conserved.", "title": "1"}).value == {
        "id": "test-000001", "text": "Charge is conserved.", "source": "test", "extra": {"title": "1"}}


@given(st.text(min_size=1, alphabet=st.characters(blacklist_categories=("Cs",))).filter(str.strip))
def test_layout_survives(text):
    shared = {"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": text}]}
    for record in ({"question": text, "answer": text}, shared):
        assert said(row_of(record)) == [("user", text), ("assistant", text)] or "<|calc|>" in text


SIMPLE = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(SIMPLE, lambda value: st.lists(value) | st.dictionaries(st.text(), value), max_leaves=8))
def test_a_canonical_row_stays_as_it_is(extra):
    row = row_of({"question": Q, "answer": A, "level": "kids", "tags": ["a"], "note": extra}).value
    assert row_of(json.loads(json.dumps(row))).value == row


def test_novice_turns_of_a_tutoring_chat_dont_count():
    history = [{"user": "tutor", "text": "And?"}, {"user": "student", "text": "4"}]
    row = row_of({"c_h": history, "c_r_": [{"user": "tutor", "text": "Why?"}]})
    assert [message.get("train", True) for message in row.value["messages"] if message["role"] == "assistant"] == [False, True]


@pytest.mark.parametrize("text, parts", [
    ("48/2 = <<48/2=24>>24 clips.", [{"calc": "48/2", "result": "24"}, " clips."]),
    ("12/60 = $<<12/60=0.2>>0.2 a minute", ["$", {"calc": "12/60", "result": "0.2"}, " a minute"]),
    ("12 x 2 = <<12*2=24>>24.", [{"calc": "12*2", "result": "24"}, "."]),
    ("He has <<1000+1=1001>>1,001 apples", ["He has ", {"calc": "1000+1", "result": "1001"}, " apples"]),
    ("<<10/3=3.33>>3.33 m", [{"calc": "10/3", "result": "3.33"}, " m"]),
])
def test_calculator_calls(text, parts):
    found, notes = calculator_parts(text)
    assert [part for part in found if part != ""] == parts
    assert not notes


def test_a_call_that_is_wrong_stays_text():
    parts, notes = calculator_parts("2+2 = <<2+2=5>>5 and <<7//2=3>>3")
    assert "".join(parts) == "2+2 = 5 and 3"
    assert notes == ["calculator call kept as text: 2+2=5, but it is 4", "calculator call kept as text: 7//2=3, which can't be worked out"]


@pytest.mark.parametrize("record, message", [
    ({"question": Q, "answer": ""}, r"message 2, the assistant's, is empty"),
    ({"x": 1, "y": []}, r"no known format \(has: x \(a number\), y \(a list\); known: messages, .*"),
    ({"question": Q}, r"no answer of the assistant's"),
    ({"messages": "hi"}, r'"messages" is a text \(a list of turns is expected\)'),
    ({"messages": [{"role": "wizard", "content": "x"}]}, r'unknown role "wizard" \(known: system, .*'),
    ({"messages": [{"role": "user", "content": "x"}]}, r"no answer of the assistant's"),
    ({"question": Q, "choices": ["a", "b"], "answer": 2}, r'"answer" is 2 \(a choice from 0 to 1 is expected\)'),
    ({"question": Q, "answer": A, "weight": -1}, r'"weight" is -1 \(a number above 0, up to 1,000,000, is expected\)'),
    ({"question": Q, "answer": ["x"]}, r'"answer" is a list \(a text is expected\)'),
])
def test_what_is_wrong_is_said(record, message):
    defect = to_row(Record(7, record), None, "test", None)
    assert isinstance(defect, Defect)
    assert defect.line == 7
    assert re.fullmatch(message, defect.message)


def test_what_a_reviewer_found():
    """ScienceQA's letter stands in for its number; a heading is no final answer; not every label is a speaker."""
    science = {"question": "Which is a metal?", "choices": ["wood", "glass", "iron"]}
    assert row_of({**science, "answer_letter": "C"}).value["final_answer"] == "C"
    assert row_of({**science, "answer": "2"}).value["final_answer"] == "C"
    assert isinstance(to_row(Record(1, {**science, "answer": None}), None, "test", None), Defect)
    assert isinstance(to_row(Record(1, {**science, "answer": "AB"}), None, "test", None), Defect)
    headed = "Let me show.\n\n#### Step 1\nAdd 2.\n\n#### Step 2\nx = 5."
    assert said(row_of({"question": Q, "answer": headed})) == [("user", Q), ("assistant", headed)]
    context = "Tutor: Divide by two.\nAnswer: 24\nFunction: f(x)=x/2"
    assert said(row_of({"question": Q, "answer": A, "context": context}))[0] == ("assistant", context.removeprefix("Tutor: "))
    assert row_of({"question": Q, "answer": A, "weight": "2"}).value["weight"] == 2


def test_what_a_second_review_found(tmp_path):
    assert said(row_of({"user": "u123", "query": Q, "response": A})) == PAIR
    (tmp_path / "a.jsonl").write_text(json.dumps({"Frage": Q, "question": "q-17", "answer": A}) + "\n")
    row, = read_file(str(tmp_path / "a.jsonl"), ImportOptions(columns=(("Frage", "question"),)))
    assert said(row) == PAIR and row.value["extra"] == {"question_": "q-17"}
    document = {"text": "Export of our tutor", "records": [{"question": Q, "answer": A}]}
    assert next(iter_records(json.dumps(document)))[1]["question"] == Q
    assert row_of({"messages": None, "question": Q, "answer": A}).format == "app"
    assert row_of({"question": Q, "answer": A, "topic": ["sums"]}).value["extra"] == {"topic": ["sums"]}
    context = [{"role": "user", "content": [{"type": "text", "text": "This?"}, {"type": "image_url", "image_url": "x"}]}]
    assert any("picture" in note for note in row_of({"question": Q, "answer": A, "context": context}).notes)
    with pytest.raises(TutorError, match="a folder"):
        import_files([str(tmp_path / "a.jsonl")], tmp_path, ImportOptions())


def test_a_table_holds_texts(tmp_path):
    (tmp_path / "a.csv").write_text('question,answer\nWhich numbers?,"[2, 3]"\n')
    row, = read_file(str(tmp_path / "a.csv"), ImportOptions())
    assert said(row)[1] == ("assistant", "[2, 3]")


def test_columns_under_other_names(tmp_path):
    (tmp_path / "a.csv").write_text("Question;Answer;Level\nWhat?;That.;kids\n;;\n")
    row, blank = read_file(str(tmp_path / "a.csv"), ImportOptions())
    assert said(row) == [("user", "What?"), ("assistant", "That.")] and row.value["learner_level"] == "kids"
    assert (blank.line, blank.rule) == (3, "empty")
    (tmp_path / "b.csv").write_text("Frage;Antwort\nWas?;Das.\n")
    row, = read_file(str(tmp_path / "b.csv"), ImportOptions(columns=parse_columns(["Frage=question", "Antwort=answer"])))
    assert said(row) == [("user", "Was?"), ("assistant", "Das.")]
    with pytest.raises(TutorError, match="is no pair of names"):
        parse_columns(["Frage"])


def test_a_document_loses_no_record():
    records = [{"question": Q, "answer": A}]
    wrapped = json.dumps({"meta": {"records": []}, "records": records})
    assert list(iter_records(wrapped)) == [(1, {"meta": {"records": []}, **records[0]})]
    assert next(iter_records(json.dumps({"licence": "MIT", "records": records})))[1]["licence"] == "MIT"
    with pytest.raises(BadJSON, match="two lists of records"):
        list(iter_records(json.dumps({"records": records, "items": records})))


ROWS = [{"question": f"What is {n}+1?", "answer": f"It is {n + 1}."} for n in range(5)]


def write(path, form):
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    if form == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROWS[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(ROWS)
    elif form == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    elif form == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text({"array": json.dumps(ROWS, indent=1), "wrapped": json.dumps({"meta": 1, "records": ROWS}), "lines": text,
                         "keyed": json.dumps({str(n): row for n, row in enumerate(ROWS)})}[form])


@pytest.mark.parametrize("name, form", [
    ("a.jsonl", "lines"), ("a.json", "lines"), ("a.json", "array"), ("a.json", "wrapped"), ("a.json", "keyed"), ("a.csv", "csv"),
    ("a.parquet", "parquet"), ("a.jsonl.gz", "gz"), ("a", "lines"), ("a", "array")])
def test_files(tmp_path, name, form):
    write(tmp_path / name, form)
    account = import_files([str(tmp_path / name)], tmp_path / "out.jsonl", ImportOptions())
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert account.written == 5 and not account.rejected
    assert [[message["content"] for message in row["messages"]] for row in rows] == [[row["question"], row["answer"]] for row in ROWS]


def test_utf16_and_marks(tmp_path):
    for encoding in ("utf-16", "utf-8-sig"):
        (tmp_path / "a.jsonl").write_text(json.dumps({"question": "Wie groß?", "answer": "3 µC"}, ensure_ascii=False), encoding=encoding)
        row, = read_file(str(tmp_path / "a.jsonl"), ImportOptions())
        assert said(row) == [("user", "Wie groß?"), ("assistant", "3 µC")]


def test_an_array_knows_its_lines():
    text = json.dumps(ROWS, indent=2)
    assert [line for line, _ in iter_records(text)] == [text[:text.index(json.dumps(row["question"]))].count("\n") for row in ROWS]


@pytest.mark.parametrize("text, reason", [
    ('{"a": 1, "a": 2}', 'the key "a" stands twice'), ('{"a": NaN}', "NaN is no JSON"), ("[" * 100_000, "nested too deeply"),
    ("[" * 70 + "]" * 70, "nested too deeply"), ('{"a"', "character 5"), ("1" * 5000, "digits"), ('{"a": 1e999}', "too large")])
def test_strict_json(text, reason):
    with pytest.raises(BadJSON, match=reason):
        parse_json(text)


def test_nothing_is_written_when_nothing_can_be_taken(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    with pytest.raises(TutorError, match=r"nothing to import: .*a.jsonl:1: no known format \(has: x"):
        import_files([str(tmp_path / "a.jsonl")], tmp_path / "out.jsonl", ImportOptions())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def test_balanced_is_a_function_of_the_seed(tmp_path):
    rows = [{"question": f"q{n}", "answer": "a", "topic": "rare" if n % 10 == 0 else "common"} for n in range(100)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def topics(**options):
        import_files([str(tmp_path / "a.jsonl")], tmp_path / "out.jsonl", ImportOptions(balanced="topic", **options))
        data = (tmp_path / "out.jsonl").read_bytes()
        return [json.loads(line)["topic"] for line in data.splitlines()], data

    drawn, first = topics()
    assert sorted(drawn) == ["common"] * 10 + ["rare"] * 10
    assert topics()[1] == first != topics(seed=2)[1]
    assert sorted(topics(limit=30)[0]) == ["common"] * 20 + ["rare"] * 10


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A file as it comes from a broken disk, a wrong editor or an attacker."""
    at = chance.randrange(len(data))
    return chance.choice([
        lambda: data[:at], lambda: data[:at] + b"\xff\xfe" + data[at:], lambda: data[:at] + b"\0" + data[at:],
        lambda: data.decode().encode("utf-16"), lambda: data[:at] + b'{"a":' * 5000 + data[at:], lambda: data[:at] + b"NaN" + data[at:],
        lambda: data.replace(b'"answer"', b'"question"', 1), lambda: data[:at] + b"\n" + data[at:], lambda: data.replace(b"[", b"", 1),
        lambda: bytes(chance.randrange(256) for _ in range(200)), lambda: data[:at] + bytes([chance.randrange(256)]) + data[at + 1:],
        lambda: data.replace(b'"', b"'"), lambda: data.replace(b"It", b"\\ud800"), lambda: data.replace(b"1", b"9" * 5000, 1),
        lambda: b""])()


@pytest.mark.parametrize("name, form", [
    ("a.jsonl", "lines"), ("a.json", "array"), ("a.csv", "csv"), ("a.jsonl.gz", "gz"), ("a.parquet", "parquet")])
def test_hostile_files(tmp_path, name, form):
    """1,000 broken files over the formats: an error of one line or counted findings, and an output that is whole or absent."""
    write(tmp_path / name, form)
    good, chance, out = (tmp_path / name).read_bytes(), random.Random(name), tmp_path / "out" / "rows.jsonl"
    for _ in range(200):
        data = mutate(gzip.decompress(good), chance) if form == "gz" and chance.random() < .5 else b""
        (tmp_path / name).write_bytes(gzip.compress(data) if data else _bytes_mutated(good, chance))
        try:
            account = import_files([str(tmp_path / name)], out, ImportOptions())
        except TutorError as error:
            assert "\n" not in str(error)
            assert not out.exists()
        else:
            rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
            assert len(rows) == account.written == account.read - sum(account.rejected.values())
            for row in rows:
                check_messages(row["messages"]) if "messages" in row else row["text"]
            out.unlink()
        assert not list(out.parent.glob(".*")) if out.parent.exists() else True


def _bytes_mutated(data: bytes, chance: random.Random) -> bytes:
    try:
        return mutate(data, chance)
    except UnicodeDecodeError:  # no text to write in another encoding
        return data[:len(data) // 2]


def test_a_hub_dataset(monkeypatch):
    """Rows as the hub streams them: with dates, bytes, pictures and NaN in them."""
    asked = {}

    def load_dataset(name, **options):
        asked.update(options, name=name)
        return iter([{"question": Q, "answer": A, "day": date(2026, 1, 2), "picture": b"\x89PNG", "score": float("nan")}])

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    row, = read_file("hub:someone/sums:test", ImportOptions())
    assert said(row) == PAIR and asked == {"name": "someone/sums", "split": "test", "streaming": True}
    assert row.value["source"] == "someone/sums:test" and row.value["extra"] == {"day": "2026-01-02", "picture": "<bytes>"}


def test_a_line_of_any_length(tmp_path):
    good = json.dumps(ROWS[0])
    (tmp_path / "a.jsonl").write_text(good + "\n" + '{"question": "' + "x" * 17_000_000 + '", "answer": "y"}\n' + good + "\n")
    first, long, last = read_source(str(tmp_path / "a.jsonl"))
    assert isinstance(first, Record) and isinstance(last, Record) and last.line == 3
    assert (long.line, long.rule) == (2, "length")
