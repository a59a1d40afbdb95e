"""Files of records: every kind, strict JSON with lines, hostile files."""

import csv
import gzip
import json
import random
import sys
from datetime import date
from types import SimpleNamespace

import pyarrow
import pyarrow.parquet
import pytest

from mlxtutor.datasets.rows import read_rows
from mlxtutor.errors import TutorError
from mlxtutor.records.importing import ImportOptions, import_files, parse_columns, read_file
from mlxtutor.records.json_text import BadJSON, iter_records, parse_json
from mlxtutor.records.reading import Record, read_source
from mlxtutor.records.rows import Row
from mlxtutor.text.chat import check_messages, plain

Q, A = "What is 2+2?", "It is 4."
PAIR = [("user", Q), ("assistant", A)]


def said(row: Row) -> list[tuple[str, str]]:
    return [(message["role"], plain(message["content"])) for message in row.value["messages"]]


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


BAD = '{"question": "a "quoted" word?", "answer": "x"}'


@pytest.mark.parametrize("indent, bad", [(None, BAD), (1, BAD), (None, '{"question": "cut'), (None, '{"question": 1 "answer": [{}]}')])
def test_one_bad_record_of_an_array_loses_no_other(tmp_path, indent, bad):
    """Where every record begins a line; the bad one is counted with its line."""
    texts = [json.dumps({**row, "extra": [{"a": 1}, {"b": 2}]}, indent=indent) for row in ROWS]
    texts = [" " * (indent or 0) + text.replace("\n", "\n ") for text in [*texts[:2], bad, *texts[2:]]]
    (tmp_path / "a.json").write_text("[\n" + ",\n".join(texts) + "\n]")
    account = import_files([str(tmp_path / "a.json")], tmp_path / "out.jsonl", ImportOptions())
    assert (account.read, account.written, dict(account.rejected)) == (6, 5, {"schema": 1})
    line = 2 + sum(text.count("\n") + 1 for text in texts[:2])
    assert account.named["schema"][0].startswith(f"{tmp_path / 'a.json'}:{line}: not JSON (")


def test_well_formed_records_that_are_no_good_stop_nothing(tmp_path):
    twice, rest = '{"question": "a", "question": "b", "answer": "c"}', json.dumps(ROWS)[1:]
    (tmp_path / "a.json").write_text(f'[{twice}, {{"question": NaN, "answer": "d"}}, {rest}')
    account = import_files([str(tmp_path / "a.json")], tmp_path / "out.jsonl", ImportOptions())
    assert (account.read, account.written) == (7, 5)


def test_what_nobody_can_read_on_is_an_error(tmp_path):
    good = json.dumps(ROWS)
    (tmp_path / "a.json").write_text(good[:-1] + ", " + BAD + ",\n" + good[1:])
    with pytest.raises(TutorError, match=r"a.json:1: not JSON \(.*\); 2 lines can't be read from there on \(repair that record"):
        import_files([str(tmp_path / "a.json")], tmp_path / "out.jsonl", ImportOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_named_jsonl(tmp_path, indent):
    for document in (ROWS, *([{"records": ROWS}] if indent else [])):  # on one line that is a record, of no known format
        (tmp_path / "a.jsonl").write_text(json.dumps(document, indent=indent))
        assert len(list(read_file(str(tmp_path / "a.jsonl"), ImportOptions()))) == 5
    (tmp_path / "a.jsonl").write_text("[1, 2]\n" + json.dumps(ROWS[0]) + "\n")
    assert [type(item).__name__ for item in read_file(str(tmp_path / "a.jsonl"), ImportOptions())] == ["Defect", "Row"]
    (tmp_path / "b.jsonl").write_text(json.dumps(ROWS, indent=1))
    with pytest.raises(TutorError, match="b.jsonl:1: .*a JSON document, so name it .json"):
        list(read_rows(tmp_path / "b.jsonl"))


def test_lines_named_json_are_read_though_the_first_is_broken(tmp_path):
    (tmp_path / "a.json").write_text('{"question": "a "b""}\n' + "".join(json.dumps(row) + "\n" for row in ROWS))
    assert [type(item).__name__ for item in read_file(str(tmp_path / "a.json"), ImportOptions())] == ["Defect", *["Row"] * 5]


@pytest.mark.parametrize("text, reason", [
    ('{"a": 1, "a": 2}', 'the key "a" stands twice'), ('{"a": NaN}', "NaN is no JSON"), ("[" * 100_000, "nested too deeply"),
    ("[" * 70 + "]" * 70, "nested too deeply"), ('{"a"', "character 5"), ("1" * 5000, "digits"), ('{"a": 1e999}', "too large")])
def test_strict_json(text, reason):
    with pytest.raises(BadJSON, match=reason):
        parse_json(text)


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
