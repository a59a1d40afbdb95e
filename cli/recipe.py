"""A recipe from the command line: a shipped name or a YAML file, with --set applied."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml

from mlxtutor.config import Recipe, from_dict, set_key
from mlxtutor.errors import TutorError


def shipped() -> list[str]:
    """Names of the recipes that come with the project."""
    folder = resources.files("mlxtutor.data").joinpath("recipes")
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))


def read_recipe(name: str, settings: list[str], model_name: str | None = None) -> Recipe:
    """name: `micro`, or a path; settings: `key=value`."""
    data = yaml_data(name)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise TutorError(f'--set "{setting}" is not key=value (e.g. --set train.lr=1e-3)')
        try:
            set_key(data, key, yaml.safe_load(value) if value else "")
        except yaml.YAMLError:
            raise TutorError(f'--set {key}: "{value}" is not a YAML value (quote it: --set {key}="\'...\'")') from None
    if model_name:
        data["name"] = model_name
    return from_dict(Recipe, data)


def yaml_data(name: str) -> dict:
    """The parsed YAML of a recipe; errors name the file and line."""
    path = Path(name)
    try:
        if path.suffix in (".yaml", ".yml"):
            text = path.read_text(encoding="utf-8")
        elif name in shipped():
            text = resources.files("mlxtutor.data").joinpath(f"recipes/{name}.yaml").read_text(encoding="utf-8")
        else:
            raise TutorError(f'no recipe "{name}" (shipped: {", ".join(shipped())}; or a .yaml file)')
        data = yaml.safe_load(text)
    except OSError as error:
        raise TutorError(f"{name}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise TutorError(f"{name}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise TutorError(f"{name}{where}: not YAML ({getattr(error, 'problem', None) or error})") from None
    if not isinstance(data, dict):
        raise TutorError(f"{name}: a recipe is a mapping of keys (got {type(data).__name__})")
    return data
