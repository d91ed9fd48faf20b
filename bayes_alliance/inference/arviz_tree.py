"""Fits as ArviZ-readable trees: what is stored, and what a notebook hands to ArviZ.

Holds parameters and sampler statistics only, never patients' rows or effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayes_alliance.inference.fits import PosteriorFit

if TYPE_CHECKING:
    import xarray as xr


def posterior_tree(fit: PosteriorFit) -> xr.DataTree:
    """Return a fit as a DataTree with groups ``posterior`` and, where a sampler ran, ``sample_stats``.

    Dimensions are ``chain``, ``draw``, ``coefficient`` and ``random_coefficient``, with names as coordinates.

    Parameters
    ----------
    fit : PosteriorFit
        Of any engine.

    Returns
    -------
    xarray.DataTree

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> run = ba.reanalyse("medication", engine="collapsed", models=["growth"], draws=400).run("growth")
    >>> dict(ba.posterior_tree(run.posterior)["posterior"].sizes)
    {'chain': 4, 'draw': 100, 'coefficient': 2, 'random_coefficient': 2}
    """
    import xarray as xr

    draw = ("chain", "draw")
    posterior = xr.Dataset(
        {
            "beta": ((*draw, "coefficient"), fit.beta),
            "sd": ((*draw, "random_coefficient"), fit.sd),
            "correlation": (draw, fit.correlation),
            "sigma": (draw, fit.sigma),
        },
        coords={"coefficient": list(fit.x_names), "random_coefficient": list(fit.z_names)},
        attrs={
            "model_id": fit.model_id,
            "formula": fit.formula,
            "covariance": fit.covariance,
            "source": fit.rows.source.value,
        },
    )
    for kind, named in (("variance", fit.variances), ("covariance", fit.covariance_draws)):
        for name, values in named.items():
            more = tuple(f"{name}_{k}" for k in range(values.ndim - 2))
            posterior[f"{kind}: {name}"] = ((*draw, *more), values)
    groups = {"posterior": posterior}
    if fit.sample_stats:
        stats = {name: (draw, values) for name, values in fit.sample_stats.items()}
        groups["sample_stats"] = xr.Dataset(stats)
    return xr.DataTree.from_dict(groups)
