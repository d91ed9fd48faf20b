"""Stored results are refused after a change of the code that made them, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bayes_alliance
from bayes_alliance.runtime.code_digest import code_digest, imported_modules, package_digest

PACKAGE = Path(bayes_alliance.__file__).parent
# Each store, and the modules whose code makes what it keeps.
STORES = {
    "posteriors": ("bayes_alliance.inference.engines", "bayes_alliance.run.posterior_store"),
    "numbers": ("bayes_alliance.run.judge_model", "bayes_alliance.run.score_model"),
    "runs": ("bayes_alliance.cli.main",),
    "multiverse and sources of claims": ("bayes_alliance.claims.tasks",),
    "patients left out": ("bayes_alliance.claims.leave_out_tasks",),
    "simulated studies": ("bayes_alliance.simulation.calibration",),
    "trials of designs": ("bayes_alliance.simulation.trials",),
    "cohorts": ("bayes_alliance.cohorts.ensemble",),
}
# What the hand-kept lists of version 0.1.0 left out, and what must not count.
ON_PATH = {
    "multiverse and sources of claims": (
        "data.derived_variables",
        "data.rows",
        "inference.likelihood",
        "assess.verdict_rules",
    ),
    "patients left out": (
        "data.derived_variables",
        "inference.leave_out",
        "inference.psis",
        "assess.verdict_rules",
    ),
    "simulated studies": ("inference.ml", "inference.likelihood"),
    "trials of designs": ("inference.ml", "inference.collapsed", "inference.priors"),
    "numbers": ("inference.likelihood", "data.derived_variables", "assess.loo"),
    "posteriors": ("inference.likelihood", "study.formula", "inference.priors"),
    "cohorts": ("cohorts.solver.kernel", "inference.ml"),
}
OFF_PATH = {
    "posteriors": (
        "data.derived_variables",
        "show.labels",
        "show.plots.style",
        "claims.run",
        "dev.benchmark.results",
    ),
    "numbers": ("show.labels", "show.plots.style", "dev.benchmark.results", "stress.run", "claims.run"),
    "runs": ("dev.benchmark.results", "dev.cohort_truth", "dev.doc_pages"),
    "multiverse and sources of claims": ("show.plots.style", "dev.benchmark.results"),
    "patients left out": ("show.plots.style", "dev.benchmark.results", "claims.multiverse"),
    "simulated studies": ("show.plots.style", "dev.benchmark.results"),
    "trials of designs": ("show.plots.style", "dev.benchmark.results", "claims.run"),
    "cohorts": ("show.plots.style", "dev.benchmark.results", "claims.run"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package's sources."""
    root = tmp_path_factory.mktemp("copy") / "bayes_alliance"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def _changed(path: Path, modules: tuple[str, ...], root: Path, before: str) -> bool:
    """Whether one byte more in a file changes the digest; the file is left as it was."""
    source = path.read_bytes()
    path.write_bytes(source + b"#")
    try:
        return code_digest(*modules, root=root) != before
    finally:
        path.write_bytes(source)


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("posteriors", "simulated studies")))
        for name in STORES
    ],
)
def test_a_byte_in_any_module_on_the_path_refuses_what_is_kept(store: str, copy: Path) -> None:
    """Every module that the computing module imports, directly or not, is in its digest."""
    before = code_digest(*STORES[store], root=copy)
    for name, path in imported_modules(*STORES[store], root=copy).items():
        assert _changed(path, STORES[store], copy, before), name


def test_a_byte_anywhere_is_another_package(copy: Path) -> None:
    """What tells a finished run apart holds all of the command's path, and nothing of the developers' tools."""
    before = package_digest(copy)
    on_path = imported_modules("bayes_alliance.cli.main", root=copy)
    assert not [name for name in on_path if name.startswith("bayes_alliance.dev")]
    for name, path in list(on_path.items())[::40]:
        source = path.read_bytes()
        path.write_bytes(source + b"#")
        assert package_digest(copy) != before, name
        path.write_bytes(source)
    tool = copy / "dev" / "doc_pages.py"
    tool.write_bytes(tool.read_bytes() + b"#")
    assert package_digest(copy) == before


