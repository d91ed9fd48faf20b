r"""Conditioning on the outcome: how much of a subgroup difference a shared course gives without any effect.

Subgroups defined by the end of treatment are compared in what came before it. Suppose that the measured course
(b0, b1) and the course of the outcome that defines the subgroups (a0, a1) have only this in common: their slopes
correlate by r, as two measurements of one latent process would, and maybe residuals of one occasion by r_e. Neither
does anything to the other. Patients are then divided at the end value :math:`E = a_0 + a_1 T + e`, and the lower part
differs in slope from the rest by

.. math:: \Delta = -\frac{\mathrm{Cov}(b_1, E)}{\mathrm{SD}(E)}\,\frac{\phi(z_\pi)}{\pi(1-\pi)}, \qquad
          \mathrm{Cov}(b_1, E) = r\,\sigma_{b1}(\sigma_{a1}T + \rho_a\sigma_{a0}),

where :math:`\pi` is the share of the lower part, :math:`z_\pi` the Normal quantile and :math:`\rho_a` the correlation
of a0 and a1 (mean of a truncated Normal: Johnson, Kotz & Balakrishnan 1994, *Continuous Univariate Distributions 1*,
13.10.1, no DOI; selection on the outcome as collider bias: Elwert & Winship 2014,
doi:10.1146/annurev-soc-071913-043455; groups formed by a later state and regression to the mean: Barnett et al. 2005,
doi:10.1093/ije/dyh299). The simulation does the same on the study's own visits, where residuals of one occasion can be
shared too, and estimates the difference by generalised least squares. Without a shared course and shared residuals
there is no difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.inference.fits import Array, MixedFit


@dataclass(frozen=True, kw_only=True)
class Course:
    """Linear growth of one outcome.

    Parameters
    ----------
    mean : tuple of (float, float)
        Intercept and slope.
    sd : tuple of (float, float)
        Between patients, of intercept and slope.
    correlation : float
        Of the two.
    sigma : float
        Residual SD.
    """

    mean: tuple[float, float]
    sd: tuple[float, float]
    correlation: float
    sigma: float

    @property
    def covariance(self) -> Array:
        """Covariance of intercept and slope, shape (2, 2)."""
        cross = self.correlation * self.sd[0] * self.sd[1]
        return np.array([[self.sd[0] ** 2, cross], [cross, self.sd[1] ** 2]])


def course_of(fit: MixedFit) -> Course:
    """Read a course off a growth model ``y ~ time + (time | patient)``."""
    correlation = 0.0 if np.isnan(fit.correlation) else fit.correlation
    return Course(
        mean=(float(fit.beta[0]), float(fit.beta[1])),
        sd=(float(fit.sd[0]), float(fit.sd[1])),
        correlation=float(correlation),
        sigma=fit.sigma,
    )


@dataclass(frozen=True, kw_only=True)
class SharedDesign:
    """When two outcomes are observed, and how many patients end in the lower part.

    Parameters
    ----------
    times, patient : ndarray, shape (n_rows,)
        Visits of the measured outcome; 0, 1, ... non-decreasing.
    end_time : ndarray, shape (n_patients,)
        When the value that divides the patients was observed.
    share : float
        Of patients in the lower part, in (0, 1).
    """

    times: Array
    patient: NDArray[np.int64]
    end_time: Array
    share: float


def expected_difference(
    course: Course, other: Course, *, strength: float, end_time: float | Array, share: float
) -> float:
    """Slope of the lower part minus that of the rest, by the closed form, per unit of time.

    Parameters
    ----------
    course, other : Course
        Of the measured outcome, and of the one whose end value divides the patients.
    strength : float
        Correlation of the slopes, in [-1, 1].
    end_time : float or ndarray
        When the end value is observed; averaged over.
    share : float
        Of the lower part, in (0, 1).

    Examples
    --------
    >>> one = Course(mean=(0.0, 0.0), sd=(0.0, 1.0), correlation=0.0, sigma=0.0)
    >>> round(expected_difference(one, one, strength=1.0, end_time=1.0, share=0.5), 3)  # -2 sqrt(2 / pi)
    -1.596
    """
    time = np.asarray(end_time, dtype=float)
    a0, a1 = other.sd
    cross = strength * course.sd[1] * (a1 * time + other.correlation * a0)
    variance = a0**2 + 2.0 * other.correlation * a0 * a1 * time + (a1 * time) ** 2 + other.sigma**2
    z = special.ndtri(share)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return float(np.mean(-cross / np.sqrt(variance) * density / (share * (1.0 - share))))


def simulate_differences(
    course: Course,
    other: Course,
    design: SharedDesign,
    *,
    strength: float,
    residual: float,
    count: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Simulate studies in which two courses share nothing but a latent process, and compare the subgroups.

    The slopes correlate by ``strength``; each intercept depends on its own slope only. The residual of the measured
    outcome at the time of the end value correlates by ``residual`` with that of the end value. The lowest ``share``
    of end values makes the lower part.

    Returns
    -------
    difference, se : ndarray, shape (count,)
        Slope of the lower part minus that of the rest by generalised least squares with the true covariance, per unit
        of time, and its standard error.
    """
    n = len(design.end_time)
    slope = rng.standard_normal((2, count, n))
    slope[1] = strength * slope[0] + np.sqrt(1.0 - strength**2) * slope[1]
    effects = [_effects(one, slope[k], rng) for k, one in enumerate((course, other))]
    noise = rng.standard_normal((count, len(design.times)))
    end_noise = rng.standard_normal((count, n))
    row = _row_at_end(design)
    shared = row >= 0
    end_noise[:, shared] = (
        residual * noise[:, row[shared]] + np.sqrt(1.0 - residual**2) * end_noise[:, shared]
    )
    end = (
        other.mean[0]
        + effects[1][0]
        + (other.mean[1] + effects[1][1]) * design.end_time
        + other.sigma * end_noise
    )
    y = (
        course.mean[0]
        + effects[0][0][:, design.patient]
        + (course.mean[1] + effects[0][1][:, design.patient]) * design.times
        + course.sigma * noise
    )
    lower = np.zeros((count, n), dtype=bool)
    n_lower = round(design.share * n)
    np.put_along_axis(lower, np.argsort(end, axis=1)[:, :n_lower], True, axis=1)
    return _compare_groups(course, design, y, lower)


