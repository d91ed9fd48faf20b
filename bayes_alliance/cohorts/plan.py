"""What a synthetic cohort is drawn from, as frozen records, and whether its numbers fit each other.

Knows neither files (:mod:`bayes_alliance.cohorts.load_plan` reads them) nor random numbers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from bayes_alliance.errors import Problem
from bayes_alliance.study.printed_text import PrintedText
from bayes_alliance.study.records import Study

CovariateKind = Literal["binary", "gamma", "integer", "zero_or_uniform"]
Numbers = tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A subgroup of exactly ``n`` patients.

    ``end`` bounds the end value (None: they have none); ``lacking_end`` of them were not assessed at the end, so that
    their last value counts.
    """

    name: str
    n: int
    end: tuple[float, float] | None
    lacking_end: int = 0


@dataclass(frozen=True, kw_only=True)
class CovariatePlan:
    """How a patient-level covariate is given out within each subgroup.

    Parameters
    ----------
    kind : {"binary", "gamma", "integer", "zero_or_uniform"}
        Binary: ``count`` patients have 1. Gamma, integer: whole numbers of this mean and SD, skewed from the
        minimum up or not, within the limits. Zero or uniform: ``count`` patients have 0, the others whole
        numbers from 1 to the maximum.
    count, missing, mean, sd : tuple of (str, float)
        By name of the subgroup.
    missing_rows : tuple of (str, float)
        By outcome: how many of its rows belong to the patients without a value, all subgroups together.
    """

    name: str
    kind: CovariateKind
    count: Numbers
    missing: Numbers
    mean: Numbers
    sd: Numbers
    minimum: float
    maximum: float
    missing_rows: Numbers = ()


@dataclass(frozen=True, kw_only=True)
class VisitPlan:
    """When assessments take place, in the study's unit of time."""

    baseline: float
    discharge: float
    scheduled: tuple[float, ...]
    weights: tuple[float, ...]
    extra: tuple[float, ...]
    jitter: float
    early_until: float


@dataclass(frozen=True, kw_only=True)
class MainPlan:
    """The questionnaire whose number of assessments is fixed: ``assessments`` pairs number and patients.

    ``single_groups`` names subgroups whose patients have one assessment, an early one.
    """

    outcomes: tuple[str, ...]
    assessments: tuple[tuple[int, int], ...]
    single_early: int
    lacking_final: int
    version: str
    only_first: int
    only_second: int
    both: int
    single_groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EndPlan:
    """End scores of one outcome, as printed.

    Parameters
    ----------
    outcome : str
        Name.
    below : float
        A limit, and
    n_below : int
        how many patients end below it, of whom
    among : tuple of (str, float)
        as many as stated are in each named subgroup.
    baseline, discharge : PrintedText
        Mean and SD at either time of the patients assessed at both, as printed: ``25.9(7.9)``.
    """

    outcome: str
    below: float
    n_below: int
    among: Numbers
    baseline: PrintedText
    discharge: PrintedText


