"""What counts as the model that is exported: an adapter's own chat template and tokenizer, beside its base's."""

from __future__ import annotations

import json
import shutil

import checkpoints
import pytest
from sentencepiece import SentencePieceProcessor

from mlxtutor.errors import TutorError
from mlxtutor.export.hf_directory import write_hf
from mlxtutor.export.source import open_source
from mlxtutor.export.source_tokenizer import SourceTokenizer

OWN = "{{ bos_token }}{% for message in messages %}[INST] {{ message['content'] }} [/INST] as trained{% endfor %}"
KINDS = ("mistral", "gemma", "qwen2")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """kind -> (base, adapter without a tokenizer)"""
    root = tmp_path_factory.mktemp("checkpoints")
    bases = {kind: checkpoints.make(kind, root / kind) for kind in KINDS}
    return {kind: (base, checkpoints.make_adapter(base, root / f"{kind}-lora")) for kind, base in bases.items()}


def own_adapter(made, kind, tmp_path):
    base, adapter = made[kind]
    return base, shutil.copytree(adapter, tmp_path / "adapter")


def as_json(base):
    """The tokens of a SentencePiece base as the tokenizer.json that transformers saves beside an adapter."""
    processor = SentencePieceProcessor(model_file=str(base / "tokenizer.model"))
    vocab = {processor.id_to_piece(at): at for at in range(processor.get_piece_size())}
    added = json.loads((base / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    return {"model": {"type": "BPE", "vocab": vocab, "merges": []},
            "added_tokens": [{"id": int(at), "content": token["content"], "special": True} for at, token in added.items()]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_template_alone(kind, where, made, tmp_path):
    base, adapter = own_adapter(made, kind, tmp_path)
    (adapter / where).write_text(OWN if where.endswith("jinja") else json.dumps({"chat_template": OWN}))
    source = open_source(adapter, base)
    assert source.vocabulary.chat_template == OWN and source.vocabulary.tokens == open_source(base).vocabulary.tokens
    rendered = SourceTokenizer(source.tokenizer_directory, source.vocabulary).render([{"role": "user", "content": "?"}])
    assert rendered.endswith("[INST] ? [/INST] as trained")


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_with_its_template(kind, made, tmp_path):
    """As peft's trainers save it: for a SentencePiece base it is another kind of file, with the same tokens."""
    base, adapter = own_adapter(made, kind, tmp_path)
    document = as_json(base) if kind != "qwen2" else json.loads((base / "tokenizer.json").read_text())
    (adapter / "tokenizer.json").write_text(json.dumps(document))
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (adapter / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": OWN}))
    source = open_source(adapter, base)
    assert source.vocabulary.chat_template == OWN
    assert source.tokenizer_directory == (adapter if kind == "qwen2" else base)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_without_a_template_leaves_the_bases(kind, made, tmp_path):
    base, adapter = own_adapter(made, kind, tmp_path)
    name = "tokenizer.json" if kind == "qwen2" else "tokenizer.model"
    shutil.copy(base / name, adapter)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    template = settings.pop("chat_template")
    (adapter / "tokenizer_config.json").write_text(json.dumps(settings))
    source = open_source(adapter, base)
    assert source.vocabulary.chat_template == template and source.tokenizer_directory == adapter


@pytest.mark.parametrize("kind", KINDS)
def test_other_tokens_than_the_bases_are_refused(kind, made, tmp_path):
    base, adapter = own_adapter(made, kind, tmp_path)
    document = as_json(base) if kind != "qwen2" else json.loads((base / "tokenizer.json").read_text())
    document["added_tokens"][-1]["content"] = "<|mine|>"
    (adapter / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(TutorError, match=r"1 of its tokenizer's tokens are not those of .*, first id \d+ with '<\|mine\|>' for '"):
        open_source(adapter, base)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_tokenizer", [True, False])
def test_the_merged_directory_has_the_template_that_counts(kind, with_tokenizer, made, tmp_path):
    """transformers takes a chat_template.jinja before the one in tokenizer_config.json, whichever directory it came from."""
    transformers = pytest.importorskip("transformers")
    base, adapter = shutil.copytree(made[kind][0], tmp_path / "base"), shutil.copytree(made[kind][1], tmp_path / "adapter")
    (base / "chat_template.jinja").write_text("the base's")
    settings = json.loads((base / "tokenizer_config.json").read_text()) if with_tokenizer else {}
    (adapter / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": OWN}))
    if with_tokenizer:
        shutil.copy(base / ("tokenizer.json" if kind == "qwen2" else "tokenizer.model"), adapter)
    source = open_source(adapter, base)
    write_hf(source, tmp_path / "out", "float32")
    assert open_source(tmp_path / "out").vocabulary == source.vocabulary and source.chat_template == OWN
    if kind == "qwen2":
        assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").chat_template == OWN
