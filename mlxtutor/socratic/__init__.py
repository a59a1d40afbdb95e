"""Dialogues in which a tutor asks instead of telling."""
