"""The blind test of studies with open data: print alone, the tables again, posteriors and verdicts by data."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.register import Held, RegisterEntry, blind_test
from bayes_alliance.claims.register_calibration import agreement_by_kind, clopper_pearson
from bayes_alliance.claims.register_check import is_registered
from bayes_alliance.claims.register_mixture import draw_mixture
from bayes_alliance.cli.main import main
from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.dev.register_page import FIGURE, put_register
from bayes_alliance.published.cell_posterior import cell_posteriors
from bayes_alliance.run.printed_again import READINGS, PrintedAgain, print_again
from bayes_alliance.show.plots.register import tabulate_agreement
from bayes_alliance.show.register_json import register_json
from bayes_alliance.study.load_study import list_studies, load_study, models_folder

pytestmark = pytest.mark.slow

STUDIES = (
    "bates2015",
    "davidian_armd",
    "egsingle",
    "fox2019",
    "galecki2013",
    "hothorn2014",
    "pinheiro2000",
    "shea2023",
    "unemployment",
    "verbeke2000",
)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def entries() -> dict[str, RegisterEntry]:
    """Every registered study after its blind test."""
    studies = [load_study(name) for name in STUDIES]
    return {s.id: blind_test(s, load_data(s, None, seed=2020), seed=2020) for s in studies}


def test_registered_studies_are_those_with_table_claims_and_data() -> None:
    """Medication has no printed table, Folmo no open data, the others no data at all."""
    assert tuple(name for name in list_studies() if is_registered(load_study(name))) == STUDIES


def test_every_table_prints_again(entries: dict[str, RegisterEntry]) -> None:
    """Every number that a fit can give prints again, to the last digit or to what stopping rules leave."""
    counts = {
        name: (
            sum(one.met for one in entry.again),
            sum(one.close for one in entry.again),
            sum(not one.compared for one in entry.again),
            len(entry.again),
        )
        for name, entry in entries.items()
    }
    assert counts["hothorn2014"] == (58, 0, 0, 58)
    assert counts["bates2015"] == (21, 0, 0, 21)
    met, close, not_compared, every = counts["shea2023"]
    assert met + close + not_compared == every == 66 and not_compared == 11 and met >= 45
    for entry in entries.values():
        assert all(one.part == "df" for one in entry.again if not one.compared)
    assert counts["unemployment"] == (23, 0, 0, 23)
    assert counts["verbeke2000"] == (24, 0, 0, 24)
    # Stata's numbers are those of the maximum but for 7e-6 at most; lme4's of the largest model are not, as its
    # warning says.
    assert counts["egsingle"] == (97, 16, 0, 146)
    short = [o for o in entries["egsingle"].again if not (o.met or o.close) and "Stata" in o.cell.table]
    assert len(short) == 9 and max(one.off_by for one in short) < 7e-6
    lme4 = [o for o in entries["egsingle"].again if not (o.met or o.close) and "lme4" in o.cell.table]
    assert {o.cell.table for o in lme4} == {"Growth curve predictors (lme4)"}
    assert max(one.off_by for one in lme4) < 6e-4
    assert counts["galecki2013"] == (26, 0, 5, 31)
    met, close, not_compared, every = counts["fox2019"]
    assert met + close + not_compared == every == 41 and not_compared == 4 and met >= 34


def test_bic_of_nlme_under_reml_counts_rows_less_coefficients(entries: dict[str, RegisterEntry]) -> None:
    """3668.912 is -2 (-1807.068) + 8 ln(945 - 4); with ln 945, as in lme4, it would be 3668.946."""
    (bic,) = (o for o in entries["fox2019"].again if o.part == "bic" and o.cell.printed == "3668.912")
    assert bic.met
    assert bic.achieved == pytest.approx(2 * 1807.068 + 8 * math.log(945 - 4), abs=2e-3)


def test_the_way_of_printing_is_found_table_by_table(entries: dict[str, RegisterEntry]) -> None:
    """The summary of lme4 is by REML, its comparison of models by ML; nlme multiplies SEs by sqrt(n / (n - p))."""
    readings = Counter((one.cell.table, one.reading.name) for one in entries["bates2015"].again)
    assert readings == {("summary", "REML"): 13, ("anova", "ML"): 8}
    again = entries["shea2023"].again
    assert {one.reading.name for one in again} == {"ML, SEs as adjusted by nlme"}
    (se,) = (
        o for o in again if o.part == "SE" and o.cell.table == "fme6" and o.cell.coefficient == "years:girl"
    )
    # Balanced data: the ML standard error of a difference in slopes is that of regressing children's slopes on sex.
    rows = np.genfromtxt(
        models_folder() / "shea2023" / "Orthodont.csv", delimiter=",", skip_header=1, dtype=str
    )
    slopes, sexes = [], []
    for child in dict.fromkeys(rows[:, 0]):
        own = rows[rows[:, 0] == child]
        slopes.append(np.polyfit(own[:, 2].astype(float), own[:, 3].astype(float), 1)[0])
        sexes.append(own[0, 1] == "Female")
    slope, girl = np.array(slopes), np.array(sexes)
    residual = slope - np.where(girl, slope[girl].mean(), slope[~girl].mean())
    variance = residual @ residual / len(slope) * (1 / girl.sum() + 1 / (~girl).sum())
    assert se.achieved == pytest.approx(math.sqrt(variance * 108 / 104), rel=1e-5)


def test_a_wrong_digit_does_not_print_again(entries: dict[str, RegisterEntry]) -> None:
    """Of a table with one digit changed, that cell alone is listed, with its line."""
    study = load_study("hothorn2014")
    wrong = next(c for c in study.cells if c.coefficient == "btheb" and c.quantity == "se")
    cells = tuple(dataclasses.replace(c, printed="1.67136") if c is wrong else c for c in study.cells)
    found = print_again(dataclasses.replace(study, cells=cells), load_data(study, None, seed=2020))
    missed = [one for one in found if not one.met]
    assert [(one.cell.line, one.part) for one in missed] == [(wrong.line, "SE")]
    assert not missed[0].close and missed[0].achieved == pytest.approx(1.67036, abs=5e-6)


def test_close_is_not_met() -> None:
    """Digits beyond a millionth of a number are called close, and never met."""
    close, far = _again(1.0000004), _again(1.00001)
    assert (close.met, close.close) == (False, True)
    assert (far.met, far.close) == (False, False)


def _again(achieved: float) -> PrintedAgain:
    cell = load_study("bates2015").cells[0]
    return PrintedAgain(cell=cell, part="SE", reading=READINGS[0], low=0.99999, high=1.0, achieved=achieved)


def test_print_alone_tells_what_the_data_tell(entries: dict[str, RegisterEntry]) -> None:
    """One effect of 66 is missed, between the two sides of ten dogs; there the data's posterior is a fifth wider."""
    estimands = [one for entry in entries.values() for one in entry.estimands]
    assert len(estimands) == 66
    # p = 0.033 by REML and 0.975 for one sign by Bayes: the one effect on the edge of both rules.
    parted = {(one.study_id, one.cell.coefficient) for one in estimands if one.parts_company}
    assert parted <= {("unemployment", "months:unemployed")}
    (missed,) = (one for one in estimands if one.missed)
    assert (missed.study_id, missed.cell.coefficient) == ("pinheiro2000", "right")
    assert missed.sd_ratio == pytest.approx(1.22, abs=0.06) and "times as wide" in missed.reason
    others = [one for one in estimands if one.study_id != "pinheiro2000"]
    assert all(0.4 < one.by_print.rank < 0.6 and one.by_print.share_within > 0.91 for one in others)
    assert min(one.sd_ratio for one in others) > 0.96 and max(one.sd_ratio for one in others) < 1.15
    judged = [one for entry in entries.values() for one in entry.verdicts if one.both]
    assert len(judged) == 35
    apart = [(one.study_id, one.claim_id) for one in judged if not one.agree]
    # 0.815 by print; 0.786 by the data (100,000 draws, either of two seeds): two sides of 0.80, and no matter of draws.
    # Sureness that this effect fades is 0.975 by the data, the limit itself, and 0.982 by print.
    assert [one for one in apart if one != ("unemployment", "effect_fades")] == [
        ("pinheiro2000", "side_same")
    ]
    side = next(one for one in judged if one.claim_id == "side_same")
    assert not side.real.near_edge and side.real.sure == pytest.approx(0.786, abs=0.01)


