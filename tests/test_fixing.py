"""--fix takes out what is certain, changes nothing else, and says what it did; the report."""

import json

import pytest
from planted import chat, check

from mlxtutor.errors import TutorError
from mlxtutor.quality.checking import CheckOptions, check_file
from mlxtutor.quality.fixing import fix_file, log_path
from mlxtutor.quality.report import render_report


def test_the_log_tells_nobody(tmp_path):
    checked = check(tmp_path, [{**chat("Write to mia@example.org, +49 30 901820."), "id": "mia@example.org"}])
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    written = (tmp_path / "clean.jsonl").read_text() + log_path(tmp_path / "clean.jsonl").read_text() + json.dumps(checked.as_dict())
    assert "mia@" not in written and "901820" not in written


def test_fix(tmp_path, problems):
    rows = [*problems[:30], problems[4], chat("Mail me at ada@example.org or call (212) 555-2368."), chat("30Â° is the angle?"),
            chat("Why is that so?", "Because the"), {"messages": [*chat("Who?")["messages"], {"role": "user", "content": "And?"}]}]
    checked = check(tmp_path, rows)
    counts = fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    assert counts == {"rows": 33, "dropped": {"repeated": 1, "truncated": 1},
                      "changed": {"email": 1, "phone": 1, "encoding": 1, "roles": 1}, "left": {"licence": 1}}
    clean = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [row["messages"][0]["content"] for row in clean[30:]]
    assert asked == ["Mail me at [email] or call [phone].", "30° is the angle?", "Who?"]
    assert [len(row["messages"]) for row in clean[30:]] == [2, 2, 2]
    assert [row["messages"] for row in clean[:30]] == [row["messages"] for row in problems[:30]]
    log = log_path(tmp_path / "clean.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in log] == [31, 32, 32, 33, 34, 35]
    again = check_file(str(tmp_path / "clean.jsonl"), CheckOptions())
    assert not [finding for finding in again.findings if finding.certain]


def test_fix_knows_records_of_one_line(tmp_path):
    """In a minified array every record is on line 1."""
    rows = [chat("What is an ion?", "An ion is the"), chat("Mail me at ada@example.org?"), chat("What is 2+2?"), chat("What is 2+2?")]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    checked = check_file(str(tmp_path / "rows.json"), CheckOptions())
    fix_file(str(tmp_path / "rows.json"), checked.findings, tmp_path / "clean.jsonl")
    clean = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in clean] == ["Mail me at [email]?", "What is 2+2?"]
    assert len({row["id"] for row in clean}) == 2


def test_fix_leaves_no_personal_data(tmp_path):
    rows = [chat("mÃ¼ller@example.org?", student_email="kid@example.org"), chat("ann@example.org or joann@example.org?")]
    checked = check(tmp_path, rows)
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    clean = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert clean[0]["extra"] == {"student_email": "[email]"} and "@" not in json.dumps(clean)
    assert clean[1]["messages"][0]["content"] == "[email] or [email]?"


def test_complete_answers_are_left(tmp_path):
    ends = ("So x = a", "The opposite side is side a", "The ion is Cl-", "He wrote it in C++", "That is what it is made of",
            "\\[a \\\\[4pt] b\\]")
    rows = [chat("What is it?", end) for end in ends]
    assert not [finding for finding in check(tmp_path, rows).findings if finding.certain]


GOOD = [
    ("What is the domain?", "From the graph the domain is (2, 5]."), ("And of this one?", "All of (-\u221e, 3]."),
    ("What do they cost?", "Each pen costs $3, so \\(4 \\times 3 = 12\\) dollars."), ("How do I escape it?", "Write `\\(` instead of `(`."),
    ("Was it hard?", "That was a hard one :("), ("Which operator?", "The operator of both is and"), ("Which article?", "Here we write an"),
    ("Is genotype AA homozygous?", "Yes."), ("Is genotype aa homozygous?", "Yes."),
    ("Is it valid?\n```\nif x:\n    print(x)\n```", "Look."), ("Is it valid?\n```\nif x:\nprint(x)\n```", "Look."),
    ("How many watts is one mW?", "See the prefix."), ("How many watts is one MW?", "See the prefix."),
    ("Two charges lie on a line, 5 cm apart. The right one is +2 nC. Where does the force on it point to?", "It points to the right side."),
    ("Two charges lie on a line, 5 cm apart. The right one is -2 nC. Where does the force on it point to?", "It points to the left side."),
    ("Factor the polynomial x^2 + 4 x in the simplest way that you can find.", "Take out x and see what is left over."),
    ("Factor the polynomial x^2 - 4 x in the simplest way that you can find.", "Take out x and see what is left over."),
    ("Wie weit?", "Auf dem Hinweg 12 km, auf dem Rückweg 15 km. Der Bremsweg 25 m lang."), ("Compute 817-345-2000 = ?", "It is -1528."),
    ("What is in it?", "The phone battery holds 4155552671 microjoules."), ("Where?", "See section 4.2.1.3 of the book."),
    ("Code?", 'Use api_key = os.environ["API_KEY_1"] here.'), ("Hash?", "Then password = hashlib.sha256(raw) is stored."),
    ("Cross them.", "Draw 2 Punnett Square diagrams.")]


def test_good_rows_are_left_as_they_are(tmp_path):
    """What a review found dropped or altered in ordinary tutoring data."""
    rows = [chat(question, answer) for question, answer in GOOD]
    checked = check(tmp_path, rows)
    assert not [finding for finding in checked.findings if finding.certain], [f for f in checked.findings if f.certain]
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    clean = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [tuple(message["content"] for message in row["messages"]) for row in clean] == GOOD


def test_personal_data_in_fields(tmp_path):
    row = {**chat("Tel.: 030 12345678, or _anna@example.org_ please."), "session_id": "anna@example.org", "tel": 4915112345678,
           "user_info": {"id": "bob@example.org"}, "phone": "030 12345678", "note": "anna@exa\x01mple.org"}
    checked = check(tmp_path, [row, chat("Who?")])
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    clean = (tmp_path / "clean.jsonl").read_text()
    assert "@" not in clean and "12345678" not in clean, clean


def test_nothing_is_left(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with pytest.raises(TutorError, match="no row would be left"):
        fix_file(str(tmp_path / "rows.jsonl"), [], tmp_path / "clean.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_report(tmp_path, problems):
    rows = [*problems[:50], problems[3], chat("<script>alert(1)</script> ada@example.org")]
    page = render_report("rows <1>.jsonl", check(tmp_path, rows))
    assert "rows &lt;1&gt;.jsonl: 52 records" in page and "the same as line 4" in page
    assert "<script" not in page
    assert page.count("<svg") == 1
