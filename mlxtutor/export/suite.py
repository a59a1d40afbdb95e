"""The evaluation suite put to an exported tutor: llama.cpp decodes, our calculator answers inside."""

from __future__ import annotations

from typing import Any

from mlxtutor.backends import choose, load
from mlxtutor.errors import TutorError
from mlxtutor.evaluation.suite import score_answers, summarise_scores
from mlxtutor.export.engine import Engine
from mlxtutor.export.file_check import Link
from mlxtutor.export.ollama_folder import computes_inside
from mlxtutor.export.source import Source
from mlxtutor.inference.generate import LoadedModel, calculate
from mlxtutor.problems.suite import SPLITS, suite_rows
from mlxtutor.registry.directory import load_checked_weights, load_config
from mlxtutor.text.chat import CALC, CALC_END, RESULT, before_reply, encode_chat
from mlxtutor.text.tokenizer import Tokenizer

MAX_TOKENS = 384
LARGEST_LOSS = 0.02  # of the share of right answers, with the f32, f16 and q8_0 types; and at least three problems


def not_asked(source: Source, n: int) -> str:
    """Why the suite isn't put to this model, empty where it is. n: problems of each split that are wanted."""
    if not n:
        return "--suite-n 0"
    if not computes_inside(source):
        return "the model doesn't call our calculator inside its answers"
    try:
        load_config(source.directory)
    except TutorError as error:
        return str(error)
    return ""


def open_tutor(source: Source, name: str) -> LoadedModel:
    """The source on a backend of ours, its adapter merged in float32."""
    backend, config = load(choose("auto")[0]), load_config(source.directory)
    weights = load_checked_weights(source.directory, config)
    for tensor, pair in (source.adapter.pairs if source.adapter else {}).items():
        weights[tensor] = weights[tensor] + pair.delta()
    return LoadedModel(backend, backend.build(config, weights, "float32"), Tokenizer.load(source.directory), config.max_seq_len, name)


def measure(engine: Engine, tutor: LoadedModel, n: int, kind: str) -> Link:
    """The suite's right answers by the source and by the product: n problems of each generated split, all of `others`."""
    from mlxtutor.evaluation.asking import answer_rows

    rows = [row for split in SPLITS if n for row in suite_rows(split, 0 if split == "others" else n)]
    before = [answer["answer"] for answer in answer_rows(tutor, rows, MAX_TOKENS)]
    after = engine.map(lambda row: answer(engine, tutor.tokenizer, row["messages"], tutor.max_seq_len), rows)
    scored = [score_answers(rows, answers) for answers in (before, after)]
    tables = [summarise_scores(rows, scores) for scores in scored]
    right = [[bool(score.correct) for score in scores] for scores in scored]
    shares = [sum(found) / len(rows) for found in right]
    figures: dict[str, Any] = {"n": len(rows), "source": shares[0], "product": shares[1], "difference": shares[1] - shares[0],
               "same_answers": sum(a == b for a, b in zip(before, after)) / len(rows),
               "modes": {mode: _mode(rows, right, scored[0], mode) for mode in ("on", "off")}, "splits": _splits(tables)}
    allowed = max(LARGEST_LOSS, 3 / len(rows))
    lost = shares[0] - shares[1]
    problem = ""
    if lost > allowed and kind in ("f32", "f16", "bf16", "q8_0"):
        problem = f"{100 * lost:.1f} points fewer right answers in {len(rows)} problems (allowed {100 * allowed:.1f})"
    return Link("suite", problem, figures)


def answer(engine: Engine, tokenizer: Tokenizer, messages: list[dict], context: int) -> str:
    """The greedy answer to what stands before a row's first reply, with the calculator's tokens."""
    ids = encode_chat(tokenizer, before_reply(messages), add_generation_prompt=True)[0]
    start = len(ids)
    while (room := min(MAX_TOKENS - (len(ids) - start), context - len(ids))) > 0:
        reply = engine.complete(ids, room, stops=(RESULT,), shown=(CALC, RESULT, CALC_END))
        new = [token for token in reply["tokens"] if token not in (tokenizer.im_end, tokenizer.end_of_text)]
        ids = [*ids, *new]
        if reply["stop_type"] != "word":
            break
        said = ids[start:]
        calls = [at for at, token in enumerate(said) if token == tokenizer.calc]
        if not calls:
            continue
        expression = tokenizer.decode(said[calls[-1] + 1:-1])
        ids += [*tokenizer.encode(calculate(expression)), tokenizer.calc_end]
    return tokenizer.decode(ids[start:start + MAX_TOKENS])


def _mode(rows: list[dict], right: list[list[bool]], scores: list[Any], mode: str) -> dict[str, Any]:
    chosen = [at for at, score in enumerate(scores) if score.mode == mode]
    return {"n": len(chosen), **{name: sum(found[at] for at in chosen) / len(chosen) if chosen else None
                                 for name, found in zip(("source", "product"), right)}}


def _splits(tables: list[dict]) -> dict[str, Any]:
    """Correct by split, before and after."""
    source, product = (table["splits"] for table in tables)
    return {split: {"n": source[split]["n"], "source": _correct(source[split]), "product": _correct(product[split])} for split in source}


def _correct(split: dict) -> dict[str, Any]:
    return {name: split["scores"][name] for name in ("correct", "correct_off") if name in split["scores"]}
