"""A model by the name a user gave, opened on a backend, and the line that says so."""

from __future__ import annotations

from dataclasses import dataclass

from mlxtutor.backends import Device, choose, load
from mlxtutor.home import Home
from mlxtutor.inference.generate import LoadedModel
from mlxtutor.registry.directory import open_model
from mlxtutor.registry.models import ModelRef, resolve, shown_id


@dataclass(frozen=True)
class Opened:
    """A model ready to answer. reason: why this backend."""

    ref: ModelRef
    loaded: LoadedModel
    device: Device
    reason: str

    @property
    def id(self) -> str:
        return shown_id(self.ref)

    @property
    def memory(self) -> int | None:
        """Earlier exchanges it reads unless asked otherwise; None for all. A micro tutor has only seen single problems."""
        return 0 if self.ref.card.get("kind") == "micro" else None

    @property
    def headline(self) -> str:
        """`em-tutor@1 · torch on x86_64 CPU, 2 cores, bfloat16 (torch on the CPU computes in bfloat16)`."""
        device = self.device
        return f"{self.id} · {device.backend} on {device.name}, {device.dtype} ({self.reason})"


def system_of(home: Home, name: str | None) -> str | None:
    """The system text that the model's recipe begins every chat with."""
    return (resolve(home.models, name).card.get("recipe") or {}).get("system") or None


def open_named(home: Home, name: str | None, backend: str, dtype: str = "auto") -> Opened:
    """name: as registry.models.resolve takes it. backend: auto, mlx or torch."""
    ref = resolve(home.models, name)
    chosen, reason = choose(backend)
    module = load(chosen)
    return Opened(ref, open_model(ref.path, module, dtype, shown_id(ref)), module.device(dtype), reason)
