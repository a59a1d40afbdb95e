"""The proof that a GGUF file is its source: link by link, in llama.cpp's own engine.

Each link that can break has a check of its own, so that a failure names it: the file's tensors, its tokenizer, the BOS, the chat
template, what ends an answer, and above all of them the probabilities and answers of the two models.
"""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.export import engine as llama
from mlxtutor.export.file_check import Link, check_file
from mlxtutor.export.go_render import render as render_go
from mlxtutor.export.likeness import Tolerance, compare_answers, compare_probabilities, tolerance, too_far
from mlxtutor.export.modelfile import Modelfile
from mlxtutor.export.reference import Reference, load_reference
from mlxtutor.export.samples import problem_chats, random_chats, random_texts
from mlxtutor.export.source import Source
from mlxtutor.export.source_tokenizer import SourceTokenizer
from mlxtutor.text.chat import with_system

SPARE = 2             # tokens of the context that the engine keeps for itself
ANSWER_TOKENS = 48    # of the greedy answers
NOT_THINKING = "{% set enable_thinking = false %}{{ '' }}"  # as Ollama's template is derived
CONTEXT = 2048        # tokens, at most: of the engine


@dataclass(frozen=True)
class Settings:
    """How much is tried. texts: random ones, and as many chats; prompts: held-out ones; engine_path: of another xllamacpp."""

    texts: int = 200
    prompts: int = 12
    engine_path: str | None = None


@dataclass(frozen=True)
class Product:
    """What was written. lora: a GGUF adapter on the file. Of an Ollama folder: what its Modelfile says, and what it should say."""

    path: Path
    kind: str
    lora: Path | None = None
    modelfile: Modelfile | None = None
    planned: Modelfile | None = None


def prove(source: Source, product: Product, settings: Settings, extra: Callable[[llama.Engine], Iterator[Link]] | None = None,
          report: Callable[[str], None] = lambda stage: None) -> dict[str, Any]:
    """Load the product in llama.cpp and compare; the document of proof.json. extra: further links, with the engine running.

    report: told what is looked at.
    """
    report("what stands in the file")
    links = [*check_file(source, product.path, product.kind, product.lora), *_modelfile(product)]
    tokenizer = SourceTokenizer(source.tokenizer_directory, source.vocabulary)
    context = min(CONTEXT, source.shape.context)
    version = ""
    with llama.running(product.path, context, product.lora, path=settings.engine_path) as engine:
        version = engine.version
        report("texts and chats")
        links += _text_links(engine, source, tokenizer, product, settings.texts)
        report("probabilities and answers")
        links += _model_links(engine, source, tokenizer, product, settings.prompts, context)
        links += list(extra(engine)) if extra else []
    return document(links, type=product.kind, file=product.path.name, engine=f"xllamacpp {version}")


def document(links: list[Link], **more: Any) -> dict[str, Any]:
    """proof.json: passed, what is broken, and each link with what was measured; None for what isn't a finite number."""
    broken = [link.name for link in links if link.problem]
    return {"passed": not broken, "broken": broken, **more, "links": [_finite(dataclasses.asdict(link)) for link in links]}


