"""ML, REML and the posterior of one model from reduced data: the same engines, without any row in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from bayes_alliance.assess.summaries import Quantity, model_quantities
from bayes_alliance.errors import FitError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import MixedFit, PosteriorFit, RowsUsed
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.inference.psis import PARETO_K_LIMIT
from bayes_alliance.run.large.gather import LargeData
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Model, Source, Study


@dataclass(frozen=True, kw_only=True)
class LargeFit:
    """What one model gives on large data.

    Parameters
    ----------
    ml, reml : MixedFit
        Unstructured covariance.
    posterior : PosteriorFit or None
        By ``collapsed``; None where none was asked for.
    quantities : tuple of Quantity
        As in a run.
    ml_seconds, posterior_seconds : float
        Wall time of ML with REML, and of the posterior.
    """

    ml: MixedFit
    reml: MixedFit
    posterior: PosteriorFit | None
    quantities: tuple[Quantity, ...]
    ml_seconds: float
    posterior_seconds: float


def fit_large(
    study: Study,
    model: Model,
    data: LargeData,
    *,
    prior: str,
    seed: int,
    draws: int = 4000,
    bayes: bool = True,
) -> LargeFit:
    """Fit one model to reduced data.

    Parameters
    ----------
    prior : str
        Name of a prior set of the study.
    draws : int
        Of the posterior.
    bayes : bool
        Whether to draw it.

    Returns
    -------
    LargeFit

    Raises
    ------
    FitError
        If the importance weights of the posterior cannot be trusted: NUTS, which takes over elsewhere, needs rows.
    """
    design = _columns_only(model, data)
    rows = RowsUsed(
        n_rows=data.stats.n_rows, n_patients=data.stats.n_patients, digest="reduced", source=Source.REAL
    )
    started = time.perf_counter()
    common = {"model_id": model.id, "stats": data.stats}
    ml = fit_mixed(design, rows, method="ML", **common)  # type: ignore[arg-type]
    reml = fit_mixed(design, rows, method="REML", **common)  # type: ignore[arg-type]
    fitted = time.perf_counter()
    posterior = None
    if bayes:
        posterior = _draw(study, model, design, rows, data, prior=prior, seed=seed, draws=draws)
    return LargeFit(
        ml=ml,
        reml=reml,
        posterior=posterior,
        quantities=tuple(model_quantities(model, ml=ml, reml=reml, posterior=posterior)),
        ml_seconds=fitted - started,
        posterior_seconds=time.perf_counter() - fitted,
    )


def _draw(
    study: Study,
    model: Model,
    design: Design,
    rows: RowsUsed,
    data: LargeData,
    *,
    prior: str,
    seed: int,
    draws: int,
) -> PosteriorFit:
    posterior = fit_collapsed(
        design,
        rows,
        coefficient_priors(study, design, prior),
        seed=derive_seed(seed, "large", model.id),
        model_id=model.id,
        settings=CollapsedSettings(draws=draws),
        stats=data.stats,
    )
    if float(posterior.facts["pareto_k"]) > PARETO_K_LIMIT:
        raise FitError(
            f"Pareto k of the importance weights is {posterior.facts['pareto_k']:.2f}, above {PARETO_K_LIMIT}; "
            "the posterior cannot be trusted, and sampling by pymc needs the rows in memory"
        )
    return posterior


def _columns_only(model: Model, data: LargeData) -> Design:
    """Return the names of the columns without a row: the statistics hold what the engines need of those."""
    p, q = len(data.x_names), len(data.z_names)
    return Design(
        y=np.empty(0),
        x=np.empty((0, p)),
        z=np.empty((0, q)),
        patient_index=np.empty(0, dtype=np.int64),
        x_names=data.x_names,
        z_names=data.z_names,
        formula=parse_formula(model.formula),
        reference=data.reference,
    )
