"""`tutor doctor`: what this machine can do, what would be used and why, what to fix."""

from __future__ import annotations

from typing import Any

from . import console
from .options import AsJson

GIB = 2**30


def doctor(
    as_json: AsJson = False,
) -> None:
    """What this machine can do, which backend would be used and why, and what to fix.

    Example: tutor doctor
    """
    from mlxtutor.doctor import examine

    with console.err.status("looking around, measuring a matrix product"):
        found = examine(console.home().root)
    if as_json:
        console.print_json(found)
        return
    _print_backends(found)
    _print_blas(found["blas"])
    _print_machine(found)
    _print_fixes(found)


def _print_backends(found: dict[str, Any]) -> None:
    rows = [[name, "yes" if b["available"] else "no", b["device"] or "-", b["dtype"] or "-", b["reason"]]
            for name, b in found["backends"].items()]
    console.out.print(console.table("backends", ["name", "works", "device", "dtype", "reason"], rows))
    auto = found["auto"]
    console.out.print(f"[bold]--backend auto[/] takes [bold]{auto['backend'] or 'nothing'}[/]: ", end="")
    console.out.print(auto["reason"] + "\n", markup=False)


def _print_blas(blas: dict[str, Any]) -> None:
    rows = [["library", blas["name"] or "-"]]
    if blas["path"]:
        rows.append(["file", blas["path"]])
    rows.append(["why", blas["reason"]])
    if blas["stock_gflops"]:
        rows.append(["MLX as installed", f"{blas['stock_gflops']:.0f} GFLOP/s (float32, 1024 x 1024)"])
        threads = f"{blas['threads']} thread" + "s" * (blas["threads"] != 1)
        rows.append(["as used here", f"{blas['loaded_gflops']:.0f} GFLOP/s, {blas['speedup']:.1f} times as fast, {threads}"])
    _print_pairs("matrix products in MLX", rows)


def _print_machine(found: dict[str, Any]) -> None:
    memory, python, home = found["memory_bytes"], found["python"], found["home"]
    _print_pairs("machine", [
        ["memory", f"{memory['available'] / GIB:.1f} of {memory['total'] / GIB:.1f} GiB available"],
        ["disk", f"{found['disk_free_bytes'] / GIB:.1f} GiB free"],
        ["cores", str(found["cores"])],
        ["python", f"{python['version']} on {python['platform']}"],
        ["TUTOR_HOME", f"{home['path']} ({'writable' if home['writable'] else 'NOT writable: ' + home['reason']})"],
    ])
    rows = [[name, "yes" if e["available"] else "no", ", ".join(e["missing"]) or "-", e["fix"]] for name, e in found["extras"].items()]
    console.out.print(console.table("extras", ["name", "installed", "missing", "to get it"], rows))


def _print_fixes(found: dict[str, Any]) -> None:
    fixes = [f"backend {name}: {b['fix']}" for name, b in found["backends"].items() if b["fix"]]
    fixes += [f"slow matrix products: {found['blas']['fix']}"] if found["blas"]["fix"] else []
    fixes += [f"TUTOR_HOME: {found['home']['fix']}"] if found["home"]["fix"] else []
    console.out.print()
    if not fixes:
        console.out.print("[green]Nothing to fix.[/]")
    for fix in fixes:
        console.out.print(f"to fix - {fix}", markup=False, style="yellow")


def _print_pairs(title: str, rows: list[list[str]]) -> None:
    table = console.table(title, ["", ""], rows)
    table.show_header = False
    console.out.print(table)
    console.out.print()
