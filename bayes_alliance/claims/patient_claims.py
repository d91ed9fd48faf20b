"""Claims about patients and not about models: shares, means and mean changes, from rows or from printed numbers.

Conjugate posteriors, drawn exactly: a share has a Beta posterior under Jeffreys' prior, a mean Student's t under the
reference prior (Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., sections 2.8 and 3.2); groups are independent.
The difference of two means is in units of the pooled SD of the groups. What is printed as a percentage is turned into
the nearest whole number of patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.claims.ledger import Part
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import Array
from bayes_alliance.published.patient_counts import group_sizes, groups
from bayes_alliance.run.protected_rows import described_rows
from bayes_alliance.study.printed_text import PrintedText
from bayes_alliance.study.records import Cell, Study

JEFFREYS = 0.5
MIN_GROUP = 3


class CannotTell(Exception):
    """A source holds nothing that bears on a part; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """Patients with a value, of how many."""

    k: int
    n: int


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean and SD of n patients."""

    mean: float
    sd: float
    n: int


def draw_patients(
    study: Study, data: StudyData, part: Part, count: int, rng: np.random.Generator
) -> tuple[Array, int]:
    """Draw the posterior of a share, mean or change from a study's rows.

    Returns
    -------
    draws : ndarray, shape (count,)
    n : int
        Patients behind them.

    Raises
    ------
    CannotTell
        If the data lack a variable, a group has fewer than three patients, or a cell fewer than may be described, or
        a few patients of a group lack the variable.
    """
    if part.quantity == "share" and not part.variable:
        raise CannotTell("no variable of the data holds it")
    lacking = [n for n in (part.variable, part.by, part.end) if n and n not in data.rows.columns]
    if lacking:
        raise CannotTell(f"the data lack {', '.join(lacking)}")
    rows = described_rows(study, data)
    if part.quantity == "change":
        changes = _changes(study, rows, part)
        _check_cells([len(changes)], data.min_cell)
        return _draw_mean(_moments(changes), count, rng), len(changes)
    patients = rows.groupby(study.patient, sort=False).first()
    parts = _split(patients, part)
    _check_lacking(patients, part, parts, data.min_cell)
    total = sum(len(values) for values in parts)
    if part.quantity == "share":
        counts = [_counted(values, part) for values in parts]
        _check_cells([cell for c in counts for cell in (c.k, c.n - c.k)], data.min_cell)
        return _draw_share(counts, count, rng), total
    _check_cells([len(values) for values in parts], data.min_cell)
    return _draw_means([_moments(values) for values in parts], count, rng), total


def _check_cells(cells: Sequence[int], min_cell: int) -> None:
    """Refuse to describe few patients: the draws of a share tell its counts to whoever knows the seed."""
    if min_cell > 1 and min(cells) < min_cell:
        raise CannotTell(f"withheld: a cell has fewer than {min_cell} patients (--min-cell)")


def _check_lacking(patients: pd.DataFrame, part: Part, parts: Sequence[Array], min_cell: int) -> None:
    """Refuse to tell by the draws in which group the few are who lack the variable."""
    if part.by and min_cell > 1:
        sizes = [int(np.sum(patients[part.by] == code)) for code in (0.0, 1.0)]
        lacking = [size - len(values) for size, values in zip(sizes, parts, strict=True)]
        if any(0 < few < min_cell for few in lacking):
            raise CannotTell(f"withheld: fewer than {min_cell} patients of a group lack it (--min-cell)")


def _split(patients: pd.DataFrame, part: Part) -> list[Array]:
    values = patients[part.variable]
    known = values.notna()
    if not part.by:
        return [values[known].to_numpy(dtype=float)]
    group = patients[part.by]
    return [values[known & (group == code)].to_numpy(dtype=float) for code in (0.0, 1.0)]


def _counted(values: Array, part: Part) -> Count:
    wanted = 1.0 if part.equals is None else part.equals
    return Count(k=int(np.sum(values == wanted)), n=len(values))


def _moments(values: Array) -> Moments:
    if len(values) < MIN_GROUP:
        raise CannotTell(f"a group has {len(values)} patients; at least {MIN_GROUP} are needed")
    return Moments(mean=float(values.mean()), sd=float(values.std(ddof=1)), n=len(values))


def _changes(study: Study, rows: pd.DataFrame, part: Part) -> Array:
    """Return each patient's end value less the first assessment."""
    frame = rows[[study.patient, study.time, part.variable, part.end]].dropna()
    first = frame.sort_values([study.patient, study.time]).groupby(study.patient, sort=False).first()
    return (first[part.end] - first[part.variable]).to_numpy(dtype=float)


