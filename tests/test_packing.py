"""Packing: nothing lost, nothing twice, no row too long, hardly any padding, a target in every batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.config import TrainConfig
from mlxtutor.datasets.batch import join_examples, make_batch, pack, plan_steps, typical_steps

CAPACITY = 16
lengths_of_examples = st.lists(st.integers(1, 30), max_size=40)


@st.composite
def examples(draw, shortest=2, longest=CAPACITY + 1):
    """Examples whose tokens are all different, so that each can be found again; at least one target among them."""
    sizes = draw(st.lists(st.integers(shortest, longest), min_size=1, max_size=25))
    at = draw(st.integers(0, len(sizes) - 1))
    sizes[at] = max(sizes[at], 2)
    masks = [draw(st.lists(st.booleans(), min_size=size, max_size=size)) for size in sizes]
    masks[at] = [False] + [True] * (sizes[at] - 1)
    starts = np.cumsum([1, *sizes])
    return join_examples([(list(range(start, start + size)), mask) for start, size, mask in zip(starts, sizes, masks)])


def train(batch_rows, accumulate=1, epochs=1, pack_len=CAPACITY):
    return TrainConfig(row_len=CAPACITY, pack_len=pack_len, batch_rows=batch_rows, accumulate=accumulate, epochs=epochs)


def pairs(batch):
    """(input, target) of every real position, and those that count."""
    real = batch.segments > 0
    return list(zip(batch.inputs[real], batch.targets[real])), list(zip(batch.inputs[batch.mask], batch.targets[batch.mask]))


@given(lengths_of_examples)
def test_every_example_is_in_one_row_and_no_row_overflows(lengths):
    rows = pack(np.array(lengths, int), CAPACITY)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    for row in rows:
        assert len(row) == 1 or sum(lengths[i] for i in row) <= CAPACITY


@given(lengths_of_examples)
def test_best_fit_leaves_no_two_rows_that_fit_into_one(lengths):
    """So all rows but one are more than half full: never twice as many as the tokens need."""
    used = sorted(sum(lengths[i] for i in row) for row in pack(np.array(lengths, int), CAPACITY))
    assert len(used) < 2 or used[0] + used[1] > CAPACITY


def test_best_fit_pads_far_less_than_rows_filled_in_order():
    lengths = np.clip(np.random.default_rng(0).lognormal(4.5, .6, 3000).astype(int), 10, 320)
    rows = pack(lengths, 320)
    in_order, room = 1, 320
    for length in lengths:
        in_order, room = (in_order, room - length) if length <= room else (in_order + 1, 320 - length)
    waste, naive, alone = (1 - lengths.sum() / (320 * count) for count in (len(rows), in_order, len(lengths)))
    assert waste < .005 and naive > .1 and alone > .6


@given(examples())
def test_a_batch_holds_every_pair_of_neighbours_once(given_examples):
    rows = pack(given_examples.lengths - 1, CAPACITY)
    batch = make_batch(given_examples, rows, CAPACITY)
    found, counted = pairs(batch)
    bounds = list(zip(given_examples.starts[:-1], given_examples.starts[1:]))
    wanted = [(t, t + 1) for low, high in bounds for t in given_examples.tokens[low:high - 1]]
    tokens, mask = given_examples.tokens, given_examples.mask
    targets = [(t - 1, t) for low, high in bounds for t, on in zip(tokens[low + 1:high], mask[low + 1:high]) if on]
    assert Counter(found) == Counter(wanted) and Counter(counted) == Counter(targets)


@given(examples())
def test_segments_and_positions_belong_to_one_example_each(given_examples):
    rows = pack(given_examples.lengths - 1, CAPACITY)
    batch = make_batch(given_examples, rows, CAPACITY)
    for row, segments, inputs, positions in zip(rows, batch.segments, batch.inputs, batch.positions):
        for segment, index in enumerate(row, 1):
            low, high = given_examples.starts[index], given_examples.starts[index + 1]
            own = segments == segment
            assert inputs[own].tolist() == given_examples.tokens[low:high - 1].tolist()
            assert positions[own].tolist() == list(range(high - low - 1))
        assert set(segments) <= {0, *range(1, len(row) + 1)}
    padding = batch.segments == 0
    assert not batch.mask[padding].any() and not batch.inputs[padding].any()
    assert batch.inputs.shape == (len(rows), (batch.segments > 0).sum(axis=1).max())


@given(examples(shortest=2, longest=60))
def test_a_long_example_is_cut_at_the_row(given_examples):
    for index in range(len(given_examples)):
        batch = make_batch(given_examples, [[index]], CAPACITY)
        low, high = given_examples.starts[index], given_examples.starts[index + 1]
        kept = min(high - low - 1, CAPACITY)
        assert batch.targets[0, :kept].tolist() == given_examples.tokens[low + 1:low + 1 + kept].tolist()
        assert (batch.segments > 0).sum() == kept


@given(examples(shortest=1, longest=40), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 9))
def test_an_epoch_uses_every_example_once_and_every_pass_has_targets(given_examples, batch_rows, accumulate, epochs, seed):
    steps = plan_steps(given_examples, train(batch_rows, accumulate, epochs), np.random.default_rng(seed))
    passes = [rows for step in steps for rows in step]
    used = Counter(index for rows in passes for row in rows for index in row)
    assert used == dict.fromkeys(range(len(given_examples)), epochs)
    assert all(1 <= len(step) <= accumulate for step in steps)
    for rows in passes:
        assert make_batch(given_examples, rows, CAPACITY).mask.any()


def test_passes_are_full_but_for_one():
    lengths = [([1] * 17, [True] * 17)] * 11
    steps = plan_steps(join_examples(lengths), train(2, 2), np.random.default_rng(0))
    assert sorted([len(rows) for rows in step] for step in steps) == [[2, 1], [2, 2], [2, 2]]


def test_rows_of_a_pass_are_of_one_length_and_passes_of_a_step_are_not():
    sizes = np.clip(np.random.default_rng(0).lognormal(4.8, .5, 3000).astype(int), 20, 320)
    items = join_examples([([1] * size, [True] * size) for size in sizes])
    config = TrainConfig(row_len=320, pack_len=200, batch_rows=8, accumulate=2)
    steps = plan_steps(items, config, np.random.default_rng(1))
    batches = [[make_batch(items, rows, 320) for rows in step] for step in steps]
    padding = np.mean([(batch.segments == 0).mean() for step in batches for batch in step])
    widths = np.array([sorted(batch.inputs.shape[1] for batch in step) for step in batches if len(step) == 2])
    assert padding < .05 and np.median(widths[:, 1] / widths[:, 0]) > 1.1


def test_every_epoch_has_another_order_and_packing():
    rng = np.random.default_rng(1)
    sizes = rng.integers(2, 17, 200)
    items = join_examples([([1] * size, [True] * size) for size in sizes])
    steps = plan_steps(items, train(4, epochs=2), np.random.default_rng(2))
    half = len(steps) // 2
    first, second = ({frozenset(row) for step in part for rows in step for row in rows} for part in (steps[:half], steps[half:]))
    assert first != second
    assert steps == plan_steps(items, train(4, epochs=2), np.random.default_rng(2))


@pytest.mark.parametrize("masks", [[[False] * 9], [[True] + [False] * 8], [[False] * 30 + [True]], []],
                         ids=["no target", "only the first token", "only past the cut", "nothing"])
def test_examples_without_a_target_make_no_step(masks):
    items = join_examples([([1] * len(mask), mask) for mask in masks])
    assert plan_steps(items, train(2, epochs=2), np.random.default_rng(0)) == []


def test_typical_steps_are_of_even_quantiles_the_middle_one_first():
    items = join_examples([([1] * size, [True] * size) for size in range(2, 12)])
    steps = [[[[index]]] for index in (4, 0, 9, 2, 7, 1, 8, 3, 6, 5)]
    assert typical_steps(items, steps, 1) == [[[[5]]]]
    assert typical_steps(items, steps, 3) == [[[[5]]], [[[1]]], [[[8]]]]
    assert len(typical_steps(items, steps[:2], 3)) == 2
