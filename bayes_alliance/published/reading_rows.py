r"""How well printed AICs agree with a number of patients whom a predictor's models lack.

A model with ``k`` coefficients more than its reference lowers AIC by :math:`LR - 2k` on the same rows, and by
:math:`LR - 2k + C` where it lacks patients, with ``C`` what their rows add to :math:`-2\ell`. The likelihood of ``m``
patients lacking is the probability density of all printed changes of AIC, given what is printed of the tests:

* True deviations of level and slope are Normal with an SD of :math:`\kappa = 2` standard errors; their estimates
  correlate by :math:`\rho`, about the same (SD 0.05) in all outcomes and evenly between -0.95 and -0.3 beforehand,
  since time counts from baseline. Test statistics are restricted to what cells and text say. LR is :math:`N \log(1 +
  W/N)` of their Wald statistic ``W``, give or take 5 %.
* A patient has at least one row; the number is that of the publication's mean and SD (one plus a negative binomial),
  or, as likely, one for each who lacks. ``n`` rows cost :math:`n c + (\chi^2_n - n)`, with ``c`` the printed AIC a
  row give or take 10 %; chi-squares of two outcomes of the same rows correlate by 0.5 (as normal scores).

NumPy and SciPy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.aic import AicChange, aic_changes, wald
from bayes_alliance.published.patient_counts import all_patients, fact
from bayes_alliance.published.printed_effects import PrintedEffect
from bayes_alliance.study.records import Study

PRIOR_SCALE = 2.0  # SD of the true effects, in standard errors
CORRELATIONS = np.linspace(-0.95, -0.3, 14)  # of the estimates of level and slope
CORRELATION_ERROR = 0.05
RATIO_ERROR = 0.05
COST_ERROR = 0.1
COST_CORRELATION = 0.5
SHARE_OF_SINGLES = 0.5
SLIP_SD = 30.0  # of a change of AIC that is a slip
LARGEST_T = 8.0
TESTS, ROWS = 8000, 2000
# Changes of AIC less the gain on the same rows, on a grid.
GRID = np.arange(-100.0, 300.0, 0.25)


@dataclass(frozen=True, kw_only=True)
class RowEvidence:
    """Printed changes of AIC, and what is needed to tell what rows cost.

    Parameters
    ----------
    densities : tuple of ndarray, shape (n_correlations, n_grid)
        For each change, the density of what it exceeds the gain on the same rows by, given the correlation of level and
        slope; each is multiplied by the density of the marks at that correlation.
    marks : tuple of ndarray, shape (n_correlations,)
        That density.
    centres : tuple of float
        Mean of what each change exceeds the gain by.
    row_cost : tuple of float
        AIC of the reference by row.
    rows : (float, float)
        Mean and SD of the number of rows of a patient.
    """

    densities: tuple[Array, ...]
    marks: tuple[Array, ...]
    centres: tuple[float, ...]
    row_cost: tuple[float, ...]
    rows: tuple[float, float]


def gather_rows(
    study: Study, effects: Sequence[PrintedEffect], models: Sequence[str], rng: np.random.Generator
) -> RowEvidence | None:
    """Gather what the AICs of some models and their tests say; None where too little is printed.

    Parameters
    ----------
    study : Study
        With samples and the mean number of assessments.
    effects : sequence of PrintedEffect
        Its printed effects.
    models : sequence of str
        Ids of models that rest on the same patients.
    rng : Generator
    """
    total, said = all_patients(study), study.publication.assessments
    parsed = fact(study, said).parsed if said else None
    if total is None or parsed is None or parsed.value is None or parsed.spread is None:
        return None
    rows = (float(parsed.value.value), float(parsed.spread.value))
    found = []
    for change in aic_changes(study, only_reference=True):
        own = [e for e in effects if e.model.id == change.larger.id and e.is_deviation]
        assessed = change.larger.outcome in study.publication.assessed
        if change.larger.id in models and assessed and change.added == 2 and len(own) == 2:
            found.append((change, _density(change, own, total, rng)))
    if not found:
        return None
    made = [densities for _, densities in found]
    return RowEvidence(
        densities=tuple(made),
        marks=tuple(density.sum(axis=1) * (GRID[1] - GRID[0]) for density in made),
        centres=tuple(float(density.sum(axis=0) @ GRID / density.sum()) for density in made),
        row_cost=tuple(float(change.cells[0].printed) / (rows[0] * total) for change, _ in found),
        rows=rows,
    )


def _density(change: AicChange, own: Sequence[PrintedEffect], total: int, rng: np.random.Generator) -> Array:
    """Return the density of what a change exceeds the gain on the same rows by, times that of the marks."""
    low, high = change.change.ends
    step, width = GRID[1] - GRID[0], 0.5 * (high - low)
    # Of two rounded numbers the difference is off by a triangular error.
    reach = np.arange(-math.ceil(width / step), math.ceil(width / step) + 1) * step
    triangle = np.maximum(width - np.abs(reach), 0.0)
    triangle = triangle / triangle.sum() if triangle.sum() > 0.0 else np.ones_like(reach) / len(reach)
    edges = np.append(GRID, GRID[-1] + step) - 0.5 * step
    found = []
    for centre in CORRELATIONS:
        first, second = (_draw_t(effect, rng) for effect in own)
        rho = np.clip(centre + CORRELATION_ERROR * rng.standard_normal(TESTS), -0.98, 0.0)
        spread = 1.0 + PRIOR_SCALE**2
        weights = np.exp(-0.5 * wald(first, second, rho / spread) / spread) / np.sqrt(spread**2 - rho**2)
        ratio = total * np.log1p(wald(first, second, rho) / total)
        ratio = ratio * np.exp(RATIO_ERROR * rng.standard_normal(TESTS))
        spare = 0.5 * (low + high) - (ratio - 2.0 * change.added)
        counts = np.histogram(spare, bins=edges, weights=weights)[0] / (TESTS * step)
        found.append(np.convolve(counts, triangle, mode="same"))
    return np.array(found)


def _draw_t(effect: PrintedEffect, rng: np.random.Generator) -> Array:
    """Draw a test statistic evenly over what is printed of it; the sign is free where no estimate is printed."""
    region = effect.region
    if region is not None and effect.parsed.value is not None:
        chosen = rng.choice(len(region.weight), size=TESTS, p=region.weight)
        drawn: Array = region.estimate[chosen] / region.se[chosen]
        return drawn
    size = rng.uniform(effect.t.low, min(effect.t.high, LARGEST_T), TESTS)
    free: Array = size * rng.choice([-1.0, 1.0], TESTS)
    return free


def row_likelihood(
    evidence: RowEvidence, missing: tuple[int, int], slip: float, rng: np.random.Generator
) -> float:
    """Return the log density of the printed changes of AIC if so many patients lack.

    Parameters
    ----------
    evidence : RowEvidence
        Of :func:`gather_rows`.
    missing : (int, int)
        Fewest and most patients, each number as likely.
    slip : float
        Probability of a slip in a change.
    rng : Generator
    """
    numbers = range(missing[0], missing[1] + 1)
    return math.log(float(np.mean([_likelihood(evidence, m, slip, rng) for m in numbers])))


def _likelihood(evidence: RowEvidence, missing: int, slip: float, rng: np.random.Generator) -> float:
    n = _draw_rows(evidence.rows, missing, rng)
    shared = rng.standard_normal(ROWS)
    product = np.ones((len(CORRELATIONS), ROWS))
    for density, marks, centre, each in zip(
        evidence.densities, evidence.marks, evidence.centres, evidence.row_cost, strict=True
    ):
        own = rng.standard_normal(ROWS)
        quantile = special.ndtr(
            math.sqrt(COST_CORRELATION) * shared + math.sqrt(1.0 - COST_CORRELATION) * own
        )
        chi2 = np.where(n > 0, 2.0 * special.gammaincinv(0.5 * np.maximum(n, 1.0), quantile), 0.0)
        cost = n * each * (1.0 + COST_ERROR * rng.standard_normal(ROWS)) + (chi2 - n)
        near = np.array([np.interp(cost, GRID, row, left=0.0, right=0.0) for row in density])
        off = (cost - centre) / SLIP_SD
        far = marks[:, None] * np.exp(-0.5 * off**2) / (SLIP_SD * math.sqrt(2.0 * math.pi))
        product *= (1.0 - slip) * near + slip * far
    scale = float(np.sum(np.prod(np.array(evidence.marks), axis=0)))
    return float(product.mean(axis=1).sum()) / scale


def _draw_rows(rows: tuple[float, float], missing: int, rng: np.random.Generator) -> Array:
    """Draw the number of rows of so many patients."""
    mean, variance = rows[0] - 1.0, rows[1] ** 2
    if missing == 0 or mean <= 0.0:
        return np.full(ROWS, float(missing))
    if variance > mean:
        size = missing * mean**2 / (variance - mean)
        more = rng.negative_binomial(size, mean / variance, ROWS)
    else:
        more = rng.poisson(missing * mean, ROWS)
    singles = rng.random(ROWS) < SHARE_OF_SINGLES
    drawn: Array = missing + np.where(singles, 0, more).astype(float)
    return drawn
