r"""What the text of a publication states in numbers, beside what a run gives for each of them.

The facts of a study (``facts.csv``) are to the text what cells are to the tables. Those about models are read off the
fits of a run, those about patients off its rows where the study file says how they are counted. The rest, counts and
shares that nothing in the data stands for, are left to the audit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from bayes_alliance.assess.loo import sum_error
from bayes_alliance.assess.summaries import Quantity, Summary
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import MixedFit
from bayes_alliance.inference.ml import compare_nested, score_aic
from bayes_alliance.published.audit import Audit
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.published.stars import PBounds, read_p
from bayes_alliance.run.results import AskedNumber, ComparisonSet, ModelRun, TextFact
from bayes_alliance.study.publication import Fact, StatedShare
from bayes_alliance.study.records import Study

_ORDER = (
    AuditVerdict.INCONSISTENT,
    AuditVerdict.CANNOT_TELL,
    AuditVerdict.NOT_TESTABLE,
    AuditVerdict.CONSISTENT,
)


def read_text(
    study: Study,
    data: StudyData,
    runs: Sequence[ModelRun],
    comparisons: Sequence[ComparisonSet],
    audit: Audit | None,
) -> tuple[TextFact, ...]:
    """Return every fact that the text states, with what a run gives for it.

    Parameters
    ----------
    study : Study
        With facts.
    data : StudyData
        Rows of the run.
    runs : sequence of ModelRun
        Models that could be run.
    comparisons : sequence of ComparisonSet
        Of the run.
    audit : Audit or None
        Of the printed numbers.

    Returns
    -------
    tuple of TextFact
        In the order of the file; facts that are worked out from others are left out.
    """
    by_model = {run.model.id: run for run in runs}
    counted = {fact_id: tuple(asked) for fact_id, asked in _count(study, data).items()}
    found = []
    for fact in study.facts:
        if not fact.printed.strip():
            continue
        run = by_model.get(fact.model)
        asked = _of_model(study, fact, run, by_model) if fact.model else counted.get(fact.id, ())
        gain, error = _elpd_gain(fact, run, comparisons)
        found.append(
            TextFact(
                fact=fact,
                asked=asked,
                effect=_effect(fact, run),
                share=None if run is None else _share(fact, run),
                elpd_gain=gain,
                elpd_gain_se=error,
                audit=_verdict(fact, audit),
            )
        )
    return tuple(found)


def _effect(fact: Fact, run: ModelRun | None) -> Quantity | None:
    """Return the quantity that a fact speaks of: a coefficient or estimand, or the SD of the slopes."""
    if run is None:
        return None
    of_slope = fact.quantity == "slope_varies" and len(run.ml.z_names) > 1
    name = f"sd_{run.ml.z_names[1]}" if of_slope else fact.coefficient
    return next((q for q in run.quantities if q.name == name), None)


def _of_model(
    study: Study, fact: Fact, run: ModelRun | None, runs: Mapping[str, ModelRun]
) -> tuple[AskedNumber, ...]:
    """Return what a fact asks of the fits; nothing where one of its models was not run."""
    if run is None:
        return ()
    match fact.quantity:
        case "p":
            return _of_p(fact, run)
        case "less":
            return _of_order(study, fact, run, runs)
        case "lr":
            other = runs.get(fact.than)
            if other is None or other.rows.digest != run.rows.digest:
                return ()
            return (
                _within("p, likelihood ratio", read_p(fact.parsed), compare_nested(other.ml, run.ml).p_naive),
            )
        case "slope_varies":
            return (_within("p, Wald", read_p(fact.parsed), wald_p_of_slope(run.ml)),)
        case "aic_not_lower":
            reference = runs.get(run.model.reference or "")
            if reference is None:
                return ()
            gain = score_aic(reference.ml, "ml") - score_aic(run.ml, "ml")
            return (AskedNumber(kind="AIC gain", low=-math.inf, high=0.0, achieved=gain),)
        case "explained_intercept" | "explained_slope" if run.explained is not None:
            found = run.explained
            slope = fact.quantity == "explained_slope"
            achieved = found.as_printed_slope if slope else found.as_printed_intercept
            return (_printed(study, fact, "% explained", achieved),)
        case _:
            return ()


def _of_p(fact: Fact, run: ModelRun) -> tuple[AskedNumber, ...]:
    quantity = _effect(fact, run)
    if quantity is None:
        return ()
    bounds = read_p(fact.parsed)
    if fact.at_least is not None:
        bounds = bounds.narrowed(PBounds(low=fact.at_least))
    asked = [_within("p", bounds, quantity.ml.p)]
    if fact.sign:
        low, high = (0.0, math.inf) if fact.sign > 0 else (-math.inf, 0.0)
        asked.append(AskedNumber(kind="estimate", low=low, high=high, achieved=quantity.ml.estimate))
    return tuple(asked)


def _of_order(
    study: Study, fact: Fact, run: ModelRun, runs: Mapping[str, ModelRun]
) -> tuple[AskedNumber, ...]:
    """Return how much larger an effect is than the other: by test statistics within an outcome, else by estimates."""
    than = next(f for f in study.facts if f.id == fact.than)
    other = runs.get(than.model)
    mine, theirs = _effect(fact, run), _effect(than, other)
    if other is None or mine is None or theirs is None:
        return ()
    if run.model.outcome == other.model.outcome:
        sizes = [abs(q.ml.estimate / q.ml.se) for q in (mine, theirs)]
        kind = "difference of |t|"
    else:
        sizes = [abs(q.ml.estimate) for q in (mine, theirs)]
        kind = "difference of sizes"
    return (AskedNumber(kind=kind, low=-math.inf, high=0.0, achieved=sizes[0] - sizes[1]),)


def wald_p_of_slope(fit: MixedFit) -> float:
    r"""Two-sided p of the slope variance by its Wald z, as SPSS prints it; NaN without a random slope inside.

    The slope's variance is :math:`c\,\sigma^2(\theta_1^2 + \theta_2^2)` with a constant c of the design, so its
    standard error follows from the covariance of :math:`(\theta, \sigma)`, the inverse of the observed information, by
    the delta method.
    """
    if fit.covariance != "UN" or len(fit.z_names) != 2 or fit.singular:
        return math.nan
    size = float(fit.theta[1] ** 2 + fit.theta[2] ** 2)
    relative = np.array([0.0, 2.0 * fit.theta[1] / size, 2.0 * fit.theta[2] / size, 2.0 / fit.sigma])
    spread = float(relative @ fit.parameter_cov @ relative)
    return math.erfc(1.0 / math.sqrt(2.0 * spread)) if spread > 0.0 else math.nan


def _share(fact: Fact, run: ModelRun) -> Summary | None:
    """Return the within-model share of the variation that a fact speaks of."""
    if run.explained is None:
        return None
    shares = {
        "explained_intercept": run.explained.share_intercept,
        "explained_slope": run.explained.share_slope,
    }
    return shares.get(fact.quantity)


def _elpd_gain(fact: Fact, run: ModelRun | None, comparisons: Sequence[ComparisonSet]) -> tuple[float, float]:
    """Return how much better a model predicts a new patient than its reference, on the same rows, and the error."""
    reference = run.model.reference if run is not None else None
    if run is None or reference is None or fact.quantity != "aic_not_lower":
        return math.nan, math.nan
    for found in comparisons:
        if run.model.id in found.scores and reference in found.scores:
            mine, other = (found.scores[name]["new_patient"].elpd_i for name in (run.model.id, reference))
            return float(np.sum(mine - other)), sum_error(mine - other)
    return math.nan, math.nan


def _count(study: Study, data: StudyData) -> dict[str, list[AskedNumber]]:
    """Return what facts about patients give in the data: counts, shares and means that the study file declares."""
    found: dict[str, list[AskedNumber]] = {}
    for fact, kind, achieved in count_facts(study, data):
        found.setdefault(fact.id, []).append(_printed(study, fact, kind, achieved))
    return found


def count_facts(
    study: Study, data: StudyData, *, counts_only: bool = False
) -> Iterator[tuple[Fact, str, float]]:
    """Count patients, subgroups and assessments, and describe first and last scores and shares, as far as declared.

    Parameters
    ----------
    counts_only : bool
        Leave out first and last scores and shares.

    Yields
    ------
    fact : Fact
        Of the text.
    kind : str
        ``count``, ``percent``, ``mean`` or ``sd``.
    achieved : float
        In the data.
    """
    facts = {fact.id: fact for fact in study.facts}
    publication = study.publication
    patients = data.rows.groupby(study.patient, sort=False).first()
    if publication.samples:
        yield facts[publication.samples[0].count], "count", float(len(patients))
    group = study.every_variable.get(study.descriptive_group)
    if group is not None and study.descriptive_group in patients:
        of_group = patients[study.descriptive_group]
        sizes = {name: float((of_group == code).sum()) for code, name in enumerate(group.categories)}
        for fact in study.facts:
            if fact.quantity == "count" and fact.printed and fact.group in sizes:
                yield fact, "count", sizes[fact.group]
    assessed = [name for name in publication.assessed if name in data.rows]
    if publication.assessments and assessed:
        present = data.rows[assessed].notna().any(axis=1)
        number = present.groupby(data.rows[study.patient]).sum()
        yield from _moments(facts[publication.assessments], number)
    for stated in () if counts_only else publication.ends:
        if stated.outcome in data.rows:
            first, last = _first_and_last(study, data.rows, stated.outcome)
            yield from _moments(facts[stated.first], first)
            yield from _moments(facts[stated.last], last)
    for share in () if counts_only else publication.shares:
        achieved = _percent(study, patients, share)
        if achieved is not None:
            yield facts[share.fact], "percent", achieved


def _moments(fact: Fact, values: pd.Series) -> Iterator[tuple[Fact, str, float]]:
    for kind, stated, achieved in (
        ("mean", fact.parsed.value, float(values.mean())),
        ("sd", fact.parsed.spread, float(values.std())),
    ):
        if stated is not None:
            yield fact, kind, achieved


def _first_and_last(study: Study, rows: pd.DataFrame, outcome: str) -> tuple[pd.Series, pd.Series]:
    """Return scores at time zero and at the horizon of the patients who have both."""
    known = rows[[study.patient, study.time, outcome]].dropna()
    first, last = (
        known[known[study.time] == at].set_index(study.patient)[outcome] for at in (0.0, study.horizon)
    )
    both = first.index.intersection(last.index)
    return first.loc[both], last.loc[both]


def _percent(study: Study, patients: pd.DataFrame, share: StatedShare) -> float | None:
    """Return the percentage of patients in a category, of those with a value, within another category where stated."""
    if share.variable not in patients or (share.within and share.within not in patients):
        return None
    chosen = patients
    if share.within:
        chosen = chosen[chosen[share.within] == _code(study, share.within, share.within_category)]
    values = chosen[share.variable].dropna()
    return float(100.0 * (values == _code(study, share.variable, share.category)).mean())


def _code(study: Study, variable: str, category: str) -> int:
    return study.every_variable[variable].categories.index(category)


def _within(kind: str, bounds: PBounds, achieved: float) -> AskedNumber:
    return AskedNumber(kind=kind, low=bounds.low, high=bounds.high, achieved=achieved)


def _printed(study: Study, fact: Fact, kind: str, achieved: float) -> AskedNumber:
    """Ask for what prints like a fact's number, or like its spread."""
    number = fact.parsed.spread if kind == "sd" else fact.parsed.value
    assert number is not None
    low, high = number.interval(study.publication.rounding).ends
    if kind == "% explained" and number.value == 0:
        # What is printed without negative percentages may print a variance that grew as 0.
        low = -math.inf
    return AskedNumber(kind=kind, low=low, high=high, achieved=achieved)


def _verdict(fact: Fact, audit: Audit | None) -> str:
    """Return the worst that the audit says of a fact; empty where it has no check of it."""
    found = [] if audit is None else [f.verdict for f in audit.findings if f.where.endswith(f": {fact.what}")]
    return next((verdict.value for verdict in _ORDER if verdict in found), "")
