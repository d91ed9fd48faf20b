"""Loading a study's cohort file into the records of :mod:`bayes_alliance.cohorts.plan`.

Reading collects every problem of the file. Knows nothing of random numbers; :mod:`bayes_alliance.cohorts.simulate`
draws.
"""

from __future__ import annotations

import math
from typing import Any, get_args

from bayes_alliance.cohorts.plan import (
    Block,
    CohortPlan,
    CovariateKind,
    CovariatePlan,
    EndPlan,
    Group,
    Growth,
    MainPlan,
    OtherPlan,
    PatientRule,
    VisitPlan,
    check_plan,
)
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import read_toml
from bayes_alliance.study.printed_text import PrintedText
from bayes_alliance.study.records import Study
from bayes_alliance.study.toml_reader import TableReader

_LIMITS = ("minimum", "maximum")
# Of covariates: beyond these no whole number and no gamma distribution can be drawn in double precision.
_LARGEST = 1e9
_LEAST_SPREAD = 1e-4


def load_cohort_plan(study: Study) -> CohortPlan:
    """Load the cohort file that a study names.

    Parameters
    ----------
    study : Study
        Its ``data.cohort`` names a file in its folder.

    Returns
    -------
    CohortPlan

    Raises
    ------
    InputError
        If there is no such file, with every problem of it.
    """
    name = study.data.cohort
    if not name:
        problem = Problem(
            what="the study names no cohort file",
            where="[data]",
            fix="write one, or take the design from a data file with `cohort --design FILE`",
        )
        raise InputError(study.id, [problem])
    if structured := [m.id for m in study.models if parse_formula(m.formula).is_structured]:
        problem = Problem(
            what="cohorts of models with several levels or correlated residuals are not built",
            where="[[models]]",
            got=", ".join(structured),
            fix="take them out of the study that states cohorts",
        )
        raise InputError(study.id, [problem])
    problems: list[Problem] = []
    _, table = read_toml(study.folder / name, problems)
    if problems:
        raise InputError(name, problems)
    plan = _plan(TableReader(table, name, problems))
    if not problems:
        problems += check_plan(plan, study, name)
    if problems:
        raise InputError(name, problems)
    return plan


def _plan(top: TableReader) -> CohortPlan:
    groups = top.subtable("groups", required=True)
    end_outcome = groups.text("outcome")
    plan = CohortPlan(
        end_outcome=end_outcome,
        groups=tuple(_group(name, reader) for name, reader in groups.named_subtables("of")),
        covariates=tuple(_covariate(name, reader) for name, reader in top.named_subtables("covariates")),
        visits=_visits(top.subtable("visits", required=True)),
        main=_main(top.subtable("alliance", required=True)),
        others=tuple(_other(reader) for reader in top.tables("other")),
        blocks=tuple(_block(name, reader) for name, reader in top.named_subtables("blocks")),
        growth=tuple(_growth(name, reader) for name, reader in top.named_subtables("growth")),
        rules=tuple(_rule(reader) for reader in top.tables("rules")),
    )
    groups.finish()
    top.finish()
    return plan


def _rule(reader: TableReader) -> PatientRule:
    rule = PatientRule(
        name=reader.text("name"),
        parts=reader.texts("parts", required=True),
        whole=reader.texts("whole", required=True),
    )
    reader.finish()
    return rule


def _group(name: str, reader: TableReader) -> Group:
    low, high = reader.optional_number("end_minimum"), reader.optional_number("end_maximum")
    if (low is None) != (high is None) or (low is not None and high is not None and low > high):
        reader.complain("'end_minimum' and 'end_maximum' go together, the lower first")
    end = None if low is None or high is None else (low, high)
    n = _count(reader, "n")
    lacking = reader.integer("lacking_end", default=0, least=0, most=n)
    if lacking and end is None:
        reader.complain(
            "'lacking_end' counts patients of a subgroup with end values, and these bounds are missing"
        )
    group = Group(name=name, n=n, end=end, lacking_end=lacking)
    reader.finish()
    return group


def _covariate(name: str, reader: TableReader) -> CovariatePlan:
    plan = CovariatePlan(
        name=name,
        kind=reader.text("kind", choices=get_args(CovariateKind)),  # type: ignore[arg-type]
        count=reader.numbers_by_name("count"),
        missing=reader.numbers_by_name("missing"),
        mean=reader.numbers_by_name("mean"),
        sd=reader.numbers_by_name("sd"),
        minimum=reader.number("minimum", default=-_LARGEST),
        maximum=reader.number("maximum", default=_LARGEST),
        missing_rows=reader.numbers_by_name("missing_rows"),
    )
    limits = {"zero_or_uniform": ("maximum",), "gamma": _LIMITS, "integer": _LIMITS}
    for key in limits.get(plan.kind, ()):
        if key not in reader.table:
            reader.complain("the key is missing", key, allowed="a number")
    if plan.kind == "gamma" and not all(mean > plan.minimum for _, mean in plan.mean):
        reader.complain("not above the minimum", "mean")
    if plan.kind in ("gamma", "integer") and not all(sd > 0 for _, sd in plan.sd):
        reader.complain("not permitted", "sd", allowed="numbers above 0")
    _check_sizes(reader, plan)
    reader.finish()
    return plan


