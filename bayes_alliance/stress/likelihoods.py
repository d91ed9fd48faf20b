r"""Every likelihood of one model side by side: what becomes of the estimands, and which predicts a new visit best.

Estimands are in points over the horizon throughout: of the latent score under ``student_t`` and ``censored``, of the
expected score (average partial effect) under ``ordinal``, and, beside the latent one, under ``censored`` too. Scores
are log probabilities of grid cells (:mod:`bayes_alliance.stress.grid_mass`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array, weight_vector
from bayes_alliance.stress.gaussian_variants import (
    GaussianVariant,
    fit_autocorrelated,
    fit_curved,
    fit_gaussian,
    fit_sd_by_group,
    group_exponent,
)
from bayes_alliance.stress.grid_mass import (
    Grid,
    MassScore,
    Rows,
    VisitDensities,
    compare_mass,
    gaussian_visits,
    integrated_visits,
    score_mass,
)
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressDraws, StressSkipped
from bayes_alliance.stress.sampled import FAMILIES, SampledSettings, SampledVariant, fit_sampled
from bayes_alliance.stress.sampled_model import Family
from bayes_alliance.stress.sampled_rows import conditional_model, expected_slope
from bayes_alliance.study.records import Study, Variable

SCORED_DRAWS, EFFECT_POINTS = 500, 32
GAUSSIAN: dict[str, Callable[[Prepared], GaussianVariant]] = {
    "gaussian": fit_gaussian,
    "curved": fit_curved,
    "sd_by_group": fit_sd_by_group,
    "autocorrelated": fit_autocorrelated,
}
ALL = (*GAUSSIAN, *FAMILIES)


@dataclass(frozen=True, kw_only=True)
class LikelihoodLine:
    """One likelihood in a comparison.

    Parameters
    ----------
    elpd_diff, se_diff : float
        Score less the Gaussian model's, and its standard error over patients.
    extra : tuple of (str, float)
        Posterior means and 95 % limits of what the likelihood adds.
    diverging : int
        Divergent transitions, where it was sampled.
    """

    name: str
    words: str
    score: MassScore
    elpd_diff: float
    se_diff: float
    extra: tuple[tuple[str, float], ...]
    diverging: int = 0


@dataclass(frozen=True, kw_only=True)
class LikelihoodComparison:
    """Every likelihood of one model.

    Parameters
    ----------
    target : str
        What is predicted.
    """

    model_id: str
    outcome: str
    target: str
    lines: tuple[LikelihoodLine, ...]
    draws: tuple[StressDraws, ...]
    skipped: tuple[StressSkipped, ...]


def outcome_grid(study: Study, outcome: str) -> Grid | None:
    """Return the measurement grid of an outcome, None where its ends or its step are not declared."""
    variable = study.variable(outcome)
    if not isinstance(variable, Variable):
        return None
    if variable.minimum is None or variable.maximum is None or variable.step is None:
        return None
    return Grid(minimum=variable.minimum, maximum=variable.maximum, step=variable.step)


def compare_likelihoods(
    study: Study,
    prepared: Prepared,
    *,
    names: Sequence[str] = ALL,
    settings: SampledSettings | None = None,
) -> LikelihoodComparison | StressSkipped:
    """Fit a model under several likelihoods and compare them on the grid.

    Parameters
    ----------
    names : sequence of str
        Of :data:`ALL`; the Gaussian one is always among them.
    settings : SampledSettings, optional
        Of NUTS.

    Returns
    -------
    LikelihoodComparison or StressSkipped
        The latter where the outcome's grid is not declared.
    """
    grid = outcome_grid(study, prepared.model.outcome)
    if grid is None:
        reason = f"{prepared.model.outcome} has no declared ends and step, so no grid to score on"
        return _skip(prepared, "", reason)
    lines: list[LikelihoodLine] = []
    draws: list[StressDraws] = []
    skipped: list[StressSkipped] = []
    reference: MassScore | None = None
    for name in ("gaussian", *(n for n in names if n != "gaussian")):
        try:
            line, found = _one(prepared, name, grid, reference, settings)
        except FitError as error:
            skipped.append(_skip(prepared, name, str(error)))
            continue
        reference = reference or line.score
        lines.append(line)
        draws += found
    return LikelihoodComparison(
        model_id=prepared.model.id,
        outcome=prepared.model.outcome,
        target=f"the cell (width {grid.step:g}) of a new visit, given the patient's other visits",
        lines=tuple(lines),
        draws=tuple(draws),
        skipped=tuple(skipped),
    )


def _skip(prepared: Prepared, variant: str, reason: str) -> StressSkipped:
    return StressSkipped(test="likelihood", variant=variant, model_id=prepared.model.id, reason=reason)


def _one(
    prepared: Prepared,
    name: str,
    grid: Grid,
    reference: MassScore | None,
    settings: SampledSettings | None,
) -> tuple[LikelihoodLine, list[StressDraws]]:
    if name in GAUSSIAN:
        gaussian = GAUSSIAN[name](prepared)
        densities = gaussian_densities(prepared, gaussian.thin(SCORED_DRAWS), grid)
        found = gaussian_estimands(prepared, gaussian)
        words, extra, diverging = gaussian.words, _told(name, gaussian.extra), 0
    else:
        family: Family = next(f for f in FAMILIES if f == name)
        sampled = fit_sampled(prepared, family, grid, settings)
        densities = sampled_densities(prepared, sampled, grid)
        found = sampled_estimands(prepared, sampled, grid)
        words, diverging = sampled.words, sampled.diverging
        extra = _told(name, sampled.extra[..., 0].reshape(-1)) if name == "student_t" else ()
    score = score_mass(densities, prepared.design.patient_index, variant=name)
    difference, se = (0.0, 0.0) if reference is None else compare_mass(score, reference)
    return (
        LikelihoodLine(
            name=name,
            words=words,
            score=score,
            elpd_diff=difference,
            se_diff=se,
            extra=extra,
            diverging=diverging,
        ),
        [] if name == "gaussian" else found,
    )


_ADDED = {"sd_by_group": "factor", "autocorrelated": "autocorrelation", "student_t": "nu"}


def _told(name: str, values: Array) -> tuple[tuple[str, float], ...]:
    """Summarise the number that a likelihood adds."""
    if name not in _ADDED:
        return ()
    shown = np.exp(values) if name == "sd_by_group" else values
    low, median, high = (float(v) for v in np.quantile(shown, [0.025, 0.5, 0.975]))
    key = _ADDED[name]
    return ((key, median), (f"{key}_q2.5", low), (f"{key}_q97.5", high))


def gaussian_densities(prepared: Prepared, variant: GaussianVariant, grid: Grid) -> VisitDensities:
    """Densities of a Gaussian variant, each patient's covariance written out."""
    design = variant.design
    effects = variant.effects()
    exponent = group_exponent(prepared)[design.patient_index]
    by_group = variant.name == "sd_by_group"
    linked = variant.name == "autocorrelated"

    def covariance(rows: Rows) -> Array:
        z, times = design.z[rows], prepared.times[rows]
        between = np.einsum("na,sab,mb->snm", z, effects, z)
        scale = np.exp(np.outer(variant.extra, exponent[rows])) if by_group else np.ones((1, len(rows)))
        within = variant.sigma[:, None] * scale
        gap = np.abs(times[:, None] - times[None, :]) / prepared.step
        if linked:
            correlation = np.where(gap == 0.0, 1.0, variant.extra[:, None, None] ** np.maximum(gap, 1e-12))
        else:
            correlation = np.eye(len(rows))[None]
        result: Array = between + within[:, :, None] * within[:, None, :] * correlation
        return result

    return gaussian_visits(design.y, variant.beta @ design.x.T, covariance, design.patient_index, grid)


