"""The proof that a GGUF file is its source: link by link, in llama.cpp's own engine.

Each link that can break has a check of its own, so that a failure names it: the file's tensors, its tokenizer, the BOS, the chat
template, what ends an answer, and above all of them the probabilities and answers of the two models.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxtutor.export import engine as llama
from mlxtutor.export.file_check import Link, check_file
from mlxtutor.export.likeness import Likeness, Tolerance, compare_answers, compare_probabilities, tolerance
from mlxtutor.export.reference import Reference, load_reference
from mlxtutor.export.samples import problem_chats, random_chats, random_texts
from mlxtutor.export.source import Source
from mlxtutor.export.source_tokenizer import SourceTokenizer
from mlxtutor.files import write_atomic

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
    """What was written. lora: a GGUF adapter on the file; go_render and stops: of an Ollama folder."""

    path: Path
    kind: str
    lora: Path | None = None
    go_render: Callable[[list[dict]], str] | None = None
    stops: tuple[str, ...] | None = None


def prove(source: Source, product: Product, settings: Settings,
          extra: Callable[[llama.Engine], Iterator[Link]] | None = None) -> dict[str, Any]:
    """Load the product in llama.cpp and compare; the document of proof.json. extra: further links, with the engine running."""
    links = list(check_file(source, product.path, product.kind, product.lora))
    tokenizer = SourceTokenizer(source.tokenizer_directory, source.vocabulary)
    context = min(CONTEXT, source.shape.context)
    version = ""
    with llama.running(product.path, context, product.lora, path=settings.engine_path) as engine:
        version = engine.version
        links += _text_links(engine, source, tokenizer, product, settings.texts)
        links += _model_links(engine, source, tokenizer, product, settings.prompts, context)
        links += list(extra(engine)) if extra else []
    return document(links, type=product.kind, file=product.path.name, engine=f"xllamacpp {version}")


def document(links: list[Link], **more: Any) -> dict[str, Any]:
    """proof.json: passed, what is broken, and each link with what was measured."""
    broken = [link.name for link in links if link.problem]
    return {"passed": not broken, "broken": broken, **more, "links": [dataclasses.asdict(link) for link in links]}


def write_proof(path: Path, proof: dict[str, Any]) -> None:
    write_atomic(path, (json.dumps(proof, ensure_ascii=False, indent=1, default=float) + "\n").encode())


def _text_links(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, product: Product, n: int) -> Iterator[Link]:
    """Texts, chats and the BOS, as ids."""
    yield _tokens(engine, source, tokenizer, n)
    if source.vocabulary.chat_template:
        chats = [chat for chat in random_chats(n, system=_takes_system(tokenizer))]
        yield _templates(engine, tokenizer, chats)
        yield _bos(engine, source, tokenizer, chats)
        if product.go_render:
            yield _go_template(engine, source, tokenizer, product.go_render, chats)


def _tokens(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, n: int) -> Link:
    texts = random_texts(n)
    left_out = 0
    if source.vocabulary.normalisation:  # llama.cpp doesn't normalise: what is normalised already must agree
        kept = [text for text in texts if _normalised(text, source.vocabulary.normalisation)]
        left_out, texts = len(texts) - len(kept), kept
    found = engine.map(engine.tokenize, texts)
    wrong = [text for text, ids in zip(texts, found) if ids != tokenizer.encode(text)]
    problem = f"{len(wrong)} of {len(texts)} texts have other ids, first {wrong[0]!r}" if wrong else ""
    return Link("tokenizer", problem, {"texts": len(texts), "equal": len(texts) - len(wrong), "not_normalised": left_out})


def _normalised(text: str, form: str) -> bool:
    import unicodedata

    return unicodedata.is_normalized(form, text)  # type: ignore[arg-type]


def _takes_system(tokenizer: SourceTokenizer) -> bool:
    from mlxtutor.errors import TutorError

    try:
        return "%system%" in tokenizer.render([{"role": "system", "content": "%system%"}, {"role": "user", "content": "?"}])
    except TutorError:
        return False


def _templates(engine: llama.Engine, tokenizer: SourceTokenizer, chats: list[list[dict]]) -> Link:
    """The template in the file, rendered by llama.cpp, against the source's."""
    bos = tokenizer.vocabulary.token("bos")
    found = engine.map(engine.render, chats)
    wrong = [i for i, (chat, text) in enumerate(zip(chats, found)) if text.removeprefix(bos) != tokenizer.render(chat).removeprefix(bos)]
    problem = f"{len(wrong)} of {len(chats)} chats are rendered otherwise, first {found[wrong[0]][:120]!r}" if wrong else ""
    return Link("template", problem, {"chats": len(chats), "equal": len(chats) - len(wrong)})


