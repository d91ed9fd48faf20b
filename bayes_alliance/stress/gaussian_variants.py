r"""Likelihoods that are Gaussian once one more number is given: exact, by the collapsed engine.

``curved``        time squared for the mean and for every slope of the fixed part; the estimand is then the mean rate of
                  change over the horizon, :math:`w'\beta + w'\kappa\, H`.
``sd_by_group``   residual SDs of two subgroups differ by a factor. Given the factor, rows of the second subgroup
                  divided by it have one residual SD again.
``autocorrelated`` residuals of a patient correlate by :math:`\varphi^{|t - t'|/h}`, h being a step of the schedule
                  (continuous-time AR(1): Jones & Boadi-Boateng 1991, doi:10.2307/2532504). Given :math:`\varphi`, each
                  row less its share of the one before has independent residuals again.

The additional number runs over a grid; each of its values costs one collapsed fit, whose evidence times the Jacobian of
the rows' transformation and the prior gives the value's posterior weight. Draws are taken in proportion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.psis import PARETO_K_LIMIT, log_sum_exp
from bayes_alliance.stress.prepare import Prepared

FACTORS = tuple(float(v) for v in np.linspace(-1.0, 1.0, 21))
AUTOCORRELATIONS = tuple(float(v) for v in np.linspace(0.0, 0.9, 19))
_SD_LOG_FACTOR = 0.5


@dataclass(frozen=True, kw_only=True)
class GaussianVariant:
    """Posterior under a Gaussian variant of the likelihood.

    Parameters
    ----------
    name, words : str
        Key; what it changes.
    design : Design
        Of the mean, in the rows' own units; columns beyond the model's are those that the variant adds.
    beta : ndarray, shape (s, p)
        Fixed effects.
    sd : ndarray, shape (s, 2)
        Of the random effects.
    correlation, sigma : ndarray, shape (s,)
        Of these; residual SD (of the first subgroup, where they differ).
    extra : ndarray, shape (s,)
        The additional number (log factor or autocorrelation over a step); zeros without.
    effective : float
        Independent draws that these are worth.
    """

    name: str
    words: str
    design: Design
    beta: Array
    sd: Array
    correlation: Array
    sigma: Array
    extra: Array
    effective: float

    def effects(self) -> Array:
        """Covariance of the random effects, shape (s, 2, 2)."""
        cross = self.correlation * self.sd[:, 0] * self.sd[:, 1]
        rows = [[self.sd[:, 0] ** 2, cross], [cross, self.sd[:, 1] ** 2]]
        return np.moveaxis(np.array(rows), 2, 0)

    def thin(self, most: int) -> GaussianVariant:
        """Keep every k-th draw so that at most ``most`` are left."""
        step = -(-len(self.sigma) // most)
        return dataclasses.replace(
            self,
            beta=self.beta[::step],
            sd=self.sd[::step],
            correlation=self.correlation[::step],
            sigma=self.sigma[::step],
            extra=self.extra[::step],
        )


def fit_gaussian(prepared: Prepared) -> GaussianVariant:
    """Return the unchanged posterior in the form of the variants."""
    return _from_fit(prepared.posterior, prepared.design, "gaussian", "nothing")


def fit_curved(prepared: Prepared) -> GaussianVariant:
    """Fit with time squared.

    Raises
    ------
    FitError
        If curvature cannot be told from the rest on these rows, or the engine fails.
    """
    design, priors = prepared.design, prepared.priors
    timed = [i for i, name in enumerate(design.x_names) if prepared.time in name.split(":")]
    squares = design.x[:, timed] * prepared.times[:, None]
    curved = dataclasses.replace(
        design,
        x=np.column_stack([design.x, squares]),
        x_names=(*design.x_names, *(f"{design.x_names[i]}:{prepared.time}" for i in timed)),
    )
    scaled = curved.x / np.maximum(np.linalg.norm(curved.x, axis=0), 1e-300)
    if int(np.linalg.matrix_rank(scaled, tol=1e-9)) < curved.x.shape[1]:
        raise FitError("time squared cannot be told from the other columns on these rows")
    wide = priors.append(np.zeros(len(timed)), priors.sd[timed] / prepared.horizon)
    fit = fit_collapsed(
        curved,
        prepared.rows,
        wide,
        seed=prepared.seed_of("likelihood", "curved"),
        settings=CollapsedSettings(draws=prepared.posterior.n_draws),
    )
    _check(fit)
    return _from_fit(fit, curved, "curved", "time squared in the mean and in every slope of the fixed part")


def fit_sd_by_group(prepared: Prepared, factors: Sequence[float] = FACTORS) -> GaussianVariant:
    """Fit with residual SDs that differ between two subgroups by a factor of log-normal prior (SD 0.5).

    Patients of an unknown subgroup have the geometric mean of both.

    Raises
    ------
    FitError
        If the study has no two subgroups, or the engine fails.
    """
    if len(prepared.groups) != 2:
        raise FitError("residual SDs by subgroup need two subgroups")
    design = prepared.design
    exponent = group_exponent(prepared)[design.patient_index]

    def transform(value: float) -> tuple[Design, float]:
        factor = np.exp(value * exponent)
        return _divided(design, factor), -float(np.sum(np.log(factor)))

    log_prior = -0.5 * (np.asarray(factors) / _SD_LOG_FACTOR) ** 2
    words = f"residual SDs of {prepared.groups[0]} and {prepared.groups[1]} differ"
    return _over_grid(prepared, "sd_by_group", words, factors, log_prior, transform)


def group_exponent(prepared: Prepared) -> Array:
    """Power of the factor that each patient's residual SD bears, shape (n_patients,)."""
    return np.where(prepared.group < 0, 0.5, prepared.group == 1).astype(float)


