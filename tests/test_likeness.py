"""Two models' probabilities side by side: what is not finite never counts as alike."""

from __future__ import annotations

import json

import checkpoints
import numpy as np
import pytest
from mlxtutor.cli.proof_view import print_proof
from safetensors.numpy import load_file, save_file

from mlxtutor.export.gguf_file import Description
from mlxtutor.export.likeness import Tolerance, alike, too_far
from mlxtutor.export.proof import Product, Settings, prove
from mlxtutor.export.source import open_source
from mlxtutor.export.writing import write_gguf

EXACT, MEAN = Tolerance(1e-4, 1e-6, True), Tolerance(None, 5e-3, False)
EVEN = np.log(np.full(4, .25))


def test_the_same_is_alike():
    likeness = alike([EVEN, EVEN], [EVEN, EVEN])
    assert (likeness.positions, likeness.kl, likeness.max_difference, likeness.top1_agreement) == (2, 0, 0, 1)
    assert too_far(likeness, EXACT) == too_far(likeness, MEAN) == ""


@pytest.mark.parametrize("limits", [EXACT, MEAN])
def test_one_number_that_is_none_is_too_far(limits):
    broken = np.where(np.arange(4) == 3, np.nan, EVEN)
    assert too_far(alike([EVEN, EVEN], [EVEN, broken]), limits) == "the export's are not finite at 1 of 2 positions"
    assert too_far(alike([broken, EVEN], [EVEN, EVEN]), limits) == "the source's are not finite at 1 of 2 positions"
    assert "the source's are not finite at 1 of 1 positions; the export's" in too_far(alike([broken], [broken]), limits)


@pytest.mark.parametrize("limits", [EXACT, MEAN])
def test_a_token_that_the_engine_leaves_out_is_infinitely_far(limits):
    assert "KL inf nats" in too_far(alike([EVEN], [np.where(np.arange(4) == 3, -np.inf, EVEN)]), limits)


def scaled(base, factors):
    """The checkpoint with tensors of these names times a factor."""
    weights = load_file(base / "model.safetensors")
    for name in weights:
        weights[name] *= np.float32(next((factor for part, factor in factors.items() if part in name), 1))
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    return open_source(base)


@pytest.mark.parametrize("kind, wanted, factors, problem", [
    ("qwen2", "q8_0", {"up_proj.weight": 1e7, "gate_proj": 10, "down_proj": 1e-2}, "the export's are not finite at 12 of 12 positions"),
    ("llama", "f32", {"lm_head": 1e38}, "the source's are not finite at ")])
def test_a_model_that_overflows_is_no_proof(kind, wanted, factors, problem, tmp_path, capsys):
    """The first only in llama.cpp, whose products with q8_0 have float16 scales; the second everywhere."""
    pytest.importorskip("xllamacpp")
    source = scaled(checkpoints.make(kind, tmp_path / "base"), factors)
    path = write_gguf(source, tmp_path / "m.gguf", wanted, Description("tiny"))
    proof = prove(source, Product(path, wanted), Settings(texts=4, prompts=2))
    found = {link["name"]: link for link in proof["links"]}
    assert not proof["passed"] and problem in found["probabilities"]["problem"]
    json.dumps(proof, allow_nan=False)
    print_proof(proof)
    assert ("not finite" in capsys.readouterr().out) == (found["probabilities"]["figures"]["kl"] is None)