def _bos(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, chats: list[list[dict]]) -> Link:
    """Ids of whole chats as llama.cpp feeds them to the model: a BOS too many or too few shows here."""
    rendered = [tokenizer.render(chat) for chat in chats]
    bos = source.vocabulary.token("bos")
    plain = [text.removeprefix(bos) if source.vocabulary.add_bos else text for text in rendered]
    found = engine.map(engine.tokenize_whole, plain)
    wrong = [i for i, (ids, text) in enumerate(zip(found, rendered)) if ids != tokenizer.encode(text)]
    problem = ""
    if wrong:
        ids, wanted = found[wrong[0]], tokenizer.encode(rendered[wrong[0]])
        problem = f"{len(wrong)} of {len(chats)} chats have other ids, the first begins with {ids[:3]} where the source has {wanted[:3]}"
    return Link("bos", problem, {"chats": len(chats), "equal": len(chats) - len(wrong)})


def _go_template(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, render: Callable[[list[dict]], str],
                 chats: list[list[dict]]) -> Link:
    """Ollama's template: what it makes of a chat has the source's ids."""
    found = engine.map(engine.tokenize_whole, [render(chat) for chat in chats])
    wrong = [i for i, (ids, chat) in enumerate(zip(found, chats)) if ids != tokenizer.encode(tokenizer.render(chat, NOT_THINKING))]
    problem = f"{len(wrong)} of {len(chats)} chats have other ids by the Modelfile's TEMPLATE" if wrong else ""
    return Link("ollama template", problem, {"chats": len(chats), "equal": len(chats) - len(wrong)})


def _model_links(engine: llama.Engine, source: Source, tokenizer: SourceTokenizer, product: Product, prompts: int,
                 context: int) -> Iterator[Link]:
    """Probabilities, greedy answers, and what ends them."""
    reference = load_reference(source)
    limits = tolerance(product.kind, reference.dtype, source.shape.architecture.gelu_table)
    ids = held_out(source, tokenizer, prompts, context)
    ends = frozenset(source.vocabulary.ends)
    answers = [reference.greedy(prompt, min(ANSWER_TOKENS, context - len(prompt)), ends) for prompt in ids]
    likeness = compare_probabilities(engine, reference, ids, answers, source.shape.vocab)
    yield Link("probabilities", _too_far(likeness, limits, source), {**dataclasses.asdict(likeness), "source_dtype": reference.dtype,
                                                                     "tolerance": dataclasses.asdict(limits)})
    yield _answers(engine, reference, ids, answers, limits, ends)
    yield _ends(engine, source, product)


def held_out(source: Source, tokenizer: SourceTokenizer, n: int, context: int) -> list[list[int]]:
    """n problems of the suite as prompts."""
    chats = problem_chats(n)
    if source.vocabulary.chat_template:
        found = [tokenizer.encode_chat(chat) for chat in chats]
    else:
        found = [tokenizer.encode(chat[-1]["content"]) for chat in chats]
    return [ids[-(context // 2):] for ids in found]


def _too_far(likeness: Likeness, limits: Tolerance, source: Source) -> str:
    far = []
    if likeness.max_difference > limits.max_difference:
        far.append(f"log-probabilities differ by up to {likeness.max_difference:.2g} (allowed {limits.max_difference:.2g})")
    if likeness.kl > limits.kl:
        far.append(f"KL {likeness.kl:.2g} nats (allowed {limits.kl:.2g})")
    hint = "; the adapter's strength, the tensors or the metadata of the architecture are wrong" if source.adapter else ""
    return "; ".join(far) + (hint if far else "")


def _answers(engine: llama.Engine, reference: Reference, ids: list[list[int]], answers: list[list[int]], limits: Tolerance,
             ends: frozenset[int]) -> Link:
    same = compare_answers(engine, reference, ids, answers, ends)
    wrong = same.different if limits.answers else 0
    problem = f"{wrong} of {len(ids)} greedy answers are others, without a near tie where they part" if wrong else ""
    return Link("answers", problem, dataclasses.asdict(same))


def _ends(engine: llama.Engine, source: Source, product: Product) -> Link:
    """Every token that ends the source's answers ends llama.cpp's, and is a stop of the Modelfile."""
    vocabulary = source.vocabulary
    wanted = {vocabulary.tokens[end] for end in vocabulary.ends}
    missing = sorted(vocabulary.tokens[end] for end in vocabulary.ends if not engine.ends_at(end))
    problem = f"{', '.join(missing)} does not end an answer in llama.cpp" if missing else ""
    if not problem and product.stops is not None and (absent := sorted(wanted - set(product.stops))):
        problem = f"the Modelfile has no stop {', '.join(absent)}"
    return Link("stop", problem, {"ends": sorted(wanted), "stops": list(product.stops) if product.stops is not None else None})
