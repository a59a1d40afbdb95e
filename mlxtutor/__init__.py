"""mlxtutor: make a tutoring language model that can be trusted, on the machine you own."""

__version__ = "0.1.0"
