r"""The prior suite: which priors a claim is judged under besides the study's default.

The study's own sets (neutral, sceptical, enthusiastic, pessimistic) differ in what they believe of change. The others
vary the default set: effects of predictors with an SD a hundred times as large (all but flat), Bambi's automatic
priors, SDs three times as wide or as narrow, and LKJ priors that are flat or draw the correlation towards zero.

*Automatic* follows Bambi's scaling (bambi.priors.scaler, 0.21): a coefficient is Normal with SD
:math:`2.5\,s_y/s_x`, the intercept has the mean of y and SD
:math:`\sqrt{(2.5 s_y)^2 + \sum_j (\tau_j \bar x_j)^2}`, SDs of random effects are half-normal with the scale of their
fixed counterpart. Two things differ: the residual SD is
half-normal instead of half-t with 4 degrees of freedom, both of scale :math:`s_y`, which hundreds of rows outweigh;
and random effects may correlate (LKJ with shape 1), which Bambi's do not.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.study.records import Study

AUTOMATIC = "automatic"
FLAT = 100.0
WIDER = 3.0
LKJ_FLAT, LKJ_TIGHT = 1.0, 10.0


@dataclass(frozen=True, kw_only=True)
class PriorVariant:
    """One member of the suite.

    Parameters
    ----------
    id, label : str
        Key and words.
    base : str
        Prior set of the study that it starts from.
    sd_factor : float
        On the scales of the SDs of random effects.
    lkj_eta : float or None
        Shape of the LKJ prior; None for that of ``base``.
    automatic : bool
        Whether everything is Bambi's instead.
    effect_factor : float
        On the SDs of predictors' effects.
    """

    id: str
    label: str
    base: str
    sd_factor: float = 1.0
    lkj_eta: float | None = None
    automatic: bool = False
    effect_factor: float = 1.0


def prior_suite(study: Study) -> tuple[PriorVariant, ...]:
    """Return the suite of a study, its default first."""
    first = study.priors[0].name
    own = [PriorVariant(id=prior.name, label=prior.label, base=prior.name) for prior in study.priors]
    taken = {prior.name for prior in study.priors}
    others = [
        PriorVariant(id="flat_effects", label="Flat effects", base=first, effect_factor=FLAT),
        PriorVariant(id=AUTOMATIC, label="Bambi's automatic", base=first, automatic=True, lkj_eta=1.0),
        PriorVariant(id="wide_sd", label=f"SDs {WIDER:g} times as wide", base=first, sd_factor=WIDER),
        PriorVariant(
            id="narrow_sd", label=f"SDs {WIDER:g} times as narrow", base=first, sd_factor=1.0 / WIDER
        ),
        PriorVariant(id="lkj_flat", label=f"LKJ({LKJ_FLAT:g})", base=first, lkj_eta=LKJ_FLAT),
        PriorVariant(id="lkj_tight", label=f"LKJ({LKJ_TIGHT:g})", base=first, lkj_eta=LKJ_TIGHT),
    ]
    return (*own, *(variant for variant in others if variant.id not in taken))


def variant_priors(study: Study, design: Design, variant: PriorVariant) -> CoefficientPriors:
    """Return the priors on a design's coefficients under one member of the suite.

    Parameters
    ----------
    study : Study
        States the sets.
    design : Design
        Of the model.
    variant : PriorVariant
        Which member.

    Returns
    -------
    CoefficientPriors
    """
    priors = coefficient_priors(study, design, variant.base, effect_factor=variant.effect_factor)
    if variant.automatic:
        priors = automatic_priors(design)
    return dataclasses.replace(
        priors,
        name=variant.id,
        sd_scale=priors.sd_scale * variant.sd_factor,
        lkj_eta=priors.lkj_eta if variant.lkj_eta is None else variant.lkj_eta,
    )


def automatic_priors(design: Design) -> CoefficientPriors:
    """Return Bambi's automatic priors of a design, but for the two differences named at the top."""
    spread = float(np.std(design.y))
    constant = np.array([name == "Intercept" for name in design.x_names])
    deviations = np.std(design.x, axis=0)
    sd = 2.5 * spread / np.where(constant, 1.0, deviations)
    means = np.where(constant, 0.0, design.x.mean(axis=0))
    intercept = float(np.sqrt((2.5 * spread) ** 2 + np.sum((sd * means) ** 2)))
    sd[constant] = intercept
    by_name = dict(zip(design.x_names, sd, strict=True))
    names, columns = design.z_names, design.z
    if (about := design.structured) is not None:
        names, columns = about.columns, np.column_stack([about.rows.z, about.rows.w])
    scale = [
        intercept if name == "Intercept" else by_name.get(name, 2.5 * spread / float(np.std(columns[:, i])))
        for i, name in enumerate(names)
    ]
    return CoefficientPriors(
        name=AUTOMATIC,
        mean=np.where(constant, float(np.mean(design.y)), 0.0),
        sd=sd,
        sd_scale=np.array(scale),
        sigma_scale=spread,
        lkj_eta=1.0,
    )
