"""The records that engines return: what was fitted, on which rows, and what came out.

Frozen, complete when built, and the same whatever engine made them. Reading a number off a record is done
here; judging it is done in :mod:`checks` and :mod:`compare`, naming it in :mod:`labels`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.study.records import Source

Array = NDArray[np.float64]
Covariance = Literal["UN", "VC", "ID", "by formula"]
Weights = Sequence[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class RowsUsed:
    """Which rows a fit rests on.

    Parameters
    ----------
    n_rows, n_patients : int
        Counts.
    digest : str
        SHA-256 of the frozen rows.
    source : Source
        Real data or synthetic.
    """

    n_rows: int
    n_patients: int
    digest: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A fixed effect or a linear combination of them, with its t test.

    Parameters
    ----------
    estimate, se : float
        In the outcome's unit per unit of the predictor.
    df : float
        Degrees of freedom (Satterthwaite, or Kenward and Roger); NaN where they do not exist.
    p : float
        Two-sided p value of t on ``df``; NaN where ``df`` is.
    """

    estimate: float
    se: float
    df: float
    p: float


@dataclass(frozen=True, kw_only=True)
class MixedFit:
    """A mixed model fitted by ML or REML.

    Parameters
    ----------
    beta : ndarray, shape (p,)
        Fixed effects in the order of ``x_names``.
    beta_cov : ndarray, shape (p, p)
        Their covariance.
    sd : ndarray, shape (q,)
        SDs of the random effects, in the outcome's unit per unit of the random column.
    correlation : float
        Of intercept and slope; 0 for independent effects, NaN with a single random effect or a zero SD.
    sigma : float
        Residual SD.
    deviance : float
        -2 log likelihood (ML) or the REML criterion.
    n_covariance : int
        Free covariance parameters, the residual variance included.
    singular : bool
        Whether the fitted covariance of the random effects has less than full rank.
    converged : bool
        Whether the projected gradient vanished at the solution.
    theta : ndarray
        Free entries of the relative factor at the solution.
    parameter_cov : ndarray, shape (k, k)
        Asymptotic covariance of ``(theta, sigma)``, a pseudo-inverse where singular.
    beta_cov_jacobian : ndarray, shape (k, p, p)
        Derivative of ``beta_cov`` by ``(theta, sigma)``.
    variances : tuple of (str, float)
        Every variance quantity of a model with several levels or correlated residuals; ``sd`` is then empty and
        ``sigma`` the residual SD of the first group.
    """

    model_id: str
    method: Literal["ML", "REML"]
    covariance: Covariance
    rows: RowsUsed
    x_names: tuple[str, ...]
    z_names: tuple[str, ...]
    beta: Array
    beta_cov: Array
    sd: Array
    correlation: float
    sigma: float
    deviance: float
    n_covariance: int
    singular: bool
    converged: bool
    theta: Array
    parameter_cov: Array
    beta_cov_jacobian: Array
    seconds: float = 0.0
    variances: tuple[tuple[str, float], ...] = ()

    @property
    def n_fixed(self) -> int:
        """Number of fixed coefficients."""
        return len(self.beta)

    @property
    def slope_variance(self) -> float:
        """Variance of the random slope; NaN without one."""
        return float(self.sd[1] ** 2) if len(self.sd) > 1 else float("nan")

    @property
    def intercept_variance(self) -> float:
        """Variance of the random intercept; NaN where ``variances`` holds those of several levels."""
        return float(self.sd[0] ** 2) if len(self.sd) else float("nan")

    @property
    def icc(self) -> float:
        """Share of the intercept variance in intercept plus residual variance (at time zero)."""
        return self.intercept_variance / (self.intercept_variance + self.sigma**2)

    def weights(self, combination: Weights) -> Array:
        """Turn named weights into a vector over the coefficients (KeyError for an unknown name)."""
        return weight_vector(self.x_names, combination)


class Fitted(Protocol):
    """What a test of a combination of fixed effects asks of a fit."""

    @property
    def beta(self) -> Array:
        """Fixed effects."""

    @property
    def beta_cov(self) -> Array:
        """Their covariance."""

    @property
    def parameter_cov(self) -> Array:
        """Asymptotic covariance of the covariance parameters."""

    @property
    def beta_cov_jacobian(self) -> Array:
        """Derivative of ``beta_cov`` by them."""

    def weights(self, combination: Weights) -> Array:
        """Turn named weights into a vector over the coefficients."""


