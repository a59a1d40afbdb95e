"""Decoding with a cache, in batches of any lengths, gives what the full forward pass gives."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from mlxtutor.backends import Sampling

GREEDY = Sampling()
TOLERANCE = 1e-4
LENGTHS = [1, 2, 7, 12, 12, 5]


def unforced(n):
    return np.full(n, -1)


def decode(decoder, rows, steps):
    return np.stack([decoder.step(unforced(rows)) for _ in range(steps)], axis=1)


def prompts_of_lengths():
    rng = np.random.default_rng(5)
    return [rng.integers(10, tiny.CONFIG.vocab_size, length).tolist() for length in LENGTHS]


def next_logits(decoder):
    value = decoder.logits
    return value.cpu().numpy() if hasattr(value, "cpu") else np.array(value)


def full_logits(backend, model, ids):
    return backend.logits(model, np.array([ids], np.int32))[0, -1]


@pytest.mark.parametrize("prompts", [[[17]], prompts_of_lengths()], ids=["one", "left-padded"])
def test_cached_logits_equal_the_full_forward(backend, model, prompts):
    decoder = backend.decode(model, prompts, GREEDY)
    so_far = [list(prompt) for prompt in prompts]
    for _ in range(10):
        for row, ids in enumerate(so_far):
            assert np.abs(next_logits(decoder)[row] - full_logits(backend, model, ids)).max() < TOLERANCE
        for ids, token in zip(so_far, decoder.step(unforced(len(prompts)))):
            assert token == full_logits(backend, model, ids).argmax()
            ids.append(int(token))


def test_a_batch_gives_the_tokens_of_one_at_a_time(backend, model):
    prompts = prompts_of_lengths()
    together = decode(backend.decode(model, prompts, GREEDY), len(prompts), 20)
    alone = [decode(backend.decode(model, [prompt], GREEDY), 1, 20)[0] for prompt in prompts]
    assert together.dtype == np.int32 and together.tolist() == [row.tolist() for row in alone]
    assert len({tuple(row) for row in together.tolist()}) > 3


def test_forced_tokens_take_the_place_of_the_models(backend, model):
    prompts = prompts_of_lengths()[:3]
    decoder = backend.decode(model, prompts, GREEDY)
    free = backend.decode(model, prompts, GREEDY).step(unforced(3))
    taken = decoder.step(np.array([50, -1, 0]))
    assert taken.tolist() == [50, free[1], 0]
    for row, (prompt, token) in enumerate(zip(prompts, taken)):
        assert np.abs(next_logits(decoder)[row] - full_logits(backend, model, [*prompt, int(token)])).max() < TOLERANCE


def test_keep_goes_on_with_the_rows_left(backend, model):
    prompts = prompts_of_lengths()
    whole = backend.decode(model, prompts, GREEDY)
    part = backend.decode(model, prompts, GREEDY)
    wanted = np.concatenate([decode(whole, 6, 3), decode(whole, 6, 8)], axis=1)
    first = decode(part, 6, 3)
    part.keep(np.array([0, 2, 3, 5]))
    second = decode(part, 4, 4)
    part.keep(np.array([1, 3]))
    third = decode(part, 2, 4)
    assert first.tolist() == wanted[:, :3].tolist()
    assert second.tolist() == wanted[[0, 2, 3, 5], 3:7].tolist()
    assert third.tolist() == wanted[[2, 5], 7:].tolist()


def test_the_cache_grows_past_its_first_room(backend, model):
    prompts = prompts_of_lengths()[1:4]
    decoder = backend.decode(model, prompts, GREEDY)
    taken = decode(decoder, 3, 80)
    for row, prompt in enumerate(prompts):
        assert np.abs(next_logits(decoder)[row] - full_logits(backend, model, [*prompt, *taken[row].tolist()])).max() < TOLERANCE


@pytest.mark.parametrize("kept", [[0], [5], [4, 5]], ids=str)
def test_rows_left_on_one_side_go_on(backend, model, kept):
    prompts = prompts_of_lengths()
    whole, part = (backend.decode(model, prompts, GREEDY) for _ in range(2))
    wanted = decode(whole, 6, 7)
    decode(part, 6, 3)
    part.keep(np.array(kept))
    assert decode(part, len(kept), 4).tolist() == wanted[kept, 3:].tolist()


def test_sampling_is_a_function_of_the_seed(backend, model):
    prompts = prompts_of_lengths()
    runs = [decode(backend.decode(model, prompts, Sampling(1.0, 1.0, seed)), 6, 12).tolist() for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("temperature, top_p", [(1.0, 1.0), (.6, 1.0), (1.5, .7), (1.0, .05)])
def test_samples_have_the_models_probabilities(backend, model, temperature, top_p):
    n, prompt = 4000, [20, 21]
    logits = full_logits(backend, model, prompt).astype(np.float64) / temperature
    p = np.exp(logits - logits.max())
    p /= p.sum()
    order = np.argsort(-p)
    nucleus = order[:1 + int(np.searchsorted(np.cumsum(p[order]), top_p))]  # the smallest set of at least top_p
    wanted = np.zeros_like(p)
    wanted[nucleus] = p[nucleus] / p[nucleus].sum()
    tokens = backend.decode(model, [prompt] * n, Sampling(temperature, top_p, 3)).step(unforced(n))
    found = np.bincount(tokens, minlength=len(p)) / n
    assert set(np.flatnonzero(found)) <= set(nucleus)
    assert (np.abs(found - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / n) + 5 / n).all()
