"""Standardised effects bound the estimate behind them where their standardiser is stated."""

from __future__ import annotations

import dataclasses

import pytest

from bayes_alliance.dev.dialects import TABLE
from bayes_alliance.dev.invented import invent_table
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.cell_posterior import cell_posteriors
from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.published.standardised import standardised_constraints
from bayes_alliance.study.records import Cell, Study

SEED = 4


def _study(printed: str, *, divisor: float, keep: bool = True) -> tuple[Study, Cell]:
    """An invented study with a d beside (or in place of) the estimate of its first slope deviation."""
    study = invent_table(SEED, "interval").study
    cell = next(
        e.cell
        for e in printed_effects(study)
        if e.role == "slope_deviation" and e.parsed.value is not None and e.cell.quantity == "estimate"
    )
    d = dataclasses.replace(cell, quantity="cohen_d", column="d", printed=printed)
    assert not d.fault
    mine = (cell.model, cell.coefficient)
    others = tuple(c for c in study.cells if keep or (c.model, c.coefficient) != mine)
    legends = tuple(
        dataclasses.replace(one, standardiser=divisor) if TABLE in one.tables else one
        for one in study.publication.legends
    )
    publication = dataclasses.replace(study.publication, legends=legends)
    return dataclasses.replace(study, cells=(*others, d), publication=publication), cell


def _effect(study: Study, cell: Cell) -> PrintedEffect:
    key = (cell.model, cell.coefficient)
    return next(e for e in printed_effects(study) if (e.cell.model, e.cell.coefficient) == key)


def _middle(study: Study, cell: Cell) -> float:
    region = _effect(study, cell).region
    assert region is not None
    return float(region.weight @ region.estimate)


def _findings(study: Study) -> list[Finding]:
    return [f for f in audit_study(study).findings if f.check == "standardised effect against estimate"]


def test_a_standardised_effect_narrows_the_estimate() -> None:
    """With many digits it leaves the estimate in d times the SD give or take half of its last digit times the SD."""
    plain, cell = _study("0.1", divisor=0.0)
    middle = _middle(plain, cell)
    divisor = 2.0
    study, cell = _study(f"{middle / divisor:.7f}", divisor=divisor)
    region, before = _effect(study, cell).region, _effect(plain, cell).region
    assert region is not None and before is not None
    d = round(middle / divisor, 7)
    assert region.rim_estimate.min() >= divisor * (d - 0.51e-7) - 1e-12
    assert region.rim_estimate.max() <= divisor * (d + 0.51e-7) + 1e-12
    assert region.area < 0.01 * before.area
    assert "standardised effect times 2" in " ".join(_effect(study, cell).constraints)
    assert [f.verdict for f in _findings(study)] == [AuditVerdict.CONSISTENT]


def test_a_standardised_effect_alone_has_a_posterior() -> None:
    """D with its interval, and no estimate: the region is that of the estimate and its interval printed in points."""
    divisor = 4.0
    study, cell = _study("0.50 (95% CI 0.10 to 0.90)", divisor=divisor, keep=False)
    found = [p for p in cell_posteriors(study, ["neutral"]) if p.effect.cell.coefficient == cell.coefficient]
    found = [p for p in found if p.effect.cell.model == cell.model]
    assert len(found) == 1
    region = found[0].effect.region
    assert region is not None
    assert region.weight @ region.estimate == pytest.approx(divisor * 0.5, rel=0.01)
    # The half-width over a quantile of t between that of the fewest degrees of freedom and the Normal's.
    assert divisor * 0.39 / 2.3 < region.weight @ region.se < divisor * 0.41 / 1.95


def test_without_a_standardiser_nothing_is_concluded() -> None:
    """It is then only audited against itself."""
    study, cell = _study("9.99", divisor=0.0)
    assert not standardised_constraints(study)
    assert not _findings(study)
    assert _middle(study, cell) == _middle(_study("0.1", divisor=0.0)[0], cell)


def test_a_standardised_effect_of_another_estimate_is_found() -> None:
    """A planted fault: the estimate divided by the SD is another number; the posterior rests on the estimate."""
    plain, cell = _study("0.1", divisor=0.0)
    middle = _middle(plain, cell)
    study, cell = _study(f"{1.5 * middle / 2.0 + 0.5:.3f}", divisor=2.0)
    assert [f.verdict for f in _findings(study)] == [AuditVerdict.INCONSISTENT]
    assert _middle(study, cell) == pytest.approx(middle)
