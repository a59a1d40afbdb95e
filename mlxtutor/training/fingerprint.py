"""What a stage's result depends on, as one hash: equal fingerprints give equal weights on the same machine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

from mlxtutor.backends import MODULES
from mlxtutor.config import Recipe


def fingerprint(*parts: Any) -> str:
    """sha256 over JSON, the first 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@cache
def code_digest(backend: str) -> str:
    """Hash of the project's data and of the code that turns it into examples and, on a backend, weights."""
    import mlxtutor
    import mlxtutor.data

    package, data = Path(mlxtutor.__path__[0]), Path(mlxtutor.data.__path__[0])
    folders = [package / name for name in ("text", "datasets", "problems", "training")]
    folders += [_folder_of(MODULES[backend])] if backend in MODULES else []
    folders += [data / name for name in ("corpus", "drills", "problems", "others", "native")]
    files = [p for folder in folders for p in folder.rglob("*.*") if p.suffix != ".pyc"]
    return _digest([package / "config.py", package / "native.py", *files])


@cache
def exam_digest() -> str:
    """Hash of the code and problems that measure a model."""
    import mlxtutor
    import mlxtutor.data

    package, data = Path(mlxtutor.__path__[0]), Path(mlxtutor.data.__path__[0])
    folders = [*(package / name for name in ("evaluation", "inference", "problems", "text")), data / "problems", data / "others"]
    return _digest([p for folder in folders for p in folder.glob("*.*")])


def _folder_of(module: str) -> Path:
    """Where a package lies, without importing it: the torch half needs torch."""
    root, _, inner = module.partition(".")
    spec = importlib.util.find_spec(root)
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], inner)


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda p: (p.parent.name, p.name)):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def file_digest(source: str) -> str:
    """Hash of a recipe's own corpus or data, where it is a file or folder on disk."""
    path = Path(source)
    if not path.exists():
        return source
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return fingerprint(*[(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files])


def data_digest(recipe: Recipe, backend: str) -> str:
    return fingerprint(code_digest(backend), file_digest(recipe.corpus), file_digest(recipe.data), recipe.system)
