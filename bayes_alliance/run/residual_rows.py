"""Where each row stands in the residual structure of its patient: its visit or time, and the group of its SD."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.structure import ResidualShape
from bayes_alliance.study.covariance_terms import ResidualSpec

MAX_VISITS = 15
Index = NDArray[np.int64]


def residual_rows(
    spec: ResidualSpec, rows: pd.DataFrame, patient: Index
) -> tuple[Array, ResidualShape, Index]:
    """Position of each row, the residual structure, and the group of each row's SD."""
    position = np.zeros(len(rows))
    levels: tuple[str, ...] = ()
    gap = 1.0
    if spec.variable:
        _check_repeats(rows, spec, patient)
        values, found = group_codes(rows[spec.variable])
        if spec.kind in ("ar1", "car1"):
            position = _numeric(rows, spec)
            if spec.kind == "car1":
                gap = _median_gap(position, patient)
                position = position / gap
        else:
            position, levels = values.astype(float), found
            if len(levels) > MAX_VISITS and spec.kind == "un":
                problem = Problem(
                    what=f"{len(levels)} values of {spec.variable} make "
                    f"{len(levels) * (len(levels) + 1) // 2} variance parameters",
                    allowed=f"at most {MAX_VISITS} visits in un(visit)",
                    fix="number the visits as planned (1, 2, 3, ...), or take ar1, car1 or toep",
                )
                raise InputError("residual", [problem])
    elif spec.kind == "cs":
        levels = tuple(str(k) for k in range(int(np.max(np.bincount(patient)))))
    group, groups = _sd_groups(spec, rows)
    shape = ResidualShape(
        kind=spec.kind,  # type: ignore[arg-type]
        variable=spec.variable,
        levels=levels,
        gap=gap,
        variance=spec.variance,
        groups=groups,
    )
    return position, shape, group


def _sd_groups(spec: ResidualSpec, rows: pd.DataFrame) -> tuple[Index, tuple[str, ...]]:
    """Return the group of each row's residual SD, and all groups; one unless the structure names a variable."""
    group: Index = np.zeros(len(rows), dtype=np.int64)
    groups: tuple[str, ...] = ("",)
    if spec.variance:
        group, groups = group_codes(rows[spec.variance])
        if len(groups) > MAX_VISITS:
            problem = Problem(
                what=f"{len(groups)} residual SDs",
                where=f"var({spec.variance})",
                allowed=f"at most {MAX_VISITS}",
            )
            raise InputError("residual", [problem])
    return group, groups


def group_codes(values: pd.Series) -> tuple[Index, tuple[str, ...]]:
    """Return numbers of the groups of a column and their names in order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = values.cat.remove_unused_categories()
        numbers: Index = used.cat.codes.to_numpy().astype(np.int64)
        return numbers, tuple(str(one) for one in used.cat.categories)
    distinct, codes = np.unique(values.to_numpy(), return_inverse=True)
    texts = tuple(f"{one:g}" if isinstance(one, float) else str(one) for one in distinct.tolist())
    numbers = np.asarray(codes, dtype=np.int64)
    return numbers, texts


def _check_repeats(rows: pd.DataFrame, spec: ResidualSpec, patient: Index) -> None:
    twice = pd.DataFrame({"patient": patient, "visit": rows[spec.variable].to_numpy()}).duplicated()
    if twice.any():
        problem = Problem(
            what=f"{spec.text} needs one row a visit, and {int(twice.sum())} rows repeat a "
            f"{spec.variable} of their patient",
            fix="keep one row a visit, or leave the residuals independent",
        )
        raise InputError("residual", [problem])


def _numeric(rows: pd.DataFrame, spec: ResidualSpec) -> Array:
    values = rows[spec.variable]
    if not pd.api.types.is_numeric_dtype(values):
        problem = Problem(
            what=f"{spec.kind} needs numbers",
            where=f"column {spec.variable}",
            fix="number the visits 1, 2, 3, ...",
        )
        raise InputError("residual", [problem])
    numbers = values.to_numpy(float)
    if spec.kind == "ar1" and np.any(numbers != np.round(numbers)):
        problem = Problem(
            what="ar1 needs whole numbers of visits",
            where=f"column {spec.variable}",
            fix=f"write car1({spec.variable}) for continuous time, or number the visits 1, 2, 3, ...",
        )
        raise InputError("residual", [problem])
    return numbers


def _median_gap(position: Array, patient: Index) -> float:
    order = np.lexsort((position, patient))
    gaps = np.diff(position[order])[np.diff(patient[order]) == 0]
    return float(f"{np.median(gaps):.3g}") if len(gaps) else 1.0
