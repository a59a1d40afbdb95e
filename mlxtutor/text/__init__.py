"""Text: the calculator's language, the tokenizer, chats and their loss mask."""
