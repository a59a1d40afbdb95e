"""What `tutor models` prints: tables, the family tree, JSON documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from mlxtutor.errors import TutorError
from mlxtutor.model_files import ADAPTER_CONFIG
from mlxtutor.registry.lineage import children_of, parents_of
from mlxtutor.registry.models import ModelRef
from mlxtutor.registry.origin import data_of

from . import console
from .opened import shown_id

if TYPE_CHECKING:
    from mlxtutor.registry.manifest import Differences
    from mlxtutor.registry.promotion import Move

SPLITS = ("values", "wordings", "others", "types")
SCORES = {"correct": "", "correct_off": "  calculator off"}  # a score: what its row is called beneath the split's


def entry(ref: ModelRef) -> dict[str, Any]:
    """What lists give of a model."""
    return {"name": ref.name, "version": ref.version, "kind": ref.card.get("kind"), "path": str(ref.path), "stable": ref.stable,
            "created": ref.card.get("created"), "promoted": ref.promoted, "digest": ref.digest, "size": ref.card.get("size"),
            "problem": ref.problem or None}


def document(ref: ModelRef, known: Sequence[ModelRef]) -> dict[str, Any]:
    """The card, with `files` as {name: bytes} on the disk, `manifest` as the card's files, and `children`: what builds on it."""
    children = [{"role": link.get("role"), "model": child.id} for link, child in children_of(ref, known)]
    return {**entry(ref), **ref.card, "data": data_of(ref.card), "parents": ref.card.get("parents") or [], "children": children,
            "manifest": ref.card.get("files"), "files": _sizes(ref)}


def verified(ref: ModelRef, found: Differences) -> dict[str, Any]:
    """whole: None where an old card lists no files. sealed: the card has a digest of its own, and is part of what is whole."""
    return {"model": shown_id(ref), "path": str(ref.path), "whole": not found.any if found.known or found.any else None,
            "sealed": found.sealed, "changed": list(found.changed), "missing": list(found.missing), "added": list(found.added),
            **({"whole": False, "problem": ref.problem} if ref.problem else {})}


def print_list(found: Sequence[ModelRef]) -> None:
    rows = [[ref.id, "damaged" if ref.problem else "stable" if ref.stable else "", ref.card.get("kind", "-"), _parameters(ref),
             _correct(ref), _made(ref)] for ref in found]
    columns = ["model", "", "kind", "parameters", "correct on new values", "made (UTC)"]
    console.out.print(console.table("models", columns, rows, right=(3, 4)))
    for problem in dict.fromkeys(ref.problem for ref in found if ref.problem):
        console.note(f"damaged: {problem}")


def print_model(ref: ModelRef) -> None:
    """Everything but the family."""
    _print_head(ref)
    _print_stages(ref.card.get("stages") or [])
    evaluation = ref.card.get("evaluation") or {}
    before, after = ((evaluation.get(when) or {}).get("splits", {}) for when in ("before", "after"))
    if after:
        title = "correct answers, before and after the last stage"
        console.out.print(_compared(title, ("before", "after"), before, after))
        console.out.print()
    rows = [[name, console.size(count)] for name, count in _sizes(ref).items()]
    console.out.print(console.table("files", ["file", "size"], rows, right=(1,)))
    console.out.print()


def print_move(move: Move, as_json: bool) -> None:
    """What is stable now, what was, and how the two score."""
    old, new = move.old, move.new
    if as_json:
        console.print_json({"model": new.id if new else None, "from": old.id if old else None, "changed": old != new,
                            "evaluation": {"from": _splits(old), "to": _splits(new)}})
        return
    if old and old == new:
        console.out.print(f"{old.id} is the stable version already", markup=False)
    elif new:
        console.out.print(f"{new.id} is the stable version{f', in place of {old.id}' if old else ''}", markup=False)
    elif old:
        console.out.print(f"{old.name} has no stable version now; the name means its newest", markup=False)
    if old and new and old != new and (_splits(old) or _splits(new)):
        console.out.print()
        console.out.print(_compared("correct answers", (old.id, new.id), _splits(old), _splits(new)))


