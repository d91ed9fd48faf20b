"""The report as a reader has it: in a browser, on a phone, on paper, without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, needs_browser
from tests.results_fixture import built_page

pytestmark = needs_browser
PHONE, DESKTOP = (360, 740), (1280, 900)


@pytest.fixture(scope="module")
def page() -> Path:
    return built_page()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


def test_the_page_opens_in_silence_and_asks_for_nothing(browser: Browser, page: Path) -> None:
    """No error or warning in the console, and no request but the page itself."""
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_nothing_sticks_out_and_every_figure_is_seen(
    browser: Browser, page: Path, size: tuple[int, int]
) -> None:
    """With everything open the page is as wide as its window, and each figure has a size."""
    browser.open(page, width=size[0], height=size[1])
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
    wide = browser.evaluate(
        "[...document.querySelectorAll('main > section > *, header > *, footer > *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    boxes = browser.evaluate(
        "[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect())"
        ".map(r => [r.width, r.height])"
    )
    assert len(boxes) > 5
    assert all(width >= 300 and height >= 100 for width, height in boxes)


def test_tables_sort_by_number_and_back(browser: Browser, page: Path) -> None:
    """A click on a heading sorts its column by number, another the other way round; rows stay whole."""
    browser.open(page)
    read = (
        "[...document.querySelectorAll('#checklist-table tbody tr')].map(r => [r.cells[0].textContent, "
        "r.cells[1].textContent])"
    )
    before = browser.evaluate(read)
    click = "document.querySelectorAll('#checklist-table thead button')[{}].click()"
    browser.evaluate(click.format(0))
    browser.evaluate(click.format(0))
    assert browser.evaluate(read) == before[::-1]
    assert browser.evaluate("document.querySelector('#checklist-table th').getAttribute('aria-sort')") == (
        "descending"
    )
    browser.evaluate(click.format(1))
    names = [name for _, name in browser.evaluate(read)]
    assert names == sorted(names, key=str.lower)
    assert sorted(map(tuple, browser.evaluate(read))) == sorted(map(tuple, before))


def test_the_prior_can_be_chosen(browser: Browser, page: Path) -> None:
    """Only the lines of the chosen prior show; all of them for 'all'."""
    browser.open(page)
    shown = (
        "[...new Set([...document.querySelectorAll('tr[data-prior]')].filter(r => !r.hidden)"
        ".map(r => r.dataset.prior))]"
    )
    assert browser.evaluate(shown) == ["neutral"]
    choose = (
        "(() => {{ const s = document.querySelector('#prior-choice select'); s.value = '{}'; "
        "s.dispatchEvent(new Event('change')); }})()"
    )
    browser.evaluate(choose.format("sceptical"))
    assert browser.evaluate(shown) == ["sceptical"]
    browser.evaluate(choose.format(""))
    assert set(browser.evaluate(shown)) == {
        "neutral",
        "weakly_sceptical",
        "sceptical",
        "enthusiastic",
        "pessimistic",
        "robust",
    }


def test_marks_of_a_figure_say_their_values(browser: Browser, page: Path) -> None:
    """Pointing at a mark of the forest shows its number in a small box."""
    browser.open(page)
    browser.evaluate(
        "document.querySelector('#figure-forest_printed g.value').dispatchEvent("
        "new PointerEvent('pointerenter', {clientX: 50, clientY: 50}))"
    )
    text = browser.evaluate(
        "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent"
    )
    assert "printed" in text or "ML" in text
    assert any(character.isdigit() for character in text)


def test_the_page_prints(browser: Browser, page: Path) -> None:
    """As a PDF of several pages, with the answers open."""
    browser.open(page)
    raw = browser.print_pdf()
    assert raw.startswith(b"%PDF-")
    assert raw.count(b"/Type /Page\n") + raw.count(b"/Type /Page ") >= 3


def test_a_reader_without_scripts_has_everything(page: Path) -> None:
    """The choice of a prior is hidden until a script shows it; every line is in the page."""
    text = page.read_text(encoding="utf-8")
    assert '<p id="prior-choice" hidden>' in text
    assert 'data-prior="sceptical"' in text
    assert "<tr hidden" not in text


@pytest.mark.skipif(
    "AXE_CORE" not in os.environ, reason="needs AXE_CORE, the path of axe.min.js (npm: axe-core)"
)
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_fault(browser: Browser, page: Path, dark: bool) -> None:
    """Nothing, however small, in light and dark, with everything open."""
    browser.open(page, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.evaluate(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8") + "; 0")
    found = browser.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
        ".map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 150)]))"
    )
    assert found == []
