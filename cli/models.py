"""`tutor models`: what has been made here, and which version is the one to use."""

from __future__ import annotations

from typing import Annotated

import typer

from . import console
from .options import AsJson

app = typer.Typer(no_args_is_help=True, help="The models made here, their versions and which one is stable. Example: tutor models list")
MODEL = "NAME (its stable version, else its newest), NAME@2, NAME@stable, NAME@newest, sha256:1234abcd or a directory"
Note = Annotated[str, typer.Option(help="Why; kept in the history.")]
Version = Annotated[str, typer.Argument(metavar="NAME@N", help="NAME@3, NAME@newest or sha256:1234abcd.", show_default=False)]


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Every model, oldest first.

    Example: tutor models list --json
    """
    from mlxtutor.registry.models import list_models

    from .model_views import entry, print_list

    found = list_models(console.home().models)
    if as_json:
        console.print_json([entry(ref) for ref in found])
    elif found:
        print_list(found)
    else:
        console.out.print("no model yet (make one: tutor train)")


@app.command("show")
def show_command(
    model: Annotated[str | None, typer.Argument(help=f"{MODEL}. By default the model promoted last, else the newest.")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Only what it was made of and what was built on it.")] = False,
    as_json: AsJson = False,
) -> None:
    """One model: how it was made, how it scores, its files, what it was made of and what was built on it.

    Example: tutor models show em-tutor --tree
    """
    from mlxtutor.registry.models import list_models, resolve

    from .model_views import document, family, print_model

    ref = resolve(console.home().models, model)
    known = list_models(console.home().models)
    if as_json:
        console.print_json(document(ref, known))
        return
    if not tree:
        print_model(ref)
    console.out.print(family(ref, known))
    others = [other.id for other in known if other.name == model and other.id != ref.id]
    if others:
        console.err.print(f"also here: {', '.join(others[-6:])} (e.g. tutor models show {others[-1]})", style="dim", markup=False,
                          soft_wrap=True)


@app.command("promote")
def promote_command(version: Version, note: Note = "", as_json: AsJson = False) -> None:
    """Make a version the stable one: what NAME means from now on, and what commands take when no model is named.

    Example: tutor models promote em-tutor@3 --note "tried with class 9b"
    """
    from mlxtutor.registry.promotion import promote

    from .model_views import print_move

    print_move(promote(console.home().models, version, note), as_json)


@app.command("rollback")
def rollback_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the model.", show_default=False)],
    to: Annotated[int | None, typer.Option("--to", min=0, metavar="N", help="Back to version N, stable before; 0: to none.")] = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Undo the last promotion: the version that was stable before is so again. Done twice it goes further back.

    Example: tutor models rollback em-tutor
    """
    from mlxtutor.registry.promotion import rollback

    from .model_views import print_move

    print_move(rollback(console.home().models, name, to, note), as_json)


@app.command("history")
def history_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of one model; of all by default.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Promotions, rollbacks and removals, oldest first.

    Example: tutor models history em-tutor --json
    """
    from mlxtutor.registry.promotion import history

    from .model_views import print_history

    rows = history(console.home().models, name)
    if as_json:
        console.print_json(rows)
    elif rows:
        print_history(rows)
    else:
        console.out.print("nothing promoted or removed yet (promote a version: tutor models promote NAME@N)")


@app.command("remove")
def remove_command(version: Version, as_json: AsJson = False) -> None:
    """Delete a version for good. Refused where it is stable or where other models build on it; its number is not given again.

    Example: tutor models remove em-tutor@1
    """
    from mlxtutor.registry.removal import remove

    ref = remove(console.home().models, version)
    if as_json:
        console.print_json({"removed": ref.id, "path": str(ref.path), "size": ref.card.get("size")})
    else:
        freed = f", {console.size(ref.card['size'])}" if "size" in ref.card else ""
        console.out.print(f"{ref.id} is removed{freed}", markup=False)


@app.command("verify")
def verify_command(
    model: Annotated[str | None, typer.Argument(help=f"{MODEL}. By default all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read every file again: is each still what was registered? Exit code 1 where one is not.

    Example: tutor models verify em-tutor@2
    """
    from mlxtutor.registry.manifest import compare
    from mlxtutor.registry.models import list_models, resolve

    from .model_views import print_verified, verified

    models = console.home().models
    refs = [resolve(models, model)] if model else list_models(models)
    found = [(ref, compare(ref.path, ref.card)) for ref in refs]
    if as_json:
        console.print_json([verified(ref, differences) for ref, differences in found])
    else:
        print_verified(found)
    if any(ref.problem or differences.any for ref, differences in found):
        raise typer.Exit(1)
