"""Go's own text/template, where Go is installed."""

import json
import shutil
import subprocess

import pytest

GO_PROGRAM = """
package main

import ("bytes"; "encoding/json"; "os"; "strings"; "text/template")

type message struct { Role, Content string }
type job struct { Template string; Messages []message }

func collated(all []message) (string, []*message) {
	var system []string
	var out []*message
	for i := range all {
		m := all[i]
		if m.Role == "system" { system = append(system, m.Content) }
		if n := len(out); n > 0 && out[n-1].Role == m.Role { out[n-1].Content += "\\n\\n" + m.Content } else { out = append(out, &m) }
	}
	return strings.Join(system, "\\n\\n"), out
}

func main() {
	var jobs []job
	if err := json.NewDecoder(os.Stdin).Decode(&jobs); err != nil { panic(err) }
	var texts []string
	for _, j := range jobs {
		system, messages := collated(j.Messages)
		data := map[string]any{"System": system, "Messages": messages, "Response": ""}
		var b bytes.Buffer
		t := template.Must(template.New("").Option("missingkey=zero").Parse(j.Template))
		if err := t.Execute(&b, data); err != nil { panic(err) }
		texts = append(texts, b.String())
	}
	json.NewEncoder(os.Stdout).Encode(texts)
}
"""

needs_go = pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")


def render_in_go(jobs, folder):
    """[(template, messages)] -> what Go makes of each, with Ollama's collated messages."""
    (folder / "main.go").write_text(GO_PROGRAM)
    rows = [{"Template": text, "Messages": [{k.title(): v for k, v in m.items()} for m in messages]} for text, messages in jobs]
    run = subprocess.run(["go", "run", "main.go"], cwd=folder, input=json.dumps(rows), capture_output=True, text=True, check=True)
    return json.loads(run.stdout)
