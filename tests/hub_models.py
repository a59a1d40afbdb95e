"""Tiny models and adapters in a registry, with cards as training writes them."""

from __future__ import annotations

import json

import numpy as np
import tiny
from safetensors.numpy import save_file

from mlxtutor.registry.directory import save_model
from mlxtutor.registry.models import register

MINE = {"name": "em-tutor", "seed": 1, "corpus": "shipped", "data": "em", "stages": [
    {"name": "base", "tokens": 1000, "sources": {"corpus": .4, "drills": .6}}, {"name": "tutor", "tokens": 9000, "sources": {"em": 1.0}}]}


def share(value, n=500):
    return {"value": value, "low": value - .03, "high": value + .03, "n": n}


def summary(correct):
    scores = {"correct": share(correct), "correct_off": share(correct * .9, 60), "invented": share(.04),
              "refusal_precision": {"value": None, "low": 0.0, "high": 1.0, "n": 0}}
    splits = {split: {"n": 500, "scores": scores if split != "types" else {"correct": share(.08, 60)}, "families": {}}
              for split in ("values", "wordings", "others", "types")}
    return {"suite": "em", "n": 2000, "splits": splits}


def data(name="rows.jsonl", licences=None, inputs=(), **more):
    """An entry of a model's card for a file of rows, with its card."""
    card = {"file": name, "sha256": "ab" * 32, "command": f"tutor data import /home/janedoe/{name} --out rows", "rows": 12,
            **({"licences": dict.fromkeys(licences, 6)} if licences else {}), "inputs": list(inputs), **more}
    return {"use": "data", "file": name, "sha256": "ab" * 32, "card": card}


def micro(models, tokenizer, name="em-tutor", seed=0, **card):
    """A tiny micro tutor, registered."""
    stages = [{"name": "tutor", "seconds": 3.0, "tokens": 9000, "tokens_per_s": 3000.0, "loss": .01234, "steps": 40,
               "folder": "/home/janedoe/.tutor/stages/tutor-1"}]
    card = {"kind": "micro", "backend": "torch", "dtype": "float32", "parameters": 2_164_928, "recipe": MINE, "stages": stages,
            "evaluation": {"id": "0123", "before": summary(.03), "after": summary(.817)}, **card}
    return register(models, name, card, lambda folder: save_model(folder, tiny.CONFIG, tiny.model_weights(seed), tokenizer))


def on_data(models, tokenizer, entries, name="em-tutor", **more):
    """One trained on the user's own rows, too."""
    return micro(models, tokenizer, name, recipe={**MINE, "data": "/home/janedoe/rows.jsonl"}, data=list(entries), **more)


def adapter_files(folder, base="Qwen/Qwen2.5-0.5B", form="peft"):
    folder.mkdir(parents=True, exist_ok=True)
    a, b = np.ones((4, 64), np.float32), np.zeros((96, 4), np.float32)
    module = "model.layers.0.self_attn.q_proj"
    if form == "peft":
        save_file({f"base_model.model.{module}.lora_A.weight": a, f"base_model.model.{module}.lora_B.weight": b},
                  str(folder / "adapter_model.safetensors"))
        config = {"peft_type": "LORA", "base_model_name_or_path": base, "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    else:
        save_file({f"{module}.lora_a": a.T.copy(), f"{module}.lora_b": b.T.copy()}, str(folder / "adapters.safetensors"))
        config = {"fine_tune_type": "lora", "model": base, "lora_parameters": {"rank": 4, "scale": 2.0}}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def adapter(models, base="Qwen/Qwen2.5-0.5B", parents=(), form="peft", name="my-lora", **card):
    return register(models, name, {"kind": "adapter", "parents": list(parents), **card},
                    lambda folder: adapter_files(folder, base, form))


def foreign(tmp_path, tiny_tokenizer, models):
    return content(micro(models, tiny_tokenizer, "maker").path)


def one_line(err):
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


def content(folder):
    return {name.relative_to(folder).as_posix(): name.read_bytes() for name in folder.rglob("*") if name.is_file()}
