r"""The frequentist mirror: ML and REML, Satterthwaite tests, AIC in its dialects, the test of a random slope.

Everything is the marginal likelihood of :mod:`bayes_alliance.inference.likelihood`, maximised. Must not import
anything Bayesian.

Sources: Bates et al. 2015 (doi:10.18637/jss.v067.i01) for the profiled criterion; Satterthwaite degrees of
freedom as in Kuznetsova et al. 2017 (doi:10.18637/jss.v082.i13) and SPSS MIXED; Stram & Lee 1994
(doi:10.2307/2533455) for the mixture null of a variance.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance, Effect, Fitted, MixedFit, RowsUsed, Weights
from bayes_alliance.inference.lmm.fit_design import fit_structured
from bayes_alliance.inference.profile import Profile, differentiate, profile
from bayes_alliance.inference.statistics import Statistics, has_residual, summarise

Method = Literal["ML", "REML"]
Dialect = Literal["ml", "spss_reml", "lme4_reml"]
_SINGULAR = 1e-4


@dataclass(frozen=True, kw_only=True)
class _Solution:
    theta: Array
    deviance: float
    converged: bool


def fit_mixed(
    design: Design,
    rows: RowsUsed,
    *,
    model_id: str = "",
    method: Method = "ML",
    covariance: Covariance = "UN",
    stats: Statistics | None = None,
) -> MixedFit:
    """Fit a Gaussian mixed model by maximum likelihood.

    Parameters
    ----------
    design : Design
        Columns and rows.
    rows : RowsUsed
        What the rows are, carried along.
    method : {"ML", "REML"}
        Criterion.
    covariance : {"UN", "VC"}
        Unstructured or independent random effects; with one random effect both are "ID".
    stats : Statistics, optional
        Of the same design, where the caller has them already.

    Returns
    -------
    MixedFit

    Raises
    ------
    FitError
        If the outcome is explained perfectly by the fixed part, so that no variance is left to estimate.
    """
    if design.structured is not None:
        return fit_structured(design, rows, model_id=model_id, method=method)
    started = time.perf_counter()
    used = stats or summarise(design.y, design.x, design.z, design.patient_index)
    if not has_residual(used, design.y):
        raise FitError("the fixed part fits the outcome without any residual; nothing is left to estimate")
    kind: Covariance = "ID" if used.q == 1 else covariance
    shape = _shape(used, kind)
    solution = _maximise(used, shape, reml=method == "REML")
    return _record(used, design, rows, model_id, method, kind, shape, solution, started)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """The free parameters of a relative factor: ``factor = back @ lower``, ``lower[mask] = theta``.

    For an unstructured covariance ``lower`` is the Cholesky factor in the basis of orthogonal random columns;
    for independent effects it is diagonal in the original columns, only rescaled.
    """

    mask: NDArray[np.bool_]
    back: Array

    def factor(self, theta: Array) -> Array:
        """Return the relative factor in original units."""
        lower = np.zeros(self.mask.shape)
        lower[self.mask] = theta
        result: Array = self.back @ lower
        return result

    def by_theta(self, by_factor: Array) -> Array:
        """Turn derivatives by the factor's entries (leading two axes) into derivatives by theta."""
        result: Array = np.einsum("ka,kl...->al...", self.back, by_factor)[self.mask]
        return result


def _shape(stats: Statistics, covariance: Covariance) -> _Shape:
    if covariance == "UN":
        return _Shape(
            mask=np.tril(np.ones((stats.q, stats.q), dtype=bool)), back=np.linalg.inv(stats.z_basis)
        )
    scale = np.linalg.norm(stats.z_basis, axis=0)
    return _Shape(mask=np.eye(stats.q, dtype=bool), back=np.diag(1.0 / scale))