def fit_autocorrelated(prepared: Prepared, values: Sequence[float] = AUTOCORRELATIONS) -> GaussianVariant:
    """Fit with autocorrelated residuals, the correlation over one step uniform from 0 to 0.9.

    Raises
    ------
    FitError
        If the engine fails.
    """
    design = prepared.design
    gap = time_gaps(prepared)

    def transform(value: float) -> tuple[Design, float]:
        share = np.where(gap > 0.0, value ** np.maximum(gap, 1e-12), 0.0)
        root = np.sqrt(1.0 - share**2)
        return _without_previous(design, share, root), -float(np.sum(np.log(root)))

    words = f"residuals of a patient are autocorrelated (per step of {prepared.step:g})"
    return _over_grid(prepared, "autocorrelated", words, values, np.zeros(len(values)), transform)


def time_gaps(prepared: Prepared) -> Array:
    """Count the steps since the patient's row before, zero at the first, shape (n_rows,)."""
    first = np.diff(prepared.design.patient_index, prepend=-1) > 0
    gaps: Array = np.where(first, 0.0, np.diff(prepared.times, prepend=0.0)) / prepared.step
    return gaps


def _divided(design: Design, factor: Array) -> Design:
    return dataclasses.replace(
        design, y=design.y / factor, x=design.x / factor[:, None], z=design.z / factor[:, None]
    )


def _without_previous(design: Design, share: Array, root: Array) -> Design:
    """Take its share of the row before off every row, and scale to one residual SD."""

    def changed(values: Array) -> Array:
        before = np.vstack([np.zeros((1, values.shape[1])), values[:-1]])
        result: Array = (values - share[:, None] * before) / root[:, None]
        return result

    return dataclasses.replace(
        design, y=changed(design.y[:, None])[:, 0], x=changed(design.x), z=changed(design.z)
    )


def _over_grid(
    prepared: Prepared,
    name: str,
    words: str,
    values: Sequence[float],
    log_prior: Array,
    transform: Callable[[float], tuple[Design, float]],
) -> GaussianVariant:
    """Fit at every value of the grid and draw from the mixture."""
    count = prepared.posterior.n_draws
    fits, logs = _fit_grid(prepared, name, values, log_prior, transform, count)
    weights = np.exp(logs - log_sum_exp(logs))
    rng = np.random.default_rng(prepared.seed_of("likelihood", name))
    numbers = rng.multinomial(count, weights)
    flat = [fit.flat() for fit in fits]
    order = rng.permutation(count)
    parts = [np.concatenate([f[k][:n] for f, n in zip(flat, numbers, strict=True)])[order] for k in range(4)]
    effective = min(
        float(fit.independent_draws or count) for fit, w in zip(fits, weights, strict=True) if w > 0.01
    )
    return GaussianVariant(
        name=name,
        words=words,
        design=prepared.design,
        beta=parts[0],
        sd=parts[1],
        correlation=parts[2],
        sigma=parts[3],
        extra=np.repeat(np.asarray(values, dtype=float), numbers)[order],
        effective=effective,
    )


def _fit_grid(
    prepared: Prepared,
    name: str,
    values: Sequence[float],
    log_prior: Array,
    transform: Callable[[float], tuple[Design, float]],
    count: int,
) -> tuple[list[PosteriorFit], Array]:
    """Fit at every value; return the fits, and the logs of their weights."""
    fits: list[PosteriorFit] = []
    logs = np.empty(len(values))
    for i, value in enumerate(values):
        design, log_jacobian = transform(value)
        fit = fit_collapsed(
            design,
            prepared.rows,
            prepared.priors,
            seed=prepared.seed_of("likelihood", name, str(i)),
            settings=CollapsedSettings(draws=count),
        )
        _check(fit)
        fits.append(fit)
        logs[i] = float(fit.facts["log_evidence"]) + log_jacobian + log_prior[i]
    return fits, logs


def _check(fit: PosteriorFit) -> None:
    pareto_k = float(fit.facts["pareto_k"])
    if pareto_k > PARETO_K_LIMIT:
        raise FitError(f"Pareto k {pareto_k:.2f} of the importance draws is above 0.7")


def _from_fit(fit: PosteriorFit, design: Design, name: str, words: str) -> GaussianVariant:
    beta, sd, correlation, sigma = fit.flat()
    return GaussianVariant(
        name=name,
        words=words,
        design=design,
        beta=beta,
        sd=sd,
        correlation=correlation,
        sigma=sigma,
        extra=np.zeros(len(sigma)),
        effective=float(fit.independent_draws or len(sigma)),
    )
