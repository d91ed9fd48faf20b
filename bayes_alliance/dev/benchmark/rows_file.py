"""The CSV file that every program reads, and what this package's engines need of it.

Imported by what is timed, so it needs NumPy and nothing slower to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bayes_alliance.inference.design import Design, numeric_design
from bayes_alliance.inference.fits import Array, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source

if TYPE_CHECKING:
    import pandas as pd

STUDY, OUTCOME = "folmo2020", "tasks"
FORMULA = "tasks ~ months + poor_outcome + months:poor_outcome + (months | patient)"


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows, all of them numbers, to the last digit."""
    rows.to_csv(path, index=False)


def read_rows(path: Path) -> dict[str, Array]:
    """Read what :func:`write_rows` wrote, an array a column."""
    with path.open(encoding="utf-8") as file:
        names = file.readline().rstrip().split(",")
        values = np.loadtxt(file, delimiter=",", ndmin=2)
    return dict(zip(names, values.T, strict=True))


def read_design(path: Path) -> tuple[Design, RowsUsed, CoefficientPriors]:
    """Read rows into the design of the benchmark's model, with the study's default priors."""
    study = load_study(STUDY)
    design = numeric_design(parse_formula(FORMULA), read_rows(path))
    used = RowsUsed(n_rows=design.n_rows, n_patients=design.n_patients, digest="", source=Source.SYNTHETIC)
    return design, used, coefficient_priors(study, design, study.priors[0].name)
