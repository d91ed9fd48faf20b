"""Each printed claim under what its model leaves out: a level, a confounder, and the other tests that were made.

Puts :mod:`bayes_alliance.published.omitted_level`, :mod:`~bayes_alliance.published.omitted_confounder` and
:mod:`~bayes_alliance.published.multiplicity` together for the deviations that a publication prints with digits. A
claim here is the direction of a printed estimate; its verdict follows the study's own rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.assess.verdict_rules import SURE, Probabilities, judge
from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.published.aic import count_columns
from bayes_alliance.published.cell_posterior import (
    NormalMixture,
    pair_weights,
    posterior_of,
    prior_mixtures,
    smallest_difference,
    update,
)
from bayes_alliance.published.multiplicity import bonferroni, effect_probability, most_tests
from bayes_alliance.published.omitted_confounder import (
    Benchmark,
    partial_r2,
    robustness_value,
    tipping_confounder,
)
from bayes_alliance.published.omitted_level import (
    ICCS,
    OmittedLevel,
    TippingIcc,
    design_effect,
    inflate,
    tipping_direction,
    tipping_significance,
)
from bayes_alliance.published.patient_counts import all_patients
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.published.rounding_region import Region
from bayes_alliance.published.stars import p_range
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class AtIcc:
    """A claim at one ICC of an omitted level."""

    icc: float
    inflation: float
    p_direction: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class LevelLeftOut:
    """A claim under an omitted level.

    Parameters
    ----------
    effect : PrintedEffect
        The claim.
    level : OmittedLevel
        What was left out.
    at : tuple of AtIcc
        The claim at some ICCs.
    significance : TippingIcc
        ICC at which the test statistic falls to 1.96, with its range over the region.
    direction : float
        ICC at which the posterior is no longer sure of the direction; 0 or infinite as there.
    """

    effect: PrintedEffect
    level: OmittedLevel
    at: tuple[AtIcc, ...]
    significance: TippingIcc
    direction: float


@dataclass(frozen=True, kw_only=True)
class ConfounderLeftOut:
    """A claim under an unmeasured confounder.

    Parameters
    ----------
    effect : PrintedEffect
        The claim.
    df : float
        Patients less the coefficients of the model.
    to_zero : float
        Share of outcome and predictor that brings the estimate to zero.
    direction : float
        Share at which the posterior is no longer sure of the direction.
    benchmark : Benchmark or None
        The printed covariate of the same outcome and role that explains most; None where none is printed.
    """

    effect: PrintedEffect
    df: float
    to_zero: float
    direction: float
    benchmark: Benchmark | None


@dataclass(frozen=True, kw_only=True)
class TestsLeftOut:
    """A claim as one of several that were tested.

    Parameters
    ----------
    effect : PrintedEffect
        The claim.
    tests : int
        How many.
    p : (float, float)
        Range of its own p value.
    adjusted : (float, float)
        Times the number of tests.
    probability : float
        Posterior probability of an effect where all tests together are null with probability one half.
    overturned_by : float
        Number of tests at which that falls to 0.95; 0 where it is below with a single one.
    """

    effect: PrintedEffect
    tests: int
    p: tuple[float, float]
    adjusted: tuple[float, float]
    probability: float
    overturned_by: float


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Every printed claim under what its model leaves out, for one prior."""

    prior: str
    levels: tuple[LevelLeftOut, ...]
    confounders: tuple[ConfounderLeftOut, ...]
    tests: tuple[TestsLeftOut, ...]


def left_out(study: Study, prior: str = "", *, clusters: float = 0.0) -> LeftOut:
    """Put every printed deviation under what its model leaves out.

    Parameters
    ----------
    prior : str
        Name of the prior set; empty for the study's first.
    clusters : float
        Number of therapists or groups, in place of the study file's levels; 0 for those.

    Returns
    -------
    LeftOut
        Without levels where the study states none and no number is given, or where the number of patients is not
        known.
    """
    name = prior or study.priors[0].name
    effects = printed_effects(study)
    claims = [
        effect
        for effect in effects
        if effect.is_deviation and effect.region is not None and effect.parsed.value is not None
    ]
    patients = all_patients(study)
    levels = _levels(study, patients, clusters)
    tests = study.publication.tests or sum(effect.is_deviation for effect in effects)
    return LeftOut(
        prior=name,
        levels=tuple(_level(study, effect, level, name) for level in levels for effect in claims),
        confounders=tuple(
            _confounder(study, effect, claims, name, patients) for effect in claims if patients
        ),
        tests=tuple(_tests(study, effect, name, tests) for effect in claims),
    )