def _without_data(held: Held) -> tuple[float, ...]:
    return held.mean, held.sd, held.lower, held.upper


def test_the_mixture_tells_what_the_data_tell(entries: dict[str, RegisterEntry]) -> None:
    """Data sets are drawn for the six studies of two levels; none of 32 effects is missed, and widths are right."""
    drawn = {name for name, entry in entries.items() if entry.mixture.data_sets}
    assert drawn == {"bates2015", "fox2019", "galecki2013", "hothorn2014", "shea2023", "unemployment"}
    for name in set(STUDIES) - drawn:
        entry = entries[name]
        assert "not drawn" in entry.mixture.reason
        assert all(one.by_mixture is None for one in entry.estimands)
        assert all(one.mixture is None for one in entry.verdicts)
    held = [one.by_mixture for name in drawn for one in entries[name].estimands if one.by_mixture]
    assert len(held) == 32 and not any(one.missed for one in held)
    print_shares = [one.by_print.share_within for name in drawn for one in entries[name].estimands]
    # Print alone takes the variances as known, so that its intervals are a little short.
    assert np.mean([one.share_within for one in held]) == pytest.approx(0.95, abs=0.006)
    assert np.mean(print_shares) < np.mean([one.share_within for one in held])
    assert agreement_by_kind(list(entries.values()), "mixture")[-1].n == 32


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """Data sets that were drawn before are not drawn again, and the mixture is the same."""
    study = load_study("bates2015")
    effects = [("random_slope", "days", (("days", 1.0),))]
    said: list[str] = []
    whole = draw_mixture(study, effects, seed=1, data_sets=3)
    draw_mixture(study, effects, seed=1, data_sets=2, store=tmp_path)
    again = draw_mixture(study, effects, seed=1, data_sets=3, store=tmp_path, report=said.append)
    assert said[0] == "2 of 3 drawn data sets already computed"
    assert again.claims == whole.claims
    key = ("random_slope", "days")
    assert again.draws[key].tobytes() == whole.draws[key].tobytes()


