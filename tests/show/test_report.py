"""The report: escaped, whole, without any address but links, and true to the records."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.assess.prior_predictive import prior_predictive
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.run.results import EnsembleFacts, StudyResults
from bayes_alliance.show import report as report_package
from bayes_alliance.show.claims_json import SCHEMA
from bayes_alliance.show.plots.write import write_figures
from bayes_alliance.show.report import Report, build_report, render_report, write_report
from bayes_alliance.show.report.cautions import list_cautions
from bayes_alliance.show.report.checklist import fill_checklist
from bayes_alliance.show.report.companions import ROOMS, read_companions, view_claims
from bayes_alliance.show.report.first_screen import describe_checks
from bayes_alliance.show.report.methods import tabulate_priors
from bayes_alliance.show.report.prior_implications import tabulate_implications
from bayes_alliance.show.report.record import Companion
from bayes_alliance.show.report.views import view_figure
from bayes_alliance.show.tables.text import format_csv
from bayes_alliance.show.tables.write import write_table
from bayes_alliance.study.records import Study
from tests.results_fixture import build_results, built_page, fail_gate
from tests.show.test_table_forms import hostile_table
from tests.small_study import small_data, small_settings, small_study

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>$\\frac{1}$'


class _Tags(HTMLParser):
    """Collects tags with their attributes, ids and what links lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def parse(text: str) -> _Tags:
    found = _Tags()
    found.feed(text)
    return found


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return build_results()


