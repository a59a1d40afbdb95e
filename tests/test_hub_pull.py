"""What pull takes from a hub, refuses, and goes on with."""

from __future__ import annotations

import json
import re

import fake_hub
import pytest
from hub_models import foreign, one_line
from safetensors.numpy import load_file

from mlxtutor.hub.pushing import hub_licence
from mlxtutor.registry.models import list_models, resolve


@pytest.mark.parametrize("change, message", [
    (lambda files: files.pop("model.safetensors") and files.update({"pytorch_model.bin": b"x"}), "pytorch_model.bin, which can run code"),
    (lambda files: files.clear() or files.update({"x.gguf": b"x"}), "ollama run hf.co"),
    (lambda files: files.clear() or files.update({"notes.txt": b"x"}), "neither a model nor an adapter .has notes.txt"),
    (lambda files: files.pop("tokenizer.json") and files.pop("tokenizer.model"), "neither a model nor an adapter"),
    (lambda files: files.update({"../../evil.json": b"x"}), "outside of the model's folder"),
    (lambda files: files.update({"/etc/passwd": b"x"}), "outside of the model's folder"),
    (lambda files: files.update({"a\\..\\b.json": b"x"}), "outside of the model's folder"),
    (lambda files: files.update({"C:/x.json": b"x"}), "outside of the model's folder"),
    (lambda files: files.update({"model.safetensors": b"no tensors"}), "model.safetensors is no safetensors file"),
    (lambda files: files.update({"config.json": b"[]"}), "config.json is no JSON object"),
    (lambda files: files.update({"model.safetensors.index.json": b'{"weight_map": {"a": "model-2.safetensors"}}'}),
     "model-2.safetensors, which model.safetensors.index.json names, is missing"),
    (lambda files: files.update({"model.safetensors.index.json": b'{"weight_map": ["a"]}'}), "index.json has no weight_map"),
])
def test_what_pull_refuses(tutor, hub, models, tiny_tokenizer, tmp_path, change, message):
    files = foreign(tmp_path, tiny_tokenizer, models)
    change(files)
    hub.add("you/model", files)
    line = one_line(tutor("hub", "pull", "you/model")[2])
    assert re.search(message, line), line
    assert [ref.name for ref in list_models(models)] == ["maker"]
    assert not [path for method, path in hub.requests if path.endswith((".bin", ".py"))]


def test_code_and_pickles_beside_safe_weights_are_not_even_fetched(tutor, hub, models, tiny_tokenizer, tmp_path):
    hub.add("you/model", foreign(tmp_path, tiny_tokenizer, models) | {
        "pytorch_model.bin": b"pickle", "modeling_mine.py": b"import os", "picture.png": b"x", "README.md": b"---\nlicense: mit\n---\n"})
    code, out, err = tutor("hub", "pull", "you/model")
    assert code == 0 and "its own code (modeling_mine.py) is not taken" in err and "left out: picture.png, pytorch_model.bin" in err
    assert not {name for name in resolve(models, "model").card["files"] if name.endswith((".bin", ".py", ".png"))}
    assert not [path for _, path in hub.requests if path.endswith((".bin", ".py", ".png"))]
    assert "talk to it: tutor chat model@1" in out


