"""Scoring answers: what a text says (notation, reading, units, directions, refusal), whether that is right, and the table."""
