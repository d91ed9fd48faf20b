"""The mixed model written in PyMC: what :mod:`bayes_alliance.inference.pymc.sample` compiles and samples.

Data and priors enter as ``pm.Data``, so that one compiled model serves all models of its shape. The marginal
form is the likelihood of :mod:`bayes_alliance.inference.likelihood` over the same sufficient statistics,
written again for PyTensor (:mod:`bayes_alliance.inference.pymc.likelihood`); a test holds the two together.
There NUTS moves in coordinates in which the coefficients are all but independent and of unit scale
(:class:`CoordinateFrame`): the density is the same, the steps are fewer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_alliance.inference.collapsed import make_target, start_point
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance
from bayes_alliance.inference.importance import find_mode
from bayes_alliance.inference.priors import CoefficientPriors, whiten
from bayes_alliance.inference.statistics import Statistics, summarise
from bayes_alliance.study.prior_records import ScaleFamily


def used_data(data: dict[str, Array], covariance: Covariance, family: ScaleFamily) -> dict[str, Array]:
    """Leave out what a model of this shape does not use: compiled models refuse it."""
    unused = {"prior_lkj_eta", "origin"} if covariance != "UN" else set()
    unused |= {"prior_scale_df"} if family != "half_t" else set()
    unused |= {"shapes"} if len(unused) == 3 else set()
    return {name: value for name, value in data.items() if name not in unused}


def _prior_data(priors: CoefficientPriors) -> dict[str, Array]:
    return {
        "prior_sd_scale": priors.sd_scale,
        "prior_sigma_scale": np.asarray(priors.sigma_scale, dtype=float),
        "prior_scale_df": np.asarray(priors.scale_df, dtype=float),
        "prior_lkj_eta": np.asarray(priors.lkj_eta, dtype=float),
        "origin": np.asarray(priors.origin, dtype=float),
    }


@dataclass(frozen=True, kw_only=True)
class CoordinateFrame:
    """Where NUTS moves: coordinates that make the posterior all but a standard normal one.

    Coefficients are ``centre + scale @ whitened``, SDs are multiples of ``unit``. Any frame gives the same
    posterior; a good one needs fewer steps.

    Parameters
    ----------
    centre : ndarray, shape (p,)
        Of the coefficients, in their units.
    scale : ndarray, shape (p, p)
        Upper triangular; its columns are the directions of the coefficients.
    unit : ndarray, shape (q + 1,)
        SDs of ordinary size: of the random effects and of the residual.
    """

    centre: Array
    scale: Array
    unit: Array


def choose_frame(stats: Statistics, priors: CoefficientPriors, covariance: Covariance) -> CoordinateFrame:
    """Take the mean and a factor of the covariance of the coefficients, given the likeliest random part."""
    target = make_target(stats, priors, covariance)
    mode, _ = find_mode(target, start_point(target))
    given = target.given(mode[None])
    back = np.linalg.inv(stats.basis)
    return CoordinateFrame(
        centre=stats.beta_ols + back @ given.centre[0],
        scale=np.triu(back @ np.linalg.inv(given.root[0]).T),
        unit=target.unit,
    )


def marginal_data(design: Design, priors: CoefficientPriors, covariance: Covariance) -> dict[str, Array]:
    """Return the sufficient statistics under the names of the compiled model's data, at the width compiled."""
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    frame = choose_frame(stats, priors, covariance)
    named = _prior_data(priors) | statistics_data(stats) | _frame_data(frame) | _framed_prior(frame, priors)
    return _pack(_widen(named, compiled_width(stats.p)))


def _framed_prior(frame: CoordinateFrame, priors: CoefficientPriors) -> dict[str, Array]:
    """Write the prior in the frame: ``prior_centre + prior_scale @ whitened`` is standard normal under it.

    Worked out here and not from the coefficients: those of raw years or ages are large and all but collinear, and what
    matters is small differences of theirs. ``prior_log_unit`` adds up to the log determinant of the density.
    """
    inverse, logdet = whiten(priors)
    p = len(priors.mean)
    return {
        "prior_centre": inverse @ (frame.centre - priors.mean),
        "prior_scale": inverse @ frame.scale,
        "prior_log_unit": np.full(p, logdet / p - 0.5 * math.log(2.0 * math.pi)),
    }


