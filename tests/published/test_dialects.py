"""Tables in the dialects of journals: honest ones raise no alarm, planted faults of every kind are found."""

from __future__ import annotations

import dataclasses
import time
from decimal import Decimal

import pytest

from bayes_alliance.dev.dialects import DIALECTS, TABLE, Dialect
from bayes_alliance.dev.invented import invent_table
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.study.cell_in_words import describe_cell
from bayes_alliance.study.publication import Fact
from bayes_alliance.study.records import Cell, Study

SEED = 4


def find(study: Study, quantity: str, model: str = "by_group", coefficient: str = "") -> Cell:
    return next(
        c
        for c in study.cells
        if (c.table, c.quantity, c.model) == (TABLE, quantity, model) and coefficient in ("", c.coefficient)
    )


def reprint(study: Study, cell: Cell, printed: str) -> Study:
    """Print a cell otherwise, and check that it can still be read."""
    changed = dataclasses.replace(cell, printed=printed)
    assert not changed.fault, changed.fault
    return dataclasses.replace(study, cells=tuple(changed if c is cell else c for c in study.cells))


def inconsistent(study: Study, check: str) -> list[Finding]:
    return [
        f for f in audit_study(study).findings if f.check == check and f.verdict is AuditVerdict.INCONSISTENT
    ]


def moved(text: str, by: str) -> str:
    """A number with something added, in the same decimals."""
    mark = "," if "," in text else "."
    value = Decimal(text.replace(",", "."))
    return str((value + Decimal(by)).quantize(value)).replace(".", mark)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_honest_tables_raise_no_alarm(dialect: Dialect) -> None:
    """Honestly printed tables are consistent in every dialect, and every cell of them is read."""
    for seed in range(SEED, SEED + 3):
        study = invent_table(seed, dialect).study
        assert not [cell.fault for cell in study.cells if cell.fault]
        bad = [f for f in audit_study(study).findings if f.verdict is AuditVerdict.INCONSISTENT]
        assert not bad, bad


@pytest.mark.parametrize("dialect", DIALECTS)
def test_regions_hold_the_fit(dialect: Dialect) -> None:
    """The estimate and SE behind each row lie in its region's range, in every dialect."""
    table = invent_table(SEED, dialect)
    bounded = 0
    for effect in printed_effects(table.study):
        if effect.region is None or effect.borrowed:
            continue
        fit = table.fits[effect.model.id]
        weights = fit.weights(effect.weights)
        estimate, se = float(weights @ fit.beta), float((weights @ fit.beta_cov @ weights) ** 0.5)
        assert effect.region.rim_estimate.min() - 1e-9 <= estimate <= effect.region.rim_estimate.max() + 1e-9
        assert effect.region.rim_se.min() * (1 - 1e-9) <= se <= effect.region.rim_se.max() * (1 + 1e-9)
        bounded += 1
    assert bounded >= 3


def test_interval_moved(study_of: dict[Dialect, Study]) -> None:
    """An interval that does not lie around its estimate is found."""
    study = study_of["interval"]
    cell = find(study, "estimate", "growth", "Intercept")
    ci = cell.parsed.ci
    assert ci is not None
    wrong = moved(str(ci.upper.value), "1.5")
    found = inconsistent(
        reprint(study, cell, cell.printed.replace(str(ci.upper.value), wrong)), "interval against estimate"
    )
    assert len(found) == 1
    assert any("profile" in text for text in found[0].alternatives)


def test_interval_of_another_level(study_of: dict[Dialect, Study]) -> None:
    """An interval too narrow for its SE is found, with the level that would explain it."""
    study = study_of["comma"]
    cell = find(study, "estimate", "growth", "Intercept")
    planted = dataclasses.replace(cell, legend=dataclasses.replace(cell.legend, ci_level=Decimal("0.99")))
    changed = dataclasses.replace(study, cells=tuple(planted if c is cell else c for c in study.cells))
    found = inconsistent(changed, "interval against SE")
    assert len(found) == 1
    assert any("another level (90 %)" in text for text in found[0].alternatives)


