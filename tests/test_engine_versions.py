"""The proof in another release of llama.cpp: the one near what Ollama builds on."""

from __future__ import annotations

import subprocess
import sys

import checkpoints
import pytest

from mlxtutor.export import engine as llama
from mlxtutor.export.gguf_file import Description
from mlxtutor.export.proof import Product, Settings, prove
from mlxtutor.export.source import open_source
from mlxtutor.export.writing import write_gguf

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
OLDER = "2026.8.10566"
UNREACHED = "from versions: none"  # pip's word where no index answers


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A folder with the older xllamacpp; without an index to get it from the tests are skipped."""
    folder = tmp_path_factory.mktemp("older")
    command = [sys.executable, "-m", "pip", "install", "-q", "--retries", "1", "--no-deps", "--target", str(folder),
               f"xllamacpp=={OLDER}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    if done.returncode and UNREACHED in done.stderr:
        pytest.skip("pip reaches no index")
    assert done.returncode == 0, done.stderr
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", checkpoints.KINDS)
def test_the_older_engine_agrees(kind, older, tmp_path):
    base = checkpoints.make(kind, tmp_path / "base")
    source = open_source(checkpoints.make_adapter(base, tmp_path / "adapter"), base)
    path = write_gguf(source, tmp_path / "m.gguf", "f32", Description("tiny"))
    proof = prove(source, Product(path, "f32"), Settings(prompts=3, engine_path=older))
    assert proof["passed"], proof
    assert proof["engine"] == f"xllamacpp {OLDER}"
    assert [link["figures"]["equal"] for link in proof["links"] if "equal" in link["figures"]] == [200, 200, 200]


@pytest.mark.slow
def test_a_file_that_cannot_be_loaded_is_one_line(older, tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(100))
    for path in (None, older):
        with pytest.raises(Exception, match="llama.cpp can't load it"), llama.running(tmp_path / "m.gguf", 128, path=path):
            pass