@pytest.fixture(scope="module")
def report(results: StudyResults, tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("run")
    return build_report(results, folder)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render_report(report)


def test_headings_of_columns_hold_no_links() -> None:
    """A script makes buttons of them, and a link inside a button is no control for readers of screens."""
    folder = Path(report_package.__file__).parent
    for template in sorted(folder.glob("*.jinja")):
        heads = re.findall(r'<th scope="col".*?</th>', template.read_text(encoding="utf-8"))
        assert not [head for head in heads if "<a " in head], template.name


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    """No source, style sheet, import or address of another file; links lead within the page or to a DOI."""
    found = parse(page)
    for tag, attributes in found.tags:
        assert "src" not in attributes, tag
        if tag == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes:
            assert str(attributes["href"]).startswith(("#", "https://doi.org/")), attributes
    assert "@import" not in page and not re.search(r"url\((?!#)", page)
    policy = next(
        a for t, a in found.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert str(policy["content"]).startswith("default-src 'none'")


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(page: str) -> None:
    """Every #link has its target, and no id stands twice."""
    found = parse(page)
    ids = [str(a["id"]) for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"])[1:] for t, a in found.tags if t == "a" and str(a.get("href")).startswith("#")}
    assert targets <= set(ids)


def hostile_study(study: Study) -> Study:
    """Put markup, script and TeX wherever a study file may have text."""
    models = tuple(
        replace(
            model,
            label=f"{model.label} {HOSTILE}",
            note=HOSTILE,
            estimands=tuple(replace(e, label=f"{e.label} {HOSTILE}") for e in model.estimands),
        )
        for model in study.models
    )
    variables = tuple(replace(v, label=f"{v.label} {HOSTILE}", unit=HOSTILE) for v in study.variables)
    priors = tuple(replace(p, label=HOSTILE, tag=HOSTILE) for p in study.priors)
    return replace(
        study,
        title=HOSTILE,
        citation=HOSTILE,
        time_unit="months",
        models=models,
        variables=variables,
        priors=priors,
    )


def test_hostile_labels_are_text_in_the_page_and_its_figures(tmp_path: Path) -> None:
    """Run on a study full of markup, the page has its own two scripts' worth of tags and no other."""
    study = hostile_study(small_study())
    data = small_data(study)
    data = replace(data, origin=HOSTILE)
    found = run_study(study, data, small_settings(models=("growth", "paranoid")))
    found = replace(
        found,
        notes=(HOSTILE,),
        skipped=(SkippedModel(model_id="age", reason=HOSTILE),),
    )
    figures = write_figures(found, tmp_path / "figures", kinds=("svg",)).result()
    page = write_report(found, tmp_path, figures=figures).read_text(encoding="utf-8")
    tags = parse(page).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert "img" not in [tag for tag, _ in tags]
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert page.count("alert(&#34;x&#34;)") + page.count("alert(&quot;x&quot;)") > 10
    assert "<img" not in page


def test_every_answer_has_the_numbers_of_its_records(results: StudyResults, report: Report) -> None:
    """The contrast of Tasks: ML, Bayes, the share beyond half a point, and the intervals come from the run."""
    run = results.run("tasks_outcome")
    assert run is not None and run.posterior is not None
    answer = next(a for a in report.answers if a.key == "tasks_outcome-deviation_poor_outcome")
    draws = 36.0 * run.posterior.combine([("months:poor_outcome", 1.0)])
    facts = dict(answer.facts)
    shown = facts["Posterior over the horizon"].replace("\N{MINUS SIGN}", "-")
    low, high = (float(x) for x in re.search(r"90 % (\S+) to ([^;]+)", shown).groups())  # type: ignore[union-attr]
    assert low == pytest.approx(np.quantile(draws, 0.05), abs=0.006)
    assert high == pytest.approx(np.quantile(draws, 0.95), abs=0.006)
    share = float(np.mean(draws < -0.5))
    assert f"probability {share:.3f}." in answer.sentence or share > 0.999
    assert answer.printed.replace("\N{MINUS SIGN}", "-") == "-1.08(0.36)*** [cell: -0.03 (0.01)*** per month]"
    rope = float(np.mean(np.abs(draws) < 0.25))
    assert (
        f"within \N{PLUS-MINUS SIGN}0.25: {'<0.001' if rope < 0.001 else f'{rope:.3f}'}"
        in facts["Probability of a negligible effect (ROPE)"]
    )
    assert {line.prior for line in answer.priors} == {
        "neutral", "weakly_sceptical", "sceptical", "enthusiastic", "pessimistic", "robust"
    }  # fmt: skip


def test_an_answer_of_a_model_not_run_says_so(report: Report) -> None:
    """Its printed numbers stand, and no number of another model takes their place."""
    answer = next(a for a in report.answers if a.key.startswith("gaf_work"))
    assert "The model was not run on these data." in answer.sentence
    assert (answer.ml, answer.bayes) == ("", "")


def test_a_failed_check_is_marked_and_listed_first(results: StudyResults, tmp_path: Path) -> None:
    """The answer bears the dagger, the list of warnings begins with it, and the first screen names the model."""
    failed = build_report(fail_gate(results, "tasks_outcome"), tmp_path)
    assert failed.cautions[0].level == "failed"
    assert next(a for a in failed.answers if a.key == "tasks_outcome-deviation_poor_outcome").marked
    label = results.study.model("tasks_outcome").label
    assert f"FAILED ({label})" in failed.first.checks


def test_every_warning_of_the_run_is_in_the_list(results: StudyResults) -> None:
    """Each check that did not pass, each skipped model and each note is there, whatever its level."""
    found = list_cautions(results)
    ranking = [check for check in results.checks if "(new_visit_conditional)" not in check.name]
    for check in ranking:
        if check.status != "pass":
            assert any(c.where == check.model_id and c.what.startswith(check.name) for c in found)
    others = [check for check in results.checks if check not in ranking]
    rough = sum(check.status != "pass" for check in others)
    counted = [c for c in found if c.where == f"{rough} of {len(others)} models"]
    assert len(counted) == bool(rough)
    for skipped in results.skipped:
        assert any(c.where == skipped.model_id and c.advice == skipped.reason for c in found)
    for note in results.notes:
        assert any(c.what == note.removeprefix("warning: ") for c in found)


def test_a_failed_check_of_the_cohorts_is_said(results: StudyResults) -> None:
    """In the list of warnings and in the line on the computation; a passed one in neither."""
    check = {"name": "tilt", "what": "mean z", "low": -2.0, "high": 2.0, "value": 3.2, "where": "ppd"}
    for passed in (True, False):
        facts = EnsembleFacts(checks=({**check, "passed": passed},))
        changed = dataclasses.replace(results, ensemble=facts)
        assert any("mean z: 3.2" in c.what for c in list_cautions(changed)) != passed
        assert ("1 of 1 checks of the synthetic cohorts" in describe_checks(changed)) != passed


def test_the_checklist_fills_or_gives_a_reason(results: StudyResults, report: Report) -> None:
    """Fifty items, each with words; without a posterior the items that need one are open and say so."""
    assert [item.number for item in report.checklist] == list(range(1, 51))
    assert all(item.answer.strip() for item in report.checklist)
    assert {item.status for item in report.checklist} == {"filled", "in part", "open"}
    bare = build_results(("tasks_growth", "tasks_outcome"), engine="none")
    items = {item.number: item for item in fill_checklist(bare, (), n_audited=0)}
    assert items[10].status == "open" and "No posterior" in items[10].answer
    assert items[26].status == "open"
    assert {n: item.status for n, item in items.items() if n in (15, 40)} == {15: "filled", 40: "filled"}


def test_items_of_mixed_models_rest_on_the_run(results: StudyResults, report: Report) -> None:
    """Counts at both levels, tests of random slopes, singular fits and figures are those of the run."""
    items = {item.number: item for item in report.checklist}
    rows = max((run.rows for run in results.runs), key=lambda rows: rows.n_rows)
    assert f"{rows.n_rows} assessments within {rows.n_patients} patients" in items[41].answer
    tested = sum(run.slope_test is not None for run in results.runs)
    assert (items[43].status == "open") == (tested == 0)
    singular = [run.model.label for run in results.runs if run.ml.singular or run.reml.singular]
    assert ("none singular" in items[46].answer) == (not singular)
    assert all(label in items[46].answer for label in singular[:8])
    assert (items[49].status == "filled") == bool(results.study.figures)


def test_the_checklist_knows_what_the_claims_tried(results: StudyResults) -> None:
    """Stress tests that were run with the claims are not called missing."""
    topics = (
        "Sensitivity to the prior",
        "Sensitivity to the likelihood",
        "Missing data: assumption",
        "Influence of",
    )
    tried = ("missing scores", "priors for change", "single patients")
    claims = Companion(key="claims", title="Claims", missing="", tried=tried)
    items = [i for i in fill_checklist(results, (claims,), n_audited=0) if i.topic.startswith(topics)]
    assert [item.status for item in items] == ["filled", "open", "in part", "in part"]
    for item, word in zip(
        items, ("priors for change", "not run", "missing scores", "single patients"), strict=True
    ):
        assert word in item.answer


def test_counts_of_few_patients_are_not_in_the_checklist(results: StudyResults, report: Report) -> None:
    """Patients by number of assessments: a class of fewer than five is not counted out."""
    answer = next(item for item in report.checklist if item.number == 4).answer
    counts = [int(n) for n in re.findall(r"(\d+) with", answer)]
    assert counts and min(counts) >= 5


def test_rooms_without_results_have_no_section_and_are_named_with_their_command(
    report: Report, page: str
) -> None:
    """Claims, stress tests and simulations are absent, and listed under how to reproduce the report."""
    assert [companion.key for companion in report.companions] == [room.key for room in ROOMS]
    for companion in report.companions:
        assert companion.missing.startswith("Not run")
        assert companion.missing.split(".")[0] in page
        assert f'<section id="{companion.key}"' not in page and f'href="#{companion.key}"' not in page


def claims_json(digest: str) -> dict[str, Any]:
    """Return the file of the command claims with one claim of one part."""
    part = {
        "id": "a", "about": "Tasks", "label": "Slope", "unit": "points", "claimed": "below 0, by 0.5 points to matter",
        "verdict": "supported", "median": -1.07,
        "lower": -1.62, "upper": -0.53, "p_direction": 0.9999, "p_matters": 0.97, "p_rope": 0.03, "reason": "",
        "trace": {"engine": "cell", "models": ["tasks_outcome"], "prior": "neutral", "n_draws": 4000},
    }  # fmt: skip
    result = {"verdict": "supported", "sure": 0.99, "reason": "", "parts": [part]}
    change = {"family": "belief about change", "says": "sceptical prior", "verdict": "contradicted"}
    claim = {
        "id": "tasks", "says": "<b>Tasks</b> fell", "place": "Results", "published": "p < 0.001", "untestable": "",
        "main": True, "note": "", "printed": result, "printed_under": {"sceptical": result}, "mixture": None,
        "synthetic": {
            "verdicts": {"supported": 9, "contradicted": 1}, "commonest": "supported", "cohorts": {"one": result},
        },
        "real": None, "first_change": "sceptical prior: contradicted", "changes": [change],
        "kept": ["single patients"], "multiverse": {"supported": 30, "contradicted": 10},
    }  # fmt: skip
    rows = {"source": "synthetic", "origin": "another cohort", "digest": digest}
    return {
        "schema": SCHEMA, "study": "folmo2020", "horizon": "36 months", "depth": "full", "rows_at_hand": rows,
        "remarks": [], "claims": [claim],
    }  # fmt: skip


def test_results_of_other_commands_are_shown_where_they_lie(results: StudyResults, tmp_path: Path) -> None:
    """Claims come first, with their verdicts by source; tables come as readers see them; all of it escaped."""
    folder = tmp_path / "claims"
    (folder / "multiverse").mkdir(parents=True)
    (folder / "multiverse" / "kept.csv").write_text("provenance,a\nx,1\n", encoding="utf-8")
    (folder / "claims.json").write_text(json.dumps(claims_json(results.data_digest)), encoding="utf-8")
    write_table(hostile_table(), folder)
    (folder / "plain.csv").write_text(
        "provenance,verdict,p,n\nsynthetic: x,<i>,0.98765432,12\n", encoding="utf-8"
    )
    found = build_report(results, tmp_path)
    claims = found.companions[0]
    assert (claims.missing, claims.remarks) == ("", ())
    (claim,) = claims.claims
    assert (claim.printed, claim.synthetic) == ("supported", "supported 9/10, contradicted 1/10")
    assert claim.multiverse == "75 % of 40"
    assert claim.parts[0][3] == "\N{MINUS SIGN}1.07 [\N{MINUS SIGN}1.62, \N{MINUS SIGN}0.53]"
    assert [table.name for table in claims.tables] == ["hostile", "plain"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in claims.tables[0].html
    assert "0.988" in claims.tables[1].html and ">12<" in claims.tables[1].html
    page = render_report(found)
    assert "&lt;b&gt;Tasks&lt;/b&gt; fell" in page and "<b>Tasks" not in page
    assert page.index('id="claim-tasks"') < page.index('id="answers"')
    assert page.index('id="answer"') < page.index("Main findings") < page.index('id="claim-tasks"')
    assert "Not overturned by: single patients" in page
    assert next(item for item in found.checklist if item.number == 1).status == "filled"
    assert all(companion.missing for companion in read_companions(tmp_path / "nowhere", results.study))


def _moved(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a source says with another median."""
    return result | {"parts": [one | {"median": -0.5} for one in result["parts"]]}


def test_a_claim_shows_the_verdict_of_each_source_and_where_a_change_starts() -> None:
    """The mixture stands beside printed numbers; a start with another verdict than the one above is said to be so."""
    facts = claims_json("")
    (claim,) = facts["claims"]
    (plain,) = view_claims(facts)
    assert (plain.mixture, plain.start) == ("", "")
    mixture = claim["printed"] | {"verdict": "likely"}
    other, same = (claim | {"mixture": mixture, "base": base} for base in ("likely", "supported"))
    shown = [*view_claims(facts | {"claims": [other]}), *view_claims(facts | {"claims": [same]})]
    assert [one.mixture for one in shown] == ["likely", "likely"]
    assert [one.start for one in shown] == [
        "From likely on one synthetic cohort (the verdict above, supported, is from printed numbers)",
        "From supported on one synthetic cohort",
    ]
    assert [part[0] for part in shown[0].parts] == [
        "printed numbers (the same under the sceptical prior)",
        "mixture of synthetic cohorts",
        "synthetic one",
    ]
    (moved,) = view_claims(
        facts | {"claims": [claim | {"printed_under": {"sceptical": _moved(claim["printed"])}}]}
    )
    assert [part[0] for part in moved.parts][:2] == ["printed numbers", "printed numbers, sceptical prior"]


def test_claims_of_other_rows_and_files_that_cannot_be_read_are_said(
    results: StudyResults, tmp_path: Path
) -> None:
    """A file of another run, of a later schema or of no sense is named in the warnings, and stops nothing."""
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "ragged.csv").write_text("provenance,a\nx\n", encoding="utf-8")
    (folder / "claims.json").write_text(json.dumps(claims_json("other")), encoding="utf-8")
    found = build_report(results, tmp_path)
    said = [caution.what for caution in found.cautions if caution.where == "claims"]
    assert said[0] == "claims/ragged.csv could not be read (no table of this package)."
    assert "other rows than those of this run (another cohort)" in said[1]
    broken = f'{{"schema": {SCHEMA}, "claims": [{{}}], "rows_at_hand": {{}}}}'
    for text in ('{"schema": 1, "claims": []}', "[1", broken):
        (folder / "claims.json").write_text(text, encoding="utf-8")
        remark = read_companions(tmp_path, results.study)[0].remarks[-1]
        assert remark.startswith("claims.json")


def test_priors_say_what_they_imply(results: StudyResults) -> None:
    """95 % of Normal(0, 3) over the horizon is -5.88 to 5.88; half-normal(1.5) is below 2.94."""
    table = tabulate_priors(results)
    rows = [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]
    mine = {r["parameter"]: r for r in rows if r["prior"] == "neutral" and r["outcome"] == "Tasks"}
    assert mine["Effect on the slope"]["implies"] == "-5.88 to 5.88 points over 36 months"
    assert mine["SD of slopes"]["implies"] == "below 2.94 points over 36 months"
    low = 2.0 * stats.beta.ppf(0.025, 2, 2) - 1.0
    assert str(mine["Correlation"]["implies"]).startswith(f"{low:.3f}")
    assert rows[0]["prior"] == results.prior
    assert format_csv(table).startswith("provenance,prior,")


def test_every_prior_of_the_suite_says_what_it_implies(results: StudyResults, page: str) -> None:
    """Tasks by hand: neutral and SDs three times as wide, before data and over 36 months; Bambi's of change."""
    table = tabulate_implications(results)
    rows = [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]
    tasks = {r["prior"]: r for r in rows if r["outcome"] == "Tasks"}
    names = [one.label for one in prior_suite(results.study)]
    assert list(tasks) == names
    neutral, wide = tasks[names[0]], tasks["SDs 3 times as wide"]
    for row, factor in ((neutral, 1.0), (wide, 3.0)):
        assert row["change"] == "-2.94 to 2.94 points"
        assert row["difference"] == "-5.88 to 5.88 points"
        # The median of a half-normal of scale 1.5 is 0.6745 times 1.5.
        assert float(str(row["sd_change"]).split()[0]) == pytest.approx(1.0117 * factor, rel=0.02)
        assert row["outside_baseline"] == pytest.approx(_outside(1.5 * factor, 0.0), abs=0.012)
        # Level and slope with their own correlation of mean zero: 1.5 squared of the slope comes on top.
        assert row["outside_horizon"] > row["outside_baseline"]
    assert tasks["Flat effects"]["difference"] == "-588 to 588 points"
    growth = next(r for r in results.runs if r.design.x_names == ("Intercept", "months"))
    if growth.model.outcome == "tasks":
        sd = 36.0 * 2.5 * growth.design.y.std() / growth.design.x[:, 1].std()
        assert tasks["Bambi's automatic"]["change_sd"] == pytest.approx(sd)
    assert "Every prior of the suite" in page


def _outside(sd_level: float, sd_slope: float) -> float:
    """Share outside 1 to 7 of a Normal around 4.5, its variance with half-normal level and residual SDs."""
    at = (np.arange(400) + 0.5) / 400
    a, s = np.meshgrid(stats.halfnorm.ppf(at, scale=sd_level), stats.halfnorm.ppf(at, scale=1.0))
    spread = np.sqrt(1.5**2 + a**2 + s**2 + sd_slope**2)
    return float(np.mean(stats.norm.cdf(1.0, 4.5, spread) + stats.norm.sf(7.0, 4.5, spread)))


def test_named_estimands_stand_in_the_table_of_priors(results: StudyResults) -> None:
    """What the enthusiast states of Tasks by outcome, with the sign of print."""
    table = tabulate_priors(results)
    rows = [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]
    stated = [p for p in results.study.priors if p.estimands]
    assert stated
    for prior in stated:
        found = [r for r in rows if r["prior"] == prior.name and ": " in str(r["parameter"])]
        assert [(r["location"], r["scale"]) for r in found] == [pair for _, _, pair in prior.estimands]


def test_the_prior_predictive_share_is_that_of_its_normal() -> None:
    """With all SDs but one next to nothing, the share outside is the tail of that one Normal."""
    study = small_study()
    scales = replace(
        study.priors[0].scales[0][1],
        intercept=(4.0, 1.5), slope=(0.0, 1e-6), sd_intercept=1e-9, sd_slope=1e-9, sigma=1e-9,
    )  # fmt: skip
    study = replace(study, priors=(replace(study.priors[0], scales=(("goals", scales),)),))
    found = prior_predictive(study, "goals", "neutral", seed=1, count=200_000)
    expected = stats.norm.cdf(1.0, 4.0, 1.5) + stats.norm.sf(7.0, 4.0, 1.5)
    assert found.baseline == pytest.approx(expected, abs=0.002)
    assert found.horizon == pytest.approx(expected, abs=0.002)
    wider = prior_predictive(study, "goals", "neutral", seed=1, count=1000)
    assert wider.sd_change == pytest.approx(0.0, abs=1e-6)


def test_the_page_says_how_to_make_it_again(results: StudyResults, page: str) -> None:
    """Command, seed, engine, prior, and versions stand in it; a date does not."""
    assert (
        f"bayes-alliance reanalyse folmo2020 --engine collapsed --prior neutral --seed {results.seed}" in page
    )
    assert "<dt>numpy</dt>" in page
    assert not re.search(r"20\d\d-\d\d-\d\dT", page)


def test_the_same_run_gives_the_same_page(results: StudyResults, page: str, tmp_path: Path) -> None:
    """Byte for byte."""
    assert render_report(build_report(results, tmp_path)) == page


def test_figures_stand_in_the_page_with_their_words() -> None:
    """Inline, with the alternative text of the file, ids of their own, and values on their marks."""
    path = built_page()
    drawings = list((path.parent / "figures").glob("*.svg"))
    text = path.read_text(encoding="utf-8")
    tags = parse(text).tags
    images = [a for t, a in tags if t == "svg"]
    assert len(images) == len(drawings) > 10
    assert all(len(str(a["aria-label"])) > 60 and a["role"] == "img" for a in images)
    ids = [str(a["id"]) for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert text.count('<g class="value"><title>') > 50


def test_a_file_that_is_no_figure_of_this_package_is_refused(tmp_path: Path) -> None:
    """Rather than put into the page."""
    (tmp_path / "x.svg").write_text("<html><script>1</script></html>")
    with pytest.raises(ValueError, match="has an element 'html'"):
        view_figure(tmp_path / "x.svg")


def test_a_drawing_with_a_script_is_named_and_not_shown(results: StudyResults, tmp_path: Path) -> None:
    """Nor is the name of a file a tag: a folder that somebody else filled puts nothing on the page."""
    folder = tmp_path / "stress"
    folder.mkdir()
    evil = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400pt" height="300pt" viewBox="0 0 400 300">'
        "<script>alert(2)</script></svg>"
    )
    for name in ("evil.svg", "<img src=x onerror=alert(3)>.svg"):
        (folder / name).write_text(evil, encoding="utf-8")
    page = render_report(build_report(results, tmp_path))
    assert "alert(2)" not in page and "<img src=x" not in page
    assert "stress/evil.svg could not be read" in page and "&lt;img src=x onerror=alert(3)&gt;.svg" in page
