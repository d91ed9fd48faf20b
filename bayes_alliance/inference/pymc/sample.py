"""Engines that sample: the same Bambi formula in PyMC, with correlated or independent random effects.

``pymc``  The unstructured model. Bambi (0.21) has only independent group-specific effects, so the model is
          written in PyMC over the design matrices of the same formula, with an LKJ prior on the correlation.
          The random effects are integrated out by default (the marginal likelihood of
          :mod:`bayes_alliance.inference.likelihood`, written again in PyTensor), or sampled, non-centred.
``bambi`` Plain Bambi with the same priors, independent random effects: SPSS's covariance type VC.

A marginal model is compiled once for each number of fixed and random coefficients; data and priors are swapped
in. PyMC, Bambi and nutpie are imported where they are used.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance, PosteriorFit, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.pymc.model import (
    build_pymc_model,
    compiled_width,
    conditional_data,
    marginal_data,
    placeholder_data,
    used_data,
)
from bayes_alliance.inference.pymc.private_cache import keep_sources_private, nothing_cached
from bayes_alliance.study.prior_records import ScaleFamily

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Sampler = Literal["nutpie", "pymc"]


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """How to sample.

    Parameters
    ----------
    draws, tune, chains : int
        Kept draws and tuning steps of each chain; number of chains.
    target_accept : float
        Target acceptance rate of NUTS, in (0, 1).
    sampler : {"nutpie", "pymc"}
        Which NUTS.
    marginal : bool
        Whether the random effects are integrated out of the sampled model (engine ``pymc`` only).
    cores : int
        Chains run at the same time.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    target_accept: float = 0.9
    sampler: Sampler = "nutpie"
    marginal: bool = True
    cores: int = 2


def fit_pymc(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    *,
    seed: int,
    model_id: str = "",
    covariance: Covariance = "UN",
    settings: SamplerSettings | None = None,
) -> PosteriorFit:
    """Sample the model in PyMC.

    Parameters
    ----------
    design : Design
        Columns and rows of a Bambi formula.
    rows : RowsUsed
        What the rows are.
    priors : CoefficientPriors
        In the units of the columns.
    seed : int
        Of the sampler.
    covariance : {"UN", "VC"}
        Correlated (LKJ) or independent random effects.
    settings : SamplerSettings, optional
        How to sample.

    Returns
    -------
    PosteriorFit
    """
    how = settings or SamplerSettings()
    started = time.perf_counter()
    q = len(design.z_names)
    if q > 2:
        raise FitError("engine pymc supports a random intercept and one random slope")
    kind: Covariance = "ID" if q == 1 else covariance
    data = marginal_data(design, priors, kind) if how.marginal else conditional_data(design, priors)
    data = used_data(data, kind, priors.scale_family)
    patients = 0 if how.marginal else design.n_patients
    p = compiled_width(len(design.x_names)) if how.marginal else len(design.x_names)
    trace = _sample(p, q, kind, priors.scale_family, patients, data, how, seed)
    return _record(
        trace,
        design,
        rows,
        priors,
        seed=seed,
        model_id=model_id,
        kind=kind,
        engine="pymc",
        how=how,
        started=started,
    )


@functools.lru_cache(maxsize=64)
def _compiled(p: int, q: int, covariance: Covariance, family: ScaleFamily, patients: int) -> Any:
    """Compile the model of one shape with nutpie, over placeholder data."""
    import nutpie

    keep_sources_private()
    data = used_data(placeholder_data(p, q, patients), covariance, family)
    return nutpie.compile_pymc_model(
        build_pymc_model(p, q, covariance, data, family=family, patients=patients)
    )


def _sample(
    p: int,
    q: int,
    covariance: Covariance,
    family: ScaleFamily,
    patients: int,
    data: Mapping[str, Array],
    how: SamplerSettings,
    seed: int,
) -> xr.DataTree:
    """Run NUTS on one data set; what the samplers print on the way is kept off the terminal."""
    with warnings.catch_warnings():
        # Divergences and low ESS are judged in checks, from the record, not by warnings.
        warnings.simplefilter("ignore")
        if how.sampler == "nutpie":
            return _sample_by_nutpie(
                _compiled(p, q, covariance, family, patients).with_data(**data), how, seed
            )
        import pymc as pm

        logging.getLogger("pymc").setLevel(logging.ERROR)
        with nothing_cached(), build_pymc_model(p, q, covariance, data, family=family, patients=patients):
            # PyMC 6 hands over to nutpie by itself where that is installed; here its own NUTS is what was asked for.
            sampled: xr.DataTree = pm.sample(
                nuts_sampler="pymc",
                draws=how.draws,
                tune=how.tune,
                chains=how.chains,
                cores=how.cores,
                random_seed=seed,
                target_accept=how.target_accept,
                progressbar=False,
                compute_convergence_checks=False,
            )
        return sampled


