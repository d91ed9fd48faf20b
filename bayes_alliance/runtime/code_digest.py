"""Which code made a stored result: one digest over a module and everything it imports from this package.

Reads source as text; runs and imports nothing of what it reads.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = "bayes_alliance"


def code_digest(*modules: str, root: Path | None = None) -> str:
    """Digest modules and whatever they import from this package, directly or not.

    A stored result carries the digest of the module that computed it. Imports are read from the source, those inside
    functions included, those for type checkers alone left out; a module started by ``python -m`` counts as
    imported. So a change in any module on the path changes the digest, and a change in a module
    off the path does not.

    Parameters
    ----------
    *modules : str
        Dotted names, for example ``"bayes_alliance.run.pipeline"``; a module outside the package counts with what it
        imports from the package.
    root : Path, optional
        Folder of the package; by default the installed one.

    Returns
    -------
    str
        First 16 hexadecimal digits of a SHA-256 over names and contents of the files.

    Raises
    ------
    ModuleNotFoundError
        If a module has no source file.
    """
    return _kept_digest(modules) if root is None else _digest(modules, root)


def imported_modules(*modules: str, root: Path | None = None) -> dict[str, Path]:
    """Return every module of the package on the import path of ``modules``, themselves included, with its file.

    Parameters
    ----------
    *modules, root
        As for :func:`code_digest`.
    """
    own = _own_files(root or _package_folder())
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = own[name] if name in own else _outer_file(name)
        found[name] = path
        waiting += [other for other in _named(path.read_bytes()) if other in own]
        waiting += [parent for parent in _parents(name) if parent not in found]
    return found


def package_digest(root: Path | None = None) -> str:
    """Digest every module of the package but the tools of its developers, and the files that it ships beside them.

    Quicker than :func:`code_digest`, since nothing has to be parsed; right where nearly everything is on the path.

    Parameters
    ----------
    root : Path, optional
        Folder of the package; by default the one that is running.

    Returns
    -------
    str
        First 16 hexadecimal digits of a SHA-256 over names and contents of the files.
    """
    folder = root or _package_folder()
    own = _own_files(folder)
    return _digest_files({name: own[name] for name in own if name.split(".")[1:2] != ["dev"]}, folder)


@functools.cache
def _kept_digest(modules: tuple[str, ...]) -> str:
    """Return the digest of the code that runs: it does not change while a process lives."""
    return _digest(modules, _package_folder())


def _digest(modules: tuple[str, ...], folder: Path) -> str:
    return _digest_files(imported_modules(*modules, root=folder), folder)


def _digest_files(files: Mapping[str, Path], folder: Path) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        for resource in _resources(path, folder):
            digest.update(resource.name.encode() + b"\0" + resource.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _resources(path: Path, folder: Path) -> list[Path]:
    """Return files beside a package's ``__init__`` that are not Python: templates, style sheets, R programs."""
    if path.name != "__init__.py" or not path.is_relative_to(folder) or path.parent == folder:
        return []
    return sorted(
        item for item in path.parent.iterdir() if item.is_file() and item.suffix not in (".py", ".pyc")
    )


def _package_folder() -> Path:
    return Path(__file__).resolve().parents[1]


def _parents(name: str) -> list[str]:
    """Return the packages whose ``__init__`` runs when a module of this package is imported."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))] if parts[0] == PACKAGE else []


def _outer_file(name: str) -> Path:
    """Return the file of a module outside the package."""
    if not name.startswith(f"{PACKAGE}."):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            return Path(spec.origin)
    raise ModuleNotFoundError(f"no source file of {name}")


def _own_files(folder: Path) -> dict[str, Path]:
    """Return the file of every module of the package, by its dotted name."""
    found = {}
    for place, _, names in folder.walk():
        package = ".".join((PACKAGE, *place.relative_to(folder).parts))
        for name in names:
            if name.endswith(".py"):
                found[package if name == "__init__.py" else f"{package}.{name[:-3]}"] = place / name
    return found


@functools.lru_cache(maxsize=1024)
def _named(source: bytes) -> tuple[str, ...]:
    """Return every dotted name in this package that a source imports or starts with ``python -m``."""
    names: set[str] = set()
    # Commands are lists: only a source that has the flag is searched for them, expression by expression.
    has_commands = b"-m" in source
    for statement in _running(ast.parse(source)):
        if isinstance(statement, ast.Import):
            names.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names.add(statement.module)
            names.update(f"{statement.module}.{alias.name}" for alias in statement.names)
        elif has_commands:
            names.update(_commands(statement))
    return tuple(sorted(name for name in names if name.split(".")[0] == PACKAGE))


_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


def _running(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk the statements of a module, nested ones too, without what only type checkers read."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        yield node
        for block in _BLOCKS:
            waiting += getattr(node, block, ())


def _commands(statement: ast.AST) -> Iterator[str]:
    """Find what lists in a statement's own expressions start with ``-m``."""
    inner = {id(item) for block in _BLOCKS for item in getattr(statement, block, ())}
    waiting = [node for node in ast.iter_child_nodes(statement) if id(node) not in inner]
    for node in itertools.chain.from_iterable(map(ast.walk, waiting)):
        if isinstance(node, ast.List | ast.Tuple):
            values = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
            yield from (str(name) for flag, name in itertools.pairwise(values) if flag == "-m")