def _pack(data: Mapping[str, Array]) -> dict[str, Array]:
    """Put what belongs together into one array each: a compiled model takes up every array at some cost."""
    names = ("prior_log_unit", "prior_centre", "frame_centre", "prior_scale", "frame_scale")
    coefficients = tuple(data[name] for name in names)
    return {
        "coefficients": np.column_stack(coefficients),
        "scales": np.array(
            [
                np.append(data["prior_sd_scale"], data["prior_sigma_scale"]),
                np.append(data["sd_unit"], data["sigma_unit"]),
            ]
        ),
        "shapes": np.array([data["prior_lkj_eta"], data["prior_scale_df"], data["origin"]]),
        "statistics": pack_statistics(data),
    }


def pack_statistics(data: Mapping[str, Array]) -> Array:
    """Lay the statistics out as one vector."""
    names = ("n_rows", "n_coefficients", "basis", "beta_ols", "z_basis", "dd", "counts", "zz", "moments")
    return np.concatenate([np.ravel(data[name]) for name in names])


def _unpack(held: Mapping[str, Any]) -> dict[str, Any]:
    """Name the parts of the packed arrays, symbols of PyTensor."""
    coefficients, scales = held["coefficients"], held["scales"]
    p = (coefficients.shape[1] - 3) // 2
    named = {
        "prior_log_unit": coefficients[:, 0],
        "prior_centre": coefficients[:, 1],
        "frame_centre": coefficients[:, 2],
        "prior_scale": coefficients[:, 3 : 3 + p],
        "frame_scale": coefficients[:, 3 + p :],
        "prior_sd_scale": scales[0, :-1],
        "prior_sigma_scale": scales[0, -1],
        "sd_unit": scales[1, :-1],
        "sigma_unit": scales[1, -1],
        "statistics": held["statistics"],
    }
    if "shapes" in held:
        shapes = held["shapes"]
        named |= {"prior_lkj_eta": shapes[0], "prior_scale_df": shapes[1], "origin": shapes[2]}
    return named


def placeholder_data(p: int, q: int, patients: int) -> dict[str, Array]:
    """Return data of the right shapes to compile a model with."""
    priors = {
        "prior_sd_scale": np.ones(q),
        "prior_sigma_scale": np.asarray(1.0),
        "prior_scale_df": np.asarray(3.0),
        "prior_lkj_eta": np.asarray(2.0),
        "origin": np.asarray(0.0),
    }
    if patients:
        rows = {"y": np.zeros(3), "x": np.ones((3, p)), "z": np.ones((3, q)), "patient": np.zeros(3)}
        return priors | rows | {"prior_mean": np.zeros(p), "prior_root": np.eye(p)}
    u, m = q * (q + 1) // 2, (p + 1) * (p + 2) // 2
    statistics = {
        "basis": np.eye(p),
        "beta_ols": np.zeros(p),
        "z_basis": np.eye(q),
        "zz": np.ones((2, u)),
        "counts": np.ones(2),
        "moments": np.zeros((2, u, m)),
        "dd": np.ones(m),
        "n_rows": np.asarray(2.0),
        "n_coefficients": np.asarray(float(p)),
    }
    frame = CoordinateFrame(centre=np.zeros(p), scale=np.eye(p), unit=np.ones(q + 1))
    framed = {"prior_centre": np.zeros(p), "prior_scale": np.eye(p), "prior_log_unit": np.zeros(p)}
    return _pack(priors | statistics | _frame_data(frame) | framed)


def _frame_data(frame: CoordinateFrame) -> dict[str, Array]:
    return {
        "frame_centre": frame.centre,
        "frame_scale": frame.scale,
        "sd_unit": frame.unit[:-1],
        "sigma_unit": frame.unit[-1],
    }


