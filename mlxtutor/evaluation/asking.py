"""Put a suite's problems to a model and score what it says."""

from __future__ import annotations

from mlxtutor.evaluation.suite import score_answers, summarise_scores
from mlxtutor.inference.generate import LoadedModel, generate
from mlxtutor.problems.build import prompt_of
from mlxtutor.problems.suite import suite_rows
from mlxtutor.text.chat import before_reply, encode_chat


def answer_rows(loaded: LoadedModel, rows: list[dict], max_new_tokens: int = 384, batch_size: int = 200) -> list[dict]:
    """Greedy answers to what stands before a row's first reply: `{"id", "answer", "tokens", "finish_reason"}` in order."""
    prompts = []
    for row in rows:
        prompts.append(encode_chat(loaded.tokenizer, before_reply(row["messages"]), add_generation_prompt=True)[0])
    answers = generate(loaded, prompts, max_new_tokens, batch_size=batch_size)
    return [{"id": row["id"], "answer": a.text, "tokens": a.tokens, "finish_reason": a.finish_reason} for row, a in zip(rows, answers)]


def evaluate_suite(loaded: LoadedModel, counts: dict[str, int], max_new_tokens: int = 384,
                   batch_size: int = 200) -> tuple[dict, list[dict]]:
    """The summary over the splits of `em` (counts: problems of each; 0: none, of `others` all) and every answer."""
    rows = [row for split, n in counts.items() if n or split == "others" for row in suite_rows(split, n)]
    answers = answer_rows(loaded, rows, max_new_tokens, batch_size)
    scores = score_answers(rows, [a["answer"] for a in answers])
    detail = [{**answer, "split": row["split"], "type": row["type"], "prompt": prompt_of(row), "right": row["answer"]["value"],
               "unit": row["answer"]["unit"], "correct": score.correct} for row, answer, score in zip(rows, answers, scores)]
    return summarise_scores(rows, scores), detail
