"""Plans, memory, benchmarks' pieces and the doctor, against the real thing."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import tiny

from mlxtutor import backends, bench, doctor
from mlxtutor.datasets.batch import plan_steps
from mlxtutor.errors import TutorError
from mlxtutor.evaluation.record import write_evaluation
from mlxtutor.machine import disk_free_bytes, memory_bytes, unwritable_reason
from mlxtutor.training import memory
from mlxtutor.training.checkpoint import save_checkpoint
from mlxtutor.training.plan import stage_size


@pytest.mark.parametrize("changes", [{}, {"accumulate": 3}, {"epochs": 3}, {"max_steps": 20}, {"batch_rows": 7, "epochs": 2}])
def test_steps_and_tokens_of_a_stage_are_those_of_the_run(changes):
    train = dataclasses.replace(tiny.TRAIN, **changes)
    whole, sample = tiny.random_examples(3000, seed=1), tiny.random_examples(600, seed=1)
    steps = plan_steps(whole, train, np.random.default_rng(5))
    steps = steps[:train.max_steps] if train.max_steps else steps
    real = sum(len(whole.tokens[whole.starts[i]:whole.starts[i + 1]]) - 1 for step in steps for rows in step for row in rows for i in row)
    tokens, count, fill = stage_size(sample, len(whole.tokens), train)
    assert count == pytest.approx(len(steps), rel=.02) and tokens == pytest.approx(real, rel=.03) and .9 < fill <= 1


def test_a_sample_that_is_the_whole_stage_gives_exact_numbers():
    examples = tiny.random_examples(200, seed=2)
    steps = plan_steps(examples, tiny.TRAIN, np.random.default_rng(0))
    assert stage_size(examples, len(examples.tokens) - 5, tiny.TRAIN)[:2] == (len(examples.tokens) - len(examples), len(steps))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_optimiser_slots_are_those_of_the_trainers(backend, model, optimizer):
    trainer = backend.trainer(model, dataclasses.replace(tiny.TRAIN, optimizer=optimizer))
    trainer.step(tiny.random_batches(1, 0), 1.0)
    held = sum(value.size for name, value in trainer.state().items() if not name.endswith("/step"))
    assert held == memory.slot_count(tiny.CONFIG, optimizer)


def test_disk_is_what_checkpoints_and_weights_take(backend, model, tmp_path):
    trainer = backend.trainer(model, tiny.TRAIN)
    trainer.step(tiny.random_batches(1, 0), 1.0)
    save_checkpoint(tmp_path, 1, backend.weights(model), trainer.state(), {})
    taken = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    weights = 4 * sum(value.size for value in backend.weights(model).values())
    evaluation = dataclasses.replace(tiny_evaluation(), values=1, wordings=1, types=1)
    planned = memory.disk_bytes(tiny.CONFIG, ["adamw"], evaluation)
    assert planned == pytest.approx(2 * taken + 2 * weights + 2 * 103 * 1500, rel=.05)


def tiny_evaluation():
    from mlxtutor.config import EvaluationConfig

    return EvaluationConfig()


def test_memory_grows_with_what_it_depends_on():
    base = memory.training_bytes(tiny.CONFIG, tiny.TRAIN, 100)
    double = memory.training_bytes(tiny.CONFIG, dataclasses.replace(tiny.TRAIN, batch_rows=8), 200)
    assert base < double < 2 * base
    cache = [memory.decoding_bytes(tiny.CONFIG, batch, 60, 40) for batch in (1, 101)]
    assert cache[1] - cache[0] >= 100 * 100 * 2 * 4 * tiny.CONFIG.num_layers * tiny.CONFIG.num_kv_heads * tiny.CONFIG.head_dim


def test_memory_and_disk_of_this_machine():
    found = memory_bytes()
    assert 0 < found["available"] <= found["total"]
    assert disk_free_bytes(Path("no/such/folder")) == disk_free_bytes(Path("."))


def test_what_can_be_written(tmp_path):
    assert unwritable_reason(tmp_path / "a" / "b") == "" and list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    assert "is not a folder" in unwritable_reason(tmp_path / "file")


@pytest.mark.parametrize("present", [("mlx",), ("torch",), ()])
def test_doctor_with_one_framework_or_none(monkeypatch, tmp_path, present):
    for name in present:
        pytest.importorskip(backends.FRAMEWORKS[name])
    monkeypatch.setattr(backends, "installed", lambda name: name in present)
    found = doctor.examine(tmp_path, measure=False)
    assert [name for name, b in found["backends"].items() if b["available"]] == list(present)
    assert found["auto"]["backend"] == (present[0] if present else None) and found["auto"]["reason"]
    assert all("pip install" in b["fix"] and "not installed" in b["reason"] for name, b in found["backends"].items() if name not in present)
    assert (found["blas"]["name"] is not None) == ("mlx" in present)


def test_doctor_reports_a_broken_framework(monkeypatch, tmp_path):
    def broken(name):
        raise ImportError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(backends, "load", broken)
    found = doctor.examine_backend("torch")
    assert not found["available"] and "libcudart" in found["reason"] and found["fix"]


def test_extras_are_those_that_commands_use():
    found = doctor.examine_extras()
    assert {"torch", "data"} <= set(found) and not {"dev", "export", "serve", "tracking"} & set(found)
    assert all(bool(e["missing"]) == bool(e["fix"]) == (not e["available"]) for e in found.values())


def test_bench_variants(monkeypatch):
    monkeypatch.setattr(backends, "installed", lambda name: name == "mlx")
    monkeypatch.setattr("sys.platform", "linux")
    assert [(v.backend, v.blas) for v in bench.variants()] == [("mlx", "stock"), ("mlx", None)]
    with pytest.raises(TutorError, match=r'pip install "\.\[torch\]"'):
        bench.variants("torch")


def test_an_evaluation_is_kept_whole_or_not_at_all(tmp_path):
    document = {"model": "m@1", "suite": "em", "n": 0, "splits": {}}
    with pytest.raises(TypeError):
        write_evaluation(tmp_path / "a", document, [{"x": object()}])
    assert list(tmp_path.iterdir()) == []
    folder = write_evaluation(tmp_path / "a", document, [])
    assert sorted(path.name for path in folder.iterdir()) == ["answers.jsonl", "evaluation.json", "evaluation.md"]
    with pytest.raises(TutorError, match="not empty"):
        write_evaluation(folder, document, [])


def test_ratio_of_batches_counts_answers(model, backend, tiny_tokenizer):
    from mlxtutor.inference.generate import LoadedModel

    loaded = LoadedModel(backend, model, tiny_tokenizer, tiny.CONFIG.max_seq_len, "tiny")
    found = bench.bench_decode(loaded, tiny.prompts(6, 0), batch_size=6, alone=2, max_new_tokens=5)
    assert (found["alone"]["answers"], found["batched"]["answers"]) == (2, 6) and math.isfinite(found["ratio"])
