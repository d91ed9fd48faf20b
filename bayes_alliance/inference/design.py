"""From rows and a formula to design matrices, with columns, patients and rank checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.lmm.design import StructuredDesign
from bayes_alliance.study.formula_parser import _NUMBERS, MAX_COLUMNS, Formula

if TYPE_CHECKING:
    import pandas as pd


def order_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """Mark the categories of every Categorical column as ordered.

    formulae, and so Bambi, sorts the levels of an unordered Categorical by the alphabet, whatever order it
    was given; a study's reference level is the first one declared. Ordered ones it takes as they stand, with
    the same treatment contrasts.

    Parameters
    ----------
    rows : pandas.DataFrame
        Left as it is.

    Returns
    -------
    pandas.DataFrame
    """
    categorical = [name for name, dtype in rows.dtypes.items() if str(dtype) == "category"]
    return rows.assign(**{str(name): rows[name].cat.as_ordered() for name in categorical})


@dataclass(frozen=True, kw_only=True)
class Design:
    """The arrays of one model on frozen rows, sorted by patient.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        Outcome.
    x : ndarray, shape (n_rows, p)
        Fixed-effects columns.
    z : ndarray, shape (n_rows, q)
        Random-effects columns (intercept first), to be crossed with ``patient_index``.
    patient_index : ndarray of int, shape (n_rows,)
        0..n_patients-1, non-decreasing.
    x_names, z_names : tuple of str
        Column names as Bambi spells them.
    reference : mapping of str to (float, float)
        For each numeric variable of the fixed part, and each with a random slope: its middle (the mean over patients of
        their means; midway between the two values of a variable that has only two) and its least value.
    structured : StructuredDesign or None
        Of a model with several levels, more random columns or correlated residuals; ``z`` then stands for nothing.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    z: NDArray[np.float64]
    patient_index: NDArray[np.int64]
    x_names: tuple[str, ...]
    z_names: tuple[str, ...]
    formula: Formula
    reference: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    structured: StructuredDesign | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.y.shape[0])

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(self.patient_index[-1]) + 1


def canonical_design(design: Design) -> Design:
    """Return a design with its fixed columns in one order and spelling, whatever those of its formula.

    The variables of a product are sorted, and so are the columns: by the number of variables, then by name.
    """
    names = [":".join(sorted(name.split(":"))) for name in design.x_names]
    order = sorted(range(len(names)), key=lambda i: (names[i] != "Intercept", names[i].count(":"), names[i]))
    return replace(design, x=design.x[:, order], x_names=tuple(names[i] for i in order))


def build_design(formula: Formula, rows: pd.DataFrame) -> Design:
    """Build the design matrices of a formula.

    Parameters
    ----------
    formula : Formula
        Parsed, hence safe to hand on.
    rows : pandas.DataFrame
        Complete in every variable of the formula and sorted by the grouping variable.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        If a value is missing, the rows are not sorted, or the fixed columns are linearly dependent.
    """
    read = sorted(formula.names - set(formula.groups[1:]))
    used = order_categories(rows[read])
    if bool(used.isna().any(axis=None)):
        raise ValueError("rows with missing values reached build_design; freeze the rows first")
    fixed = set(chain.from_iterable(formula.terms))
    if all(used[name].dtype.kind in _NUMBERS for name in fixed):
        return numeric_design(formula, {name: used[name].to_numpy() for name in read})
    x, names = _formulae_columns(formula, used)
    return _assemble(formula, {name: used[name].to_numpy() for name in read}, x, names)


def numeric_design(formula: Formula, columns: Mapping[str, NDArray[Any]]) -> Design:
    """Build the design matrices of a formula whose variables are all numbers, from arrays.

    The columns are those of :func:`build_design`; neither pandas nor formulae is needed.

    Parameters
    ----------
    formula : Formula
        Parsed.
    columns : mapping of str to ndarray, shape (n_rows,)
        Every variable of the formula, without missing values, sorted by the grouping variable, whose values may be
        of any kind.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        If the rows are not sorted, or the fixed columns are linearly dependent.
    """
    ones = np.ones(len(columns[formula.response]))
    products = [np.prod([columns[name] for name in term], axis=0, dtype=float) for term in formula.terms]
    x = np.column_stack([*([ones] if formula.intercept else []), *products])
    names = (*(["Intercept"] if formula.intercept else []), *(":".join(term) for term in formula.terms))
    return _assemble(formula, columns, x, names)


def _assemble(
    formula: Formula, columns: Mapping[str, NDArray[Any]], x: NDArray[np.float64], names: tuple[str, ...]
) -> Design:
    if x.shape[1] > MAX_COLUMNS:
        raise ValueError(f"the formula gives {x.shape[1]} columns; at most {MAX_COLUMNS} are allowed")
    _check_rank(x, names)
    y = np.asarray(columns[formula.response], dtype=float)
    patient_index = _number_patients(columns[formula.group], formula.group)
    variables = dict.fromkeys(chain(chain.from_iterable(formula.terms), formula.slopes))
    return Design(
        y=y,
        x=x,
        z=np.column_stack([np.ones(len(y)), *(np.asarray(columns[v], float) for v in formula.random)]),
        patient_index=patient_index,
        reference=find_reference(
            {name: columns[name] for name in variables if columns[name].dtype.kind in _NUMBERS}, patient_index
        ),
        x_names=names,
        z_names=("Intercept", *formula.random),
        formula=formula,
    )


