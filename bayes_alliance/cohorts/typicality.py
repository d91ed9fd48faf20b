"""Whether the cohorts of an ensemble look like draws from their model in what was not printed.

Each cohort is measured once, when it is built or judged anew; the checks hold the measures of all cohorts against
limits of our own, stated with each. Passing proves nothing; a failed check is shown wherever the ensemble is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from bayes_alliance.cohorts.conflicts import say_conflicts
from bayes_alliance.cohorts.consistent_patients import excess_of
from bayes_alliance.cohorts.draws.study_prior import covariance_prior, has_priors
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.solver.sensitivity import fit_scores, lay_out
from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

Measures = Mapping[str, float]
LEVEL = 0.05
EDGE = 0.03
_PRIOR_DRAWS = 2_000
_PRIOR_SEED = 18


@dataclass(frozen=True, kw_only=True)
class EnsembleCheck:
    """One measure over the ensemble and the limits between which it is ordinary.

    Parameters
    ----------
    name, what : str
        Key, and what is measured, in words.
    low, high : float
        Limits.
    """

    name: str
    what: str
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A check and what the ensemble gives: the value farthest out, and where."""

    check: EnsembleCheck
    value: float
    where: str
    values: tuple[float, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the value lies within the limits; one that could not be measured does not."""
        return bool(self.check.low <= self.value <= self.check.high)


CHECKS = (
    EnsembleCheck(name="missed", what="possible statements of the publication that a cohort misses", low=0, high=0),
    EnsembleCheck(name="lr", what="smallest p of effects that nobody printed, after Bonferroni", low=0.001, high=1),
    EnsembleCheck(name="gain", what="mean elpd gained by an unprinted model (half of the AIC)", low=-99, high=4),
    EnsembleCheck(name="edge", what="share of p < 0.05 statements with p above 0.03", low=0, high=0.3),
    EnsembleCheck(name="icc", what="ICC of an outcome, as a quantile of its prior", low=0.005, high=0.995),
    EnsembleCheck(name="corr", what="correlation of level and slope of a growth model", low=-0.8, high=0.8),
    EnsembleCheck(name="few", what="SD of those without an end score over that of others", low=0.4, high=1.8),
    EnsembleCheck(name="tilt", what="mean z of assessments, with against without a predictor", low=-2, high=2),
    EnsembleCheck(name="impossible", what="patients whose baseline values contradict each other", low=0, high=0),
)  # fmt: skip


def measure_cohort(
    study: Study, plan: CohortPlan | None, data: StudyData, lines: Sequence[Sequence[Any]]
) -> dict[str, float]:
    """Measure one cohort.

    Parameters
    ----------
    study : Study
        What is printed.
    plan : CohortPlan or None
        Rules of patients and who lacks an end score; without it these are not measured.
    data : StudyData
        The cohort.
    lines : sequence
        Its scorecard as stored.

    Returns
    -------
    dict of str to float
        By check, a colon and what was measured.
    """
    found: dict[str, float] = dict(_of_lines(lines))
    found |= dict(_of_models(study, data))
    if plan is not None:
        found |= dict(_of_patients(study, plan, data))
    return found


def _of_lines(lines: Sequence[Sequence[Any]]) -> Iterator[tuple[str, float]]:
    missed = sum(not met and not note for *_, met, note in lines)
    asked = [line for line in lines if line[2] == "p" and line[5] == LEVEL and not line[4]]
    values = [line[6] for line in asked if line[6] is not None and line[6] <= LEVEL]
    yield "missed:", float(missed)
    yield "edge:near", float(sum(value > EDGE for value in values))
    yield "edge:all", float(len(values))


def _of_models(study: Study, data: StudyData) -> Iterator[tuple[str, float]]:
    """ICC of growth, and the likelihood ratio of unprinted models against the largest model within them."""
    planned = {}
    for model in study.models:
        item = plan_model(data, model, parse_formula(model.formula).names)
        if isinstance(item, PlannedModel) and not model.where:
            planned[model.id] = item
    said = _said_models(study)
    for model in study.models:
        if model.id not in planned:
            continue
        item = planned[model.id]
        if model.family == "growth" and model.id == f"{model.outcome}_growth":
            variances = fit_scores(lay_out(item.design), item.design.y).variances
            yield f"icc:{model.outcome}", float(variances[0] / (variances[0] + variances[-1]))
        smaller = _largest_within(study, planned, model.id)
        if model.id in said or smaller is None:
            continue
        ratio, more = _ratio(study, item, smaller)
        yield f"lr:{model.id}", float(special.chdtrc(more, max(ratio, 0.0)))
        yield f"gain:{model.id}", ratio / 2.0 - more


def _said_models(study: Study) -> set[str]:
    """Models of which the publication prints a number or an effect."""
    return {
        t.model
        for t in list_targets(study)
        if t.from_cell or t.kind not in ("p", "less_t", "aic_gain") or (t.kind == "p" and t.high < 1.0)
    }


def _largest_within(study: Study, planned: Mapping[str, PlannedModel], name: str) -> str | None:
    """Model of the same outcome and random part with most of a model's columns and no other."""
    mine = planned[name].design
    inside = [
        other
        for other, item in planned.items()
        if study.model(other).outcome == study.model(name).outcome
        and set(item.design.x_names) < set(mine.x_names)
        and item.design.z.shape[1] == mine.z.shape[1]
    ]
    return max(inside, key=lambda other: len(planned[other].design.x_names), default=None)


def _ratio(study: Study, item: PlannedModel, smaller: str) -> tuple[float, int]:
    """Likelihood ratio against a smaller model on the same rows, and the number of columns more."""
    design = build_design(parse_formula(study.model(smaller).formula), item.frozen.rows)
    small, large = (fit_scores(lay_out(d), d.y) for d in (design, item.design))
    return small.deviance - large.deviance, item.design.x.shape[1] - design.x.shape[1]


def _of_patients(study: Study, plan: CohortPlan, data: StudyData) -> Iterator[tuple[str, float]]:
    patients = data.rows.groupby(study.patient, sort=False).first()
    columns = {str(name): patients[name].to_numpy(dtype=float) for name in _covariates(plan, patients)}
    broken = np.zeros(len(patients))
    for rule in plan.rules:
        if all(name in columns for name in (*rule.parts, *rule.whole)):
            broken += excess_of(rule, columns) > 0.0
    yield "impossible:", float(np.sum(broken > 0.0))
    counted = data.rows[list(plan.main.outcomes)].notna().any(axis=1)
    number = counted.groupby(data.rows[study.patient], sort=False).sum().to_numpy(dtype=float)
    used = {name for model in study.models for name in parse_formula(model.formula).names}
    used |= {part for derived in study.derived if derived.name in used for part in derived.of}
    for name, values in columns.items():
        if name in used and set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}:
            yield f"tilt:{name}", _compare(number[values == 1.0], number[values == 0.0])
    rows = data.rows
    last = rows[(rows[study.time] == study.horizon) & rows[plan.end_outcome].notna()][study.patient]
    lacking = ~rows[study.patient].isin(last)
    for outcome in plan.main.outcomes:
        few, others = rows.loc[lacking, outcome].dropna(), rows.loc[~lacking, outcome].dropna()
        if len(few) > 2:
            yield f"few:{outcome}", float(few.std() / others.std())


