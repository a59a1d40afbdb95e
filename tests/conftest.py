"""What every test may use: the two backends where they are installed, a tiny tokenizer, a tutor home of its own."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
import tiny
from hypothesis import settings
from mlxtutor.cli import main as command

from mlxtutor import backends
from mlxtutor.problems.build import iter_rows, prompt_of, trained_types
from mlxtutor.text.tokenizer import train_tokenizer

settings.register_profile("busy", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def tutor_home(tmp_path, monkeypatch):
    """Nothing is read from or written to the user's own models."""
    home = tmp_path / "tutor-home"
    monkeypatch.setenv("TUTOR_HOME", str(home))
    return home


def load_backend(name):
    """The backend module; the test is skipped where its framework is not installed."""
    pytest.importorskip(backends.FRAMEWORKS[name])
    return backends.load(name)


@pytest.fixture(params=list(backends.MODULES))
def backend(request):
    return load_backend(request.param)


@pytest.fixture
def both():
    """(mlx, torch)"""
    return load_backend("mlx"), load_backend("torch")


@pytest.fixture
def model(backend):
    return backend.build(tiny.CONFIG, tiny.model_weights(), "float32")


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    return train_tokenizer(tiny.texts(200), tiny.CONFIG.vocab_size, path)


@pytest.fixture
def tutor(capsys, monkeypatch):
    """Run the command in this process -> (exit code, stdout, stderr)."""
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tutor", *map(str, arguments)])
        capsys.readouterr()
        try:
            code = command.main() or 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return run


@pytest.fixture(scope="session")
def problems():
    """Electrostatics problems, each prompt once."""
    rows = {prompt_of(row): row for row in itertools.islice(iter_rows(trained_types(), "train", np.random.default_rng(5)), 1200)
            if row["kind"] == "value"}
    return [{"messages": row["messages"], "licence": "MIT", "id": row["id"]} for row in rows.values()][:700]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub that huggingface_hub talks to; logged in, its cache empty."""
    import fake_hub
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    with fake_hub.serve() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}")
        yield server


@pytest.fixture
def models(tutor_home):
    return tutor_home / "models"
