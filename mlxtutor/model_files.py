"""Names of files in a model's or adapter's directory, as Hugging Face, PEFT and mlx-lm have them."""

README = "README.md"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"
PEFT_FILE, MLX_FILE = "adapter_model.safetensors", "adapters.safetensors"
