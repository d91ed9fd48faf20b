"""Cell by cell: what was printed beside what an ordinary analysis of a cohort prints.

Judged by the package's own fits and descriptives, not by the solver's, and counted without mercy: whatever lies
outside its interval is missed, and says so. Where the audit finds that printed numbers cannot stand together, a
missed line carries its reasoning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scipy import special

from bayes_alliance.assess.descriptives import Descriptive, describe_patients
from bayes_alliance.assess.explained_variation import explained_percent
from bayes_alliance.cohorts.conflicts import find_conflicts
from bayes_alliance.cohorts.plan import CohortPlan, EndPlan
from bayes_alliance.cohorts.solver.sensitivity import fit_scores, lay_out
from bayes_alliance.cohorts.solver.targets import Target, list_targets
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import MixedFit
from bayes_alliance.inference.ml import estimate_effect, fit_mixed, score_aic
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.count_checks import percent_of
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.published.stars import PBounds, read_stars, read_unmarked, star_rule
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.run.text_facts import count_facts
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.records import Cell, Study

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Line:
    """One number asked for, and what the cohort gives.

    Parameters
    ----------
    place, said : str
        Where it is printed, and the string.
    kind : str
        What is compared: ``estimate``, ``se``, ``p``, ``aic``, ``mean``, ``percent``, ...
    model : str
        Id of the model; empty for descriptives.
    low, high : float
        What prints like it.
    achieved : float
        NaN where it could not be computed.
    from_cell : bool
        Whether a cell of a table says so, or only the text.
    note : str
        Why it is missed, where the audit knows.
    """

    place: str
    said: str
    kind: str
    model: str
    low: float
    high: float
    achieved: float
    from_cell: bool
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the cohort prints it."""
        slack = _ROUNDING * max(1.0, abs(self.achieved)) if math.isfinite(self.achieved) else 0.0
        return self.low - slack <= self.achieved <= self.high + slack


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """Every line of a cohort, cells first."""

    lines: tuple[Line, ...]

    def count(self, *, from_cell: bool) -> tuple[int, int]:
        """Lines met, and lines in all, of the tables' cells or of the text."""
        mine = [line for line in self.lines if line.from_cell == from_cell]
        return sum(line.met for line in mine), len(mine)

    @property
    def missed(self) -> tuple[Line, ...]:
        """Lines not met."""
        return tuple(line for line in self.lines if not line.met)


def score_cohort(study: Study, data: StudyData, plan: CohortPlan | None = None) -> Scorecard:
    """Compare a cohort with everything that is printed of it.

    Parameters
    ----------
    study : Study
        With cells and facts.
    data : StudyData
        The cohort as the models read it.
    plan : CohortPlan, optional
        Adds what the text says of baseline and discharge scores.

    Returns
    -------
    Scorecard
    """
    reasons = _reasons(study)
    lines = [*_score_models(study, data), *_score_descriptives(study, data), *_score_counts(study, data)]
    if plan is not None:
        lines += [
            line for other in plan.others for end in other.ends for line in _score_end(study, data, end)
        ]
    noted = [line if line.met else _with_reason(line, reasons) for line in lines]
    return Scorecard(lines=tuple(sorted(noted, key=lambda line: not line.from_cell)))


def _reasons(study: Study) -> dict[str, str]:
    """Return why numbers of some places cannot stand as stated: the smallest sets that conflict, and the audit's."""
    found = [f for f in audit_study(study).findings if f.verdict is AuditVerdict.INCONSISTENT]
    sets = {target.place: conflict.says for conflict in find_conflicts(study) for target in conflict.targets}
    return sets | {finding.where: finding.reasoning for finding in found if finding.where not in sets}


def _with_reason(line: Line, reasons: Mapping[str, str]) -> Line:
    for where, reason in reasons.items():
        if line.place.startswith(where) or where.startswith(line.place):
            return Line(**{**vars(line), "note": f"not possible as printed: {reason}"})
    return line


def _score_models(study: Study, data: StudyData) -> Iterator[Line]:
    """Fit every model that something is printed of, and read its numbers off."""
    targets = list_targets(study)
    wanted = {target.model for target in targets}
    wanted |= {study.model(name).reference or name for name in wanted}
    wanted |= {target.other for target in targets if target.other}
    planned: dict[str, PlannedModel] = {}
    for model in study.models:
        if model.id in wanted:
            found = plan_model(data, model, parse_formula(model.formula).names)
            if isinstance(found, PlannedModel):
                planned[model.id] = found
    fits = {name: fit_mixed(item.design, item.rows, model_id=name) for name, item in planned.items()}
    for target in targets:
        yield Line(
            place=target.place,
            said=target.said,
            kind=target.kind,
            model=target.model,
            low=target.low,
            high=target.high,
            achieved=_read(study, target, fits, planned) if target.model in fits else math.nan,
            from_cell=target.from_cell,
        )


