"""Changes of a registry in processes of their own, to be killed.

    registry_process.py everywhere FOLDER        each kind of change, killed before each of its file operations and then done again
    registry_process.py storm FOLDER KILLS SEED  three processes that change one registry at random; one is killed again and again
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path

from killing import killed_at

from mlxtutor.errors import TutorError
from mlxtutor.registry.manifest import compare
from mlxtutor.registry.models import list_models, register
from mlxtutor.registry.origin import code_state
from mlxtutor.registry.promotion import history, promote, rollback
from mlxtutor.registry.removal import remove
from mlxtutor.registry.writing import locked

NAMES = ("a", "b")
WORKERS = 3


def add(models, name, content, parents=()):
    """A model of three files, one in a folder, whose weights are this text."""
    def write(folder):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "notes.txt").write_text("notes")
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text(content * 50)

    entries = [{"role": "base", "model": ref.id, "digest": ref.digest} for ref in parents]
    return register(models, name, {"kind": "micro", "parents": entries}, write)


def state(models):
    """{id: whether it is stable} of a registry that opens, every model whole."""
    found = {}
    history(models)
    for ref in list_models(models):
        differences = compare(ref.path, ref.card)
        if differences.any and not ref.path.exists():
            continue  # removed by another process meanwhile
        assert differences.known and not differences.any, (ref.id, str(differences))
        found[ref.id] = ref.stable
    return found


def swept(models):
    """Whether nothing is left of killed processes once the next change has begun."""
    with locked(models):
        return not [path for path in models.glob("*/.*")]


CHANGES = {  # what is done to a@1, a@2, a@3, of which 1 and then 2 were promoted
    "register": lambda models: add(models, "a", "new"),
    "promote": lambda models: promote(models, "a@3", "better"),
    "rollback": lambda models: rollback(models, "a"),
    "remove": lambda models: remove(models, "a@1"),
}


def prepared(models):
    for content in ("one", "two", "three"):
        add(models, "a", content)
    promote(models, "a@1")
    promote(models, "a@2")


def everywhere(folder: Path) -> None:
    """One line a change: how often it was killed, and after how many of the kills it had happened."""
    code_state()  # git runs once, before the forks
    prepared(folder / "start")
    before = state(folder / "start")
    for name, change in CHANGES.items():
        shutil.copytree(folder / "start", folder / name)
        change(folder / name)
        after = state(folder / name)
        assert after != before
        operation = happened = 0
        while killed_at(operation, partial(change, copy := _copy(folder / "start", folder / "copy"))):
            found = state(copy)
            assert found in (before, after), (name, operation, found)
            happened += found == after
            if found == before:
                change(copy)
            assert state(copy) == after and swept(copy), (name, operation)
            operation += 1
        print(name, operation, happened, flush=True)


def _copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(source, target)


def change_at_random(models: Path, seed: int) -> None:
    """Change the registry until killed. What is refused (the stable one, a parent, one removed meanwhile) is tried otherwise."""
    draw = random.Random(seed)
    while True:
        known = list_models(models)
        name = draw.choice(NAMES)
        try:
            kind = draw.choice(["register", "promote", "rollback", "remove", "remove"]) if len(known) > 4 else "register"
            if kind == "register":
                add(models, name, str(draw.random()), draw.sample(known, min(1, len(known))))
            elif kind == "rollback":
                rollback(models, name)
            else:
                {"promote": promote, "remove": remove}[kind](models, draw.choice(known).id)
        except TutorError:
            pass


def storm(models: Path, kills: int, seed: int) -> None:
    """Print how many models there were; whatever the kills hit, every listed model is whole and a number stays that of one model."""
    code_state()
    draw = random.Random(seed)
    seen: dict[str, str] = {}
    workers = [_start(models, seed * 1000 + n) for n in range(WORKERS)]
    for kill in range(kills):
        time.sleep(draw.uniform(.01, .25))
        at = draw.randrange(WORKERS)
        os.kill(workers[at], signal.SIGKILL)
        assert os.waitpid(workers[at], 0)[1] == signal.SIGKILL, "a worker failed before it was killed"
        state(models)
        for ref in list_models(models):
            assert seen.setdefault(ref.id, ref.digest) == ref.digest, f"{ref.id} is another model than before"
        workers[at] = _start(models, seed * 1000 + WORKERS + kill)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    assert swept(models)
    print(len(seen))


def _start(models: Path, seed: int) -> int:
    child = os.fork()
    if not child:
        try:
            change_at_random(models, seed)
        finally:
            os._exit(1)
    return child


if __name__ == "__main__":
    if sys.argv[1] == "everywhere":
        everywhere(Path(sys.argv[2]))
    else:
        storm(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