def _levels(study: Study, patients: int | None, clusters: float) -> tuple[OmittedLevel, ...]:
    if not patients:
        return ()
    if clusters:
        return (OmittedLevel(label=f"{clusters:g} clusters", clusters=clusters, patients=patients),)
    return tuple(
        OmittedLevel(
            label=stated.label,
            clusters=stated.clusters,
            patients=patients,
            predictor_icc=stated.predictor_icc,
            size_variation=stated.size_variation,
            reliability=stated.reliability,
        )
        for stated in study.publication.levels
    )


def _region(effect: PrintedEffect) -> Region:
    assert effect.region is not None
    return effect.region


def _sign(effect: PrintedEffect) -> int:
    return 1 if float(_region(effect).weight @ _region(effect).estimate) > 0.0 else -1


def _level(study: Study, effect: PrintedEffect, level: OmittedLevel, prior: str) -> LevelLeftOut:
    mixture = prior_mixtures(study, effect)[prior]
    region, sign = _region(effect), _sign(effect)
    return LevelLeftOut(
        effect=effect,
        level=level,
        at=tuple(_at(study, effect, level, mixture, icc) for icc in ICCS),
        significance=tipping_significance(region, level),
        direction=tipping_direction(region, mixture, level, sign=sign, sure=SURE),
    )


def _at(
    study: Study, effect: PrintedEffect, level: OmittedLevel, mixture: NormalMixture, icc: float
) -> AtIcc:
    factor = math.sqrt(float(design_effect(level, icc)))
    found = _probabilities(study, replace(effect, region=inflate(_region(effect), factor)), mixture)
    relation = "above" if _sign(effect) > 0 else "below"
    return AtIcc(
        icc=icc,
        inflation=factor,
        p_direction=found.direction,
        verdict=judge(relation, found).verdict,  # type: ignore[arg-type]
    )


def _probabilities(study: Study, effect: PrintedEffect, mixture: NormalMixture) -> Probabilities:
    """Return what a verdict looks at, from the posterior of a cell."""
    region, sign = _region(effect), _sign(effect)
    parts = update(mixture, region.estimate, region.se)
    weight = pair_weights(region, parts)
    smallest = smallest_difference(study, effect)
    margin = 0.0 if math.isnan(smallest) else smallest

    def beyond(limit: float, way: int) -> float:
        below = float(weight @ parts.below(way * limit))
        return 1.0 - below if way > 0 else below

    matters = beyond(margin, sign)
    rope = max(0.0, 1.0 - matters - beyond(margin, -sign))
    return Probabilities(direction=beyond(0.0, sign), matters=matters, rope=rope)


def _confounder(
    study: Study, effect: PrintedEffect, claims: list[PrintedEffect], prior: str, patients: int | None
) -> ConfounderLeftOut:
    region, mixture = _region(effect), prior_mixtures(study, effect)[prior]
    columns = count_columns(study, parse_formula(effect.model.formula))
    df = float((patients or 0) - columns)
    middle = float(region.weight @ np.abs(region.estimate / region.se))
    return ConfounderLeftOut(
        effect=effect,
        df=df,
        to_zero=robustness_value(middle, df),
        direction=tipping_confounder(region, mixture, df, sign=_sign(effect), sure=SURE),
        benchmark=_benchmark(effect, claims, df),
    )


def _benchmark(effect: PrintedEffect, claims: list[PrintedEffect], df: float) -> Benchmark | None:
    """Find the printed covariate that explains most, of the same outcome and role and another model."""
    found = []
    for other in claims:
        same = (other.model.outcome, other.role) == (effect.model.outcome, effect.role)
        if same and other.model.id != effect.model.id:
            region = _region(other)
            t = float(region.weight @ np.abs(region.estimate / region.se))
            found.append(
                Benchmark(name=f"{other.model.label}: {other.cell.row}", share=float(partial_r2(t, df)))
            )
    return max(found, key=lambda one: one.share, default=None)


def _tests(study: Study, effect: PrintedEffect, prior: str, tests: int) -> TestsLeftOut:
    mixture = prior_mixtures(study, effect)[prior]
    factor = posterior_of(effect, prior, mixture).log_bayes_factor.value
    p = p_range(*_region(effect).t_range, effect.df_low)
    return TestsLeftOut(
        effect=effect,
        tests=tests,
        p=p,
        adjusted=(bonferroni(p[0], tests), bonferroni(p[1], tests)),
        probability=effect_probability(factor, tests),
        overturned_by=most_tests(factor),
    )
