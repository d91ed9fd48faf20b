"""No heading or label that a reader sees is an id of a model, a claim, a prior set or a column."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from bayes_alliance.show.id_names import name_ids, spell_ids, spell_table
from bayes_alliance.show.tables import build_tables
from bayes_alliance.study.load_study import load_study
from tests.results_fixture import build_results, built_page

_WORD = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_LABELS = {
    "h1", "h2", "h3", "h4", "summary", "figcaption", "caption", "th", "label", "option", "button", "dt", "legend",
    "text",
}  # fmt: skip
_VOID = {"meta", "link", "br", "img", "input", "hr", "use", "path", "rect", "circle"}
# Terms of ArviZ, spelled as its documentation spells them.
_TERMS = {"elpd_diff", "pareto_k", "pot_c"}


class _Labels(HTMLParser):
    """Collects the texts of headings and labels, those for screen readers included."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.said += [value for name, value in attrs if name in ("aria-label", "title") and value]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if _LABELS & set(self.open) and not {"code", "pre", "style", "script"} & set(self.open):
            self.said.append(data)


def _ids_in(page: str) -> set[str]:
    labels = _Labels()
    labels.feed(page)
    return {word for text in labels.said for word in _WORD.findall(text)} - _TERMS


def test_the_scan_finds_an_id() -> None:
    """In a heading, a cell's heading, a figure's letters and a label for screen readers; not in code."""
    page = (
        "<h2>goals_outcome</h2><table><tr><th>by tasks_age</th><td>in_a_cell</td></tr></table>"
        '<svg aria-label="bonds_mood"><text>weakly_sceptical</text></svg><dt><code>y_z</code></dt>'
    )
    assert _ids_in(page) == {"goals_outcome", "tasks_age", "bonds_mood", "weakly_sceptical"}


def test_no_heading_or_label_of_the_page_is_an_id() -> None:
    """Headings, captions, names of rows and columns, letters in figures, and what screen readers say."""
    assert _ids_in(built_page().read_text(encoding="utf-8")) == set()


def test_no_caption_or_heading_of_a_table_is_an_id() -> None:
    """Of any table of a run, in the forms that people read."""
    said = [
        text
        for table in build_tables(build_results())
        for text in (
            table.title,
            *(column.heading for column in table.columns if column.shown != "csv"),
        )
    ]
    assert len(said) > 50
    assert {word for text in said for word in _WORD.findall(text)} - _TERMS == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks_outcome", "Tasks: outcome subgroup"),
        ("comparison goals_controls", "comparison Goals, controls"),
        ("new_visit_conditional", "new visit conditional"),
        ("months:poor_outcome", "Slope: Outcome by end GAF (poor)"),
        ("tasks ~ months + poor_outcome", "tasks ~ months + poor_outcome"),
        ("figures/claims_overview.csv", "figures/claims_overview.csv"),
        ("|elpd_diff| < 4", "|elpd difference| < 4"),
    ],
)
def test_an_id_is_said_in_words(text: str, said: str) -> None:
    """By its label where it has one, terms of ArviZ in words; formulas and files stay."""
    names = name_ids(load_study("folmo2020"), coefficients=["months:poor_outcome"])
    assert spell_ids(text, names) == said


def test_the_study_s_id_is_not_in_front_of_a_title() -> None:
    """The page has the title of the study above; other words of a title stay."""
    names = name_ids(load_study("folmo2020"))
    table = build_tables(build_results())[0]
    shown = spell_table(dataclasses.replace(table, title="folmo2020: the multiverse"), names)
    assert shown.title == "The multiverse"
    assert spell_table(dataclasses.replace(table, title="Checks: all"), names).title == "Checks: all"
