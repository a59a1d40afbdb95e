"""Templates, notes and recipes that ship with the project; nothing here is code."""
