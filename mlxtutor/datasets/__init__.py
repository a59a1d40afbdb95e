"""Rows of data: reading, checking, packing, and the generated texts and chats of the early stages."""