def test_a_model_that_this_version_can_not_open_says_what_can_be_done(tutor, hub, models, tiny_tokenizer, tmp_path):
    files = foreign(tmp_path, tiny_tokenizer, models)
    files["config.json"] = json.dumps({"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}).encode()
    hub.add("you/llama", files)
    code, out, err = tutor("hub", "pull", "you/llama")
    assert code == 0 and "tutor export ollama llama@1 does" in out and "mlx_lm.chat --model" in out and "its card names no licence" in err
    assert resolve(models, "llama").card["kind"] == "pulled"
    assert "has no known licence (say it: --base-licence you/llama=LICENCE)" in one_line(tutor("hub", "push", "llama", "me/llama")[2])


def test_what_does_not_match_the_hubs_checksum_is_refused(tutor, hub, models, tiny_tokenizer, tmp_path, monkeypatch):
    files = foreign(tmp_path, tiny_tokenizer, models)
    hub.add("you/model", files)
    other = dict(files)
    other["model.safetensors"] = files["model.safetensors"][:-4] + b"\0\0\0\1"
    repo = hub.repos["you/model"]
    original = fake_hub._Handler.resolve

    def swapped(self, body, name, revision, path):
        kept = repo.commits[repo.branches["main"]]
        repo.commits[repo.branches["main"]] = other
        try:
            original(self, body, name, revision, path)
        finally:
            repo.commits[repo.branches["main"]] = kept

    routes = [(m, p, swapped if a is original else a) for m, p, a in fake_hub.ROUTES]
    monkeypatch.setattr(fake_hub, "ROUTES", routes)
    assert "model.safetensors is not the file that the hub lists" in one_line(tutor("hub", "pull", "you/model")[2])


def test_an_interrupted_pull_goes_on_from_the_cache(tutor, hub, models, tiny_tokenizer, tmp_path):
    hub.add("you/model", foreign(tmp_path, tiny_tokenizer, models))
    hub.fail[("HEAD", "/you/model/resolve/" + hub.repos["you/model"].branches["main"] + "/model.safetensors")] = (410, {})
    line = one_line(tutor("hub", "pull", "you/model")[2])
    assert "the download of you/model" in line and "kept in the hub's cache" in line
    hub.fail.clear()
    hub.requests.clear()
    assert tutor("hub", "pull", "you/model")[0] == 0
    assert [path.rpartition("/")[2] for method, path in hub.requests if method == "GET" and "/resolve/" in path] == ["model.safetensors"]
    assert load_file(resolve(models, "model").path / "model.safetensors")


def test_a_revision_is_a_branch_a_tag_or_a_commit(tutor, hub, models, tiny_tokenizer, tmp_path):
    files = foreign(tmp_path, tiny_tokenizer, models)
    first = hub.add("you/model", files)
    hub.repos["you/model"].commit({**files, "NOTICE": b"newer"}, "v2")
    assert tutor("hub", "pull", f"you/model@{first}")[0] == tutor("hub", "pull", "you/model@v2")[0] == 0
    assert "NOTICE" not in resolve(models, "model@1").card["files"] and "NOTICE" in resolve(models, "model@2").card["files"]
    assert "no such branch, tag or commit" in one_line(tutor("hub", "pull", "you/model@v9")[2])


@pytest.mark.parametrize("said, recorded, pushed", [
    ("license: mit", "mit", "mit"), ("license: [mit, apache-2.0]", "mit AND apache-2.0", "apache-2.0"),
    ("license: other\nlicense_name: apache-2.0", "apache-2.0", "apache-2.0"),
    ("license: [mit, other]\nlicense_name: cc-by-4.0", "mit AND cc-by-4.0", "cc-by-4.0"),
    ("license: other", None, None), ("license: [mit, other]", "mit AND other", None), ("license: []", None, None)])
def test_a_licence_list_is_all_of_them(tutor, hub, models, tiny_tokenizer, tmp_path, said, recorded, pushed):
    readme = f"---\n{said}\n---\n".encode()
    hub.add("you/model", {**foreign(tmp_path, tiny_tokenizer, models), "README.md": readme})
    code, out, err = tutor("hub", "pull", "you/model", "--json")
    assert code == 0 and json.loads(out)["licence"] == recorded == resolve(models, "model").card.get("licence"), err
    assert hub_licence("you/model") == recorded
    code, out, err = tutor("hub", "push", "model", "me/model", "--json")
    assert json.loads(out)["licence"] == pushed if pushed else "has the licence" in one_line(err) or "has no known licence" in one_line(err)
