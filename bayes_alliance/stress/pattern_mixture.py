r"""Pattern mixture: the model with its coefficients free to differ by missing-data pattern, then averaged.

Three patterns (Hedeker & Gibbons 1997, doi:10.1037/1082-989X.2.1.64; Little 1993, doi:10.1080/01621459.1993.10594302):

``assessments``              the number of assessments shifts level and slope, alike in all subgroups, as in the
                             publication; the estimand is that of patients with the same number.
``assessments_by_subgroup``  level and slope of every subgroup depend on the number; the estimand is averaged over each
                             subgroup's own numbers.
``completers_by_subgroup``   the same with two patterns: assessed at the horizon or not.

A marginal slope of subgroup u is :math:`\sum_i w_i\, u'(\beta + n_i\gamma)` over its patients, with the weights of a
Bayesian bootstrap (Rubin 1981, doi:10.1214/aos/1176345338), so that the pattern's distribution is not taken as known.
Which subgroups an estimand contrasts is read off the model's own estimands of kind "slope".
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.errors import FitError
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.engines import EngineSettings, fit_posterior
from bayes_alliance.inference.fits import Array, PosteriorFit, weight_vector
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressDraws, StressSkipped
from bayes_alliance.study.records import Estimand

ASSESSMENTS_CONTRAST = 2.0


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A pattern of missing data.

    Parameters
    ----------
    name, words : str
        Key; what the model is given.
    value : ndarray, shape (n_patients,)
        Of each patient, centred.
    contrast : float
        Difference in it to which the priors of a predictor's effects refer.
    by_subgroup : bool
        Whether every coefficient depends on it, or only the mean level and slope.
    """

    name: str
    words: str
    value: Array
    contrast: float
    by_subgroup: bool


def patterns(prepared: Prepared) -> list[Pattern]:
    """Return the patterns that the rows of a model show."""
    number = np.bincount(prepared.design.patient_index).astype(float)
    number -= number.mean()
    complete = prepared.complete.astype(float)
    complete -= complete.mean()
    return [
        Pattern(
            name="assessments",
            words="the number of assessments shifts level and slope",
            value=number,
            contrast=ASSESSMENTS_CONTRAST,
            by_subgroup=False,
        ),
        Pattern(
            name="assessments_by_subgroup",
            words="the number of assessments shifts level and slope, differently in each subgroup; averaged over it",
            value=number,
            contrast=ASSESSMENTS_CONTRAST,
            by_subgroup=True,
        ),
        Pattern(
            name="completers_by_subgroup",
            words=(
                "patients not assessed at the end started and changed differently from the rest; averaged within each "
                "subgroup"
            ),
            value=complete,
            contrast=1.0,
            by_subgroup=True,
        ),
    ]


def mix_patterns(prepared: Prepared) -> tuple[list[StressDraws], list[StressSkipped]]:
    """Fit a model by each pattern and average over it.

    Returns
    -------
    draws : list of StressDraws
        One a pattern and estimand.
    skipped : list of StressSkipped
        Patterns that cannot be told from the predictors on these rows, estimands that contrast no slopes.
    """
    found: list[StressDraws] = []
    skipped: list[StressSkipped] = []
    for pattern in patterns(prepared):
        few = prepared.few_drop_out if pattern.name == "completers_by_subgroup" else ""
        fitted = few or _fit(prepared, pattern)
        if isinstance(fitted, str):
            skipped.append(_skip(prepared, pattern, fitted))
            continue
        for estimand in prepared.estimands:
            draws = _estimate(prepared, pattern, fitted, estimand)
            if isinstance(draws, str):
                skipped.append(_skip(prepared, pattern, f"{estimand.name}: {draws}"))
                continue
            found.append(
                prepared.record(
                    estimand,
                    draws,
                    test="pattern_mixture",
                    variant=pattern.name,
                    changed=pattern.words,
                    effective=fitted.independent_draws,
                )
            )
    return found, skipped


def _skip(prepared: Prepared, pattern: Pattern, reason: str) -> StressSkipped:
    return StressSkipped(
        test="pattern_mixture", variant=pattern.name, model_id=prepared.model.id, reason=reason
    )


def _fit(prepared: Prepared, pattern: Pattern) -> PosteriorFit | str:
    """Fit the widened model by the collapsed engine, or say why not."""
    kept = _told_apart(prepared, pattern)
    if not kept:
        return "the pattern cannot be told from the predictors on these rows"
    design, priors = _widened(prepared, pattern, kept)
    try:
        return fit_posterior(
            "collapsed",
            design,
            prepared.rows,
            priors,
            prepared.frame,
            seed=prepared.seed_of("pattern_mixture", pattern.name),
            model_id=prepared.model.id,
            settings=EngineSettings(collapsed=CollapsedSettings(draws=prepared.posterior.n_draws)),
        )
    except FitError as error:
        return str(error)


