"""What goes into a paper: within the limits, with the numbers of the run."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.paper import MAX_WORDS, count_words, format_robustness, write_paper
from bayes_alliance.show.report import write_first_report
from bayes_alliance.show.report.refresh import mark_study, refresh_report
from bayes_alliance.show.tables import build_tables
from bayes_alliance.show.tables.effects import paper_lines, tabulate_effects
from bayes_alliance.show.tables.readable import is_wide
from bayes_alliance.show.tables.workbook import format_workbook
from tests.results_fixture import build_results
from tests.show.test_narrative import BEST, claim, facts


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return build_results()


def test_the_table_of_effects_has_the_numbers_of_the_run_and_stands_upright(results: StudyResults) -> None:
    """Posterior and P(negligible) are recomputed from the draws; the table needs no landscape page."""
    table = tabulate_effects(results, paper_lines(results))
    run = results.run("tasks_outcome")
    assert run is not None and run.posterior is not None
    draws = 36.0 * run.posterior.combine([("months:poor_outcome", 1.0)])
    row = next(
        i
        for i, text in enumerate(table.column("predictor"))
        if "poor minus good" in str(text) and "Tasks" in str(text)
    )
    assert table.column("posterior")[row] == pytest.approx(float(np.median(draws)), abs=1e-9)
    size = dict(results.study.publication.smallest_difference)["tasks"]
    assert table.column("p_negligible")[row] == pytest.approx(float(np.mean(np.abs(draws) < size)))
    assert not is_wide(table)


def test_the_robustness_report_keeps_to_its_limit(results: StudyResults) -> None:
    """With a hundred main findings too; the words of the display item are not counted."""
    table = tabulate_effects(results, paper_lines(results))
    many = facts(*(claim(f"finding {i}", BEST) for i in range(100)))
    text, _, display = format_robustness(results, many, table).partition("\n|")
    assert count_words(text) <= MAX_WORDS
    assert display.count("\n|") <= 8
    assert results.study.citation in text and f"--seed {results.seed}" in text


def test_a_study_without_claims_gets_the_table_alone(results: StudyResults, tmp_path: Path) -> None:
    """Word, LaTeX and HTML; no text about claims that there are not."""
    written = write_paper(results, tmp_path, None)
    assert {path.name for path in written} == {
        "table_effects.docx",
        "table_effects.tex",
        "table_effects.html",
    }
    more = write_paper(results, tmp_path, facts(claim("a", BEST)))
    assert {path.name for path in more} - {path.name for path in written} == {
        "results.md",
        "robustness_report.md",
    }


def test_the_workbook_holds_every_table_at_full_precision_and_no_formula(results: StudyResults) -> None:
    """A sheet a table, numbers as numbers, the same bytes each time."""
    tables = build_tables(results)
    raw = format_workbook(tables)
    assert raw == format_workbook(tables)
    book = openpyxl.load_workbook(io.BytesIO(raw))
    assert len(book.sheetnames) == len(tables)
    table = next(table for table in tables if table.id == "estimands")
    sheet = book["estimands"]
    names = [cell.value for cell in sheet[3]]
    wanted = [v for v in table.column("bayes_median") if v is not None]
    found = [row[names.index("bayes_median")].value for row in sheet.iter_rows(min_row=4)]
    assert [v for v in found if v is not None][: len(wanted)] == pytest.approx(wanted)
    assert not any(cell.data_type == "f" for one in book for row in one.iter_rows() for cell in row)


def test_a_page_is_refreshed_only_for_its_own_study(results: StudyResults, tmp_path: Path) -> None:
    """Claims that come later show on the page; a page of another study stays as it is."""
    study = results.study
    page = write_first_report(study, tmp_path, printed=None, facts=None, command="again", pending="")
    before = page.read_text(encoding="utf-8")
    assert mark_study(study) in before and '<section id="stress"' not in before
    (tmp_path / "stress").mkdir()
    (tmp_path / "stress" / "later.csv").write_text("provenance,a\nsynthetic: x,1\n", encoding="utf-8")
    assert refresh_report(tmp_path, study, None) == page
    after = page.read_text(encoding="utf-8")
    assert '<section id="stress"' in after and 'href="#stress"' in after
    page.write_text(before.replace(mark_study(study), "other 123"), encoding="utf-8")
    assert refresh_report(tmp_path, study, None) is None
    assert "other 123" in page.read_text(encoding="utf-8")