@dataclass(frozen=True, kw_only=True)
class OtherPlan:
    """Outcomes that follow the visits of the main questionnaire, with baseline and their own discharge."""

    outcomes: tuple[str, ...]
    end_columns: tuple[str, ...]
    lacking_final: int
    blank_visits: int
    ends: tuple[EndPlan, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Block:
    """Outcomes whose random effects and residuals are correlated."""

    name: str
    outcomes: tuple[str, ...]
    effect_correlation: float
    residual_correlation: float
    intercept_slope_correlation: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Linear growth of one outcome; deviations by predictor, a product being spelled ``a:b``."""

    outcome: str
    intercept: float
    slope: float
    sd_intercept: float
    sd_slope: float
    sigma: float
    on_intercept: Numbers
    on_slope: Numbers


@dataclass(frozen=True, kw_only=True)
class PatientRule:
    """The sum of some covariates of a patient is at most the sum of others, wherever all are known.

    Parameters
    ----------
    name : str
        What a patient would be who breaks it.
    parts, whole : tuple of str
        Covariates.
    """

    name: str
    parts: tuple[str, ...]
    whole: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CohortPlan:
    """Everything that a cohort is drawn from."""

    end_outcome: str
    groups: tuple[Group, ...]
    covariates: tuple[CovariatePlan, ...]
    visits: VisitPlan
    main: MainPlan
    others: tuple[OtherPlan, ...]
    blocks: tuple[Block, ...]
    growth: tuple[Growth, ...]
    rules: tuple[PatientRule, ...] = ()

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return sum(group.n for group in self.groups)

    @property
    def endless(self) -> tuple[str, ...]:
        """Names of the subgroups without an end value."""
        return tuple(group.name for group in self.groups if group.end is None)

    @property
    def n_without_end(self) -> int:
        """Number of patients who were not assessed in the end outcome at the end."""
        return sum(group.n if group.end is None else group.lacking_end for group in self.groups)


def check_plan(plan: CohortPlan, study: Study, where: str) -> list[Problem]:
    """Check what no single table can: names, and counts that must fit each other."""
    return [
        Problem(what=what, where=where)
        for what in (*_check_counts(plan), *_check_names(plan, study), *_check_group_numbers(plan, study))
    ]


def _check_counts(plan: CohortPlan) -> list[str]:
    main, n = plan.main, plan.n_patients
    n_assessed = sum(count for _, count in main.assessments)
    n_single = dict(main.assessments).get(1, 0)
    n_bound = sum(group.n for group in plan.groups if group.name in main.single_groups)
    most = max((number for number, _ in main.assessments), default=0)
    checks = [
        (n_assessed == n, f"[alliance.assessments] covers {n_assessed} patients, the groups have {n}"),
        (
            main.only_first + main.only_second + main.both == n,
            "[alliance] the three version patterns do not add up",
        ),
        (main.both <= n - n_single, "[alliance] 'both_versions' exceeds the patients with two assessments"),
        (
            n_bound <= main.single_early,
            "[alliance] 'single_early' is less than the patients of 'single_groups'",
        ),
        (main.single_early <= n_single, "[alliance] 'single_early' exceeds the patients with one assessment"),
        (
            plan.n_without_end + main.single_early - n_bound <= main.lacking_final <= n,
            "[alliance] 'lacking_final' is less than the patients who must lack it, or more than there are",
        ),
        (
            most <= len(plan.visits.scheduled) + len(plan.visits.extra),
            f"[visits] there are too few visits for {most} assessments",
        ),
        (
            len(plan.visits.weights) == len(plan.visits.scheduled)
            and min(plan.visits.weights, default=0) > 0,
            "[visits] 'weights' needs one positive number for each scheduled visit",
        ),
        (
            any(t <= plan.visits.early_until for t in plan.visits.scheduled)
            and any(t > plan.visits.early_until for t in plan.visits.scheduled),
            "[visits] scheduled visits are needed before and after 'early_until'",
        ),
        (plan.visits.jitter >= 0 and _visits_apart(plan.visits), "[visits] jitter could make visits meet"),
    ]
    return [what for holds, what in (*checks, *_check_others(plan)) if not holds]


def _check_others(plan: CohortPlan) -> list[tuple[bool, str]]:
    checks = []
    for other in plan.others:
        low = plan.n_without_end
        label = ", ".join(other.outcomes)
        checks.append(
            (
                low <= other.lacking_final <= plan.main.lacking_final,
                f"[[other]] {label}: 'lacking_final' does not fit",
            )
        )
        if plan.end_outcome in other.outcomes:
            checks.append((other.lacking_final == low, f"[[other]] {label}: 'lacking_final' must be {low}"))
    return checks


def _visits_apart(visits: VisitPlan) -> bool:
    times = sorted((visits.baseline, *visits.scheduled, *visits.extra, visits.discharge))
    return all(later - earlier > 2 * visits.jitter for earlier, later in pairwise(times))


def _check_names(plan: CohortPlan, study: Study) -> list[str]:
    declared = {v.name: v for v in study.variables}
    outcomes = [*plan.main.outcomes, *(name for other in plan.others for name in other.outcomes)]
    found = [f"{name!r} is not declared by the study" for name in outcomes if name not in declared]
    covariates = [c.name for c in plan.covariates]
    found += [
        f"[covariates.{name}] is not declared by the study" for name in covariates if name not in declared
    ]
    found += [
        f"[{table}] must have each outcome exactly once"
        for table, names in (
            ("blocks", [name for block in plan.blocks for name in block.outcomes]),
            ("growth", [growth.outcome for growth in plan.growth]),
        )
        if sorted(names) != sorted(outcomes) or len(set(outcomes)) < len(outcomes)
    ]
    if not any(plan.end_outcome in other.outcomes for other in plan.others):
        found.append(f"[groups] outcome {plan.end_outcome!r} stands in no [[other]]")
    if len(declared[plan.main.version].categories if plan.main.version in declared else ()) != 2:
        found.append(f"[alliance] version {plan.main.version!r} is no variable with two categories")
    found += [
        f"[alliance] 'single_groups' names {name!r}, which is no group without an end value"
        for name in plan.main.single_groups
        if name not in plan.endless
    ]
    found += _check_ends(plan, {group.name for group in plan.groups})
    found += [
        f"[covariates.{c.name}] 'missing_rows' names {key!r}, which is no outcome"
        for c in plan.covariates
        for key, _ in c.missing_rows
        if key not in outcomes
    ]
    found += [
        f"[[rules]] {rule.name!r} names {name!r}, which is no covariate"
        for rule in plan.rules
        for name in (*rule.parts, *rule.whole)
        if name not in covariates
    ]
    return found + _check_predictors(plan, {*covariates, *(group.name for group in plan.groups)})


def _check_ends(plan: CohortPlan, groups: set[str]) -> list[str]:
    ends = [end for other in plan.others for end in other.ends]
    found = [
        f"[[other]] ends: {e.outcome!r} is no outcome of it"
        for o in plan.others
        for e in o.ends
        if e.outcome not in o.outcomes
    ]
    found += [
        f"[[other]] ends.{e.outcome} 'among' names an unknown group"
        for e in ends
        if {n for n, _ in e.among} - groups
    ]
    return found


def _check_predictors(plan: CohortPlan, known: Collection[str]) -> list[str]:
    return [
        f"[growth.{growth.outcome}] {key!r} is no product of groups and covariates"
        for growth in plan.growth
        for key, _ in (*growth.on_intercept, *growth.on_slope)
        if not set(key.split(":")) <= set(known)
    ]


def _check_group_numbers(plan: CohortPlan, study: Study) -> list[str]:
    found = []
    printed = {cell.variable for cell in study.cells if cell.quantity == "percent" and cell.group}
    sizes = {group.name: group.n for group in plan.groups}
    for covariate in plan.covariates:
        where = f"[covariates.{covariate.name}]"
        needed: tuple[str, ...] = ("mean", "sd") if covariate.kind in ("gamma", "integer") else ("count",)
        if needed == ("count",) and covariate.name in printed and not covariate.count:
            # Solved from the printed percentages.
            needed = ()
        for key in needed:
            if {name for name, _ in getattr(covariate, key)} != set(sizes):
                found.append(f"{where} {key!r} needs a number for each of {', '.join(sizes)}")
        if {name for name, _ in covariate.missing} - set(sizes):
            found.append(f"{where} 'missing' names an unknown group")
        for name, n in sizes.items():
            parts = [dict(covariate.count).get(name, 0), dict(covariate.missing).get(name, 0)]
            if any(part < 0 or part != int(part) for part in parts) or sum(parts) > n:
                found.append(f"{where} the counts of {name} are not whole numbers up to {n} in sum")
    return found
