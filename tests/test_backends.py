"""The seam: both backends have the same functions and compute what transformers and mlx-lm compute."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from safetensors.numpy import load_file

from mlxtutor import backends
from mlxtutor.backends import Backend, Decoder, Device, Trainer
from mlxtutor.datasets.batch import make_batch, pack
from mlxtutor.errors import TutorError
from mlxtutor.registry.directory import load_checked_weights, load_config, save_model

TOLERANCE = 1e-4


def public(module):
    return sorted(name for name in module.__all__)


def methods(cls):
    return {name: str(inspect.signature(member)) for name, member in vars(cls).items()
            if inspect.isfunction(member) and not name.startswith("_")}


def plain_signature(function):
    """The parameters' names, kinds and defaults, and every annotation but the model's own class."""
    signature = inspect.signature(function)
    kept = [p.replace(annotation="Model") if p.name == "model" else p for p in signature.parameters.values()]
    shared = signature.return_annotation in ("Device", "Weights", "tuple[float, int]", "np.ndarray")
    return str(signature.replace(parameters=kept, return_annotation=signature.return_annotation if shared else "own"))


def protocol(cls):
    return {name for name, member in vars(cls).items() if inspect.isfunction(member) and not name.startswith("_")}


def test_both_have_the_functions_of_the_protocol_with_equal_signatures(both):
    mlx, torch = both
    assert public(mlx) == public(torch) == sorted(protocol(Backend))
    for name in public(mlx):
        assert plain_signature(getattr(mlx, name)) == plain_signature(getattr(torch, name)), name
        wanted = inspect.signature(getattr(Backend, name)).parameters
        got = inspect.signature(getattr(mlx, name)).parameters
        assert [(p.name, p.default) for p in got.values()] == [(p.name, p.default) for p in list(wanted.values())[1:]], name


@pytest.mark.parametrize("function, name, wanted", [("trainer", "Trainer", Trainer), ("decode", "Decoder", Decoder)])
def test_trainers_and_decoders_have_equal_methods(both, function, name, wanted):
    mlx, torch = (getattr(sys.modules[getattr(backend, function).__module__], name) for backend in both)
    assert methods(mlx) == methods(torch) == methods(wanted)


def test_the_same_files_on_both_sides(both):
    mlx, torch = ({path.name for path in Path(backend.__file__).parent.glob("*.py")} for backend in both)
    assert torch - mlx == {"muon.py"}  # MLX's own


def test_device_says_what_runs_and_why(backend):
    device = backend.device()
    assert isinstance(device, Device) and device.reason and device.dtype in ("float32", "bfloat16")
    assert backend.device("float32").reason == "asked for"
    with pytest.raises(TutorError, match='dtype "float8" is unknown .allowed: auto, float32, bfloat16'):
        backend.device("float8")


def test_choice_of_backend(monkeypatch):
    with pytest.raises(TutorError, match='unknown backend "jax" .allowed: auto, mlx, torch'):
        backends.choose("jax")
    monkeypatch.setattr(backends, "installed", lambda name: False)
    with pytest.raises(TutorError, match=r"no backend is installed .*pip install"):
        backends.choose()
    with pytest.raises(TutorError, match=r'"torch" is not installed .*pip install'):
        backends.choose("torch")


def test_weights_go_in_and_out_unchanged(backend):
    weights = tiny.model_weights()
    found = backend.weights(backend.build(tiny.CONFIG, weights, "float32"))
    assert list(sorted(found)) == sorted(weights)
    assert all(np.array_equal(found[name], weights[name]) and found[name].dtype == np.float32 for name in weights)


def test_weights_are_copies(backend, model):
    before = backend.weights(model)
    kept = {name: value.copy() for name, value in before.items()}
    backend.trainer(model, tiny.TRAIN).step(tiny.random_batches(1, 1), 1.0)
    assert all(np.array_equal(before[name], kept[name]) for name in kept)
    assert any(not np.array_equal(kept[name], value) for name, value in backend.weights(model).items())


@pytest.fixture(scope="module")
def directory(tmp_path_factory, tiny_tokenizer):
    path = tmp_path_factory.mktemp("model") / "tiny"
    save_model(path, tiny.CONFIG, tiny.model_weights(), tiny_tokenizer)
    return path


def reference(name, directory):
    """tokens (B, T) -> logits (B, T, V) of another library's Qwen3 on the directory."""
    if name == "transformers":
        torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
        model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        assert type(model).__name__ == "Qwen3ForCausalLM"
        return lambda tokens: model(torch.from_numpy(tokens).long()).logits.detach().numpy()
    mx, utils = pytest.importorskip("mlx.core"), pytest.importorskip("mlx_lm.utils")
    model = utils.load_model(directory)[0]
    return lambda tokens: np.array(model(mx.array(tokens)).astype(mx.float32))