def _sample_by_nutpie(compiled: Any, how: SamplerSettings, seed: int) -> xr.DataTree:
    import nutpie

    try:
        trace: xr.DataTree = nutpie.sample(
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
    return trace


def _record(
    trace: xr.DataTree,
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    *,
    seed: int,
    model_id: str,
    kind: Covariance,
    engine: str,
    how: SamplerSettings,
    started: float,
) -> PosteriorFit:
    posterior = trace["posterior"]
    sigma = _values(posterior["sigma"])
    if sigma.shape != (how.chains, how.draws) or np.any(np.isnan(sigma)):
        # Both samplers swallow Ctrl-C and give the draws so far; half a posterior must not be stored or shown.
        raise KeyboardInterrupt
    correlation = _values(posterior["correlation"]) if kind == "UN" else np.zeros_like(sigma)
    return PosteriorFit(
        model_id=model_id,
        engine=engine,
        covariance=kind,
        prior=priors.name,
        rows=rows,
        formula=design.formula.text,
        x_names=design.x_names,
        z_names=design.z_names,
        beta=_values(posterior["beta"])[..., : len(design.x_names)],
        sd=_values(posterior["sd"]),
        correlation=correlation,
        sigma=sigma,
        seed=seed,
        sample_stats=_sample_stats(trace),
        # PyMC and Bambi name the library that drew; nutpie, called directly, does not.
        facts=_facts(how, library=posterior.attrs.get("inference_library", how.sampler)),
        seconds=time.perf_counter() - started,
    )


def _values(variable: Any) -> Array:
    return np.asarray(variable.transpose("chain", "draw", ...).values, dtype=float)


def _sample_stats(trace: xr.DataTree) -> dict[str, Array]:
    """Sampler statistics under one spelling, whichever sampler made them."""
    stats = trace["sample_stats"]
    spellings = {
        "diverging": ("diverging",),
        "energy": ("energy",),
        "n_steps": ("n_steps",),
        "reached_max_treedepth": ("maxdepth_reached", "reached_max_treedepth"),
    }
    found = {}
    for name, options in spellings.items():
        for option in options:
            if option in stats:
                found[name] = _values(stats[option])
    return found


def _facts(how: SamplerSettings, *, library: str) -> dict[str, Any]:
    packages = ("pymc", "bambi", "nutpie", "numpy")
    return {
        "sampler": library,
        "marginal": how.marginal,
        "tune": how.tune,
        "target_accept": how.target_accept,
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages),
    }


# Over 40 lines: arguments of this function, of the sampler and of the record, one a line.
def fit_bambi(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    frame: pd.DataFrame,
    *,
    seed: int,
    model_id: str = "",
    covariance: Covariance = "VC",
    settings: SamplerSettings | None = None,
) -> PosteriorFit:
    """Fit the formula with Bambi: random effects sampled with the fixed ones.

    Parameters
    ----------
    frame : pandas.DataFrame
        The frozen rows behind ``design``.
    covariance : {"VC", "UN"}
        Independent effects, as plain Bambi has them, or correlated ones.
    design, rows, priors, seed, model_id, settings
        As in :func:`fit_pymc`; ``settings.marginal`` has no meaning here: Bambi samples the effects.

    Returns
    -------
    PosteriorFit
        Covariance type ``ID`` for a random intercept only.
    """
    from bayes_alliance.inference.pymc.bambi_model import build_bambi_model, rename_posterior

    how = dataclasses.replace(settings or SamplerSettings(), marginal=False)
    started = time.perf_counter()
    kind: Covariance = covariance if len(design.z_names) > 1 else "ID"
    model = build_bambi_model(design, priors, frame, kind)
    with warnings.catch_warnings(), nothing_cached():
        warnings.simplefilter("ignore")
        logging.getLogger("pymc").setLevel(logging.ERROR)
        trace = model.fit(
            draws=how.draws,
            tune=how.tune,
            chains=how.chains,
            cores=how.cores,
            random_seed=seed,
            inference_method=how.sampler,
            target_accept=how.target_accept,
            progressbar=False,
        )
    return _record(
        rename_posterior(trace, design),
        design,
        rows,
        priors,
        seed=seed,
        model_id=model_id,
        kind=kind,
        engine="bambi",
        how=how,
        started=started,
    )
