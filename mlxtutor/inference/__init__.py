"""Generation with the calculator, chats."""
