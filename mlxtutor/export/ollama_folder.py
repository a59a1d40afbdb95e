"""The folder that `ollama create` takes: a GGUF file, its Modelfile, a script and a page that says what it is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlxtutor.errors import TutorError
from mlxtutor.export import modelfile as grammar
from mlxtutor.export.architectures import ARCHITECTURES
from mlxtutor.export.examples import example_messages
from mlxtutor.export.go_template import derive
from mlxtutor.export.modelfile import FILE_NAME, Modelfile
from mlxtutor.export.source import Source
from mlxtutor.export.writing import ADAPTER_FILE
from mlxtutor.files import write_atomic
from mlxtutor.inference.conversation import CALCULATOR_OFF
from mlxtutor.model_files import README
from mlxtutor.text.tokenizer import SPECIALS

MODEL_FILE, BASE_FILE, SCRIPT = "model.gguf", "base.gguf", "ollama-create.sh"
TEMPERATURE, TOP_P = "0.2", "0.9"
LARGEST_CONTEXT = 32768  # tokens: the memory for keys and values is taken when the model is loaded
ADAPTER_CAVEAT = "Ollama's releases from 0.34.1 refuse ADAPTER; without --adapter the export is one merged file that all releases take"


@dataclass(frozen=True)
class Folder:
    """What the Modelfile says. name: for `ollama create`; notes: what its user must know; details: where Ollama's prompt differs."""

    name: str
    modelfile: Modelfile
    notes: tuple[str, ...]
    details: tuple[str, ...]


def computes_inside(source: Source) -> bool:
    """Whether the tutor calls a calculator in the middle of its answers."""
    if source.base.config.get("model_type") not in ARCHITECTURES:
        return False
    return set(SPECIALS) <= set(source.vocabulary.tokens)


def plan_folder(source: Source, name: str, system: str = "", licence: str = "", examples: Sequence[dict] = (),
                with_adapter: bool = False) -> Folder:
    """Everything that stands in the Modelfile, worked out and checked before anything is written."""
    vocabulary = source.vocabulary
    if not vocabulary.chat_template:
        raise TutorError(f"{source.directory}: no chat template for Ollama to ask it by (a base model? tutor export gguf writes it)")
    template = derive(vocabulary.chat_template, bos=vocabulary.token("bos"), eos=vocabulary.token("eos"))
    notes = []
    if computes_inside(source):
        if system:
            raise TutorError(f"--system {system!r}: this tutor computes inside its answers, which Ollama can't do for it; "
                             f"its system text is {CALCULATOR_OFF!r} and no other")
        system = CALCULATOR_OFF
        notes.append(f"Ollama can't run the calculator: SYSTEM is {CALCULATOR_OFF!r}, the tutor gives law, expression and unit and leaves "
                     "the evaluation to the student")
    if system and not template.takes_system:
        raise TutorError(f"{source.directory}: its chat template has no place for a system text (leave --system out)")
    if with_adapter:
        notes.append(ADAPTER_CAVEAT)
    stops = tuple(dict.fromkeys([*template.stops, *(vocabulary.tokens[end] for end in vocabulary.ends)]))
    parameters = [("temperature", TEMPERATURE), ("top_p", TOP_P), ("num_ctx", str(min(source.shape.context, LARGEST_CONTEXT))),
                  *(("stop", stop) for stop in stops)]
    modelfile = Modelfile(from_=f"./{BASE_FILE if with_adapter else MODEL_FILE}", template=template.text, system=system or None,
                          adapters=(f"./{ADAPTER_FILE}",) if with_adapter else (), parameters=tuple(parameters),
                          license=(licence,) if licence else (), messages=example_messages(examples, system, vocabulary))
    grammar.render(modelfile)
    return Folder(name, modelfile, tuple(notes), template.notes)


def write_folder(folder: Path, plan: Folder, title: str) -> list[Path]:
    """Modelfile, script and README; the GGUF files are written before."""
    texts = {FILE_NAME: grammar.render(plan.modelfile), SCRIPT: _script(plan.name), README: _readme(plan, title)}
    for name, text in texts.items():
        write_atomic(folder / name, text.encode())
    (folder / SCRIPT).chmod(0o755)
    return [folder / name for name in texts]


def write_page(folder: Path, title: str, source: Source, command: str) -> Path:
    """README.md of a file or directory for other runtimes: what to run there, and what a tutor that calculates needs. title: the model."""
    checked = "`proof.json` says whether and how it was checked that this is the same model."
    text = f"# {title}\n\nIn this folder:\n\n```sh\n{command}\n```\n\n{checked}\n"
    if computes_inside(source):
        text += f"""
This tutor calls a calculator inside its answers, which only our runtime has (`tutor chat {shlex.quote(title)}`). Anywhere else begin
every chat with the system text `{CALCULATOR_OFF}`: it then gives law, expression and unit, and leaves the evaluation to the
student. Without it the numbers that it writes after `<|result|>` are made up.
"""
    write_atomic(folder / README, text.encode())
    return folder / README


def _script(name: str) -> str:
    return f"""#!/bin/sh
# Makes the model {name} in Ollama (https://ollama.com), which must be running.
set -e
cd "$(dirname "$0")"
command -v ollama >/dev/null || {{ echo "ollama is not installed: https://ollama.com/download" >&2; exit 1; }}
ollama create {name} -f {FILE_NAME}
echo "talk to it: ollama run {name}"
"""


def _readme(plan: Folder, title: str) -> str:
    notes = "".join(f"- {note[0].upper()}{note[1:]}.\n" for note in (*plan.notes, *plan.details))
    return f"""# {title} for Ollama

```sh
./{SCRIPT}          # or: ollama create {plan.name} -f {FILE_NAME}
ollama run {plan.name}
```

`{FILE_NAME}` holds the chat template, what ends an answer, the sampling and the system text. `proof.json` says whether
and how it was checked, in llama.cpp itself, that this file answers as the model it was made of.

{notes}"""
