"""Whether a model would describe too few patients: in its subgroup, its complement, or with one value of a factor."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array
from bayes_alliance.study.records import Model

Mask = NDArray[np.bool_]


def singles_out(data: StudyData, names: Collection[str], model: Model) -> bool:
    """Whether a model of a subgroup has too few patients in it, or leaves too few of all patients out."""
    if not model.where:
        return False
    every, mine = (_carrying(data, names, where) for where in ({}, dict(model.where)))
    if every is None or mine is None:
        return False
    patients = data.rows[data.patient].astype(str).to_numpy()
    counts = [len(np.unique(patients[rows])) for rows in (mine, every & ~mine)]
    return any(0 < count < data.min_cell for count in counts)


def _carrying(data: StudyData, names: Collection[str], where: Mapping[str, float]) -> Mask | None:
    """Rows with every variable and the values asked for; None where the data lack a variable."""
    if not {*names, *where} <= set(data.rows.columns):
        return None
    keep: Mask = data.rows[[data.patient, data.time, *names]].notna().all(axis=1).to_numpy().copy()
    for name, value in where.items():
        keep &= data.rows[name].eq(value).to_numpy(dtype=bool)
    return keep


def fewest_patients(design: Design, factors: Collection[str]) -> int:
    """Count the patients with the rarest value, or combination of values, of the factors of a term.

    Parameters
    ----------
    design : Design
        Of a model.
    factors : collection of str
        Which of its variables are factors.

    Returns
    -------
    int
        All patients where no term has a factor.
    """
    fewest = design.n_patients
    for term in design.formula.terms:
        columns = [column for name in term if name in factors for column in _columns_of(design, name)]
        if columns:
            patterns, members = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
            pairs = np.unique(np.column_stack([members.ravel(), design.patient_index]), axis=0)
            fewest = min(fewest, int(np.bincount(pairs[:, 0], minlength=len(patterns)).min()))
    return fewest


def _columns_of(design: Design, name: str) -> list[Array]:
    """List the columns of a factor, each row by row; where it is in products only, where the product is not zero."""
    own = [i for i, column in enumerate(design.x_names) if column.partition("[")[0] == name]
    if own:
        return [design.x[:, i] for i in own]
    columns = []
    for i, column in enumerate(design.x_names):
        if name in (part.partition("[")[0] for part in column.split(":")):
            hit = np.zeros(design.n_patients, dtype=bool)
            np.logical_or.at(hit, design.patient_index, design.x[:, i] != 0.0)
            columns.append(hit[design.patient_index].astype(float))
    return columns