def gaussian_estimands(prepared: Prepared, variant: GaussianVariant) -> list[StressDraws]:
    """Estimands of a Gaussian variant; under curvature, mean rates over the horizon."""
    names = variant.design.x_names
    found = []
    for estimand in prepared.estimands:
        weights = weight_vector(names, estimand.weights)
        if variant.name == "curved":
            curved = [(f"{name}:{prepared.time}", weight) for name, weight in estimand.weights]
            weights = weights + prepared.horizon * weight_vector(names, curved)
        draws = (variant.beta @ weights).reshape(4, -1)
        found.append(
            prepared.record(
                estimand,
                draws,
                test="likelihood",
                variant=variant.name,
                changed=variant.words,
                effective=variant.effective,
            )
        )
    return found


def sampled_densities(prepared: Prepared, variant: SampledVariant, grid: Grid) -> VisitDensities:
    """Densities of a sampled variant, effects integrated out by importance draws."""
    total = variant.sigma.size
    chosen = np.arange(0, total, -(-total // SCORED_DRAWS))
    design = prepared.design
    x = design.x
    if variant.name == "ordinal":
        x = np.where([name == "Intercept" for name in design.x_names], 0.0, x)
    return integrated_visits(
        conditional_model(variant, prepared, grid, chosen),
        variant.beta.reshape(total, -1)[chosen] @ x.T,
        design.z / np.array([1.0, prepared.horizon]),
        variant.effects.reshape(total, 2, 2)[chosen],
        design.patient_index,
        points=EFFECT_POINTS,
        seed=prepared.seed_of("likelihood", variant.name, "effects"),
    )


def sampled_estimands(prepared: Prepared, variant: SampledVariant, grid: Grid) -> list[StressDraws]:
    """Estimands of a sampled variant, on the latent scale where it is in points, and of the expected score."""
    slope = expected_slope(variant, prepared, grid)
    found = []
    for estimand in prepared.estimands:
        weights = weight_vector(prepared.design.x_names, estimand.weights)
        latent = variant.beta @ weights
        kinds = {
            "student_t": (("student_t", latent, variant.words),),
            "censored": (
                ("censored", latent, f"{variant.words}; of the latent score"),
                ("censored_expected", latent * slope, f"{variant.words}; of the expected score"),
            ),
            "ordinal": (("ordinal", latent * slope, f"{variant.words}; of the expected score"),),
        }[variant.name]
        found += [
            prepared.record(
                estimand,
                draws,
                test="likelihood",
                variant=name,
                changed=words,
                effective=None,
                facts={"diverging": float(variant.diverging)},
            )
            for name, draws, words in kinds
        ]
    return found
