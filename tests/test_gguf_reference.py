"""Our GGUF files beside those of llama.cpp's own converters, and quantised bytes beside gguf's."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import checkpoints
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlxtutor.export.gguf_file import Description
from mlxtutor.export.quantisation import TYPES, decode, encode
from mlxtutor.export.source import open_source
from mlxtutor.export.writing import write_adapter_as, write_gguf

gguf = pytest.importorskip("gguf")
PACKAGE = "llama-cpp-python==0.3.36"  # its source distribution holds llama.cpp whole
NAMED = Description("tiny")
RUN = """
import sys; sys.path[:0] = [{root!r}, {root!r} + "/gguf-py"]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: {pre!r}  # it knows tokenizers by a hash: ours were made here
sys.argv = {argv!r}
import runpy; runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
def test_bytes_are_those_of_gguf(kind, data):
    numbers = st.floats(-300, 300, width=32) | st.sampled_from([0.0, -0.0, .5, -.5, 1.5, 63.5, 127.0, -127.0, .49999997, 1e-30])
    values = data.draw(hnp.arrays(np.float32, (data.draw(st.integers(1, 5)), 32 * data.draw(st.integers(1, 4))), elements=numbers))
    with np.errstate(all="ignore"):
        wanted = gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind.upper()])
        assert encode(values, kind).tobytes() == np.ascontiguousarray(wanted).tobytes()


@pytest.mark.parametrize("kind", ["q8_0", "bf16"])
def test_large_tensors_are_divided_rightly(kind):
    values = np.random.default_rng(0).standard_normal((1001, 96)).astype(np.float32)
    values[0, :32], values[1] = np.arange(32) + .5, 0
    with np.errstate(all="ignore"):
        wanted = gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind.upper()])
    assert encode(values, kind).tobytes() == np.ascontiguousarray(wanted).tobytes()
    assert decode(encode(values, kind), kind, values.shape).shape == values.shape


@pytest.fixture(scope="module")
def converters(tmp_path_factory):
    """llama.cpp's folder with its converters."""
    folder = tmp_path_factory.mktemp("llama.cpp")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), PACKAGE]
    subprocess.run(command, check=True, timeout=280)
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        wanted = [item for item in packed if any(part in item.name for part in ("/conversion/", "/gguf-py/", "/convert_"))]
        packed.extractall(folder, wanted, filter="data")
    archive.unlink()
    return next(folder.glob("*/vendor/llama.cpp"))


def run(converters, pre, argv):
    code = RUN.format(root=str(converters), pre=pre, argv=[str(word) for word in argv])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "NO_LOCAL_GGUF": "1"})
    assert done.returncode == 0, done.stderr[-2000:]


def tensors(path):
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].tensor_type == tensor.tensor_type and ours[name].shape.tolist() == tensor.shape.tolist(), name
        assert np.array_equal(np.asarray(ours[name].data).view(np.uint8), np.asarray(tensor.data).view(np.uint8)), name


@pytest.mark.slow
@pytest.mark.parametrize("kind, outtype", [*((kind, "f32") for kind in checkpoints.KINDS),
                                           *(("llama", wanted) for wanted in ("f16", "bf16", "q8_0"))])
def test_tensors_and_keys_are_those_of_the_converter(kind, outtype, converters, tmp_path):
    base = checkpoints.make(kind, tmp_path / "base")
    source = open_source(base)
    ours = write_gguf(source, tmp_path / "ours.gguf", outtype, NAMED)
    theirs = tmp_path / "theirs.gguf"
    run(converters, source.vocabulary.pre, [converters / "convert_hf_to_gguf.py", base, "--outtype", outtype, "--outfile", theirs])
    same(tensors(ours), tensors(theirs))
    mine, other = ({name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()} for path in (ours, theirs))
    arch = source.shape.architecture.gguf
    keys = [key for key in other if key.startswith((f"{arch}.", "tokenizer.ggml.")) and key in mine]
    assert len(keys) > 12
    different = {key: (mine[key], other[key]) for key in keys if mine[key] != other[key]}
    assert not {key for key in different if key.startswith(arch)}
    allowed = {"tokenizer.ggml.scores", "tokenizer.ggml.add_space_prefix"}
    if kind == "gemma":  # theirs has the ids of CodeGemma written into it
        allowed |= {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}
    assert {key for key in different if key.startswith("tokenizer")} <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_the_adapter_is_that_of_the_converter(kind, converters, tmp_path):
    base = checkpoints.make(kind, tmp_path / "base")
    adapter = checkpoints.make_adapter(base, tmp_path / "adapter")
    ours = write_adapter_as(open_source(adapter, base), tmp_path / "ours", "gguf", NAMED)[0]
    theirs = tmp_path / "theirs.gguf"
    run(converters, "qwen2", [converters / "convert_lora_to_gguf.py", adapter, "--base", base, "--outtype", "f32", "--outfile", theirs])
    same(tensors(ours), tensors(theirs))
    assert gguf.GGUFReader(ours).fields["adapter.lora.alpha"].contents() == gguf.GGUFReader(theirs).fields["adapter.lora.alpha"].contents()