def compiled_width(p: int) -> int:
    """Return the number of coefficients that a model with ``p`` is compiled for: the next multiple of twelve.

    Compiling takes longer than sampling, and models of a study differ by a coefficient or a few. Those beyond
    ``p`` have no column of data and a standard normal prior of their own, so that they leave the posterior of
    the others as it is; their draws are thrown away.
    """
    return 12 * math.ceil(p / 12)


def _widen(data: dict[str, Array], width: int) -> dict[str, Array]:
    """Make room for coefficients without data, behind those of the model."""
    p = len(data["prior_centre"])
    empty = width - p
    scale, prior_scale = np.eye(width), np.eye(width)
    scale[:p, :p] = data["frame_scale"]
    prior_scale[:p, :p] = data["prior_scale"]
    return data | {
        "prior_centre": np.append(data["prior_centre"], np.zeros(empty)),
        "prior_scale": prior_scale,
        "prior_log_unit": np.append(data["prior_log_unit"], np.full(empty, -0.5 * math.log(2.0 * math.pi))),
        "frame_centre": np.append(data["frame_centre"], np.zeros(empty)),
        "frame_scale": scale,
    }


def statistics_data(stats: Statistics) -> dict[str, Array]:
    """Return the statistics as plain arrays, random columns by pairs."""
    k, l = np.triu_indices(stats.q)
    a, b = np.triu_indices(stats.p + 1)
    return {
        "basis": stats.basis,
        "beta_ols": stats.beta_ols,
        "z_basis": stats.z_basis,
        "zz": stats.zz[:, k, l],
        "counts": stats.counts,
        "moments": stats.moments,
        "dd": stats.dd[a, b],
        "n_rows": np.asarray(float(stats.n_rows)),
        "n_coefficients": np.asarray(float(stats.p)),
    }


def conditional_data(design: Design, priors: CoefficientPriors) -> dict[str, Array]:
    """Return the rows under the names of a model whose effects are sampled."""
    return _prior_data(priors) | {
        "prior_mean": priors.mean,
        "prior_root": priors.root,
        "y": design.y,
        "x": design.x,
        "z": design.z,
        "patient": design.patient_index.astype(float),
    }


def build_pymc_model(
    p: int,
    q: int,
    covariance: Covariance,
    data: Mapping[str, Array],
    *,
    family: ScaleFamily = "half_normal",
    patients: int = 0,
) -> Any:
    """Write the PyMC model of one shape.

    Parameters
    ----------
    p, q : int
        Fixed and random coefficients.
    covariance : {"UN", "VC", "ID"}
        Whether intercept and slope correlate.
    data : mapping of str to ndarray
        Statistics or rows, and priors; held as ``pm.Data`` so that they can be swapped.
    family : {"half_normal", "half_t", "exponential"}
        Priors on the SDs.
    patients : int
        Number of patients whose effects are sampled; 0 integrates them out.

    Returns
    -------
    pymc.Model
    """
    import pymc as pm

    with pm.Model() as model:
        held = {name: pm.Data(name, value) for name, value in data.items()}
        held = held if patients else _unpack(held)
        parameters = _plain_parameters if patients else _framed_parameters
        spread = "sd_at_origin" if covariance == "UN" else "sd"
        beta, sd, sigma = parameters(held, p, q, family, spread)
        # An LKJ prior on a 2 x 2 correlation matrix is a symmetric beta on (correlation + 1) / 2.
        correlation: Any = 0.0
        if covariance == "UN":
            share = pm.Beta("correlation_share", held["prior_lkj_eta"], held["prior_lkj_eta"])
            sd, correlation = _effects_at_zero(sd, 2.0 * share - 1.0, held["origin"])
            sd, correlation = pm.Deterministic("sd", sd), pm.Deterministic("correlation", correlation)
        if patients:
            _add_rows(held, beta, sd, correlation, sigma, patients, q)
        else:
            from bayes_alliance.inference.pymc.likelihood import marginal_logp

            pm.Potential("likelihood", marginal_logp(beta, sd, correlation, sigma, held["statistics"]))
    return model


