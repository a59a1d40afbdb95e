"""Weights that reach the sampled stream, and splits that share nothing."""

import itertools
import json
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.config import Recipe
from mlxtutor.datasets.mixing import Part, mix, parse_part
from mlxtutor.datasets.sources import iter_source
from mlxtutor.datasets.splitting import group_rows, split
from mlxtutor.datasets.weights import sample
from mlxtutor.errors import TutorError

RNG = np.random.default_rng
WORDS = [f"word{n}" for n in range(3000)]


def row(name, chance, **more):
    question = f"{name} " + " ".join(chance.choices(WORDS, k=30))
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": "Yes."}], **more}


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return str(path)


@pytest.fixture
def parts(tmp_path):
    """Three files of 300 rows, each with rows that it repeats."""
    chance = random.Random(1)
    files = []
    for name in "abc":
        rows = [row(name, chance) for _ in range(300)]
        files.append(write(tmp_path / f"{name}.jsonl", rows + rows[:50]))
    return files


def test_weights_reach_the_stream(parts):
    """1, 2 and 5 are those proportions within 1 %, after deduplication."""
    mixed = mix([Part(source, weight) for source, weight in zip(parts, (1, 2, 5))], np.random.default_rng(1))
    assert len(mixed.rows) == 900 and mixed.repeated == 150
    drawn = itertools.islice(sample([one.get("weight", 1) for one in mixed.rows], np.random.default_rng(2)), 50_000)
    counts = Counter(mixed.rows[index]["messages"][0]["content"][0] for index in drawn)
    for name, weight in zip("abc", (1, 2, 5)):
        assert counts[name] / 50_000 == pytest.approx(weight / 8, rel=0.01)


def test_weights_reach_training(parts, tmp_path):
    """The stream that a recipe's `data` is trained on has those proportions too."""
    mixed = mix([Part(source, weight) for source, weight in zip(parts, (1, 2, 5))], np.random.default_rng(1))
    recipe = Recipe(data=write(tmp_path / "mixed.jsonl", mixed.rows))
    drawn = itertools.islice(iter_source("em", recipe, np.random.default_rng(2)), 40_000)
    counts = Counter(messages[0]["content"][0] for messages in drawn)
    assert counts["c"] / counts["a"] == pytest.approx(5, rel=0.1)  # every 20th row is held out, of each file about as many


def test_what_validates_is_not_trained_on(parts):
    def asked(n, **options):
        return {messages[0]["content"] for messages in itertools.islice(iter_source("em", Recipe(data=parts[0]), RNG(2), **options), n)}

    held = asked(18, validation=True)
    assert len(held) == 15 and not held & asked(5000)  # 18 of the 350, three of them repeated


@given(st.lists(st.floats(0.05, 8), min_size=2, max_size=6), st.integers(0, 99))
def test_sample(weights, seed):
    drawn = Counter(itertools.islice(sample(weights, np.random.default_rng(seed)), 20_000))
    for index, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(drawn[index] / 20_000 - share) < 0.012 + 0.05 * share


def test_same_seed_same_rows(parts):
    def mixed(seed):
        return mix([Part(parts[0]), Part(parts[1], 2)], None if seed is None else np.random.default_rng(seed)).rows

    assert mixed(42) == mixed(42) != mixed(43)
    assert sorted(map(json.dumps, mixed(42))) == sorted(map(json.dumps, mixed(None)))
    assert mixed(None)[0]["messages"][0]["content"].startswith("a ")


def test_a_row_of_two_files_has_both_weights(tmp_path):
    one = row("x", random.Random(1))
    first, second = write(tmp_path / "1.jsonl", [one, one]), write(tmp_path / "2.jsonl", [{**one, "weight": 3}])
    only, = mix([Part(first), Part(second, 2)], None).rows
    assert only["weight"] == 7


def test_copies_in_one_file_count_together(tmp_path):
    """Where a weight is stated; by accident twice is once."""
    one, other, third = (row(name, random.Random(name)) for name in "xyz")
    source = write(tmp_path / "1.jsonl", [one, {**one, "weight": 5}, other, other, {**third, "weight": 2}, {**third, "weight": 0.5}])
    assert [found.get("weight", 1) for found in mix([Part(source, 2)], None).rows] == [12, 2, 5]


@pytest.mark.parametrize("text, part", [
    ("a.jsonl", Part("a.jsonl")), ("a.jsonl:2", Part("a.jsonl", 2)), ("a.jsonl:0.5", Part("a.jsonl", 0.5)),
    ("hub:a/b", Part("hub:a/b")), ("hub:a/b:train", Part("hub:a/b:train"))])
def test_parts(text, part):
    assert parse_part(text) == part


def test_a_weight_of_nothing():
    with pytest.raises(TutorError, match=r'"a.jsonl:0": the weight is 0 \(a number above 0 is expected, as in a.jsonl:2\)'):
        parse_part("a.jsonl:0")


