"""A Jinja chat template rendered as transformers does it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from mlxtutor.errors import TutorError


def render_jinja(template: str, messages: list[dict], bos: str = "", eos: str = "", add_generation_prompt: bool = True) -> str:
    """The chat as one text; TutorError with the template's own words where it refuses the messages."""
    import jinja2

    try:
        return _compiled(template).render(messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=add_generation_prompt)
    except jinja2.TemplateError as error:
        raise TutorError(f"the chat template refuses these messages ({error})") from None


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Source of the settings: transformers.utils.chat_template_utils."""
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = refuse
    return environment.from_string(template)
