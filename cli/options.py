"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

RECIPE_HELP = "A shipped recipe (micro, micro-fast, micro-long) or a YAML file."
Recipe = Annotated[str, typer.Argument(help=RECIPE_HELP)]
Backend = Annotated[str, typer.Option(help="auto, mlx or torch.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; repeat for more.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")]