def test_t_that_its_parts_exclude(study_of: dict[Dialect, Study]) -> None:
    """A t copied from the SE, of the wrong sign, or with another p is found."""
    study = study_of["t_df"]
    cell = find(study, "t", "growth", "Intercept")
    spread = find(study, "se", "growth", "Intercept")
    for printed in (spread.printed, f"-{cell.printed}"):
        assert inconsistent(reprint(study, cell, printed), "test statistic against estimate and SE")
    p = find(study, "p", "growth", "Intercept")
    assert inconsistent(reprint(study, p, "0.400"), "p against test statistic")
    assert inconsistent(reprint(study, p, "0.400"), "p against estimate and SE")


def test_one_sided_p_is_offered(study_of: dict[Dialect, Study]) -> None:
    """Half of the two-sided p is inconsistent, and the one-sided test is named as what explains it."""
    study = study_of["t_df"]
    for effect in printed_effects(study):
        p = next((c for c in effect.cells if c.quantity == "p"), None)
        if p is not None and p.printed[0] == "0" and 0.05 < float(p.printed) < 0.9:
            half = str((Decimal(p.printed) / 2).quantize(Decimal("0.001")))
            found = inconsistent(reprint(study, p, half), "p against test statistic")
            if found:
                assert "the p value is one-sided" in found[0].alternatives
                return
    raise AssertionError("no p value could be halved")


def test_f_and_p(study_of: dict[Dialect, Study]) -> None:
    """A p that the F and its degrees of freedom exclude is found."""
    study = study_of["f"]
    cell = find(study, "f", "growth", "Intercept")
    changed = cell.printed.split(", p")[0] + ", p = 0.500"
    assert inconsistent(reprint(study, cell, changed), "p against test statistic")


def test_z_row(study_of: dict[Dialect, Study]) -> None:
    """A z of other size than estimate over SE is found."""
    study = study_of["z"]
    cell = find(study, "estimate", "growth", "Intercept")
    z = cell.parsed.tests[0].value.value
    changed = cell.printed.replace(f"z = {z}", f"z = {z * 2}")
    assert inconsistent(reprint(study, cell, changed), "test statistic against estimate and SE")


@pytest.mark.parametrize(
    ("dialect", "quantity", "by", "check"),
    [
        ("interval", "aic", "1.1", "AIC against −2LL"),
        ("t_df", "aic", "7.01", "AIC against −2LL"),
        ("t_df", "bic", "90", "BIC against likelihood"),
        ("t_df", "bic", "-60", "BIC against likelihood"),
        ("t_df", "aicc", "4", "AICc against AIC"),
        ("z", "minus_2ll", "-40", "likelihood-ratio test"),
        ("z", "minus_2ll", "900", "−2LL of nested models"),
        ("interval", "icc", "0.3", "ICC against variances"),
        ("interval", "icc", "-2", "limits of a variance or correlation"),
        ("interval", "correlation", "2", "limits of a variance or correlation"),
        ("z", "correlation", "0.7", "correlation against covariance"),
        ("z", "covariance", "900", "covariance against variances"),
        ("z", "explained_intercept", "60", "explained variation against variances"),
    ],
)
def test_planted_faults_of_fit_and_variances(
    study_of: dict[Dialect, Study], dialect: Dialect, quantity: str, by: str, check: str
) -> None:
    """A slip in a measure of fit or a variance component is found by the check that is meant for it."""
    study = study_of[dialect]
    cell = find(study, quantity)
    planted = reprint(study, cell, moved(cell.printed, by))
    found = [
        f
        for f in audit_study(planted).findings
        if f.check == check and f.verdict is not AuditVerdict.CONSISTENT
    ]
    assert found, describe_cell(cell.parsed)
    if check != "ICC against variances":
        # With random slopes an ICC may be one at another time: that cannot be told.
        assert any(f.verdict is AuditVerdict.INCONSISTENT for f in found)


