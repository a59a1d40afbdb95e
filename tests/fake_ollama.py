"""A server that speaks the part of Ollama's protocol that a push uses, strictly, and fails where it is told to."""

import hashlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeOllama(ThreadingHTTPServer):
    """What Ollama does with blobs, create, tags and chat. fault: the step that goes wrong, "" for none."""

    daemon_threads = True

    def __init__(self, version="0.34.0", fault=""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.version, self.fault = version, fault
        self.blobs, self.models, self.requests, self.created, self.asked = {}, {}, [], {}, {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that has hung up is part of the tests."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value=None):
        data = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_HEAD(self):
        self.server.requests.append(f"HEAD {self.path}")
        known = self.path.removeprefix("/api/blobs/") in self.server.blobs
        self.answer(500 if self.server.fault == "head" else 200 if known else 404)

    def do_GET(self):
        self.server.requests.append(f"GET {self.path}")
        if self.path == "/api/version":
            if self.server.fault == "another program":
                return self.answer(200, b"<html>")
            return self.answer(404) if self.server.fault == "no version" else self.answer(200, {"version": self.server.version})
        if self.path == "/api/tags":
            models = [{"name": name, "digest": digest} for name, digest in self.server.models.items()]
            return self.answer(200, {"models": [] if self.server.fault == "tags" else models})
        return self.answer(404)

    def do_POST(self):
        self.server.requests.append(f"POST {self.path}")
        if self.path.startswith("/api/blobs/"):
            return self.blob(self.path.removeprefix("/api/blobs/"))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return {"/api/create": self.create, "/api/chat": self.chat}[self.path](body)

    def blob(self, digest):
        if self.server.fault == "refuse early":
            self.close_connection = True
            return self.answer(507, {"error": "no space\nleft"})
        if self.server.fault == "hang up":
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.fault == "blob" or f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            return self.answer(400, {"error": f"digest mismatch, expected {digest!r}"})
        self.server.blobs[digest] = data
        return self.answer(201)

    def create(self, body):
        files = body.get("files") or {}
        if self.server.fault == "create" or not files:
            return self.answer(400, {"error": "neither 'from' or 'files' was specified"})
        for name, digest in {**files, **body.get("adapters", {})}.items():
            if "/" in name or not re.fullmatch("sha256:[0-9a-f]{64}", digest) or digest not in self.server.blobs:
                return self.answer(400, {"error": f"blob not found for {name}"})
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self.progress(body):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        if self.server.fault != "cut off":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True
        return None

    def progress(self, body):
        yield {"status": "parsing GGUF"}
        yield {"status": "copying", "total": 10, "completed": 5}
        if self.server.fault == "stream":
            yield {"error": "invalid\nfile magic", "status": 400}
            return
        if self.server.fault in ("cut off", "no success"):
            return
        self.server.created = body
        name = body["model"] if ":" in body["model"] else f"{body['model']}:latest"
        self.server.models[name] = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        yield {"status": "success"}

    def chat(self, body):
        self.server.asked = body
        if self.server.fault == "chat":
            return self.answer(500, {"error": "llama runner process has terminated"})
        content = "" if self.server.fault == "silent" else "The coulomb."
        return self.answer(200, {"message": {"role": "assistant", "content": content}, "done": True})
