"""Follow-ups: what they compute is right, they say something new, and the check finds nothing in them."""

import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest

from mlxtutor.followup.chats import KINDS, iter_followups
from mlxtutor.followup.deeper import Deeper
from mlxtutor.followup.steps import read_problem, recompute
from mlxtutor.followup.word_problems import iter_followups as iter_word_followups
from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.quantities import Value
from mlxtutor.problems.types import solve
from mlxtutor.quality.checking import CheckOptions, check_file
from mlxtutor.records.reading import Record
from mlxtutor.records.rows import LEVELS, MODES, to_row
from mlxtutor.text.calculator import evaluate
from mlxtutor.text.chat import check_messages, plain


def gsm8k(question, answer):
    return to_row(Record(1, {"question": question, "answer": answer}), None, "test", "MIT").value


NATALIA = gsm8k("Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips in all?",
                "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether.\n#### 72")


@pytest.fixture(scope="module")
def chats():
    return list(itertools.islice(iter_followups(np.random.default_rng(1)), 400))


def calls(row):
    return [part for message in row["messages"] if message["role"] == "assistant" and isinstance(message["content"], list)
            for part in message["content"] if isinstance(part, dict)]


def test_chats(chats):
    assert Counter(row["tags"][0] for row in chats) == {kind: 100 for kind in KINDS}
    assert {row["learner_level"] for row in chats if row["tags"] == ["level"]} == set(LEVELS)
    assert {row["answer_mode"] for row in chats if row["tags"] == ["mode"]} == set(MODES)
    assert len({json.dumps(row["messages"]) for row in chats}) == 400
    for row in chats:
        check_messages(row["messages"])
        answers = " ".join(plain(message["content"]) for message in row["messages"] if message["role"] == "assistant")
        assert row["final_answer"].split()[0] in answers


def test_every_call_has_its_result(chats):
    found = [call for row in chats for call in calls(row)]
    assert len(found) > 400
    for call in found:
        assert evaluate(call["calc"]) == pytest.approx(float(call["result"]), rel=6e-4)


def test_turns_dont_repeat_themselves(chats):
    for row in chats:
        answers = [plain(message["content"]) for message in row["messages"] if message["role"] == "assistant"]
        assert len(set(answers)) == len(answers)
        for earlier, later in itertools.combinations(answers, 2):
            assert later not in earlier


def test_the_check_finds_nothing(chats, tmp_path):
    rows = chats + list(iter_word_followups([NATALIA], np.random.default_rng(1)))
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert not check_file(str(tmp_path / "f.jsonl"), CheckOptions()).findings


def value(symbol, canonical, unit, stated):
    kind = "length" if symbol == "r" else "charge"
    return Value(symbol, kind, canonical, unit, stated, stated)


def test_deeper_turns_by_hand():
    """Two charges of 2 and 3 uC, 20 cm apart: 1.349 N."""
    values = {"q1": value("q1", "2e-6", "uC", "2 uC"), "q2": value("q2", "3e-6", "uC", "3 uC"), "r": value("r", "20e-2", "cm", "20 cm")}
    solved = solve(TYPES["coulomb_pair_force"], values)
    names = {"q1": ("the first charge",), "q2": ("the second charge",), "r": ("the distance",)}
    turns = [turn for seed in range(60) for turn in Deeper(np.random.default_rng(seed), solved, names, "the force").turns(5)]
    texts = {f"{ask} {plain(reply)}" for ask, reply in turns}

    def results(pattern):
        return {float(match[1]) for text in texts if (match := re.search(pattern, text))}

    assert results(r"a quarter as large.* = ([\d.e-]+) N\.$") == {0.3371}
    assert results(r"F = .*\(2\*2e-6\).* = ([\d.e-]+) N\.$") == {2.697}
    assert results(r"r = 0\.7071\*20e-2 = ([\d.e-]+) m\.$") == {0.1414}
    assert results(r"q1 = 2\*2e-6 = ([\d.e-]+) C\.$") == {4e-6}
    assert results(r"powers? of ten.* = ([\d.e-]+)\. ") == {1.0}  # 1e10*1e-6*1e-6/1e-1^2, since 3e-6 is nearer to 1e-6 and 0.2 to 0.1


