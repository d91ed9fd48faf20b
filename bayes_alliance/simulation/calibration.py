r"""Simulation-based calibration: draw parameters from the prior and data from them, fit, and rank the truth.

If the engine is right, the rank of each true value among its posterior draws is uniform (Talts et al. 2018,
arXiv:1804.06788); this also holds for any function of parameters and data, of which the log likelihood tells most
(Modrák et al. 2023, doi:10.1214/23-BA1404). Ranks enter as :math:`u = (r + v)/(L + 1)` with ``r`` of ``L`` thinned
draws below the truth and ``v`` uniform, which is exactly uniform for independent draws.

The loop is our own and not simuk's: likelihoods here are potentials over sufficient statistics, from which PyMC cannot
draw data, studies run side by side, and every study that fails has to be reported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.explained_variation import shares_at
from bayes_alliance.assess.summaries import variance_draws
from bayes_alliance.assess.uniformity import EcdfBand, central_coverage, ecdf_band, holm
from bayes_alliance.assess.verdict_rules import judge, probabilities
from bayes_alliance.errors import AllianceError, FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.engines import Engine, engine_covariance
from bayes_alliance.inference.fits import Array, PosteriorFit, Weights, weight_vector
from bayes_alliance.inference.likelihood import log_density, relative_factor
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.statistics import Statistics, summarise
from bayes_alliance.runtime.resumable_tasks import split_units
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.runtime.task_store import Task
from bayes_alliance.simulation.approaches import draw_posterior
from bayes_alliance.simulation.population import (
    CovariatePool,
    Sampling,
    choose_patients,
    take_rows,
    without_frame,
)
from bayes_alliance.simulation.truth import AS_MODELLED, Scenario, Truth, TruthScale, draw_outcome, draw_truth
from bayes_alliance.simulation.verdict_counts import VerdictCount, count_verdicts

if TYPE_CHECKING:
    import pandas as pd

Functions = Callable[[Array, Array], dict[str, Array]]
LEVELS = (0.5, 0.8, 0.95)
RANKED_DRAWS = 400
LOG_LIKELIHOOD = "log_likelihood"
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One calibration: everything that its studies depend on.

    Parameters
    ----------
    pool : CovariatePool
        Whose columns the studies have.
    sampling : Sampling
        How many of the pool's patients.
    engine : {"collapsed", "pymc", "bambi"}
        What is put to the test.
    drawn : CoefficientPriors
        What parameters are drawn from.
    fitted : CoefficientPriors
        What the engine is told; the same, unless the test itself is put to the test.
    estimands : mapping of str to weights
        Linear combinations of coefficients to be ranked beside the coefficients.
    seed : int
        Of all its studies.
    scenario : Scenario
        As modelled, unless the test itself is put to the test; ``scale`` goes with it.
    time : str
        Name of the time variable: shares of variance that the predictors carry are ranked too; empty for none.
    smallest : mapping of str to float
        Estimands whose verdicts are looked at too, with the smallest difference that matters, in their own unit.
    """

    pool: CovariatePool
    sampling: Sampling
    engine: Engine
    drawn: CoefficientPriors
    fitted: CoefficientPriors
    estimands: Mapping[str, Weights]
    seed: int
    scenario: Scenario = AS_MODELLED
    scale: TruthScale | None = None
    time: str = ""
    smallest: Mapping[str, float] = dataclasses.field(default_factory=dict)


def calibration_tasks(calibration: Calibration, *, studies: int, batch: int, key: str) -> list[Task]:
    """Split the studies of a calibration into tasks; which task a study is in changes nothing in it."""
    if calibration.engine != "bambi":
        calibration = dataclasses.replace(calibration, pool=without_frame(calibration.pool))
    return [
        Task(key=f"{key}-{first:06d}-{count}", arguments=(calibration, first, count), size=count)
        for first, count in split_units(studies, batch)
    ]


def calibrate_batch(calibration: Calibration, first: int, count: int) -> dict[str, list[Any]]:
    """Simulate, fit and rank some studies; a row for each ranked quantity, or one with the reason of a failure.

    Returns
    -------
    dict of str to list
        ``study``, ``quantity``, ``truth``, ``transform``, ``mean``, ``sd``, ``verdict``, ``failure``, ``note``.
    """
    rows: list[dict[str, Any]] = []
    for study in range(first, first + count):
        rows += calibrate_study(calibration, study)
    names = ("study", "quantity", "truth", "transform", "mean", "sd", "verdict", "failure", "note")
    return {name: [row[name] for row in rows] for name in names}