@pytest.mark.parametrize("store", list(ON_PATH))
def test_the_path_holds_what_the_results_rest_on(store: str, copy: Path) -> None:
    """Derived variables, rows, verdict rules and ML fits among them, which lists kept by hand had left out."""
    found = imported_modules(*STORES[store], root=copy)
    assert not [name for name in ON_PATH[store] if f"bayes_alliance.{name}" not in found]


@pytest.mark.subprocess
@pytest.mark.parametrize("store", list(STORES))
def test_what_python_loads_is_on_the_path(store: str) -> None:
    """Python's own record of the modules that an import loads, against the path that is read from the source."""
    own = "(n for n in sys.modules if n.startswith('bayes_alliance.'))"
    code = f"import sys, {', '.join(STORES[store])}; print(*{own})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(loaded) > len(STORES[store])
    assert not set(loaded) - set(imported_modules(*STORES[store]))


@pytest.mark.parametrize("store", list(OFF_PATH))
def test_a_byte_off_the_path_keeps_what_is_stored(store: str, copy: Path) -> None:
    """Code that only shows, measures or judges something else invalidates nothing."""
    before, found = code_digest(*STORES[store], root=copy), imported_modules(*STORES[store], root=copy)
    for name in OFF_PATH[store]:
        assert f"bayes_alliance.{name}" not in found
        path = copy.joinpath(*name.split(".")).with_suffix(".py")
        assert not _changed(path, STORES[store], copy, before), name


TASKS = """
import sys
from pathlib import Path
from bayes_alliance.runtime.task_store import Task
from bayes_alliance.runtime.resumable_tasks import run_tasks
sys.path.insert(0, {folder!r})
from task import double
lines = []
done = run_tasks(double, [Task(key="a", arguments=(2,))], store=Path({store!r}), report=lines.append)
print(done.n_reused, *[line for line in lines if "other code" in line])
"""


def test_a_stored_task_is_made_again_after_its_code_changed(tmp_path: Path, copy: Path) -> None:
    """A run of tasks finds its results, refuses them with one line after a change on the path, and finds them after
    one off the path.
    """
    (tmp_path / "task.py").write_text(
        "from bayes_alliance.data import derived_variables\n\ndef double(value):\n    return {'value': [2 * value]}\n"
    )
    code = TASKS.format(folder=os.fspath(tmp_path), store=os.fspath(tmp_path / "store"))

    def run() -> str:
        environment = os.environ | {"PYTHONPATH": os.fspath(copy.parent)}
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=tmp_path,
        ).stdout.strip()

    assert [run(), run()] == ["0", "1"]
    style = copy / "show" / "plots" / "style.py"
    style.write_bytes(style.read_bytes() + b"#")
    assert run() == "1"
    derive = copy / "data" / "derived_variables.py"
    derive.write_bytes(derive.read_bytes() + b"#")
    assert run() == "0 1 stored results of other code, settings or data; they are computed again"


def test_imports_for_type_checkers_do_not_count_and_started_modules_do(tmp_path: Path) -> None:
    """A name under TYPE_CHECKING is off the path; ``python -m`` in a command is on it; so are packages above."""
    root = tmp_path / "bayes_alliance"
    (root / "inner").mkdir(parents=True)
    for name in ("__init__", "a", "b", "c", "d", "inner/__init__", "inner/e"):
        (root / f"{name}.py").write_text("")
    (root / "a.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from bayes_alliance.inner import e\n"
        "if TYPE_CHECKING:\n    from bayes_alliance import b\n"
        "def f():\n    import bayes_alliance.c\n    return ['python', '-m', 'bayes_alliance.d']\n"
    )
    found = imported_modules("bayes_alliance.a", root=root)
    assert {name.removeprefix("bayes_alliance").lstrip(".") for name in found} == {
        "",
        "a",
        "c",
        "d",
        "inner",
        "inner.e",
    }


def test_a_module_that_does_not_exist_is_an_error() -> None:
    """A mistyped root must not give the digest of nothing."""
    with pytest.raises(ModuleNotFoundError, match=r"bayes_alliance\.nothing"):
        code_digest("bayes_alliance.nothing")
