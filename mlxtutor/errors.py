"""The one exception that a command turns into one line."""


class TutorError(Exception):
    """A mistake its user can fix; printed as one line."""
