"""Subgroups defined by the end of an outcome: what :mod:`bayes_alliance.stress.shared_course` gives for a study.

Growth parameters are read off growth models of the run's rows, visits and shares off the rows themselves, and the
printed difference stands beside what appears without any effect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.run.plan import SkippedModel, plan_model
from bayes_alliance.stress.pattern_mixture import contrasted_slopes
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressDraws, StressSkipped
from bayes_alliance.stress.shared_course import (
    Course,
    SharedDesign,
    course_of,
    expected_difference,
    simulate_differences,
)
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Derived, Estimand, Model, Study

STRENGTHS = tuple(float(r) for r in np.round(np.arange(0.0, 0.91, 0.1), 1))
RESIDUALS = (0.0, 0.3, 0.6)
SIMULATIONS = 500


@dataclass(frozen=True, kw_only=True)
class ConditioningPoint:
    """The difference that appears at one strength of the shared course, in points over the horizon.

    Parameters
    ----------
    strength, residual : float
        Correlation of the two slopes; of two residuals of one occasion.
    expected : float
        By the closed form, which knows of the slopes only.
    mean, sd, lower, upper : float
        Over simulated studies: mean, SD and 2.5 % and 97.5 % quantiles of the estimates.
    share_significant : float
        Of simulated studies whose estimate is beyond 1.96 standard errors below zero.
    """

    strength: float
    residual: float
    expected: float
    mean: float
    sd: float
    lower: float
    upper: float
    share_significant: float


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What a shared course alone gives, beside the difference that was found.

    Parameters
    ----------
    draws : tuple of StressDraws
        The estimand less what the shared course gives, one for each strength without shared residuals.
    observed : float
        Posterior mean on the run's rows.
    printed, printed_low, printed_high : float
        Of the publication, with what rounding leaves open; NaN where no digits are printed.
    required : float
        Strength at which the mean over simulated studies reaches the printed (else the observed) difference;
        infinite where none of those looked at does.
    """

    model_id: str
    outcome: str
    estimand: str
    label: str
    share: float
    points: tuple[ConditioningPoint, ...]
    draws: tuple[StressDraws, ...]
    observed: float
    printed: float
    printed_low: float
    printed_high: float
    required: float


def condition_on_outcome(
    study: Study,
    data: StudyData,
    prepared: Prepared,
    *,
    strengths: Sequence[float] = STRENGTHS,
    residuals: Sequence[float] = RESIDUALS,
    count: int = SIMULATIONS,
) -> list[Conditioning] | StressSkipped:
    """Show what a shared course gives for the estimands of a model that contrast outcome subgroups.

    Parameters
    ----------
    strengths, residuals : sequence of float
        Correlations of slopes and of residuals, in [0, 1).
    count : int
        Simulated studies of each pair.

    Returns
    -------
    list of Conditioning or StressSkipped
        The latter where the study's subgroups are not defined by the end value of an outcome, or no estimand of
        the model contrasts them.
    """
    end = end_outcome(study)
    if end is None:
        return _skip(prepared, "the subgroups are not defined by the last value of an outcome")
    wanted = [e for e in prepared.estimands if contrasts_subgroups(study, prepared, e)]
    if not wanted:
        return _skip(prepared, "no slope deviation of the model is that between the subgroups")
    try:
        found = _calibrate(study, data, prepared, *end)
    except FitError as error:
        return _skip(prepared, str(error))
    if isinstance(found, str):
        return _skip(prepared, found)
    course, other, design = found
    rng = np.random.default_rng(prepared.seed_of("conditioning"))
    points = tuple(
        _point(course, other, design, strength, residual, count, prepared.horizon, rng)
        for residual in residuals
        for strength in strengths
    )
    label = study.variable(end[0]).label
    return [_conditioning(study, prepared, estimand, label, design.share, points) for estimand in wanted]


def _skip(prepared: Prepared, reason: str) -> StressSkipped:
    return StressSkipped(test="conditioning", variant="", model_id=prepared.model.id, reason=reason)


def end_outcome(study: Study) -> tuple[str, float] | None:
    """Return the outcome whose last value divides the patients and the earliest time of such a value.

    None where the study's descriptive group is not cut from a variable of rule "last".
    """
    by_name = {d.name: d for d in study.derived}
    group = by_name.get(study.descriptive_group)
    if group is None or group.rule not in ("below", "at_least"):
        return None
    end: Derived | None = by_name.get(group.of[0])
    if end is None or end.rule != "last":
        return None
    return end.of[0], end.value or 0.0


def contrasts_subgroups(study: Study, prepared: Prepared, estimand: Estimand) -> bool:
    """Whether an estimand is the slope of one outcome subgroup minus that of the other, everyone included."""
    names = {name for name, weight in estimand.weights if weight}
    product = {f"{study.time}:{study.descriptive_group}", f"{study.descriptive_group}:{study.time}"}
    return bool(names) and names <= product and len(contrasted_slopes(prepared, estimand)) == 2


