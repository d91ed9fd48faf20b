"""Patients described by subgroup, with the tests of a baseline table: what Table II of the paper prints.

One value a patient. Means are compared by Student's t with pooled variance, shares by Pearson's chi-square
without continuity correction, as the paper's notes name them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.ml import GroupTest, compare_means, compare_shares
from bayes_alliance.study.records import Derived, Study, Variable

if TYPE_CHECKING:
    import pandas as pd

DescriptiveKind = Literal["mean", "share", "share of zero"]


@dataclass(frozen=True, kw_only=True)
class GroupValue:
    """One variable in one group: mean and SD, or a count and its share.

    Parameters
    ----------
    n : int
        Patients with a valid value.
    mean, sd : float
        NaN for a share.
    count : int
        Patients with the value 1 (or, for ``zero``, 0); 0 for a mean.
    percent : float
        Valid per cent; NaN for a mean.
    """

    n: int
    mean: float
    sd: float
    count: int
    percent: float


@dataclass(frozen=True, kw_only=True)
class Descriptive:
    """One variable described in two groups.

    Parameters
    ----------
    kind : {"mean", "share", "share of zero"}
        How it is described.
    groups : tuple of GroupValue
        For the values 0 and 1 of the grouping variable.
    masked_below : int
        Where a cell has fewer patients than this, its numbers were withheld; 0 where nothing was.
    """

    variable: str
    label: str
    unit: str
    kind: DescriptiveKind
    groups: tuple[GroupValue, GroupValue]
    test: GroupTest
    masked_below: int = 0


def describe_patients(study: Study, rows: pd.DataFrame) -> list[Descriptive]:
    """Describe every patient-level variable in the two groups of ``study.descriptive_group``.

    Parameters
    ----------
    study : Study
        Names the grouping variable and the variables.
    rows : pandas.DataFrame
        Validated rows; a patient-level value is the same on all of a patient's rows.

    Returns
    -------
    list of Descriptive
        In the order of declaration, empty where the data lack the grouping variable. Patients whose group is
        unknown are in neither group; ``n`` says how many are. Categories are left out. Numeric variables
        whose scale begins at zero also get a line for the share of zero, unless the publication prints only their
        mean.
    """
    group = study.descriptive_group
    if not group or group not in rows:
        return []
    patients = rows.groupby(study.patient, sort=False).first()
    member = patients[group].to_numpy(dtype=float)
    found = []
    for variable in study.every_variable.values():
        if variable.level != "patient" or variable.kind == "category":
            continue
        if variable.name in (group, study.patient) or variable.name not in patients:
            continue
        values = patients[variable.name].to_numpy(dtype=float)
        printed = {c.quantity for c in study.cells if c.variable == variable.name}
        zero = not printed or "percent" in printed
        found += _describe(variable, values[member == 0.0], values[member == 1.0], zero=zero)
    return found


def _describe(variable: Variable | Derived, first: Array, second: Array, *, zero: bool) -> list[Descriptive]:
    """One line for a variable, or two where the publication prints the share at zero."""
    if variable.kind == "binary":
        return [_shares(variable, "share", 1.0, first, second)]
    lines = [_means(variable, first, second)]
    at_zero = bool(np.any(first == 0.0) or np.any(second == 0.0))
    if zero and getattr(variable, "minimum", None) == 0.0 and at_zero:
        lines.append(_shares(variable, "share of zero", 0.0, first, second))
    return lines


def _means(variable: Variable | Derived, first: Array, second: Array) -> Descriptive:
    return Descriptive(
        variable=variable.name,
        label=variable.label,
        unit=variable.unit,
        kind="mean",
        groups=(_mean(first[~np.isnan(first)]), _mean(second[~np.isnan(second)])),
        test=compare_means(first, second),
    )


def _mean(valid: Array) -> GroupValue:
    nan = float("nan")
    return GroupValue(
        n=len(valid),
        mean=float(valid.mean()) if len(valid) else nan,
        sd=float(valid.std(ddof=1)) if len(valid) > 1 else nan,
        count=0,
        percent=nan,
    )


def _shares(
    variable: Variable | Derived, kind: DescriptiveKind, hit: float, first: Array, second: Array
) -> Descriptive:
    counts = [(int(np.sum(values == hit)), int(np.sum(~np.isnan(values)))) for values in (first, second)]
    return Descriptive(
        variable=variable.name,
        label=variable.label,
        unit=variable.unit,
        kind=kind,
        groups=(_share(*counts[0]), _share(*counts[1])),
        test=_test(counts[0], counts[1]),
    )


def _share(count: int, total: int) -> GroupValue:
    nan = float("nan")
    return GroupValue(n=total, mean=nan, sd=nan, count=count, percent=100.0 * count / total if total else nan)


def _test(first: tuple[int, int], second: tuple[int, int]) -> GroupTest:
    if not first[1] or not second[1]:
        return GroupTest(kind="chi2", statistic=np.nan, df=1, p=np.nan, n=(first[1], second[1]))
    return compare_shares(first, second)