def _covariates(plan: CohortPlan, patients: Any) -> list[str]:
    return [covariate.name for covariate in plan.covariates if covariate.name in patients]


def _compare(first: Array, second: Array) -> float:
    """Difference of means in its SE were the values dealt at random."""
    both = np.concatenate([first, second])
    se = both.std(ddof=1) * np.sqrt(1.0 / len(first) + 1.0 / len(second))
    return float((first.mean() - second.mean()) / se)


def judge_ensemble(
    study: Study, plan: CohortPlan | None, measures: Sequence[Measures]
) -> tuple[CheckResult, ...]:
    """Hold the measures of all cohorts against the limits.

    Parameters
    ----------
    study : Study
        Whose priors the ICC is compared with.
    plan : CohortPlan or None
        Outcomes and their blocks.
    measures : sequence of mapping
        Of each cohort.

    Returns
    -------
    tuple of CheckResult
        Checks that something was measured for.
    """
    found = []
    for check in CHECKS:
        mine: dict[str, list[float]] = {}
        for name, value in itertools.chain.from_iterable(cohort.items() for cohort in measures):
            kind, _, what = name.partition(":")
            if kind == check.name:
                mine.setdefault(what, []).append(value)
        if mine:
            found.append(_judge(check, mine, study, plan))
    return tuple(found)


