"""The two backends train alike: the same loss curve from the same start, and each goes on from the other's checkpoint."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tiny

from mlxtutor.training.checkpoint import load_checkpoint, save_checkpoint
from mlxtutor.training.schedule import lr_scale

STEPS, HALF = 100, 50
TOLERANCE = 1e-4  # nats per target
# torch's Muon orthogonalises in bf16, MLX's in float32 (the frameworks' own). Measured on x86: 4.1e-3 apart at most over
# these 100 steps, in which the loss falls from 8.0 to 0.8; five times that is allowed, since bf16 rounds otherwise elsewhere.
MUON_TOLERANCE = 2e-2


def train_config(optimizer):
    return dataclasses.replace(tiny.TRAIN, optimizer=optimizer)


def start(backend, optimizer, weights=None):
    model = backend.build(tiny.CONFIG, tiny.model_weights() if weights is None else weights, "float32")
    return model, backend.trainer(model, train_config(optimizer))


def curve(trainer, steps, optimizer):
    """Losses per target of these steps of a run of STEPS, two batches each: the schedule and accumulation included."""
    losses = []
    for step in steps:
        result = trainer.step(tiny.random_batches(2, step, rows=3), lr_scale(step, STEPS, train_config(optimizer)))
        assert result.finite
        losses.append(result.nll / result.count)
    return np.array(losses)


@pytest.fixture(scope="module")
def whole_run():
    """(backend, optimizer) -> the losses of a whole run, and (weights, optimiser state) at half of it; computed once."""
    known = {}

    def run(backend, optimizer):
        key = backend.__name__, optimizer
        if key not in known:
            model, trainer = start(backend, optimizer)
            first = curve(trainer, range(HALF), optimizer)
            middle = backend.weights(model), trainer.state()
            known[key] = np.concatenate([first, curve(trainer, range(HALF, STEPS), optimizer)]), middle
        return known[key]

    return run


@pytest.mark.parametrize("optimizer, tolerance", [("adamw", TOLERANCE), ("muon", MUON_TOLERANCE)])
def test_loss_curves_agree_over_100_steps(both, whole_run, optimizer, tolerance):
    mlx, torch = (whole_run(backend, optimizer)[0] for backend in both)
    assert mlx[0] - mlx[-10:].mean() > 5, "a curve that does not fall proves little"
    assert np.abs(mlx - torch).max() < tolerance


@pytest.mark.parametrize("optimizer, tolerance", [("adamw", TOLERANCE), ("muon", MUON_TOLERANCE)])
@pytest.mark.parametrize("first", ["mlx", "torch"])
def test_a_checkpoint_goes_on_in_the_other_backend(both, whole_run, tmp_path, first, optimizer, tolerance):
    one, other = both if first == "mlx" else both[::-1]
    uninterrupted, middle = whole_run(one, optimizer)
    save_checkpoint(tmp_path, HALF, *middle, {})
    weights, state, _ = load_checkpoint(tmp_path)
    _, trainer = start(other, optimizer, weights)
    trainer.load_state(state)
    continued = curve(trainer, range(HALF, STEPS), optimizer)
    assert np.abs(continued - uninterrupted[HALF:]).max() < tolerance
    forgotten = curve(start(other, optimizer, weights)[1], range(HALF, HALF + 8), optimizer)
    assert np.abs(forgotten - continued[:8]).max() > 3 * tolerance, "the optimiser's state makes no difference here"


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_optimiser_states_have_the_same_names_shapes_and_values(both, optimizer):
    states = []
    for backend in both:
        trainer = start(backend, optimizer)[1]
        curve(trainer, range(3), "adamw")
        states.append(trainer.state())
    mlx, torch = states
    assert sorted(mlx) == sorted(torch)
    assert {name: value.shape for name, value in mlx.items()} == {name: value.shape for name, value in torch.items()}
    if optimizer == "adamw":
        assert all(np.allclose(mlx[name], torch[name], rtol=1e-2, atol=1e-6) for name in mlx)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_state_goes_in_and_out_unchanged(backend, optimizer):
    model, trainer = start(backend, optimizer)
    curve(trainer, range(3), optimizer)
    again = start(backend, optimizer, backend.weights(model))[1]
    again.load_state(trainer.state())
    assert all(np.array_equal(trainer.state()[name], value) for name, value in again.state().items())
    batches = tiny.random_batches(2, 9)
    assert again.step(batches, .7) == trainer.step(batches, .7)
    assert all(np.array_equal(trainer.state()[name], value) for name, value in again.state().items())
