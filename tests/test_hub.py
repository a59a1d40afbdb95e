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
from hub_models import content, foreign, one_line

from mlxtutor.errors import TutorError
from mlxtutor.hub.connection import hub_errors
from mlxtutor.registry.manifest import compare
from mlxtutor.registry.models import list_models, resolve

PUSH_FIELDS = {"model", "repo", "url", "commit", "private", "licence", "files", "left_out", "deleted", "dry_run", "out"}


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
    for field in ("evaluation", "recipe", "fingerprint", "stages"):  # what it says of itself isn't this registry's card
        assert field not in back.card
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


OWN = {name: b"mine" for name in ("LICENSE", "NOTICE", "USE_POLICY.md", "preprocessor_config.json", "lora.safetensors", "notes.md")}


def test_a_push_deletes_no_licence_and_nothing_that_it_did_not_bring(tutor, hub, models, tiny_tokenizer):
    hub.add("me/em-tutor", {**OWN, "model.safetensors.index.json": b"{}", "adapter_config.json": b"{}"})
    hub_models.micro(models, tiny_tokenizer)
    code, out, err = tutor("hub", "push", "me/em-tutor", "--json")
    files = hub.repos["me/em-tutor"].files()
    assert code == 0 and OWN.items() <= files.items(), err
    assert json.loads(out)["deleted"] == (gone := ["model.safetensors.index.json", "adapter_config.json"]) and not files.keys() & set(gone)
    assert "deleted from me/em-tutor by this commit, since they are not this model's: model.safetensors.index.json, adapter_config" in err


def test_what_an_earlier_push_brought_goes_with_it(tutor, hub, models, tiny_tokenizer):
    earlier = dict.fromkeys(["extra.safetensors", "preprocessor_config.json", "LICENSE", "notes.md"], {"sha256": "", "size": 4})
    hub.add("me/em-tutor", {**OWN, "extra.safetensors": b"theirs", "tutor.json": json.dumps({"files": earlier}).encode()})
    hub_models.micro(models, tiny_tokenizer)
    assert tutor("hub", "push", "me/em-tutor")[0] == 0
    left = hub.repos["me/em-tutor"].files()
    assert OWN.keys() - left.keys() == {"preprocessor_config.json"} and "extra.safetensors" not in left
    assert tutor("hub", "push", "me/em-tutor", "--json")[2].count("deleted") == 0


@pytest.mark.parametrize("card", [b"{", b"[]", b'{"files": ["lora.safetensors"]}'])
def test_an_earlier_card_that_says_nothing_deletes_nothing(tutor, hub, models, tiny_tokenizer, card):
    hub.add("me/em-tutor", {**OWN, "tutor.json": card})
    hub_models.micro(models, tiny_tokenizer)
    assert tutor("hub", "push", "me/em-tutor")[0] == 0 and OWN.items() <= hub.repos["me/em-tutor"].files().items()


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
