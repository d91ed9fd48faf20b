"""The audit: planted faults are found, honest tables pass, and the built-in study's findings stand."""

import dataclasses
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bayes_alliance.dev.false_alarms import count_false_alarms, format_false_alarms
from bayes_alliance.dev.invented import invent_table
from bayes_alliance.dev.published_recovery import count_agreement, recover
from bayes_alliance.inference.collapsed import fit_collapsed
from bayes_alliance.inference.ml import compare_shares
from bayes_alliance.published.aic import aic_changes
from bayes_alliance.published.aic_forensics import forensics
from bayes_alliance.published.audit import Audit, audit_study
from bayes_alliance.published.count_checks import _check_denominators, largest_total, possible_counts
from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.group_checks import _mean_p, _student_p, _welch_p, fisher_p
from bayes_alliance.published.interaction import subgroup_contrasts
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.number_text import parse_number
from bayes_alliance.study.publication import Publication
from bayes_alliance.study.records import Cell, Study


@pytest.fixture(scope="module")
def folmo() -> Study:
    """Load the built-in study."""
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def audit(folmo: Study) -> Audit:
    """Audit the built-in study."""
    return audit_study(folmo)


@pytest.fixture(scope="module")
def honest() -> Study:
    """Invent a study in which the group differs in its slope and everything is printed honestly."""
    for seed in range(200):
        study = invent_table(seed).study
        cell = find(study, "by_group", "months:group")
        crossed = any(model.id == "crossed" for model in study.models)
        if (
            cell.printed.endswith("***")
            and find(study, "by_score", "score_centred").printed == "ns"
            and crossed
        ):
            return study
    raise AssertionError("no such table among 200")


def find(study: Study, model: str, coefficient: str = "", quantity: str = "estimate") -> Cell:
    """Find one cell of a model."""
    return next(
        c for c in study.cells if (c.model, c.coefficient, c.quantity) == (model, coefficient, quantity)
    )


def reprint(study: Study, cell: Cell, printed: str) -> Study:
    """Print one cell differently."""
    changed = dataclasses.replace(cell, printed=printed)
    return dataclasses.replace(study, cells=tuple(changed if c is cell else c for c in study.cells))


def restate(study: Study, fact_id: str, **changes: str) -> Study:
    """State one fact differently."""
    facts = tuple(dataclasses.replace(f, **changes) if f.id == fact_id else f for f in study.facts)
    return dataclasses.replace(study, facts=facts)


def faults(study: Study, check: str) -> tuple[Finding, ...]:
    """Return the inconsistencies of one kind."""
    return tuple(f for f in audit_study(study).of(AuditVerdict.INCONSISTENT) if f.check == check)


def test_honest_table_has_no_fault(honest: Study) -> None:
    """An honestly printed table has nothing inconsistent."""
    assert audit_study(honest).of(AuditVerdict.INCONSISTENT) == ()


def test_impossible_percentage(honest: Study) -> None:
    """A percentage that no count gives is found, and only where percentages are of all patients."""
    cell = next(c for c in honest.cells if c.quantity == "percent" and c.group == "good")
    total = next(int(f.printed) for f in honest.facts if f.id == "n_good")
    missing = next(p for p in range(1, 99) if not possible_counts(parse_number(str(p)).interval(), total))
    planted = reprint(honest, cell, str(missing))
    assert len(faults(planted, "percentage")) == 1
    valid = dataclasses.replace(planted.publication, valid_percent=True)
    assert faults(dataclasses.replace(planted, publication=valid), "percentage") == ()