def weight_vector(x_names: Sequence[str], combination: Weights) -> Array:
    """Turn named weights into a vector over coefficients.

    Raises
    ------
    KeyError
        If a name is not a coefficient.
    """
    position = {name: index for index, name in enumerate(x_names)}
    vector = np.zeros(len(position))
    for name, weight in combination:
        vector[position[name]] += weight
    return vector


@dataclass(frozen=True, kw_only=True)
class PosteriorFit:
    """Posterior draws of a Gaussian mixed model.

    Parameters
    ----------
    beta : ndarray, shape (chain, draw, p)
        Fixed effects.
    sd : ndarray, shape (chain, draw, q)
        SDs of the random effects.
    correlation : ndarray, shape (chain, draw)
        Of intercept and slope; zeros for independent effects.
    sigma : ndarray, shape (chain, draw)
        Residual SD.
    sample_stats : mapping of str to ndarray, shape (chain, draw)
        ``diverging``, ``energy`` and what else the sampler tells; empty for exact engines.
    facts : mapping of str to number or str
        What the engine says of its own run (versions, settings, its own diagnostics).
    variances : mapping of str to ndarray, shape (chain, draw)
        As in :class:`MixedFit`.
    covariance_draws : mapping of str to ndarray, shape (chain, draw, ...)
        Of such a model: ``patient_cov``, ``cluster_cov``, ``residual`` (correlation parameters) and ``residual_sd``.
    """

    model_id: str
    engine: str
    covariance: Covariance
    prior: str
    rows: RowsUsed
    formula: str
    x_names: tuple[str, ...]
    z_names: tuple[str, ...]
    beta: Array
    sd: Array
    correlation: Array
    sigma: Array
    seed: int
    sample_stats: Mapping[str, Array] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    variances: Mapping[str, Array] = field(default_factory=dict)
    covariance_draws: Mapping[str, Array] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the fit; draws are not printed."""
        return (
            f"PosteriorFit {self.model_id} by {self.engine}: {self.formula} ({self.covariance}, prior "
            f"{self.prior!r}, {self.n_draws} draws)"
        )

    @property
    def n_chains(self) -> int:
        """Number of chains."""
        return int(self.sigma.shape[0])

    @property
    def n_draws(self) -> int:
        """Number of draws over all chains."""
        return int(self.sigma.size)

    @property
    def independent_draws(self) -> float | None:
        """How many independent draws the resampled importance draws of an engine are worth; None for chains.

        Resampling S draws from weights worth E draws leaves the variance of a mean at Var (1/S + 1/E).
        """
        if self.engine != "collapsed":
            return None
        return 1.0 / (1.0 / self.n_draws + 1.0 / float(self.facts["importance_ess"]))

    def combine(self, combination: Weights) -> Array:
        """Draws of a linear combination of coefficients, shape (chain, draw)."""
        draws: Array = self.beta @ weight_vector(self.x_names, combination)
        return draws

    def thin(self, most: int) -> PosteriorFit:
        """Keep every k-th draw of each chain so that at most ``most`` draws are left; self where they are few."""
        step = -(-self.n_draws // most)
        if step <= 1:
            return self
        return dataclasses.replace(
            self,
            beta=self.beta[:, ::step],
            sd=self.sd[:, ::step],
            correlation=self.correlation[:, ::step],
            sigma=self.sigma[:, ::step],
            sample_stats={name: values[:, ::step] for name, values in self.sample_stats.items()},
            variances={name: values[:, ::step] for name, values in self.variances.items()},
            covariance_draws={name: values[:, ::step] for name, values in self.covariance_draws.items()},
        )

    def flat(self) -> tuple[Array, Array, Array, Array]:
        """Beta, sd, correlation and sigma with chains laid end to end."""
        p, q = len(self.x_names), len(self.z_names)
        return (
            self.beta.reshape(-1, p),
            self.sd.reshape(self.n_draws, q),
            self.correlation.reshape(-1),
            self.sigma.reshape(-1),
        )

    def named_draws(self) -> dict[str, Array]:
        """Every scalar parameter by name, each of shape (chain, draw)."""
        draws = {name: self.beta[..., i] for i, name in enumerate(self.x_names)}
        if self.variances:
            return draws | dict(self.variances)
        draws |= {f"sd_{name}": self.sd[..., i] for i, name in enumerate(self.z_names)}
        if self.covariance == "UN" and len(self.z_names) > 1:
            draws["correlation"] = self.correlation
        draws["sigma"] = self.sigma
        return draws