def find_reference(
    columns: Mapping[str, NDArray[Any]], patient_index: NDArray[np.int64]
) -> dict[str, tuple[float, float]]:
    """Return the middle and the least value of numeric variables, as :class:`Design` states them.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n_rows,)
        Numbers.
    patient_index : ndarray of int, shape (n_rows,)
        0..n_patients-1.

    Returns
    -------
    dict of str to (float, float)
    """
    counts = np.bincount(patient_index)
    found = {}
    for name, column in columns.items():
        values = np.asarray(column, dtype=float)
        low, high = float(values.min()), float(values.max())
        has_others = bool(np.any((values > low) & (values < high)))
        mean = float(np.mean(np.bincount(patient_index, values) / counts))
        found[name] = (choose_middle(low, high, mean, has_others=has_others), low)
    return found


def choose_middle(low: float, high: float, mean: float, *, has_others: bool) -> float:
    """Return the middle of a variable: the mean over patients, or midway between two values if it has no others."""
    return mean if has_others else 0.5 * (low + high)


def variance_fault(design: Design) -> str:
    """Return why the variance parameters of a model cannot be told apart on these rows; empty where they can.

    The covariance of a patient's visits is linear in the variances and covariances of the random effects and in the
    residual variance. These are identified if and only if the matrices that they multiply, stacked over the patients'
    visit patterns, are linearly independent (Demidenko 2013, Mixed Models, section 3.2, doi:10.1002/9781118651537).
    Two visits at the same two times give three moments for four parameters.

    Parameters
    ----------
    design : Design

    Returns
    -------
    str
    """
    starts = np.flatnonzero(np.diff(design.patient_index, prepend=-1))
    patterns = {z.tobytes(): z for z in np.split(design.z / np.max(np.abs(design.z), axis=0), starts[1:])}
    q = design.z.shape[1]
    triangle = np.empty((0, q * (q + 1) // 2 + 1))
    for z in patterns.values():
        basis = [
            np.outer(z[:, i], z[:, j]) + (0.0 if i == j else np.outer(z[:, j], z[:, i]))
            for i in range(q)
            for j in range(i, q)
        ]
        upper = np.triu_indices(len(z))
        rows = np.stack([part[upper] for part in (*basis, np.eye(len(z)))], axis=1)
        # The triangle of a QR decomposition has the rank of all rows so far.
        triangle = np.linalg.qr(np.concatenate([triangle, rows]), mode="r")
        if _independent(triangle):
            return ""
    most = int(np.max(np.bincount(design.patient_index)))
    called = (
        "intercept SD and residual SD" if q == 1 else "intercept SD, slope SD, correlation and residual SD"
    )
    visits = f"{most} visit{'s' if most > 1 else ''} a patient" if most <= q else "these visit times"
    advice = (
        "gather more visits" if q == 1 else "use a random intercept, such as (1 | patient), or more visits"
    )
    return f"with {visits} the {called} cannot be told apart (singular); {advice}"


def _independent(columns: NDArray[np.float64]) -> bool:
    norms = np.linalg.norm(columns, axis=0)
    return bool(norms.all()) and int(np.linalg.matrix_rank(columns / norms, tol=1e-7)) == columns.shape[1]


def _number_patients(patients: NDArray[Any], group: str) -> NDArray[np.int64]:
    """Return each patient a number from 0, in the order of their first rows; each must stand in one block."""
    starts = np.append(True, patients[1:] != patients[:-1])
    if len(set(patients[starts].tolist())) < np.sum(starts):
        raise ValueError(f"the rows are not sorted by {group}")
    return np.cumsum(starts, dtype=np.int64) - 1


def fixed_columns(formula: Formula, rows: pd.DataFrame) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Build the fixed columns of some of a model's rows, without asking whether these alone could carry the model.

    Parameters
    ----------
    formula : Formula
        Parsed.
    rows : pandas.DataFrame
        Complete in every variable of the fixed part and in the outcome; categories are coded as they are declared.

    Returns
    -------
    x : ndarray, shape (n_rows, p)
    names : tuple of str
    """
    return _formulae_columns(formula, order_categories(rows))


def _formulae_columns(formula: Formula, used: pd.DataFrame) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    import formulae

    fixed_text = formula.fixed_text
    return _common_columns(formulae.design_matrices(fixed_text, used, na_action="error"))


def _common_columns(matrices: object) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Take the columns and Bambi's names for them out of formulae's answer."""
    common = matrices.common  # type: ignore[attr-defined]
    names: list[str] = []
    for name, term in common.terms.items():
        labels = [name] if term.kind in ("intercept", "numeric") else list(term.labels)
        names += labels
    x = np.asarray(common.design_matrix, dtype=float).reshape(len(common.design_matrix), -1)
    return x, tuple(names)


def _check_rank(x: NDArray[np.float64], names: tuple[str, ...]) -> None:
    scaled = x / np.maximum(np.linalg.norm(x, axis=0), 1e-300)
    rank = int(np.linalg.matrix_rank(scaled, tol=1e-9))
    if rank < x.shape[1]:
        raise ValueError(
            f"the {x.shape[1]} fixed columns ({', '.join(names)}) have rank {rank} on these rows: "
            "some effect cannot be told from the others"
        )