def _judge(
    check: EnsembleCheck, mine: Mapping[str, Sequence[float]], study: Study, plan: CohortPlan | None
) -> CheckResult:
    if check.name == "edge":
        near, total = mine["near"], mine["all"]
        shares = tuple(a / b for a, b in zip(near, total, strict=True) if b)
        return CheckResult(check=check, value=sum(near) / max(sum(total), 1.0), where="", values=shares)
    if check.name == "lr":
        values = {what: np.array(ps) for what, ps in mine.items()}
        n = sum(len(ps) for ps in values.values())
        where = min(values, key=lambda what: float(values[what].min()))
        worst = min(1.0, n * float(values[where].min()))
        return CheckResult(check=check, value=worst, where=where, values=_flat(mine))
    if check.name == "icc":
        if plan is None or not has_priors(study, plan):
            return CheckResult(check=check, value=0.5, where="no prior")
        mine = _as_quantiles(mine, study, plan)
    if check.name in ("gain", "tilt"):
        mine = {what: [float(np.mean(values))] for what, values in mine.items()}
    centre = (check.low + check.high) / 2.0
    where, value = max(
        ((what, value) for what, values in mine.items() for value in values),
        key=lambda pair: pair[1] if check.name == "gain" else abs(pair[1] - centre),
    )
    return CheckResult(check=check, value=value, where=where, values=_flat(mine))


def _flat(mine: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    return tuple(float(value) for values in mine.values() for value in values)


def _as_quantiles(
    mine: Mapping[str, Sequence[float]], study: Study, plan: CohortPlan
) -> dict[str, Sequence[float]]:
    """Quantiles of ICCs under the prior of the covariances."""
    outcomes = [name for block in plan.blocks for name in block.outcomes]
    prior = covariance_prior(study, plan, outcomes)
    rng = np.random.default_rng(_PRIOR_SEED)
    drawn = [prior.draw(rng) for _ in range(_PRIOR_DRAWS)]
    found: dict[str, Sequence[float]] = {}
    for what, values in mine.items():
        k = outcomes.index(what)
        between = np.array([d.effects[2 * k, 2 * k] for d in drawn])
        within = np.array([d.residuals[k, k] for d in drawn])
        icc = np.sort(between / (between + within))
        found[what] = [stats.percentileofscore(icc, value) / 100.0 for value in values]
    return found


def correlations_of(study: Study, traits: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the fitted correlation of level and slope of each outcome's growth model, as a measure.

    Parameters
    ----------
    study : Study
        Of the cohort.
    traits : sequence of mapping
        Of the cohort, as stored.
    """
    names = {
        f"{model.id}: correlation of intercept and slope": model.outcome
        for model in study.models
        if model.family == "growth" and model.id == f"{model.outcome}_growth"
    }
    return {f"corr:{names[t['name']]}": float(t["value"]) for t in traits if t["name"] in names}


def check_ensemble(study: Study, facts: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the checks of an ensemble as a run keeps them; empty where its cohorts were not measured.

    Parameters
    ----------
    study : Study
        Of the cohorts.
    facts : sequence of mapping
        Of each cohort, its ``measures`` among them.

    Returns
    -------
    tuple of dict
    """
    measures = [
        {**fact["measures"], **correlations_of(study, fact["traits"])}
        for fact in facts
        if fact.get("measures")
    ]
    if not measures or len(measures) < len(facts):
        return ()
    plan = load_cohort_plan(study) if study.data.cohort else None
    return tuple(
        {
            "name": result.check.name,
            "what": result.check.what,
            "low": result.check.low,
            "high": result.check.high,
            "value": float(result.value),
            "where": result.where,
            "values": result.values,
            "passed": result.passed,
        }
        for result in judge_ensemble(study, plan, measures)
    )


def ensemble_remarks(study: Study, facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each check that an ensemble fails and each set of numbers that it was built without.

    Parameters
    ----------
    study : Study
        Of the cohorts.
    facts : sequence of mapping
        Of each cohort; fewer than two are no ensemble.
    """
    conflicts = say_conflicts(study) if facts else []
    return [*conflicts, *say_failed(check_ensemble(study, facts))] if len(facts) > 1 else conflicts


def say_failed(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each check of an ensemble that fails.

    Parameters
    ----------
    checks : sequence of mapping
        As a run keeps them.
    """
    return [
        f"synthetic cohorts are not ordinary in {check['what']}: {check['value']:.3g} {check['where']}".rstrip()
        + f" (ordinary: {check['low']:g} to {check['high']:g})"
        for check in checks
        if not check["passed"]
    ]
