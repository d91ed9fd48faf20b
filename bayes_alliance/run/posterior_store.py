"""Posterior fits stored as ArviZ-readable NetCDF, reused while nothing that made them has changed.

A stored fit carries the record of what made it: formula, rows, prior, engine, settings, seed and versions,
and digests of its own draws and of what is said of them. A fit is taken from the store only if every one of these
is the same; otherwise the store says which differs. Files are written beside their place and renamed, so a run that
is killed leaves no half file. Holds no patient's data: rows are known by their digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.runtime.files import whole_file
from bayes_alliance.study.records import Source

FORMAT = 3


def design_digest(design: Design) -> str:
    """SHA-256 of the numbers that a likelihood sees: outcome, columns and who is the same patient."""
    digest = hashlib.sha256(" ".join((*design.x_names, "|", *design.z_names)).encode())
    for array in (design.y, design.x, design.z, design.patient_index):
        digest.update(np.ascontiguousarray(array).tobytes())
    if (about := design.structured) is not None:
        digest.update(repr((about.structure, about.time, about.middle)).encode())
        rows = about.rows
        for array in (about.order, rows.z, rows.w, rows.patient, rows.cluster, rows.position, rows.group):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def fit_record(
    design: Design,
    priors: CoefficientPriors,
    *,
    engine: str,
    covariance: str,
    settings: str,
    seed: int,
    versions: str,
) -> dict[str, str]:
    """Return the record of everything that determines a fit, a string an item.

    Parameters
    ----------
    design : Design
        Formula and rows.
    priors : CoefficientPriors
        On its coefficients.
    engine, covariance, settings, versions : str
        How it is made: engine, covariance type, settings of the sampler, versions of what samples.
    seed : int
        Of the sampler.
    """
    prior = {
        field.name: np.asarray(getattr(priors, field.name)).tolist() for field in dataclasses.fields(priors)
    }
    return {
        "format": str(FORMAT),
        "formula": design.formula.text,
        "rows": design_digest(design),
        "prior": json.dumps(prior),
        "engine": engine,
        "covariance": covariance,
        "settings": settings,
        "seed": str(seed),
        "versions": versions,
    }


def store_fit(path: Path, fit: PosteriorFit, record: Mapping[str, str]) -> None:
    """Write a fit with its record.

    Parameters
    ----------
    path : Path
        ``.nc`` file; its folder must exist. Written by rename.
    fit : PosteriorFit
        To store.
    record : mapping of str to str
        Of :func:`fit_record`.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left in its place.
    """
    from bayes_alliance.inference.arviz_tree import posterior_tree

    tree = posterior_tree(fit)
    plain = json.loads(json.dumps(_plain(fit)))
    about = {"record": dict(record), "fit": plain, "draws": draws_digest(fit), "said": _said_digest(plain)}
    tree.attrs["bayes_alliance"] = json.dumps(about)
    # By way of memory: HDF5 crashes at the end of the process after a full disk kept it from closing a file.
    raw = tree.to_netcdf(None, engine="h5netcdf")
    with whole_file(path) as part:
        part.write_bytes(raw)


def draws_digest(fit: PosteriorFit) -> str:
    """SHA-256 of draws and sampler statistics: NetCDF itself does not notice a changed number."""
    digest = hashlib.sha256()
    for array in (fit.beta, fit.sd, fit.correlation, fit.sigma):
        digest.update(np.ascontiguousarray(array, dtype=float).tobytes())
    for named in (fit.variances, fit.covariance_draws):
        for name in sorted(named):
            digest.update(name.encode() + np.ascontiguousarray(named[name], dtype=float).tobytes())
    for name in sorted(fit.sample_stats):
        digest.update(name.encode() + np.ascontiguousarray(fit.sample_stats[name], dtype=float).tobytes())
    return digest.hexdigest()


def _said_digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _plain(fit: PosteriorFit) -> dict[str, Any]:
    return {
        "model_id": fit.model_id,
        "engine": fit.engine,
        "covariance": fit.covariance,
        "prior": fit.prior,
        "formula": fit.formula,
        "seed": fit.seed,
        "seconds": fit.seconds,
        "facts": dict(fit.facts),
        "rows": {
            "n_rows": fit.rows.n_rows,
            "n_patients": fit.rows.n_patients,
            "digest": fit.rows.digest,
            "source": fit.rows.source.value,
        },
    }


def load_fit(path: Path, record: Mapping[str, str]) -> PosteriorFit | str:
    """Load a stored fit if it is the one asked for.

    Parameters
    ----------
    path : Path
        Of the file.
    record : mapping of str to str
        Of :func:`fit_record`, for the fit asked for.

    Returns
    -------
    PosteriorFit or str
        The fit, or in words why it has to be made again.
    """
    if not path.exists():
        return "not stored yet"
    # Not by xarray: h5netcdf leaves half-made objects behind on damaged files, which Python reports later.
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(path, "r") as file:
            about = json.loads(file.attrs["bayes_alliance"])
            stored = about["record"]
            changed = [name for name in {**record, **stored} if stored.get(name) != record.get(name)]
            if changed:
                return f"changed since it was stored: {', '.join(changed)}"
            if _said_digest(about["fit"]) != about["said"]:
                return "the stored file is damaged: what it says of its draws was changed"
            fit = _restore(file, about["fit"])
    except Exception as error:  # what a damaged HDF5 file raises is not bounded; the fit is made again
        return f"the stored file cannot be read ({type(error).__name__})"
    if draws_digest(fit) != about["draws"]:
        return "the stored file is damaged: its draws are not those that were stored"
    return fit


def _restore(file: Any, about: Mapping[str, Any]) -> PosteriorFit:
    posterior = file["posterior"]
    stats = file.get("sample_stats", {})
    rows = about["rows"]
    return PosteriorFit(
        model_id=about["model_id"],
        engine=about["engine"],
        covariance=about["covariance"],
        prior=about["prior"],
        rows=RowsUsed(
            n_rows=rows["n_rows"],
            n_patients=rows["n_patients"],
            digest=rows["digest"],
            source=Source(rows["source"]),
        ),
        formula=about["formula"],
        x_names=tuple(posterior["coefficient"].asstr()[...]),
        z_names=tuple(posterior["random_coefficient"].asstr()[...]) if posterior["sd"].shape[-1] else (),
        beta=_numbers(posterior["beta"]),
        sd=_numbers(posterior["sd"]),
        correlation=_numbers(posterior["correlation"]),
        sigma=_numbers(posterior["sigma"]),
        seed=about["seed"],
        seconds=about["seconds"],
        facts=about["facts"],
        variances=_named(posterior, "variance: "),
        covariance_draws=_named(posterior, "covariance: "),
        sample_stats={name: _numbers(stats[name]) for name in stats if name not in ("chain", "draw")},
    )


def _named(posterior: Any, start: str) -> dict[str, Array]:
    return {
        name.removeprefix(start): _numbers(posterior[name]) for name in posterior if name.startswith(start)
    }


def _numbers(variable: Any) -> Array:
    return np.asarray(variable[...], dtype=float)
