"""The training loop: schedule, accumulation, clipping, skipped steps, validation, the best checkpoint, its records."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import tiny
from fake_backend import START, FakeBackend
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.config import TrainConfig
from mlxtutor.datasets.batch import Batch
from mlxtutor.errors import TutorError
from mlxtutor.training.checkpoint import load_checkpoint, load_weights
from mlxtutor.training.loop import MAX_SKIPPED, StageData, train_stage
from mlxtutor.training.schedule import lr_scale


def train(backend, folder, resume=False, data=None, weights=START, **changes):
    """The records of a stage."""
    config = dataclasses.replace(tiny.TRAIN, **changes)

    def model_of(loaded):
        return backend.build(tiny.CONFIG, weights if loaded is None else loaded, "float32")

    return list(train_stage(backend, model_of, data or tiny.stage_data(), config, folder, np.random.default_rng(7), resume))


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_lr_stays_within_bounds_and_ends_at_its_minimum(steps, warmup, decay, least):
    config = TrainConfig(warmup_fraction=warmup, decay_fraction=decay, min_lr_fraction=least)
    scales = [lr_scale(step, steps, config) for step in range(steps)]
    assert all(0 < scale <= 1 or least == 0 for scale in scales)
    if warmup + decay <= 1:
        assert scales[-1] == pytest.approx(least * min(1, steps / max(1, round(warmup * steps))))
        if steps >= 4 and warmup + decay < .5:
            assert max(scales) == 1
    peak = int(np.argmax(scales))
    assert scales[:peak + 1] == sorted(scales[:peak + 1]) and scales[peak:] == sorted(scales[peak:], reverse=True)


def test_lr_of_a_short_run_by_hand():
    config = TrainConfig(warmup_fraction=.2, decay_fraction=.4, min_lr_fraction=.1)
    wanted = [.5, 1, 1, 1, 1, 1, .775, .55, .325, .1]
    assert [lr_scale(step, 10, config) for step in range(10)] == pytest.approx(wanted)


def test_the_schedule_is_of_the_steps_that_are_really_made(tmp_path):
    for max_steps in (0, 7):
        records = train(FakeBackend(), tmp_path / str(max_steps), max_steps=max_steps, warmup_fraction=.03)
        scales = [record["lr_scale"] for record in records]
        assert max_steps in (0, len(records)) and {record["steps"] for record in records} == {len(records)}
        assert scales[0] == max(scales) == 1 and scales[-1] == pytest.approx(tiny.TRAIN.min_lr_fraction)
        assert [record["step"] for record in records if "val_loss" in record][-1] == len(records)


def joined(batches):
    return Batch(*(np.concatenate([getattr(b, f.name) for b in batches]) for f in dataclasses.fields(Batch)))


def gradient_of(backend, batches, **changes):
    """AdamW's first moment after one step is (1 - beta1) times the gradient it was given."""
    config = dataclasses.replace(tiny.TRAIN, **changes)
    trainer = backend.trainer(backend.build(tiny.CONFIG, tiny.model_weights(), "float32"), config)
    result = trainer.step(batches, 1.0)
    return result, {name: value / (1 - config.beta1) for name, value in trainer.state().items() if name.endswith("/m")}


def test_accumulation_weighs_by_tokens_like_one_big_batch(backend):
    batches = tiny.random_batches(3, 5)
    assert len({int(batch.mask.sum()) for batch in batches}) == 3
    parts, part_gradient = gradient_of(backend, batches, grad_clip=0)
    whole, whole_gradient = gradient_of(backend, [joined(batches)], grad_clip=0)
    assert parts.count == whole.count and parts.nll == pytest.approx(whole.nll, rel=1e-6)
    assert parts.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
    for name, value in whole_gradient.items():
        assert np.abs(part_gradient[name] - value).max() <= 1e-5 * whole.grad_norm, name


def test_rows_that_hold_no_target_count_for_nothing(backend):
    batch = joined(tiny.random_batches(3, 5))
    half = len(batch.inputs) // 2
    without = dataclasses.replace(batch, mask=batch.mask.copy())
    without.mask[:half] = False
    result, gradient = gradient_of(backend, [without], grad_clip=0)
    alone, expected = gradient_of(backend, [batch.take(np.arange(half, len(batch.inputs)))], grad_clip=0)
    assert result.count == alone.count and result.nll == pytest.approx(alone.nll, rel=1e-6)
    for name, value in expected.items():
        assert np.abs(gradient[name] - value).max() <= 1e-5 * alone.grad_norm, name