def test_no_voltage_changes_a_resistance():
    values = {"V": Value("V", "voltage", "12", "V", "12 V", "12 V"), "I": Value("I", "current", "2", "A", "2 A", "2 A")}
    solved = solve(TYPES["circuits_ohm_resistance"], values)
    names = {"V": ("the voltage",), "I": ("the current",)}
    turns = [turn for seed in range(30) for turn in Deeper(np.random.default_rng(seed), solved, names, "the resistance").turns(5)]
    assert turns and not any(re.search("twice|doubl", f"{ask} {plain(reply)}") for ask, reply in turns)


def test_what_if_a_number_changes():
    problem = read_problem(NATALIA)
    assert [step.result for step in recompute(problem, "48", "60")] == ["30", "90"]
    assert recompute(problem, "48", "49") is None  # half a clip


def test_an_unclear_number_is_left_alone():
    row = gsm8k("There are 16 slices in a large pizza, 8 in a small one. He eats 2 of each. How many slices?",
                "2*16 = <<2*16=32>>32\n2*8 = <<2*8=16>>16\n32+16 = <<32+16=48>>48\n#### 48")
    assert recompute(read_problem(row), "8", "9") is None  # the 16 of the last step may be either


@pytest.mark.parametrize("question, answer, old", [
    ("He triples his 3 boxes. How many?", "3*3 = <<3*3=9>>9\n9+1 = <<9+1=10>>10\n#### 10", "3"),
    ("A quiz of 25 problems; 75 % were right.", "25*.75=<<25*.75=18.75>>18.75\n18.75-18.48=<<18.75-18.48=0.27>>0.27\n#### 0.27", "25"),
    ("He uses one-fifth of 10 g of butter, 5 times. How much?", "10/5 = <<10/5=2>>2\n2*5 = <<2*5=10>>10\n#### 10", "10")])
def test_numbers_said_in_words_are_unclear(question, answer, old):
    assert recompute(read_problem(gsm8k(question, answer)), old, "30") is None


@pytest.mark.parametrize("question, answer, old", [
    ("The 5 rows hold 6 red notes each, with 2 blue ones under each, and 10 more. How many notes in a minute?",
     "5*6 = <<5*6=30>>30\nThen 2 * 30 = 60 blue ones.\n60+10 = <<60+10=70>>70\n30+70 = <<30+70=100>>100\n#### 100", "10"),
    ("He spends 20 %, then 40 %, then $1500, and $2900 are left. How much was it?",
     "20 + 40 = 60, and 100 - 60 = 40.\n2900+1500 = <<2900+1500=4400>>4400\n4400/40 = <<4400/40=110>>110\n"
     "110*100 = <<110*100=11000>>11000\n#### 11000", "2900"),
    ("Of 50 marbles 20 are white, the others half red. How many are left?",
     "50-20 = 30 are not.\n30/2 = <<30/2=15>>15\n20-15 = <<20-15=5>>5\n#### 5", "20"),
    ("A lot has 24 bicycles, and he doubles that. How many tires?", "24*2 = <<24*2=48>>48\n48*3 = <<48*3=144>>144\n#### 144", "24"),
    ("He runs 3 laps in 40 seconds and rests for 2. How long?", "40-2 = <<40-2=38>>38\n38*7 = <<38*7=266>>266\n#### 266", "40")])
def test_numbers_that_no_call_gave_are_unclear(question, answer, old):
    """What the solution works out in its prose, and constants that come from nowhere."""
    problem = read_problem(gsm8k(question, answer))
    assert recompute(problem, old, "60") is None
    assert any(not step.clear for step in problem.steps)


def test_what_everybody_knows_is_clear():
    problem = read_problem(gsm8k("She works 3 weeks, 8 hours a day. How long?", "3*7 = <<3*7=21>>21\n21*8 = <<21*8=168>>168\n#### 168"))
    assert [source for step in problem.steps for _, source in step.sources] == ["given", "known", 0, "given"]
    assert [step.result for step in recompute(problem, "3", "4")] == ["28", "224"]


