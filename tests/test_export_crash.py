"""SIGKILL at random moments of exports, promotions and registry writes: what is listed loads, what has its final name is whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from mlxtutor.export import engine as llama
from mlxtutor.registry.directory import load_checked_weights, load_config
from mlxtutor.registry.models import list_models, resolve
from mlxtutor.text.tokenizer import Tokenizer, train_tokenizer

gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
KILLS = 50
WORK = """
import itertools, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import tiny
from mlxtutor.export.export_folder import unproved
from mlxtutor.export.exporting import export_gguf, open_export
from mlxtutor.export.proof import Settings
from mlxtutor.home import Home
from mlxtutor.registry.directory import save_model
from mlxtutor.registry.models import list_models, register
from mlxtutor.registry.promotion import promote
from mlxtutor.registry.removal import remove
from mlxtutor.text.tokenizer import Tokenizer

home, out, seed = Home(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[4])
tokenizer = Tokenizer.load(home.root / "tokenizer.model")
print("ready", flush=True)
for step in itertools.count(seed):
    ref = register(home.models, "em", {"kind": "micro"}, lambda f: save_model(f, tiny.CONFIG, tiny.model_weights(step), tokenizer))
    promote(home.models, ref.id)
    export_gguf(open_export(home, None, None, Settings()), out, "f32")
    unproved(out, "--no-proof")
    for old in [found for found in list_models(home.models) if not found.stable][:-1]:
        remove(home.models, old.id)
"""


def check(home, out):
    """Every listed model loads; an exported file under its name is whole."""
    listed = list_models(home / "models")
    for ref in listed:
        load_checked_weights(ref.path, load_config(ref.path))
        Tokenizer.load(ref.path)
    if listed:
        assert resolve(home / "models", None).id in [ref.id for ref in listed]
    if (out / "proof.json").exists():
        json.loads((out / "proof.json").read_text())
    for path in out.glob("*.gguf"):
        tensors = gguf.GGUFReader(path).tensors
        assert tensors and max(tensor.data_offset + tensor.n_bytes for tensor in tensors) <= path.stat().st_size
    return len(listed)


@pytest.mark.slow
def test_killed_at_fifty_moments(tmp_path):
    home, out, draw = tmp_path / "home", tmp_path / "out", random.Random(7)
    train_tokenizer(tiny.texts(200), tiny.CONFIG.vocab_size, home / "tokenizer.model")
    arguments = [sys.executable, "-c", WORK, str(home), str(out), str(Path(__file__).parent)]
    listed = 0
    for kill in range(KILLS):
        process = subprocess.Popen([*arguments, str(1000 * kill)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        time.sleep(draw.random() * .6)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        listed = max(listed, check(home, out))
        for path in out.glob("*.gguf"):
            shutil.copyfile(path, tmp_path / "last.gguf")
    assert listed >= 1 and (tmp_path / "last.gguf").exists()
    with llama.running(tmp_path / "last.gguf", 128, slots=1) as engine:
        assert engine.tokenize("a")
