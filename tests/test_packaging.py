"""What is installed is what is declared: dependencies, extras, version, contents."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

import bayes_alliance
from bayes_alliance.data.readers import read_table
from bayes_alliance.errors import MissingPackageError, require_package
from bayes_alliance.runtime.resumable_tasks import run_tasks
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.study.records import ReadOptions
from tests.parallel_tasks import draw_and_mark

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bayes_alliance"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Where the name to import is not that of the distribution.
NAMES = {"docx": "python-docx", "pil": "pillow", "arviz-stats": "arviz-stats"}
# Read by another library under its name: xarray by ``engine="h5netcdf"``.
BY_NAME = {"h5netcdf"}


def imported(*, dev: bool) -> set[str]:
    """Distributions that the modules of the package import, ``dev`` or the others."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if ("dev" in path.relative_to(PACKAGE).parts) is not dev:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            else:
                continue
            found |= {name.split(".")[0] for name in names}
    others = found - set(sys.stdlib_module_names) - {"bayes_alliance"}
    keys = {name.lower().replace("_", "-") for name in others}
    return {NAMES.get(key, key) for key in keys}


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=[]", text)[0] for text in requirements}


def test_every_import_is_declared_and_every_declaration_imported() -> None:
    """No distribution comes in by way of another, and none is installed that nothing uses."""
    extras = PROJECT["optional-dependencies"]
    optional = {name for extra, needs in extras.items() if extra != "all" for name in names_of(needs)}
    declared = names_of(PROJECT["dependencies"])
    assert imported(dev=False) | BY_NAME == declared | optional
    assert not declared & optional
    assert all(">=" in text for text in PROJECT["dependencies"])


def test_every_extra_is_in_all() -> None:
    """`pip install 'bayes-alliance[all]'` brings everything."""
    extras = PROJECT["optional-dependencies"]
    (whole,) = extras["all"]
    assert set(whole.partition("[")[2].rstrip("]").split(",")) == set(extras) - {"all"}


@pytest.mark.parametrize(
    ("ending", "module"), [("sav", "pyreadstat"), ("dta", "pyreadstat"), ("rds", "rdata")]
)
def test_a_missing_reader_names_the_command_that_installs_it(
    ending: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra, not only the library."""
    without(module, monkeypatch)
    path = tmp_path / f"x.{ending}"
    path.write_bytes(b"any")
    with pytest.raises(MissingPackageError, match=rf"{module}.*pip install 'bayes-alliance\[readers\]'"):
        read_table(path, ReadOptions())


def test_a_missing_scheduler_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask is looked for before any work."""
    without("dask", monkeypatch)
    with pytest.raises(MissingPackageError, match=r"dask.*pip install 'bayes-alliance\[dask\]'"):
        run_tasks(draw_and_mark, [], workers=Workers(scheduler="local"))


def without(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a package seem not to be installed."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> object:
        return None if name == module else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


def test_what_is_installed_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No error while it is there, and one as soon as it is gone."""
    require_package("numpy", extra="readers", purpose="this test")
    without("numpy", monkeypatch)
    with pytest.raises(MissingPackageError, match="numpy"):
        require_package("numpy", extra="readers", purpose="this test")


def test_the_version_stands_in_one_place() -> None:
    """In the package; metadata and citation follow it."""
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    assert importlib.metadata.version("bayes-alliance") == bayes_alliance.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {bayes_alliance.__version__}" in citation
    assert f"## {bayes_alliance.__version__} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_type_checkers_may_use_the_types() -> None:
    """PEP 561."""
    assert (PACKAGE / "py.typed").exists()


def test_licences_of_test_data_are_stated() -> None:
    """Each data set of other packages with its licence; the wheel and the sdist carry the statement."""
    assert "LICENSE-DATA.md" in PROJECT["license-files"]
    stated = (ROOT / "LICENSE-DATA.md").read_text(encoding="utf-8")
    assert "tests/reference/data" in stated and "GPL" in stated
    table = (ROOT / "tests" / "reference" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "tests" / "reference" / "data").glob("*.csv"):
        (line,) = [row for row in table.splitlines() if row.startswith(f"| `data/{path.name}` |")]
        assert line.rstrip("| ").rpartition("|")[2].strip()


def test_the_environment_is_made_by_hashes() -> None:
    """What installs the lock, and what builds the package, are held to hashes as the lock is."""
    script = (ROOT / "scripts" / "bootstrap").read_text(encoding="utf-8")
    assert (
        "--require-hashes -r scripts/uv.txt" in script and "--build-constraints scripts/build.txt" in script
    )
    for path in (ROOT / "scripts").iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"$uv" build' in line or "--editable ." in line:
                assert "--build-constraints scripts/build.txt" in line, path.name
    for name in ("uv", "build"):
        text = (ROOT / "scripts" / f"{name}.txt").read_text(encoding="utf-8")
        for requirement in re.findall(r"^\S+==.*(?:\n +.*)*", text, re.MULTILINE):
            assert "--hash=sha256:" in requirement
