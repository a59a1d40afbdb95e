"""Chats beyond the first answer: turns that go deeper, corrections, answer modes, learner levels."""