def test_kinds_are_balanced():
    """Where every kind is possible each is a quarter; restating a step is never more than a third of many."""
    rows = [gsm8k(f"He has {n} boxes of {n + 3} pens and 2 more. How many?",
                  f"{n}*{n + 3} = <<{n}*{n + 3}={n * (n + 3)}>>{n * (n + 3)}\n{n * (n + 3)}+2 = <<{n * (n + 3)}+2={n * (n + 3) + 2}>>\n"
                  f"#### {n * (n + 3) + 2}") for n in range(5, 45)]
    counts = Counter(row["tags"][0] for row in iter_word_followups(rows, np.random.default_rng(1)))
    assert counts == dict(step=10, check=10, what_if=10, correction=10)


def test_what_if_answers_are_sensible():
    """Whole where the original is; no share above 100 %; none of the other givens passed."""
    row = gsm8k("Of 300 people 20 % come, and 4 share a car. How many cars?",
                "300*20/100 = <<300*20/100=60>>60\n60/4 = <<60/4=15>>15\n#### 15")
    for seed in range(60):
        for made in iter_word_followups([row], np.random.default_rng(seed)):
            if made["tags"] == ["what_if"]:
                assert float(made["final_answer"]).is_integer()
                assert all(float(call["result"]).is_integer() for call in calls(made))
                share = re.search(r"(?:300|4)\*(\d+)/100", made["messages"][3]["content"][1]["calc"] if len(made["messages"]) > 3 else "")
                assert share is None or int(share[1]) <= 100


def test_word_problems():
    rows = [row for seed in range(30) for row in iter_word_followups([NATALIA], np.random.default_rng(seed))]
    assert {row["tags"][0] for row in rows} == {"step", "check", "what_if", "correction"}
    for row in rows:
        last = plain(row["messages"][-1]["content"])
        for call in calls(row):
            assert evaluate(call["calc"]) == float(call["result"])
        if row["tags"] == ["what_if"]:
            new = float(re.search(r"\d+", re.sub(r"\b48\b", "", row["messages"][2]["content"]))[0])
            assert last.endswith(f"Answer: {new + new / 2:g}") and row["final_answer"] == f"{new + new / 2:g}"
        elif row["tags"] == ["check"]:
            assert calls(row)[-1] == {"calc": "72-24", "result": "48"}
        elif row["tags"] == ["correction"]:
            wrong = re.search(r"Answer: (\d+)", row["messages"][0]["content"])[1]
            assert wrong != "72" and last.endswith("Answer: 72")


@pytest.mark.parametrize("answer", [
    "It is 72.\n#### 72", "48/2 = <<48/2=24>>24\n#### 24", "48/2 = <<48/2=24>>24\n24*2 = <<24*2=48>>48\n#### 96"])
def test_what_is_no_chain_of_steps(answer):
    assert read_problem(gsm8k("She has 48.", answer)) is None


def test_no_what_if_where_the_largest_is_asked_for_and_no_correction_of_a_bare_number():
    import numpy as np

    from mlxtutor.followup import word_problems

    def row(question, steps, answer):
        parts = [part for expression, result in steps for part in ("So ", {"calc": expression, "result": result}, ".\n")]
        return {"id": "a", "final_answer": answer, "messages": [{"role": "user", "content": question},
                                                              {"role": "assistant", "content": [*parts, f"Answer: {answer}"]}]}

    largest = row("Ann earns $50 for 9 hours and Bo earns $60 for 5 hours. What is the most money one of them has?",
                  [("50*9", "450"), ("60*5", "300"), ("450", "450")], "450")
    problem = word_problems.read_problem(largest)
    if problem is not None:
        assert all(word_problems._what_if(problem, np.random.default_rng(n)) is None for n in range(20))
    bare = word_problems.read_problem(row("Ann has 6 apples and buys 4 more. How many has she?", [("6", "6"), ("6+4", "10")], "10"))
    made = [word_problems._correction(bare, np.random.default_rng(n)) for n in range(20)] if bare else []
    assert all("6 = " not in item[0][0]["content"].replace("6+4", "") for item in made if item)