def _effects_at_zero(sd: Any, correlation: Any, origin: Any) -> tuple[Any, Any]:
    """As :func:`bayes_alliance.inference.priors.effects_at_zero`, for PyTensor."""
    import pytensor.tensor as pt

    along = correlation * sd[0] - origin * sd[1]
    at_zero = pt.sqrt(along**2 + (1.0 - correlation**2) * sd[0] ** 2)
    return pt.stack([at_zero, sd[1]]), along / at_zero


def build_marginal_model(design: Design, priors: CoefficientPriors, covariance: Covariance) -> Any:
    """Write the model of a design with the patients' effects integrated out, as NUTS samples it.

    Returns
    -------
    pymc.Model
        ``beta`` holds the coefficients and, behind them, spare ones without data (:func:`compiled_width`).
    """
    q = len(design.z_names)
    kind: Covariance = covariance if q > 1 else "ID"
    held = used_data(marginal_data(design, priors, kind), kind, priors.scale_family)
    return build_pymc_model(compiled_width(len(design.x_names)), q, kind, held, family=priors.scale_family)


def _plain_parameters(
    held: Mapping[str, Any], p: int, q: int, family: ScaleFamily, spread: str
) -> tuple[Any, Any, Any]:
    """Add coefficients, SDs of the effects and the residual SD as they are."""
    import pymc as pm

    z = pm.Normal("beta_z", 0.0, 1.0, shape=(p,))
    beta = pm.Deterministic("beta", held["prior_mean"] + (held["prior_root"] * z).sum(axis=1))
    sd = _scale_prior(spread, held["prior_sd_scale"], held, family, shape=(q,))
    return beta, sd, _scale_prior("sigma", held["prior_sigma_scale"], held, family)


def _framed_parameters(
    held: Mapping[str, Any], p: int, q: int, family: ScaleFamily, spread: str
) -> tuple[Any, Any, Any]:
    """Add the same with the same priors, in the coordinates of the frame."""
    import pymc as pm

    from bayes_alliance.inference.pymc.coordinates import BentLog

    whitened = pm.Flat("beta_whitened", shape=(p,))
    beta = pm.Deterministic("beta", held["frame_centre"] + (held["frame_scale"] * whitened).sum(axis=1))
    standard = held["prior_centre"] + (held["prior_scale"] * whitened).sum(axis=1)
    pm.Potential("beta_prior", (held["prior_log_unit"] - 0.5 * standard**2).sum())
    found = []
    for name, label, shape in (("sd", spread, (q,)), ("sigma", "sigma", ())):
        # All three families are of a scale, so that a relative SD has the same prior with a relative scale.
        unit, bent = held[f"{name}_unit"], {"transform": BentLog(), "default_transform": None}
        scale = held[f"prior_{name}_scale"] / unit
        relative = _scale_prior(f"{name}_relative", scale, held, family, shape=shape, **bent)
        found.append(pm.Deterministic(label, unit * relative))
    return beta, found[0], found[1]


def _scale_prior(name: str, scale: Any, held: Mapping[str, Any], family: ScaleFamily, **options: Any) -> Any:
    import pymc as pm

    if family == "half_t":
        return pm.HalfStudentT(name, nu=held["prior_scale_df"], sigma=scale, **options)
    if family == "exponential":
        return pm.Exponential(name, scale=scale, **options)
    return pm.HalfNormal(name, scale, **options)


def _add_rows(
    held: Mapping[str, Any], beta: Any, sd: Any, correlation: Any, sigma: Any, patients: int, q: int
) -> None:
    """Add the patients' effects (non-centred) and the observed rows to the model in context."""
    import pymc as pm
    import pytensor.tensor as pt

    raw = pm.Normal("effects_raw", 0.0, 1.0, shape=(patients, q))
    effects = raw * sd
    if q == 2:
        across = correlation * raw[:, 0] + pt.sqrt(1.0 - correlation**2) * raw[:, 1]
        effects = pt.stack([raw[:, 0] * sd[0], across * sd[1]], axis=1)
    index = pt.cast(held["patient"], "int64")
    mean = held["x"] @ beta + pt.sum(held["z"] * effects[index], axis=1)
    pm.Normal("y_observed", mean, sigma, observed=held["y"])
