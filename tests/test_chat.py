"""Rendering, the loss mask token by token, and transformers' rendering of the same chats."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.errors import TutorError
from mlxtutor.text.chat import compact, encode_chat, parse_parts, plain, render
from mlxtutor.text.hf_files import chat_template, write_tokenizer_files
from mlxtutor.text.tokenizer import SPECIALS, train_tokenizer

SAMPLE = [
    {"role": "system", "content": "Calculator: off"},
    {"role": "user", "content": "What is 2*3?"},
    {"role": "assistant", "content": ["F = ", {"calc": "2*3", "result": "6"}, " N\nAnswer: 6 N"]},
]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    texts = ["What is the force between two charges? Law: F = k*q1*q2/r^2 Answer: 6 N Calculator: off user"]
    return train_tokenizer(texts, 320, tmp_path_factory.mktemp("chat") / "tokenizer.model")


@pytest.fixture(scope="session")
def transformers_tokenizer(tokenizer, tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    directory = tmp_path_factory.mktemp("chat_model")
    write_tokenizer_files(tokenizer, directory, 512)
    return transformers.AutoTokenizer.from_pretrained(directory)


def trained_text(tokenizer, messages):
    """The chat with what counts towards the loss in ⟦⟧."""
    ids, mask = encode_chat(tokenizer, messages)
    assert len(ids) == len(mask)
    text = "".join(
        f"⟦{tokenizer.decode([i])}⟧" if m else tokenizer.decode([i]) for i, m in zip(ids, mask, strict=True)
    )
    return text.replace("⟧⟦", "")


def test_mask_is_exact(tokenizer):
    assert trained_text(tokenizer, SAMPLE) == (
        "<|im_start|>system\nCalculator: off<|im_end|>\n"
        "<|im_start|>user\nWhat is 2*3?<|im_end|>\n"
        "<|im_start|>assistant\n⟦F = <|calc|>2*3<|result|>⟧6<|/calc|>⟦ N\nAnswer: 6 N<|im_end|>⟧\n"
    )


def test_every_assistant_turn_counts_unless_it_says_no(tokenizer):
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d", "train": False},
        {"role": "tool", "content": "e"},
        {"role": "assistant", "content": "f", "train": True},
    ]
    assert re.findall("⟦(.*?)⟧", trained_text(tokenizer, turns)) == ["b<|im_end|>", "f<|im_end|>"]


def test_calls_inside_a_string_are_masked_alike(tokenizer):
    parts = SAMPLE[2]["content"]
    as_string = [*SAMPLE[:2], {"role": "assistant", "content": compact(parts)}]
    assert encode_chat(tokenizer, as_string) == encode_chat(tokenizer, SAMPLE)


def test_generation_prompt_is_the_start_of_the_answer(tokenizer):
    prompt, mask = encode_chat(tokenizer, SAMPLE[:2], add_generation_prompt=True)
    whole, _ = encode_chat(tokenizer, SAMPLE)
    assert not any(mask) and whole[: len(prompt)] == prompt


@given(st.lists(st.sampled_from([*SPECIALS, "<", "<|im", "_end|>", "x", "\n"]), max_size=8).map("".join))
def test_a_user_cannot_type_control_tokens(tokenizer, text):
    for role in ("user", "system", "tool"):
        ids, _ = encode_chat(tokenizer, [{"role": role, "content": text}])
        assert [i for i in ids if tokenizer.is_special(i)] == [tokenizer.im_start, tokenizer.im_end]


def test_an_assistant_text_cannot_end_its_turn(tokenizer):
    ids, _ = encode_chat(tokenizer, [{"role": "assistant", "content": ["a<|im", "_end|>\n<|im_start|>user"]}])
    assert [i for i in ids if tokenizer.is_special(i)] == [tokenizer.im_start, tokenizer.im_end]


texts = st.lists(
    st.sampled_from([*SPECIALS, "2*3", " N", "μ", "\n", "<"]) | st.text(max_size=5), max_size=8
).map("".join)


@given(texts)
def test_parse_parts_loses_nothing(text):
    parts = parse_parts(text)
    joined = "".join(
        p if isinstance(p, str) else f"<|calc|>{p['calc']}<|result|>{p['result']}<|/calc|>" for p in parts
    )
    assert joined == text
    assert not any(isinstance(p, str) and parse_parts(p) != [p] for p in parts)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("a <|calc|>2*3<|result|>6<|/calc|> N", ["a ", {"calc": "2*3", "result": "6"}, " N"]),
        (
            "<|calc|>1<|result|>1<|/calc|><|calc|>2<|result|>2<|/calc|>",
            [{"calc": "1", "result": "1"}, {"calc": "2", "result": "2"}],
        ),
        ("", []),
        ("plain", ["plain"]),
        ("<|calc|>2*3", ["<|calc|>2*3"]),
        ("<|calc|>2<|result|>", ["<|calc|>2<|result|>"]),
        ("<|calc|>9 <|calc|>2<|result|>2<|/calc|>", ["<|calc|>9 ", {"calc": "2", "result": "2"}]),
        ("<|result|>6<|/calc|>", ["<|result|>6<|/calc|>"]),
    ],
)
def test_parse_parts(text, parts):
    assert parse_parts(text) == parts


def test_plain():
    content = ["F = ", {"calc": "8.99e9*3", "result": "2.697e10"}, " N"]
    assert plain(content) == plain(compact(content)) == "F = 8.99e9*3 = 2.697e10 N"
    assert plain("text") == "text"


@pytest.mark.parametrize(
    "messages, error",
    [
        ([], "messages is list [] (allowed: a list of at least one message)"),
        (["hi"], "message 1 is str 'hi' (allowed: an object with role and content)"),
        ([{"role": "user"}], 'message 1: missing "content" (has: role)'),
        (
            [SAMPLE[1], {"role": "bot", "content": ""}],
            'message 2: unknown role "bot" (allowed: system, user, assistant, tool)',
        ),
        ([{"role": "user", "content": None}], "message 1: content is null (allowed for user: a string)"),
        (
            [{"role": "user", "content": ["a"]}],
            "message 1: content is list ['a'] (allowed for user: a string)",
        ),
        (
            [{"role": "assistant", "content": 3}],
            "message 1: content is int 3 (allowed for assistant: a string, a list of parts)",
        ),
        (
            [{"role": "assistant", "content": ["a", 3]}],
            'message 1, part 2 is int 3 (allowed: a string, {"calc": expression, "result": text})',
        ),
        (
            [{"role": "assistant", "content": [{"calc": "1"}]}],
            "message 1, part 1 is dict {'calc': '1'} (allowed: ",
        ),
        (
            [{"role": "assistant", "content": [{"calc": "1", "result": 1}]}],
            "message 1, part 1: result is int 1 (allowed: a string)",
        ),
        (
            [{"role": "assistant", "content": [{"calc": "<|calc|>", "result": ""}]}],
            "message 1, part 1: calc '<|calc|>' (allowed: ",
        ),
        (
            [{"role": "assistant", "content": "", "train": 1}],
            "message 1: train is int 1 (allowed: true, false)",
        ),
    ],
)
def test_one_line_errors(messages, error):
    with pytest.raises(TutorError) as caught:
        render(messages)
    assert str(caught.value).startswith(error) and "\n" not in str(caught.value)


def random_chat(draw):
    """Any roles in any order; contents with specials, white space and calls."""
    bits = [
        "What is",
        " the",
        " force",
        "\n",
        "  ",
        "",
        "3 μC",
        "😀",
        "\\frac{1}{2}",
        "é\u0301",
        "<",
        *SPECIALS,
    ]

    def text():
        return "".join(draw.choices(bits, k=draw.randint(0, 8)))

    def content(role):
        if role != "assistant" or draw.random() < 0.4:
            return text()
        return [
            text() if draw.random() < 0.6 else {"calc": "2^-3*8.99e9", "result": draw.choice(["1.124e9", ""])}
            for _ in range(draw.randint(0, 5))
        ]

    roles = draw.choices(["system", "user", "assistant", "tool"], k=draw.randint(1, 5))
    return [{"role": role, "content": content(role)} for role in roles]


def test_transformers_renders_and_encodes_the_same(tokenizer, transformers_tokenizer):
    draw = random.Random(3)
    same = 0
    for number in range(200):
        messages, prompt = random_chat(draw), number % 2 == 0
        text = transformers_tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=prompt
        )
        assert text == "".join(segment.text for segment in render(messages, prompt))
        theirs = transformers_tokenizer.apply_chat_template(
            messages, add_generation_prompt=prompt, return_dict=False
        )
        same += theirs == encode_chat(tokenizer, messages, prompt)[0] == tokenizer.encode(text)
    assert same == 200


def test_template_names_an_unknown_role(transformers_tokenizer):
    with pytest.raises(Exception, match='unknown role "bot"'):
        transformers_tokenizer.apply_chat_template([{"role": "bot", "content": ""}])
    assert "\n\n" not in chat_template()
