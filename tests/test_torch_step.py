"""torch's training step on the CPU: written-out gradients against autograd, batched Muon against torch's, the loss against torch's."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import cuda_backend  # noqa: E402
from cuda_backend.cpu import kernels as cpu_kernels  # noqa: E402
from cuda_backend.cpu import step as cpu_step  # noqa: E402
from cuda_backend.cpu.kernels import kernels  # noqa: E402
from cuda_backend.loss import cross_entropy  # noqa: E402
from cuda_backend.model import batch_nll  # noqa: E402
from cuda_backend.muon import Muon  # noqa: E402
from mlxtutor.config import ModelConfig, TrainConfig  # noqa: E402
from mlxtutor.datasets.batch import Batch  # noqa: E402
from mlxtutor.training.initial import initial_weights  # noqa: E402

seeds = st.integers(0, 2**31)
compiled = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_batch(seed, rows, length, vocab):
    """Rows of up to three examples and padding, with a few targets."""
    rng = np.random.default_rng(seed)
    segments = np.sort(rng.integers(1, 4, (rows, length)), axis=1)
    segments[rng.random(rows) < .5, length - length // 4:] = 0
    begins = np.diff(segments, axis=1, prepend=-1) != 0
    positions = np.arange(length) - np.maximum.accumulate(np.where(begins, np.arange(length), 0), axis=1)
    mask = (rng.random((rows, length)) < .5) & (segments > 0)
    mask[0, 0] = True
    tokens, targets = rng.integers(0, vocab, (2, rows, length))
    return Batch(tokens.astype(np.int32), targets.astype(np.int32), mask, segments.astype(np.int32), positions.astype(np.int32))


def random_model(seed, heads, kv_heads, layers, dtype):
    config = ModelConfig(vocab_size=40, hidden_size=32, intermediate_size=64, num_layers=layers, num_heads=heads, num_kv_heads=kv_heads,
                         head_dim=8, max_seq_len=64)
    rng = np.random.default_rng(seed)
    weights = {name: value + rng.normal(0, .3, value.shape).astype(np.float32) for name, value in initial_weights(config, rng).items()}
    return cuda_backend.build(config, weights, dtype)


def both(model, batch):
    """(loss, targets, gradients), written out and by autograd."""
    ours = cpu_step.gradients(model, cpu_step.supported(model), cpu_step.step_weights(model), batch)
    loss, count = batch_nll(model, batch)
    return ours, (float(loss.detach()), count, torch.autograd.grad(loss, list(model.parameters())))


@compiled
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_compiles(dtype):
    assert kernels(dtype) is not None and cpu_kernels.missing(dtype) == ""


@compiled
@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 4), st.integers(1, 40), st.sampled_from([(1, 1), (3, 3), (4, 2), (3, 1)]), st.integers(1, 3))
def test_gradients_equal_autograds(seed, rows, length, heads, layers):
    model = random_model(seed, *heads, layers, "float32")
    (loss, count, ours), (wanted, targets, theirs) = both(model, random_batch(seed, rows, length, 40))
    assert count == targets and loss == pytest.approx(wanted, rel=1e-5)
    largest = max(float(reference.abs().max()) for reference in theirs)
    for (name, _), mine, reference in zip(model.named_parameters(), ours, theirs):
        assert mine.shape == reference.shape, name
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-5 * float(reference.abs().max()) + 1e-6 * largest, msg=name)


@compiled
def test_gradients_in_bfloat16_are_as_near_to_float32s_as_autograds():
    batch = random_batch(7, 4, 60, 40)
    (_, _, exact), _ = both(random_model(7, 4, 2, 2, "float32"), batch)
    (loss, _, ours), (wanted, _, theirs) = both(random_model(7, 4, 2, 2, "bfloat16"), batch)
    assert loss == pytest.approx(wanted, rel=1e-2)
    errors = [sum(float((value - goal).norm() / goal.norm()) for value, goal in zip(found, exact)) / len(exact) for found in (ours, theirs)]
    assert errors[0] <= 1.1 * errors[1] and errors[0] < .05


@compiled
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_without_a_target(dtype):
    model, batch = random_model(3, 2, 1, 2, dtype), random_batch(3, 2, 20, 40)
    nothing = Batch(batch.inputs, batch.targets, np.zeros_like(batch.mask), batch.segments, batch.positions)
    loss, count, found = cpu_step.gradients(model, cpu_step.supported(model), cpu_step.step_weights(model), nothing)
    assert loss == count == 0 and not any(bool(gradient.any()) for gradient in found)


@compiled
def test_a_target_outside_the_vocabulary_is_refused():
    model, batch = random_model(3, 2, 1, 2, "float32"), random_batch(3, 2, 20, 40)
    beyond = Batch(batch.inputs, np.full_like(batch.targets, 40), batch.mask, batch.segments, batch.positions)
    with pytest.raises(IndexError, match="a target of 40 with 40 tokens"):
        cpu_step.gradients(model, cpu_step.supported(model), cpu_step.step_weights(model), beyond)


@compiled
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["embed_tokens.weight", "layers.0.mlp.up_proj.weight", "layers.1.self_attn.k_norm.weight"])
def test_a_weight_that_is_not_finite_shows_in_the_loss(dtype, name):
    model = random_model(3, 2, 2, 2, dtype)
    with torch.no_grad():
        dict(model.named_parameters())[name].flatten()[:] = float("nan")
    loss, _, found = cpu_step.gradients(model, cpu_step.supported(model), cpu_step.step_weights(model), random_batch(3, 2, 20, 40))
    assert not np.isfinite(loss) and not all(bool(torch.isfinite(gradient).all()) for gradient in found)


@compiled
def test_without_a_compiler_a_step_is_the_same(monkeypatch):
    batches = [random_batch(seed, 4, 30, 40) for seed in (1, 2)]
    weights = []
    for found in (True, False):
        if not found:
            monkeypatch.setattr(cpu_step, "supported", lambda model: None)
        model = random_model(5, 2, 1, 2, "float32")
        trainer = cuda_backend.trainer(model, TrainConfig())
        results = [trainer.step(batches, 1.0) for _ in range(2)]
        assert all(result.finite for result in results)
        weights.append([results[-1].nll, *(parameter.detach().clone() for parameter in model.parameters())])
    assert weights[0][0] == pytest.approx(weights[1][0], rel=2e-3)  # Muon orthogonalises in bf16
    for ours, theirs in zip(weights[0][1:], weights[1][1:]):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-3)


@settings(max_examples=10, deadline=None)
@given(seeds, st.sampled_from([{}, {"nesterov": False}, {"weight_decay": 0.0}, {"ns_steps": 3}]))
def test_muon_gives_torchs_bits(seed, changes):
    outcomes = []
    for kind in (torch.optim.Muon, Muon):
        shapes = [(192, 192), (512, 192), (32, 64), (192, 192)]
        parameters = [torch.nn.Parameter(normal(seed + index, *shape)) for index, shape in enumerate(shapes)]
        optimizer = kind(parameters, **{"lr": .01, "weight_decay": .05, **changes})
        for turn in range(3):
            for index, parameter in enumerate(parameters):
                parameter.grad = None if index == 3 and turn == 0 else normal(seed + 10 * turn + index, *parameter.shape)
            optimizer.step()
        outcomes.append([*parameters, *(optimizer.state[parameter]["momentum_buffer"] for parameter in parameters)])
    for ours, theirs in zip(*outcomes):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@settings(max_examples=30)
@given(st.integers(1, 5), seeds)
def test_cross_entropy(rows, seed):
    targets = torch.randint(0, 11, (rows,), generator=torch.Generator().manual_seed(seed))
    outcomes = []
    for dtype, run in ((torch.float32, cross_entropy), (torch.float64, lambda h, e, t: F.cross_entropy(h @ e.T, t, reduction="sum"))):
        leaves = [x.to(dtype).requires_grad_() for x in (normal(seed, rows, 8), normal(seed + 1, 11, 8))]
        loss = run(*leaves, targets)
        outcomes.append([loss, *torch.autograd.grad(loss, leaves)])
    for ours, theirs in zip(*outcomes):
        torch.testing.assert_close(ours.double(), theirs, rtol=2e-4, atol=2e-5)
