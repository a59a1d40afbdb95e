"""The interpreter of Go's text/template: the language that TEMPLATE is written in, refusals, and Go's own word on it."""

import pytest
from go_engine import needs_go, render_in_go

from mlxtutor.errors import TutorError
from mlxtutor.export.go_render import render

MESSAGES = [
    {"role": "system", "content": "S1"},
    {"role": "system", "content": "S2"},
    {"role": "user", "content": "U1"},
    {"role": "user", "content": "U2"},
    {"role": "assistant", "content": "A1"},
]

GO = {
    "a{{ .System }}b{{ range .Messages }}": None,
    "{{ .System }}{{ range .Messages }}{{ end }}": "S1\n\nS2",
    "{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}": "[system S1\n\nS2][user U1\n\nU2][assistant A1]",
    "{{ range $i, $m := .Messages }}{{ if $i }},{{ end }}{{ $m.Role }}{{ end }}": "system,user,assistant",
    " x \n{{- range .Messages -}} \n a \n{{- end -}} \n y": " xaaay",
    '{{ range .Messages }}{{ if eq .Role "user" "system" }}u{{ else if ne .Role "tool" }}o{{ else }}n{{ end }}{{ end }}': "uuo",
    "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}{{ if $last }}!{{ end }}{{ end }}": "!",
    "{{ range .Messages }}{{ (index $.Messages 1).Content }} {{ end }}": "U1\n\nU2 " * 3,
    '{{ range .Messages }}{{ end }}{{ "}} \\"\\n" }}{{ `{{` }}': '}} "\n{{',
    '{{ range .Messages }}{{ if and .Content (or (eq .Role "user") (not .Role)) }}{{ .Content }}{{ end }}{{ end }}': "U1\n\nU2",
    "{{ range .Messages }}{{ end }}{ {{ .System }} }}": "{ S1\n\nS2 }}",
}


@pytest.mark.parametrize("template", [template for template, text in GO.items() if text is not None])
def test_the_interpreter_reads_the_language(template):
    assert render(template, MESSAGES) == GO[template]


@pytest.mark.parametrize(
    "template",
    [
        "no messages",
        "{{ .Prompt }}{{ range .Messages }}{{ end }}",
        "a{{ range .Messages }}",
        "{{ range .Messages }}{{ end }}{{ end }}",
        "{{ range .Messages }}{{ else }}{{ end }}",
        "{{ range .Messages }}{{ end x }}",
        "{{ range .Messages }}{{ }}{{ end }}",
        "{{ range .Messages }}{{ if }}{{ end }}{{ end }}",
        "{{ range .Messages }}{{ .Content | json }}{{ end }}",
        "{{ range .Messages }}{{ printf .Content }}{{ end }}",
        "{{ range .Messages }}{{ .Tools }}{{ end }}",
        "{{ range .Messages }}{{ .Role .Content }}{{ end }}",
        "{{ range .Messages }}{{ $x }}{{ end }}",
        "{{ range .Messages }}{{ if eq .Role 1 }}{{ end }}{{ end }}",
        "{{ range .Messages }}{{ index $.Messages 9 }}{{ end }}",
        "{{ range .Messages }}{{ (index $.Messages 0 }}{{ end }}",
        "{{ range .Messages }}{{ len .Role }}{{ end }}",
        "{{ range .Messages }}{{ with .Role }}{{ end }}{{ end }}",
        "{{ range .Messages }}{{/* a comment */}}{{ end }}",
        "{{ range .Messages }}{{ .Content {{ end }}",
        '{{ range .Messages }}{{ "a\nb" }}{{ end }}',
    ],
)
def test_anything_else_is_refused(template):
    with pytest.raises(TutorError, match="the template"):
        render(template, MESSAGES)


def test_the_modelfiles_system_and_examples_stand_where_ollama_puts_them():
    template = "{{ range .Messages }}[{{ .Role }}:{{ .Content }}]{{ end }}"
    examples = [{"role": "user", "content": "E"}, {"role": "assistant", "content": "F"}]
    asked, own = {"role": "user", "content": "hi"}, {"role": "system", "content": "T"}
    assert render(template, [asked], system="S", examples=examples) == "[system:S][user:E][assistant:F][user:hi]"
    assert render(template, [own, asked], system="S", examples=examples) == "[user:E][assistant:F][system:T][user:hi]"


@needs_go
def test_gos_own_engine_reads_the_language_alike(tmp_path):
    jobs = [(template, MESSAGES) for template, text in GO.items() if text is not None]
    assert render_in_go(jobs, tmp_path) == [render(text, messages) for text, messages in jobs]
