"""The command ``new-cells``: a template of ``cells.csv``, or cells from a pasted table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add ``new-cells`` to the commands of the parser."""
    new = commands.add_parser(
        "new-cells",
        help="write the printed cells of a study: a template, or from a pasted table",
        description="Write a cells.csv with one row a coefficient and model, or read a table from Word, Excel, HTML, a "
        "delimited file or plain text. On a terminal it asks where a row or column cannot be told; otherwise the "
        "cell's note says what is missing. Nothing is overwritten.",
    )
    new.add_argument("study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml")
    new.add_argument(
        "--paste", metavar="FILE", help="table to read; '-' for the clipboard's text on standard input"
    )
    new.add_argument("--model", default="", metavar="ID", help="model that the pasted table reports")
    new.add_argument("--table", default="", metavar="NAME", help="name of the table in the publication")
    new.add_argument(
        "--number", type=int, default=1, metavar="N", help="which table of the file (default: the first)"
    )
    new.add_argument(
        "--to", type=Path, metavar="FILE", help="file to write (default: cells.csv of the study's folder)"
    )
    new.set_defaults(run=_new_cells)


def _new_cells(options: argparse.Namespace) -> int:
    from bayes_alliance.data.new_cells import cells_of_grid, format_cells, template_cells
    from bayes_alliance.errors import InputError, Problem
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    target = options.to or study.folder / "cells.csv"
    if target.exists():
        problem = Problem(what="the file exists already", got=str(target), fix="name another one with --to")
        raise InputError("new-cells", [problem])
    known = [model.id for model in study.models]
    if options.model and options.model not in known:
        problem = Problem(what="no such model", got=repr(options.model[:60]), allowed=", ".join(known))
        raise InputError("option --model", [problem])
    if options.paste is None:
        cells = template_cells(study)
    else:
        grid = _grid(options.paste, options.number)
        ask = _ask if sys.stdin.isatty() and options.paste != "-" else None
        cells = cells_of_grid(study, grid, table=options.table or "1", model=options.model, ask=ask)
    target.write_text(format_cells(cells), encoding="utf-8")
    open_ones = [cell for cell in cells if cell.note]
    print(f"{target}: {len(cells)} cells, {len(open_ones)} with a question in their note")
    for cell in open_ones:
        print(f"  {cell.row} | {cell.column} | {cell.printed}: {cell.note}")
    if options.paste is None:
        print("fill in 'printed' as it stands in the paper, and remove the rows that it does not print")
    return 0


def _grid(source: str, number: int) -> list[list[str]]:
    from bayes_alliance.data.readers.printed_grid import pasted_grids, read_grids
    from bayes_alliance.errors import InputError, Problem

    grids = pasted_grids(sys.stdin.read()) if source == "-" else read_grids(Path(source))
    if not 1 <= number <= len(grids):
        allowed = f"1 to {len(grids)}" if grids else "a text with a table"
        raise InputError("new-cells", [Problem(what="no such table", got=str(number), allowed=allowed)])
    if len(grids) > 1:
        print(f"table {number} of the {len(grids)} in the file; --number takes another")
    return grids[number - 1]


def _ask(question: str, answers: Sequence[str]) -> str:
    """Ask on the terminal until the answer is one of those, or empty."""
    while True:
        print(f"{question} [{', '.join(answers)}; empty to leave it open]", file=sys.stderr)
        answer = input("> ").strip()
        if not answer or answer in answers:
            return answer
        print(f"{answer!r} is none of them", file=sys.stderr)