def test_a_percentage_cut_off_is_an_alternative(honest: Study) -> None:
    """Where no count rounds to a percentage but one falls to it by dropping decimals, the finding says so."""
    cell = next(c for c in honest.cells if c.quantity == "percent" and c.group == "good")
    total = next(int(f.printed) for f in honest.facts if f.id == "n_good")
    cut = next(
        k
        for k in range(1, total)
        if not possible_counts(parse_number(str(100 * k // total)).interval(), total) and 100 * k // total > 0
    )
    found = faults(reprint(honest, cell, str(100 * cut // total)), "percentage")
    said = f"cut off instead of rounded: {cut} of {total} is {100 * cut / total:.2f} %"
    assert len(found) == 1 and said in found[0].alternatives


def test_wrong_share_of_the_text(honest: Study) -> None:
    """A percentage that contradicts its own count is found."""
    share = int(next(f.printed for f in honest.facts if f.id == "share_poor"))
    assert len(faults(restate(honest, "share_poor", printed=str(share + 2)), "percentage in the text")) == 1


def test_share_of_those_whom_another_share_speaks_of(folmo: Study, audit: Audit) -> None:
    """85 % of 65 or 66 (58 % of 113) or 62 (58 % of 107) can be had; of fifteen patients 90 % cannot."""
    found = {f.where: f for f in audit.findings if f.check == "percentage in the text"}
    finding = next(f for where, f in found.items() if "mild or no impairment on WSAS, share" in where)
    assert finding.verdict is AuditVerdict.CONSISTENT
    assert dict(finding.numbers) == {"of 62": "53", "of 65": "55", "of 66": "56"}
    few = restate(restate(folmo, "share_mild_wsas", printed="13"), "share_wsas_good", printed="90")
    planted = [f for f in faults(few, "percentage in the text") if "WSAS, share" in f.where]
    assert len(planted) == 1 and set(dict(planted[0].numbers).values()) == {"none"}


def test_counts_that_do_not_add_up(honest: Study) -> None:
    """Parts that do not add up to their total are found."""
    total = int(next(f.printed for f in honest.facts if f.id == "n_all"))
    assert len(faults(restate(honest, "n_all", printed=str(total + 5)), "counts that add up")) == 1


def test_impossible_mean(honest: Study) -> None:
    """A mean that no whole sum gives is found."""
    planted = restate(restate(honest, "mean_visits", printed="3.333(1.8)"), "n_all", printed="50")
    assert len(faults(planted, "mean of whole numbers")) == 1


def test_size_of_a_subgroup(honest: Study) -> None:
    """Of 64 and 63 only 63 gives 71 % and 43 %; no size gives 71 % and 72 %, and then nobody can tell."""
    size = next(f for f in honest.facts if f.id == "n_good")
    sizes = tuple(dataclasses.replace(size, id=f"n_{n}", printed=n) for n in ("64", "63"))
    cell = next(c for c in honest.cells if c.quantity == "percent" and c.group == "good")
    found = []
    for texts in (("71", "43"), ("71", "72")):
        cells = tuple(dataclasses.replace(cell, row=text, printed=text) for text in texts)
        found += _check_denominators(dataclasses.replace(honest, cells=cells, facts=sizes), "good")
    assert [f.verdict for f in found] == [AuditVerdict.CONSISTENT, AuditVerdict.CANNOT_TELL]
    assert found[0].reasoning.endswith("can be had of 63")
    assert found[1].numbers == (
        ("percentages possible of 64", "1 of 2"),
        ("percentages possible of 63", "1 of 2"),
    )


@pytest.mark.parametrize(("first", "second"), [((6, 84), (10, 64)), ((0, 84), (3, 64)), ((23, 80), (33, 64))])
def test_t_tests_of_zeros_and_ones_are_scipys(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Both t tests of shares agree with SciPy's on the patients' zeros and ones."""
    counts = [np.array([float(value)]) for value in (*first, *second)]
    ones = [np.repeat([1.0, 0.0], [k, n - k]) for k, n in (first, second)]
    for own, equal in ((_student_p, True), (_welch_p, False)):
        assert own(*counts)[0] == pytest.approx(stats.ttest_ind(*ones, equal_var=equal).pvalue, rel=1e-9)


def test_means_that_may_be_equal_leave_a_p_of_one(honest: Study) -> None:
    """26 and 26.2 may stand for one number, though no end of the one interval is an end of the other."""
    first, second = (c for c in honest.cells if c.quantity == "mean_sd")
    pair = [dataclasses.replace(c, printed=text) for c, text in ((first, "26(6)"), (second, "26.2(6.0)"))]
    assert max(_mean_p(honest, *pair)["Student's t test"]) == pytest.approx(1.0)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
def test_fishers_exact_test_is_scipys(k: int, j: int, n: int, m: int) -> None:
    """For any two shares the two-sided p is SciPy's."""
    first, second = (min(k, n), n), (min(j, m), m)
    table = [[first[0], n - first[0]], [second[0], m - second[0]]]
    assert fisher_p(first, second) == pytest.approx(float(stats.fisher_exact(table).pvalue), rel=1e-6)


@pytest.mark.parametrize("quantity", ["percent", "mean_sd"])
def test_star_without_a_difference(honest: Study, quantity: str) -> None:
    """A star on two groups that do not differ is found, for shares and for means."""
    pair = [c for c in honest.cells if c.quantity == quantity and c.group in ("good", "poor")]
    text = pair[0].printed.rstrip("*")
    planted = reprint(reprint(honest, pair[0], text), pair[1], text + "*")
    assert len(faults(planted, "test of two groups")) == 1


def test_missing_star_of_groups(honest: Study) -> None:
    """Two groups that differ by far and bear no star are found."""
    pair = [c for c in honest.cells if c.quantity == "mean_sd"]
    planted = reprint(reprint(honest, pair[0], "20.0(5.0)"), pair[1], "40.0(5.0)")
    assert len(faults(planted, "test of two groups")) == 1


@pytest.mark.parametrize("printed", ["-0.02(0.05)*", "-0.02(0.01)***", "-0.50(0.01)*"])
def test_star_that_the_digits_exclude(honest: Study, printed: str) -> None:
    """Stars that no pair of estimate and SE printing so can have are found, too many and too few alike."""
    possible = {"-0.02(0.01)***": "-0.020(0.010)***"}
    planted = reprint(honest, find(honest, "by_group", "months:group"), possible.get(printed, printed))
    assert len(faults(planted, "estimate and SE against stars")) == 1


def test_missing_star_of_an_estimate(honest: Study) -> None:
    """A deviation many SEs from zero without a star is found."""
    planted = reprint(honest, find(honest, "by_group", "months:group"), "-0.50(0.01)")
    assert len(faults(planted, "estimate without a star")) == 1


def test_same_digits_different_stars(honest: Study) -> None:
    """Equal digits with one and with three stars are found where rounding leaves no room for both."""
    planted = reprint(honest, find(honest, "by_group", "months:group"), "-0.040(0.010)***")
    planted = reprint(planted, find(planted, "by_score", "months:score_centred"), "-0.040(0.010)*")
    assert len(faults(planted, "same digits, different stars")) == 1
    roomy = reprint(planted, find(planted, "by_group", "months:group"), "-0.03(0.01)***")
    roomy = reprint(roomy, find(roomy, "by_score", "months:score_centred"), "-0.03(0.01)*")
    assert faults(roomy, "same digits, different stars") == ()


def test_one_coefficient_printed_twice(honest: Study) -> None:
    """A coefficient printed a second time with another star, or other digits, is found."""
    cell = find(honest, "by_group", "months:group")
    for printed in ("ns", "9.99(0.01)***"):
        again = dataclasses.replace(cell, column="again", printed=printed)
        planted = dataclasses.replace(honest, cells=(*honest.cells, again))
        assert len(faults(planted, "one coefficient printed twice")) == 1


def test_rows_changed(honest: Study) -> None:
    """An AIC that falls by far more than two ns deviations allow is found, and rows are named."""
    cell = find(honest, "by_score", quantity="aic")
    found = faults(reprint(honest, cell, str(int(int(cell.printed) * 0.92))), "AIC against estimates")
    assert found and any("different rows" in text for text in found[0].alternatives)


def test_aic_too_small_a_change(honest: Study) -> None:
    """Three stars beside an AIC that did not move are found."""
    planted = reprint(honest, find(honest, "by_group", "months:group"), "-0.080(0.010)***")
    reference = find(planted, "growth", quantity="aic").printed
    planted = reprint(planted, find(planted, "by_group", quantity="aic"), reference)
    assert len(faults(planted, "AIC against estimates")) == 1


def test_aic_does_not_bound_what_both_models_hold() -> None:
    """A model's AIC against its reference's says nothing of a coefficient that the reference has too.

    The interaction lowers AIC by 4.2, so that its |t| is at most 2.8; the difference in level, with t = -3.1, is in
    both models. lme on these data prints both.
    """
    study = load_study("shea2023")
    (change,) = (c for c in aic_changes(study, only_reference=True) if c.larger.id == "sex_growth")
    assert change.adds("years:girl") and not change.adds("girl")
    (level,) = (
        e for e in printed_effects(study) if e.model.id == "sex_growth" and e.cell.coefficient == "girl"
    )
    assert level.region is not None and not any("AIC" in said for said in level.constraints)
    assert not faults(study, "AIC against estimates")


def test_larger_model_fits_worse(honest: Study) -> None:
    """An AIC of a larger model above what its parameters cost is found, against any nested model."""
    cell = find(honest, "crossed", quantity="aic")
    planted = reprint(honest, cell, str(int(cell.printed) + 500))
    for check in ("AIC of nested models", "AIC against estimates"):
        found = faults(planted, check)
        assert found and all("cannot fit worse" in finding.reasoning for finding in found), check


def test_impossible_explained_variation(honest: Study) -> None:
    """More than all of a variance explained is found; less than none is possible."""
    cell = find(honest, "by_group", quantity="explained_slope")
    assert len(faults(reprint(honest, cell, "104"), "explained variation")) == 1
    assert faults(reprint(honest, cell, "-30"), "explained variation") == ()


@pytest.mark.parametrize("said", ["> 0.1", "= 0.40"])
def test_text_against_table(honest: Study, said: str) -> None:
    """A p value of the text that the cell's stars exclude is found."""
    planted = restate(honest, "p_by_group_months_group", printed=said)
    assert len(faults(planted, "text against table")) == 1


def test_text_against_ns(honest: Study) -> None:
    """'p < 0.05' in the text beside 'ns' in the table is found."""
    planted = restate(honest, "p_by_score_score_centred", printed="< 0.05")
    assert len(faults(planted, "text against table")) == 1


@pytest.mark.slow
def test_false_alarms() -> None:
    """On honest tables fewer than 1 % of the checks say inconsistent (1,000 tables by the script)."""
    found = count_false_alarms(range(5000, 5040))
    assert found.tables == 40 and found.checks > 1000
    assert found.rate < 0.01, list(format_false_alarms(found))


@pytest.mark.slow
def test_posterior_from_the_table_recovers_that_from_the_data() -> None:
    """At least 95 % of full-data means, SDs and interval ends lie in their bands (more by the script)."""
    found = list(
        recover(
            range(7000, 7012),
            lambda design, rows, priors, seed: fit_collapsed(design, rows, priors, seed=seed),
        )
    )
    assert sum(one.inside for one in found) / len(found) >= 0.95
    assert {"slope, printed", "slope deviation, printed", "slope deviation, ns"} <= set(
        count_agreement(found)
    )


@pytest.mark.slow
def test_forensics_keep_the_truth() -> None:
    """How an honest table was computed (ML, all patients) is hardly ever excluded, line by line."""
    lines = [
        line
        for seed in range(300, 330)
        for combination in forensics(invent_table(seed).study)
        if combination.dialect == "ml"
        for line in combination.lines
    ]
    assert len(lines) > 100
    assert sum(line.possible is False for line in lines) / len(lines) < 0.01


def test_percentages_and_counts() -> None:
    """43 % is 63 or 64 of 148 and nothing of 64 gives 71 %, though of 63 something does."""
    assert possible_counts(parse_number("43").interval(), 148) == [63, 64]
    assert possible_counts(parse_number("71").interval(), 64) == []
    assert largest_total(parse_number("71").interval(), 64) == 63
    assert possible_counts(parse_number("12.5").interval("half_even"), 8) == [1]


EXPECTED = {
    ("percentage in the text", "43 %, n = 64"),
    ("percentage in the text", "2.5 %"),
    ("percentage in the text", "67 %"),
    ("counts that add up", "107 + 42 of 155"),
    ("test of two groups", "7 | 16*"),
    ("test of two groups", "0 | 5"),
    ("estimate without a star", "2.02(0.9)"),
    ("AIC against estimates", "4171 | 4532"),
    ("text against table", "p < 0.05 | 2.02(0.9)"),
}


def test_findings_on_the_built_in_study(audit: Audit) -> None:
    """The built-in study's inconsistencies are those that were checked by hand, each with alternatives."""
    found = audit.of(AuditVerdict.INCONSISTENT)
    assert {(f.check, f.printed) for f in found} == EXPECTED
    assert all(f.alternatives and f.reasoning for f in found)


def test_paranoid_pd_by_hand(audit: Audit) -> None:
    """6 of 84 against 10 of 64: Pearson's p is 0.0997; nothing that prints so reaches 0.05."""
    finding = next(f for f in audit.findings if f.printed == "7 | 16*")
    assert dict(finding.numbers)["Pearson's chi-square"] == "p 0.0536 to 0.146"
    assert compare_shares((6, 84), (10, 64)).p == pytest.approx(0.0997, abs=1e-4)
    assert compare_shares((0, 84), (3, 64)).p == pytest.approx(0.0451, abs=2e-4)


def test_rounding_explains_what_looks_odd(audit: Audit) -> None:
    """-0.54 (0.3)* (t of 1.8 by its digits) and the two -0.03(0.01) with different stars are possible."""
    odd = [f for f in audit.findings if f.printed in ("-0.54 (0.3)*", "-0.03 (0.01)*** | -0.03(0.01)*")]
    assert len(odd) == 2 and all(f.verdict is AuditVerdict.CONSISTENT for f in odd)


def test_interaction_of_the_built_in_study(folmo: Study) -> None:
    """'In poor outcome, but not in good outcome' leaves room for no difference and for a large one."""
    (found,) = subgroup_contrasts(folmo)
    assert found.estimand.name == "moderation"
    assert found.t.low < -1.96 and found.t.high > 0.0
    assert 0.2 < found.share_significant < 0.6


def test_interaction_by_hand(folmo: Study) -> None:
    """The SE of the silent effect is scaled by the patients: 10 of 64 and 6 of 84 with paranoid PD."""
    (found,) = subgroup_contrasts(folmo)
    assert found.ratio == pytest.approx(((1 / 6 + 1 / 78) / (1 / 10 + 1 / 54)) ** 0.5)


def test_forensics_of_the_built_in_study(folmo: Study) -> None:
    """Under ML on all patients every AIC but that of months of work is possible; UN and VC give the same."""
    found = {(c.dialect, c.sample.id, c.covariance): c for c in forensics(folmo)}
    assert len(found) == 12
    assert found["ml", "all", "UN"].impossible == ("gaf_work",)
    for dialect in ("ml", "spss_reml", "lme4_reml"):
        for sample in ("all", "end_gaf"):
            pair = [found[dialect, sample, kind] for kind in ("UN", "VC")]
            assert pair[0].impossible == pair[1].impossible


def test_audit_is_fast_and_light() -> None:
    """The whole audit runs in under 5 s, from the shell, without importing PyMC."""
    code = (
        "import sys; from bayes_alliance.cli.main import main; code = main(['audit', 'folmo2020', '--json']);"
        "heavy = {'pymc', 'bambi', 'arviz', 'numba', 'matplotlib', 'scipy.stats'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    # seconds of the processor, which other work on the machine does not stretch as it does those of the clock
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5.0


def test_a_study_without_facts(folmo: Study) -> None:
    """Without facts and without a word on how to read the tables, only an impossible AIC is left to find."""
    bare = dataclasses.replace(folmo, facts=(), publication=Publication())
    found = audit_study(bare)
    assert {f.check for f in found.of(AuditVerdict.INCONSISTENT)} <= {"AIC against estimates"}
    assert all(f.verdict is AuditVerdict.NOT_TESTABLE for f in found.findings if f.check == "percentage")
    assert len(forensics(bare)) == 6
    assert subgroup_contrasts(bare) == []


def test_findings_are_ordered_by_weight(folmo: Study) -> None:
    """Tests and estimates first, counts next, percentages and means last."""
    audit = audit_study(folmo)
    found = [finding.check for finding in audit.of(AuditVerdict.INCONSISTENT)]
    weights = [finding.weight for finding in audit.of(AuditVerdict.INCONSISTENT)]
    assert weights == sorted(weights, reverse=True) and set(weights) == {0, 1, 2}
    assert (
        found.index("AIC against estimates")
        < found.index("counts that add up")
        < found.index("percentage in the text")
    )
