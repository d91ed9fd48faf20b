"""What a command would write, looked at before it does anything: no input and no file of somebody else's is lost."""

from __future__ import annotations

import argparse
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bayes_alliance.cli.options import STYLES
from bayes_alliance.errors import InputError, Problem

_INPUTS = ("file", "data", "patients", "design")
_OUTPUTS = ("json", "share")
# What the JSON of some command holds, whatever its command.
_OWN_KEYS = (
    {"schema", "study"},
    {"study", "source"},
    {"study", "tables"},
    {"study", "folder"},
    {"ok", "warnings"},
    {"ok", "problems"},
)
_MAX_CHECKED = 50_000_000


def check_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that would replace an input or a file that no command of this package made.

    Parameters
    ----------
    options : argparse.Namespace
        Of any command.

    Raises
    ------
    InputError
        With every output that cannot be written.
    """
    inputs = {path.resolve() for path in _inputs(options)}
    problems: list[Problem] = []
    for name in _OUTPUTS:
        given = getattr(options, name, None)
        if isinstance(given, str | Path) and str(given) != "-":
            problems += _check_file(Path(given), f"option --{name}", inputs)
    out = getattr(options, "out", None)
    if isinstance(out, Path):
        problems += _check_folder(out, inputs)
    if problems:
        raise InputError("options", problems)


def _inputs(options: argparse.Namespace) -> Iterator[Path]:
    for name in _INPUTS:
        path = getattr(options, name, None)
        if isinstance(path, Path):
            yield path
    study = getattr(options, "study", None)
    if isinstance(study, str) and Path(study).exists():
        folder = Path(study) if Path(study).is_dir() else Path(study).parent
        yield from (path for path in folder.iterdir() if path.is_file())


def _check_file(path: Path, where: str, inputs: set[Path]) -> Iterator[Problem]:
    place = {"where": where, "got": str(path)}
    allowed = "a file, or - to print" if where.endswith("json") else "a file"
    if path.is_dir():
        yield Problem(what="it is a folder", allowed=allowed, **place)
    elif path.resolve() in inputs:
        yield Problem(what="it is an input of this command", fix="name another file", **place)
    elif path.exists() and not _is_ours(path):
        yield Problem(
            what="a file that this command did not make is there", fix="move it, or name another", **place
        )
    elif not path.parent.is_dir():
        yield Problem(
            what="its folder does not exist",
            allowed=allowed,
            **place,
        )
    else:
        try:
            # Only writing shows whether one may.
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            yield Problem(what=f"nothing can be written there ({error.strerror})", **place)


def _is_ours(path: Path) -> bool:
    """Whether a file is a bundle, or numbers as JSON, that an earlier run wrote."""
    if not path.is_file() or path.stat().st_size > _MAX_CHECKED:
        return False
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return "REMOVED.txt" in archive.namelist()
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(keys <= set(found) for keys in _OWN_KEYS)


def _check_folder(folder: Path, inputs: set[Path]) -> Iterator[Problem]:
    if folder.resolve() in inputs or (folder.exists() and not folder.is_dir()):
        yield Problem(what="there is a file of this name", where="option --out", got=str(folder))
    elif folder.resolve() == Path.cwd():
        yield Problem(
            what="it is the working folder",
            where="option --out",
            got=repr(str(folder)),
            fix="name a folder below it",
        )


# Over 40 lines: one option after another, each with its help.
def add_files(command: argparse.ArgumentParser) -> None:
    """Add the options of what a run writes, and how.

    Parameters
    ----------
    command : ArgumentParser
        Of a command that writes tables and figures.
    """
    command.add_argument(
        "--style",
        choices=STYLES,
        default="journal",
        help="figure format: journal (two columns), column, apa or slides (default: %(default)s)",
    )
    command.add_argument(
        "--share",
        type=Path,
        metavar="ZIP",
        help="also write a shareable bundle without patient-level data (docs/disclosure.md)",
    )
    command.add_argument(
        "--no-share-draws",
        dest="share_draws",
        action="store_false",
        help="leave posterior draws out of the bundle",
    )
    command.add_argument(
        "--figures",
        choices=("svg", "pdf", "png", "all"),
        default="svg",
        help="drawings beside the SVG that the page shows: pdf, png (600 dpi) or all (default: %(default)s alone)",
    )
    command.add_argument(
        "--captions",
        choices=("file", "inside"),
        default="file",
        help="titles and notes of figures in figures/captions.md, or inside the pictures (default: %(default)s)",
    )
    command.add_argument(
        "--spaghetti",
        action="store_true",
        help="also draw every patient's scores over time, into the folder patients, which is not for publication",
    )
    command.add_argument(
        "--everything",
        action="store_true",
        help="write every figure of every model, and each table as CSV, Markdown, LaTeX, HTML and Word",
    )
