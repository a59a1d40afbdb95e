"""`tutor tokenizer`: see how a text is cut, or train a tokenizer on texts of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.text import Text

from . import console
from .options import AsJson

if TYPE_CHECKING:
    from mlxtutor.text.tokenizer import Tokenizer

app = typer.Typer(no_args_is_help=True, help='Pieces of text. Example: tutor tokenizer inspect "5.4 µC"')
COLOURS = ("black on bright_cyan", "black on bright_yellow")
SPECIAL = "bold white on magenta"


def load_tokenizer(model: str | None) -> Tokenizer:
    """Of a model by name or directory, of a tokenizer.model file, or of the promoted or newest model."""
    from mlxtutor.registry.models import resolve
    from mlxtutor.text.tokenizer import Tokenizer

    if model is not None and (Path(model) / "tokenizer.model").is_file() or model is not None and Path(model).is_file():
        return Tokenizer.load(Path(model))
    return Tokenizer.load(resolve(console.home().models, model).path)


@app.command("inspect")
def inspect_command(
    text: Annotated[str, typer.Argument(help='The text, or "-" to read it from standard input.')],
    model: Annotated[str | None, typer.Option(help="Model or tokenizer.model; by default the promoted or newest model's.")] = None,
    as_json: AsJson = False,
) -> None:
    """The pieces a text is cut into, with their ids; a special token's text is read as that token.

    Example: tutor tokenizer inspect "Two charges of 5.4 µC" --model em-tutor
    """
    tokenizer = load_tokenizer(model)
    text = sys.stdin.read() if text == "-" else text
    ids = tokenizer.encode(text)
    count = len(text.encode())
    if as_json:
        console.print_json({"text": text, "bytes": count, "tokens": len(ids), "bytes_per_token": count / len(ids) if ids else None,
                            "pieces": [_piece(tokenizer, i) for i in ids], "vocab_size": tokenizer.vocab_size,
                            "special_tokens": _specials(tokenizer)})
        return
    for line in _lines(tokenizer, ids, console.out.width):
        console.out.print(line, soft_wrap=True)
    rate = f", {count / len(ids):.2f} bytes a token" if ids else ""
    console.out.print(f"{count} bytes, {len(ids)} tokens{rate}; vocabulary of {tokenizer.vocab_size:,}")
    console.out.print("special tokens: " + ", ".join(f"{text} {i}" for text, i in _specials(tokenizer).items()), markup=False)


def _specials(tokenizer: Tokenizer) -> dict[str, int]:
    from mlxtutor.text.tokenizer import SPECIALS

    return {special: tokenizer.encode(special)[0] for special in SPECIALS}


def _piece(tokenizer: Tokenizer, token: int) -> dict[str, Any]:
    return {"id": token, "piece": tokenizer.piece(token), "special": tokenizer.is_special(token)}


def _lines(tokenizer: Tokenizer, ids: list[int], width: int) -> list[Text]:
    """Pieces in alternating colours, each with its id below, wrapped to the terminal."""
    lines: list[Text] = []
    pieces, numbers = Text(), Text()
    for index, token in enumerate(ids):
        piece = tokenizer.piece(token)
        cell = max(cell_len(piece), len(str(token))) + 1
        if pieces.cell_len + cell > width and pieces.cell_len:
            lines += [pieces, numbers, Text()]
            pieces, numbers = Text(), Text()
        pieces.append(piece, SPECIAL if tokenizer.is_special(token) else COLOURS[index % 2])
        pieces.append(" " * (cell - cell_len(piece)))
        numbers.append(str(token).ljust(cell), "dim")
    return [*lines, pieces, numbers, Text()] if ids else []


@app.command("train")
def train_command(
    sources: Annotated[list[str], typer.Argument(metavar="SRC...", help="Folders, text or JSONL files, hub:owner/name.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the tokenizer's files go.")],
    vocab_size: Annotated[int, typer.Option(help="Number of pieces, the 263 reserved ones included.")] = 2048,
) -> None:
    """Train a SentencePiece BPE tokenizer with the chat's and the calculator's tokens.

    Example: tutor tokenizer train notes/ problems.jsonl --vocab-size 4096 --out my-tokenizer
    """
    import tempfile

    from mlxtutor.config import ModelConfig
    from mlxtutor.datasets.corpus import read_corpus
    from mlxtutor.errors import TutorError
    from mlxtutor.text.hf_files import write_tokenizer_files
    from mlxtutor.text.tokenizer import train_tokenizer

    if out.exists() and not out.is_dir():
        raise TutorError(f"--out {out} is a file (give a folder, new or not)")
    texts = (text for source in sources for text in read_corpus(source))
    with tempfile.TemporaryDirectory() as folder, console.err.status("learning pieces"):
        tokenizer = train_tokenizer(texts, vocab_size, Path(folder) / "tokenizer.model")
    files = write_tokenizer_files(tokenizer, out, ModelConfig().max_seq_len)
    console.out.print(f"{tokenizer.vocab_size:,} pieces in {out}: {', '.join(path.name for path in files)}", markup=False, soft_wrap=True)
