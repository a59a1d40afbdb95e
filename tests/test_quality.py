"""The check: planted faults are found, nothing else is, and --fix takes out what is certain."""

import itertools
import json
import random
import re

import numpy as np
import pytest

from mlxtutor.errors import TutorError
from mlxtutor.problems.build import iter_rows, prompt_of, trained_types
from mlxtutor.quality.checking import CheckOptions, check_file
from mlxtutor.quality.findings import RULES
from mlxtutor.quality.fixing import fix_file, log_path
from mlxtutor.quality.personal import find_personal, is_card
from mlxtutor.quality.report import render_report
from mlxtutor.quality.shape import unfinished
from mlxtutor.text.chat import plain


def chat(question, answer="It is 4.", **more):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], "licence": "MIT", **more}


def check(tmp_path, rows, against=(), **options):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if against:
        (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in against), encoding="utf-8")
        options["against"] = (str(tmp_path / "test.jsonl"),)
    return check_file(str(tmp_path / "rows.jsonl"), CheckOptions(**options))


def lines(checked, rule):
    return {finding.line for finding in checked.findings if finding.rule == rule}


@pytest.fixture(scope="module")
def problems():
    """Electrostatics problems, each prompt once."""
    rows = {prompt_of(row): row for row in itertools.islice(iter_rows(trained_types(), "train", np.random.default_rng(5)), 1200)
            if row["kind"] == "value"}
    return [{"messages": row["messages"], "licence": "MIT", "id": row["id"]} for row in rows.values()][:700]


# ---- near-duplicates


