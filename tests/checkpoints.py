"""Tiny random model directories of every architecture that is exported, and LoRA adapters on them; made with transformers and peft."""

from __future__ import annotations

import io
import json
from pathlib import Path

import sentencepiece
import tiny
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from mlxtutor.export.samples import SCRAPS, random_texts
from mlxtutor.export.vocabulary import RULES

CHATML = ("{%- for message in messages -%}"
          "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
          "{%- endfor -%}"
          "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}")
LLAMA3 = ("{{ bos_token }}{%- for message in messages -%}"
          "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
          "{%- endfor -%}"
          "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}")
MISTRAL = ("{{ bos_token }}{%- for message in messages -%}"
           "{%- if message['role'] == 'user' -%}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
           "{%- elif message['role'] == 'assistant' -%}{{ ' ' + message['content'] + eos_token }}"
           "{%- else -%}{{ raise_exception('Only user and assistant roles are supported!') }}{%- endif -%}{%- endfor -%}")
GEMMA = ("{{ bos_token }}"
         "{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}"
         "{%- for message in messages -%}{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
         "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{%- endfor -%}"
         "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}")
BYTE_LEVEL = {  # template, special tokens, bos, eos, rule
    "qwen2": (CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None, "<|im_end|>", "qwen2"),
    "qwen3": (CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None, "<|im_end|>", "qwen2"),
    "llama": (LLAMA3, ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
              "<|begin_of_text|>", "<|eot_id|>", "llama-bpe"),
}
SENTENCEPIECE = {  # template, added tokens, eos, dummy prefix
    "mistral": (MISTRAL, ["[INST]", "[/INST]"], "</s>", True), "gemma": (GEMMA, ["<start_of_turn>", "<end_of_turn>"], "<eos>", False),
}
KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma")
SIZES = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
             max_position_embeddings=512, rms_norm_eps=1e-5)


def make(kind: str, directory: Path, dtype: str = "float32", seed: int = 0, **changes) -> Path:
    """A random checkpoint whose norms are not one and whose logits spread; sharded where `shard` (a size) says so."""
    import torch
    import transformers

    directory.mkdir(parents=True, exist_ok=True)
    vocab_size = _byte_level(kind, directory) if kind in BYTE_LEVEL else _sentencepiece(kind, directory)
    shard = changes.pop("shard", "5GB")
    tied = changes.pop("tied", kind == "gemma")
    eos = json.loads((directory / "tokenizer_config.json").read_text())["eos_id"]
    sizes = {**SIZES, **({"head_dim": 16} if kind == "qwen2" else {}), **changes}
    config = transformers.AutoConfig.for_model(kind, vocab_size=vocab_size + 3, tie_word_embeddings=tied, eos_token_id=eos,
                                               bos_token_id=None, pad_token_id=None, **sizes)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.normal_(0, .3 if value.ndim == 1 else .12)
            if "norm" in name and kind != "gemma":
                value += 1
    model.to(getattr(torch, dtype)).save_pretrained(directory, max_shard_size=shard)
    return directory


def make_adapter(base: Path, directory: Path, seed: int = 1, rank: int = 4, alpha: int = 8, strength: float = .2, targets=None) -> Path:
    """A PEFT LoRA adapter that changes the base's answers."""
    import peft
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    chosen = targets or ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=chosen, task_type="CAUSAL_LM"))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_" in name:
                value.normal_(0, strength)
    adapted.save_pretrained(directory)
    return directory


def _texts() -> list[str]:
    return [*tiny.texts(300), *random_texts(300, seed=9), *SCRAPS]


def _byte_level(kind: str, directory: Path) -> int:
    template, special, bos, eos, rule = BYTE_LEVEL[kind]
    tokenizer = Tokenizer(models.BPE(ignore_merges=rule == "llama-bpe"))
    split = pre_tokenizers.Split(Regex(RULES[rule]), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(_texts(), trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(directory / "tokenizer.json"))
    _settings(directory, template, bos, eos, tokenizer.token_to_id(eos), add_bos_token=bos is not None)
    return tokenizer.get_vocab_size()


def _sentencepiece(kind: str, directory: Path) -> int:
    template, added, eos, prefix = SENTENCEPIECE[kind]
    written = io.BytesIO()
    names = {} if kind == "mistral" else {"bos_piece": "<bos>", "eos_piece": eos}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text[:1000] for text in _texts()), model_writer=written, model_type="bpe", vocab_size=700,
        byte_fallback=True, split_digits=True, allow_whitespace_only_pieces=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=prefix, unk_id=0, bos_id=1, eos_id=2, num_threads=1, minloglevel=3, **names)
    (directory / "tokenizer.model").write_bytes(written.getvalue())
    decoder = {str(700 + at): {"content": token, "special": True} for at, token in enumerate(added)}
    bos = "<s>" if kind == "mistral" else "<bos>"
    end = 2 if kind == "mistral" else 701
    _settings(directory, template, bos, eos, end, add_bos_token=True, added_tokens_decoder=decoder)
    return 700 + len(added)


def _settings(directory: Path, template: str, bos: str | None, eos: str, eos_id: int, **more) -> None:
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos, "chat_template": template,
                "eos_id": eos_id, **more}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