def _maximise(stats: Statistics, shape: _Shape, *, reml: bool) -> _Solution:
    """Minimise the profiled deviance from several starts; keep the best and say whether it is a minimum."""
    from scipy import optimize  # slow to import, and what only shows results does not need it

    rows, columns = np.nonzero(shape.mask)
    diagonal = rows == columns
    bounds = [(0.0, None) if on_diagonal else (None, None) for on_diagonal in diagonal]

    def objective(theta: Array) -> tuple[float, Array]:
        found = differentiate(stats, shape.factor(theta), reml=reml)
        return found.deviance, shape.by_theta(found.profiled)

    best: _Solution | None = None
    for start in _starts(diagonal, rows):
        found = optimize.minimize(
            objective,
            start,
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500, "maxcor": 20},
        )
        theta = _snap(objective, found.x, diagonal)
        value, gradient = objective(theta)
        at_bound = diagonal & (theta <= 0.0)
        converged = bool(np.all(np.abs(gradient[~at_bound]) < 1e-3) and np.all(gradient[at_bound] > -1e-3))
        if best is None or value < best.deviance - 1e-9:
            best = _Solution(theta=theta, deviance=value, converged=converged)
    assert best is not None
    return best


def _starts(diagonal: NDArray[np.bool_], rows: NDArray[np.int64]) -> list[Array]:
    """List starts: comparable, small and large random effects; a second random effect also starts small.

    A correlated slope also starts with a correlation of one: there the last diagonal entry has no derivative and
    stays zero, so this start finds the best fit on the boundary, which can beat the one inside.
    """
    even = np.where(diagonal, 1.0, 0.0)
    small_slope = np.where(diagonal, np.where(rows > 0, 0.1, 1.0), 0.0)
    if len(diagonal) == 1:
        return [even, 0.1 * even]
    if np.all(diagonal):
        return [even, small_slope]
    boundary = np.where(diagonal & (rows == 0), 1.0, np.where(diagonal, 0.0, -0.3))
    return [even, small_slope, boundary]


def _snap(objective: object, theta: Array, diagonal: NDArray[np.bool_]) -> Array:
    """Set a negligible diagonal entry to zero where that does not worsen the criterion."""
    snapped = theta.copy()
    for index in np.flatnonzero(diagonal & (np.abs(theta) < 1e-3)):
        trial = snapped.copy()
        trial[index] = 0.0
        if objective(trial)[0] <= objective(snapped)[0] + 1e-10:  # type: ignore[operator]
            snapped = trial
    return snapped


def _record(
    stats: Statistics,
    design: Design,
    rows: RowsUsed,
    model_id: str,
    method: Method,
    kind: Covariance,
    shape: _Shape,
    solution: _Solution,
    started: float,
) -> MixedFit:
    reml = method == "REML"
    factor = shape.factor(solution.theta)
    best = profile(stats, factor, reml=reml)
    parameter_cov, jacobian = _parameter_covariance(stats, shape, solution.theta, best, reml=reml)
    covariance = best.sigma**2 * factor @ factor.T
    sd = np.sqrt(np.diag(covariance))
    on_diagonal = np.equal(*np.nonzero(shape.mask))
    return MixedFit(
        model_id=model_id,
        method=method,
        covariance=kind,
        rows=rows,
        x_names=design.x_names,
        z_names=design.z_names,
        beta=best.beta,
        beta_cov=best.beta_cov,
        sd=sd,
        correlation=_correlation(covariance, sd),
        sigma=best.sigma,
        deviance=best.deviance,
        n_covariance=len(solution.theta) + 1,
        singular=bool(np.any(solution.theta[on_diagonal] < _SINGULAR)),
        converged=solution.converged,
        theta=solution.theta,
        parameter_cov=parameter_cov,
        beta_cov_jacobian=jacobian,
        seconds=time.perf_counter() - started,
    )


def _correlation(covariance: Array, sd: Array) -> float:
    if len(sd) != 2 or np.any(sd <= 0.0):
        return float("nan")
    return float(np.clip(covariance[0, 1] / (sd[0] * sd[1]), -1.0, 1.0))


