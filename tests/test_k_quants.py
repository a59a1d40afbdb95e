"""Types that only llama-quantize writes: a stand-in for it, and files that are none of what was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import checkpoints
import pytest

from mlxtutor.export.proof import Settings

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
QUANTISE = f'exec "{sys.executable}" "{Path(__file__).with_name("fake_quantize.py")}" "$1" "$2"'


@pytest.fixture
def quantised(tutor, tmp_path, monkeypatch):
    """A q4_k_m export with this command as llama-quantize -> (exit code, stderr)"""
    monkeypatch.setattr(Settings.__init__, "__defaults__", (12, 2, None))
    base = checkpoints.make("llama", tmp_path / "base", hidden_size=256, intermediate_size=256, num_hidden_layers=1, head_dim=64)

    def run(command):
        fake = tmp_path / "bin/llama-quantize"
        fake.parent.mkdir(exist_ok=True)
        fake.write_text(f"#!/bin/sh\ntest \"$3\" = Q4_K_M && {command}\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        code, _, err = tutor("export", "gguf", base, "--type", "q4_k_m", "--out", tmp_path / "out")
        return code, err
    return run


def test_k_quants_by_llama_quantize(quantised, tmp_path):
    code, err = quantised(QUANTISE)
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "base-q4_k_m.gguf", "proof.json"]


@pytest.mark.parametrize("command, message", [
    ('cp "$1" "$2"', "metadata: general.file_type is 1, not 15; tensors: token_embd.weight is not the source's"),
    (QUANTISE + " 14", "metadata: general.file_type is 14, not 15"), (QUANTISE + " 15 none", "tensors: token_embd.weight is not"),
    (QUANTISE + " 15 q8_0", "tensors: no tensor is Q4_K"), (QUANTISE + " 15 nan", "tensors: blk.0.ffn_up.weight is not the source's; prob"),
    ('echo "no model at all, but 32 bytes" > "$2"', "not a GGUF file (GGUF magic invalid)")])
def test_a_file_that_is_no_such_k_quant(quantised, command, message):
    code, err = quantised(command)
    assert code == 1 and message in err and "Traceback" not in err
