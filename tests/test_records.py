"""Import: every format as a row, nothing lost unseen."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.errors import TutorError
from mlxtutor.records.benchmarks import calculator_parts
from mlxtutor.records.importing import ImportOptions, import_files, read_file
from mlxtutor.records.json_text import iter_records
from mlxtutor.records.reading import Defect, Record
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


@pytest.mark.parametrize("field", ["topic", "group", "id", "source", "difficulty", "level"])
def test_what_is_no_text_stays_where_it_is(field):
    assert row_of({"question": Q, "answer": A, field: True}).value["extra"] == {field: True}


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


@pytest.mark.parametrize("rest", ['\n{"question": "What is 5 plus one?", "answer": "6"}', '[{"question": "a", "answer": "c"}]', "\nwords"])
def test_what_follows_an_array_is_not_lost(tmp_path, rest):
    from mlxtutor.records.json_text import BadJSON, iter_records

    with pytest.raises(BadJSON, match="something follows the array"):
        list(iter_records('[{"question": "What is 2 plus two?", "answer": "4"}]' + rest))