def print_history(rows: Sequence[Mapping[str, Any]]) -> None:
    cells = [[_minute(row["time"]), row["name"], row["event"], *("-" if row[key] is None else f"@{row[key]}" for key in ("from", "to")),
              row["note"]] for row in rows]
    console.out.print(console.table("history", ["when (UTC)", "model", "what", "from", "to", "note"], cells))


def print_verified(found: Sequence[tuple[ModelRef, Differences]]) -> None:
    if not found:
        console.out.print("no model yet (make one: tutor train)")
        return
    rows = [[shown_id(ref), "DAMAGED" if ref.problem else "CHANGED" if differences.any else "whole" if differences.known else "no manifest",
             ref.problem or str(differences) or _unsaid(differences)] for ref, differences in found]
    console.out.print(console.table("models against their manifests", ["model", "files are", ""], rows))


def _unsaid(found: Differences) -> str:
    """What can't be said of an old model."""
    if not found.known:
        return "registered before files were listed"
    return "" if found.sealed else "its card not checked: registered before cards had a digest"


def family(ref: ModelRef, known: Sequence[ModelRef]) -> Tree:
    """What the model was made of, back to its first ancestors, and everything that was built on it."""
    tree = Tree(_label(ref), guide_style="dim")
    if ref.card.get("parents"):
        _add_parents(tree.add(Text("made from", style="dim")), ref, known, {ref.id})
    if data := data_of(ref.card):
        _add_data(tree.add(Text("data", style="dim")), data)
    if children_of(ref, known):
        _add_children(tree.add(Text("built on it", style="dim")), ref, known, {ref.id})
    return tree


def _add_parents(tree: Tree, ref: ModelRef, known: Sequence[ModelRef], seen: set[str]) -> None:
    for link, parent in parents_of(ref, known):
        here = parent is not None and parent.id not in seen
        name = _label(parent) if parent else Text(f"{link.get('model')} (not in the registry)")
        branch = tree.add(Text(f"{link.get('role')}: ").append_text(name))
        if parent and here:
            _add_parents(branch, parent, known, seen | {parent.id})


def _add_children(tree: Tree, ref: ModelRef, known: Sequence[ModelRef], seen: set[str]) -> None:
    for link, child in children_of(ref, known):
        branch = tree.add(_label(child).append(f" · as {link.get('role')}", style="dim"))
        if child.id not in seen:
            _add_children(branch, child, known, seen | {child.id})


def _add_data(tree: Tree, entries: Sequence[Mapping[str, Any]]) -> None:
    """Each file, and the files that it was made of."""
    for item in entries:
        card = item.get("card") or {}
        digest = str(item.get("sha256") or item.get("digest") or "").removeprefix("sha256:")[:8]
        rows = f"{card['rows']:,} rows" if isinstance(card.get("rows"), int) else ""
        parts = [str(item.get("file")), item.get("use"), rows, ", ".join(card.get("licences") or {}), digest and f"sha256:{digest}"]
        _add_data(tree.add(Text(" · ".join(part for part in parts if part))), card.get("inputs") or [])


def _label(ref: ModelRef) -> Text:
    label = Text(shown_id(ref), style="bold" if ref.stable else "")
    score = _correct(ref)
    parts = [ref.card.get("kind"), "stable" if ref.stable else "", "" if score == "-" else f"{score} correct"]
    return label.append("".join(f" · {part}" for part in parts if part), style="not bold")


