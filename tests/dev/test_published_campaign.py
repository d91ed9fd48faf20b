"""The campaign on invented publications: it goes on where it stopped, adds up, and the page is made from its sums."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bayes_alliance.dev.campaign_page import PAGE, TABLE, format_sums, put_campaign
from bayes_alliance.dev.published_campaign import read_lines, run_campaign, summarise_campaign
from bayes_alliance.dev.published_recovery import QUANTITIES

DOCS = Path(__file__).parents[2] / "docs"


def line(seed: int, *, within: int = 5, alarms: tuple[str, ...] = ()) -> str:
    """What is stored of a publication with one check made twice and five numbers of one cell."""
    one = {
        "checks": {"percentage": [2, len(alarms), 1]},
        "alarms": list(alarms),
        "posterior": {"level, printed": {name: [1, 1] for name in QUANTITIES} | {"sd": [within - 4, 1]}},
    }
    return json.dumps({"seed": seed, "dialects": {"stars": one}})


def test_sums_and_shares(tmp_path: Path) -> None:
    """Two publications, one of them with a false alarm and a number outside its band."""
    store = tmp_path / "store.jsonl"
    store.write_text(line(1) + "\n" + line(2, within=4, alarms=("percentage, I: 3",)) + "\n")
    (found,) = summarise_campaign(read_lines([store, store]))
    assert (found.papers, found.made, found.untold) == (2, 4, 2)
    assert (found.within, found.quantities) == (9, 10)
    assert (found.papers_within, found.papers_mostly) == (1, 1)
    assert found.alarms == ((2, "percentage, I: 3"),)
    (tmp_path / TABLE).write_text(format_sums([found]))
    page = put_campaign("before <!-- campaign -->old<!-- end of campaign --> after", tmp_path / TABLE)
    assert "| 2 | 4 | 1 |" in page and "90.0 % | 50.0 % | 50.0 %" in page
    assert "old" not in page and page.startswith("before") and page.endswith("after")


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """A line that a kill cut short is made again; whole ones are left alone."""
    store = tmp_path / "store.jsonl"
    store.write_text(line(7) + "\n" + line(8)[:40])
    done: list[str] = []
    run_campaign(store, [7, 8], dialects=("stars",), report=done.append)
    assert done == ["publication 8"]
    first, second = read_lines([store])
    assert first == json.loads(line(7)) and second["seed"] == 8
    assert second["dialects"]["stars"]["alarms"] == []


def test_the_page_is_made_from_the_stored_sums() -> None:
    """And 1,000 honest publications or as many as the page says give less than one false alarm in a hundred checks."""
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    assert put_campaign(page, DOCS / TABLE) == page, "run scripts/calibrate_published.py --store FILE --write"
