"""Killed at any moment and resumed, a stage ends with the bits of the uninterrupted run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from conftest import load_backend
from fake_backend import START, FakeBackend
from stage_process import REAL, train

from mlxtutor.training.checkpoint import load_checkpoint, save_checkpoint

SCRIPT = Path(__file__).with_name("stage_process.py")
KILLS = [3, pytest.param(25, marks=pytest.mark.slow)]


def launch(*arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen([sys.executable, str(SCRIPT), *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment)


def finish(process):
    """The lines of a process that must end well."""
    lines = process.communicate(timeout=240)[0].splitlines()
    assert process.returncode == 0
    return lines


def result(folder):
    """Every byte that a stage leaves behind, but for the speed of its steps."""
    checkpoints = list((folder / "checkpoints").iterdir())
    assert len(checkpoints) == 1 and not [path for path in folder.iterdir() if path.name.startswith(".")]
    files = {path.name: path.read_bytes() for path in [*checkpoints[0].iterdir(), folder / "best.safetensors"]}
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        assert record.pop("tokens_per_s") > 0 and record.pop("seconds") > 0
    files["progress.json"] = {k: v for k, v in json.loads(files["progress.json"]).items() if k != "record"}
    return checkpoints[0].name, files, records


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("name", ["mlx", "torch"])
def test_sigkill_at_random_moments_changes_no_bit(tmp_path, name, kills):
    list(train(load_backend(name), tiny.model_weights(), tmp_path / "whole", **REAL))
    draw = random.Random()
    steps, resumed = [], 0
    for kill in range(kills):
        process = launch(name, tmp_path / "killed")
        for line in process.stdout:
            steps.append(int(line.split()[0]))
            if kill == 0 or draw.random() < max(.15, 1.5 / (kills + 1)):
                break
        time.sleep(draw.uniform(0, .02))
        process.kill()
        process.communicate()
        resumed += process.returncode != 0
    lines = finish(launch(name, tmp_path / "killed"))
    assert resumed and steps
    assert result(tmp_path / "killed") == result(tmp_path / "whole"), f"killed after steps {steps}, then {lines[:1]}"


def test_sigkill_before_any_file_operation_changes_no_bit(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    operations = int(finish(launch("everywhere", tmp_path))[0])
    assert operations > 40
    wanted = result(tmp_path / str(operations))
    for operation in range(operations):
        assert result(tmp_path / str(operation)) == wanted, f"killed at file operation {operation}"


def stop_after(step, folder):
    """Train as if killed after that step: nothing more is written."""
    for record in train(FakeBackend(), START, folder):
        if record["step"] == step:
            break


@pytest.mark.parametrize("torn", ['{"step": 6, "lo', '{"step": 6, "loss": 1.0', "\x00\x00\x00", '{"step": 6}'])
def test_a_torn_line_of_metrics_is_survived(tmp_path, torn):
    stop_after(5, tmp_path / "torn")
    with (tmp_path / "torn" / "metrics.jsonl").open("a") as file:
        file.write(torn)
    for folder in ("torn", "whole"):
        list(train(FakeBackend(), START, tmp_path / folder))
    assert result(tmp_path / "torn") == result(tmp_path / "whole")


def test_a_finished_stage_that_is_resumed_says_how_it_ended(tmp_path):
    """A kill between the last checkpoint and what the caller writes about it leaves no step to make."""
    records = list(train(FakeBackend(), START, tmp_path))
    again = list(train(FakeBackend(), START, tmp_path))
    assert again == records[-1:] and "val_loss" in again[0]


def test_without_resume_a_stage_begins_anew(tmp_path):
    from test_training import train as begin

    stop_after(9, tmp_path)
    records = begin(FakeBackend(), tmp_path)
    assert records[0]["step"] == 1
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [r["step"] for r in records]


def test_a_new_run_that_is_killed_early_leaves_no_old_checkpoint(tmp_path):
    from test_training import train as begin

    begin(FakeBackend(), tmp_path)
    with pytest.raises(ZeroDivisionError):
        begin(Failing(), tmp_path)
    assert load_checkpoint(tmp_path / "checkpoints") is None


class Failing(FakeBackend):
    def trainer(self, model, train):
        raise ZeroDivisionError


def test_a_checkpoint_is_whole_or_absent(tmp_path):
    weights, state = tiny.model_weights(), {"adamw/x/step": START["w"]}
    save_checkpoint(tmp_path, 3, weights, state, {"best": 1.5})
    (tmp_path / ".step-0000004.1").mkdir()
    found, optimizer, progress = load_checkpoint(tmp_path)
    assert progress == {"best": 1.5, "step": 3} and list(optimizer) == ["adamw/x/step"]
    assert all((found[name] == weights[name]).all() for name in weights)
    save_checkpoint(tmp_path, 5, weights, state, {"best": 1.0})
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000005"]
    assert load_checkpoint(tmp_path / "nowhere") is None
