"""The check: planted faults are found, and nothing else is."""

import json
import random
import re

import pytest
from planted import chat, check, lines

from mlxtutor.errors import TutorError
from mlxtutor.problems.build import prompt_of
from mlxtutor.quality.checking import CheckOptions, check_file
from mlxtutor.quality.findings import RULES
from mlxtutor.quality.shape import unfinished
from mlxtutor.text.chat import plain

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


FREELY = [
    ("Marta's bakery bakes 24 loaves an hour. It is open for 6 hours, and a loaf costs 3 dollars. 15 loaves are left. How much is earned?",
     "For 6 hours Marta bakes, 24 loaves in every one of them; what does she earn if a loaf is 3 dollars and nobody takes 15 of them?"),
    ("Otto drives 180 km to the lake at 60 km/h, and takes 4 hours for the way back. What was his average speed?",
     "The lake is 180 km off. Otto goes there with 60 km/h and needs 4 hours to get home. How fast was he on average?"),
    ("A gardener plants 7 rows of 12 tulips and 5 rows of 9 daffodils. A third of the tulips freeze. How many flowers are left?",
     "In 7 rows stand 12 tulips each, in 5 others 9 daffodils. After the frost a third of the tulips is gone. Count the flowers left.")]


def test_free_paraphrases_of_word_problems(tmp_path):
    """Same numbers and one subject; other numbers about that subject, or the same ones about another, are no leak."""
    against = [chat(question) for question, _ in FREELY]
    assert lines(check(tmp_path, [chat(text) for _, text in FREELY], against=against), "contamination") == {1, 2, 3}
    others = [chat(text.replace("2", "8").replace("6", "9").replace("7", "3")) for _, text in FREELY]
    others += [chat("A truck with 7 crates of 12 melons and 5 sacks of 9 pumpkins loses a third of its load. What does the grocer get?")]
    assert not lines(check(tmp_path, others, against=against), "contamination")


def test_a_question_that_the_evaluation_repeats_is_searched_for(tmp_path):
    question = "In the year of the flood a miller's donkey carried nine sacks of barley up the winding road to the old mill."
    leak = chat("Tell a story.", f"Once: {question[:80]}, and it rained.")
    assert lines(check(tmp_path, [leak], against=[chat(question)] * 3), "contamination") == {1}
    shared = [chat(f"{question} How many were {what}?") for what in ("there in all", "left")]  # a preamble of several questions is common
    assert not lines(check(tmp_path, [leak], against=shared), "contamination")


@pytest.mark.parametrize("question", [
    "Which metal conducts electricity best at room temperature?", "Why is the sky blue at noon?", "What is the capital of Burkina Faso?"])
def test_a_short_question_inside_a_longer_prompt(tmp_path, question):
    around = "Good evening dear tutor, I have been reading for my exam in ninth grade. {} My brother says that nobody knows that anyway."
    rows = [chat(around.format(question)), chat(around.format("What is it that one has to know?")), chat("And what is the value of it?")]
    checked = check(tmp_path, rows, against=[chat(question), chat("What is the value of it?")])
    found, = (finding for finding in checked.findings if finding.rule == "contamination" and finding.line < 3)
    assert (found.line, found.other, found.message) == (1, 1, "a short question of the evaluation in it (its line 1)")


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


def test_licences(tmp_path):
    rows = [chat("a?", source="mine"), {**chat("b?", source="theirs"), "licence": "CC BY-NC-SA 4.0"},
            {**chat("c?", source="found"), "licence": ""}]
    messages = [finding.message for finding in check(tmp_path, rows).findings if finding.rule == "licence"]
    assert messages == ['1 rows of "theirs": CC BY-NC-SA 4.0, non-commercial use only', '1 rows of "found" have no licence']


def test_a_long_lecture_makes_no_duplicates(tmp_path):
    lecture = " ".join(f"word{n}" for n in range(200))
    rows = [chat("Which tense has will print?", f"Answer: future\n\n{lecture}"),
            chat("Which tense has printed?", f"Answer: past\n\n{lecture}")]
    found, = (finding for finding in check(tmp_path, rows).findings if finding.rule == "near-duplicate")
    assert not found.certain


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


def test_unknown_rule():
    with pytest.raises(TutorError, match='no rule "duplicates"'):
        CheckOptions(only=("duplicates",))
    assert set(RULES) >= {"repeated", "contamination"}


def test_many_rows_are_checked_in_processes_with_the_same_result(tmp_path, problems, monkeypatch):
    from mlxtutor.quality import rowwise

    rows = [{**row, "id": f"{row['id']}-{at}"} for at, row in enumerate(problems[:60])]
    rows[7]["messages"] = [{"role": "user", "content": "Write to anna@school.org?"}, {"role": "assistant", "content": "Yes. Answer: 2 N"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    alone = check_file(str(path), CheckOptions()).as_dict()
    monkeypatch.setattr(rowwise, "CHUNK", 10)
    monkeypatch.setattr(rowwise, "FEW_CHUNKS", 2)
    monkeypatch.setattr(rowwise, "cores", lambda: 2)
    assert check_file(str(path), CheckOptions()).as_dict() == alone
    assert alone["counts"]["email"] == 1 and alone["counts"]["schema"] == 1


def test_one_core_checks_every_row(tmp_path, problems, monkeypatch):
    from mlxtutor.quality import rowwise

    monkeypatch.setattr(rowwise, "cores", lambda: 1)
    monkeypatch.setattr(rowwise, "CHUNK", 5)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in problems[:60]) + "{broken\n")
    found = check_file(str(path), CheckOptions())
    assert found.rows == 61 and found.counts["schema"] == 1
