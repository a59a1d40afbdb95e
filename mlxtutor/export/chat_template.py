"""A Jinja chat template rendered as transformers does it."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from mlxtutor.errors import TutorError


def render_jinja(template: str, messages: list[dict], bos: str = "", eos: str = "", add_generation_prompt: bool = True,
                 clock: bool = False) -> str:
    """The chat as one text; TutorError with the template's own words where it refuses the messages.

    clock: whether the template may ask for the date, as transformers and llama.cpp let it; a fixed template can't have one.
    """
    import jinja2

    more = {"strftime_now": datetime.now().strftime} if clock else {}
    try:
        return _compiled(template).render(messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=add_generation_prompt,
                                          **more)
    except jinja2.TemplateError as error:
        raise TutorError(f"the chat template refuses these messages ({error})") from None


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Source of the settings: transformers.utils.chat_template_utils."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    class Generation(Extension):
        """`{% generation %}` marks what is trained on; it writes nothing."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = refuse
    return environment.from_string(template)
