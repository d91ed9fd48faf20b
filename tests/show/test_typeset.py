"""All that a reader sees of a page is set alike: minus signs, apostrophes, words in the place of ids, space between."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bayes_alliance.show.id_names import name_page
from bayes_alliance.show.report.build import build_report
from bayes_alliance.show.report.page import render_report
from bayes_alliance.show.report.typeset import set_text, typeset
from bayes_alliance.study.load_study import load_study
from tests.results_fixture import build_results, built_page
from tests.show.test_report import claims_json

_ID = re.compile(r"\b[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+|\bdocs/|\w\.(?:md|toml)\b")
_TERMS = {"bayes_alliance"}
_NOT_READ = {"script", "style", "code", "math", "head"}
_INLINE = {"a", "b", "button", "em", "i", "label", "span", "strong"}
_MINUS = re.compile(r"(?<![\w.])-\.?\d")


class _Read(HTMLParser):
    """Collects what is read of a page, code and how to reproduce it apart, and inline elements that touch."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []
        self.said: list[str] = []
        self.glued: list[str] = []
        self.closed = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        code = tag == "pre" and not (named.get("id") or "").startswith("text-")
        if self.passed or tag in _NOT_READ or code or named.get("id") == "rebuild":
            if not self.passed or self.passed[0] == tag:
                self.passed.append(tag)
            return
        if self.closed and tag in _INLINE:
            self.glued.append(f"{self.closed}<{tag} {named}>")
        self.closed = ""
        self.said += [named[key] or "" for key in ("aria-label", "title", "data-label") if key in named]

    def handle_endtag(self, tag: str) -> None:
        if self.passed:
            if self.passed[0] == tag:
                self.passed.pop()
            return
        self.closed = f"</{tag}>" if tag in _INLINE else ""

    def handle_data(self, data: str) -> None:
        if not self.passed:
            self.closed = ""
            self.said.append(data)


def read(page: str) -> _Read:
    found = _Read()
    found.feed(page)
    return found


def faults(page: str) -> dict[str, set[str]]:
    """Return ids, hyphens as minus, straight apostrophes and glued elements that a reader would meet."""
    found = read(page)
    text = "\n".join(found.said)
    return {
        "ids": set(_ID.findall(text)) - _TERMS,
        "hyphens": set(_MINUS.findall(text)),
        "apostrophes": set(re.findall(r"\w'\w*|'\w+", text)),
        "glued": set(found.glued),
    }


NONE: dict[str, set[str]] = {"ids": set(), "hyphens": set(), "apostrophes": set(), "glued": set()}


def test_the_scan_finds_each_fault() -> None:
    """In text, in labels for screen readers and in letters of a figure; not in code or how to reproduce."""
    page = (
        "<p>at cohort_000, -0.5, the run's, docs/claims</p><b>a</b><a>b</a><svg><text>y_z</text></svg>"
        '<section id="rebuild"><section>a_b</section><p>c_d</p></section><pre>e_f -1</pre><p aria-label="g_h"></p>'
    )
    found = faults(page)
    assert found["ids"] == {"cohort_000", "docs/", "y_z", "g_h"}
    assert found["hyphens"] == {"-0"} and found["apostrophes"] == {"n's"} and len(found["glued"]) == 1


def test_the_page_of_a_run_has_none_of_them() -> None:
    """With figures, tables, warnings and methods."""
    assert faults(built_page().read_text(encoding="utf-8")) == NONE


def test_the_page_with_claims_has_none_of_them(tmp_path: Path) -> None:
    """Cards, first screen, texts to be copied: cohorts are numbered, and tables of claims are read as well."""
    results = build_results()
    facts = claims_json(results.data_digest)
    (claim,) = facts["claims"]
    change = {"family": "priors for change", "says": "prior: weakly_sceptical, -0.5", "verdict": "undecided"}
    claim |= {"changes": [change], "note": "see README.md"}
    claim["synthetic"]["cohorts"] = {f"cohort_{i:03d}": claim["printed"] for i in range(3)}
    facts |= {"remarks": ["drawn on cohort_002, not the study's paranoid_pd"]}
    facts["rows_at_hand"]["origin"] = "synthetic cohort cohort_000, seed 7"
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "claims.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "t.csv").write_text("provenance,verdict\nx,cohort_001: -3 in paranoid_pd\n", encoding="utf-8")
    page = render_report(build_report(results, tmp_path))
    assert faults(page) == NONE
    assert "data set 3 of 3, not the study’s Paranoid personality disorder" in page
    assert "data set 2 of 3: \N{MINUS SIGN}3 in Paranoid personality disorder" in page
    assert "synthetic data set 1 of 3, seed 7" in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the run&#39;s &#39;neutral&#39; prior", "the run’s ‘neutral’ prior"),
        ("patients' data", "patients’ data"),
        ("from -0.9 to -.5, +-1, 1-7", "from −0.9 to −.5, ±1, 1-7"),
        ("Our reading, see README.md.", "Our reading, see the study’s README."),
    ],
)
def test_a_text_is_set(text: str, said: str) -> None:
    """Apostrophes and quotation marks by what stands beside them; a hyphen between digits is no minus."""
    assert set_text(text, {}) == said


def test_code_and_lines_of_drawings_stay_as_they_are() -> None:
    """Commands can be copied; what is set once stays so."""
    code = "<code>a_b - 1</code><pre>'x' -1</pre><svg><path d='M-1 -2'/></svg><script>let a_b = -1;</script>"
    assert typeset(code, {}) == code
    names = name_page(load_study("folmo2020"), None)
    once = typeset('<p aria-label="paranoid_pd">cohort_000: -1</p><pre id="text-a">it&#39;s</pre>', names)
    assert typeset(once, names) == once
    assert once.startswith('<p aria-label="Paranoid personality disorder">data set 1: \N{MINUS SIGN}1</p>')