def test_likelihood_ratio_test_with_another_p(study_of: dict[Dialect, Study]) -> None:
    """A p that the chi-square and its degrees of freedom exclude is found."""
    study = study_of["z"]
    cell = find(study, "chi2")
    changed = cell.printed.split(", p")[0] + ", p = 0.999"
    assert inconsistent(reprint(study, cell, changed), "p of the likelihood-ratio test")


def test_variance_against_sd(study_of: dict[Dialect, Study]) -> None:
    """A variance that is not the square of the printed SD is found."""
    study = study_of["t_df"]
    sd = find(study, "sd", "growth", "Intercept")
    squared = str((Decimal(sd.printed) ** 2).quantize(Decimal("0.01")))
    for printed, bad in ((squared, 0), (str(Decimal(squared) * 2), 1)):
        variance = dataclasses.replace(sd, row="variance", quantity="variance", printed=printed)
        changed = dataclasses.replace(study, cells=(*study.cells, variance))
        assert len(inconsistent(changed, "variance against SD")) == bad


def test_whole_sample_between_its_subgroups(study_of: dict[Dialect, Study]) -> None:
    """A mean of the whole sample outside those of its subgroups is found; one between them is not."""
    study = study_of["stars"]
    parts = [c for c in study.cells if c.quantity == "mean_sd" and c.group]
    means = [float(c.parsed.value.value) for c in parts if c.parsed.value]
    sizes = [int(f.printed) for f in study.facts if f.id in ("n_good", "n_poor")]
    between = sum(m * n for m, n in zip(means, sizes, strict=True)) / sum(sizes)
    for mean, bad in ((between, 0), (max(means) + 2.0, 1)):
        whole = dataclasses.replace(parts[0], column="all", group="", printed=f"{mean:.1f}(6.0)")
        changed = dataclasses.replace(study, cells=(*study.cells, whole))
        assert len(inconsistent(changed, "subgroups against the whole sample")) == bad


@pytest.mark.parametrize(
    ("note", "printed", "verdict"),
    [
        ("whole numbers", "3.63(0.8)", AuditVerdict.INCONSISTENT),
        ("mean of 12 items", "3.63(0.8)", AuditVerdict.CONSISTENT),
        ("sum of 12 items", "3.63(0.8)", AuditVerdict.INCONSISTENT),
        ("mean of 2 items", "3.641(0.8)", AuditVerdict.INCONSISTENT),
        ("continuous", "41.37(9.2)", AuditVerdict.NOT_TESTABLE),
        ("", "41.37(9.2)", AuditVerdict.NOT_TESTABLE),
    ],
)
def test_grim_with_items(
    study_of: dict[Dialect, Study], note: str, printed: str, verdict: AuditVerdict
) -> None:
    """A mean is tested in the steps that the fact states, and not at all where it states none."""
    study = study_of["stars"]
    count = Fact(id="n_few", place="text", what="patients", printed="18", quantity="count")
    mean = Fact(
        id="score", place="text", what="score", printed=printed, quantity="mean_sd", of=("n_few",), note=note
    )
    changed = dataclasses.replace(study, facts=(*study.facts, count, mean))
    found = [f for f in audit_study(changed).findings if f.printed == printed]
    assert [f.verdict for f in found] == [verdict]


def test_a_large_table_is_audited_in_seconds(study_of: dict[Dialect, Study]) -> None:
    """A table of 200 cells and more is audited in under five seconds."""
    study = study_of["comma"]
    cells = tuple(
        dataclasses.replace(c, row=f"{c.row} {k}", table=f"{c.table}{k}")
        for k in range(4)
        for c in study.cells
    )
    assert len(cells) >= 200
    start = time.perf_counter()
    audit_study(dataclasses.replace(study, cells=cells[:200]))
    assert time.perf_counter() - start < 5.0


@pytest.fixture(scope="module")
def study_of() -> dict[Dialect, Study]:
    """One invented publication in every dialect."""
    return {dialect: invent_table(SEED, dialect).study for dialect in DIALECTS}
