"""Names of files in a model's or adapter's directory, as Hugging Face, PEFT and mlx-lm have them."""

import re

README = "README.md"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"
PEFT_FILE, MLX_FILE = "adapter_model.safetensors", "adapters.safetensors"
LICENCE = re.compile(r"(LICEN[CS]E|NOTICE|COPYING|USE_POLICY)[^/]*")


def is_licence_file(name: str) -> bool:
    """A licence, a notice or terms of use."""
    return LICENCE.fullmatch(name) is not None
