"""The registry under SIGKILL: it always opens, and every model it lists is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from registry_process import CHANGES, add, state

from mlxtutor.errors import TutorError
from mlxtutor.registry import writing
from mlxtutor.registry.history import read_history
from mlxtutor.registry.models import list_models, register, resolve
from mlxtutor.registry.removal import remove
from mlxtutor.registry.writing import locked, workplace

HOLD = """
import sys, time
from pathlib import Path
from mlxtutor.registry.writing import locked

with locked(Path(sys.argv[1])):
    print(flush=True)
    time.sleep(60)
"""
SCRIPT = Path(__file__).with_name("registry_process.py")


def run(*arguments):
    done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split("\n")[:-1]


@pytest.mark.slow
def test_killed_before_any_of_its_file_operations_a_change_has_happened_or_not(tmp_path):
    lines = [line.split() for line in run("everywhere", tmp_path)]
    assert [name for name, _, _ in lines] == list(CHANGES)
    for name, killed, happened in lines:
        assert int(killed) > 20 and 0 < int(happened) < int(killed), (name, killed, happened)


def test_processes_killed_while_they_change_one_registry(tmp_path):
    assert int(run("storm", tmp_path, 12, 1)[0]) > 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_processes_killed_often(tmp_path, seed):
    assert int(run("storm", tmp_path, 70, seed)[0]) > 4


def test_a_living_writer_is_not_swept(tmp_path):
    with workplace(tmp_path, "a") as folder:
        folder.mkdir()
        (folder / "model.safetensors").write_text("half")
        add(tmp_path, "a", "other")
        assert (folder / "model.safetensors").read_text() == "half"
    assert not list(tmp_path.glob("a/.new-*")) and list(state(tmp_path)) == ["a@1"]


def test_a_model_may_be_written_while_another_is(tmp_path):
    inner = []

    def write(folder):
        inner.append(add(tmp_path, "a", "inner"))
        folder.mkdir()
        (folder / "model.safetensors").write_text("outer")

    assert register(tmp_path, "a", {}, write).version == 2 and inner[0].version == 1


def test_what_killed_processes_left_is_finished_or_deleted(tmp_path):
    add(tmp_path, "a", "one")
    second = add(tmp_path, "a", "two")
    (tmp_path / "a" / ".new-123").mkdir()
    (tmp_path / "a" / ".new-123" / "model.safetensors").write_text("half")
    (tmp_path / "a" / ".history.jsonl.123").write_text("half")
    second.path.rename(tmp_path / "a" / ".removed-2")
    assert list(state(tmp_path)) == ["a@1"]
    assert add(tmp_path, "a", "three").version == 3
    assert not list(tmp_path.glob("a/.*"))
    events = [(event.action, event.old or event.new) for event in read_history(tmp_path / "a")]
    assert events == [("register", 1), ("register", 2), ("remove", 2), ("register", 3)]


def test_a_lock_that_stays_held_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "WAIT_S", .05)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        with pytest.raises(TutorError, match=r"\.lock: held by another process"), locked(tmp_path):
            pass
        assert list_models(tmp_path) == []  # readers need no lock
    finally:
        holder.kill()
        holder.communicate()
    with locked(tmp_path):
        pass


def test_a_model_removed_while_the_list_is_read_is_not_in_it(tmp_path, monkeypatch):
    from mlxtutor.registry import models as module

    add(tmp_path, "a", "one")
    add(tmp_path, "a", "two")
    read, removed = module.read_card, []

    def racing(path):
        if not removed:
            removed.append(True)
            remove(tmp_path, "a@1")
        return read(path)

    monkeypatch.setattr(module, "read_card", racing)
    assert [ref.id for ref in list_models(tmp_path)] == ["a@2"] and resolve(tmp_path, "a").version == 2
