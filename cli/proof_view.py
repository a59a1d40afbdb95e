"""A proof on the terminal: one line a link."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import console


def print_proof(proof: dict[str, Any]) -> None:
    """A table of links and what was measured; `not proved` where --no-proof was given."""
    console.out.print()
    if proof["passed"] is None:
        console.out.print("not proved (--no-proof)")
        return
    rows = [row for link in proof["links"] for row in _rows(link)]
    if not any(link["name"] == "suite" for link in proof["links"]):
        rows.append(["suite", "not asked", proof.get("suite", "").removeprefix("not asked: ")])
    console.out.print(console.table(f"proof, {proof['engine']}", ["link", "", "measured"], rows))


def _rows(link: dict[str, Any]) -> Iterator[list[str]]:
    name, figures = link["name"], link["figures"]
    held = "broken" if link["problem"] else "holds"
    if name == "suite":
        for mode, found in figures.get("modes", {}).items():
            if found["n"]:
                shares = f"{_percent(found['source'])} right before, {_percent(found['product'])} after ({found['n']})"
                yield [f"suite, calculator {mode}", held, shares]
        yield ["suite, same answers", "", f"{_percent(figures['same_answers'])} of {figures['n']}"]
        return
    if name == "answers" and not figures["required"] and figures["different"]:
        held = "reported"
    yield [name, held, _measured(name, figures)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _measured(name: str, figures: dict[str, Any]) -> str:
    if "equal" in figures:
        return f"{figures['equal']} of {figures.get('texts', figures.get('chats'))} have the source's ids"
    if name == "probabilities" and None in (figures["kl"], figures["max_difference"]):
        return "not finite"
    if name == "probabilities":
        return f"KL {abs(figures['kl']):.1e} nats, largest difference {figures['max_difference']:.1e}"
    if name == "answers":
        return f"{figures['same']} same, {figures['near_ties']} part at a near tie, {figures['different']} different"
    if name == "stop":
        return ", ".join(figures["ends"])
    if name == "permutation":
        return f"{figures['permuted']} matrices" if figures["permuted"] else "none needed"
    return ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in figures.items() if isinstance(value, int))