def _effects(course: Course, slope: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw intercepts given standardised slopes; give both in units of the outcome."""
    own = rng.standard_normal(slope.shape)
    rho = course.correlation
    level = course.sd[0] * (rho * slope + np.sqrt(max(1.0 - rho**2, 0.0)) * own)
    return level, course.sd[1] * slope


def _row_at_end(design: SharedDesign) -> NDArray[np.int64]:
    """Return the row of each patient that stands at the time of the end value, -1 where none does."""
    row = np.full(len(design.end_time), -1, dtype=np.int64)
    same = np.flatnonzero(np.isclose(design.times, design.end_time[design.patient]))
    row[design.patient[same]] = same
    return row


def _compare_groups(
    course: Course, design: SharedDesign, y: Array, lower: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Generalised least squares of intercept and slope in each part; both parts share one covariance."""
    n = len(design.end_time)
    information = np.zeros((n, 2, 2))
    score = np.zeros((len(y), n, 2))
    for i in range(n):
        rows = np.flatnonzero(design.patient == i)
        z = np.column_stack([np.ones(len(rows)), design.times[rows]])
        weight = np.linalg.solve(z @ course.covariance @ z.T + course.sigma**2 * np.eye(len(rows)), z)
        information[i] = z.T @ weight
        score[:, i] = y[:, rows] @ weight
    slopes, variances = [], []
    for part in (lower, ~lower):
        total = np.einsum("si,iab->sab", part.astype(float), information)
        inverse = np.linalg.inv(total)
        slopes.append(
            np.einsum("sb,sb->s", inverse[:, 1], np.einsum("si,sib->sb", part.astype(float), score))
        )
        variances.append(inverse[:, 1, 1])
    return slopes[0] - slopes[1], np.sqrt(variances[0] + variances[1])