def test_groups_never_straddle():
    """Near-copies, chains of them, and turns of one dialogue stay in one part."""
    chance = random.Random(4)
    rows = [row("r", chance) for _ in range(200)]
    for original in range(0, 60, 2):
        text = rows[original]["messages"][0]["content"]
        for copy in range(3):  # a chain: each differs from the one before
            text = text.replace(" word", " extra word", 1) if copy else text + " indeed"
            rows.append({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}], "of": original})
    rows += [row("d", chance, group=f"dialogue{n % 20}") for n in range(100)]
    parts = split(rows, {"val": 0.1, "test": 0.1}, np.random.default_rng(1))
    where = {json.dumps(one): name for name, part in parts.items() for one in part}
    assert len(where) == len(rows) == sum(map(len, parts.values()))
    assert all(where[json.dumps(one)] == where[json.dumps(rows[one["of"]])] for one in rows if "of" in one)
    for group in {one["group"] for one in rows if "group" in one}:
        assert len({where[json.dumps(one)] for one in rows if one.get("group") == group}) == 1
    for name in ("val", "test"):
        assert len(parts[name]) == pytest.approx(0.1 * len(rows), abs=4)
    assert split(rows, {"val": 0.1, "test": 0.1}, np.random.default_rng(1)) == parts


def test_follow_ups_stay_with_what_they_follow():
    """`group` may be another row's id; rows with one first question are one thing; a crowd doesn't hide a chain."""
    chance = random.Random(5)
    first, other = row("one", chance, id="a", source="s"), row("two", chance, id="b", source="s")
    follow = row("three", chance, id="a-what_if", group="a", source="s")
    again = {"messages": [other["messages"][0], {"role": "assistant", "content": "Something else entirely."}]}
    assert sorted(map(sorted, group_rows([first, other, follow, again]))) == [[0, 2], [1, 3]]
    words = WORDS[:40]
    crowd = [" ".join([f"x{n}", *words]) for n in range(25)]
    chain = [" ".join([*words[:37], "b1", "b2"]), " ".join([*words[:35], "c1", "b1", "b2"])]
    rows = [{"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]} for text in [*crowd, *chain]]
    assert len(group_rows(rows)) == 1


def chat(*turns):
    return {"messages": [{"role": "assistant" if index % 2 else "user", "content": turn} for index, turn in enumerate(turns)]}


def test_a_dialogue_stays_with_itself_continued():
    """However short its first question is, and however long it goes on; a greeting that many share isn't a dialogue."""
    hello = ["Hi!", "Hello! How can I help you today? What would you like to learn about?"]
    lens, lever = ["Lens?", "It bends light to a focus."], ["Lever?", "It trades force for distance."]
    on = [" ".join(random.Random(n).choices(WORDS, k=30)) for n in range(6)]
    rows = [chat(*lens), chat(*lens, *on[:2]), chat(*lens, on[0], "Quite another reply than there was before, about mirrors."),
            chat(*hello, *lever), chat(*hello, *lever, *on[2:4]), chat(*hello, *on[4:]), chat("Hi!", "Lens or lever, what is it?")]
    assert sorted(group_rows(rows)) == [[0, 1, 2], [3, 4], [5], [6]]
    system = {"role": "system", "content": "Be brief."}
    assert group_rows([chat(*lens), {"messages": [system, *chat(*lens, *on[:2])["messages"]]}]) == [[0, 1]]


def test_groups_of_rows_that_are_all_alike():
    rows = [row("same", random.Random(1)) for _ in range(20)]
    assert [len(group) for group in group_rows(rows)] == [20]
    with pytest.raises(TutorError, match="no rows for val: the 20 rows are 1 groups"):
        split(rows, {"val": 0.1}, np.random.default_rng(1))


@pytest.mark.parametrize("shares", [{"val": 0.5, "test": 0.5}, {"val": 1.5}])
def test_shares_that_leave_nothing(shares):
    with pytest.raises(TutorError, match="together below 1"):
        split([row("r", random.Random(1))], shares, np.random.default_rng(1))


def test_a_recipes_system_text_begins_the_chats_that_have_none(tmp_path):
    chats = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]
    chats.append([{"role": "system", "content": "own"}, *chats[0]])
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    recipe = Recipe(data=str(path), system="Ask.")
    found = [messages for messages in itertools.islice(iter_source("em", recipe, np.random.default_rng(0), True), 2)]
    found += itertools.islice(iter_source("em", recipe, np.random.default_rng(0)), 6)
    assert {messages[0]["content"] for messages in found} == {"Ask.", "own"}
    with pytest.raises(TutorError, match="system .'Ask.'. goes with chats of your own"):
        Recipe(system="Ask.")
