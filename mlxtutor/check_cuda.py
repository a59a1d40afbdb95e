"""`make check-cuda`: on a CUDA GPU, the torch tests and the micro recipe, measured into docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mlxtutor.backends import Device, installed, load

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
START, END = "<!-- check-cuda: start -->", "<!-- check-cuda: end -->"


def main() -> int:
    """Exit code 0 also where there is no GPU: then nothing is run and nothing claimed."""
    if not installed("torch"):
        print("torch is not installed: nothing was measured (pip install -c constraints.txt -e '.[torch]')")
        return 0
    device = load("torch").device()
    if device.kind != "cuda":
        print(f"no CUDA GPU here ({device.name}): nothing was measured")
        return 0
    if not _has_place():
        print(f"{DOCUMENT} needs the lines {START} and {END}, in this order (nothing was measured)")
        return 1
    tests = subprocess.run([sys.executable, "-m", "pytest", "tests/test_backends.py", "tests/test_training.py"], cwd=DOCUMENT.parent.parent)
    if tests.returncode:
        print("the torch tests failed on the GPU: nothing was written")
        return 1
    with tempfile.TemporaryDirectory() as home:
        result = _train(Path(home))
    _write(_table(device, result))
    print(f"written: {DOCUMENT}")
    return 0


def _train(home: Path) -> dict:
    command = [sys.executable, "-m", "mlxtutor.cli.main", "train", "micro", "--backend", "torch", "--json"]
    done = subprocess.run(command, env={**os.environ, "TUTOR_HOME": str(home)}, stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    card = json.loads((Path(result["path"]) / "tutor.json").read_text())
    return {**result, "parameters": card["parameters"], "evaluation": card["evaluation"]["after"]}


def _table(device: Device, result: dict) -> str:
    """Markdown: tokens/s and MFU of each stage (6 FLOP a parameter and token, data preparation included), seconds, accuracy."""
    lines = [f"`make check-cuda` on {device.name}, {device.dtype}: {result['seconds']:.0f} s in all.", "",
             "| stage | seconds | tokens | tokens/s | MFU |", "| --- | ---: | ---: | ---: | ---: |"]
    for stage in result["stages"]:
        rate = 6 * result["parameters"] * stage["tokens_per_s"]
        mfu = f"{100 * rate / device.peak_flops:.2f} %" if device.peak_flops else "unknown peak"
        lines.append(f"| {stage['name']} | {stage['seconds']:.0f} | {stage['tokens']:,} | {stage['tokens_per_s']:,.0f} | {mfu} |")
    lines += ["", "| split | problems | correct |", "| --- | ---: | ---: |"]
    for split, scores in result["evaluation"]["splits"].items():
        lines.append(f"| {split} | {scores['n']} | {100 * scores['scores']['correct']['value']:.1f} % |")
    return "\n".join(lines)


def _has_place() -> bool:
    """Whether the document has the two lines between which the figures go."""
    text = DOCUMENT.read_text() if DOCUMENT.is_file() else ""
    return text.count(START) == text.count(END) == 1 and text.index(START) < text.index(END)


def _write(table: str) -> None:
    text = DOCUMENT.read_text()
    before, rest = text.split(START)
    DOCUMENT.write_text(before + START + "\n" + table + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    sys.exit(main())