def _print_head(ref: ModelRef) -> None:
    card = ref.card
    code = card.get("code") or {}
    made_by = [f"mlxtutor {code.get('version')}", code.get("commit", "")[:10], "and changes" if code.get("changed") else ""]
    lines = {"folder": str(ref.path), "made": f"{_made(ref)} UTC" if "created" in card else "", "stable": _since(ref),
             "kind": card.get("kind"), "backend": f"{card['backend']}, {card['dtype']}" if "backend" in card else "",
             "parameters": _parameters(ref) if "parameters" in card else "", "shape": _shape(ref), "licence": card.get("licence"),
             "code": " ".join(filter(None, made_by)) if code else "",
             "size": console.size(card["size"]) if "size" in card else "", "digest": (ref.digest or "")[:len("sha256:") + 16],
             "fingerprint": card.get("fingerprint"), "evaluation": (card.get("evaluation") or {}).get("id")}
    console.out.print(ref.id if ref.version else str(ref.path), style="bold", markup=False)
    for key, value in lines.items():
        if value:
            console.out.print(f"{key:12}{value}", markup=False, soft_wrap=True)
    console.out.print()


def _print_stages(stages: list[dict[str, Any]]) -> None:
    if stages:
        rows = [[s["name"], f"{s['tokens']:,}", f"{s.get('steps', 0):,}", f"{s['tokens_per_s']:,.0f}", console.duration(s["seconds"]),
                 f"{s['loss']:.4f}"] for s in stages]
        columns = ["stage", "tokens", "steps", "tokens/s", "time", "validation loss"]
        console.out.print(console.table("stages", columns, rows, right=(1, 2, 3, 4, 5)))
        console.out.print()


def _compared(title: str, names: tuple[str, str], old: Mapping[str, Any], new: Mapping[str, Any]) -> Any:
    """Two evaluations' correct answers, split by split. problems: those that the score was asked of, both numbers where they differ."""
    from mlxtutor.evaluation.report import asked_of

    rows = []
    for split in dict.fromkeys([*(s for s in SPLITS if s in new or s in old), *new, *old]):
        for name, label in SCORES.items():
            scores = [side.get(split, {"scores": {}})["scores"].get(name) for side in (old, new)]
            if name == "correct" or any(scores):
                cells = [cell for score in scores for cell in (console.percent(score), console.interval(score))]
                rows.append([label or split, asked_of(scores) or "-", *cells])
    return console.table(title, ["split", "problems", names[0], "95 %", names[1], "95 %"], rows, right=(1, 2, 3, 4, 5))


def _splits(ref: ModelRef | None) -> dict[str, Any]:
    """The model's own evaluation after training: {split: {"n", "scores": {"correct", "correct_off"}}}, empty without one."""
    splits = ((ref.card.get("evaluation") or {}).get("after") or {}).get("splits", {}) if ref else {}
    return {name: {"n": split["n"], "scores": {score: split["scores"][score] for score in SCORES if score in split["scores"]}}
            for name, split in splits.items()}


def _sizes(ref: ModelRef) -> dict[str, int]:
    return {p.relative_to(ref.path).as_posix(): p.stat().st_size for p in sorted(ref.path.rglob("*"))
            if p.is_file() and not p.name.startswith(".")}


def _shape(ref: ModelRef) -> str:
    from mlxtutor.registry.directory import load_config

    try:
        config = load_config(ref.path)
    except TutorError:
        if ref.version or (ref.path / ADAPTER_CONFIG).is_file():  # an adapter, or of an architecture that is only passed on
            return ""
        raise
    return (f"{config.num_layers} layers of {config.hidden_size}, {config.num_heads} heads of {config.head_dim}, "
            f"{config.vocab_size:,} pieces, {config.max_seq_len:,} tokens of context")


def _since(ref: ModelRef) -> str:
    return f"since {_minute(ref.promoted)} UTC" if ref.promoted else ""


def _made(ref: ModelRef) -> str:
    return _minute(ref.card.get("created", ""))


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _parameters(ref: ModelRef) -> str:
    return f"{ref.card['parameters']:,}" if "parameters" in ref.card else "-"


def _correct(ref: ModelRef) -> str:
    return console.percent(_splits(ref).get("values", {}).get("scores", {}).get("correct"))
