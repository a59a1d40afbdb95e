"""A model to other runtimes: GGUF, Ollama, Hugging Face, with a proof."""