def test_where_mixture_and_data_part(entries: dict[str, RegisterEntry]) -> None:
    """They part on slope variation, which a printed random-intercept model does not tell, and on an edge."""
    apart = {
        (one.study_id, one.claim_id)
        for entry in entries.values()
        for one in entry.verdicts
        if one.mixture_judges and not one.mixture_agrees
    }
    unprinted = {("galecki2013", "worse_slopes"), ("galecki2013", "patients_vary")}
    (edge,) = (v for v in entries["unemployment"].verdicts if v.claim_id == "effect_fades")
    # About 0.972 by the mixture and 0.976 by the data: two sides of 0.975, which Monte-Carlo error may turn into one.
    assert edge.mixture is not None and edge.mixture.sure == pytest.approx(edge.real.sure, abs=0.012)
    assert apart - {("unemployment", "effect_fades")} == unprinted
    for entry in entries.values():
        for one in entry.verdicts:
            if (one.study_id, one.claim_id) in unprinted:
                assert "shows the model that the data sets were drawn from" in one.reason


def test_where_nlme_stops_early(entries: dict[str, RegisterEntry]) -> None:
    """What does not print again of two nlme tables is off by less than 3 in 100,000; tighter, nlme prints ours."""
    for name in ("pinheiro2000", "davidian_armd"):
        left = [one for one in entries[name].again if one.compared and not one.met and not one.close]
        assert left and all(one.off_by < 3e-5 for one in left)
    # R 4.2, nlme 3.1-162, lmeControl(tolerance = 1e-14, msTol = 1e-14, opt = "optim"): 11.562578857, not 11.562598.
    (se,) = (o for o in entries["pinheiro2000"].again if o.cell.printed == "11.562598")
    assert se.achieved == pytest.approx(11.562578857, rel=2e-7)
    # The same versions, gls with nlminb (rel.tol = 1e-15, repeated from where it stops): 1.36741881, and t -2.2095058.
    again = {o.cell.printed: o.achieved for o in entries["davidian_armd"].again}
    assert again["1.367406"] == pytest.approx(1.36741881, rel=2e-8)
    assert again["-2.20953"] == pytest.approx(-2.2095058, rel=1e-7)


def test_print_is_judged_without_the_data(entries: dict[str, RegisterEntry]) -> None:
    """With other outcomes in the rows, everything that print alone says stays the same to the last bit."""
    study = load_study("bates2015")
    data = load_data(study, None, seed=2020)
    rng = np.random.default_rng(1)
    rows = data.rows.assign(reaction=data.rows["reaction"] + rng.normal(0.0, 2.0, len(data.rows)))
    other = blind_test(study, dataclasses.replace(data, rows=rows), seed=2020)
    for one, two in zip(entries["bates2015"].estimands, other.estimands, strict=True):
        assert _without_data(one.by_print) == _without_data(two.by_print)
        assert one.by_mixture and two.by_mixture
        assert _without_data(one.by_mixture) == _without_data(two.by_mixture)
        assert one.data_mean != two.data_mean
    for first, second in zip(entries["bates2015"].verdicts, other.verdicts, strict=True):
        assert repr(first.printed) == repr(second.printed)
        assert repr(first.mixture) == repr(second.mixture)


