"""Ollama's TEMPLATE from a Jinja one: equal prompts for every style of template, refusals that say why, and Go's own word on it."""

import pytest
from go_engine import needs_go, render_in_go
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtutor.errors import TutorError
from mlxtutor.export.chat_template import render_jinja
from mlxtutor.export.go_template import derive, render
from mlxtutor.export.modelfile import Modelfile, parse
from mlxtutor.export.modelfile import render as render_modelfile
from mlxtutor.text.hf_files import chat_template

CHATML = """\
{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

QWEN25 = """\
{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else %}{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud.<|im_end|>\\n' }}{%- endif %}
{%- for m in messages %}{%- if not (loop.first and m.role == 'system') %}
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

# an answer behind the last question keeps a block of thoughts, an earlier one loses it
QWEN3 = """\
{%- set ns = namespace(last=0) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' }}
{%- set content = m.content %}
{%- if m.role == 'assistant' %}
    {%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}
    {%- if loop.index0 > ns.last and loop.last %}{{- '<think>\\n\\n</think>\\n\\n' + content.lstrip('\\n') }}
    {%- else %}{{- content }}{%- endif %}
{%- else %}{{- content }}{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""

LLAMA3 = """\
{% for m in messages %}{% set text = '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' %}
{{ (bos_token if loop.first else '') + text }}{% endfor %}
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""

ALTERNATE = """\
{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"""

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}" + ALTERNATE + """\
{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"""
)

SPLIT_SYSTEM = """\
{%- if messages[0].role == 'system' %}{%- set system = messages[0].content %}{%- set turns = messages[1:] %}
{%- else %}{%- set turns = messages %}{%- endif %}"""

MISTRAL_SYSTEM_FIRST = (
    SPLIT_SYSTEM + "{{- bos_token }}{%- for m in turns %}" + ALTERNATE + """\
{%- if m.role == 'user' %}{{- ' [INST] ' }}{%- if loop.first and system is defined %}{{- system + '\\n\\n' }}{%- endif %}
{{- m.content + ' [/INST]' }}{%- else %}{{- ' ' + m.content + eos_token }}{%- endif %}{%- endfor %}"""
)

MISTRAL_SYSTEM_LAST = (
    SPLIT_SYSTEM + "{{- bos_token }}{%- for m in turns %}" + ALTERNATE + """\
{%- if m.role == 'user' %}{{- '[INST] ' }}{%- if loop.last and system is defined %}{{- system + '\\n\\n' }}{%- endif %}
{{- m.content + '[/INST]' }}{%- else %}{{- ' ' + m.content + eos_token }}{%- endif %}{%- endfor %}"""
)

LLAMA2 = (
    SPLIT_SYSTEM + "{%- for m in turns %}" + ALTERNATE + """\
{%- if m.role == 'user' %}{{- bos_token + '[INST] ' }}
{%- if loop.first and system is defined %}{{- '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' }}{%- endif %}
{{- m.content | trim + ' [/INST]' }}{%- else %}{{- ' ' + m.content | trim + ' ' + eos_token }}{%- endif %}{%- endfor %}"""
)

GEMMA2 = """\
{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% for m in messages %}{% set role = 'model' if m.role == 'assistant' else m.role %}
{{ '<start_of_turn>' + role + '\\n' + m.content | trim + '<end_of_turn>\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

GEMMA3 = (
    SPLIT_SYSTEM + """\
{{- bos_token }}{%- for m in turns %}{%- set role = 'model' if m.role == 'assistant' else m.role %}
{{- '<start_of_turn>' + role + '\\n' + (system + '\\n\\n' if loop.first and system is defined else '') + m.content | trim }}
{{- '<end_of_turn>\\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{%- endif %}"""
)

ZEPHYR = """\
{% for m in messages %}
{{ '<|' + m.role + '|>\\n' + m.content + eos_token }}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

BRACES = """\
{% for m in messages %}{{ '{{' + m.role + '}} {' + m.content + '}\\n"\\\\end"\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '{{assistant}} {' }}{% endif %}"""

# template, bos, eos; the stops; whether a system message is taken
STYLES = {
    "micro": (chat_template(), "", "<|im_end|>", ("<|im_end|>", "<|im_start|>"), True),
    "chatml": (CHATML, "", "<|endoftext|>", ("<|im_end|>", "<|endoftext|>", "<|im_start|>"), True),
    "qwen2.5": (QWEN25, "", "<|im_end|>", ("<|im_end|>", "<|im_start|>"), True),
    "qwen3": (QWEN3, "", "<|im_end|>", ("<|im_end|>", "<|im_start|>"), True),
    "llama3": (LLAMA3, "<|begin_of_text|>", "<|eot_id|>", ("<|eot_id|>", "<|start_header_id|>"), True),
    "mistral": (MISTRAL, "<s>", "</s>", ("</s>", "[INST]"), False),
    "mistral, system first": (MISTRAL_SYSTEM_FIRST, "<s>", "</s>", ("</s>", "[INST]"), True),
    "mistral, system last": (MISTRAL_SYSTEM_LAST, "<s>", "</s>", ("</s>", "[INST]"), True),
    "llama2": (LLAMA2, "<s>", "</s>", ("</s>", "[INST]"), True),
    "gemma2": (GEMMA2, "<bos>", "<eos>", ("<end_of_turn>", "<eos>", "<start_of_turn>"), False),
    "gemma3": (GEMMA3, "<bos>", "<eos>", ("<end_of_turn>", "<eos>", "<start_of_turn>"), True),
    "zephyr": (ZEPHYR, "<s>", "</s>", ("</s>", "<|user|>"), True),
    "braces": (BRACES, "", "<end>", ('}\n"\\end"', "<end>"), True),
}


@pytest.fixture(scope="module")
def derived():
    return {name: derive(template, bos=bos, eos=eos) for name, (template, bos, eos, *_) in STYLES.items()}


def chat(*texts, system=None):
    messages = [{"role": "system", "content": system}] if system is not None else []
    return messages + [{"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(texts)]


def jinja(style, messages):
    template, bos, eos, *_ = STYLES[style]
    return render_jinja("{% set enable_thinking = false %}" + template, messages, bos, eos)


TRIMMED = st.text(max_size=12).map(lambda text: text.strip() or "?")


@pytest.mark.parametrize("style", STYLES)
def test_what_is_derived(derived, style):
    template, bos, _, stops, takes_system = STYLES[style]
    go = derived[style]
    assert go.stops == stops
    assert go.takes_system == takes_system
    assert go.bos == ("" if style == "zephyr" else bos)
    assert bos == "" or not go.text.startswith(bos)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25, deadline=None)
@given(
    texts=st.integers(0, 3).flatmap(lambda n: st.lists(TRIMMED, min_size=2 * n + 1, max_size=2 * n + 1)),
    system=st.none() | TRIMMED,
)
def test_prompts_are_equal(derived, style, texts, system):
    messages = chat(*texts, system=system if STYLES[style][-1] else None)
    assert derived[style].bos + render(derived[style].text, messages) == jinja(style, messages)


@pytest.mark.parametrize("style", STYLES)
def test_a_modelfile_carries_the_template_and_its_stops(derived, style):
    go = derived[style]
    modelfile = Modelfile("m.gguf", template=go.text, parameters=tuple(("stop", stop) for stop in go.stops))
    assert parse(render_modelfile(modelfile)) == modelfile


def test_the_micro_models_template_is_written_as_ollama_writes_chatml(derived):
    assert derived["micro"].text == (
        "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}"
        '{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}{{ if not $last }}<|im_end|>\n{{ end }}{{ end }}'
        '{{ if and $last (ne .Role "assistant") }}<|im_start|>assistant\n{{ end }}{{ end }}'
    )


def test_the_micro_model_says_what_ollama_does_not_do(derived):
    assert [note.partition(":")[0] for note in derived["micro"].notes] == [
        "a text (system, user, assistant) with a special token typed in it"
    ]


@pytest.mark.parametrize(
    ("style", "note"),
    [
        ("llama3", "a text (system, user, assistant) with white space around it"),
        ("gemma2", "a system message: the chat template refuses it"),
        ("qwen3", "a text (assistant) with a special token typed in it"),
    ],
)
def test_a_difference_that_ollama_cannot_avoid_is_noted(derived, style, note):
    assert any(found.startswith(note) for found in derived[style].notes)


def test_a_style_without_differences_has_no_notes(derived):
    assert derived["chatml"].notes == () and derived["qwen2.5"].notes == () and derived["mistral, system last"].notes == ()


def test_a_default_system_message_stands_only_where_there_is_none(derived):
    assert render(derived["qwen2.5"].text, chat("hi")).startswith("<|im_start|>system\nYou are Qwen")
    assert "You are Qwen" not in render(derived["qwen2.5"].text, chat("hi", system="Be kind"))
    assert "You are Qwen" not in render(derived["qwen2.5"].text, chat("hi"), system="Be kind")


def test_thinking_is_turned_off_as_the_variables_say(derived):
    assert render(derived["qwen3"].text, chat("hi")).endswith("assistant\n<think>\n\n</think>\n\n")
    thinking = derive(QWEN3, eos="<|im_end|>", variables={"enable_thinking": True})
    assert render(thinking.text, chat("hi")).endswith("assistant\n")


@pytest.mark.parametrize("style", ["micro", "qwen3", "llama3", "mistral", "gemma3"])
def test_an_answer_at_the_end_is_continued(derived, style):
    template, bos, eos, *_ = STYLES[style]
    messages = chat("a question", "an answer", "again", "The force is")
    whole = render_jinja(template, messages, bos, eos, add_generation_prompt=False)
    assert derived[style].bos + render(derived[style].text, messages) == whole[: whole.rindex("The force is") + 12]


def test_a_refused_system_message_is_not_lost(derived):
    assert render(derived["gemma2"].text, chat("hi", system="Be kind")) == (
        "<start_of_turn>user\nBe kind\n\nhi<end_of_turn>\n<start_of_turn>model\n"
    )


NOT_EXPRESSIBLE = {
    "a number per turn": (
        "{% for m in messages %}<|{{ m.role }} {{ loop.index }}|>{{ m.content }}<|end|>{% endfor %}",
        "frames the second exchange of a chat otherwise",
    ),
    "texts in capitals": (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content | upper }}<|end|>{% endfor %}",
        "in the order [] (allowed: each once",
    ),
    "a text's length": (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ '!' if m.content | length > 16 }}<|end|>{% endfor %}",
        "cannot be written for Ollama: a chat of user goes on at character",
    ),
    "newlines taken out": (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content | replace('\\n', ' ') }}<|end|>{% endfor %}",
        "cannot be written for Ollama: a chat of",
    ),
    "a text said twice": (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ m.content }}<|end|>{% endfor %}",
        "in the order [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]",
    ),
    "nothing between turns": ("{% for m in messages %}{{ m.content }}{% endfor %}", "ends an answer with nothing"),
    "not Jinja": ("{% for %}", "the chat template"),
}


@pytest.mark.parametrize("case", NOT_EXPRESSIBLE)
def test_a_template_that_cannot_be_expressed_is_refused_with_the_reason(case):
    template, message = NOT_EXPRESSIBLE[case]
    with pytest.raises(TutorError) as error:
        derive(template)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@needs_go
def test_gos_own_engine_agrees_on_what_is_derived(derived, tmp_path):
    awkward = ["a", "{{ .Role }}", 'say """so"""\n\tü 😀', " b ", "", "}} {"]
    chats = [chat(*awkward[:n], system=system) for n in range(1, 7) for system in (None, "", "{ Be kind }")]
    jobs = [(go.text, messages) for go in derived.values() for messages in chats]
    assert render_in_go(jobs, tmp_path) == [render(text, messages) for text, messages in jobs]
