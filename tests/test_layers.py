"""The order of the package's modules, and proof that imports only point to earlier lines."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bayes_alliance"

# A module imports only from earlier lines. Modules of one line may import each other only from left to right.
LAYERS = """
errors code_digest cell_text readstat whole_files workers parallel
toml_reader
formulas wai
printed facts study
fact_file data_section study_checks study_file
text_table csv_table readers shape columns derive row_checks row_warnings data data_dictionary roles new_study
likelihood importance
fits
verdicts
priors
frequentist descriptives ml_intervals
collapsed pymc_coordinates pymc_likelihood pymc_model bambi_pymc engines
trees cache
published
cohort_plan cohort_file cohort_roster cohort
summaries agreement evidence
variance compare predictive
checks
results
plan fitting derived pipeline
reconstruct
simulation large stress
claims
labels
tables plots
privacy share manifest report outputs claims_outputs
api doc_pages
benchmark
cli_data cli_published cli_cohort cli_simulate cli_large cli_claims cli_stress cli_interrupts cli
"""

# Imported at the top of a module only there; elsewhere inside the function that needs them, or nowhere.
HEAVY = {
    "pymc": {"pymc_coordinates", "pymc_model", "bambi_pymc", "stress"},
    "bambi": {"bambi_pymc", "benchmark"},
    "nutpie": {"bambi_pymc", "stress"},
    "pytensor": {"pymc_coordinates", "pymc_likelihood", "pymc_model", "stress"},
    "numba": {"pymc_likelihood", "reconstruct"},
    "formulae": {"formulas"},
    "matplotlib": {"plots", "benchmark", "published", "api"},
    "jinja2": {"report"},
    "docx": {"tables"},
    "arviz_stats": {"claims", "compare", "summaries", "benchmark"},
    "openpyxl": {"readers"},
    "pyreadstat": {"readstat"},
    "pyarrow": {"readers", "reconstruct", "parallel", "large"},
    "dask": {"parallel"},
    "distributed": {"parallel"},
    "rdata": {"readers"},
    "xarray": {"claims", "share", "trees", "cache", "compare", "bambi_pymc", "api"},
}


def position(name):
    for row, line in enumerate(LAYERS.strip().splitlines()):
        if name in line.split():
            return row, line.split().index(name)
    raise AssertionError(f"{name} has no place in LAYERS; give it one")


def modules():
    """Every module as (layer name, path); a package is one layer."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def imported(tree):
    """First-level modules of this package, and top-level names of others, that a module imports anywhere."""
    own, others = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "bayes_alliance":
                names = [f"bayes_alliance.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "bayes_alliance" and len(parts) > 1:
                own.add(parts[1])
            else:
                others.add(parts[0])
    return own - {"__version__"}, others


@pytest.mark.parametrize(
    ("name", "path"), list(modules()), ids=lambda v: v.stem if isinstance(v, Path) else v
)
def test_imports_point_down(name, path):
    """No module imports from a later layer."""
    own, _ = imported(ast.parse(path.read_text()))
    upward = [other for other in own - {name} if position(other) >= position(name)]
    assert not upward, f"{name} imports {upward}, which stand on the same or a later line"


@pytest.mark.parametrize(
    ("name", "path"), list(modules()), ids=lambda v: v.stem if isinstance(v, Path) else v
)
def test_heavy_packages_stay_where_they_are_used(name, path):
    """PyMC, Bambi, nutpie, matplotlib, ArviZ and xarray are imported in their own rooms only."""
    _, others = imported(ast.parse(path.read_text()))
    strays = [package for package, rooms in HEAVY.items() if package in others and name not in rooms]
    assert not strays


def test_every_line_of_the_list_exists():
    """No layer is listed that has gone."""
    found = {name for name, _ in modules()}
    listed = set(LAYERS.split())
    assert listed <= found | {"benchmark"}, listed - found


def test_importing_the_package_is_cheap():
    """Importing the package, its command line and the pipeline pulls in no sampler, plotting or ArviZ."""
    code = (
        "import sys, bayes_alliance, bayes_alliance.cli, bayes_alliance.pipeline; "
        "print([m for m in ('pymc', 'bambi', 'nutpie', 'arviz', 'arviz_stats', 'matplotlib', 'jinja2', 'docx') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
