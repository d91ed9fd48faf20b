"""ML beside Bayes for each printed cell: how far they are apart, whether they decide alike, and why not.

The decision of ML is its t test on Satterthwaite degrees of freedom at 0.05; that of Bayes is whether the 95 %
equal-tailed interval leaves out zero. Where they differ, the reason is found by changing one thing at a time: the
degrees of freedom, the prior of the effects, the priors of the SDs. Nothing is called a reason that does not undo the
difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from bayes_alliance.claims.from_posterior import Evaluator, Fitted, effect_draws
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import variant_priors
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.fits import Array, Effect, MixedFit, PosteriorFit
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import PARETO_K_LIMIT
from bayes_alliance.published.printed_effects import effect_weights
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.formula import is_rate
from bayes_alliance.study.records import Cell, Study

Reason = Literal["", "boundary", "df", "shrinkage", "prior", "priors of SDs", "variances not known"]
ALPHA = 0.05
FLAT = 1000.0


@dataclass(frozen=True, kw_only=True)
class Approaches:
    """One printed cell by both inferences, on the same rows.

    Parameters
    ----------
    cell : Cell
        As printed.
    prior : str
        Member of the prior suite.
    unit : float
        What to multiply by to get points over the horizon.
    ml : Effect
        By maximum likelihood, per unit of time.
    mean, sd, lower, upper : float
        Of the posterior, likewise; 95 % equal-tailed.
    shift : float
        Posterior mean less ML estimate, in SEs.
    sd_ratio : float
        Posterior SD over SE.
    overlap : float
        Length that both 95 % intervals share over the length that they cover together, in [0, 1].
    ml_decides, bayes_decides : bool
        Whether each says that the effect is not zero.
    reason : str
        Why they decide differently; empty where they do not.
    """

    cell: Cell
    prior: str
    unit: float
    ml: Effect
    mean: float
    sd: float
    lower: float
    upper: float
    shift: float
    sd_ratio: float
    overlap: float
    ml_decides: bool
    bayes_decides: bool
    reason: Reason

    @property
    def same_decision(self) -> bool:
        """Whether both decide alike."""
        return self.ml_decides == self.bayes_decides


def compare_approaches(study: Study, evaluator: Evaluator) -> tuple[list[Approaches], list[tuple[Cell, str]]]:
    """Compare ML and Bayes for every printed estimate that a coefficient or estimand answers.

    Parameters
    ----------
    study : Study
        With cells.
    evaluator : Evaluator
        Holds the rows, and makes the posteriors.

    Returns
    -------
    compared : list of Approaches
        In the order of the cells.
    left : list of (Cell, str)
        Cells that could not be compared, and why.
    """
    compared, left = [], []
    fits: dict[str, MixedFit] = {}
    for cell in study.cells:
        if cell.quantity != "estimate" or not cell.model:
            continue
        try:
            fitted = evaluator.fit(cell.model)
            if cell.model not in fits:
                fits[cell.model] = fit_mixed(
                    fitted.planned.design, fitted.planned.rows, model_id=cell.model, stats=fitted.stats
                )
            compared.append(_compare(study, evaluator, cell, fitted, fits[cell.model]))
        except CannotTell as error:
            left.append((cell, str(error)))
    return compared, left


def _compare(study: Study, evaluator: Evaluator, cell: Cell, fitted: Fitted, ml: MixedFit) -> Approaches:
    weights = effect_weights(study.model(cell.model), cell.coefficient)
    unit = study.horizon if is_rate(weights, study.time) else 1.0
    drawn = effect_draws(study, weights, fitted.fit) / unit
    effect = estimate_effect(ml, weights)
    lower, upper = (float(v) for v in np.quantile(drawn, [0.025, 0.975]))
    reach = effect.se * _t_limit(effect.df)
    ml_decides, bayes_decides = bool(effect.p < ALPHA), not lower <= 0.0 <= upper
    reason: Reason = ""
    if ml_decides != bayes_decides:
        reason = explain_difference(study, evaluator, fitted, ml, weights, effect, drawn)
    return Approaches(
        cell=cell,
        prior=evaluator.variant.id,
        unit=unit,
        ml=effect,
        mean=float(drawn.mean()),
        sd=float(drawn.std(ddof=1)),
        lower=lower,
        upper=upper,
        shift=(float(drawn.mean()) - effect.estimate) / effect.se,
        sd_ratio=float(drawn.std(ddof=1)) / effect.se,
        overlap=overlap((effect.estimate - reach, effect.estimate + reach), (lower, upper)),
        ml_decides=ml_decides,
        bayes_decides=bayes_decides,
        reason=reason,
    )


def _t_limit(df: float) -> float:
    return (
        float(stats.t.ppf(1.0 - ALPHA / 2.0, df))
        if np.isfinite(df)
        else float(special.ndtri(1.0 - ALPHA / 2.0))
    )


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Length shared by two intervals over the length that they cover together.

    Examples
    --------
    >>> overlap((0.0, 2.0), (1.0, 3.0)), overlap((0.0, 1.0), (2.0, 3.0))
    (0.3333333333333333, 0.0)
    """
    shared = max(min(first[1], second[1]) - max(first[0], second[0]), 0.0)
    covered = (first[1] - first[0]) + (second[1] - second[0]) - shared
    return shared / covered if covered > 0.0 else 1.0


