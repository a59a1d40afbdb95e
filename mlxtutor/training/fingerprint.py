"""What a stage's result depends on, as one hash: equal fingerprints give equal weights on the same machine."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from mlxtutor.config import Recipe


def fingerprint(*parts: Any) -> str:
    """sha256 over JSON, the first 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@cache
def code_digest() -> str:
    """Hash of the project's data and of the code that turns it into examples and weights."""
    import mlxtutor
    import mlxtutor.data

    package, data = Path(mlxtutor.__path__[0]), Path(mlxtutor.data.__path__[0])
    files = [p for folder in ("text", "datasets", "problems", "training") for p in (package / folder).glob("*.py")]
    files += [p for folder in ("corpus", "problems") for p in (data / folder).glob("*.*")]
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


def data_digest(recipe: Recipe) -> str:
    return fingerprint(code_digest(), file_digest(recipe.corpus), file_digest(recipe.data))
