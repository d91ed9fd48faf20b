"""The programs that are timed: what each is, how it is started, and whether it is there at all."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from bayes_alliance.dev.benchmark.peers import WARM_FITS, WARM_SECONDS
from bayes_alliance.dev.benchmark.rows_file import STUDY

Kind = Literal["sampler", "ml", "task"]
ONE_THREAD: Mapping[str, str] = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "STAN_NUM_THREADS",
    ),
    "1",
)


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program.

    Parameters
    ----------
    name, label : str
        Key in the results; name in tables.
    kind : {"sampler", "ml", "task"}
        Draws a posterior, maximises the likelihood, or does a task of this package that no peer has.
    model : str
        What it fits, where that is not the correlated model.
    python, r : str
        The package it needs beyond this one's own, in Python or in R.
    largest : int
        Largest multiple of the paper's patients that makes sense.
    both_dates : bool
        Whether its cost depends on how many patients share their visit times.
    caches : bool
        Whether it keeps compiled code on disk, so that its very first start on a machine is not typical.
    """

    name: str
    label: str
    kind: Kind
    model: str = "UN"
    python: str = ""
    r: str = ""
    largest: int = 1_000_000
    both_dates: bool = False
    caches: bool = False


PROGRAMS = (
    Program(name="collapsed", label="this package, collapsed", kind="sampler", both_dates=True),
    Program(
        name="collapsed_effects", label="this package, collapsed, with patients' effects", kind="sampler", largest=10
    ),
    Program(name="pymc", label="this package, pymc", kind="sampler", both_dates=True, caches=True),
    Program(name="bambi", label="Bambi, default", kind="sampler", model="VC", caches=True),
    Program(name="bambi_nutpie", label="Bambi with nutpie", kind="sampler", model="VC", caches=True),
    Program(name="brms", label="brms", kind="sampler", r="brms"),
    Program(name="rstanarm", label="rstanarm", kind="sampler", r="rstanarm"),
    Program(name="ml", label="this package, ML", kind="ml", both_dates=True),
    Program(name="lme4", label="lme4, ML", kind="ml", r="lme4"),
    Program(name="statsmodels", label="statsmodels MixedLM, ML", kind="ml", python="statsmodels"),
    Program(name="command", label="this package, command `fit` to JSON", kind="task", largest=1),
    Program(name="collapsed_left_out", label="this package, exact leave-one-patient-out", kind="task", largest=1),
)  # fmt: skip


def find_program(name: str) -> Program:
    """Return the program of a name.

    Raises
    ------
    KeyError
        If there is none.
    """
    return {program.name: program for program in PROGRAMS}[name]


def start_command(program: Program, rows: Path, answer: Path) -> list[str]:
    """Return the command line that runs a program on rows and writes its answer."""
    if program.name == "command":
        options = ["fit", STUDY, "--model", "tasks_outcome", "--engine", "collapsed", "--json", str(answer)]
        return [sys.executable, "-m", "bayes_alliance.cli.main", *options]
    if program.r:
        script = Path(str(resources.files("bayes_alliance.dev.benchmark") / "r_peers" / f"{program.name}.R"))
        return ["Rscript", str(script), str(rows), str(answer), str(WARM_SECONDS), str(WARM_FITS)]
    return [sys.executable, "-m", "bayes_alliance.dev.benchmark.peers", program.name, str(rows), str(answer)]


def why_missing(program: Program) -> str:
    """Return in a word why a program cannot be run here; empty where it can."""
    if program.python and importlib.util.find_spec(program.python) is None:
        return f"Python package {program.python} is not installed"
    if not program.r:
        return ""
    if shutil.which("Rscript") is None:
        return "R is not installed"
    return "" if r_version(program.r) else f"R package {program.r} is not installed"


@functools.cache
def r_version(package: str) -> str:
    """Version of an R package; empty where it is not installed."""
    code = (
        f'cat(if (requireNamespace("{package}", quietly = TRUE)) as.character(packageVersion("{package}")))'
    )
    found = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""