def _calibrate(
    study: Study, data: StudyData, prepared: Prepared, name: str, earliest: float
) -> tuple[Course, Course, SharedDesign] | str:
    """Fit both growth models on the run's rows and read off who is seen when."""
    courses = []
    for outcome in (prepared.model.outcome, name):
        growth = growth_model(study, outcome)
        planned = plan_model(data, growth, parse_formula(growth.formula).names)
        if isinstance(planned, SkippedModel):
            return f"{outcome}: {planned.reason}"
        courses.append(course_of(fit_mixed(planned.design, planned.rows)))
    rows = data.rows
    seen = rows[rows[name].notna() & (rows[study.time] >= earliest)]
    last = seen.groupby(study.patient, sort=False)[study.time].max()
    patients = prepared.frame[study.patient].drop_duplicates()
    end_time = patients.map(last).to_numpy(dtype=float)
    known = ~np.isnan(end_time) & (prepared.group >= 0)
    kept = known[prepared.design.patient_index]
    _, patient = np.unique(prepared.design.patient_index[kept], return_inverse=True)
    group = prepared.group[known]
    lower = _lower_code(study)
    share = float(np.mean(group == lower))
    if not 0.0 < share < 1.0:
        return "one of the subgroups is empty"
    design = SharedDesign(
        times=prepared.times[kept],
        patient=patient.astype(np.int64),
        end_time=end_time[known],
        share=share,
    )
    return courses[0], courses[1], design


def _lower_code(study: Study) -> int:
    """Code of the subgroup that has the lower end values."""
    group = {d.name: d for d in study.derived}[study.descriptive_group]
    return 1 if group.rule == "below" else 0


def growth_model(study: Study, outcome: str) -> Model:
    """Return the model of linear growth of an outcome, without predictors."""
    return Model(
        id=f"{outcome}_shared_growth",
        label=f"{outcome}: growth",
        family="growth",
        outcome=outcome,
        formula=f"{outcome} ~ {study.time} + ({study.time} | {study.patient})",
    )


def _point(
    course: Course,
    other: Course,
    design: SharedDesign,
    strength: float,
    residual: float,
    count: int,
    horizon: float,
    rng: np.random.Generator,
) -> ConditioningPoint:
    difference, se = simulate_differences(
        course, other, design, strength=strength, residual=residual, count=count, rng=rng
    )
    values = horizon * difference
    expected = expected_difference(
        course, other, strength=strength, end_time=design.end_time, share=design.share
    )
    return ConditioningPoint(
        strength=float(strength),
        residual=float(residual),
        expected=horizon * expected,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        lower=float(np.quantile(values, 0.025)),
        upper=float(np.quantile(values, 0.975)),
        share_significant=float(np.mean(difference / se < -1.96)),
    )


# Over 40 lines: a record of 15 fields that rest on the same few numbers.
def _conditioning(
    study: Study,
    prepared: Prepared,
    estimand: Estimand,
    end: str,
    share: float,
    points: tuple[ConditioningPoint, ...],
) -> Conditioning:
    base = next(d for d in prepared.base() if d.estimand == estimand.name)
    # Points tell of the lower part minus the rest; the estimand may be the other way round.
    weight = estimand.weights[0][1]
    sign = float(np.sign(weight)) * (1.0 if _lower_code(study) == 1 else -1.0)
    turned = tuple(_turn(point, sign) for point in points)
    plain = [point for point in turned if point.residual == turned[0].residual]
    draws = tuple(
        dataclasses.replace(
            base,
            test="conditioning",
            variant=f"shared course {point.strength:g}",
            changed=(
                f"scores and {end} change together in any case (correlation of slopes {point.strength:g}); the "
                "difference that this alone makes between outcome groups is subtracted"
            ),
            draws=base.draws - point.mean / base.unit,
        )
        for point in plain
    )
    printed, low, high = printed_difference(study, prepared.model, estimand)
    observed = float(base.points.mean())
    reference = observed if np.isnan(printed) else printed
    return Conditioning(
        model_id=prepared.model.id,
        outcome=prepared.model.outcome,
        estimand=estimand.name,
        label=estimand.label,
        share=share,
        points=turned,
        draws=draws,
        observed=observed,
        printed=printed,
        printed_low=low,
        printed_high=high,
        required=required_strength(plain, reference),
    )


def _turn(point: ConditioningPoint, sign: float) -> ConditioningPoint:
    if sign > 0:
        return point
    return dataclasses.replace(
        point,
        expected=-point.expected,
        mean=-point.mean,
        lower=-point.upper,
        upper=-point.lower,
    )


def required_strength(points: Sequence[ConditioningPoint], reference: float) -> float:
    """Strength at which the mean difference reaches a reference, between points by a straight line.

    Returns
    -------
    float
        Infinite where no point reaches it.
    """
    ordered = sorted(points, key=lambda point: point.strength)
    reached = [point.mean / reference if reference else np.nan for point in ordered]
    for (one, before), (two, after) in zip(
        zip(ordered, reached, strict=True), zip(ordered[1:], reached[1:], strict=True), strict=False
    ):
        if before < 1.0 <= after:
            share = (1.0 - before) / (after - before)
            return float(one.strength + share * (two.strength - one.strength))
    return float("inf")


def printed_difference(study: Study, model: Model, estimand: Estimand) -> tuple[float, float, float]:
    """Return a printed slope deviation in points over the horizon, with the ends that print so; NaN without digits."""
    for effect in printed_effects(study):
        same = effect.model.id == model.id and dict(effect.weights) == dict(estimand.weights)
        if not same or effect.parsed.value is None:
            continue
        low, high = (study.horizon * end for end in effect.parsed.value.interval("either").ends)
        return study.horizon * float(effect.parsed.value.value), low, high
    nan = float("nan")
    return nan, nan, nan
