"""Models to and from the Hugging Face hub: the licence check, the model card, push and pull."""
