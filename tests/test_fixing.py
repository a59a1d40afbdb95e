"""--fix takes out what is certain, changes nothing else, and says what it did; the report."""

import json

import pytest
from planted import chat, check, lines

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


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_dropped_copy_leaves_its_weight(tmp_path, name):
    """Also of a near-copy, of a copy of a copy, and in an array on one line; without a stated weight nothing gets heavier."""
    near = chat("Please, what happens to a charge that is let go between the two plates there?", LECTURE)
    charge = chat(near["messages"][0]["content"].removeprefix("Please, "), LECTURE)
    rows = [chat("What is an ion?"), {**charge, "weight": 2}, {**chat("What is an ion?"), "weight": 5}, near, {**near, "weight": 0.5},
            chat("What is 2+2?"), chat("What is 2+2?"), {**chat("And what is 3+3?"), "weight": 4}]
    text = json.dumps(rows) if name == "rows.json" else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / name).write_text(text)
    checked = check_file(str(tmp_path / name), CheckOptions())
    counts = fix_file(str(tmp_path / name), checked.findings, tmp_path / "clean.jsonl")
    clean = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert [row.get("weight", 1) for row in clean] == [6, 3.5, 1, 4]
    assert counts["changed"] == {"weight": 2}
    log = [json.loads(line) for line in log_path(tmp_path / "clean.jsonl").read_text().splitlines()]
    assert [(entry["number"], entry["message"]) for entry in log if entry["rule"] == "weight"] == [
        (1, "6, with its copies'"), (2, "3.5, with its copies'")]


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


LECTURE = ("Remember that an electric field exerts a force on every charge that is in it, and that the size of the force is the product of "
           "the charge and the field strength, whatever the charge moves like. ")


@pytest.mark.parametrize("first, second", [
    ("The field points straight up, so the charge goes up.", "The field points straight down, so the charge goes down."),
    ("This metal can conduct it.", "This metal can not conduct it."), ("There are many free electrons.", "There are no free electrons."),
    ("Sphere A is higher than sphere B.", "Sphere B is higher than sphere A."), ("It goes from B to A.", "It goes from A to B."),
    ("Take -2 and then 3 of it.", "Take 2 and then -3 of it."), ("That is (2 + 3) * 4 here.", "That is 2 + (3 * 4) here."),
    ("It is 5 % of it.", "It is 5 of it."), ("Take it out over there.", "Take it in under there."), ("It needs more.", "It needs less.")])
def test_what_says_the_opposite_is_no_copy(tmp_path, first, second):
    rows = [chat("What about the two of them, dear tutor?", LECTURE + answer) for answer in (first, second)]
    found, = (finding for finding in check(tmp_path, rows).findings if finding.rule == "near-duplicate")
    assert not found.certain


def test_a_copy_with_another_article_is_dropped(tmp_path):
    told, asked = "So the charge moves in a field.", "what happens to a charge that is let go between the two plates there?"
    rows = [chat(asked, LECTURE + told), chat(f"Please, {asked}", LECTURE + told.replace("a field", "the field"))]
    found, = (finding for finding in check(tmp_path, rows).findings if finding.rule == "near-duplicate")
    assert found.certain


def test_personal_data_in_fields(tmp_path):
    row = {**chat("Tel.: 030 12345678, or _anna@example.org_ please."), "session_id": "anna@example.org", "tel": 4915112345678,
           "user_info": {"id": "bob@example.org"}, "phone": "030 12345678", "note": "anna@exa\x01mple.org"}
    checked = check(tmp_path, [row, chat("Who?")])
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    clean = (tmp_path / "clean.jsonl").read_text()
    assert "@" not in clean and "12345678" not in clean, clean


def test_a_masked_turn_may_be_cut(tmp_path):
    """It isn't trained on; an empty one is no turn all the same."""
    masked = {"role": "assistant", "content": "Hello, so first,", "train": False}
    row = {**chat("What is 2+2?"), "messages": [{"role": "user", "content": "Hi!"}, masked, *chat("What is 2+2?")["messages"]]}
    cut = {**row, "messages": [row["messages"][0], {**masked, "train": True}, *row["messages"][2:]]}
    assert lines(check(tmp_path, [row, cut]), "truncated") == {2}


def test_groups_that_are_addresses_stay_groups(tmp_path):
    rows = [chat(f"What about subject {n}?", session_id=f"pupil{n % 3}@school.org") for n in range(9)]
    rows.append({**chat("And that one there?"), "group": "class 7"})
    checked = check(tmp_path, rows)
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    clean = [json.loads(line)["group"] for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert clean == ["[email] 1", "[email] 2", "[email] 3"] * 3 + ["class 7"]


@pytest.mark.parametrize("field, found", [
    ("phone", True), ("Tel", True), ("phoneNumber", True), ("home_phone", True), ("telephone", True), ("mobile", True), ("tel_no", True),
    ("hotel_id", False), ("satellite", False), ("phoneme", False), ("intel", False), ("automobile", False)])
def test_fields_of_phone_numbers(tmp_path, field, found):
    assert bool(lines(check(tmp_path, [{**chat("Where?"), field: 2125550123}]), "phone")) == found


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
    assert "<title>one.jsonl: 1 record, 1 finding<" in render_report("one.jsonl", check(tmp_path, [chat("What is it?", "It is the")]))


@pytest.mark.parametrize("one, other", [
    ("It multiplies by .5", "It multiplies by 5"), ("a charge of –3 nC", "a charge of 3 nC"), ("take `x[1:]` here", "take `x[1]` here"),
    ("take `Node` here", "take `node` here"),
    ("the factorial n! of it", "the factorial n of it"),
    ("the slope f' of it", "the slope f of it"),
    ("It has stopped.", "It has stopped?"), ("a → b holds", "a ← b holds"), ("x ∈ A holds", "x ∉ A holds")])
def test_what_a_sign_says_is_kept(one, other):
    from mlxtutor.quality.reading import Reading, digest

    told = [Reading(1, {"id": "a", "text": text}).told for text in (one, other)]
    assert told[0] != told[1] and digest([one]) != digest([other])


def test_a_copy_with_code_is_a_copy_but_for_its_code():
    from mlxtutor.quality.reading import digest

    assert digest(["What does `len(x)` return?"]) == digest(["what  does `len(x)` return? "])
    assert digest(["What does `len(x)` return?"]) != digest(["What does `Len(x)` return?"])
    assert digest(["Run\n```\nfor a:\n  b\n```"]) != digest(["Run\n```\nfor a:\nb\n```"])
