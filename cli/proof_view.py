"""A proof on the terminal: one line a link."""

from __future__ import annotations

from typing import Any

from . import console


def print_proof(proof: dict[str, Any]) -> None:
    """A table of links and what was measured; `not proved` where --no-proof was given."""
    console.out.print()
    if proof["passed"] is None:
        console.out.print("not proved (--no-proof)")
        return
    rows = [[link["name"], "broken" if link["problem"] else "holds", _measured(link["name"], link["figures"])] for link in proof["links"]]
    console.out.print(console.table(f"proof, {proof['engine']}", ["link", "", "measured"], rows))


def _measured(name: str, figures: dict[str, Any]) -> str:
    if "equal" in figures:
        return f"{figures['equal']} of {figures.get('texts', figures.get('chats'))} have the source's ids"
    if name == "probabilities":
        return f"KL {abs(figures['kl']):.1e} nats, largest difference {figures['max_difference']:.1e}"
    if name == "answers":
        return f"{figures['same']} same, {figures['near_ties']} part at a near tie, {figures['different']} different"
    if name == "suite":
        return (f"{100 * figures['source']:.1f} % right before, {100 * figures['product']:.1f} % after "
                f"({figures['n']} problems, {100 * figures['same_answers']:.0f} % of the answers the same)")
    return ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in figures.items() if isinstance(value, int))
