"""The tokenizer against transformers and mlx-lm, which read the same directory without SentencePiece."""

import json
import random

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from mlxtutor.errors import TutorError
from mlxtutor.text.hf_files import TOKENIZER_FILES, write_tokenizer_files
from mlxtutor.text.tokenizer import SPECIALS, StreamDecoder, Tokenizer, escape_specials, train_tokenizer

VOCAB_SIZE = 440
SYMBOLS = ("e-6", "e-12", "e-1", "Law:", "^2", "8.99e9")
ALPHABET = [
    *SYMBOLS,
    *"0123456789.-+*/ \n\t×μΩ²⁻éα$\\{}_^<>|aeo'\"\u0301\u200d\u00a0\x00\r中😀🇩🇪",
    "\\frac{",
    "   ",
    "the ",
    "electric",
    " field",
    "aaaa",
    "====",
    "  \n",
    "<unk>",
    "<0x41>",
    "<|im",
    *SPECIALS,
]


def sample_texts(n):
    """n generated sentences, the same every time."""
    words = ["the", "electric", "field", "force", "between", "two", "charges", "is", "law", "of", "constant"]
    words += ["k", "q1", "q2", "r", "distance", "potential"]
    draw = random.Random(5)
    return [
        " ".join(draw.choices(words, k=12))
        + f" = {draw.random() * 10 ** draw.randint(-9, 9):.3g} N/C, μC × 10⁻⁶\n"
        f"Law: F = k*q1*q2/r^2 + \\frac{{1}}{{2}} <|im_end|>    aaaa =="
        for _ in range(n)
    ]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    return train_tokenizer(
        sample_texts(300), VOCAB_SIZE, tmp_path_factory.mktemp("tokenizer") / "tokenizer.model", SYMBOLS
    )


@pytest.fixture(scope="session")
def model_directory(tokenizer, tmp_path_factory):
    """A model directory as far as tokenizers look: the config names the architecture."""
    directory = tmp_path_factory.mktemp("model")
    (directory / "config.json").write_text(
        json.dumps({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]})
    )
    assert [path.name for path in write_tokenizer_files(tokenizer, directory, 512)] == list(TOKENIZER_FILES)
    return directory


def random_strings(n, seed):
    draw = random.Random(seed)
    return ["".join(draw.choices(ALPHABET, k=draw.randint(0, 60))) for _ in range(n)]


def test_ids_of_specials(tokenizer):
    ids = [
        tokenizer.end_of_text,
        tokenizer.im_start,
        tokenizer.im_end,
        tokenizer.calc,
        tokenizer.result,
        tokenizer.calc_end,
    ]
    assert ids == [1, 2, 3, 4, 5, 6]
    assert [tokenizer.piece(i) for i in ids] == list(SPECIALS)
    assert [i for i in range(tokenizer.vocab_size) if tokenizer.is_special(i)] == ids
    assert tokenizer.vocab_size == VOCAB_SIZE


def test_training_is_a_function_of_the_texts(tokenizer, tmp_path):
    again = train_tokenizer(iter(sample_texts(300)), VOCAB_SIZE, tmp_path / "new" / "tokenizer.model", SYMBOLS)
    assert again.model == tokenizer.model == (tmp_path / "new" / "tokenizer.model").read_bytes()
    assert Tokenizer.load(tmp_path / "new").model == tokenizer.model


def test_long_lines_are_learned_from(tmp_path):
    """SentencePiece alone would leave out this line of 9000 bytes."""
    learned = train_tokenizer(["abc " * 3000], 282, tmp_path / "m.model")
    assert len(learned.encode("abc")) == 1


def test_digits_stand_alone_and_newline_is_one_byte_piece(tokenizer):
    pieces = [tokenizer.piece(i) for i in tokenizer.encode("1234\n\nthe")]
    assert pieces[:6] == ["1", "2", "3", "4", "<0x0A>", "<0x0A>"]
    assert not any(
        len(p) > 1 and any(c in "0123456789⁻⁶" for c in p) and not p.startswith("<0x") and p not in SYMBOLS
        for p in map(tokenizer.piece, range(tokenizer.vocab_size))
    )


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("3.5e-6", ["3", ".", "5", "e-6"]),
        ("3e-12", ["3", "e-12"]),
        ("3e-11", ["3", "e-1", "1"]),
        ("8.99e9", ["8.99e9"]),
        ("Law:\n", ["Law:", "<0x0A>"]),
        ("10⁻⁷", ["1", "0", "⁻", "⁷"]),  # raised digits are characters that no text needs to have
    ],
)
def test_symbols_are_one_piece_and_the_longest_is_taken(tokenizer, text, pieces):
    ids = tokenizer.encode(text)
    assert [tokenizer.piece(i) for i in ids] == pieces
    assert [tokenizer.is_symbol(i) for i in ids] == [piece in SYMBOLS for piece in pieces]
    assert not any(map(tokenizer.is_special, ids)) and tokenizer.decode(ids) == text


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_newline_is_a_boundary(tokenizer, before, after):
    assert tokenizer.encode(before + "\n") + tokenizer.encode(after) == tokenizer.encode(f"{before}\n{after}")