def _parameter_covariance(
    stats: Statistics, shape: _Shape, theta: Array, best: Profile, *, reml: bool
) -> tuple[Array, Array]:
    """Asymptotic covariance of (theta, sigma), and the Jacobian of beta_cov by them.

    The Hessian is the central difference of the analytic gradient; directions in which it is not positive
    (a variance at its bound) carry no information and are left out, as lmerTest does. Steps, and what counts as no
    information, are relative to the size of each parameter, so that neither the unit of the outcome nor that of time
    matters: sigma in mol per litre is 1e-8, and its curvature 1e16 times that of the others.
    """
    point = np.append(theta, best.sigma)
    spread = np.linalg.norm(stats.z_basis, axis=0) / np.sqrt(stats.n_rows)
    usual = np.append(0.1 / spread[np.nonzero(shape.mask)[0]], 0.1 * best.sigma)
    size = np.maximum(np.abs(point), usual)
    steps = 1e-5 * size

    def gradient(at: Array) -> Array:
        derivatives = differentiate(stats, shape.factor(at[:-1]), reml=reml, sigma=float(at[-1]))
        return np.append(shape.by_theta(derivatives.fixed), derivatives.sigma)

    hessian = np.array(
        [(gradient(point + h) - gradient(point - h)) / (2.0 * h.sum()) for h in np.diag(steps)]
    )
    relative = (hessian + hessian.T) / 2.0 * np.outer(size, size)
    values, vectors = np.linalg.eigh(relative)
    kept = values > 1e-8 * max(float(values.max()), 1e-300)
    covariance = 2.0 * (vectors[:, kept] / values[kept]) @ vectors[:, kept].T * np.outer(size, size)
    derivatives = differentiate(stats, shape.factor(theta), reml=reml, sigma=best.sigma)
    by_sigma = 2.0 * best.beta_cov / best.sigma
    return covariance, np.concatenate([shape.by_theta(derivatives.beta_cov), by_sigma[None]])


def estimate_effect(fit: Fitted, combination: Weights) -> Effect:
    r"""Estimate a linear combination of fixed effects and test it against zero.

    Satterthwaite: :math:`df = 2 (l'Cl)^2 / (g'Ag)` with ``g`` the gradient of :math:`l'Cl` by the covariance
    parameters and ``A`` their asymptotic covariance.
    """
    weights = fit.weights(combination)
    estimate = float(weights @ fit.beta)
    variance = float(weights @ fit.beta_cov @ weights)
    gradient = np.einsum("a,kab,b->k", weights, fit.beta_cov_jacobian, weights)
    spread = float(gradient @ fit.parameter_cov @ gradient)
    df = 2.0 * variance**2 / spread if spread > 0.0 else float("nan")
    se = float(np.sqrt(variance))
    return Effect(estimate=estimate, se=se, df=df, p=two_sided_p(estimate / se, df))


def two_sided_p(t: float, df: float) -> float:
    """Two-sided p value of a t statistic; NaN without degrees of freedom."""
    if not df > 0.0:
        return float("nan")
    return float(2.0 * special.stdtr(df, -abs(t)))


def score_aic(fit: MixedFit, dialect: Dialect) -> float:
    r"""Akaike's criterion in the way that a given program counts parameters.

    Parameters
    ----------
    dialect : {"ml", "spss_reml", "lme4_reml"}
        ``ml``: :math:`-2\ell + 2(p + k)`, as SPSS and lme4 do under ML. ``spss_reml``: the REML criterion
        plus :math:`2k`. ``lme4_reml``: the REML criterion plus :math:`2(p + k)`.

    Raises
    ------
    ValueError
        If the dialect does not go with the criterion that was maximised.
    """
    if (dialect == "ml") != (fit.method == "ML"):
        raise ValueError(f"AIC dialect {dialect!r} does not apply to a {fit.method} fit")
    counted = fit.n_covariance if dialect == "spss_reml" else fit.n_covariance + fit.n_fixed
    return fit.deviance + 2.0 * counted


