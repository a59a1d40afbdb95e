"""Push and pull against a hub on this machine: round trip to the byte, what is refused on both ways, one line for every error."""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import subprocess
import sys

import fake_hub
import hub_models
import pytest
from safetensors.numpy import load_file

from mlxtutor.errors import TutorError
from mlxtutor.hub.connection import hub_errors
from mlxtutor.registry.manifest import compare
from mlxtutor.registry.models import list_models, resolve


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub that huggingface_hub talks to; logged in, its cache empty."""
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


def one_line(err):
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


PUSH_FIELDS = {"model", "repo", "url", "commit", "private", "licence", "files", "left_out", "dry_run", "out"}


def content(folder):
    return {name.relative_to(folder).as_posix(): name.read_bytes() for name in folder.rglob("*") if name.is_file()}


def test_push_then_pull_is_the_same_model_to_the_byte(tutor, hub, models, tiny_tokenizer):
    ref = hub_models.micro(models, tiny_tokenizer)
    code, out, err = tutor("hub", "push", "em-tutor", "me/em-tutor", "--message", "first", "--json")
    assert code == 0, err
    pushed = json.loads(out)
    repo = hub.repos["me/em-tutor"]
    assert (pushed["private"], pushed["commit"], pushed["licence"]) == (True, repo.branches["main"], "mit")
    assert set(pushed) == PUSH_FIELDS and (pushed["model"], pushed["dry_run"], pushed["out"]) == ("em-tutor@1", False, None)
    assert repo.private and repo.messages == ["initial commit", "first"]  # everything in one commit
    assert pushed["files"] == {name: len(raw) for name, raw in repo.files().items() if name != ".gitattributes"}

    code, out, err = tutor("hub", "pull", "me/em-tutor", "--name", "back", "--json")
    assert code == 0, err
    pulled = json.loads(out)
    back = resolve(models, "back@1")
    assert (pulled["model"], pulled["commit"], pulled["kind"], pulled["opens"]) == ("back@1", pushed["commit"], "micro", True)
    for name in ref.card["files"]:
        assert (back.path / name).read_bytes() == (ref.path / name).read_bytes() == repo.files()[name], name
    assert set(back.card["files"]) == {*ref.card["files"], "README.md"} and not compare(back.path, back.card).any
    assert back.card["parents"] == [{"role": "source", "model": "me/em-tutor", "revision": pushed["commit"], "licence": "mit"}]
    assert back.card["origin"]["card"]["digest"] == ref.digest and back.card["licence"] == "mit"
    for foreign in ("evaluation", "recipe", "fingerprint", "stages"):  # what it says of itself isn't this registry's card
        assert foreign not in back.card
    assert tutor("models", "show", "back")[0] == 0
    assert tutor("hub", "pull", "me/em-tutor", "--name", "back")[0] == 0 and len([r for r in list_models(models) if r.name == "back"]) == 1


def test_a_second_push_replaces_what_is_no_longer_the_models(tutor, hub, models, tiny_tokenizer):
    hub.add("me/em-tutor", {"model-00001-of-00002.safetensors": b"old", "picture.png": b"mine", "config.json": b"{}"})
    hub_models.micro(models, tiny_tokenizer)
    code, out, err = tutor("hub", "push", "me/em-tutor")
    assert code == 0 and "public), commit" in out, err
    files = hub.repos["me/em-tutor"].files()
    assert "model-00001-of-00002.safetensors" not in files and files["picture.png"] == b"mine" and files["config.json"] != b"{}"
    assert "is on the hub and public" in one_line(tutor("hub", "push", "me/em-tutor", "--private")[2])
    commits = len(hub.repos["me/em-tutor"].messages)
    hub.requests.clear()
    assert tutor("hub", "push", "me/em-tutor", "--revision", "try")[0] == 0
    assert hub.repos["me/em-tutor"].branches.keys() == {"main", "try"} and len(hub.repos["me/em-tutor"].messages) == commits + 1
    assert not [path for method, path in hub.requests if method == "PUT"]  # weights that are there aren't sent again


def test_public_and_ones_own_name(tutor, hub, models, tiny_tokenizer):
    hub_models.micro(models, tiny_tokenizer)
    code, out, err = tutor("hub", "push", "em-tutor@1", "tutor", "--public")
    assert code == 0 and not hub.repos["me/tutor"].private and f"{hub.url}/me/tutor (public)" in out, err


def test_dry_run_writes_what_would_be_uploaded_and_reaches_nobody(tutor, hub, models, tiny_tokenizer, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    ref = hub_models.micro(models, tiny_tokenizer)
    code, out, err = tutor("hub", "push", "me/em-tutor", "--dry-run", "--out", tmp_path / "what")
    assert code == 0 and not hub.requests and not hub.repos, err
    written = content(tmp_path / "what")
    assert set(written) == {*ref.card["files"], "README.md", "tutor.json"} and b"/home/" not in b"".join(written.values())
    assert "em-tutor@1 -> me/em-tutor, private, licence mit" in out and "model.safetensors" in out
    assert "nothing was uploaded; a repository that is there already stays private or public as it is" in out
    code, out, _ = tutor("hub", "push", "em-tutor@1", "me/em-tutor", "--public", "--dry-run", "--out", tmp_path / "j", "--json")
    document = json.loads(out)
    assert set(document) == PUSH_FIELDS and (document["url"], document["commit"], document["private"]) == (None, None, False)
    assert (document["dry_run"], document["out"], document["model"]) == (True, str(tmp_path / "j"), "em-tutor@1")
    monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
    assert tutor("hub", "push", "me/em-tutor")[0] == 0
    uploaded = {name: raw for name, raw in hub.repos["me/em-tutor"].files().items() if name != ".gitattributes"}
    assert uploaded == written
    assert "is not empty" in one_line(tutor("hub", "push", "me/em-tutor", "--dry-run", "--out", tmp_path / "what")[2])
    for words in (["--dry-run"], ["--out", tmp_path / "new"]):
        assert tutor("hub", "push", "me/em-tutor", *words)[0] == 2
    assert tutor("hub", "push", "a", "b", "c")[0] == tutor("hub", "push", "me/em-tutor", "--data-licence", "rows.jsonl")[0] == 2


@pytest.mark.parametrize("words", [("em-tutor",), ("em-tutor@1",), ("em-tutor", "--dry-run")], ids=" ".join)
def test_a_forgotten_repository_is_bad_usage(tutor, hub, models, tiny_tokenizer, words):
    hub_models.micro(models, tiny_tokenizer)
    code, _, err = tutor("hub", "push", *words)
    assert code == 2 and "the repository is missing" in " ".join(err.replace("│", " ").split()) and not hub.requests


def test_a_folder_needs_no_pull(tutor, hub, tmp_path):
    line = one_line(tutor("hub", "pull", tmp_path)[2])
    assert f"{tmp_path} is a folder and needs no pull: give it as MODEL" in line and not hub.requests


def test_nothing_is_sent_where_the_licence_check_fails(tutor, hub, models, tiny_tokenizer):
    hub_models.on_data(models, tiny_tokenizer, [hub_models.data("scienceqa.jsonl", ["CC BY-NC-SA 4.0"])])
    line = one_line(tutor("hub", "push", "me/em-tutor", "--license", "mit")[2])
    assert "the model can't be under MIT: scienceqa.jsonl is CC BY-NC-SA 4.0" in line and not hub.requests
    code, out, err = tutor("hub", "push", "me/em-tutor", "--json")
    assert code == 0 and json.loads(out)["licence"] == "cc-by-nc-sa-4.0" and "for non-commercial use only" in err
    hub_models.on_data(models, tiny_tokenizer, [hub_models.data()], name="loose", seed=2)
    assert "tutor data import --licence" in one_line(tutor("hub", "push", "loose", "me/loose")[2])
    both = "rows.jsonl=CC-BY-NC-4.0 AND CC-BY-SA-4.0"
    line = one_line(tutor("hub", "push", "loose", "me/loose", "--data-licence", both)[2])
    assert "no licence fits CC BY-NC 4.0 (rows.jsonl) and CC BY-SA 4.0 (rows.jsonl), since they can't be combined" in line
    assert tutor("hub", "push", "loose", "me/loose", "--data-licence", "rows.jsonl=CC BY 4.0 AND MIT")[0] == 0


def test_an_adapter_asks_the_hub_for_its_bases_licence(tutor, hub, models):
    hub.add("Qwen/Qwen2.5-0.5B", {"README.md": b"---\nlicense: apache-2.0\n---\n"})
    hub_models.adapter(models, parents=[{"role": "base", "model": "Qwen/Qwen2.5-0.5B"}], data=[hub_models.data(licences=["MIT"])])
    code, out, err = tutor("hub", "push", "my-lora", "me/my-lora", "--json")
    assert code == 0 and json.loads(out)["licence"] == "apache-2.0", err
    code, out, err = tutor("hub", "pull", "me/my-lora", "--name", "theirs")
    ref = resolve(models, "theirs")
    assert code == 0 and "an adapter on Qwen/Qwen2.5-0.5B" in out, err
    assert ref.card["kind"] == "adapter" and {"role": "base", "model": "Qwen/Qwen2.5-0.5B"} in ref.card["parents"]
    hub_models.adapter(models, "no/where", [{"role": "base", "model": "no/where"}], name="lost")
    assert "no/where has no known licence (say it: --base-licence no/where=LICENCE)" in one_line(tutor("hub", "push", "lost", "me/lost")[2])


def test_what_was_pulled_may_be_pushed_under_its_licence(tutor, hub, models, tiny_tokenizer):
    hub_models.micro(models, tiny_tokenizer)
    tutor("hub", "push", "me/em-tutor")
    assert tutor("hub", "pull", "me/em-tutor", "--name", "theirs")[0] == 0
    code, out, err = tutor("hub", "push", "theirs", "me/again", "--json")
    readme = hub.repos["me/again"].files()["README.md"].decode()
    assert code == 0 and json.loads(out)["licence"] == "mit" and "base_model:\n- me/em-tutor\n" in readme, err


# pull

def foreign(tmp_path, tiny_tokenizer, models):
    return content(hub_models.micro(models, tiny_tokenizer, "maker").path)


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


# errors

@pytest.mark.parametrize("fail, message", [
    ({("POST", "/api/models/me/em-tutor/commit"): (403, {"X-Error-Message": "no write access"})}, "the token may not do that"),
    ({("POST", "/api/repos/create"): (401, {})}, "does not accept the token"),
    ({("POST", "/api/models/me/em-tutor/commit"): (429, {})}, "too many requests"),
    ({("POST", "/api/models/me/em-tutor/commit"): (412, {})}, "something else changed it meanwhile"),
    ({("POST", "/api/models/me/em-tutor/commit"): "cut"}, "the hub can't be reached .*nothing was published"),
    ({("PUT", "/lfs"): (403, {})}, "may not do that"),
])
def test_a_push_that_fails_is_one_line(tutor, hub, models, tiny_tokenizer, fail, message):
    hub_models.micro(models, tiny_tokenizer)
    hub.fail.update(fail)
    code, out, err = tutor("hub", "push", "me/em-tutor")
    assert code == 1 and re.search(message, one_line(err)), err
    assert "model.safetensors" not in (hub.repos["me/em-tutor"].files() if hub.repos else {})


def test_errors_before_anything_is_sent(tutor, hub, models, tiny_tokenizer, monkeypatch):
    hub_models.micro(models, tiny_tokenizer)
    assert '"a/b/c" is no repository' in one_line(tutor("hub", "push", "a/b/c")[2])
    assert '"x y" is no repository' in one_line(tutor("hub", "pull", "x y")[2])
    assert "no/thing is not on the hub, or is private" in one_line(tutor("hub", "pull", "no/thing")[2])
    hub.add("you/gated", {"config.json": b"{}", "model.safetensors": b"x", "tokenizer.json": b"{}"}, gated=True)
    assert "you/gated is gated (ask for access" in one_line(tutor("hub", "pull", "you/gated")[2])
    assert not [path for method, path in hub.requests if method == "POST"]
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(models / "no-token"))
    assert "not logged in to the hub (hf auth login, or HF_TOKEN" in one_line(tutor("hub", "push", "me/em-tutor")[2])


def test_no_network_and_no_space(tutor, hub, models, tiny_tokenizer, tmp_path, monkeypatch):
    hub.add("you/model", foreign(tmp_path, tiny_tokenizer, models))
    monkeypatch.setattr("mlxtutor.hub.pulling.shutil.disk_usage", lambda place: type("Usage", (), {"free": 10})())
    assert "GB wanted, 0.0 GB free (free some space" in one_line(tutor("hub", "pull", "you/model")[2])
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    said = "error: you/model: the hub can't be reached (check the network; run the same command again)"
    assert one_line(tutor("hub", "pull", "you/model")[2]) == said
    assert "the hub can't be reached" in one_line(tutor("hub", "push", "maker", "me/maker")[2])


def test_a_certificate_that_is_not_trusted_is_said():
    error = ssl.SSLCertVerificationError("x")
    error.verify_message = "self-signed certificate"
    said = "the hub can't be reached .no safe connection, self-signed certificate; check the network; again"
    with pytest.raises(TutorError, match=said), hub_errors("me/x", "", "again"):
        try:
            raise error
        except ssl.SSLError as cause:
            raise ConnectionError("failed") from cause


def test_the_environment_decides_where_the_hub_is(hub, models, tiny_tokenizer, tutor_home, tmp_path):
    """As a user runs it: HF_ENDPOINT, HF_TOKEN and HF_HOME, in a process of its own."""
    hub_models.micro(models, tiny_tokenizer)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1",
                   "TUTOR_HOME": str(tutor_home)}
    code = "import sys; from mlxtutor.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "hub", "push", "me/em-tutor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    weights = hub.repos["me/em-tutor"].files()["model.safetensors"]
    assert hashlib.sha256(weights).hexdigest() == resolve(models, "em-tutor").card["files"]["model.safetensors"]["sha256"]


@pytest.mark.parametrize("word", ["push", "pull"])
def test_help_has_an_example(tutor, word):
    code, out, _ = tutor("hub", word, "--help")
    assert code == 0 and f"Example: tutor hub {word}" in " ".join(out.split()) and "--token" not in out