def _finite(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text_links(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, product: Product, n: int) -> Iterator[Link]:
    """Texts, chats and the BOS, as ids."""
    yield _tokens(engine, source, tokenizer, n)
    if source.vocabulary.chat_template:
        form = source.vocabulary.normalisation
        chats = [[{**message, "content": _normalised(message["content"], form)} for message in chat]
                 for chat in random_chats(n, system=tokenizer.takes_system())]
        yield _templates(engine, tokenizer, chats)
        yield _bos(engine, tokenizer, chats)
        if product.modelfile and product.modelfile.template:
            yield _go_template(engine, tokenizer, product.modelfile, chats)


def _tokens(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, n: int) -> Link:
    form = source.vocabulary.normalisation
    texts = [_normalised(text, form) for text in random_texts(n)]
    found = engine.map(engine.tokenize, texts)
    wrong = [text for text, ids in zip(texts, found) if ids != tokenizer.encode(text)]
    problem = f"{len(wrong)} of {len(texts)} texts have other ids, first {wrong[0]!r}" if wrong else ""
    return Link("tokenizer", problem, {"texts": len(texts), "equal": len(texts) - len(wrong), "normalised_first": form})


def _normalised(text: str, form: str) -> str:
    """The text as the source's tokenizer would make it; llama.cpp doesn't normalise, so what is normalised already must agree."""
    return unicodedata.normalize(form, text) if form else text  # type: ignore[arg-type]


def _templates(engine: llama.Engine, tokenizer: SourceTokenizer, chats: list[list[dict]]) -> Link:
    """The template in the file, rendered by llama.cpp, against the source's."""
    bos = tokenizer.vocabulary.token("bos")
    found = engine.map(engine.render, chats)
    wanted = [tokenizer.render(chat).removeprefix(bos) for chat in chats]
    wrong = [i for i, (text, right) in enumerate(zip(found, wanted)) if text.removeprefix(bos) != right]
    problem = f"{len(wrong)} of {len(chats)} chats are rendered otherwise, first {found[wrong[0]][:120]!r}" if wrong else ""
    return Link("template", problem, {"chats": len(chats), "equal": len(chats) - len(wrong)})


def _bos(engine: llama.Engine, tokenizer: SourceTokenizer, chats: list[list[dict]]) -> Link:
    """Ids of whole chats as llama.cpp feeds them to the model: a BOS too many or too few shows here."""
    rendered = [tokenizer.render(chat) for chat in chats]
    bos = tokenizer.vocabulary.token("bos")
    plain = [text.removeprefix(bos) if tokenizer.vocabulary.add_bos else text for text in rendered]
    found = engine.map(engine.tokenize_whole, plain)
    wrong = [i for i, (ids, text) in enumerate(zip(found, rendered)) if ids != tokenizer.encode(text)]
    problem = ""
    if wrong:
        ids, wanted = found[wrong[0]], tokenizer.encode(rendered[wrong[0]])
        problem = f"{len(wrong)} of {len(chats)} chats have other ids, the first begins with {ids[:3]} where the source has {wanted[:3]}"
    return Link("bos", problem, {"chats": len(chats), "equal": len(chats) - len(wrong)})


def _go_template(engine: llama.Engine, tokenizer: SourceTokenizer, modelfile: Modelfile, chats: list[list[dict]]) -> Link:
    """Ollama's template: what it makes of a chat, the Modelfile's SYSTEM and MESSAGEs before it, has the source's ids.

    With MESSAGEs, of chats without a system text of their own, which Ollama puts behind them.
    """
    system, examples = modelfile.system or "", [{"role": role, "content": text} for role, text in modelfile.messages]
    asked = [chat for chat in chats if not examples or chat[0]["role"] != "system"]
    rendered = [render_go(modelfile.template or "", chat, system=system, examples=examples) for chat in asked]
    wanted = [tokenizer.encode(tokenizer.render(with_system([*examples, *chat], system), NOT_THINKING, clock=False)) for chat in asked]
    wrong = [ids for ids, right in zip(engine.map(engine.tokenize_whole, rendered), wanted) if ids != right]
    problem = f"{len(wrong)} of {len(asked)} chats have other ids by the Modelfile's TEMPLATE" if wrong else ""
    return Link("ollama template", problem, {"chats": len(asked), "equal": len(asked) - len(wrong)})


def _modelfile(product: Product) -> Iterator[Link]:
    """What the Modelfile on the disk says is what was worked out for it."""
    if product.modelfile and product.planned:
        fields = [item.name for item in dataclasses.fields(Modelfile)]
        wrong = [name for name in fields if getattr(product.modelfile, name) != getattr(product.planned, name)]
        shown = f"{wrong[0]} is {getattr(product.modelfile, wrong[0])!r}, not {getattr(product.planned, wrong[0])!r}" if wrong else ""
        yield Link("modelfile", shown, {"fields": len(fields)})


def _model_links(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, product: Product, prompts: int,
                 context: int) -> Iterator[Link]:
    """Probabilities, greedy answers, and what ends them."""
    reference = load_reference(source)
    limits = tolerance(product.kind, reference.dtype, source.shape.layers, source.shape.architecture.gelu_table)
    ids = held_out(source, tokenizer, prompts, context)
    ends = frozenset(source.vocabulary.ends)
    answers = [reference.greedy(prompt, min(ANSWER_TOKENS, context - len(prompt) - SPARE), ends) for prompt in ids]
    likeness = compare_probabilities(engine, reference, ids, answers, source.shape.vocab)
    yield Link("probabilities", too_far(likeness, limits), {**dataclasses.asdict(likeness), "source_dtype": reference.dtype,
                                                            "tolerance": dataclasses.asdict(limits)})
    yield _answers(engine, reference, ids, answers, limits, ends)
    yield _ends(engine, source, product)


def held_out(source: Source, tokenizer: SourceTokenizer, n: int, context: int) -> list[list[int]]:
    """n problems of the suite as prompts."""
    if source.vocabulary.chat_template:
        found = [tokenizer.encode_chat(chat) for chat in problem_chats(n, system=tokenizer.takes_system())]
    else:
        found = [tokenizer.encode(chat[-1]["content"]) for chat in problem_chats(n)]
    return [ids[-(context // 2):] for ids in found]


def _answers(engine: llama.Engine, reference: Reference, ids: list[list[int]], answers: list[list[int]], limits: Tolerance,
             ends: frozenset[int]) -> Link:
    same = compare_answers(engine, reference, ids, answers, ends)
    wrong = same.different if limits.answers else 0
    problem = f"{wrong} of {len(ids)} greedy answers are others, without a near tie where they part" if wrong else ""
    return Link("answers", problem, {**dataclasses.asdict(same), "required": limits.answers})


def _ends(engine: llama.Engine, source: Source, product: Product) -> Link:
    """Every token that ends the source's answers ends llama.cpp's, and is a stop of the Modelfile."""
    vocabulary = source.vocabulary
    wanted = {vocabulary.tokens[end] for end in vocabulary.ends}
    missing = sorted(vocabulary.tokens[end] for end in vocabulary.ends if not engine.ends_at(end))
    problem = f"{', '.join(missing)} does not end an answer in llama.cpp" if missing else ""
    stops = [value for name, value in product.modelfile.parameters if name == "stop"] if product.modelfile else None
    if not problem and stops is not None and (absent := sorted(wanted - set(stops))):
        problem = f"the Modelfile has no stop {', '.join(absent)}"
    return Link("stop", problem, {"ends": sorted(wanted), "stops": stops})
