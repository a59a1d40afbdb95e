"""Where models, runs and evaluations live: $TUTOR_HOME, by default ~/.tutor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The folders of one user's tutor home."""

    root: Path

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def stages(self) -> Path:
        """Stages by the fingerprint of their inputs: a finished one is never run again."""
        return self.root / "stages"

    @property
    def evaluations(self) -> Path:
        return self.root / "evaluations"
