"""The YAML files that come with the project."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it: 15 times as fast


def shipped_yaml(name: str) -> Any:
    """What stands in data/NAME."""
    return yaml.load(resources.files("mlxtutor.data").joinpath(name).read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506
