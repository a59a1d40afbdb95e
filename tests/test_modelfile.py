"""The Modelfile grammar, rule by rule as Ollama's parser has them, and every Modelfile refused or read back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtutor.errors import TutorError
from mlxtutor.export.modelfile import PARAMETERS, Modelfile, load, parse, render, typed_parameters

TUTOR = Modelfile(
    from_="em-tutor.gguf",
    template='{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}{{ "" }}',
    system="Calculator: off",
    parameters=(("temperature", "0.2"), ("stop", "<|im_end|>"), ("stop", "<|im_start|>"), ("num_ctx", "512"), ("use_mmap", "true")),
    license=("MIT\n\nNo warranty.\n",),
    messages=(("user", "What is 2*3?"), ("assistant", 'Six: "6"\n')),
    requires="0.14.0",
)

RULES = {
    "commands in any case": ("from m.gguf\nSystem Be kind\n", {"system": "Be kind"}),
    "a comment is a line's first character": ("# top\n  # indented\nFROM m.gguf\nSYSTEM a # b\n", {"system": "a # b"}),
    "no backslash escapes": ('FROM m.gguf\nSYSTEM "a\\nb \\"c\\""\n', {"system": 'a\\nb \\"c\\"'}),
    "quotes go on over lines": ('FROM m.gguf\nSYSTEM "a\nb"\n', {"system": "a\nb"}),
    "quotes inside a line stay": ('FROM m.gguf\nSYSTEM "a "b" c"\n', {"system": 'a "b" c'}),
    "three quotes go on over lines": ('FROM m.gguf\nSYSTEM """\na\n"b"\n"""\n', {"system": '\na\n"b"\n'}),
    "three quotes inside a line stay": ('FROM m.gguf\nSYSTEM """a """ b"""\n', {"system": 'a """ b'}),
    "five quotes are not closed": ('FROM m.gguf\nSYSTEM """""\n"""\n', {"system": '""\n'}),
    "single quotes are text": ("FROM m.gguf\nSYSTEM 'a'\n", {"system": "'a'"}),
    "white space around a value goes": ("FROM   m.gguf\t \nSYSTEM  \t a b \t\n", {"system": "a b"}),
    "white space inside quotes stays": ('FROM m.gguf\nSYSTEM " a\t"  \n', {"system": " a\t"}),
    "an empty value": ("FROM m.gguf\nSYSTEM \nTEMPLATE x\n", {"system": "", "template": "x"}),
    "an empty value does not take the next line": ('FROM m.gguf\nSYSTEM \nTEMPLATE """x"""\n', {"system": "", "template": "x"}),
    "carriage returns end lines": ("FROM m.gguf\r\nSYSTEM a\rTEMPLATE x\r\n", {"system": "a", "template": "x"}),
    "a byte order mark goes": ("\ufeffFROM m.gguf\n", {}),
    "no newline at the end": ("FROM m.gguf\nSYSTEM a", {"system": "a"}),
    "stop repeats": ("FROM m.gguf\nPARAMETER stop a\nPARAMETER stop b\n", {"parameters": (("stop", "a"), ("stop", "b"))}),
    "licences repeat": ("FROM m.gguf\nLICENSE a\nLICENSE b\n", {"license": ("a", "b")}),
    "messages keep colons": ("FROM m.gguf\nMESSAGE user a: b\n", {"messages": (("user", "a: b"),)}),
    "the other commands": (
        "FROM m.gguf\nADAPTER a.gguf\nRENDERER r\nPARSER p\nREQUIRES 0.14.0\n",
        {"adapters": ("a.gguf",), "renderer": "r", "parser": "p", "requires": "0.14.0"},
    ),
}

REFUSED = {
    "SYSTEM a\n": "no FROM line",
    "": "no FROM line",
    "FROM m.gguf\nSYTEM a\n": 'line 2: unknown command "SYTEM" (allowed: FROM, TEMPLATE',
    "FROM m.gguf\nSYSTEM\nTEMPLATE x\n": "line 2: SYSTEM without a value",
    "FROM": "line 1: FROM without a value",
    "FROM \n": "line 1: FROM is empty",
    "FROM m.gguf\n\nDRAFT d.gguf\n": "line 3: a command that is not supported",
    "FROM m.gguf\nPARAMETER topp 0.9\n": 'line 2: unknown parameter "topp" (allowed: num_keep',
    "FROM m.gguf\nPARAMETER  stop x\n": 'line 2: unknown parameter ""',
    "FROM m.gguf\nPARAMETER Stop x\n": 'unknown parameter "Stop"',
    "FROM m.gguf\nPARAMETER stop\n": "line 2: PARAMETER without a value",
    "FROM m.gguf\nPARAMETER num_ctx 5.0\n": "line 2: num_ctx is '5.0' (allowed: a whole number",
    "FROM m.gguf\nPARAMETER num_ctx 99999999999999999999\n": "num_ctx is",
    "FROM m.gguf\nPARAMETER temperature warm\n": "line 2: temperature is 'warm' (allowed: a number",
    "FROM m.gguf\nPARAMETER temperature nan\n": "temperature is 'nan'",
    "FROM m.gguf\nPARAMETER temperature 1e400\n": "temperature is '1e400'",
    "FROM m.gguf\nPARAMETER use_mmap yes\n": "use_mmap is 'yes' (allowed: true, false)",
    "FROM m.gguf\nPARAMETER mirostat 2\n": "parameter mirostat is deprecated",
    "FROM m.gguf\nPARAMETER top_k 1\nPARAMETER top_k 2\n": "line 3: a second parameter top_k",
    "FROM m.gguf\nMESSAGE tool x\n": 'line 2: unknown role "tool" (allowed: system, user, assistant)',
    "FROM m.gguf\nMESSAGE User x\n": 'unknown role "User"',
    "FROM m.gguf\nREQUIRES new\n": "line 2: REQUIRES is 'new'",
    "FROM m.gguf\nFROM n.gguf\n": "line 2: a second FROM",
    "FROM m.gguf\nADAPTER a\nADAPTER b\n": "line 3: a second ADAPTER",
    'FROM m.gguf\nSYSTEM """a\nb\n': 'line 2: a text opens with """ and is never closed',
    'FROM m.gguf\nSYSTEM "\n': 'line 2: a text opens with " and is never closed',
    'FROM m.gguf\nSYSTEM """say\n"""so"""\nmore"""\n': "line 4: unknown command \"more\"\"\"\"",
    "FROM m.gguf\nSYSTEM a\u200bb\n": "line 2: '\\u200b' is not printable",
    'FROM m.gguf\nSYSTEM """a\n\x07"""\n': "line 3: '\\x07' is not printable",
    "FROM m.gguf\nSYSTEM a\u00a0b\n": "not printable",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_the_grammar(rule):
    text, fields = RULES[rule]
    assert parse(text) == Modelfile("m.gguf", **fields)


@pytest.mark.parametrize("text", REFUSED)
def test_what_ollama_refuses_drops_or_overwrites_is_an_error(text):
    with pytest.raises(TutorError) as error:
        parse(text)
    assert REFUSED[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_text_that_closed_early_is_named():
    with pytest.raises(TutorError, match="the SYSTEM of line 2 was closed by the quotes that end line 3"):
        parse('FROM m.gguf\nSYSTEM """say\n"""so"""\nmore"""\n')


def test_the_tutors_modelfile_reads_back_and_is_pleasant_to_read():
    text = render(TUTOR)
    assert parse(text) == TUTOR
    assert text.startswith('FROM em-tutor.gguf\nTEMPLATE """{{ range .Messages }}')
    assert '\nSYSTEM "Calculator: off"\n' in text
    assert '\nPARAMETER temperature 0.2\nPARAMETER stop "<|im_end|>"\n' in text


