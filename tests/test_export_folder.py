"""The folder that `tutor export` writes to: what may not be written there, and what stays of an earlier export."""

from __future__ import annotations

import dataclasses

import checkpoints
import pytest
import tiny

from mlxtutor.registry.directory import save_model
from mlxtutor.registry.manifest import compare
from mlxtutor.registry.models import list_models, register

pytest.importorskip("gguf")
CONFIG = dataclasses.replace(tiny.CONFIG, max_seq_len=512)


@pytest.fixture
def model(models, tiny_tokenizer):
    return register(models, "em", {"kind": "micro"}, lambda folder: save_model(folder, CONFIG, tiny.model_weights(), tiny_tokenizer))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return checkpoints.make("llama", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.mark.parametrize("out", ["em/1/gg", "em/1", "em/9", "other/1"])
def test_nothing_is_written_among_the_models(tutor, model, models, tmp_path, out):
    (tmp_path / "alias").symlink_to(models)
    for folder in (models / out, tmp_path / "alias" / out):
        code, _, err = tutor("export", "gguf", "em@1", "--out", folder, "--no-proof")
        assert code == 1 and "among the registered models" in err and err.count("error:") == 1
    assert len(list_models(models)) == 1 and not compare(model.path, model.card).any


def test_nothing_is_written_inside_what_is_exported(tutor, base):
    before = sorted(base.rglob("*"))
    code, _, err = tutor("export", "gguf", base, "--out", base / "gguf", "--no-proof")
    assert code == 1 and "which is what is exported" in err and sorted(base.rglob("*")) == before
