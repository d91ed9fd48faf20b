"""Printed AICs against the estimates beside them: whether these effects alone could have moved them so.

The correlation between the estimates of a level and a slope deviation is not printed. It is negative as a
rule, since time starts at baseline; up to 0.6 in size it is taken as ordinary, up to 0.9 as possible.
"""

from __future__ import annotations

from collections.abc import Iterator

from scipy import special

from bayes_alliance.published.aic import (
    AicChange,
    aic_changes,
    bound_t_by_ratio,
    needed_correlation,
    wald_range,
)
from bayes_alliance.published.estimate_checks import t_of_digits
from bayes_alliance.published.findings import AuditVerdict, Finding, span
from bayes_alliance.published.patient_counts import all_patients
from bayes_alliance.published.printed_effects import PrintedEffect
from bayes_alliance.published.stars import bound_t, read_cell, star_rule
from bayes_alliance.study.records import Study

ORDINARY_CORRELATION = 0.6
POSSIBLE_CORRELATION = 0.9
# A likelihood ratio is about the Wald statistic; in samples of some dozens of patients it may be a little above.
SPARE_FACTOR, SPARE = 1.1, 0.5
_ROWS = "the two models rest on different rows"
_REML = "restricted likelihood, whose AIC cannot be compared between different predictors"


def check_aics(study: Study, effects: list[PrintedEffect]) -> Iterator[Finding]:
    """Check every pair of nested models whose AICs are printed."""
    for change in aic_changes(study):
        if change.larger.reference == change.smaller.id:
            yield _check_change(study, change, effects)
        else:
            yield _check_nested(change)


def effect_t_range(study: Study, effect: PrintedEffect) -> tuple[float, float]:
    """Return the range of the test statistic by digits and marking; by digits alone where they disagree."""
    rule = star_rule(study.publication, effect.cell.table)
    said = bound_t(read_cell(rule, effect.parsed), effect.df_low)
    t = t_of_digits(study, effect)
    if t is None:
        return said.low, said.high
    low, high = max(t[0], said.low), min(t[1], said.high)
    return (low, high) if low <= high else t


def _check_change(study: Study, change: AicChange, effects: list[PrintedEffect]) -> Finding:
    """Check a model's AIC against that of its reference, given its printed deviations."""
    own = [
        effect
        for effect in effects
        if effect.model.id == change.larger.id
        and effect.is_deviation
        and any(change.adds(name) for name, _ in effect.weights)
    ]
    ranges = [(effect, effect_t_range(study, effect)) for effect in own]
    low, high = change.likelihood_ratio
    numbers = [
        ("change of AIC", span(*change.change.ends)),
        ("likelihood ratio on the same rows", f"{span(low, high)} on {change.added}"),
        *((f"|t| of {e.cell.column.lower()}", span(*t)) for e, t in ranges),
    ]
    if high < 0.0:
        reasoning = "the larger model cannot fit worse on the same rows"
        return _finding(change, AuditVerdict.INCONSISTENT, reasoning, numbers, (_ROWS, _REML, "a slip"))
    limit = bound_t_by_ratio(high, all_patients(study))
    over = [effect for effect, t in ranges if t[0] > limit]
    if over:
        reasoning = f"{over[0].cell.printed} needs a larger fall of AIC: |t| can be at most {limit:.3g}"
        return _finding(change, AuditVerdict.INCONSISTENT, reasoning, numbers, (_REML, "a slip", _ROWS))
    if change.added != 2 or len(ranges) != 2:
        reasoning = "no printed deviation is too large for the change; the other coefficients are not printed"
        return _finding(change, AuditVerdict.CONSISTENT, reasoning, numbers, ())
    return _check_size(change, [t for _, t in ranges], numbers)


def _check_size(
    change: AicChange, ranges: list[tuple[float, float]], numbers: list[tuple[str, str]]
) -> Finding:
    """Return whether two deviations can move the AIC as much as printed, and what correlation that takes."""
    low = change.likelihood_ratio[0]
    tops = {
        rho: wald_range(ranges[0], ranges[1], (-rho, rho))[1] * SPARE_FACTOR + SPARE
        for rho in (0.0, ORDINARY_CORRELATION, POSSIBLE_CORRELATION)
    }
    numbers += [
        (
            f"largest likelihood ratio at correlation {rho:g}, with a tenth and {SPARE:g} to spare",
            f"{top:.3g}",
        )
        for rho, top in tops.items()
    ]
    share = change.change.ends[1] / float(change.cells[0].printed)
    rows = f"{_ROWS}: {100 * share:.1f} % fewer rows lower AIC as much"
    if low <= tops[ORDINARY_CORRELATION]:
        return _finding(
            change, AuditVerdict.CONSISTENT, "the printed deviations can move AIC so", numbers, ()
        )
    needed = needed_correlation(ranges[0], ranges[1], (low - SPARE) / SPARE_FACTOR)
    if low <= tops[POSSIBLE_CORRELATION]:
        reasoning = f"it takes estimates of level and slope that correlate by {needed:.2f} or more"
        return _finding(change, AuditVerdict.CANNOT_TELL, reasoning, numbers, (rows, _REML))
    reasoning = "no effect as small as printed can move AIC so far"
    return _finding(change, AuditVerdict.INCONSISTENT, reasoning, numbers, (rows, _REML, "a slip"))


def _check_nested(change: AicChange) -> Finding:
    """Check two nested models against each other, neither being the other's reference."""
    low, high = change.likelihood_ratio
    numbers = [("likelihood ratio on the same rows", f"{span(low, high)} on {change.added}")]
    if high < 0.0:
        reasoning = "the larger model cannot fit worse on the same rows"
        return _finding(change, AuditVerdict.INCONSISTENT, reasoning, numbers, (_ROWS, _REML, "a slip"))
    p = [float(special.chdtrc(change.added, max(value, 0.0))) for value in (high, low)]
    numbers.append(("p of the likelihood ratio", span(p[0], p[1])))
    return _finding(change, AuditVerdict.CONSISTENT, "the larger model fits no worse", numbers, ())


def _finding(
    change: AicChange,
    verdict: AuditVerdict,
    reasoning: str,
    numbers: list[tuple[str, str]],
    alternatives: tuple[str, ...],
) -> Finding:
    smaller, larger = change.cells
    return Finding(
        check="AIC against estimates"
        if change.larger.reference == change.smaller.id
        else "AIC of nested models",
        where=f"{larger.table}: {larger.row} against {smaller.row}",
        printed=f"{larger.printed} | {smaller.printed}",
        verdict=verdict,
        reasoning=reasoning,
        numbers=tuple(numbers),
        alternatives=alternatives,
    )