def word_pairs(row):
    """The definition, by itself: neighbouring words of the whole row."""
    text = "\n".join(plain(message["content"]) for message in row["messages"]).casefold()
    found = [word.replace(",", "") if word[0].isdigit() else word for word in re.findall(r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?|[^\W\d_]+", text)]
    return set(zip(found, found[1:]))


def test_near_duplicates(tmp_path, problems):
    """Copies with words changed, dropped, added: those at Jaccard >= 0.8 are found, those below aren't."""
    chance = random.Random(3)
    rows, copies = list(problems[:400]), []
    for original in problems[:300]:
        messages = [{**message, "content": plain(message["content"])} for message in original["messages"]]
        for message in messages:
            tokens = message["content"].split(" ")
            for _ in range(chance.randrange(0, 1 + len(tokens) // 9)):
                at = chance.randrange(len(tokens))
                tokens[at:at + 1] = chance.choice([[], ["really"], [tokens[at], "quite"], ["something"]])
            message["content"] = " ".join(tokens)
        copies.append({"messages": messages, "licence": "MIT"})
    rows += copies
    checked = check(tmp_path, rows)
    found = lines(checked, "near-duplicate") | lines(checked, "repeated")
    pairs = [word_pairs(row) for row in rows]
    true = {later + 1 for later in range(1, len(rows))
            if any(len(pairs[later] & pairs[earlier]) >= 0.8 * len(pairs[later] | pairs[earlier]) for earlier in range(later))}
    assert 100 < len(true) < 300  # of the copies some are near and some are not
    assert len(found & true) >= 0.95 * len(true)
    assert len(found & true) >= 0.95 * len(found)


def test_repeats_are_those_that_differ_in_case_and_space_only(tmp_path):
    question = "A charge of 3 C sits at rest near a wall. What is the field 2 m away from it?"
    shouted = question.replace("charge", "CHARGE").replace("What", "what").replace(" ", "  ")
    checked = check(tmp_path, [chat(question), chat(shouted), chat(question.replace("3 C", "4 C")), chat(question.replace("2 m", "2 M"))])
    assert lines(checked, "repeated") == {2}
    found = [finding for finding in checked.findings if finding.rule == "near-duplicate"]
    assert [(finding.line, finding.other, finding.certain) for finding in found] == [(3, 1, False), (4, 1, False)]
    assert found[0].message.endswith("like line 1, with other numbers")


# ---- contamination

SYNONYMS = {
    "find": "determine", "calculate": "work out", "determine": "find", "what is": "how large is", "how much": "what amount of",
    "has": "possesses", "placed": "put", "connected": "joined", "distance": "separation", "apart": "from one another", "away": "off",
    "between": "separating", "battery": "cell", "wire": "cable", "stored": "held", "small": "tiny", "large": "big", "carries": "bears",
    "separated by": "spaced by", "each": "every", "point charges": "pointlike charges", "potential difference": "voltage", "acts": "works",
    "voltage": "potential difference", "magnitude": "size", "plates": "sheets of metal", "far": "distant", "contains": "holds",
    "uniformly": "evenly", "charged": "electrified", "pulls": "drags", "long": "lengthy", "straight": "unbent", "thin": "slender",
    "joined": "linked", "moves": "travels", "experiences": "feels",
}
BEFORE = ("", "Please help. ", "I'm stuck on this one. ", "Homework: ", "Question 7. ")
AFTER = ("", " Show your work.", " Thanks!", " Explain your steps.", " Give the unit too.")


def reword(text, chance):
    """As somebody does who doesn't want to be seen copying: synonyms, another order, words around it."""
    for word, other in SYNONYMS.items():
        if chance.random() < .8:
            text = re.sub(rf"\b{word}\b", other, text)
    sentences = re.split(r"(?<=[.!?]) ", text)
    if len(sentences) > 2 and chance.random() < .5:
        sentences[0], sentences[1] = sentences[1], sentences[0]
    return chance.choice(BEFORE) + " ".join(sentences) + chance.choice(AFTER)


def test_contamination(tmp_path, problems, others):
    """Every problem of another author leaks three times: as it is, reworded, and inside another text. Generated ones are no leaks."""
    chance = random.Random(1)
    leaks = [chat(change(prompt_of(row)), f"So {n}.") for n, row in enumerate(others)
             for change in (str, lambda text: reword(text, chance), lambda text: reword(text, chance))]
    rows = problems[:500] + leaks
    found = lines(check(tmp_path, rows, against=[{"messages": row["messages"]} for row in others]), "contamination")
    true = set(range(501, len(rows) + 1))
    assert len(found & true) >= 0.95 * len(true), sorted(true - found)
    assert len(found & true) >= 0.95 * len(found), sorted(found - true)


@pytest.fixture(scope="module")
def others():
    """The hand-written problems for development, and what they would be with an answer."""
    from importlib import resources

    with resources.files("mlxtutor.data").joinpath("others/em_dev.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{"messages": [{"role": "user", "content": prompt_of(row)}, {"role": "assistant", "content": "4 N"}]} for row in rows]


def test_a_long_stretch_of_a_test_question(tmp_path):
    question = "In the year of the flood a miller's donkey carried nine sacks of barley up the winding road to the old mill."
    rows = [chat("Tell a story.", f"Once: {question[:80]}, and it rained."), chat("Tell a story.", "Once there was a mill.")]
    checked = check(tmp_path, rows, against=[chat(question)])
    assert lines(checked, "contamination") == {1}
    assert "13 words in a row" in checked.findings[0].message


# ---- contradictions


def test_a_contradiction_in_a_thousand_rows(tmp_path, problems):
    rows = [*problems, *(chat(f"A train covers {n} km in {n % 7 + 2} h. What is its speed?", f"Answer: {n / (n % 7 + 2):.4g} km/h")
                         for n in range(10, 310))]
    rows[100] = chat("A lamp draws 0.5 A from a 12 V battery for 60 s. How much energy does it use?", "Answer: 360 J")
    rows[900] = chat("Please help. A lamp takes 0.5 A from a 12 V battery during 60 s. How much energy does it use up?", "Answer: 36 J")
    found = [finding for finding in check(tmp_path, rows).findings if finding.rule == "contradiction"]
    assert [(finding.line, finding.other) for finding in found] == [(901, 101)]
    assert found[0].message == "answers 36 J, line 101 the same question with 360 J"


def test_what_is_no_contradiction(tmp_path):
    given = "A 2 uF capacitor is at 12 V."
    lettered = "Which one is a metal?\n\nA. {}\nB. {}"
    rows = [chat(f"{given} Find its charge.", "Answer: 24 uC"), chat(f"{given} Find its energy.", "Answer: 144 uJ"),
            chat(f"{given} Find its charge.", "Answer: 24.1 uC"), chat(lettered.format("iron", "wood"), "The answer is A."),
            chat(lettered.format("wood", "iron"), "The answer is B."), chat(lettered.format("wood", "gold"), "The answer is B.")]
    assert not lines(check(tmp_path, rows), "contradiction")
    rows.append(chat(lettered.format("iron", "wood"), "The answer is B. wood"))
    assert lines(check(tmp_path, rows), "contradiction") == {7}


# ---- personal data

EMAILS = ("ada@example.org", "first.last+tag@mail.co.uk", "x_1@sub.domain.example", "INFO@Schule.de")
PHONES = ("+1 212 555 2368", "(212) 555-2368", "212-555-2368", "+44 20 7946 0958", "+49 30 901820", "+33 1 42 68 53 00", "1-800-555-2368",
          "+91 98765 43210")
CARDS = ("4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "6011111111111117", "4012888888881881")
KEYS = ("AKIAIOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9, "sk-" + "Ab3d" * 10, "hf_" + "AbCdEfGhIj" * 4, "xoxb-123456789012-abcdefABCDEF",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "password: hunter2-hunter2", 'api_key = "0123456789abcdef"',
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----")
FRAMES = ("Write to {} if it fails.", "Mine is {}, by the way.", "See {}.", "({})", "{}", "I use {} for that, it holds 3.5e-6 C.")


def test_personal_data(problems):
    planted = [(rule, text, frame.format(text)) for rule, texts in (("email", EMAILS), ("phone", PHONES), ("card", CARDS), ("key", KEYS))
               for text in texts for frame in FRAMES]
    for rule in ("email", "phone", "card", "key"):
        asked = [(text, sentence) for kind, text, sentence in planted if kind == rule]
        found = sum((rule, text) in set(find_personal(f"A charge of 3 C. {sentence}")) for text, sentence in asked)
        assert found >= 0.95 * len(asked), rule
    wrong = [pair for row in problems for message in row["messages"] for pair in find_personal(plain(message["content"]))]
    wrong += [pair for _, text, sentence in planted for pair in find_personal(sentence) if pair[1] != text]
    assert len(wrong) <= 0.05 * len(planted), wrong


@pytest.mark.parametrize("text", [
    "6.02214076e23", "c = 299792458 m/s", "480-120-60-24 = 276", "1.602176634 x 10^-19", "12 000 000 000 N", "1234 5678 9012 3456",
    "v1.2.3.4",
    "R = 10.0.0.1", "2024-05-17", "user@host", "3@4.5", "from 1000 to 2000", "sk-test", "10 20 30 40 50",
    "The secret is F=k*q1*q2/r^2 here", "The number is 299792458 in SI units", "We call it c, which is 299792458 m/s"])
def test_what_is_no_personal_data(text):
    assert not list(find_personal(text))


def test_names_are_kept_but_on_request():
    found = list(find_personal("My name is Ada Byron. Ask Mr. Gray.", names=True))
    assert found == [("name", "Ada Byron"), ("name", "Gray")]
    assert not list(find_personal("My name is Ada Byron. Ask Mr. Gray."))


def test_luhn():
    assert all(map(is_card, CARDS))
    for card in CARDS:  # one digit changed is always noticed
        places = [at for at in range(6, len(card)) if card[at].isdigit()]
        assert not any(is_card(card[:at] + str((int(card[at]) + 1) % 10) + card[at + 1:]) for at in places)


# ---- shape, script


@pytest.mark.parametrize("text, open_end", [
    ("The field is", True), ("It follows that F = k q1 q2 /", True), ("First, we take the", True), ("```python\nx = 1", True),
    ("$$F = ma", False), ("$$\\frac{1}{2}", True), ("So it costs $5 and $6", False), ("The answer is 4", False), ("F = ma", False),
    ("It is 4.", False), ("- one\n- two", False), ("**Done**", False), ("conjunctions such as and, but, or", False),
    ("The formula is $A = \\pi r^2", True), ("\\( A = 3", True), ("f(x", True), ("\\frac{1}{2", True), ("f(x) = {1, 2}", False)])
def test_unfinished(text, open_end):
    assert bool(unfinished(text)) == open_end


def test_shape(tmp_path):
    user, answer = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}
    rows = [{"messages": [user, answer, user]}, {"messages": [user, user, answer]}, {"messages": [answer]},
            {"messages": [user, answer], "tags": ["socratic"]}, {"messages": [user, answer] * 3, "tags": ["socratic"]}, {"nothing": 1}]
    checked = check(tmp_path, rows)
    assert lines(checked, "roles") == {1, 2, 3} and lines(checked, "exchanges") == {4} and lines(checked, "schema") == {6}


def test_encoding_and_language(tmp_path):
    german = "Zwei Ladungen liegen zwanzig Zentimeter auseinander. Wie groß ist die Kraft zwischen ihnen?"
    english = [chat(f"There are {n} charges on the table in front of you. How large is the total charge?") for n in range(60)]
    checked = check(tmp_path, [*english, chat(german), chat("The angle is 30Â° to the left, isn’t it?"), chat("A \ufffd here")])
    assert lines(checked, "language") == {61}
    assert lines(checked, "encoding") == {62, 63}


def test_short_answers_are_compared(tmp_path):
    for first, second in (("x = 4", "x = 3"), ("It is 5 m/s.", "It is 7 m/s."), ("7", "8"), ("Answer: yes", "Answer: no"),
                          ("The correct answer is B.", "The correct answer is C.")):
        rows = [chat("Is this what comes out of the equation in the end?", answer) for answer in (first, second)]
        checked = check(tmp_path, rows)
        assert lines(checked, "contradiction") == {2}, first
        assert not [finding for finding in checked.findings if finding.certain], first


def test_bank_accounts():
    assert list(find_personal("Pay to DE89 3704 0044 0532 0130 00, please.")) == [("card", "DE89 3704 0044 0532 0130 00")]
    assert not list(find_personal("Pay to DE89 3704 0044 0532 0130 01, please."))


def test_the_log_tells_nobody(tmp_path):
    checked = check(tmp_path, [{**chat("Write to mia@example.org, +49 30 901820."), "id": "mia@example.org"}])
    fix_file(str(tmp_path / "rows.jsonl"), checked.findings, tmp_path / "clean.jsonl")
    written = (tmp_path / "clean.jsonl").read_text() + log_path(tmp_path / "clean.jsonl").read_text() + json.dumps(checked.as_dict())
    assert "mia@" not in written and "901820" not in written


def test_licences(tmp_path):
    rows = [chat("a?", source="mine"), {**chat("b?", source="theirs"), "licence": "CC BY-NC-SA 4.0"},
            {**chat("c?", source="found"), "licence": ""}]
    messages = [finding.message for finding in check(tmp_path, rows).findings if finding.rule == "licence"]
    assert messages == ['1 rows of "theirs": CC BY-NC-SA 4.0, non-commercial use only', '1 rows of "found" have no licence']


# ---- fix, report


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


def test_a_long_lecture_makes_no_duplicates(tmp_path):
    lecture = " ".join(f"word{n}" for n in range(200))
    rows = [chat("Which tense has will print?", f"Answer: future\n\n{lecture}"),
            chat("Which tense has printed?", f"Answer: past\n\n{lecture}")]
    found, = (finding for finding in check(tmp_path, rows).findings if finding.rule == "near-duplicate")
    assert not found.certain


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


def test_short_turns_of_an_evaluation_are_no_leak(tmp_path):
    dialogue = {"messages": [*chat("Explain diffusion in gases to me, please.")["messages"], *chat("Why?")["messages"]]}
    rows = [{"messages": [*chat("Explain osmosis in plants, for a beginner.")["messages"], *chat("Why?")["messages"]], "licence": "MIT"}]
    assert not lines(check(tmp_path, rows, against=[dialogue]), "contamination")


def test_a_test_question_in_a_later_turn(tmp_path):
    rows = [{"messages": [*chat("Hello there, tutor.")["messages"], *chat("What is the capital of France?")["messages"]], "licence": "MIT"}]
    assert lines(check(tmp_path, rows, against=[chat("What is the capital of France?")]), "contamination") == {1}


def test_other_numbers_are_another_problem(tmp_path):
    question = "A stone of {} kg lies on a table in the middle of the room and nobody touches it. What force does the table exert on it?"
    found, = (finding for finding in check(tmp_path, [chat(question.format(7))], against=[chat(question.format(95))]).findings)
    assert found.rule == "contamination" and not found.certain


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


def test_unknown_rule():
    with pytest.raises(TutorError, match='no rule "duplicates"'):
        CheckOptions(only=("duplicates",))
    assert set(RULES) >= {"repeated", "contamination"}