def _check_sizes(reader: TableReader, plan: CovariatePlan) -> None:
    """Complain of numbers with which nothing could be drawn."""
    sizes = {"minimum": [plan.minimum], "maximum": [plan.maximum]}
    sizes |= {"mean": [mean for _, mean in plan.mean], "sd": [sd for _, sd in plan.sd]}
    for key, values in sizes.items():
        if any(abs(value) > _LARGEST for value in values):
            reader.complain("not permitted", key, allowed=f"numbers of at most {_LARGEST:g} in size")
    if plan.kind == "zero_or_uniform" and plan.maximum < 1:
        reader.complain("not permitted", "maximum", allowed="1 or more")
    means = dict(plan.mean)
    narrow = [
        name
        for name, sd in plan.sd
        if 0 < sd < _LEAST_SPREAD * (means.get(name, plan.minimum) - plan.minimum)
    ]
    if plan.kind == "gamma" and narrow:
        allowed = f"at least {_LEAST_SPREAD:g} of the distance of the mean from the minimum"
        reader.complain("too small", "sd", got=", ".join(narrow), allowed=allowed)


def _visits(reader: TableReader) -> VisitPlan:
    plan = VisitPlan(
        baseline=reader.number("baseline"),
        discharge=reader.number("discharge", above=0.0),
        scheduled=_numbers(reader, "scheduled"),
        weights=_numbers(reader, "weights"),
        extra=_numbers(reader, "extra"),
        jitter=reader.number("jitter"),
        early_until=reader.number("early_until"),
    )
    reader.finish()
    return plan


def _main(reader: TableReader) -> MainPlan:
    pairs = []
    for key, n in reader.numbers_by_name("assessments"):
        if key.isdecimal() and int(key) > 0 and n >= 0 and n == int(n):
            pairs.append((int(key), int(n)))
        else:
            reader.complain("not permitted", f"assessments.{key}", allowed="a whole number of patients")
    plan = MainPlan(
        outcomes=reader.texts("outcomes", required=True),
        assessments=tuple(sorted(pairs)),
        single_early=_count(reader, "single_early"),
        lacking_final=_count(reader, "lacking_final"),
        version=reader.text("version"),
        only_first=_count(reader, "only_first_version"),
        only_second=_count(reader, "only_second_version"),
        both=_count(reader, "both_versions"),
        single_groups=reader.texts("single_groups"),
    )
    reader.finish()
    return plan


def _other(reader: TableReader) -> OtherPlan:
    plan = OtherPlan(
        outcomes=reader.texts("outcomes", required=True),
        end_columns=reader.texts("end_columns", required=True),
        lacking_final=_count(reader, "lacking_final"),
        blank_visits=_count(reader, "blank_visits"),
        ends=tuple(_end(name, part) for name, part in reader.named_subtables("ends")),
    )
    if len(plan.outcomes) != len(plan.end_columns):
        reader.complain("one name for each outcome is needed", "end_columns")
    reader.finish()
    return plan


def _end(name: str, reader: TableReader) -> EndPlan:
    plan = EndPlan(
        outcome=name,
        below=reader.number("below"),
        n_below=_count(reader, "n_below"),
        among=reader.numbers_by_name("among"),
        baseline=PrintedText(printed=reader.text("baseline"), quantity="mean_sd"),
        discharge=PrintedText(printed=reader.text("discharge"), quantity="mean_sd"),
    )
    for key, stated in (("baseline", plan.baseline), ("discharge", plan.discharge)):
        if stated.fault:
            reader.complain("no printed mean and SD", key, allowed=stated.fault)
    reader.finish()
    return plan


def _block(name: str, reader: TableReader) -> Block:
    block = Block(
        name=name,
        outcomes=reader.texts("outcomes", required=True),
        effect_correlation=_share(reader, "effect_correlation", least=0.0),
        residual_correlation=_share(reader, "residual_correlation", least=0.0),
        intercept_slope_correlation=_share(reader, "intercept_slope_correlation", least=-1.0),
    )
    reader.finish()
    return block


def _growth(name: str, reader: TableReader) -> Growth:
    growth = Growth(
        outcome=name,
        intercept=reader.number("intercept"),
        slope=reader.number("slope"),
        sd_intercept=reader.number("sd_intercept", above=0.0),
        sd_slope=reader.number("sd_slope", above=0.0),
        sigma=reader.number("sigma", above=0.0),
        on_intercept=reader.numbers_by_name("on_intercept"),
        on_slope=reader.numbers_by_name("on_slope"),
    )
    reader.finish()
    return growth


def _count(reader: TableReader, key: str) -> int:
    """Take a whole number of patients or cells; unlike ``integer`` it has no default."""
    value: int = reader.take(key, (int,), "a whole number, 0 or more", 0, True)
    if value < 0:
        reader.complain("not permitted", key, got=str(value), allowed="a whole number, 0 or more")
    return value


def _share(reader: TableReader, key: str, *, least: float) -> float:
    value = reader.number(key)
    if not (least <= value < 1 and value > -1):
        reader.complain("not permitted", key, got=f"{value:g}", allowed=f"from {least:g} to below 1 in size")
    return value


def _numbers(reader: TableReader, key: str) -> tuple[float, ...]:
    values: list[Any] = reader.take(key, (list,), "a list of numbers", [], True)
    fine = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)]
    if len(fine) < len(values):
        reader.complain("wrong type", key, allowed="a list of finite numbers")
    return tuple(float(v) for v in fine)
