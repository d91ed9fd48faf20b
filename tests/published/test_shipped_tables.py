"""Published tables that ship, entered as printed: what the audit finds in each was worked out by hand."""

from __future__ import annotations

import dataclasses
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.errors import InputError
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.study.load_study import load_study, models_folder

# By hand, from the printed digits:
# Lindqvist: atanh of the limits -0.29 and 0.38 lie around +0.05, so the printed -0.05 has the wrong sign.
# O'Keefe: the same contrast, once with SE .08 and once with SE 0.06.
# Kokkeler: the t of the three interactions with time are the SEs again. 6.3/2.6 = 2.42 and p = 0.017 belong together,
# not 2.6; 5.6/2.7 = 2.07 and p = 0.041, not 2.7; 0.6/4.7 = 0.13 and p = 0.902, not 4.7; adjusted, t 2.5 needs a p of
# 0.011 or more.
# Hothorn: 2.22e-16 is 2**-52; 2 (1 - Phi(8.212)) is 2.16e-16 to 2.18e-16.
# Espel-Huynh: nothing inconsistent; (808,590.9 - 808,568.9)/2 = 11 parameters, and exp((808,699.6 - 808,568.9)/11) is
# about 144,500 rows, as the residual degrees of freedom 144,505 + 11 say.
FOUND = {
    "lindqvist2020": {("interval of a component", "2: Correlation")},
    "okeefe2013": {
        (
            "one coefficient printed twice",
            "3: AS MI coding, intercept: AS NMI and 3: AS NMI coding, intercept: AS MI",
        )
    },
    "espel_huynh2024": set(),
    "bates2015": set(),
    "shea2023": set(),
    "fox2019": set(),
    "galecki2013": set(),
    "pinheiro2000": set(),
    "davidian_armd": set(),
    "unemployment": set(),
    "hothorn2014": {
        ("p against test statistic", "13.3: bdi.pre"),
        ("p against estimate and SE", "13.3: bdi.pre"),
    },
    "kokkeler2020": {
        ("test statistic against estimate and SE", "4: Class A × Time"),
        ("p against test statistic", "4: Class A × Time"),
        ("test statistic against estimate and SE", "4: Class B × Time"),
        ("p against test statistic", "4: Class B × Time"),
        ("test statistic against estimate and SE", "4: Class D × Time"),
        ("p against test statistic", "4: Class D × Time"),
    },
}


@pytest.mark.parametrize("name", sorted(FOUND))
def test_audit_of_published_tables(name: str) -> None:
    """The audit finds in each table what a check by hand finds, and nothing else."""
    findings = audit_study(load_study(name)).findings
    assert {(f.check, f.where) for f in findings if f.verdict is AuditVerdict.INCONSISTENT} == FOUND[name]
    assert len(findings) >= 14


def test_parameters_and_rows_are_solved_for() -> None:
    """Deviance, AIC and BIC of the cohort imply 11, 15 and 19 parameters and its 144,516 rows."""
    findings = audit_study(load_study("espel_huynh2024")).findings
    parameters = [f for f in findings if f.check == "AIC against −2LL"]
    assert [f.reasoning.split(" parameters")[0].split()[-1] for f in parameters] == ["11", "15", "19"]
    rows = [f for f in findings if f.check == "BIC against likelihood"]
    for finding in rows:
        low, high = (float(end) for end in finding.numbers[0][1].split(" to "))
        assert low < 144_516 < high or low * 0.995 < 144_516 < high * 1.005


def test_posteriors_of_a_table_with_intervals() -> None:
    """The slope difference of the trial has a region from its interval: SE about 0.22/1.96."""
    effects = {e.cell.coefficient: e for e in printed_effects(load_study("lindqvist2020"))}
    region = effects["weeks:ipdt"].region
    assert region is not None
    assert float(region.weight @ region.se) == pytest.approx(0.22 / 1.96, rel=0.05)


def test_studies_without_data_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    """What needs data is refused for a study of printed cells alone, with what works instead."""
    assert main(["reanalyse", "lindqvist2020"]) == 2
    assert "printed cells and no data" in capsys.readouterr().err


def test_legends_are_read_from_a_study_file(tmp_path: Path) -> None:
    """Every key of [[published.tables]] reaches the cells of its table; a wrong value is named."""
    folder = tmp_path / "study"
    shutil.copytree(models_folder() / "lindqvist2020", folder)
    file = folder / "study.toml"
    text = file.read_text(encoding="utf-8")
    keys = (
        'ci_level = 90\nci_rounding = "outward"\nci_method = "other"\nrounding = "truncated"\ndecimals = 2\ntails = 1\n'
        'brackets = "se"\nplus_minus = "sd"\ndecimal = "point"\nmarks = { "†" = "< .10", "a" = "" }\n'
    )
    file.write_text(text.replace("ci_level = 95 ", keys + "# "), encoding="utf-8")
    cell = next(c for c in load_study(folder).cells if c.quantity == "ci")
    assert cell.parsed.ci is not None
    assert (cell.parsed.ci.level, cell.parsed.ci.outward, cell.parsed.ci.symmetric) == (
        Decimal("0.9"),
        True,
        False,
    )
    assert cell.parsed.ci.lower.rule == "truncated"
    assert dict(cell.legend.marks) == {"†": "< .10", "a": ""}
    for wrong, word in (
        ("ci_level = 0", "ci_level"),
        ('decimal = "dot"', "decimal"),
        ('marks = { "a" = "x" }', "marks"),
    ):
        file.write_text(text.replace("ci_level = 95 ", f"{wrong}\n# "), encoding="utf-8")
        with pytest.raises(InputError, match=word):
            load_study(folder)


def test_tests_of_several_coefficients() -> None:
    """A p value that chi-square and its degrees of freedom exclude is found; an F on two needs both."""
    study = load_study("kokkeler2020")
    cell = next(c for c in study.cells if c.quantity == "p" and c.printed == "0.003" and not c.coefficient)
    planted = dataclasses.replace(cell, printed="0.030")
    changed = dataclasses.replace(study, cells=tuple(planted if c is cell else c for c in study.cells))
    found = [
        f
        for f in audit_study(changed).findings
        if f.check == "p of a test of several coefficients" and f.verdict is AuditVerdict.INCONSISTENT
    ]
    assert len(found) == 1
