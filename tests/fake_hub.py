"""A hub on this machine: the part of huggingface.co's HTTP API that pushing and pulling need, git LFS included."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_of_the_tests"


@dataclass
class Repo:
    """branches: name to commit. commits: hash to files."""

    private: bool = True
    gated: bool = False
    branches: dict = field(default_factory=dict)
    commits: dict = field(default_factory=dict)
    messages: list = field(default_factory=list)

    def files(self, revision="main"):
        return self.commits[self.branches.get(revision, revision)]

    def commit(self, files, branch="main", message=""):
        sha = hashlib.sha1(f"{len(self.commits)} {branch} {sorted(files)}".encode()).hexdigest()
        self.commits[sha], self.branches[branch] = files, sha
        self.messages.append(message)
        return sha


@dataclass
class Hub:
    """fail: {(method, start of the path): (status, headers) or "cut"}: what goes wrong."""

    repos: dict = field(default_factory=dict)
    stored: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    fail: dict = field(default_factory=dict)
    url: str = ""

    def add(self, name, files, **more):
        repo = self.repos[name] = Repo(**{"private": False, **more})
        return repo.commit({".gitattributes": b"", **files})


def is_large(name):
    return name.endswith(".safetensors")


def blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serve():
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": .01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def _route(self):
        split = urlsplit(self.path)
        path, self.query = unquote(split.path), parse_qs(split.query)
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        self.hub.requests.append((self.command, path))
        for (method, start), answer in self.hub.fail.items():
            if method == self.command and path.startswith(start):
                if answer == "cut":
                    self.close_connection = True
                    self.connection.close()
                    return
                return self._send(answer[0], {"error": "as the test wants"}, answer[1])
        for method, pattern, action in ROUTES:
            match = method == self.command and re.fullmatch(pattern, path)
            if match:
                return action(self, body, *match.groups())
        self._send(404, {"error": f"no route {self.command} {path}"})

    do_GET = do_POST = do_PUT = do_HEAD = _route

    def _chunks(self):
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _send(self, status, document=None, headers=None, content=None):
        content = json.dumps(document).encode() if content is None else content
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _allowed(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repo(self, name, revision=None):
        """The repository, or None where the answer is sent already."""
        repo = self.hub.repos.get(name)
        if repo is None or repo.private and not self._allowed():
            self._send(404 if self._allowed() else 401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        if revision and revision not in repo.branches and revision not in repo.commits:
            self._send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repo

    def whoami(self, body):
        self._send(200, {"name": "me", "type": "user"})

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if not self._allowed():
            return self._send(401, {"error": "Invalid username or password."})
        if name in self.hub.repos:
            return self._send(409, {"error": "You already created this model repo"})
        self.hub.repos[name] = repo = Repo(private=asked.get("visibility") == "private")
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, message="initial commit")
        self._send(200, {"url": f"{self.hub.url}/{name}"})

    def validate(self, body):
        text = json.loads(body)["content"]
        yaml.safe_load(text.split("---")[1])
        self._send(200, {"errors": [], "warnings": []})

    def info(self, body, name, revision=None):
        repo = self._repo(name, revision)
        if repo is None:
            return
        files = repo.files(revision or "main")
        readme = files.get("README.md", b"").decode()
        data = yaml.safe_load(readme.split("---")[1]) if readme.startswith("---") else None
        siblings = [{"rfilename": path, "size": len(content), "blobId": blob_id(content), **_lfs(path, content)}
                    for path, content in files.items()]
        sha = repo.branches.get(revision or "main", revision)
        self._send(200, {"id": name, "sha": sha, "private": repo.private, "siblings": siblings, **({"cardData": data} if data else {})})

    def tree(self, body, name, revision):
        repo = self._repo(name, revision)
        if repo is not None:
            self._send(200, [{"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
                             for path, content in repo.files(revision).items()])

    def branch(self, body, name, branch):
        repo = self._repo(name)
        if repo is not None:
            known = branch in repo.branches
            repo.branches.setdefault(branch, repo.branches["main"])
            self._send(409 if known else 200, {"error": "exists"} if known else {})

    def preupload(self, body, name, revision):
        repo = self._repo(name, revision)
        if repo is not None:
            self._send(200, {"files": [{"path": file["path"], "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                                        "shouldIgnore": False, "oid": None} for file in json.loads(body)["files"]]})

    def batch(self, body, name):
        objects = json.loads(body)["objects"]
        for item in objects:
            if item["oid"] not in self.hub.stored:
                item["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{item['oid']}"}}
        self._send(200, {"transfer": "basic", "objects": objects})

    def store(self, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.stored[oid] = body
        self._send(200, {})

    def commit(self, body, name, revision):
        repo = self._repo(name, revision)
        if repo is None:
            return
        files, message = dict(repo.files(revision)), ""
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            else:
                del files[value["path"]]
        sha = repo.commit(files, revision, message)
        self._send(200, {"commitUrl": f"{self.hub.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})

    def resolve(self, body, name, revision, path):
        repo = self._repo(name, revision)
        if repo is None:
            return
        sha = repo.branches.get(revision, revision)
        if repo.gated:
            return self._send(403, {"error": "gated"}, {"X-Error-Code": "GatedRepo", "X-Repo-Commit": sha})
        content = repo.files(revision)[path]
        etag = hashlib.sha256(content).hexdigest() if is_large(path) else blob_id(content)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if start:
            headers["Content-Range"] = f"bytes {start[1]}-{len(content) - 1}/{len(content)}"
            return self._send(206, headers=headers, content=content[int(start[1]):])
        self._send(200, headers=headers, content=content)


def _lfs(path, content):
    large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return {"lfs": large} if is_large(path) else {}


_NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = [
    ("GET", "/api/whoami-v2", _Handler.whoami), ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate), ("GET", f"/api/models/{_NAME}", _Handler.info),
    ("GET", f"/api/models/{_NAME}/revision/(.+)", _Handler.info), ("GET", f"/api/models/{_NAME}/tree/([^/]+).*", _Handler.tree),
    ("POST", f"/api/models/{_NAME}/branch/(.+)", _Handler.branch), ("POST", f"/api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
    ("POST", f"/{_NAME}.git/info/lfs/objects/batch", _Handler.batch), ("PUT", r"/lfs/(\w+)", _Handler.store),
    ("POST", f"/api/models/{_NAME}/commit/(.+)", _Handler.commit), ("HEAD", f"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("GET", f"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
]
