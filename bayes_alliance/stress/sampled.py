r"""Likelihoods that no closed form integrates, written in PyMC: Student-t, censored and ordinal.

The linear predictor is that of the Gaussian model, with correlated random effects (LKJ, non-centred), over the design
matrices of the same Bambi formula. Bambi (0.21) itself offers these families with independent random effects only, so
the models (:mod:`bayes_alliance.stress.sampled_model`) are
written in PyMC as those of :mod:`bayes_alliance.inference.pymc.model` are.

``student_t``  residuals are t with :math:`\nu \sim \mathrm{Gamma}(2, 0.1)` (Juárez & Steel 2010,
               doi:10.1198/jbes.2010.07145).
``censored``   a score at an end of the scale says only that the latent score lies there or beyond, that is, beyond
               half a step inside (Tobin 1958, doi:10.2307/1907382).
``ordinal``    cumulative probit over the grid's points with free thresholds (Bürkner & Vuorre 2019,
               doi:10.1177/2515245918823199). The latent residual SD is one; thresholds take the intercept's place,
               their distances are log-normal around the step over the prior's residual scale.

One model is compiled for each family and padded size; data and priors are swapped in. Columns are padded with zeros
and patients with none of the rows, so that models of one study share a compiled model. Time counts over the horizon.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.pymc.private_cache import keep_sources_private
from bayes_alliance.stress.grid_mass import Grid
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.sampled_model import Family, build_sampled
from bayes_alliance.study.prior_records import ScaleFamily

FAMILIES: tuple[Family, ...] = get_args(Family)
PAD_COLUMNS, PAD_PATIENTS = 8, 160
WORDS = {
    "student_t": "residuals are Student-t",
    "censored": "scores at the ends of the scale are censored",
    "ordinal": "scores are ordered categories (cumulative probit)",
}


@dataclass(frozen=True, kw_only=True)
class SampledSettings:
    """How NUTS is run.

    Parameters
    ----------
    draws, tune, chains, cores : int
        Kept and tuning draws of each chain; chains, and how many at a time.
    target_accept : float
        In (0, 1).
    """

    draws: int = 1500
    tune: int = 1000
    chains: int = 4
    cores: int = 2
    target_accept: float = 0.9


@dataclass(frozen=True, kw_only=True)
class SampledVariant:
    """Posterior under a sampled likelihood.

    Parameters
    ----------
    beta : ndarray, shape (chain, draw, p)
        Fixed effects, in the latent scale's unit per unit of the columns; under ``ordinal`` the intercept is zero.
    effects : ndarray, shape (chain, draw, 2, 2)
        Covariance of the random effects, slopes over the horizon.
    sigma : ndarray, shape (chain, draw)
        Residual scale; ones under ``ordinal``.
    extra : ndarray, shape (chain, draw, m)
        Degrees of freedom, or thresholds; empty else.
    diverging : int
        Divergent transitions.
    """

    name: Family
    words: str
    beta: Array
    effects: Array
    sigma: Array
    extra: Array
    diverging: int


def fit_sampled(
    prepared: Prepared, family: Family, grid: Grid, settings: SampledSettings | None = None
) -> SampledVariant:
    """Sample the model under another likelihood.

    Parameters
    ----------
    grid : Grid
        Of the outcome.

    Returns
    -------
    SampledVariant

    Raises
    ------
    FitError
        If the sampler fails.
    """
    how = settings or SampledSettings()
    design = prepared.design
    p, n = len(design.x_names), design.n_patients
    columns, patients = _padded(p, PAD_COLUMNS), _padded(n, PAD_PATIENTS)
    data = sampled_data(prepared, family, grid, columns)
    compiled = _compiled(family, columns, patients, grid.n_categories, prepared.priors.scale_family)
    trace = _trace(compiled.with_data(**data), how, prepared.seed_of("likelihood", family))
    posterior = trace["posterior"]
    beta = _values(posterior["beta"])
    if beta.shape[:2] != (how.chains, how.draws):
        # nutpie swallows Ctrl-C and gives the draws so far; half a posterior must not be shown.
        raise KeyboardInterrupt
    sigma = np.ones(beta.shape[:2]) if family == "ordinal" else _values(posterior["sigma"])
    extra = {"student_t": "nu", "ordinal": "threshold"}.get(family)
    drawn = np.empty((*beta.shape[:2], 0)) if extra is None else _values(posterior[extra])
    return SampledVariant(
        name=family,
        words=WORDS[family],
        beta=beta[..., :p] / _units(prepared),
        effects=_covariance(_values(posterior["sd"]), _values(posterior["correlation"])),
        sigma=sigma,
        extra=drawn.reshape(*beta.shape[:2], -1),
        diverging=int(np.sum(trace["sample_stats"]["diverging"].values)),
    )


def _trace(compiled: Any, how: SampledSettings, seed: int) -> Any:
    import nutpie

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return nutpie.sample(
                compiled,
                draws=how.draws,
                tune=how.tune,
                chains=how.chains,
                cores=how.cores,
                seed=seed,
                target_accept=how.target_accept,
                progress_bar=False,
                save_warmup=False,
            )
        except RuntimeError as error:
            raise FitError(f"nutpie could not sample: {error}") from error


def _padded(size: int, block: int) -> int:
    return -(-size // block) * block


def _units(prepared: Prepared) -> Array:
    names = prepared.design.x_names
    return np.array([prepared.horizon if prepared.time in name.split(":") else 1.0 for name in names])


def _covariance(sd: Array, correlation: Array) -> Array:
    cross = correlation * sd[..., 0] * sd[..., 1]
    rows = [[sd[..., 0] ** 2, cross], [cross, sd[..., 1] ** 2]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _values(variable: Any) -> Array:
    return np.asarray(variable.transpose("chain", "draw", ...).values, dtype=float)


def sampled_data(prepared: Prepared, family: Family, grid: Grid, columns: int) -> dict[str, Array]:
    """Return rows and priors under the names of the compiled model."""
    design, priors, units = prepared.design, prepared.priors, _units(prepared)
    scale = priors.sigma_scale if family == "ordinal" else 1.0
    x = design.x / units
    mean, root = priors.mean * units / scale, priors.root * units[:, None] / scale
    if family == "ordinal":
        # Thresholds take the intercept's place.
        is_intercept = np.array([name == "Intercept" for name in design.x_names])
        x = np.where(is_intercept, 0.0, x)
        mean, root = np.where(is_intercept, 0.0, mean), np.where(is_intercept[:, None], 0.0, root)
    p = x.shape[1]
    more = columns - p
    wide = np.eye(columns)
    wide[:p, :p] = root
    data = {
        "x": np.column_stack([x, np.zeros((design.n_rows, more))]),
        "z": design.z / np.array([1.0, prepared.horizon]),
        "patient": design.patient_index.astype(float),
        "prior_mean": np.concatenate([mean, np.zeros(more)]),
        "prior_root": wide,
        "prior_sd_scale": priors.sd_scale * np.array([1.0, prepared.horizon]) / scale,
        "prior_lkj_eta": np.asarray(priors.lkj_eta, dtype=float),
    }
    if priors.scale_family == "half_t":
        data["prior_scale_df"] = np.asarray(priors.scale_df, dtype=float)
    return data | _outcome_data(prepared, family, grid, scale)


def _outcome_data(prepared: Prepared, family: Family, grid: Grid, scale: float) -> dict[str, Array]:
    y, priors = prepared.design.y, prepared.priors
    if family == "ordinal":
        # The latent zero is the prior mean of the intercept, which the lowest threshold lies below.
        first = (grid.minimum + grid.step / 2.0 - priors.mean[0]) / scale
        return {
            "category": grid.category(y).astype(float),
            "first_threshold": np.asarray(first),
            "log_spacing": np.asarray(np.log(grid.step / scale)),
        }
    data = {"y": y, "prior_sigma_scale": np.asarray(priors.sigma_scale, dtype=float)}
    if family == "censored":
        lower, upper = grid.cell(y)
        data |= {
            "at_end": np.where(np.isinf(upper), 1.0, np.where(np.isinf(lower), -1.0, 0.0)),
            "limits": np.array([grid.minimum + grid.step / 2.0, grid.maximum - grid.step / 2.0]),
        }
    return data


@functools.lru_cache(maxsize=16)
def _compiled(family: Family, columns: int, patients: int, categories: int, scales: ScaleFamily) -> Any:
    """Compile the model of one family and size with nutpie, over placeholder data."""
    import nutpie

    keep_sources_private()
    data: dict[str, Array] = {
        "x": np.zeros((3, columns)),
        "z": np.ones((3, 2)),
        "patient": np.zeros(3),
        "prior_mean": np.zeros(columns),
        "prior_root": np.eye(columns),
        "prior_sd_scale": np.ones(2),
        "prior_lkj_eta": np.asarray(2.0),
    }
    if scales == "half_t":
        data["prior_scale_df"] = np.asarray(3.0)
    if family == "ordinal":
        data |= {
            "category": np.zeros(3),
            "first_threshold": np.asarray(-3.0),
            "log_spacing": np.asarray(-1.0),
        }
    else:
        data |= {"y": np.zeros(3), "prior_sigma_scale": np.asarray(1.0)}
    if family == "censored":
        data |= {"at_end": np.zeros(3), "limits": np.array([-1.0, 1.0])}
    model = build_sampled(family, columns, patients, categories, data, scales=scales)
    names = ["beta", "sd", "correlation"]
    names += [] if family == "ordinal" else ["sigma"]
    names += {"student_t": ["nu"], "ordinal": ["threshold"]}.get(family, [])
    return nutpie.compile_pymc_model(model, var_names=names)