@given(st.text(max_size=40).filter(lambda text: "▁" not in text))
def test_round_trip_and_stream(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    stream = StreamDecoder(tokenizer)
    steps = [stream.push(i) for i in ids]
    assert "".join(steps) == text and stream.flush() == ""
    assert all("�" not in step for step in steps) or "�" in text


def test_stream_of_an_incomplete_character(tokenizer):
    ids = tokenizer.encode("😀")
    stream = StreamDecoder(tokenizer)
    assert [stream.push(i) for i in ids[:-1]] == [""] * 3
    assert stream.flush() == "�"


def test_encode_many(tokenizer):
    texts = random_strings(20, 1)
    assert tokenizer.encode_many(texts) == [tokenizer.encode(text) for text in texts]


@given(st.lists(st.sampled_from([*SPECIALS, "<", "|", "<|", "|>", "im_end|>", "a"]), max_size=8).map("".join))
def test_escaped_text_has_no_special(tokenizer, text):
    assert not any(map(tokenizer.is_special, tokenizer.encode(escape_specials(text))))


@pytest.mark.parametrize("with_config", [True, False])
def test_transformers_gives_the_same_ids(tokenizer, model_directory, tmp_path, with_config):
    transformers = pytest.importorskip("transformers")
    if not with_config:
        write_tokenizer_files(tokenizer, tmp_path, 512)
    theirs = transformers.AutoTokenizer.from_pretrained(model_directory if with_config else tmp_path)
    texts = random_strings(200, 2)
    assert sum(theirs.encode(text) == tokenizer.encode(text) for text in texts) == 200
    assert (
        sum(
            theirs.decode(tokenizer.encode(text)) == text == tokenizer.decode(tokenizer.encode(text))
            for text in texts
        )
        == 200
    )
    assert (theirs.eos_token, theirs.pad_token, theirs.bos_token) == ("<|im_end|>", "<|endoftext|>", None)
    assert (theirs.eos_token_id, theirs.pad_token_id, len(theirs)) == (3, 1, VOCAB_SIZE)
    assert theirs.decode(tokenizer.encode("a<|im_end|>"), skip_special_tokens=True) == "a"


def test_mlx_lm_reads_it(tokenizer, model_directory):
    utils = pytest.importorskip("mlx_lm.tokenizer_utils")
    theirs = utils.load(model_directory)
    assert theirs.eos_token_ids == {tokenizer.im_end} and theirs.has_chat_template
    stream = theirs.detokenizer
    for i in tokenizer.encode(" the 😀 μC"):
        stream.add_token(i)
    stream.finalize()
    assert stream.text == " the 😀 μC"


@pytest.mark.parametrize(
    "texts, vocab_size, message",
    [
        ([], 300, "no text to train"),
        (["\n", ""], 300, "no text to train"),
        (["a b"], 100, "at least 264"),
        (["a b c"], 5000, r"vocab_size 5000 is more than this text gives \(at most \d+\)"),
        (["".join(map(chr, range(200, 2000)))], 300, r"vocab_size 300 is less .* \(at least \d+\)"),
    ],
)
def test_training_errors(tmp_path, texts, vocab_size, message):
    with pytest.raises(TutorError, match=message):
        train_tokenizer(texts, vocab_size, tmp_path / "tokenizer.model")
    assert list(tmp_path.iterdir()) == []


def sentencepiece_model(path, **options):
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sample_texts(50)),
            model_writer=file,
            vocab_size=400,
            byte_fallback=True,
            minloglevel=3,
            **options,
        )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"model_type": "unigram", "hard_vocab_limit": False}, "a unigram model .allowed: bpe"),
        ({"model_type": "bpe"}, "add_dummy_prefix"),
        ({"model_type": "bpe", "add_dummy_prefix": False}, r"no token <\|endoftext\|>, <\|im_start\|>"),
    ],
)
def test_refused_models(tmp_path, options, message):
    sentencepiece_model(tmp_path / "tokenizer.model", **options)
    with pytest.raises(TutorError, match=message):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [(None, "no tokenizer at"), (b"a text file\n" * 9, "not a SentencePiece"), (b"", "empty SentencePiece")],
)
def test_unreadable_models(tmp_path, content, message):
    if content is not None:
        (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(TutorError, match=message):
        Tokenizer.load(tmp_path)


def test_what_the_text_raises_comes_through(tmp_path):
    """SentencePiece reads the texts in its own code, and would say INTERNAL."""
    def texts():
        yield "some text " * 50
        raise TutorError("rows.jsonl:7: not JSON")

    with pytest.raises(TutorError, match=r"^rows\.jsonl:7: not JSON$"):
        train_tokenizer(texts(), 300, tmp_path / "t.model")
    assert not list(tmp_path.iterdir())
