"""Which files of a folder this package made, so that no other is ever overwritten.

A folder of results carries a small ledger: the digests of the files that the last run left, and the names of files
that were there already. A run begins only where nothing that it might overwrite is somebody else's or was changed by
hand. While it runs, and after it was killed, the ledger says so, and what it left half done may be replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.errors import InputError, Problem

LEDGER = ".bayes-alliance.json"
_SHOWN = 5
# Endings of what a command writes right into its folder.
_ENDINGS = frozenset(
    (".csv", ".md", ".tex", ".html", ".docx", ".pdf", ".svg", ".png", ".json", ".parquet", ".txt", ".xlsx")
)
_PARTS = ("tables", "figures", "paper", "patients")


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Write into a folder during the block; afterwards what is there is known to be of this run.

    Raises
    ------
    InputError
        Before the block, if a file there was made by somebody else or changed since it was made.
    """
    claim_folder(folder)
    yield
    record_folder(folder)
    _claimed.remove(folder)


_claimed: list[Path] = []


def record_claimed() -> None:
    """Note the files of every folder that was claimed since the last time: the command has ended well."""
    while _claimed:
        folder = _claimed.pop()
        if folder.is_dir():
            record_folder(folder)


def forget_claimed() -> None:
    """Leave claimed folders marked as being written to: the command did not end."""
    _claimed.clear()


def claim_folder(folder: Path) -> None:
    """Find out that nothing of somebody else's would be overwritten, and mark the folder as being written to.

    Raises
    ------
    InputError
        Naming the files that are in the way.
    """
    ledger = _read_ledger(folder)
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    if ledger is None:
        ledger = {"files": _listed_by_manifest(folder), "foreign": [], "finished": True}
    listed: Mapping[str, str] = ledger["files"]
    if ledger["finished"]:
        strangers = [name for name in found if not listed and name not in ledger["foreign"]]
        changed = [name for name, path in found.items() if name in listed and _digest(path) != listed[name]]
        _refuse(folder, strangers, "was not made by this command")
        _refuse(folder, changed, "was changed since the run that made it")
        foreign = [name for name in found if name not in listed]
    else:
        foreign = [name for name in ledger["foreign"] if name in found]
    folder.mkdir(parents=True, exist_ok=True)
    _write_ledger(folder, {"files": dict(listed), "foreign": foreign, "finished": False})
    _claimed.append(folder)


def record_folder(folder: Path) -> None:
    """Note the files that a run has left."""
    ledger = _read_ledger(folder)
    foreign = ledger["foreign"] if ledger is not None else []
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    own = {name: _digest(path) for name, path in files.items() if name not in foreign}
    _write_ledger(folder, {"files": own, "foreign": foreign, "finished": True})


def is_own(path: Path) -> bool:
    """Return whether a file is as the last run left it; True while a run writes, and without a ledger."""
    ledger = _read_ledger(path.parent)
    if ledger is None or not ledger["finished"]:
        return True
    return bool(ledger["files"].get(path.name) == _digest(path))


def note_files(folder: Path, paths: Sequence[Path]) -> None:
    """Note that files of a folder of results were rewritten by this package after the run that made them."""
    ledger = _read_ledger(folder)
    if ledger is not None and ledger["finished"]:
        known = {path.relative_to(folder).as_posix(): _digest(path) for path in paths if path.is_file()}
        _write_ledger(folder, ledger | {"files": {**ledger["files"], **known}})


def refuse_foreign(path: Path) -> None:
    """Refuse to replace a file that lay in a folder of results before this package wrote there.

    Raises
    ------
    InputError
        If it is one.
    """
    if not path.exists():
        return
    for folder in (path.parent, path.parent.parent):
        ledger = _read_ledger(folder)
        if ledger is not None and path.relative_to(folder).as_posix() in ledger["foreign"]:
            _refuse(folder, [path.relative_to(folder).as_posix()], "was not made by this command")


def _refuse(folder: Path, names: list[str], what: str) -> None:
    if not names:
        return
    problems = [Problem(what=f"{name} {what}", got=str(folder / name)) for name in names[:_SHOWN]]
    if more := len(names) - _SHOWN:
        problems += [Problem(what=f"and {more} more")] if more > 0 else []
    problems.append(Problem(what="nothing was overwritten", fix="move these files, or name another folder"))
    raise InputError("output folder", problems)


def _files(folder: Path) -> Iterator[Path]:
    """List the files that a command might overwrite: right in the folder, and in those below it."""
    for part in (folder, *(folder / name for name in _PARTS)):
        if part.is_dir():
            for path in sorted(part.iterdir()):
                if path.suffix in _ENDINGS and path.name != LEDGER and (path.is_file() or path.is_symlink()):
                    yield path


def _read_ledger(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / LEDGER).read_bytes())
        files, foreign = dict(found["files"]), list(found["foreign"])
        return {"files": files, "foreign": foreign, "finished": bool(found["finished"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _listed_by_manifest(folder: Path) -> dict[str, str]:
    """Return the digests of a run of a version that left a manifest and no ledger."""
    try:
        path = folder / "manifest.json"
        found = dict(json.loads(path.read_bytes())["files"])
        return {str(name): str(digest) for name, digest in found.items()} | {path.name: _digest(path)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _write_ledger(folder: Path, ledger: Mapping[str, Any]) -> None:
    part = folder / f".{LEDGER.strip('.')}.{os.getpid()}.part"
    part.write_text(json.dumps(ledger, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / LEDGER)


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()