def _read(
    study: Study, target: Target, fits: Mapping[str, MixedFit], planned: Mapping[str, PlannedModel]
) -> float:
    fit = fits[target.model]
    if target.kind == "aic":
        return score_aic(fit, "ml")
    if target.kind == "deviance":
        return fit.deviance
    if target.kind == "residual":
        return fit.sigma**2
    if target.kind == "variance":
        return fit.slope_variance if target.which else fit.intercept_variance
    if target.kind == "wald":
        design = planned[target.model].design
        found = fit_scores(lay_out(design), design.y)
        z = found.variance_of(target.which) / float(found.variance_se[0 if target.which == 0 else 2])
        return math.erfc(z / math.sqrt(2.0)) if math.isfinite(z) else math.nan
    if target.kind in ("explained_intercept", "explained_slope"):
        reference = fits[study.model(target.model).reference or target.model]
        if target.kind == "explained_intercept":
            return explained_percent(reference.intercept_variance, fit.intercept_variance)
        return explained_percent(reference.slope_variance, fit.slope_variance)
    if target.kind in ("lr", "aic_gain"):
        other = fits[target.other or study.model(target.model).reference or target.model]
        if target.kind == "aic_gain":
            return score_aic(other, "ml") - score_aic(fit, "ml")
        more = fit.n_fixed + fit.n_covariance - other.n_fixed - other.n_covariance
        return float(special.chdtrc(more, max(other.deviance - fit.deviance, 0.0)))
    effect = estimate_effect(fit, target.weights)
    if target.kind == "sign":
        return effect.estimate
    if target.kind in ("less_t", "less_estimate"):
        other_effect = estimate_effect(fits[target.other], target.other_weights)
        if target.kind == "less_t":
            return abs(effect.estimate / effect.se) - abs(other_effect.estimate / other_effect.se)
        return abs(effect.estimate) - abs(other_effect.estimate)
    return {"estimate": effect.estimate, "se": effect.se, "p": effect.p}[target.kind]


def _score_descriptives(study: Study, data: StudyData) -> Iterator[Line]:
    """Compare means, SDs and percentages by subgroup, and the tests between the two."""
    described: dict[tuple[str, str], Descriptive] = {
        (d.variable, d.kind): d for d in describe_patients(study, data.rows)
    }
    group = study.every_variable.get(study.descriptive_group)
    names = group.categories if group is not None else ()
    rows: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in study.cells:
        if cell.quantity in ("percent", "mean_sd") and cell.variable and cell.group in names:
            rows.setdefault((cell.table, cell.row), {})[cell.group] = cell
    for (table, row), cells in rows.items():
        found = _described(described, next(iter(cells.values())))
        for name, cell in cells.items():
            yield from _score_descriptive(study, found, names.index(name), cell)
        if len(cells) == 2:
            yield _score_test(study, found, table, row, list(cells.values()))


def _described(described: Mapping[tuple[str, str], Descriptive], cell: Cell) -> Descriptive | None:
    kinds = ("mean",) if cell.quantity == "mean_sd" else ("share", "share of zero")
    return next(
        (described[cell.variable, kind] for kind in kinds if (cell.variable, kind) in described), None
    )


def _score_descriptive(study: Study, found: Descriptive | None, index: int, cell: Cell) -> Iterator[Line]:
    place = f"{cell.table}: {cell.row}: {cell.column}"
    value = None if found is None else found.groups[index]
    if cell.quantity == "percent":
        achieved = math.nan if value is None else value.percent
        yield _line(place, cell.printed, "percent", percent_of(study, cell), achieved)
        return
    printed = cell.parsed
    for kind, number in (("mean", printed.value), ("sd", printed.spread)):
        if number is not None:
            achieved = math.nan if value is None else getattr(value, kind)
            yield _line(place, cell.printed, kind, number.interval(study.publication.rounding), achieved)


def _line(
    place: str, said: str, kind: str, interval: Interval, achieved: float, *, from_cell: bool = True
) -> Line:
    low, high = interval.ends
    return Line(
        place=place,
        said=said,
        kind=kind,
        model="",
        low=low,
        high=high,
        achieved=float(achieved),
        from_cell=from_cell,
    )


def _score_test(study: Study, found: Descriptive | None, table: str, row: str, cells: Sequence[Cell]) -> Line:
    rule = star_rule(study.publication, table)
    stars = max(cell.parsed.stars for cell in cells)
    bounds: PBounds = read_stars(rule, stars) if stars else read_unmarked(rule)
    return Line(
        place=f"{table}: {row}",
        said=" | ".join(cell.printed for cell in cells),
        kind="p of the test",
        model="",
        low=bounds.low,
        high=bounds.high,
        achieved=math.nan if found is None else found.test.p,
        from_cell=True,
    )


def _score_counts(study: Study, data: StudyData) -> Iterator[Line]:
    """Compare what the text counts and the study file says how to count: patients, subgroups, assessments."""
    for fact, kind, achieved in count_facts(study, data, counts_only=True):
        number = fact.parsed.spread if kind == "sd" else fact.parsed.value
        assert number is not None
        exact = Interval(lower=number.value, upper=number.value)
        interval = exact if kind == "count" else number.interval(study.publication.rounding)
        yield _line(f"text: {fact.what}", fact.printed, kind, interval, achieved, from_cell=False)


def _score_end(study: Study, data: StudyData, end: EndPlan) -> Iterator[Line]:
    """Compare means and SDs at baseline and discharge of the patients assessed at both."""
    rows = data.rows[[study.patient, study.time, end.outcome]].dropna()
    first = rows[rows[study.time] == 0.0].set_index(study.patient)[end.outcome]
    last = rows[rows[study.time] == study.horizon].set_index(study.patient)[end.outcome]
    both = first.index.intersection(last.index)
    for stated, at, values in (
        (end.baseline, "baseline", first.loc[both]),
        (end.discharge, "discharge", last.loc[both]),
    ):
        printed, said = stated.parsed, stated.printed
        for kind, number, achieved in (
            ("mean", printed.value, float(values.mean())),
            ("sd", printed.spread, float(values.std())),
        ):
            assert number is not None
            interval = number.interval(study.publication.rounding)
            yield _line(f"text: {end.outcome} at {at}", said, kind, interval, achieved, from_cell=False)
