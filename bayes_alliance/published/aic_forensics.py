r"""Which way of computing could have printed these AICs beside these estimates.

Every combination of criterion, AIC dialect, patients behind the predictor's models and covariance type is
held against every printed change of AIC. Under maximum likelihood the change is :math:`W - 2k`; under
restricted likelihood :math:`W + \log|V| + k\log 2\pi` by SPSS, which counts covariance parameters only,
and 2k less by lme4; fewer patients lower AIC by what their rows would have cost. ``W`` is the Wald statistic
of the printed deviations. The covariance type cancels, since it costs as much with the predictor as without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from bayes_alliance.inference.fits import Array, Covariance
from bayes_alliance.published.aic import AicChange, aic_changes, wald
from bayes_alliance.published.aic_checks import POSSIBLE_CORRELATION, effect_t_range
from bayes_alliance.published.patient_counts import all_patients, count_of, fact
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.study.publication import Sample
from bayes_alliance.study.records import Study

Dialect = Literal["ml", "spss_reml", "lme4_reml"]
DIALECTS: tuple[Dialect, ...] = ("ml", "spss_reml", "lme4_reml")
_LOG_2PI = math.log(2.0 * math.pi)
_SAME = Sample(id="same", label="the same rows", count="")


@dataclass(frozen=True, kw_only=True)
class ForensicLine:
    """One printed change of AIC under one combination.

    Parameters
    ----------
    model : str
        Id of the larger model.
    possible : bool or None
        Whether the printed numbers leave room; None where a standard error or the rows are not known.
    needed : float
        Smallest size of the correlation of the two estimates with which they do; NaN where they do not.
    """

    model: str
    possible: bool | None
    needed: float


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One way of computing, and what it leaves possible."""

    criterion: Literal["ML", "REML"]
    dialect: Dialect
    sample: Sample
    covariance: Covariance
    lines: tuple[ForensicLine, ...]

    @property
    def impossible(self) -> tuple[str, ...]:
        """Models whose printed AIC it cannot give."""
        return tuple(line.model for line in self.lines if line.possible is False)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Models for which a standard error or the number of rows is missing."""
        return tuple(line.model for line in self.lines if line.possible is None)


def forensics(
    study: Study,
    *,
    dialects: Sequence[Dialect] = DIALECTS,
    covariances: Sequence[Covariance] = ("UN", "VC"),
) -> list[Combination]:
    """Enumerate the combinations and hold each against every printed change of AIC.

    Parameters
    ----------
    study : Study
        With AIC cells of models and their references.
    dialects, covariances : sequence of str
        Which to enumerate.

    Returns
    -------
    list of Combination
        Empty where no model with two deviations prints its AIC.
    """
    effects = printed_effects(study)
    changes = []
    for change in aic_changes(study, only_reference=True):
        own = [e for e in effects if e.model.id == change.larger.id and e.is_deviation]
        if change.added == 2 and len(own) == 2:
            changes.append((change, own))
    samples = study.publication.samples or (_SAME,)
    found = []
    for dialect, sample, covariance in product(dialects, samples, covariances):
        lines = tuple(_line(study, change, own, dialect, sample) for change, own in changes)
        if lines:
            found.append(
                Combination(
                    criterion="ML" if dialect == "ml" else "REML",
                    dialect=dialect,
                    sample=sample,
                    covariance=covariance,
                    lines=lines,
                )
            )
    return found


def _line(
    study: Study, change: AicChange, own: list[PrintedEffect], dialect: Dialect, sample: Sample
) -> ForensicLine:
    rows = _cost_of_rows(study, change, sample)
    ses = [_se_range(effect) for effect in own]
    if rows is None or (dialect != "ml" and any(se is None for se in ses)):
        return ForensicLine(model=change.larger.id, possible=None, needed=float("nan"))
    ts = [effect_t_range(study, effect) for effect in own]
    low, high = change.change.ends
    for rho in sorted(np.linspace(-POSSIBLE_CORRELATION, POSSIBLE_CORRELATION, 37), key=abs):
        offsets = _offsets(dialect, ses, float(rho), change.added)
        wanted = (low - rows[1] - offsets[1], high - rows[0] - offsets[0])
        reach = _wald_at(ts[0], ts[1], float(rho))
        # A likelihood ratio falls a little short of the Wald statistic of estimated variances.
        if wanted[1] >= 0.9 * reach[0] - 0.5 and wanted[0] <= 1.1 * reach[1] + 0.5:
            return ForensicLine(model=change.larger.id, possible=True, needed=abs(float(rho)))
    return ForensicLine(model=change.larger.id, possible=False, needed=float("nan"))


def _se_range(effect: PrintedEffect) -> tuple[float, float] | None:
    if effect.region is None:
        return None
    return float(effect.region.rim_se.min()), float(effect.region.rim_se.max())


def _offsets(
    dialect: Dialect, ses: list[tuple[float, float] | None], rho: float, added: int
) -> tuple[float, float]:
    """Range of what is added to W to give the change of AIC."""
    if dialect == "ml":
        return -2.0 * added, -2.0 * added
    known = [se for se in ses if se is not None]
    base = math.log1p(-(rho**2)) + added * _LOG_2PI - (2.0 * added if dialect == "lme4_reml" else 0.0)
    return tuple(base + 2.0 * sum(math.log(se[end]) for se in known) for end in (0, 1))  # type: ignore[return-value]


def _wald_at(t0: tuple[float, float], t1: tuple[float, float], rho: float) -> tuple[float, float]:
    signs = np.array([1.0, -1.0])
    values = wald(_steps(t0)[:, None, None], signs * _steps(t1)[:, None], np.array(rho))
    return float(values.min()), float(values.max())


def _steps(ends: tuple[float, float]) -> Array:
    return np.linspace(ends[0], min(ends[1], 1e3), 5)


def _cost_of_rows(study: Study, change: AicChange, sample: Sample) -> tuple[float, float] | None:
    """Range of what the rows of the missing patients would have added to AIC; None where it is not known.

    A patient has from one row to twice the mean number; a row costs its share of the reference's AIC, give or
    take three standard deviations of a sum of squared Normal residuals.
    """
    total = all_patients(study)
    lost = total - count_of(study, fact(study, sample.count)) if total and sample.count else 0
    if total is None or lost <= 0:
        return 0.0, 0.0
    publication = study.publication
    if not publication.assessments or change.larger.outcome not in publication.assessed:
        return None
    mean = fact(study, publication.assessments).parsed.value
    assert mean is not None
    rows = float(mean.value)
    each = float(change.cells[0].printed) / (rows * total)
    most = 2.0 * rows * lost
    low, high = (n * each + sign * 3.0 * math.sqrt(2.0 * n) for n, sign in ((lost, -1), (most, 1)))
    return low, high
