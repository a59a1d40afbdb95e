"""Loss curves as a picture."""

from __future__ import annotations

import json
from pathlib import Path


def plot_losses(stages: list[tuple[str, Path]], path: Path) -> None:
    """One panel a stage: smoothed training loss and validation loss in nats per target, over the stage's steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(stages), figsize=(4 * len(stages), 3.2), squeeze=False, layout="constrained")
    for axis, (name, metrics) in zip(axes[0], stages):
        records = [json.loads(line) for line in metrics.read_text().splitlines()]
        taken = [r for r in records if r["loss"] is not None]  # null: a skipped step
        steps, losses = [r["step"] for r in taken], [r["loss"] for r in taken]
        axis.plot(steps, losses, color="#b8c4d6", linewidth=.7, label="training step")
        axis.plot(steps, _smooth(losses), color="#28518f", label="training, smoothed")
        marked = [r for r in records if "val_loss" in r]
        axis.plot([r["step"] for r in marked], [r["val_loss"] for r in marked], "o-", color="#c0562c", markersize=4, label="validation")
        axis.set(title=name, xlabel="step", ylabel="loss (nats per target)", yscale="log")
        axis.grid(alpha=.25, which="both")
    axes[0][0].legend(fontsize=8)
    beside = path.with_name("." + path.name)
    figure.savefig(beside, dpi=130, format="png")
    plt.close(figure)
    beside.replace(path)


def _smooth(values: list[float], weight: float = .95) -> list[float]:
    """Exponential moving average with bias correction."""
    result, mean, total = [], 0.0, 0.0
    for value in values:
        mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        result.append(mean / total)
    return result
