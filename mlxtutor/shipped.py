"""The files that come with the project."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it: 15 times as fast


def shipped_yaml(name: str) -> Any:
    """What stands in data/NAME."""
    return yaml.load(shipped_text(name), Loader=Loader)  # noqa: S506


def shipped_text(name: str) -> str:
    """data/NAME as text."""
    return resources.files("mlxtutor.data").joinpath(name).read_text(encoding="utf-8")
