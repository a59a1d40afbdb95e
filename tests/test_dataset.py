"""Data sets of problems on disk: a function of the seed, no prompt twice, all or nothing."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest

from mlxtutor.datasets.rows import read_json_lines, read_rows
from mlxtutor.errors import TutorError
from mlxtutor.evaluation.answer_scores import score_answer
from mlxtutor.problems import dataset
from mlxtutor.problems.build import PRACTICE, iter_rows, prompt_of, trained_types
from mlxtutor.problems.catalog import TYPES
from mlxtutor.problems.dataset import MANIFEST, build_splits, prompt_key, write_splits
from mlxtutor.problems.solution import RECURRING
from mlxtutor.problems.suite import test_prompts as suite_prompts
from mlxtutor.problems.suite import written
from mlxtutor.problems.types import draw
from mlxtutor.problems.wording import Wording, compose
from mlxtutor.records.card import read_card
from mlxtutor.registry.origin import data_entries, licence_of
from mlxtutor.text.chat import compact


@pytest.fixture(scope="module")
def splits():
    return build_splits(train=120, val=15, test=20, seed=3)


def test_sizes_and_splits(splits):
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 120, "val": 15, "values": 20, "wordings": 20, "others": len(written()), "types": 20}
    assert all(row["split"] == name for name, rows in splits.items() for row in rows)
    assert splits["others"] == written()


def test_held_types_are_only_in_the_split_types(splits):
    held = {name for name, problem in TYPES.items() if problem.held}
    assert {row["type"] for row in splits["types"]} <= held
    assert not held & {row["type"] for name in ("train", "val", "values", "wordings") for row in splits[name]}


def test_no_prompt_occurs_twice_or_in_the_suite(splits):
    prompts = [prompt_key(row) for rows in splits.values() for row in rows]
    assert len(set(prompts)) == len(prompts)
    assert not suite_prompts() & {prompt_of(row) for name in ("train", "val") for row in splits[name]}


def test_a_function_of_the_seed(splits):
    assert build_splits(train=120, val=15, test=20, seed=3) == splits
    other = build_splits(train=120, val=15, test=20, seed=4)
    assert not {prompt_key(r) for r in other["train"]} & {prompt_key(r) for r in splits["train"] if r["kind"] != "concept"}


def test_a_longer_split_begins_like_a_shorter_one(splits):
    assert build_splits(train=10, val=0, test=20, seed=3)["train"] == splits["train"][:10]


def test_files_are_rows_that_training_reads(splits, tmp_path):
    manifest = write_splits(tmp_path / "em", splits, seed=3)
    assert list(manifest["files"]) == ["train.jsonl", "val.jsonl", "values.jsonl", "wordings.jsonl", "others.jsonl", "types.jsonl"]
    assert json.loads((tmp_path / "em" / MANIFEST).read_text()) == manifest and manifest["counts"]["train"] == 120
    assert list(read_rows(tmp_path / "em" / "train.jsonl")) == splits["train"]
    assert [row for _, row in read_json_lines(tmp_path / "em" / "types.jsonl")] == splits["types"]


def test_every_file_has_a_card_with_its_licence(splits, tmp_path):
    write_splits(tmp_path, splits, seed=3, command="tutor data build em --seed 3 --out em")
    for name, rows in splits.items():
        card = read_card(tmp_path / f"{name}.jsonl")
        assert (card["rows"], card["licences"], card["seed"], card["inputs"]) == (len(rows), {"MIT": len(rows)}, 3, [])
        assert card["command"] == "tutor data build em --seed 3 --out em" and sum(card["kinds"].values()) == len(rows)
    assert licence_of(data_entries({"data": str(tmp_path / "train.jsonl")})) == "mit"


def test_a_build_from_before_there_were_cards_is_replaced(splits, tmp_path):
    few = {"train": splits["train"][:2]}
    manifest = write_splits(tmp_path, few, seed=3)
    (tmp_path / "train.jsonl.card.json").unlink()
    (tmp_path / MANIFEST).write_text(json.dumps({key: value for key, value in manifest.items() if key != "cards"}))
    assert write_splits(tmp_path, few, seed=3) == manifest and read_card(tmp_path / "train.jsonl")


def test_building_again_replaces_every_file(splits, tmp_path):
    write_splits(tmp_path, splits, seed=3)
    (tmp_path / "mine.txt").write_text("kept")
    write_splits(tmp_path, {"train": splits["train"][:3], "others": splits["others"]}, seed=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "build.json", "mine.txt", "others.jsonl", "others.jsonl.card.json", "train.jsonl", "train.jsonl.card.json"]
    assert len((tmp_path / "train.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("name, wanted", [
    ("train.jsonl", "train.jsonl: not as a build wrote it"), ("train.jsonl.card.json", "train.jsonl.card.json: not as a build wrote it"),
    ("val.jsonl.card.json", "val.jsonl.card.json: not as a build wrote it"), ("types.jsonl", "types.jsonl: not as a build wrote it"),
    (MANIFEST, "not the manifest of a build")])
@pytest.mark.parametrize("built", [False, True])
def test_files_of_others_stay(splits, tmp_path, name, wanted, built):
    few = {"train": splits["train"][:2]}
    if built:
        write_splits(tmp_path, few, seed=3)
    (tmp_path / name).write_text('{"mine": 1}\n')
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    with pytest.raises(TutorError, match=wanted):
        write_splits(tmp_path, few, seed=3)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_failure_leaves_what_was_there(splits, tmp_path, monkeypatch):
    folder = tmp_path / "em"
    write_splits(folder, {"train": splits["train"][:2]}, seed=3)
    write = dataset.write_rows

    def full(path, rows):
        if path.stem == "types":
            raise OSError(28, "No space left on device", str(path))
        write(path, rows)

    monkeypatch.setattr(dataset, "write_rows", full)
    with pytest.raises(OSError):
        write_splits(folder, splits, seed=3)
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "train.jsonl", "train.jsonl.card.json"]
    assert list(tmp_path.iterdir()) == [folder]
    assert json.loads((folder / "train.jsonl").read_text().splitlines()[0]) == splits["train"][0]


def test_more_problems_than_there_are_is_an_error():
    row = written()[0]
    with pytest.raises(TutorError, match="values: only 1 different problems of the 5 asked for"):
        dataset._take(iter([row] * 10), 5, set(), "values")


def test_a_file_is_no_folder(splits, tmp_path):
    (tmp_path / "em").write_text("x")
    with pytest.raises(TutorError, match="is a file"):
        write_splits(tmp_path / "em", splits, seed=3)


def first_reply(row):
    return next(m["content"] for m in row["messages"] if m["role"] == "assistant")


def test_solutions_list_the_givens_in_the_problems_order(splits):
    for row in splits["train"]:
        reply = first_reply(row)
        first = (reply if isinstance(reply, str) else reply[0]).partition("Given:")[2].split("\n")[0]
        symbols = re.findall(r"-> (\w+) = ", first)
        if row["kind"] != "concept":
            assert sorted([*symbols, *filter(None, [row["answer"]["missing"]])]) == sorted(g["symbol"] for g in row["answer"]["givens"])
            at = 0
            for symbol in symbols:
                text = next(given["text"] for given in row["answer"]["givens"] if given["symbol"] == symbol)
                number = re.split(r"[ ]?[A-Za-zµμΩ°]", text)[0]  # noise may spell a unit differently
                at = prompt_of(row).find(number, at) + len(number)
                assert at >= len(number), f"{symbol} = {text} out of order in {prompt_of(row)!r}: {first}"


def test_what_counts_as_recurring_stands_in_solutions(splits):
    replies = [compact(first_reply(row)) for row in splits["train"] if row["kind"] != "concept"]
    labels = {line.split(" ")[0] for reply in replies for line in reply.split("\n") if re.match(r"[A-Z][a-z]+: ", line)}
    assert labels <= set(RECURRING)
    assert not [text for text in RECURRING if sum(text in reply for reply in replies) < 3]


def test_every_trained_types_own_solutions_are_right_to_the_scorer():
    rows = itertools.islice(iter_rows(trained_types(), "train", np.random.default_rng(8)), 330)
    for row in rows:
        if row["kind"] != "concept":
            score = score_answer(row, first_reply(row))
            assert score.correct and score.format and not score.invented and score.unit_check is not False, (row["messages"], score)


def test_types_with_more_givens_come_up_more_often():
    names = [row["type"] for row in itertools.islice(iter_rows(trained_types(), "train", np.random.default_rng(9)), 4 * 237)]
    counts = {problem.name: names.count(problem.name) for problem in trained_types()}
    one_cycle = sum(PRACTICE[len(problem.givens) - 1] for problem in trained_types())
    for problem in trained_types():
        assert abs(counts[problem.name] - PRACTICE[len(problem.givens) - 1] * len(names) / one_cycle) <= max(PRACTICE)
    assert set(names[:len(trained_types())]) == {problem.name for problem in trained_types()}  # the first round has all


def test_the_order_is_the_texts():
    problem = TYPES["coulomb_pair_force"]
    values = draw(problem, np.random.default_rng(1)).values
    blank = {field: () for field in Wording.__dataclass_fields__}
    for places in itertools.permutations(values):
        text = "We have " + ", then ".join("{" + symbol + "}" for symbol in places) + "."
        wording = Wording(**{**blank, "names": {}, "wholes": (text,), "scenes": (text,), "questions": ("What now?",), "targets": ("it",),
                             "contexts": ("Here.",), "wholes_held": (text,), "scenes_held": (text,), "questions_held": ("What?",),
                             "targets_held": ("the force",)})
        for seed in range(5):
            assert compose(np.random.default_rng(seed), wording, values, held=True).order == places
            assert compose(np.random.default_rng(seed), wording, values, places[1], held=True).order == (places[0], places[2])