def calibrate_study(calibration: Calibration, study: int) -> list[dict[str, Any]]:
    """Simulate, fit and rank one study."""
    seed = derive_seed(calibration.seed, "sbc", str(study))
    rng = np.random.default_rng(seed)
    covariance = engine_covariance(calibration.engine)
    truth = draw_truth(calibration.drawn, covariance, rng)
    common: dict[str, Any] = {"study": study, "failure": "", "note": ""}
    nan = float("nan")
    try:
        columns, taken = take_rows(
            calibration.pool, choose_patients(calibration.pool, calibration.sampling, rng)
        )
        design = draw_outcome(
            columns, truth, calibration.pool, rng, scenario=calibration.scenario, scale=calibration.scale
        )
        stats = summarise(design.y, design.x, design.z, design.patient_index)
        posterior = draw_posterior(
            calibration.engine,
            design,
            calibration.fitted,
            seed=int(rng.integers(2**32)),
            stats=stats,
            frame=_frame(calibration, design, taken) if calibration.engine == "bambi" else None,
        )
        functions = _functions(calibration, design)
        ranked = rank_truth(posterior, stats, truth, calibration.estimands, rng, functions=functions)
    except AllianceError as error:
        none = {"quantity": "", "truth": nan, "transform": nan, "mean": nan, "sd": nan, "verdict": ""}
        return [common | none | {"failure": f"{type(error).__name__}: {error}"}]
    common["note"] = str(posterior.facts.get("handed_over", ""))
    verdicts = posterior_verdicts(posterior, calibration.estimands, calibration.smallest)
    return [common | {"verdict": verdicts.get(row["quantity"], "")} | row for row in ranked]


def _frame(calibration: Calibration, design: Design, taken: NDArray[np.int64]) -> pd.DataFrame:
    """Return the variables of a simulated study, for an engine that reads the formula itself."""
    simulated = {design.formula.response: design.y, design.formula.group: design.patient_index}
    return calibration.pool.frame.iloc[taken].assign(**simulated)


def rank_truth(
    posterior: PosteriorFit,
    stats: Statistics,
    truth: Truth,
    estimands: Mapping[str, Weights],
    rng: np.random.Generator,
    *,
    functions: Functions | None = None,
) -> list[dict[str, Any]]:
    """Rank every true value among thinned draws: coefficients, estimands, SDs, correlation, ICC, log likelihood.

    ``functions`` gives more quantities, from coefficients, shape (n, p), and SDs, shape (n, q).
    """
    thinned = posterior.thin(RANKED_DRAWS)
    draws = _draws(thinned, stats, estimands)
    values = _values(posterior, stats, truth, estimands)
    if functions is not None:
        beta, sd, *_ = thinned.flat()
        draws |= functions(beta, sd)
        at = functions(truth.beta[None], truth.sd[None])
        values |= {name: float(value[0]) for name, value in at.items()}
    return rank_values(draws, values, rng)


