"""Answers: the calculator runs inside them, they end where they should, and batching changes nothing."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import tiny
from fake_backend import ScriptedBackend

from mlxtutor.backends import Sampling
from mlxtutor.errors import TutorError
from mlxtutor.inference.generate import LoadedModel, calculate, generate, stream

FOREVER = 60


@pytest.fixture
def answer(tiny_tokenizer):
    """answer(script, ...): generate where the model writes that text and then goes on with full stops."""
    def run(*scripts, max_seq_len=128, **options):
        stop = tiny_tokenizer.encode(".")
        prompts = [[10 + index] * (1 + 3 * index % 7) for index in range(len(scripts))]
        backend = ScriptedBackend({tuple(p): tiny_tokenizer.encode(s) + stop * FOREVER for p, s in zip(prompts, scripts)})
        loaded = LoadedModel(backend, None, tiny_tokenizer, max_seq_len)
        return generate(loaded, prompts, **options)

    return run


def test_the_result_is_inserted_and_the_model_goes_on(answer, tiny_tokenizer):
    found, = answer("F = <|calc|>2*3+0.5<|result|> N<|im_end|>")
    assert found.text == "F = <|calc|>2*3+0.5<|result|>6.5<|/calc|> N"
    assert found.finish_reason == "stop" and found.tokens == len(tiny_tokenizer.encode(found.text))


def test_each_call_of_an_answer_is_evaluated(answer):
    found, = answer("<|calc|>1/3<|result|> and <|calc|>8.99e9*2<|result|><|im_end|>")
    assert found.text == "<|calc|>1/3<|result|>0.3333<|/calc|> and <|calc|>8.99e9*2<|result|>1.798e10<|/calc|>"


@pytest.mark.parametrize("expression", ["2*", "1/0", "", "two", "9^9^9", "(" * 50, "2**3"])
def test_a_malformed_call_results_in_error(answer, expression):
    found, = answer(f"<|calc|>{expression}<|result|>.<|im_end|>")
    assert found.text == f"<|calc|>{expression}<|result|>error<|/calc|>."
    assert calculate(expression) == "error"


def test_a_call_begun_twice_counts_from_the_second(answer):
    found, = answer("<|calc|>2*<|calc|>2*4<|result|><|im_end|>")
    assert found.text == "<|calc|>2*<|calc|>2*4<|result|>8<|/calc|>"


def test_a_result_without_a_call_inserts_nothing(answer):
    found, = answer("a<|result|>b<|im_end|>", "<|calc|>1+1<|result|><|result|>c<|im_end|>")[:1]
    assert found.text == "a<|result|>b"


def test_a_second_result_inserts_nothing(answer):
    found, = answer("<|calc|>1+1<|result|><|result|>c<|im_end|>")
    assert found.text == "<|calc|>1+1<|result|>2<|/calc|><|result|>c"


@pytest.mark.parametrize("end", ["<|im_end|>", "<|endoftext|>"])
def test_an_answer_stops_at_the_end_of_turn_or_text(answer, end):
    found, empty = answer(f"Yes{end}No{end}", end)
    assert (found.text, found.finish_reason) == ("Yes", "stop")
    assert (empty.text, empty.tokens, empty.finish_reason) == ("", 0, "stop")


def test_an_answer_without_an_end_has_max_new_tokens(answer):
    found, = answer("", max_new_tokens=9)
    assert (found.text, found.tokens, found.finish_reason) == ("." * 9, 9, "length")


def test_inserted_tokens_count_towards_the_length(answer):
    found, = answer("<|calc|>1/3<|result|>", max_new_tokens=8)
    assert found.text.startswith("<|calc|>1/3<|result|>0.33"[:len(found.text)]) and found.tokens == 8 and found.finish_reason == "length"


@pytest.mark.parametrize("batch_size", [1, 2, 200])
def test_each_answer_has_its_own_room_in_the_context(answer, tiny_tokenizer, batch_size):
    """Prompts of 1, 4 and 7 tokens in a context of 20: the longest takes no room from the others."""
    found = answer("", "", "", max_seq_len=20, batch_size=batch_size)
    assert [a.tokens for a in found] == [19, 16, 13] and {a.finish_reason for a in found} == {"length"}


@pytest.mark.parametrize("batch_size", [1, 3, 200])
def test_answers_come_in_the_order_of_their_prompts(answer, batch_size):
    scripts = [f"<|calc|>{i}*10<|result|>{'.' * (i * 7 % 20)}<|im_end|>" for i in range(1, 30)]
    found = answer(*scripts, batch_size=batch_size)
    assert [a.text.split("<|result|>")[1].split("<|/calc|>")[0] for a in found] == [str(10 * i) for i in range(1, 30)]
    assert [a.text.count(".") for a in found] == [i * 7 % 20 for i in range(1, 30)]


def test_nothing_asked_nothing_answered(answer):
    assert answer() == []


def test_a_prompt_that_fills_the_context_is_refused(tiny_tokenizer):
    loaded = LoadedModel(ScriptedBackend({}), None, tiny_tokenizer, 16)
    with pytest.raises(TutorError, match="prompt 2 has 16 tokens; the model reads 16, its answer included"):
        generate(loaded, [[9], [9] * 16])
    with pytest.raises(TutorError, match="the conversation has 17 tokens"):
        next(stream(loaded, [9] * 17))


def test_streaming_gives_the_same_tokens_one_by_one(answer, tiny_tokenizer):
    script = "F = <|calc|>2*3<|result|> N<|im_end|>"
    whole, = answer(script)
    backend = ScriptedBackend({(9,): tiny_tokenizer.encode(script)})
    tokens = list(stream(LoadedModel(backend, None, tiny_tokenizer, 128), [9]))
    assert tiny_tokenizer.decode(tokens) == whole.text and len(tokens) == whole.tokens


@pytest.fixture
def loaded(backend, model, tiny_tokenizer):
    """A real model that writes nonsense; its calls and ends come by chance."""
    return LoadedModel(backend, model, tiny_tokenizer, tiny.CONFIG.max_seq_len)


def test_greedy_answers_do_not_depend_on_the_batch_size(loaded):
    prompts = tiny.prompts(17, 1)
    runs = [generate(loaded, prompts, 24, batch_size=size) for size in (1, 2, 5, 17)]
    assert all(run == runs[0] for run in runs)
    assert len({a.text for a in runs[0]}) > 5


def test_a_streamed_answer_equals_a_generated_one(loaded):
    for prompt in tiny.prompts(4, 2):
        whole, = generate(loaded, [prompt], 20)
        assert loaded.tokenizer.decode(list(stream(loaded, prompt, 20))) == whole.text


def test_sampled_answers_differ_between_batches_and_repeat_with_the_seed(loaded):
    prompt, sampling = tiny.prompts(1, 3)[0], Sampling(4.0, 1.0, 4)
    runs = [generate(loaded, [prompt] * 6, 10, sampling, batch_size=2) for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(a.text != b.text for a, b in itertools.combinations(runs[0], 2))
    assert generate(loaded, [prompt] * 6, 10, dataclasses.replace(sampling, seed=5), batch_size=2) != runs[0]
