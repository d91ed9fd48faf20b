r"""Printed measures of fit against each other: −2LL, log likelihood, AIC, AICc, BIC and likelihood-ratio tests.

With ``q`` counted parameters and ``n`` counted observations, :math:`AIC = -2\ell + 2q`,
:math:`BIC = -2\ell + q\log n` and :math:`AICc = AIC + 2q(q + 1)/(n - q - 1)`. ``q`` is solved for and held
against what a model of this formula may count; ``n`` is solved for and held against patients and rows, for
programs differ: SPSS counts covariance parameters only under REML, and some count patients where others
count rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy import special

from bayes_alliance.published.aic import count_added, count_columns
from bayes_alliance.published.findings import AuditVerdict, Finding, finding_of_cells, span
from bayes_alliance.published.patient_counts import all_patients, mean_assessments
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.records import Cell, Model, Study

_LIKELIHOODS = ("minus_2ll", "deviance", "log_likelihood")
_MOST_ROWS = 4.0
_SLIP = "a slip in one of them"


def check_fit(study: Study) -> Iterator[Finding]:
    """Check the measures of fit of each model against each other, and those of nested models."""
    by: dict[str, dict[str, Cell]] = {}
    for cell in study.cells:
        if cell.model and not cell.coefficient:
            by.setdefault(cell.model, {}).setdefault(cell.quantity, cell)
    for model in study.models:
        cells = by.get(model.id, {})
        yield from _check_model(study, model, cells)
    for larger in study.models:
        for smaller in study.models:
            if smaller.id in by and larger.id in by:
                yield from _check_nested(study, smaller, larger, by)


def minus_2ll(study: Study, cells: dict[str, Cell]) -> tuple[Interval, Cell] | None:
    """Return the printed −2 log likelihood of a model, whichever way it is printed."""
    for name in _LIKELIHOODS:
        number = cells[name].parsed.value if name in cells else None
        if number is not None:
            found = number.interval(study.publication.rounding)
            if name == "log_likelihood":
                found = Interval(
                    lower=-2 * found.upper,
                    upper=-2 * found.lower,
                    lower_closed=found.upper_closed,
                    upper_closed=found.lower_closed,
                )
            return found, cells[name]
    return None


def _interval(study: Study, cell: Cell | None) -> Interval | None:
    number = cell.parsed.value if cell is not None else None
    return None if number is None else number.interval(study.publication.rounding)


def counted_parameters(study: Study, model: Model) -> dict[int, str]:
    """Numbers of parameters that a program may count for a model, and who counts so."""
    formula = parse_formula(model.formula)
    if formula.is_structured:
        levels = (
            study.every_variable[formula.residual.variable].categories if formula.residual.variable else ()
        )
        groups = (
            study.every_variable[formula.residual.variance].categories if formula.residual.variance else ()
        )
        count = formula.count_covariances(len(levels), len(groups))
        total = count_columns(study, formula) + count
        return {total: "fixed effects and covariance parameters"} if count else {}
    random = 1 + len(formula.random)
    fixed = count_columns(study, formula)
    found: dict[int, str] = {}
    for covariances, structure in ((random * (random + 1) // 2, "UN"), (random, "VC")):
        found.setdefault(fixed + covariances + 1, f"fixed effects and covariance parameters ({structure})")
    for covariances, structure in ((random * (random + 1) // 2, "UN"), (random, "VC")):
        found.setdefault(covariances + 1, f"covariance parameters only, as SPSS under REML ({structure})")
        found.setdefault(
            fixed + covariances + 2, f"fixed effects and covariance parameters ({structure}), AR(1) residuals"
        )
    return found


def _check_model(study: Study, model: Model, cells: dict[str, Cell]) -> Iterator[Finding]:
    likelihood = minus_2ll(study, cells)
    aic, bic = _interval(study, cells.get("aic")), _interval(study, cells.get("bic"))
    aicc = _interval(study, cells.get("aicc"))
    both = [cells[name] for name in _LIKELIHOODS if name in cells]
    for cell in both[1:]:
        first, second = minus_2ll(study, {both[0].quantity: both[0]}), minus_2ll(study, {cell.quantity: cell})
        if first and second:
            good = first[0].meets(second[0])
            yield finding_of_cells(
                "log likelihood against −2LL",
                [both[0], cell],
                AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
                "some log likelihood prints like both" if good else "no log likelihood prints like both",
                (),
                () if good else (_SLIP, "a deviance from which a saturated model's is subtracted"),
            )
    counted = _parameters(likelihood[0], aic) if likelihood and aic else []
    if likelihood and aic:
        yield _check_parameters(
            study, model, [likelihood[1], cells["aic"]], counted, _half(aic - likelihood[0])
        )
    expected = counted or list(counted_parameters(study, model))
    if bic is not None and (likelihood or aic):
        base, cell = (likelihood[0], likelihood[1]) if likelihood else (None, cells["aic"])
        ns = {q: n for q in expected if (n := _observations(base, aic, bic, q)) is not None}
        yield _check_observations(study, "BIC against likelihood", [cell, cells["bic"]], ns)
    if aicc is not None and aic is not None:
        ns = {q: n for q in expected if (n := _corrected(aic, aicc, q)) is not None}
        yield _check_observations(study, "AICc against AIC", [cells["aic"], cells["aicc"]], ns)


def _half(gap: Interval) -> tuple[float, float]:
    low, high = gap.ends
    return low / 2.0, high / 2.0


def _parameters(likelihood: Interval, aic: Interval) -> list[int]:
    """Whole numbers of parameters that −2LL and AIC leave."""
    low, high = _half(aic - likelihood)
    return list(range(max(math.ceil(low - 1e-9), 0), math.floor(high + 1e-9) + 1))


def _check_parameters(
    study: Study, model: Model, cells: list[Cell], counted: list[int], ends: tuple[float, float]
) -> Finding:
    known = counted_parameters(study, model)
    fits = [f"{q}: {known[q]}" for q in counted if q in known]
    numbers = (("parameters, (AIC − (−2LL))/2", span(*ends)), *(("counted as", text) for text in fits))
    check = "AIC against −2LL"
    if fits:
        return finding_of_cells(
            check, cells, AuditVerdict.CONSISTENT, "a number of parameters explains both", numbers, ()
        )
    said = ", ".join(f"{q} ({who})" for q, who in known.items())
    if counted:
        reasoning = (
            f"they differ by {span(float(counted[0]), float(counted[-1]))} parameters; the formula has {said}"
        )
        others = ("another covariance structure or other fixed effects than the formula's", _SLIP)
        return finding_of_cells(check, cells, AuditVerdict.CANNOT_TELL, reasoning, numbers, others)
    reasoning = "no whole number of parameters lies between −2LL and AIC"
    return finding_of_cells(
        check, cells, AuditVerdict.INCONSISTENT, reasoning, numbers, (_SLIP, "of two different models")
    )


def _observations(
    likelihood: Interval | None, aic: Interval | None, bic: Interval, q: int
) -> tuple[float, float] | None:
    """Range of the number of observations that BIC counts, at a number of parameters."""
    if likelihood is not None:
        low, high = (bic - likelihood).ends
    else:
        assert aic is not None
        low, high = (end + 2.0 * q for end in (bic - aic).ends)
    return (math.exp(min(low / q, 50.0)), math.exp(min(high / q, 50.0))) if q > 0 else None


def _corrected(aic: Interval, aicc: Interval, q: int) -> tuple[float, float] | None:
    """Range of the number of observations that AICc counts, at a number of parameters."""
    low, high = (aicc - aic).ends
    if high <= 0.0:
        return None
    wanted = 2.0 * q * (q + 1)
    return wanted / high + q + 1, wanted / low + q + 1 if low > 0.0 else math.inf


def _check_observations(
    study: Study, check: str, cells: list[Cell], ns: dict[int, tuple[float, float]]
) -> Finding:
    patients = all_patients(study)
    rows = mean_assessments(study)
    numbers = tuple((f"observations counted, with {q} parameters", span(*n)) for q, n in ns.items())
    if not patients:
        reasoning = "the number of patients is not stated, so any number of observations is possible"
        plausible = any(n[1] >= 2.0 for n in ns.values())
        verdict = AuditVerdict.CANNOT_TELL if plausible else AuditVerdict.INCONSISTENT
        return finding_of_cells(check, cells, verdict, reasoning, numbers, ())
    most = patients * (2.0 * rows if rows else _MOST_ROWS * 10.0)
    least = patients / 2.0
    good = [n for n in ns.values() if n[1] >= least and n[0] <= most]
    if good:
        counted = "patients" if any(n[0] <= patients <= n[1] for n in good) else "patients or rows"
        return finding_of_cells(
            check, cells, AuditVerdict.CONSISTENT, f"a number of {counted} explains both", numbers, ()
        )
    reasoning = f"no number of parameters leaves between {least:.0f} and {most:.0f} observations"
    return finding_of_cells(
        check, cells, AuditVerdict.INCONSISTENT, reasoning, numbers, (_SLIP, "of two different models")
    )


def _check_nested(
    study: Study, smaller: Model, larger: Model, by: dict[str, dict[str, Cell]]
) -> Iterator[Finding]:
    """Check the −2LL of nested models against each other and against a printed likelihood-ratio test."""
    added = count_added(study, smaller, larger)
    small, large = (minus_2ll(study, by[model.id]) for model in (smaller, larger))
    if not added or small is None or large is None:
        return
    gap = small[0] - large[0]
    low, high = gap.ends
    cells = [small[1], large[1]]
    numbers = [("likelihood ratio", f"{span(low, high)} on {added}")]
    if study.publication.criterion == "reml":
        reasoning = "restricted likelihoods of models with different fixed effects cannot be compared"
        yield finding_of_cells(
            "−2LL of nested models", cells, AuditVerdict.CANNOT_TELL, reasoning, tuple(numbers), ()
        )
        return
    if high < 0.0:
        reasoning = "the larger model cannot fit worse on the same rows"
        others = ("the two rest on different rows", "restricted likelihood", "a slip")
        yield finding_of_cells(
            "−2LL of nested models", cells, AuditVerdict.INCONSISTENT, reasoning, tuple(numbers), others
        )
        return
    yield finding_of_cells(
        "−2LL of nested models",
        cells,
        AuditVerdict.CONSISTENT,
        "the larger model fits no worse",
        tuple(numbers),
        (),
    )
    printed = by[larger.id].get("chi2")
    if printed is not None and larger.reference == smaller.id:
        yield from _check_ratio_test(study, printed, (max(low, 0.0), high), added, cells)


def _check_ratio_test(
    study: Study, printed: Cell, ratio: tuple[float, float], added: int, cells: list[Cell]
) -> Iterator[Finding]:
    for test in printed.parsed.tests:
        low, high = test.value.interval(study.publication.rounding).ends
        df = int(test.df[0].value) if test.df else added
        numbers = (("difference of −2LL", span(*ratio)), ("df", f"{df} printed, {added} coefficients added"))
        meets = low <= ratio[1] and high >= ratio[0]
        same = df == added
        verdict = AuditVerdict.CONSISTENT if meets and same else AuditVerdict.INCONSISTENT
        if meets and not same:
            verdict = AuditVerdict.CANNOT_TELL
        reasoning = (
            "the printed test is the difference of the two"
            if meets
            else "the two −2LL differ by another amount"
        )
        if meets and not same:
            reasoning += ", on other degrees of freedom than the formulas add"
        others = () if verdict is AuditVerdict.CONSISTENT else ("random effects were added too", _SLIP)
        yield finding_of_cells(
            "likelihood-ratio test", [printed, *cells], verdict, reasoning, numbers, others
        )
        for p in printed.parsed.p:
            ps = float(special.chdtrc(df, high)), float(special.chdtrc(df, max(low, 0.0)))
            said = p.interval.ends
            good = ps[0] <= said[1] + 1e-12 and ps[1] >= said[0] - 1e-12
            yield finding_of_cells(
                "p of the likelihood-ratio test",
                [printed],
                AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
                f"chi-square {span(low, high)} on {df} gives p {span(*ps)}",
                (),
                () if good else ("a test of a variance at its boundary, with half of the p value", _SLIP),
            )