def _draw_share(counts: Sequence[Count], count: int, rng: np.random.Generator) -> Array:
    """Draw a percentage, or the second less the first."""
    if any(c.n < MIN_GROUP for c in counts):
        raise CannotTell(f"a group has fewer than {MIN_GROUP} patients")
    drawn = [100.0 * rng.beta(c.k + JEFFREYS, c.n - c.k + JEFFREYS, count) for c in counts]
    result: Array = drawn[0] if len(drawn) == 1 else drawn[1] - drawn[0]
    return result


def _draw_mean(found: Moments, count: int, rng: np.random.Generator) -> Array:
    drawn: Array = found.mean + found.sd / np.sqrt(found.n) * rng.standard_t(found.n - 1, count)
    return drawn


def _draw_means(found: Sequence[Moments], count: int, rng: np.random.Generator) -> Array:
    """Draw a mean in its own unit, or the second less the first in pooled SDs."""
    if len(found) == 1:
        return _draw_mean(found[0], count, rng)
    degrees = sum(m.n - 1 for m in found)
    pooled = np.sqrt(sum((m.n - 1) * m.sd**2 for m in found) / degrees)
    if pooled <= 0.0:
        raise CannotTell("all patients have the same value")
    first, second = (_draw_mean(m, count, rng) for m in found)
    difference: Array = (second - first) / pooled
    return difference


def draw_printed_patients(
    study: Study, part: Part, count: int, rng: np.random.Generator
) -> tuple[Array, str, int]:
    """Draw the posterior of a share, mean or change from what is printed.

    Returns
    -------
    draws : ndarray, shape (count,)
    said : str
        The numbers as printed.
    n : int
        Patients behind them.

    Raises
    ------
    CannotTell
        If the numbers are not printed, or not for how many patients.
    """
    if part.quantity == "change":
        return _draw_printed_change(part, count, rng)
    texts: Sequence[Cell | PrintedText] = part.printed
    sizes = part.printed_n
    if not part.printed:
        texts, sizes = _cells(study, part)
    sizes = sizes * len(texts) if len(sizes) == 1 else sizes
    said = " and ".join(text.printed for text in texts)
    if part.quantity == "share":
        counts = [Count(k=round(_value(text) * n / 100.0), n=n) for text, n in zip(texts, sizes, strict=True)]
        if not part.by and len(counts) > 1:
            counts = [Count(k=sum(c.k for c in counts), n=sum(c.n for c in counts))]
        return _draw_share(counts, count, rng), said, sum(sizes)
    moments = [
        Moments(mean=_value(text), sd=_spread(text), n=n) for text, n in zip(texts, sizes, strict=True)
    ]
    if not part.by and len(moments) > 1:
        moments = [_pool(moments)]
    return _draw_means(moments, count, rng), said, sum(sizes)


def _draw_printed_change(part: Part, count: int, rng: np.random.Generator) -> tuple[Array, str, int]:
    """Take both means as independent: the correlation is not printed, and a positive one would only sharpen this."""
    if not part.printed:
        raise CannotTell("means at both times are not printed")
    n = part.printed_n[0]
    first, last = (Moments(mean=_value(text), sd=_spread(text), n=n) for text in part.printed)
    return (
        _draw_mean(last, count, rng) - _draw_mean(first, count, rng),
        " to ".join(text.printed for text in part.printed),
        n,
    )


def _cells(study: Study, part: Part) -> tuple[tuple[Cell, ...], tuple[int, ...]]:
    """Find the descriptive cells of a variable, group by group, with the patients behind each."""
    if part.by and part.by != study.descriptive_group:
        raise CannotTell(f"nothing is printed by {part.by}")
    quantity = "percent" if part.quantity == "share" else "mean_sd"
    texts, sizes = [], []
    for group in groups(study):
        cell = _cell(study, part.variable, group, quantity)
        known = group_sizes(study, group)
        if cell is None or not known:
            raise CannotTell("not printed")
        texts.append(cell)
        sizes.append(known[-1])
    if not texts:
        raise CannotTell("not printed")
    return tuple(texts), tuple(sizes)


def _cell(study: Study, variable: str, group: str, quantity: str) -> Cell | None:
    found = [c for c in study.cells if (c.variable, c.group, c.quantity) == (variable, group, quantity)]
    return found[0] if found else None


def _value(text: Cell | PrintedText) -> float:
    value = text.parsed.value
    assert value is not None
    return float(value.value)


def _spread(text: Cell | PrintedText) -> float:
    spread = text.parsed.spread
    assert spread is not None
    return float(spread.value)


def _pool(found: Sequence[Moments]) -> Moments:
    """Put groups together: mean and SD of all their patients."""
    n = sum(m.n for m in found)
    mean = sum(m.n * m.mean for m in found) / n
    squares = sum((m.n - 1) * m.sd**2 + m.n * (m.mean - mean) ** 2 for m in found)
    return Moments(mean=mean, sd=float(np.sqrt(squares / (n - 1))), n=n)
