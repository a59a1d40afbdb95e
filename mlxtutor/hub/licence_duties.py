"""What the licences of well-known bases ask of whoever passes on a model made from them: notices, a line to show, a name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxtutor.errors import TutorError
from mlxtutor.records.licences import Licence


@dataclass(frozen=True)
class Duty:
    """notice: the text of the file NOTICE. shown: a line on the model card. prefix: what the model's name begins with."""

    notice: str
    shown: str = ""
    prefix: str = ""
    text: str = ""


_AGREEMENT = "Whoever passes it on gives a copy of the agreement and the file NOTICE with it, and keeps to the acceptable use policy."
_META = "Copyright © Meta Platforms, Inc. All Rights Reserved."
# section 1.b of each agreement; section 3.1 of Gemma's terms
DUTIES = {
    "llama2": Duty(f"Llama 2 is licensed under the LLAMA 2 Community License, {_META}", text=_AGREEMENT),
    "llama3": Duty(f"Meta Llama 3 is licensed under the Meta Llama 3 Community License, {_META}", "Built with Meta Llama 3", "Llama 3",
                   _AGREEMENT),
    **{f"llama{version}": Duty(f"Llama {version} is licensed under the Llama {version} Community License, {_META}", "Built with Llama",
                               "Llama", _AGREEMENT) for version in ("3.1", "3.2", "3.3", "4")},
    "gemma": Duty("Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms", text=(
        "Modified from Gemma. Whoever passes it on gives a copy of the terms and the file NOTICE with it, and passes on the "
        "restrictions of use of section 3.2.")),
}


def check_model_name(licence: Licence, repo: str) -> None:
    """TutorError where the licence wants another name of the model."""
    duty = DUTIES.get(licence.id)
    name = repo.rpartition("/")[2]
    if duty and duty.prefix and not _letters(name).startswith(_letters(duty.prefix)):
        better = f"{duty.prefix.replace(' ', '-')}-{name}"
        raise TutorError(f'{repo}: the {licence.name} wants the model\'s name to begin with "{duty.prefix}" (push to {better})')


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
