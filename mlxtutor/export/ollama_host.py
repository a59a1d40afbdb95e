"""Where Ollama listens, as OLLAMA_HOST says it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlxtutor.errors import TutorError

DEFAULT_HOST = "http://127.0.0.1:11434"
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?")
_PATH = re.compile("[!-~]*")


@dataclass(frozen=True)
class Server:
    """Where Ollama listens; path: what stands before /api behind a proxy."""

    scheme: str
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def host_from_environment(environment: Mapping[str, str] = os.environ) -> str:
    """OLLAMA_HOST as Ollama's own client reads it (ollama/envconfig/config.go): quotes go, the scheme is http, the port
    11434 (80 or 443 after a scheme), and an address to listen on everywhere becomes this machine's.
    """
    return str(read_host(environment.get("OLLAMA_HOST", "").strip().strip("\"'").strip()))


def read_host(host: str) -> Server:
    """An address as OLLAMA_HOST has it; TutorError for one that nothing can be reached at."""
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = "http", host
    if scheme not in _PORTS:
        raise TutorError(f"the address of Ollama is {host!r} (allowed: http:// or https://, a host, a port)")
    rest, _, path = rest.partition("/")
    bare = rest.count(":") > 1 and "]" not in rest  # an IPv6 address without brackets has no port
    try:
        parts = urlsplit(f"//[{rest}]" if bare else f"//{rest}")
        port, name = parts.port, _connectable(parts.hostname or "")
    except ValueError as error:
        raise TutorError(f"the address of Ollama is {host!r} (allowed: a host and a port from 1 to 65535): {error}") from None
    path = f"/{path.strip('/')}" if path.strip("/") else ""
    if not _PATH.fullmatch(path):
        raise TutorError(f"the address of Ollama is {host!r} (allowed after the host: a path of ASCII characters without spaces)")
    return Server(scheme, name, port or (_PORTS[scheme] if separator else 11434), path)


def _connectable(host: str) -> str:
    """The host as a connection takes it; ValueError for a name that none can have."""
    try:
        address = ipaddress.ip_address(host or "127.0.0.1")
    except ValueError:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is no host") from None
        host.encode("idna")
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)