def rank_values(
    draws: Mapping[str, Array], values: Mapping[str, float], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Rank true values among draws, a row for each quantity."""
    rows = []
    for name, of in draws.items():
        flat, value = of.reshape(-1), values[name]
        if not np.all(np.isfinite(flat)):
            raise FitError(f"some draws of {name} are not finite")
        below, equal = int(np.sum(flat < value)), int(np.sum(flat == value))
        transform = (below + rng.random() * (equal + 1)) / (len(flat) + 1)
        rows.append(
            {
                "quantity": name,
                "truth": value,
                "transform": transform,
                "mean": float(flat.mean()),
                "sd": float(flat.std(ddof=1)),
            }
        )
    return rows


def _draws(fit: PosteriorFit, stats: Statistics, estimands: Mapping[str, Weights]) -> dict[str, Array]:
    beta, sd, correlation, sigma = fit.flat()
    found = {name: beta[:, i] for i, name in enumerate(fit.x_names)}
    found |= {name: fit.combine(weights) for name, weights in estimands.items()}
    found |= variance_draws(fit)
    found[LOG_LIKELIHOOD] = log_density(stats, beta, relative_factor(sd, correlation, sigma), sigma)
    return found


def _values(
    fit: PosteriorFit, stats: Statistics, truth: Truth, estimands: Mapping[str, Weights]
) -> dict[str, float]:
    found = {name: float(truth.beta[i]) for i, name in enumerate(fit.x_names)}
    found |= {name: float(weight_vector(fit.x_names, w) @ truth.beta) for name, w in estimands.items()}
    found |= {f"sd_{name}": float(truth.sd[i]) for i, name in enumerate(fit.z_names)}
    found |= {"correlation": truth.correlation, "sigma": truth.sigma}
    found["icc"] = float(truth.sd[0] ** 2 / (truth.sd[0] ** 2 + truth.sigma**2))
    factor = relative_factor(truth.sd, truth.correlation, truth.sigma)
    at = log_density(stats, truth.beta[None], factor[None], np.array([truth.sigma]))
    return found | {LOG_LIKELIHOOD: float(at[0])}


def _functions(calibration: Calibration, design: Design) -> Functions:
    """Return what else is ranked: explained shares, and the events that verdicts rest on (1 or 0, ties at random)."""

    def found(beta: Array, sd: Array) -> dict[str, Array]:
        shares = shares_at(design, beta, sd, time=calibration.time) if calibration.time else {}
        values = {f"explained {name}": share for name, share in shares.items()}
        return values | events(beta, design.x_names, calibration.estimands, calibration.smallest)

    return found


def events(
    beta: Array, x_names: Sequence[str], estimands: Mapping[str, Weights], smallest: Mapping[str, float]
) -> dict[str, Array]:
    """Return the events that verdicts rest on, 1 or 0, of coefficients, shape (n, p)."""
    found: dict[str, Array] = {}
    for name, least in smallest.items():
        effect = beta @ weight_vector(x_names, estimands[name])
        found |= {
            f"{name} above zero": (effect > 0.0).astype(float),
            f"{name} above what matters": (effect > least).astype(float),
            f"{name} below what matters": (np.abs(effect) < least).astype(float),
        }
    return found


def posterior_verdicts(
    posterior: PosteriorFit, estimands: Mapping[str, Weights], smallest_by_name: Mapping[str, float]
) -> dict[str, str]:
    """Return the verdict on the claim that an estimand is above zero, by estimand."""
    found = {}
    for name, smallest in smallest_by_name.items():
        draws = posterior.combine(estimands[name]).ravel()
        found[name] = judge("above", probabilities(draws, "above", smallest=smallest)).verdict.value
    return found


@dataclass(frozen=True, kw_only=True)
class RankedQuantity:
    """How one quantity's ranks came out.

    Parameters
    ----------
    n : int
        Studies.
    band : EcdfBand
        Of the transforms.
    p_adjusted : float
        Of the band's p value, for all quantities of the calibration together (Holm).
    coverage : tuple of (float, float, float)
        Level, share of central intervals that hold the truth, its Monte-Carlo error.
    """

    name: str
    n: int
    band: EcdfBand
    p_adjusted: float
    coverage: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationResult:
    """What a calibration found.

    Parameters
    ----------
    engine, prior : str
        What was put to the test.
    n_studies : int
        Simulated, failed ones included.
    failures : tuple of str
        A reason for each study without a posterior.
    n_handed_over : int
        Studies that ``collapsed`` gave to ``pymc``.
    verdicts : tuple of VerdictCount
        By estimand, where asked for.
    """

    engine: str
    prior: str
    n_studies: int
    failures: tuple[str, ...]
    n_handed_over: int
    quantities: tuple[RankedQuantity, ...]
    verdicts: tuple[VerdictCount, ...] = ()

    @property
    def strayed(self) -> tuple[str, ...]:
        """Quantities whose ranks are not uniform, at 5 % for all of them together."""
        return tuple(q.name for q in self.quantities if q.p_adjusted < ALPHA)


def judge_calibration(
    table: pd.DataFrame,
    *,
    engine: str,
    prior: str,
    failed_tasks: Sequence[tuple[str, int]] = (),
    smallest: Mapping[str, float] | None = None,
) -> CalibrationResult:
    """Judge the ranks of all studies.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`calibrate_batch`.
    failed_tasks : sequence of (str, int)
        Reason and number of studies of each task without a result.
    smallest : mapping of str to float, optional
        As of :class:`Calibration`.
    """
    ranked = table[table["failure"] == ""] if len(table) else table
    groups = list(ranked.groupby("quantity", sort=False)) if len(ranked) else []
    bands = {
        str(name): (ecdf_band(g["transform"].to_numpy()), g["transform"].to_numpy()) for name, g in groups
    }
    adjusted = holm(np.array([band.p for band, _ in bands.values()]))
    quantities = tuple(
        RankedQuantity(
            name=name,
            n=len(transforms),
            band=band,
            p_adjusted=float(p),
            coverage=tuple((level, *central_coverage(transforms, level)) for level in LEVELS),
        )
        for (name, (band, transforms)), p in zip(bands.items(), adjusted, strict=True)
    )
    failures = list(table.loc[table["failure"] != "", "failure"]) if len(table) else []
    failures += [reason for reason, size in failed_tasks for _ in range(size)]
    by_study = ranked.drop_duplicates("study") if len(ranked) else ranked
    return CalibrationResult(
        engine=engine,
        prior=prior,
        n_studies=len(by_study) + len(failures),
        failures=tuple(failures),
        n_handed_over=int((by_study["note"] != "").sum()) if len(by_study) else 0,
        quantities=quantities,
        verdicts=count_verdicts(ranked, smallest or {}),
    )
