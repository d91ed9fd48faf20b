r"""Explained variation of intercepts and slopes: two quantities, never mixed.

(a) *Between two fits*, as the paper does: :math:`100(\tau^2_{ref} - \tau^2_{model})/\tau^2_{ref}` (Singer &
Willett 2003, p. 104, doi:10.1093/acprof:oso/9780195152968.001.0001). Both fits must rest on the same rows;
the value can be negative and is shown as it is.

(b) *Within one model*: :math:`Var(\hat s)/(Var(\hat s) + \tau^2)`, the share of the variance of patients'
slopes that the predictors carry, computed draw by draw; always in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.summaries import Summary, summarise_draws
from bayes_alliance.errors import RowsDifferError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, MixedFit, PosteriorFit


@dataclass(frozen=True, kw_only=True)
class ExplainedVariation:
    """Explained variation of one model, in per cent.

    Parameters
    ----------
    intercept, slope : float
        Between-fit percentage (a) against the reference on the same rows; NaN without a reference variance.
    as_printed_intercept, as_printed_slope : float
        The same against the reference on all of its own rows, which differ where a predictor is missing.
    share_intercept, share_slope : Summary or None
        Within-model share (b), posterior, in per cent; None without a posterior, without the random effect,
        or where no predictor tells the patients apart.
    """

    model_id: str
    intercept: float
    slope: float
    as_printed_intercept: float
    as_printed_slope: float
    share_intercept: Summary | None
    share_slope: Summary | None


def explained_percent(reference: float, model: float) -> float:
    """Percentage reduction of a variance; NaN where the reference variance is zero or absent.

    Examples
    --------
    >>> explained_percent(0.5, 0.4), explained_percent(0.5, 0.6)
    (20.0, -20.0)
    """
    return 100.0 * ((reference - model) / reference) if reference > 0.0 else float("nan")


def explain(
    fit: MixedFit,
    design: Design,
    *,
    reference_same: MixedFit,
    reference_own: MixedFit,
    posterior: PosteriorFit | None,
    time: str,
) -> ExplainedVariation:
    """Compute both kinds of explained variation of one model.

    Parameters
    ----------
    fit : MixedFit
        The model.
    design : Design
        Its rows.
    reference_same, reference_own : MixedFit
        The reference on the rows of ``fit``, and on all rows that carry it.
    posterior : PosteriorFit or None
        Of the model, for the within-model shares.
    time : str
        Name of the time variable.

    Returns
    -------
    ExplainedVariation

    Raises
    ------
    RowsDifferError
        If ``reference_same`` does not rest on the rows of ``fit``.
    """
    if fit.rows.digest != reference_same.rows.digest:
        raise RowsDifferError(
            "explained variation needs the reference on the model's own rows "
            f"({fit.model_id}: {fit.rows.n_patients} patients, {fit.rows.n_rows} rows; "
            f"{reference_same.model_id}: {reference_same.rows.n_patients} patients, "
            f"{reference_same.rows.n_rows} rows)"
        )
    shares = (None, None) if posterior is None else within_shares(design, posterior, time=time)
    return ExplainedVariation(
        model_id=fit.model_id,
        intercept=explained_percent(reference_same.intercept_variance, fit.intercept_variance),
        slope=explained_percent(reference_same.slope_variance, fit.slope_variance),
        as_printed_intercept=explained_percent(reference_own.intercept_variance, fit.intercept_variance),
        as_printed_slope=explained_percent(reference_own.slope_variance, fit.slope_variance),
        share_intercept=shares[0],
        share_slope=shares[1],
    )


def within_shares(
    design: Design, posterior: PosteriorFit, *, time: str
) -> tuple[Summary | None, Summary | None]:
    """Summarise the within-model shares (b) of the intercept and of the slope variance, in per cent.

    Patients count equally, however many visits they have.
    """
    intercept, slope = predicted_columns(design, time)
    about = f"{posterior.model_id}: share of the"
    return (
        _share(intercept, posterior, 0, f"{about} intercept variance"),
        _share(slope, posterior, 1, f"{about} slope variance") if posterior.z_names[1:] == (time,) else None,
    )


def predicted_columns(design: Design, time: str) -> tuple[Array, Array]:
    """Columns that give each patient's predicted intercept and predicted slope.

    The predicted intercept is the fixed part at time zero, the predicted slope its derivative by time.
    A predictor that varies within a patient enters with the patient's mean: its deviations from there carry variance
    within patients and none between them.

    Parameters
    ----------
    design : Design
        Of a model that is linear in time.
    time : str
        Name of the time variable.

    Returns
    -------
    intercept, slope : ndarray, shape (n_patients, p)
        NaN in the slope of a patient seen at time zero only, where no other column of the model tells it.
    """
    slope = np.zeros((design.n_patients, len(design.x_names)))
    intercept = _patient_means(design.x, design.patient_index)
    for index, name in enumerate(design.x_names):
        parts = name.split(":")
        if time in parts:
            intercept[:, index] = 0.0
            slope[:, index] = _without_time(design, index, parts, time)
    return intercept, slope


def _patient_means(values: Array, patient_index: NDArray[np.int64]) -> Array:
    """Means of rows by patient, shape (n_patients, k); a column that is constant within a patient keeps its value."""
    first = np.searchsorted(patient_index, np.arange(int(patient_index[-1]) + 1))
    counts = np.bincount(patient_index)
    off = values - values[first][patient_index]
    sums = np.column_stack([np.bincount(patient_index, column) for column in off.T])
    means: Array = values[first] + sums / counts[:, None]
    return means


def _without_time(design: Design, index: int, parts: list[str], time: str) -> Array:
    """Return a time column's value per unit of time for each patient.

    The column without time (``poor`` for ``months:poor``) where the model has it; else the column over time
    on the rows with time other than zero.
    """
    others = frozenset(part for part in parts if part != time)
    if not others:
        return np.ones(design.n_patients)
    for position, name in enumerate(design.x_names):
        if frozenset(name.split(":")) == others:
            column: Array = _patient_means(design.x[:, [position]], design.patient_index)[:, 0]
            return column
    times = _times(design, time)
    value = np.full(design.n_patients, np.nan)
    rows = np.flatnonzero((times != 0.0) & np.isfinite(times))
    seen = np.unique(design.patient_index[rows])
    numbered = np.searchsorted(seen, design.patient_index[rows])
    ratio = design.x[rows, index] / times[rows]
    if len(rows):
        value[seen] = _patient_means(ratio[:, None], numbered)[:, 0]
    return value


def _times(design: Design, time: str) -> Array:
    """Time of each row, from whichever column holds it; NaN where the model has time in products only."""
    if time in design.z_names:
        return design.z[:, design.z_names.index(time)]
    if time in design.x_names:
        return design.x[:, design.x_names.index(time)]
    return np.full(design.n_rows, np.nan)


def _share(columns: Array, posterior: PosteriorFit, which: int, name: str) -> Summary | None:
    """Posterior of the share (b), in per cent, over the patients whose columns are known."""
    share = _share_draws(columns, posterior, which)
    if share is None:
        return None
    return summarise_draws(share, name=name, effective=posterior.independent_draws)


def _share_draws(columns: Array, posterior: PosteriorFit, which: int) -> Array | None:
    return _share_at(columns, posterior.beta, posterior.sd[..., which])


def _share_at(columns: Array, beta: Array, tau: Array) -> Array | None:
    """Share (b) in per cent at coefficients, shape (..., p), and SDs of the random effect, shape (...)."""
    known = columns[np.all(np.isfinite(columns), axis=1)]
    if len(known) == 0 or np.allclose(known, known[0], rtol=1e-12, atol=0.0):
        return None
    spread = np.atleast_2d(np.cov(known, rowvar=False, bias=True))
    predicted = np.maximum(np.einsum("...a,ab,...b->...", beta, spread, beta), 0.0)
    share: Array = 100.0 * predicted / (predicted + tau**2)
    return share


def shares_at(design: Design, beta: Array, sd: Array, *, time: str) -> dict[str, Array]:
    """Within-model shares (b) in per cent at any parameters, by the name of the random column.

    Parameters
    ----------
    design : Design
        Whose patients.
    beta, sd : ndarray, shapes (..., p) and (..., q)
        Parameters, draws or true values.
    time : str
        Name of the time variable.

    Returns
    -------
    dict of str to ndarray, shape (...)
        Without those that :func:`within_shares` does not give.
    """
    found = {}
    for which, (name, columns) in enumerate(
        zip(("Intercept", time), predicted_columns(design, time), strict=True)
    ):
        if which < len(design.z_names) and design.z_names[which] == name:
            share = _share_at(columns, beta, sd[..., which])
            if share is not None:
                found[name] = share
    return found


def share_draws(design: Design, posterior: PosteriorFit, *, time: str) -> tuple[Array | None, Array | None]:
    """Draws of the within-model shares (b) of the intercept and of the slope variance, in per cent.

    Returns
    -------
    intercept, slope : ndarray, shape (chain, draw), or None
        None where :func:`within_shares` gives none.
    """
    intercept, slope = predicted_columns(design, time)
    with_slope = posterior.z_names[1:] == (time,)
    return _share_draws(intercept, posterior, 0), _share_draws(slope, posterior, 1) if with_slope else None