@dataclass(frozen=True, kw_only=True)
class LikelihoodRatio:
    """Likelihood-ratio test of nested fits on the same rows.

    Parameters
    ----------
    statistic : float
        Difference of deviances, not below zero.
    df : int
        Difference in the number of parameters.
    p_naive : float
        By chi-square on ``df``.
    p_mixture : float
        By the 50:50 mixture of chi-square on ``df_variance - 1`` and ``df_variance``, which holds where the
        added parameters are one variance and its covariance (Stram & Lee 1994); NaN otherwise.
    """

    statistic: float
    df: int
    p_naive: float
    p_mixture: float


def compare_nested(smaller: MixedFit, larger: MixedFit) -> LikelihoodRatio:
    """Compare two nested fits by their likelihood ratio.

    Raises
    ------
    ValueError
        If the rows or the criterion differ, or REML fits differ in their fixed part.
    """
    if smaller.rows.digest != larger.rows.digest:
        raise ValueError("a likelihood ratio needs the same rows in both fits")
    if smaller.method != larger.method or (larger.method == "REML" and smaller.x_names != larger.x_names):
        raise ValueError("a likelihood ratio needs ML fits, or REML fits with the same fixed part")
    added_fixed = larger.n_fixed - smaller.n_fixed
    added_covariance = larger.n_covariance - smaller.n_covariance
    df = added_fixed + added_covariance
    statistic = max(smaller.deviance - larger.deviance, 0.0)
    one_more_effect = len(larger.z_names) == len(smaller.z_names) + 1
    return LikelihoodRatio(
        statistic=statistic,
        df=df,
        p_naive=_chi2_tail(statistic, df),
        p_mixture=(
            0.5 * (_chi2_tail(statistic, df - 1) + _chi2_tail(statistic, df))
            if one_more_effect and added_fixed == 0
            else float("nan")
        ),
    )


def _chi2_tail(statistic: float, df: int) -> float:
    """P(chi-square on df > statistic); on zero degrees of freedom a point mass at zero."""
    return float(special.chdtrc(df, statistic)) if df > 0 else float(statistic <= 0.0)


@dataclass(frozen=True, kw_only=True)
class GroupTest:
    """Two groups compared on one variable.

    Parameters
    ----------
    kind : {"t", "chi2"}
        Student's t with equal variances, or Pearson's chi-square without continuity correction.
    statistic, df, p : float
        The test.
    n : tuple of int
        Valid values in each group.
    """

    kind: Literal["t", "chi2"]
    statistic: float
    df: float
    p: float
    n: tuple[int, int]


def compare_means(first: Sequence[float] | Array, second: Sequence[float] | Array) -> GroupTest:
    """Student's two-sample t test with pooled variance, as SPSS prints first."""
    a, b = (np.asarray(values, dtype=float) for values in (first, second))
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    n, m = len(a), len(b)
    df = n + m - 2
    if min(n, m) < 2:
        return GroupTest(kind="t", statistic=np.nan, df=df, p=np.nan, n=(n, m))
    pooled = ((n - 1) * a.var(ddof=1) + (m - 1) * b.var(ddof=1)) / df
    t = (a.mean() - b.mean()) / np.sqrt(pooled * (1 / n + 1 / m)) if pooled > 0 else np.nan
    return GroupTest(kind="t", statistic=float(t), df=df, p=two_sided_p(float(t), df), n=(n, m))


def compare_shares(first: tuple[int, int], second: tuple[int, int]) -> GroupTest:
    """Pearson's chi-square of two (count, total) pairs, without continuity correction."""
    (a, n), (b, m) = first, second
    share = (a + b) / (n + m)
    if share in (0.0, 1.0):
        return GroupTest(kind="chi2", statistic=np.nan, df=1, p=np.nan, n=(n, m))
    z2 = (a / n - b / m) ** 2 / (share * (1 - share) * (1 / n + 1 / m))
    return GroupTest(kind="chi2", statistic=float(z2), df=1, p=_chi2_tail(float(z2), 1), n=(n, m))