def test_foreign_data_are_a_miss(entries: dict[str, RegisterEntry]) -> None:
    """A posterior of the data that print's interval does not hold is a miss, and the reason says how far."""
    one = entries["bates2015"].estimands[1]
    held = dataclasses.replace(one.by_print, rank=0.999, share_within=0.2)
    moved = dataclasses.replace(one, data_mean=one.data_mean + 3 * one.by_print.sd, by_print=held)
    assert moved.missed and "SDs apart" in moved.reason
    held = dataclasses.replace(one.by_print, share_within=0.8)
    wide = dataclasses.replace(one, data_sd=1.5 * one.by_print.sd, by_print=held)
    assert wide.missed and "1.50 times as wide" in wide.reason
    assert not one.missed and one.reason == ""


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("facts.csv", ",18,count", ",19,count", "facts.csv, line 2"),
        ("cells.csv", "Days,Estimate,10.47", "Days,Estimate,20.47", "cells.csv, line 12"),
        ("claims.toml", 'estimand = "days"', 'estimand = "nights"', "claims.toml"),
        ("study.toml", "reaction ~ days + (days", "reaction ~ days + age + (days", "age"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, said: str
) -> None:
    """One message with file and row, exit code 2, nothing written."""
    folder = shutil.copytree(models_folder() / "bates2015", tmp_path / "study")
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    assert main(["register", str(folder), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == ""
    assert not list((tmp_path / "out").glob("register*"))


@pytest.mark.parametrize("name", ["lindqvist2020", "medication"])
def test_a_study_without_the_parts_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A table without data, and data without a table, name what is missing."""
    assert main(["register", name]) == 2
    said = capsys.readouterr().err
    assert (
        ("real data" in said) if name == "lindqvist2020" else ("cells.csv" in said and "claims.toml" in said)
    )


def test_the_command_writes_page_tables_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One page with the figure in it, tables as CSV and Markdown, the figure with its numbers; JSON on demand."""
    facts_file = tmp_path / "facts.json"
    assert main(["register", "bates2015", "--out", str(tmp_path), "--quiet", "--json", str(facts_file)]) == 0
    said = capsys.readouterr()
    assert "1 studies" not in said.out and "Print alone missed 0 of 2 effects" in said.out
    page = (tmp_path / "register.html").read_text(encoding="utf-8")
    assert "<svg" in page and "register_cells" in page and "Belenky" in page and "http-equiv" not in page
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "register.json",
        "register.svg",
        "register.png",
        "register.csv",
        "register_studies.csv",
        "register_estimands.md",
    } <= names
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    assert len(facts["tables"]["register_estimands"]) == 2


def test_the_page_of_the_documentation_is_up_to_date(entries: dict[str, RegisterEntry]) -> None:
    """The computed part of docs/register.md, and the numbers of its figure, are those of today's code.

    Words are the same to the letter; posteriors may differ by the Monte-Carlo error of other machines' arithmetic.
    """
    ordered = [entries[name] for name in STUDIES]
    written = (DOCS / "register.md").read_text(encoding="utf-8")
    made = put_register(written, ordered)
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
    assert number.sub("#", made) == number.sub("#", written), "run scripts/docs"
    for new, old in zip(number.findall(made), number.findall(written), strict=True):
        assert float(new) == pytest.approx(float(old), rel=0.05, abs=0.1), "run scripts/docs"
    rows = tabulate_agreement(ordered)
    with (DOCS / f"{FIGURE}.csv").open(encoding="utf-8") as file:
        stored = list(csv.DictReader(file))
    assert [(r["study"], r["effect"]) for r in stored] == [(r["study"], r["effect"]) for r in rows]
    for row, old_row in zip(rows, stored, strict=True):
        for name in ("print_lower", "print_upper", "data_mean", "data_lower", "data_upper"):
            assert float(str(row[name])) == pytest.approx(float(old_row[name]), abs=0.1), "run scripts/docs"


@pytest.mark.parametrize(("told", "of"), [(19, 19), (31, 32), (0, 5), (7, 20)])
def test_clopper_pearson_by_its_definition(told: int, of: int) -> None:
    """At each end of the interval so extreme a count has a probability of 2.5 %."""
    lower, upper = clopper_pearson(told, of)
    at_least = sum(math.comb(of, k) * lower**k * (1 - lower) ** (of - k) for k in range(told, of + 1))
    at_most = sum(math.comb(of, k) * upper**k * (1 - upper) ** (of - k) for k in range(told + 1))
    assert (at_least == pytest.approx(0.025)) if told else (lower == 0.0)
    assert (at_most == pytest.approx(0.025)) if told < of else (upper == 1.0)


def test_agreement_counts_misses(entries: dict[str, RegisterEntry]) -> None:
    """Kinds add up to all; an effect that is missed counts in its kind and in all."""
    entry = entries["shea2023"]
    *kinds, every = agreement_by_kind([entry])
    assert (sum(one.n for one in kinds), every.n, every.told) == (11, 11, 11)
    held = dataclasses.replace(entry.estimands[0].by_print, rank=0.999, share_within=0.2)
    moved = dataclasses.replace(entry.estimands[0], by_print=held)
    other = agreement_by_kind([dataclasses.replace(entry, estimands=(moved, *entry.estimands[1:]))])
    assert (other[-1].told, other[-1].within) == (10, (10, 10, 10))
    assert sum(one.told for one in other[:-1]) == 10


def test_records_for_machines(entries: dict[str, RegisterEntry]) -> None:
    """One record a claim, with both verdicts, where it was printed, the licence of the data and every digest."""
    records = register_json(list(entries.values()), 2020)["records"]
    assert len({one["id"] for one in records}) == len(records) == 45
    (one,) = (r for r in records if r["id"] == "hothorn2014#treatment_lower")
    assert (one["assertion"]["printed"]["verdict"], one["assertion"]["real"]["verdict"]) == (
        "likely",
        "likely",
    )
    assert one["assertion"]["agree"] is True
    assert one["provenance"]["data"]["licence"].startswith("GPL-2")
    assert len(one["provenance"]["data"]["digest"]) == 64 and one["provenance"]["place"] == "Figure 13.2"
    (unprinted,) = (r for r in records if r["id"] == "fox2019#girls_vary")
    assert unprinted["assertion"]["agree"] is None and unprinted["assertion"]["reason"] == "not printed"


def test_check_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing for a study that is complete; else each missing thing, each number that does not print again, and 3."""
    assert main(["register", "bates2015", "--check", "--quiet"]) == 0
    assert "21 of 21 printed numbers print again" in capsys.readouterr().out
    folder = shutil.copytree(models_folder() / "bates2015", tmp_path / "study")
    (folder / "README.md").unlink()
    for file, old, new in (
        ("study.toml", 'licence = "GPL-2 or later (as distributed in lme4)"\n', ""),
        ("cells.csv", ",654.9,residual", ",655.9,residual"),
    ):
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    assert main(["register", str(folder), "--check", "--quiet"]) == 3
    said = capsys.readouterr().out
    assert "key 'licence'" in said and "README.md" in said
    assert "20 of 21" in said and "cells.csv, line 7: residual 655.9 printed, 654.9" in said


def test_check_names_the_column_that_the_data_lack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message for the file, not one for each cell of each model."""
    folder = shutil.copytree(models_folder() / "hothorn2014", tmp_path / "study")
    text = (folder / "BtheB.csv").read_text(encoding="utf-8")
    (folder / "BtheB.csv").write_text(text.replace("treatment", "treatmnt", 1), encoding="utf-8")
    assert main(["register", str(folder), "--check", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "1 problem" in said
    assert "BtheB.csv, line 1: there is no column 'treatment'" in said and "did you mean 'treatmnt'?" in said


def test_a_sceptic_of_level_and_slope_is_misled_by_print_alone() -> None:
    """What docs/register.md tells of unemployment: 93 % by print, 74 % by the data, at the end of print's band."""
    study = load_study("unemployment")
    data, choices = load_data(study, None, seed=2020), load_choices(study)
    sceptic = next(one for one in prior_suite(study) if one.id == "sceptical")
    fitted = Evaluator(study, data, choices, seed=2020, variant=sceptic).fit("employment_slope").fit
    draws = study.horizon * fitted.combine((("months:unemployed", 1.0),)).ravel()
    assert float(np.mean(draws < 0)) == pytest.approx(0.74, abs=0.03)
    assert float(draws.mean()) == pytest.approx(-1.04, abs=0.12)
    (row,) = (
        row
        for row in cell_posteriors(study)
        if row.effect.cell.coefficient == "months:unemployed" and row.prior == "sceptical"
    )
    assert row.p_direction.value == pytest.approx(0.93, abs=0.005)
    assert abs(row.effect.unit) * row.mean.high == pytest.approx(-0.964, abs=0.02)
    assert row.p_direction.low < 0.73 < 0.93 < row.p_direction.high
