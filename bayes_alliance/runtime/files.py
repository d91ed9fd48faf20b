"""Files that are there whole or not at all, and runs into one folder that write one after the other."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bayes_alliance.runtime.own_files import refuse_foreign

# Of a file of results that is read back whole; the largest of the built-in study has 3 MB.
MAX_READ = 50_000_000
_PART = re.compile(r"\..+\.(\d+)\.part")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Return a path beside a file to write to; it takes the file's place once the block is done.

    Parameters
    ----------
    path : Path
        Of the file; its folder must exist.

    Yields
    ------
    Path
        To write to; of this process alone.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left in its place.
    InputError
        If it would replace a file of somebody else's in a folder of results.
    """
    refuse_foreign(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8 with line ends as they are."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_whole_bytes(path: Path, content: bytes) -> None:
    """Write a file of any kind whole."""
    with whole_file(path) as part:
        part.write_bytes(content)


def clear_parts(folder: Path) -> None:
    """Remove what killed runs left half written in a folder and below; parts of living processes stay."""
    for path in folder.rglob(".*.part"):
        match = _PART.fullmatch(path.name)
        if match and not _is_alive(int(match[1])):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other run writes into a folder, and keep others waiting during the block.

    The lock is on the folder itself, leaves no file, and ends with the process however that ends. Where the
    system has no such locks (Windows), runs into one folder are not kept apart.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_bounded(path: Path, *, limit: int = MAX_READ) -> bytes:
    """Return the bytes of a file that may be anything, as somebody else may have put it there.

    Raises
    ------
    ValueError
        If it is a device, a pipe or a folder, or larger than the limit.
    OSError
        If it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is no regular file")
    if path.stat().st_size > limit:
        raise ValueError(f"{path.name} has more than {limit} bytes")
    return path.read_bytes()