def test_the_gradient_is_clipped_to_its_global_norm(backend):
    batches = tiny.random_batches(1, 5)
    free, gradient = gradient_of(backend, batches, grad_clip=0)
    clipped, small = gradient_of(backend, batches, grad_clip=free.grad_norm / 4)
    loose, same = gradient_of(backend, batches, grad_clip=free.grad_norm * 4)
    norm = {kind: math.sqrt(sum((value.astype(np.float64) ** 2).sum() for value in g.values()))
            for kind, g in (("free", gradient), ("small", small), ("same", same))}
    assert norm["free"] == pytest.approx(free.grad_norm, rel=1e-4) and clipped.grad_norm == pytest.approx(free.grad_norm, rel=1e-5)
    assert norm["small"] == pytest.approx(free.grad_norm / 4, rel=1e-4) and norm["same"] == pytest.approx(norm["free"], rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_that_is_not_finite_changes_nothing(backend, optimizer):
    model = backend.build(tiny.CONFIG, tiny.model_weights(), "float32")
    trainer = backend.trainer(model, dataclasses.replace(tiny.TRAIN, optimizer=optimizer))
    good = tiny.random_batches(2, 6)
    trainer.step(good, 1.0)
    broken = tiny.model_weights()
    broken["model.embed_tokens.weight"][15] = 1e30  # overflows where that token occurs
    model = backend.build(tiny.CONFIG, broken, "float32")
    other = backend.trainer(model, dataclasses.replace(tiny.TRAIN, optimizer=optimizer))
    other.load_state(trainer.state())
    before, state = backend.weights(model), other.state()
    good[0].inputs[0, 0] = good[0].targets[0, 0] = 15
    result = other.step(good, 1.0)
    assert not result.finite and result.count > 0
    assert all(np.array_equal(before[name], value) for name, value in backend.weights(model).items())
    assert all(np.array_equal(state[name], value) for name, value in other.state().items())


def test_skipped_steps_are_counted_and_the_run_goes_on(tmp_path):
    records = train(FakeBackend(skipped=[2, 3, 9]), tmp_path)
    assert [r["skipped"] for r in records[:11]] == [0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3] and records[-1]["skipped"] == 3
    assert math.isnan(records[2]["loss"]) and not math.isnan(records[4]["loss"])
    logged = [json.loads(line, parse_constant=float.fromhex) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [r["loss"] is None for r in logged[:4]] == [False, False, True, True]  # JSON has no NaN


def test_a_validation_loss_that_is_not_finite_ends_the_run(tmp_path):
    with pytest.raises(TutorError, match="validation loss is nan .train.lr"):
        train(FakeBackend(val_losses=[math.nan] * 9), tmp_path)


def test_a_run_that_only_skips_is_given_up(tmp_path):
    with pytest.raises(TutorError, match=f"not finite in {MAX_SKIPPED} steps in a row .train.lr 0.003.*lower"):
        train(FakeBackend(skipped=range(5, 5 + MAX_SKIPPED)), tmp_path, epochs=3)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 5 + MAX_SKIPPED - 1


def test_the_best_checkpoint_is_kept(tmp_path):
    seen = {}

    class Watched(FakeBackend):
        def nll(self, model, batch):
            seen[len(seen)] = model["w"].copy()
            return super().nll(model, batch)

    data = StageData(tiny.random_examples(120, 3), tiny.random_examples(2, 4, longest=8))  # validation is one batch
    records = train(Watched([3.0, 1.0, 2.0, 1.0]), tmp_path, data=data)
    evaluated = [record for record in records if "val_loss" in record]
    assert [(r["val_loss"], r["best"]) for r in evaluated] == [(3, True), (1, True), (2, False), (1, False)]
    assert np.array_equal(load_weights(tmp_path / "best.safetensors")["w"], seen[1])
    last = load_checkpoint(tmp_path / "checkpoints")
    assert np.array_equal(last[0]["w"], seen[3]) and last[2]["step"] == len(records) and last[2]["best"] == 1


def test_losses_are_means_over_targets(backend, tmp_path):
    data = tiny.stage_data(40)
    records = train(backend, tmp_path, data=data, weights=tiny.model_weights(), epochs=1, accumulate=2, lr=1e-12)
    total = sum(int(data.train.mask[low + 1:high].sum()) for low, high in zip(data.train.starts, data.train.starts[1:]))
    assert records[-1]["tokens"] == data.train.lengths.sum() - len(data.train) >= total
    val = [record["val_loss"] for record in records if "val_loss" in record]
    assert val == pytest.approx([val[0]] * len(val), rel=1e-4)
    assert val[0] == pytest.approx(np.mean([record["loss"] for record in records]), rel=.3)


def test_loss_falls_on_either_backend(backend, tmp_path):
    weights = tiny.model_weights()
    for optimizer in ("adamw", "muon"):
        records = train(backend, tmp_path / optimizer, weights=weights, epochs=3, optimizer=optimizer)
        val = [record["val_loss"] for record in records if "val_loss" in record]
        assert records[0]["loss"] > 6 and val[-1] < 2.5 and val == sorted(val, reverse=True)


def test_bits_per_byte_come_from_the_loss_and_the_bytes(tmp_path):
    data = dataclasses.replace(tiny.stage_data(), val_bytes=1000)
    targets = sum(int(data.val.mask[low + 1:high].sum()) for low, high in zip(data.val.starts, data.val.starts[1:]))
    record = train(FakeBackend(), tmp_path, data=data)[-1]
    assert record["bits_per_byte"] == pytest.approx(record["val_loss"] * targets / math.log(2) / 1000)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_evaluating_more_often_does_not_change_the_weights(backend, tmp_path, optimizer):
    ends = []
    for eval_every in (1.0, .05):
        folder = tmp_path / str(eval_every)
        records = train(backend, folder, weights=tiny.model_weights(), eval_every=eval_every, optimizer=optimizer, max_steps=12)
        ends.append((load_checkpoint(folder / "checkpoints"), [record["loss"] for record in records]))
    (one, losses), (many, same) = ends
    assert losses == same
    for part in (0, 1):
        assert all(np.array_equal(one[part][name], value) for name, value in many[part].items())


def test_records_are_what_metrics_jsonl_holds(tmp_path):
    records = train(FakeBackend(), tmp_path)
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == records
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))


def test_a_stage_without_examples_is_an_error(tmp_path):
    data = StageData(tiny.random_examples(0, 1), tiny.random_examples(3, 1))
    with pytest.raises(TutorError, match="no examples to train on"):
        train(FakeBackend(), tmp_path, data=data)
