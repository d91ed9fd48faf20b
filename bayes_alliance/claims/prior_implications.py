"""What every prior of the suite says before any data: of change, of differences in change, of single scores.

At the reference point of a growth model. Bambi's automatic priors follow from the rows of a growth model and are left
out of an outcome that has none; what they say of a difference depends on the spread of its predictor.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from bayes_alliance.assess.prior_predictive import PriorPrediction, prior_predictive
from bayes_alliance.claims.prior_suite import PriorVariant, automatic_priors, prior_suite
from bayes_alliance.inference.design import Design
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.prior_records import PriorScales
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class PriorImplication:
    """What one prior of the suite says of one outcome.

    Parameters
    ----------
    variant : PriorVariant
        Which.
    outcome : str
        Of what.
    scales : PriorScales
        The priors: slopes over the study's horizon; NaN for effects that depend on the predictor.
    prediction : PriorPrediction
        Of single scores, and of how patients' changes spread.
    """

    variant: PriorVariant
    outcome: str
    scales: PriorScales
    prediction: PriorPrediction


def suite_implications(
    study: Study, growth: Mapping[str, Design], *, seed: int
) -> tuple[PriorImplication, ...]:
    """Work out what every prior of the suite says of every outcome.

    Parameters
    ----------
    study : Study
        With prior sets.
    growth : mapping of str to Design
        A model of time alone, by outcome, for Bambi's automatic priors.
    seed : int
        Of the draws; the same for all priors of an outcome, so that they differ by what they say alone.
    """
    found = []
    for variant in prior_suite(study):
        for outcome, stated in study.prior(variant.base).scales:
            scales = _scales(study, variant, stated, growth.get(outcome))
            if scales is None:
                continue
            own = derive_seed(seed, "prior predictive", outcome)
            prediction = prior_predictive(study, outcome, scales, seed=own)
            found.append(
                PriorImplication(variant=variant, outcome=outcome, scales=scales, prediction=prediction)
            )
    return tuple(found)


def _scales(
    study: Study, variant: PriorVariant, stated: PriorScales, growth: Design | None
) -> PriorScales | None:
    """Return the priors of an outcome under a member of the suite, as a study file would state them."""
    if not variant.automatic:
        (level, level_sd), (slope, slope_sd) = stated.effect_intercept, stated.effect_slope
        return dataclasses.replace(
            stated,
            effect_intercept=(level, level_sd * variant.effect_factor),
            effect_slope=(slope, slope_sd * variant.effect_factor),
            sd_intercept=stated.sd_intercept * variant.sd_factor,
            sd_slope=stated.sd_slope * variant.sd_factor,
            lkj_eta=stated.lkj_eta if variant.lkj_eta is None else variant.lkj_eta,
        )
    if growth is None or growth.x_names != ("Intercept", study.time) or growth.z_names != growth.x_names:
        return None
    found = automatic_priors(growth)
    h = study.horizon
    return PriorScales(
        intercept=(float(found.mean[0]), float(found.sd[0])),
        slope=(h * float(found.mean[1]), h * float(found.sd[1])),
        effect_intercept=(math.nan, math.nan),
        effect_slope=(math.nan, math.nan),
        sd_intercept=float(found.sd_scale[0]),
        sd_slope=h * float(found.sd_scale[1]),
        sigma=found.sigma_scale,
        lkj_eta=found.lkj_eta,
    )
