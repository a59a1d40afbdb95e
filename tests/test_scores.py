"""Scores of answers with planted faults, of refusals, of both modes, and of whole suites."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mlxtutor.errors import TutorError
from mlxtutor.evaluation import asking
from mlxtutor.evaluation.answer_scores import score_answer
from mlxtutor.evaluation.intervals import wilson
from mlxtutor.evaluation.report import render_comparison, render_report
from mlxtutor.evaluation.suite import summarise

TOPIC = "Topic: the force between two charges\n"
LAW = "Law: F = k*|q1|*|q2|/r^2\n"
GIVEN = "Given: 3 uC -> q1 = 3e-6, -5 nC -> q2 = -5e-9, 20 cm -> r = 20e-2\n" + TOPIC + LAW
RIGHT = (GIVEN + "F = <|calc|>8.99e9*3e-6*5e-9/20e-2^2<|result|>0.003371<|/calc|> N\n"
         "Units: N*m^2/C^2*uC*nC/cm^2 = N\nCheck: opposite charges, so they attract.\nAnswer: 0.003371 N, attractive")
OFF = (GIVEN + "F = 8.99e9*3e-6*5e-9/20e-2^2\nUnits: N*m^2/C^2*uC*nC/cm^2 = N\n"
       "Check: opposite charges, so they attract.\nAnswer: evaluate the expression; the unit is N, attractive")
ASK = (GIVEN.replace(", 20 cm -> r = 20e-2", "") + "Missing: r, the distance between the charges\n"
       "I can't compute the answer without it. What is the distance between the charges?")
PROBLEM = "Charges of 3 μC and −5 nC are 20 cm apart. What force acts between them, and is it attractive or repulsive?"
GIVENS = [{"symbol": "q1", "text": "3 μC", "value": 3e-6, "unit": "uC", "names": ["the first charge", "charge 1"]},
          {"symbol": "q2", "text": "−5 nC", "value": -5e-9, "unit": "nC", "names": ["the second charge", "charge 2"]},
          {"symbol": "r", "text": "20 cm", "value": 0.2, "unit": "cm", "names": ["the distance between the charges", "their separation"]}]


def make_row(kind="value", mode="on", reply=RIGHT, problem=PROBLEM, **answer):
    answer = {"value": 0.003371, "unit": "N", "direction": "attractive", "asks_direction": True, "givens": GIVENS, "missing": None,
              "constants": [8.99e9], **answer}
    messages = [{"role": "user", "content": problem}] + ([{"role": "assistant", "content": reply}] if reply else [])
    return {"id": "a", "type": "coulomb_pair_force", "family": "coulomb", "split": "values", "kind": kind, "mode": mode,
            "messages": messages, "answer": answer}


ROW, OFF_ROW = make_row(), make_row(mode="off", reply=OFF)
ASK_ROW = make_row(kind="missing", reply=ASK, value=None, unit=None, direction=None, asks_direction=False, missing="r",
                   problem="Two charges, 3 μC and −5 nC, are some distance apart. What is the force?")


def test_the_right_answers_get_every_point():
    for row, answer in ((ROW, RIGHT), (OFF_ROW, OFF), (ASK_ROW, ASK)):
        score = score_answer(row, answer).as_dict()
        bad = {name for name, value in score.items() if value is False} - {"refused", "invented", "states_number"}
        assert not bad and score["correct"] and not score["invented"] and not score["states_number"]
        assert score["refused"] is (row["kind"] == "missing")


def test_parts_score_as_their_text():
    call = {"calc": "8.99e9*3e-6*5e-9/20e-2^2", "result": "0.003371"}
    parts = [GIVEN + "F = ", call, RIGHT.split("<|/calc|>")[1]]
    assert score_answer(ROW, parts) == score_answer(ROW, RIGHT)


@pytest.mark.parametrize("old, new, wrong", [
    ("Answer: 0.003371 N", "Answer: 0.003371 C", {"correct", "unit"}),
    ("Answer: 0.003371 N", "Answer: 0.003371", {"correct", "unit"}),
    ("Answer: 0.003371 N", "Answer: 0.003371 mN", {"correct", "value"}),                    # prefix slip
    ("Answer: 0.003371 N", "Answer: 3.371 N", {"correct", "value", "invented"}),
    ("Answer: 0.003371 N", "Answer: 0.003371 N or 0.0135 N", {"correct", "value", "invented"}),
    ("Answer: 0.003371 N", "Answer: -", {"correct", "value", "unit", "format"}),            # right only elsewhere
    ("Answer: 0.003371 N", "Answer: 0.00345 N", {"correct", "value", "invented"}),          # 2 % off
    ("Answer: 0.003371 N, attractive", "Answer: 0.003371 N, repulsive", {"correct", "direction"}),
    ("nC/cm^2 = N", "nC/cm = N", {"unit_check"}),
    ("N*m^2/C^2*uC*nC/cm^2 = N", "N*m^2/C^2*C*C/m^2 = N", {"unit_check"}),                  # a constant sentence
    ("opposite charges", "with 4.7e-5 C involved, charges", {"invented"}),
    ("<|result|>0.003371", "<|result|>0.004371", {"invented"}),                             # no calculator said that
    ("*5e-9/", "*7e-9/", {"invented"}),
    (LAW, "", {"format"}),
    (TOPIC, "", {"format"}),
    ("Check: opposite charges, so they attract.\n", "", {"format"}),
    (" N\nUnits", " N\nI think\nUnits", {"format"}),
])
def test_a_planted_fault_costs_its_own_points_only(old, new, wrong):
    assert old in RIGHT
    score = score_answer(ROW, RIGHT.replace(old, new)).as_dict()
    found = {name for name in ("correct", "value", "unit", "direction", "unit_check", "format") if score[name] is False}
    found |= {"invented"} if score["invented"] else set()
    assert found - {"invented"} == wrong - {"invented"} and ("invented" in found or "invented" not in wrong)


@pytest.mark.parametrize("answer", [
    "Answer: 3.371 mN, attractive",
    "By Coulomb's law $F = \\frac{k q_1 q_2}{r^2}$, so $$F = 3.37 \\times 10^{-3}\\,\\text{N}$$ Opposite charges attract.",
    "F = (8.99 × 10⁹)(3 × 10⁻⁶)(5 × 10⁻⁹)/(0.2)² = 3.37 × 10⁻³ N. The force is attractive.",
    "F = 8.99e9 * 3e-6 * 5e-9 / 0.04\nF = 1.3485e-4 / 0.04\nF = 3.37e-3 N\nAnswer: 3.37e-3 N (attractive).",
    "They attract with \\boxed{0.00337\\ \\mathrm{N}}",
    "**Final answer:** about 3.4 millinewtons, pulling each other together",
])
def test_a_model_without_a_calculator_is_scored_fairly(answer):
    score = score_answer(ROW, answer)
    assert score.correct and score.value and score.unit and score.direction
    if "8.99" in answer:
        assert not score.invented, score.invented_numbers


def test_arithmetic_that_does_not_hold_invents_its_result():
    score = score_answer(ROW, "F = 8.99e9*3e-6*5e-9/0.2^2 = 0.0042 N, attractive")
    assert score.invented_numbers == (0.0042,) and score.value is False


def test_a_zero_needs_its_unit():
    row = make_row(value=0.0, unit="N/C", direction=None, asks_direction=False)
    assert score_answer(row, "Answer: 0 N/C").correct and score_answer(row, "Inside, the field is zero.\nAnswer: 0 V/m").correct
    assert not score_answer(row, "Answer: 0").correct and not score_answer(row, "Answer: 1e-9 N/C").correct


def test_a_sign_counts_unless_words_carry_it():
    signed = make_row(value=-450.0, unit="V", direction=None, asks_direction=False)
    assert score_answer(signed, "Answer: -450 V").correct and not score_answer(signed, "Answer: 450 V").correct
    worded = make_row(value=-450.0, unit="N/C", direction="to the left")
    assert score_answer(worded, "Answer: 450 N/C to the left").correct and score_answer(worded, "Answer: -450 N/C, to the left").correct
    assert not score_answer(worded, "Answer: 450 N/C to the right").correct and not score_answer(worded, "Answer: 450 N/C").correct


@pytest.mark.parametrize("direction, said, right", [
    ("36.9 degrees", "36.9° above the +x axis", True), ("36.9 degrees", "37 degrees", True), ("36.9 degrees", "53.1 degrees", False),
    ("-36.9 degrees", "323.1 degrees", True), ("-36.9 degrees", "36.9° below the x axis", True), ("150 degrees", "30° north of west", True),
    ("toward the negative plate", "toward the negative plate", True), ("toward the negative plate", "toward the positive plate", False),
    ("toward q1", "directed towards q1", True), ("toward q1", "away from q1", False), ("inward", "toward the centre", True),
    ("outward", "radially outward", True), ("outward", "inward", False), ("up", "in the +y direction", True), ("to the left", "left", True),
    ("to the left", "to the left or to the right", False), ("36.9 degrees from +x", "36.9 degrees", True),
    ("36.9 degrees from +x", "to the right", False), ("36.9 degrees from +x", "36.9 degrees from +x", True),
    ("up and to the right", "up", False), ("up and to the right", "to the right and up", True),
    ("attractive", "they attract each other", True), ("down", "upward", False),
])
def test_directions(direction, said, right):
    row = make_row(value=5.0, direction=direction)
    assert score_answer(row, f"Answer: 5 N, {said}").direction is right


@pytest.mark.parametrize("answer, refused, names", [
    (ASK, True, True),
    ("You haven't given the distance between the charges. Could you tell me that?", True, True),
    ("I can't find the force: with q1 = 3 μC and q2 = -5 nC I still need to know r.", True, True),
    ("How far apart are they? I cannot determine the force without the separation.", True, True),
    ("Missing: q2, the second charge\nI can't compute the answer without it. What is the second charge?", True, False),
    ("Missing: r, the second charge\nI can't compute the answer without it. What is the second charge?", True, False),
    ("Missing: something\nI can't compute the answer without it. What is it?", True, False),
    ("That can't be computed.", True, False),
    (RIGHT, False, False),
    ("Assume r = 1 m, as it is not given.\nAnswer: 1.3e-4 N", False, False),
    ("", False, False),
])
def test_refusals(answer, refused, names):
    score = score_answer(ASK_ROW, answer)
    assert (score.refused, score.refusal_names, score.correct) == (refused, names, names)


def test_a_refusal_of_a_complete_problem_is_wrong_throughout():
    score = score_answer(ROW, ASK)
    assert score.refused and not any((score.correct, score.value, score.unit, score.direction, score.unit_check, score.format))
    assert not score_answer(ROW, RIGHT.replace("Check: opp", "Check: a distance cannot be found negative; opp")).refused


def test_a_refusal_with_a_made_up_number_is_not_correct():
    score = score_answer(ASK_ROW, ASK + " Say 37.5 cm.")
    assert score.refusal_names and score.invented and score.states_number and not score.correct


@pytest.mark.parametrize("old, new, wrong", [
    ("20e-2^2\n", "20e-2\n", "expression"), ("unit is N,", "unit is V,", "unit"), (", attractive", ", repulsive", "direction"),
    ("; the unit is N, attractive", "", "direction"), ("evaluate the expression; the unit is N", "0.003371 N", "states_number"),
    ("20e-2^2\n", "20e-2^2 = 0.003371 N\n", "states_number"), ("F = 8.99e9*3e-6*5e-9/20e-2^2\n", "", "expression"),
])
def test_mode_off_evaluates_the_expression_and_wants_no_number(old, new, wrong):
    assert old in OFF
    score = score_answer(OFF_ROW, OFF.replace(old, new).replace("Check: opposite charges, so they attract.", "Check: fine."))
    assert getattr(score, wrong) is (wrong == "states_number")
    assert score.correct is (wrong == "states_number")


def test_mode_off_follows_symbols_through_steps_and_leaves_a_computed_direction_to_the_sign():
    reply = (GIVEN + "E = 8.99e9*3e-6/20e-2^2\nF = -5e-9*E\nUnits: nC*(N*m^2/C^2*uC/cm^2)/C = N\nCheck: fine.\n"
             "Answer: evaluate the expression; the unit is N")
    row = make_row(mode="off", reply=reply, value=-0.003371, direction="to the left")
    score = score_answer(row, reply)
    assert score.correct and score.direction is None
    assert not score_answer(row, reply.replace("-5e-9", "5e-9")).correct
    assert not score_answer(row, reply + ", to the right").correct


def test_unknown_kinds_and_units_are_one_line_errors():
    with pytest.raises(TutorError, match="'essay'.*allowed: value"):
        score_answer(make_row(kind="essay"), RIGHT)
    with pytest.raises(TutorError, match="'furlongs'.*pint"):
        score_answer(make_row(unit="furlongs"), RIGHT)


@settings(max_examples=150)
@given(st.lists(st.sampled_from([*RIGHT.split(" "), *ASK.split(" "), *"\n=^(|𝟗∞", "<|calc|>", "<|result|>", "1e999"]), max_size=25))
def test_no_answer_breaks_the_scorer(words):
    for row in (ROW, OFF_ROW, ASK_ROW):
        score_answer(row, " ".join(words))


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(counts):
    hits, n = counts
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_power_of_ten_in_a_call_is_a_product_not_a_notation():
    row = make_row(problem="A square plate has a charge density of 56.1 C/m^2 and sides of 10 m. What is its charge?", value=5610.0,
                   unit="C", direction=None, asks_direction=False, givens=[])
    reply = "Q = <|calc|>{}<|result|>5610<|/calc|> C\nAnswer: 5610 C"
    assert not score_answer(row, reply.format("56.1*10^2")).invented
    assert score_answer(row, reply.format("51.6*10^2")).invented
    reply = "Q = 56.1*10^2\nAnswer: evaluate the expression; the unit is C"
    assert not score_answer({**row, "mode": "off"}, reply).states_number


def test_suite_counts_every_row_once():
    concept = {**ROW, "split": "others", "kind": "concept"}
    rows = [{**row, "id": str(i)} for i, row in enumerate([ROW, ROW, OFF_ROW, ASK_ROW, ASK_ROW, concept])]
    answers = [RIGHT, "", OFF, ASK, RIGHT, "Charges attract."]
    summary = summarise(rows, dict(zip("012345", answers)))
    scores = summary["splits"]["values"]["scores"]
    assert (summary["n"], summary["splits"]["values"]["n"], summary["splits"]["others"]) == (6, 5, {"n": 1, "scores": {}, "families": {
        "coulomb": {"n": 1, "scores": {}}}})
    assert (scores["correct"]["value"], scores["correct"]["n"], scores["correct_off"]["value"]) == (0.5, 4, 1.0)
    assert (scores["refusal_precision"]["value"], scores["refusal_recall"]["value"], scores["value"]["n"]) == (1.0, 0.5, 2)
    assert scores["correct"]["low"] < 0.5 < scores["correct"]["high"] and scores["expression"]["n"] == 1
    with pytest.raises(TutorError, match="2 of 6 rows have no answer, first 4"):
        summarise(rows, dict(zip("0123", answers)))


def test_reports_show_every_score():
    rows = [{**ROW, "id": str(i)} for i in range(4)]
    old, new = ["", "", RIGHT, ""], [RIGHT] * 4
    before, after = summarise(rows, old), summarise(rows, new)
    assert "| correct | 100.0 % (51.0–100.0) |" in render_report(after, "em-tutor@1")
    text = render_comparison(before, after, "Before and after")
    assert "| correct | 25.0 % (4.6–69.9) | 100.0 % (51.0–100.0) |" in text and "lower is better" in text
    text = render_comparison(summarise(rows[:2], old[:2]), after, "Before and after")
    assert "(n = 2 before, 4 after)" in text and "| correct | 0.0 % (0.0–65.8), n = 2 | 100.0 % (51.0–100.0), n = 4 |" in text


def test_no_problems_of_a_generated_split_and_all_of_others(monkeypatch):
    monkeypatch.setattr(asking, "answer_rows", lambda _, rows, *__: [{"id": row["id"], "answer": ""} for row in rows])
    summary, answers = asking.evaluate_suite(None, {"values": 0, "types": 2, "others": 0})
    assert {split: found["n"] for split, found in summary["splits"].items()} == {"types": 2, "others": 72} and len(answers) == 74
