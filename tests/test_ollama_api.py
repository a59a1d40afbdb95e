"""Pushing a folder to a server that speaks Ollama's protocol strictly, and what is said where it fails."""

import hashlib

import pytest
from fake_ollama import FakeOllama

from mlxtutor.errors import TutorError
from mlxtutor.export.modelfile import Modelfile, render
from mlxtutor.export.ollama_api import check_running, push
from mlxtutor.export.ollama_host import DEFAULT_HOST, host_from_environment

MODEL = b"GGUF" + bytes(range(256)) * 5000
MODELFILE = Modelfile(
    "em-tutor.gguf",
    template="{{ range .Messages }}{{ .Content }}{{ end }}",
    system="Calculator: off",
    parameters=(("temperature", "0.2"), ("stop", "<|im_end|>"), ("stop", "<|im_start|>"), ("num_ctx", "512")),
    license=("MIT",),
    messages=(("user", "2*3?"), ("assistant", "6")),
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "em-tutor.gguf").write_bytes(MODEL)
    (tmp_path / "Modelfile").write_text(render(MODELFILE))
    return tmp_path


@pytest.fixture
def ollama():
    servers = []

    def start(**options):
        servers.append(FakeOllama(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_folder_becomes_a_model_that_answers(folder, ollama):
    server, seen = ollama(), []
    result = push(folder, "em-tutor", server.url, lambda *event: seen.append(event))
    digest = f"sha256:{hashlib.sha256(MODEL).hexdigest()}"
    assert server.blobs == {digest: MODEL}
    assert server.created == {
        "model": "em-tutor",
        "files": {"em-tutor.gguf": digest},
        "template": MODELFILE.template,
        "system": "Calculator: off",
        "parameters": {"temperature": 0.2, "num_ctx": 512, "stop": ["<|im_end|>", "<|im_start|>"]},
        "license": ["MIT"],
        "messages": [{"role": "user", "content": "2*3?"}, {"role": "assistant", "content": "6"}],
        "stream": True,
    }
    assert server.asked["options"]["temperature"] == 0 and server.asked["stream"] is False
    assert result["answer"] == "The coulomb."
    assert result["digest"] == server.models["em-tutor:latest"]
    assert result["blobs"] == {"em-tutor.gguf": digest}
    assert result["warnings"] == []
    assert seen[0] == ("hashing em-tutor.gguf", 1 << 20, len(MODEL))
    assert [done for status, done, _ in seen if status == "sending em-tutor.gguf"] == [1 << 20, len(MODEL)]
    assert ("copying", 5, 10) in seen and ("success", 0, 0) in seen


def test_a_blob_that_is_there_is_not_sent_again(folder, ollama):
    server = ollama()
    push(folder, "em-tutor", server.url)
    server.requests.clear()
    push(folder, "em-tutor:v2", server.url)
    assert not [request for request in server.requests if request.startswith("POST /api/blobs")]
    assert set(server.models) == {"em-tutor:latest", "em-tutor:v2"}


def test_an_adapter_goes_to_an_ollama_that_takes_it(folder, ollama):
    (folder / "a.gguf").write_bytes(b"GGUF adapter")
    (folder / "Modelfile").write_text("FROM em-tutor.gguf\nADAPTER ./a.gguf\n")
    server = ollama(version="0.33.3")
    result = push(folder, "em-tutor", server.url)
    assert server.created["adapters"] == {"a.gguf": f"sha256:{hashlib.sha256(b'GGUF adapter').hexdigest()}"}
    assert "releases from 0.34.1 refuse it" in result["warnings"][0]


def test_an_adapter_is_refused_before_anything_is_sent(folder, ollama):
    (folder / "a.gguf").write_bytes(b"GGUF adapter")
    (folder / "Modelfile").write_text("FROM em-tutor.gguf\nADAPTER a.gguf\n")
    server = ollama(version="0.34.1")
    with pytest.raises(TutorError, match=r"Ollama 0\.34\.1 takes no ADAPTER"):
        push(folder, "em-tutor", server.url)
    assert server.requests == ["GET /api/version"]


def test_an_old_ollama_is_refused_and_one_without_a_version_is_tried(folder, ollama):
    with pytest.raises(TutorError, match=r"Ollama is version 0\.5\.4 \(needed: 0\.5\.5 or newer\)"):
        push(folder, "em-tutor", ollama(version="0.5.4").url)
    assert "not checked" in push(folder, "em-tutor", ollama(version="0.0.0").url)["warnings"][0]


def test_a_modelfile_may_require_a_newer_ollama(folder, ollama):
    (folder / "Modelfile").write_text("FROM em-tutor.gguf\nREQUIRES 0.40.0\n")
    with pytest.raises(TutorError, match=r"version 0\.34\.0, the Modelfile requires 0\.40\.0"):
        push(folder, "em-tutor", ollama().url)


FAULTS = {
    "no version": "answers 404 to /api/version",
    "another program": "is another program listening there?",
    "head": "answers 500 to the question whether it has em-tutor.gguf",
    "blob": "Ollama refuses em-tutor.gguf: digest mismatch",
    "refuse early": "Ollama refuses em-tutor.gguf: no space left",
    "hang up": "broke off",
    "create": "Ollama does not create em-tutor: neither 'from' or 'files' was specified",
    "stream": "Ollama does not create em-tutor: invalid file magic",
    "no success": "Ollama stopped creating em-tutor after 'copying' (expected: success)",
    "cut off": "Ollama stopped creating em-tutor after 'copying'",
    "tags": "Ollama created em-tutor but does not list it",
    "chat": "em-tutor was created but does not run: Ollama at",
    "silent": "em-tutor was created but answers nothing",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_failure_is_one_line_that_says_what_failed(folder, ollama, fault):
    with pytest.raises(TutorError) as error:
        push(folder, "em-tutor", ollama(fault=fault).url)
    assert FAULTS[fault] in str(error.value)
    assert "\n" not in str(error.value)


def test_an_ollama_that_does_not_run_is_said_with_the_command_that_starts_it(folder):
    with pytest.raises(TutorError, match=r"does not answer at http://127\.0\.0\.1:9 .*start it with `ollama serve`"):
        push(folder, "em-tutor", "http://127.0.0.1:9")


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b/c/d", "a:b:c", "a@b", "n.s/a", "x" * 81, "ä"])
def test_a_name_that_ollama_would_refuse_is_refused(folder, name):
    with pytest.raises(TutorError, match="is no name for a model in Ollama"):
        push(folder, name, DEFAULT_HOST)


@pytest.mark.parametrize("name", ["em-tutor", "me/em-tutor:1.5", "example.com:5000/me/em_tutor:q8_0"])
def test_names_with_namespace_tag_and_host_are_taken(folder, ollama, name):
    assert push(folder, name, ollama().url)["model"] == name


def test_a_folder_without_its_model_file_is_refused(folder, ollama):
    (folder / "em-tutor.gguf").unlink()
    with pytest.raises(TutorError, match=r"FROM em-tutor\.gguf: no such file beside the Modelfile"):
        push(folder, "em-tutor", ollama().url)


def test_a_file_that_becomes_shorter_is_noticed(folder, ollama):
    def shorten(status, done, total):
        if status.startswith("hashing") and done == total:
            (folder / "em-tutor.gguf").write_bytes(MODEL[:1000])

    with pytest.raises(TutorError, match="became shorter while it was sent"):
        push(folder, "em-tutor", ollama().url, shorten)


HOSTS = {
    "": "http://127.0.0.1:11434",
    "  'example.com' ": "http://example.com:11434",
    "example.com:8080": "http://example.com:8080",
    ":8080": "http://127.0.0.1:8080",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:80": "http://127.0.0.1:80",
    "http://example.com": "http://example.com:80",
    "https://example.com": "https://example.com:443",
    "https://example.com:444/ollama/": "https://example.com:444/ollama",
    "[::1]": "http://[::1]:11434",
    "::1": "http://[::1]:11434",
    "[::]:5": "http://[::1]:5",
    "my_host.": "http://my_host.:11434",
    "münchen:1": "http://münchen:1",
}


@pytest.mark.parametrize("value", HOSTS)
def test_ollama_host_is_read_as_ollama_reads_it(value):
    assert host_from_environment({"OLLAMA_HOST": value}) == HOSTS[value]


def test_without_ollama_host_it_is_this_machine():
    assert host_from_environment({}) == DEFAULT_HOST


@pytest.mark.parametrize("value", [
    "ftp://example.com", "example.com:http", "example.com:99999", "[::1", "http://a..b", ".a", f"http://{'x' * 80}", f"{'ü' * 62}.de",
    "a b", "http://ex ample:80", "a\x00b", "http://a/b c", "http://a/é"])
def test_an_address_that_is_none_is_refused(value):
    with pytest.raises(TutorError, match="the address of Ollama is"):
        host_from_environment({"OLLAMA_HOST": value})
    with pytest.raises(TutorError, match="the address of Ollama is"):
        check_running(value)


def test_an_address_behind_a_proxy_keeps_its_path(folder, ollama):
    server = ollama()
    with pytest.raises(TutorError, match="/behind answers 404 to /api/version"):
        push(folder, "em-tutor", server.url + "/behind")
    assert server.requests == ["GET /behind/api/version"]
