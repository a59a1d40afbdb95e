"""What the command says when something outside it fails, and when a training run is done."""

from __future__ import annotations

import sys

import pytest
from mlxtutor.cli import main as command
from mlxtutor.cli import train

from mlxtutor import check_cuda


@pytest.fixture
def run(monkeypatch):
    """Run a command that lists the models; what that raises, a test sets."""
    monkeypatch.setattr(sys, "argv", ["tutor", "models", "list"])
    return command.main


class SafetensorError(Exception):
    """As safetensors' own, which is no OSError."""


@pytest.mark.parametrize("error, code, wanted", [
    (OSError(28, "No space left on device", "x.bin"), 1, "x.bin: No space left on device (the disk is full: free"),
    (PermissionError(13, "Permission denied", "x.bin"), 1, "x.bin: Permission denied"),
    (SafetensorError("I/O error: No space left on device (os error 28)"), 1, "the disk is full: free some space"),
    (SafetensorError("Error while deserializing header: header too small"), 1, "a safetensors file can't be read or written: Error while"),
    (KeyboardInterrupt(), 130, "interrupted"),
])
def test_what_the_disk_or_the_user_does_is_one_line(run, capsys, monkeypatch, error, code, wanted):
    def fail(*_):
        raise error

    monkeypatch.setattr("mlxtutor.registry.models.list_models", fail)
    with pytest.raises(SystemExit) as end:
        run()
    shown = capsys.readouterr()
    assert end.value.code == code and shown.out == "" and len(shown.err.splitlines()) == 1
    assert shown.err.startswith("error: ") and wanted in shown.err


def test_safetensors_calls_its_error_so():
    from safetensors import SafetensorError as real

    assert real.__name__ == SafetensorError.__name__


def test_an_error_of_ours_keeps_its_traceback(run, monkeypatch):
    monkeypatch.setattr("mlxtutor.registry.models.list_models", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run()


def test_the_closing_table_says_of_how_many(capsys):
    score = {"value": .5, "low": .4, "high": .6, "n": 90}
    before = {"splits": {"values": {"n": 100, "scores": {"correct": {**score, "value": 0.0, "n": 80}, "correct_off": {**score, "n": 10}}}}}
    after = {"splits": {"values": {"n": 100, "scores": {"correct": score, "correct_off": {**score, "n": 10}}}}}
    train._print_result({"before": before, "after": after, "run": "r", "model": "m@1", "seconds": 60.0})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["values", "80", "/", "90", "0.0", "%", "(40.0-60.0)", "50.0", "%", "(40.0-60.0)"] in lines
    assert ["calculator", "off", "10", "50.0", "%", "(40.0-60.0)", "50.0", "%", "(40.0-60.0)"] in lines


def test_benchmarks_have_a_place_for_what_a_gpu_gives(tmp_path, monkeypatch):
    assert check_cuda._has_place()
    monkeypatch.setattr(check_cuda, "DOCUMENT", tmp_path / "benchmarks.md")
    assert not check_cuda._has_place()
    (tmp_path / "benchmarks.md").write_text(f"{check_cuda.END}\n{check_cuda.START}\n")
    assert not check_cuda._has_place()