def explain_difference(
    study: Study,
    evaluator: Evaluator,
    fitted: Fitted,
    ml: MixedFit,
    weights: Sequence[tuple[str, float]],
    effect: Effect,
    drawn: Array,
) -> Reason:
    """Find what undoes a difference between the decisions.

    In this order: a fit at the boundary, where ML takes a variance or correlation as known that is not; degrees of
    freedom, where a Normal test decides like Bayes; the prior of the effects, called *shrinkage* where it draws the
    effect towards zero; the priors of the SDs; else that Bayes does not take the variances as known.
    """
    if ml.singular:
        return "boundary"
    ml_decides = bool(effect.p < ALPHA)
    if (abs(effect.estimate) > effect.se * _t_limit(np.inf)) != ml_decides:
        return "df"
    priors = variant_priors(study, fitted.planned.design, evaluator.variant)
    vague_effects = dataclasses.replace(priors, sd=priors.sd * FLAT)
    if _decides(evaluator, fitted, vague_effects, weights) == ml_decides:
        return "shrinkage" if abs(float(drawn.mean())) < abs(effect.estimate) else "prior"
    vague_sds = dataclasses.replace(
        vague_effects, sd_scale=priors.sd_scale * FLAT, sigma_scale=priors.sigma_scale * FLAT, lkj_eta=1.0
    )
    if _decides(evaluator, fitted, vague_sds, weights) == ml_decides:
        return "priors of SDs"
    return "variances not known"


def _decides(
    evaluator: Evaluator, fitted: Fitted, priors: CoefficientPriors, weights: Sequence[tuple[str, float]]
) -> bool | None:
    """Whether the posterior under other priors says that the effect is not zero; None where it cannot be drawn."""
    fit = _posterior(evaluator, fitted, priors)
    if float(fit.facts["pareto_k"]) > PARETO_K_LIMIT:
        return None
    lower, upper = np.quantile(fit.combine(weights), [0.025, 0.975])
    return not lower <= 0.0 <= upper


def _posterior(evaluator: Evaluator, fitted: Fitted, priors: CoefficientPriors) -> PosteriorFit:
    design = fitted.planned.design
    return fit_collapsed(
        design,
        fitted.planned.rows,
        priors,
        seed=derive_seed(evaluator.seed, "approaches", design.formula.text),
        model_id=fitted.planned.model.id,
        covariance=evaluator.covariance,
        settings=CollapsedSettings(draws=evaluator.draws),
        stats=fitted.stats,
    )