def test_parameters_are_typed_for_the_api():
    assert typed_parameters(TUTOR) == {
        "temperature": 0.2,
        "num_ctx": 512,
        "use_mmap": True,
        "stop": ["<|im_end|>", "<|im_start|>"],
    }


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('say """\nnow', 'a line ends in """'),
        ('"""\n', 'a line ends in """'),
        ('say """  \r\nnow', 'a line ends in """'),
        ("a\u200bb", "character 2 is '\\u200b'"),
        ("a\x00", "character 2 is '\\x00'"),
        ("\ud800", "character 1 is '\\ud800'"),
    ],
)
def test_a_value_that_the_grammar_cannot_carry_is_refused(value, why):
    with pytest.raises(TutorError) as error:
        render(Modelfile("m.gguf", system=value))
    assert str(error.value).startswith("SYSTEM: ")
    assert why in str(error.value)


@pytest.mark.parametrize("value", ["", '"', '""', '"""', '"a', 'a"', ' a ', "\n", "a\n", 'a """ b', 'a"""', "# a", "a\tb", "\ta", "FROM x"])
def test_awkward_values_are_carried(value):
    modelfile = Modelfile("m.gguf", system=value, messages=(("user", value),), parameters=(("stop", value),), license=(value,))
    assert parse(render(modelfile)) == modelfile


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters": (("temp", "1"),)}, "unknown parameter"),
        ({"parameters": (("top_k", "1"), ("top_k", "2"))}, "a second parameter top_k"),
        ({"messages": (("tool", "x"),)}, "unknown role"),
        ({"adapters": ("a", "b")}, "a second ADAPTER"),
        ({"requires": "x"}, "REQUIRES"),
        ({"from_": ""}, "FROM is empty"),
    ],
)
def test_a_modelfile_that_ollama_would_refuse_cannot_be_made(fields, message):
    with pytest.raises(TutorError, match=message):
        Modelfile(**{"from_": "m.gguf", **fields})


