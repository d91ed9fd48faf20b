"""The order of the package's rooms, and proof that imports only point down and never in a circle."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bayes_alliance"

# From the bottom to the top: a file imports only from its own room and from rooms before it. ``__init__`` is the
# package's own, which imports names of the rooms when they are first used.
ROOMS = (
    "errors",
    "runtime",
    "study",
    "data",
    "inference",
    "assess",
    "published",
    "run",
    "cohorts",
    "simulation",
    "stress",
    "claims",
    "show",
    "api",
    "cli",
    "dev",
    "__main__",
)

# Imported only there, inside functions or not: a room, a room's package or a file.
HEAVY = {
    "pymc": ("inference.pymc", "stress"),
    "bambi": ("inference.pymc", "dev.benchmark"),
    "nutpie": ("inference.pymc", "stress"),
    "pytensor": ("inference.pymc", "stress"),
    "numba": ("runtime.compiled",),
    "formulae": ("inference.design", "study.formula"),
    "matplotlib": ("show.plots", "dev", "published", "api"),
    "jinja2": ("show.report",),
    "docx": ("show.tables",),
    "arviz_stats": ("assess", "claims", "dev.benchmark"),
    "openpyxl": ("data.readers.excel", "data.readers.printed_grid", "show.tables.workbook"),
    "pyreadstat": ("data.readers.readstat",),
    "pyarrow": ("data.readers.parquet_file", "cohorts.store", "runtime", "run.large"),
    "dask": ("runtime",),
    "distributed": ("runtime",),
    "rdata": ("data.readers.rds",),
    "xarray": (
        "claims",
        "show.share",
        "inference.arviz_tree",
        "inference.pymc",
        "run.posterior_store",
        "assess",
        "api",
    ),
}


@functools.cache
def files(package: Path = PACKAGE) -> dict[str, Path]:
    """Every file of the package by dotted name; the ``__init__`` of a room under the room's name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package).with_suffix("").parts)
        found[name.removesuffix("__init__").rstrip(".")] = path
    return found


@functools.cache
def imported(path: Path, package: Path = PACKAGE) -> tuple[set[str], set[str]]:
    """Files of this package, and top-level names of others, that a file imports anywhere but for type checkers."""
    own, others = set(), set()
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first != "bayes_alliance":
                others.add(first)
            elif rest in files(package) and rest:
                own.add(rest)
    # ``from room import module`` imports the module; the room's own file only if nothing else was meant.
    return {name for name in own if not any(o.startswith(f"{name}.") for o in own)}, others


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _running(node)


def arrows(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Who imports whom, file by file."""
    return {name: imported(path, package)[0] - {name} for name, path in files(package).items() if name}


def upward(graph: Mapping[str, set[str]]) -> list[str]:
    """Imports of a file from a room above its own."""
    place = {room: row for row, room in enumerate(ROOMS)}
    return [
        f"{name} -> {other}"
        for name, others in graph.items()
        for other in sorted(others)
        if place[other.split(".")[0]] > place[name.split(".")[0]]
    ]


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of imports, empty where there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            found = visit(other, [*trail, name])
            if found:
                return found
        done.add(name)
        return []

    for name in graph:
        found = visit(name, [])
        if found:
            return found
    return []


def test_every_file_has_a_room() -> None:
    """What lies at the top of the package is a room of the list, and every room is there."""
    found = {name.split(".")[0] for name in files() if name}
    assert found == set(ROOMS)


def test_imports_point_down() -> None:
    """No file, ``__init__`` included, imports from a room above its own."""
    assert upward(arrows()) == []


def test_no_circle() -> None:
    """No file imports itself by way of others."""
    assert circle(arrows()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("runtime/files.py", "def f():\n    from bayes_alliance.study import records\n"),
        ("study/__init__.py", "from bayes_alliance.run.plan import plan_study\n"),
        ("errors.py", "import bayes_alliance.runtime.files\n"),
    ],
)
def test_a_planted_upward_import_is_found(name: str, text: str, tmp_path: Path) -> None:
    """In a file, in an ``__init__``, inside a function."""
    assert upward(arrows(_plant(tmp_path, {name: text})))


@pytest.mark.parametrize(
    "planted",
    [
        {
            "data/rows.py": "from bayes_alliance.data.wai import x\n",
            "data/wai.py": "from bayes_alliance.data import rows\n",
        },
        {
            "data/__init__.py": "from bayes_alliance.data.wai import x\n",
            "data/wai.py": "import bayes_alliance.data\n",
        },
    ],
)
def test_a_planted_circle_is_found(planted: dict[str, str], tmp_path: Path) -> None:
    """Between two files of one room, and through an ``__init__``."""
    assert circle(arrows(_plant(tmp_path, planted)))


def _plant(folder: Path, planted: Mapping[str, str]) -> Path:
    for name in ("runtime/files", "study/records", "run/plan", "data/rows", "data/wai", "errors", *ROOMS[1:]):
        single = name not in ROOMS[1:] or name in ("api", "__main__")
        path = folder / (f"{name}.py" if single else f"{name}/__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    for name, text in planted.items():
        (folder / name).write_text(text)
    return folder


def test_heavy_packages_stay_where_they_are_used() -> None:
    """PyMC, Bambi, nutpie, matplotlib, ArviZ and others are imported in their own rooms only."""
    strays = [
        f"{name} imports {package}"
        for name, path in files().items()
        for package in sorted(imported(path)[1] & set(HEAVY))
        if not any(name == room or name.startswith(f"{room}.") for room in HEAVY[package])
    ]
    assert strays == []


# Functions of these rooms that tables, figures and the report may call: they evaluate a density or name a thing.
SHOWN_BY = {"pair_weights", "prior_mixtures", "update"}
COMPUTING = (
    "cohorts",
    "published",
    "run.printed_side",
    "run.pipeline",
    "data.rows",
    "data.readers",
    "assess.prior_predictive",
)


def test_showing_neither_computes_nor_reads() -> None:
    """No table, figure or page analyses print, reads rows or cohorts, or samples a prior: a run does."""
    strays = [
        f"{name} imports {alias.name}"
        for name, path in files().items()
        if name.startswith("show.")
        for node in _running(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and str(node.module).removeprefix("bayes_alliance.").startswith(COMPUTING)
        for alias in node.names
        if alias.name[0].islower() and alias.name not in SHOWN_BY
    ]
    assert strays == []


def test_the_first_page_of_a_run_needs_no_plotting_and_no_compiler() -> None:
    """Printed numbers and their audit are on the page before what only fits and figures need is imported."""
    code = (
        "import sys, bayes_alliance.claims.from_printed, bayes_alliance.show.claims_json, bayes_alliance.show.report, "
        "bayes_alliance.run.printed_side, bayes_alliance.run.fitter, bayes_alliance.show.privacy; "
        "print([m for m in ('pymc', 'arviz_stats', 'matplotlib', 'numba', 'scipy.stats') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_importing_the_package_is_cheap() -> None:
    """Importing the package, its command line and the pipeline pulls in no sampler, plotting or ArviZ."""
    code = (
        "import sys, bayes_alliance, bayes_alliance.cli.main, bayes_alliance.run.pipeline; "
        "print([m for m in ('pymc', 'bambi', 'nutpie', 'arviz', 'arviz_stats', 'matplotlib', 'jinja2', 'docx') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