def _told_apart(prepared: Prepared, pattern: Pattern) -> list[int]:
    """Choose the fixed columns whose product with the pattern adds something to the columns so far.

    Where a subgroup has one pattern only, its own product adds nothing; what is fitted at the patterns that there are,
    and so every average over them, does not depend on which of the products stands for it.
    """
    design = prepared.design
    columns = [column / max(float(np.linalg.norm(column)), 1e-300) for column in design.x.T]
    kept: list[int] = []
    for i, name in enumerate(design.x_names):
        if not (pattern.by_subgroup or name in ("Intercept", prepared.time)):
            continue
        product = design.x[:, i] * pattern.value[design.patient_index]
        size = float(np.linalg.norm(product))
        added = [*columns, product / max(size, 1e-300)]
        if size > 0.0 and int(np.linalg.matrix_rank(np.column_stack(added), tol=1e-9)) == len(added):
            columns = added
            kept.append(i)
    return kept


def _widened(prepared: Prepared, pattern: Pattern, kept: list[int]) -> tuple[Design, CoefficientPriors]:
    """Add the products of fixed columns with the pattern, under the priors of a predictor's effects."""
    design, priors, scales = prepared.design, prepared.priors, prepared.scales
    product = design.x[:, kept] * pattern.value[design.patient_index, None]
    names = tuple(f"{design.x_names[i]}:pattern" for i in kept)
    with_time = np.array([prepared.time in design.x_names[i].split(":") for i in kept])
    sd = np.where(with_time, scales.effect_slope[1] / prepared.horizon, scales.effect_intercept[1])
    wide = dataclasses.replace(
        design, x=np.column_stack([design.x, product]), x_names=(*design.x_names, *names)
    )
    return wide, priors.append(np.zeros(len(kept)), sd / pattern.contrast)


def _estimate(prepared: Prepared, pattern: Pattern, fit: PosteriorFit, estimand: Estimand) -> Array | str:
    """Draws of an estimand, averaged over the patterns of the subgroups that it contrasts."""
    if not pattern.by_subgroup:
        return fit.combine(estimand.weights)
    names = prepared.design.x_names
    profiles = contrasted_slopes(prepared, estimand)
    if not profiles:
        return "it is no difference of slopes that the model names"
    rng = np.random.default_rng(prepared.seed_of("pattern_mixture", pattern.name, estimand.name))
    beta = fit.beta.reshape(-1, fit.beta.shape[-1])
    own, added = beta[:, : len(names)], np.zeros((len(beta), len(names)))
    added[:, _told_apart(prepared, pattern)] = beta[:, len(names) :]
    total = np.zeros(len(beta))
    for profile, sign in profiles:
        members = _members(prepared, profile)
        if not np.any(members):
            return "a subgroup has no patient whose slope is seen"
        weights = rng.dirichlet(np.ones(int(members.sum())), size=len(beta))
        total += sign * (own @ profile + (weights @ pattern.value[members]) * (added @ profile))
    draws: Array = total.reshape(fit.sigma.shape)
    return draws


def contrasted_slopes(prepared: Prepared, estimand: Estimand) -> tuple[tuple[Array, float], ...]:
    """Find the estimands of kind "slope" of the model whose difference, or difference of differences, this one is.

    Returns
    -------
    tuple of (ndarray of shape (p,), float)
        Weights of each slope and its sign; empty where there are none such.
    """
    names = prepared.design.x_names
    wanted = weight_vector(names, estimand.weights)
    slopes = [weight_vector(names, e.weights) for e in prepared.model.estimands if e.kind == "slope"]
    for signs in ((1.0, -1.0), (1.0, -1.0, -1.0, 1.0)):
        for chosen in itertools.permutations(slopes, len(signs)):
            total = sum(sign * slope for sign, slope in zip(signs, chosen, strict=True))
            if np.any(wanted) and np.allclose(total, wanted):
                return tuple(zip(chosen, signs, strict=True))
    return ()


def _members(prepared: Prepared, profile: Array) -> NDArray[np.bool_]:
    """Return for each patient whether the slope of the profile is the patient's own."""
    design = prepared.design
    timed = np.array([prepared.time in name.split(":") for name in design.x_names])
    latest = np.append(np.flatnonzero(np.diff(design.patient_index)), design.n_rows - 1)
    time = prepared.times[latest]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = design.x[latest][:, timed] / time[:, None]
    close = np.all(np.isclose(slope, profile[timed]), axis=1)
    members: NDArray[np.bool_] = close & (time > 0.0)
    return members
