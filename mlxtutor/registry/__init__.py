"""Models on disk and their names."""