@pytest.mark.parametrize("changes", [{}, {"num_kv_heads": 6}, {"num_kv_heads": 1, "rope_theta": 1e6, "rms_norm_eps": 1e-3, "head_dim": 32}])
@pytest.mark.parametrize("library", ["transformers", "mlx-lm"])
def test_logits_of_the_saved_directory_equal_the_librarys(backend, tmp_path, tiny_tokenizer, library, changes):
    written = dataclasses.replace(tiny.CONFIG, **changes)
    directory = tmp_path / "model"
    save_model(directory, written, tiny.model_weights(config=written), tiny_tokenizer)
    tokens = np.random.default_rng(1).integers(0, tiny.CONFIG.vocab_size, (3, 100)).astype(np.int32)
    wanted = reference(library, directory)(tokens)
    config = load_config(directory)
    assert config == written
    found = backend.logits(backend.build(config, load_checked_weights(directory, config), "float32"), tokens)
    assert found.dtype == np.float32 and np.ptp(wanted) > 5
    assert np.abs(found - wanted).max() < TOLERANCE


@pytest.mark.parametrize("library", ["transformers", "mlx-lm"])
def test_loss_of_packed_rows_equals_the_librarys_of_the_examples_alone(backend, model, directory, library):
    logits_of = reference(library, directory)
    examples = tiny.random_examples(10, 8)
    wanted, targets = 0.0, 0
    for low, high in zip(examples.starts[:-1], examples.starts[1:]):
        ids, mask = examples.tokens[low:high], examples.mask[low + 1:high]
        logits = logits_of(ids[None, :-1])[0].astype(np.float64)
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        wanted -= (log_p[np.arange(len(mask)), ids[1:]] * mask).sum()
        targets += mask.sum()
    rows = pack(examples.lengths - 1, tiny.ROW_LEN)
    assert max(len(row) for row in rows) > 1
    loss, count = backend.nll(model, make_batch(examples, rows, tiny.ROW_LEN))
    assert count == targets and abs(loss - wanted) / targets < TOLERANCE


def test_an_example_does_not_see_the_others_of_its_row(backend, model):
    """Changing one example of a packed row leaves the others' loss as it is, to the last digit that a sum keeps."""
    examples = tiny.random_examples(8, 2)
    rows = [row for row in pack(examples.lengths - 1, tiny.ROW_LEN) if len(row) > 1][:1]
    batch = make_batch(examples, rows, tiny.ROW_LEN)
    for segment in range(1, len(rows[0]) + 1):
        own = batch.segments == segment
        mask = batch.mask & own
        noise = np.random.default_rng(0).integers(0, tiny.CONFIG.vocab_size, batch.inputs.shape)
        before = type(batch)(batch.inputs, batch.targets, mask, batch.segments, batch.positions)
        after = type(batch)(np.where(own, batch.inputs, noise).astype(np.int32), batch.targets, mask, batch.segments, batch.positions)
        assert backend.nll(model, after) == pytest.approx(backend.nll(model, before), rel=1e-6)


def test_padding_changes_nothing(backend, model):
    examples = tiny.random_examples(3, 4, longest=20)
    rows = [[0], [1], [2]]
    short, long = (backend.nll(model, make_batch(examples, rows, length)) for length in (20, 57))
    assert long == pytest.approx(short, rel=1e-6)


def test_a_batch_without_targets_has_no_loss(backend, model):
    batch = make_batch(tiny.random_examples(3, 4), [[0], [1]], tiny.ROW_LEN)
    empty = type(batch)(batch.inputs, batch.targets, np.zeros_like(batch.mask), batch.segments, batch.positions)
    assert backend.nll(model, empty) == (0.0, 0)


def test_a_wrong_weight_file_is_one_error_that_names_everything(directory, tmp_path, tiny_tokenizer):
    weights = tiny.model_weights()
    del weights["model.norm.weight"]
    weights["model.extra"] = np.zeros(2, np.float32)
    weights["model.layers.0.mlp.up_proj.weight"] = np.zeros((3, 3), np.float32)
    save_model(tmp_path / "bad", tiny.CONFIG, weights, tiny_tokenizer)
    with pytest.raises(TutorError) as error:
        load_checked_weights(tmp_path / "bad", tiny.CONFIG)
    for part in ("model.norm.weight: missing", "model.extra: unexpected", "up_proj.weight: shape (3, 3), not (96, 64)"):
        assert part in str(error.value)
    assert set(load_file(str(directory / "model.safetensors"))) == set(tiny.model_weights())