AWKWARD = ['"', '""', '"""', "\n", "\r\n", " ", "\t", "a", "#", "\\", "FROM x", "é", "\u00ad"]
texts = st.one_of(st.text(max_size=20), st.lists(st.sampled_from(AWKWARD), max_size=8).map("".join))
numbers = st.one_of(st.integers().map(str), st.floats().map(str), st.sampled_from(["true", "0", "+1", "1_0", ".5", "5."]))
pairs = st.tuples(st.sampled_from([*PARAMETERS, "mirostat", "other"]), st.one_of(numbers, texts))
stops = st.tuples(st.just("stop"), texts)
optional = st.none() | texts


@settings(max_examples=400, deadline=None)
@given(
    from_=texts,
    template=optional,
    system=optional,
    renderer=optional,
    parser=optional,
    requires=st.none() | st.sampled_from(["0.14.0", "v1", "x"]),
    adapters=st.lists(texts, max_size=1).map(tuple),
    parameters=st.lists(stops, max_size=3).map(tuple) | st.lists(pairs, max_size=2).map(tuple),
    license=st.lists(texts, max_size=2).map(tuple),
    messages=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), max_size=3).map(tuple),
)
def test_every_modelfile_is_refused_or_reads_back(**fields):
    try:
        modelfile = Modelfile(**fields)
        text = render(modelfile)
    except TutorError as error:
        assert "\n" not in str(error)
        return
    assert parse(text) == modelfile


@given(texts)
def test_a_text_is_carried_unless_a_character_is_dropped_or_a_line_closes_it(text):
    opened = '"""' + text
    lines = [opened[:i].rstrip(" \t\r\n") for i, char in enumerate(opened) if char in "\r\n"]
    closed = any(line.endswith('"""') and len(line) >= 6 for line in lines)
    dropped = any(not char.isprintable() and char not in " \t\r\n" for char in text)
    if closed or dropped:
        with pytest.raises(TutorError):
            render(Modelfile("m", system=text))
    else:
        assert parse(render(Modelfile("m", system=text))).system == text


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_in_one_line(text):
    try:
        modelfile = parse("FROM m.gguf\n" + text)
    except TutorError as error:
        assert "\n" not in str(error)
    else:
        assert parse(render(modelfile)) == modelfile


def folder_with(tmp_path, text, *files):
    for name in files:
        (tmp_path / name).write_bytes(b"GGUF")
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "Modelfile").write_bytes(data)
    return tmp_path / "Modelfile"


def test_load_reads_the_files_beside_it(tmp_path):
    path = folder_with(tmp_path, "FROM ./m.gguf\nADAPTER a.gguf\n", "m.gguf", "a.gguf")
    assert load(path) == Modelfile("./m.gguf", adapters=("a.gguf",))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_load_takes_what_a_byte_order_mark_says(tmp_path, encoding):
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    path = folder_with(tmp_path, mark + "FROM m.gguf\nSYSTEM é\n".encode(encoding), "m.gguf")
    assert load(path).system == "é"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM llama3.2\n", "FROM llama3.2: no such file beside the Modelfile (Ollama would take it for the name of a model to pull)"),
        ("FROM m.gguf\nADAPTER a.gguf\n", "ADAPTER a.gguf: no such file"),
        ("FROM .\n", "FROM .: a folder (allowed: one GGUF file)"),
        (b"FROM m.gguf\nSYSTEM \xff\n", "byte 19 is not UTF-8"),
        ("FROM m.gguf\nSYSTEM\n", "Modelfile: line 2: SYSTEM without a value"),
    ],
)
def test_load_refuses_what_ollama_would_get_wrong(tmp_path, text, message):
    with pytest.raises(TutorError) as error:
        load(folder_with(tmp_path, text, "m.gguf"))
    assert message in str(error.value)


def test_load_of_no_file_is_one_line(tmp_path):
    with pytest.raises(TutorError, match="cannot be read"):
        load(tmp_path / "Modelfile")
