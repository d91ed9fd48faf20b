"""Priors of both covariances of the joint growth model, from a study's first prior and its cohort plan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayes_alliance.cohorts.draws.growth import CovariancePrior
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.study.records import Study

# Typical SD as a share of the scale of the neutral half-normal prior: its median.
SD_SHARE = 0.6745
# Weight of the prior means of the covariances, in patients (effects) and in visits (residuals): a factor of about
# two either way for a variance, 0.3 either way for a correlation.
EFFECTS_WEIGHT = 8.0
RESIDUALS_WEIGHT = 20.0


def covariance_prior(study: Study, plan: CohortPlan, outcomes: Sequence[str]) -> CovariancePrior:
    """Prior means of both covariances: SDs from the study's first prior, correlations within blocks from the plan."""
    prior = dict(study.priors[0].scales)
    k = len(outcomes)
    effects, residuals = np.eye(2 * k), np.eye(k)
    for block in plan.blocks:
        members = [outcomes.index(name) for name in block.outcomes]
        for i in members:
            for j in members:
                between = block.effect_correlation if i != j else 1.0
                cross = block.intercept_slope_correlation * between
                effects[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = [[between, cross], [cross, between]]
                residuals[i, j] = block.residual_correlation if i != j else 1.0
    sds = np.array([sd for name in outcomes for sd in (prior[name].sd_intercept, prior[name].sd_slope)])
    sigma = np.array([prior[name].sigma for name in outcomes])
    return CovariancePrior(
        effects=SD_SHARE**2 * effects * np.outer(sds, sds),
        residuals=SD_SHARE**2 * residuals * np.outer(sigma, sigma),
        effects_df=EFFECTS_WEIGHT,
        residuals_df=RESIDUALS_WEIGHT,
    )


def has_priors(study: Study, plan: CohortPlan) -> bool:
    """Whether the study's first prior has the scale of every outcome of the plan."""
    scales = dict(study.priors[0].scales)
    return all(growth.outcome in scales for growth in plan.growth)
