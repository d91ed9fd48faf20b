"""The page on readings holds what the stored weights and today's code give."""

from pathlib import Path

import pytest

from bayes_alliance.dev.reading_calibration import FILE, put_sections, read_weighed, reliability
from bayes_alliance.published.reading_weights import weigh_readings
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_not_stale() -> None:
    """Tables of docs/readings.md are those of the stored weights and of the built-in study."""
    study = load_study("folmo2020")
    page = (DOCS / "readings.md").read_text(encoding="utf-8")
    weighed = weigh_readings(study, load_readings(study))
    assert put_sections(page, read_weighed(DOCS / FILE), weighed) == page


@pytest.mark.parametrize("reading", ["rows", "cells"])
def test_stored_weights_are_calibrated(reading: str) -> None:
    """In every range of weights the share of true options lies within three binomial errors of the mean weight."""
    for _, _, count, mean, share in reliability(read_weighed(DOCS / FILE), reading):
        error = max((mean * (1.0 - mean) / count) ** 0.5, 1.0 / count)
        assert abs(share - mean) < 3.0 * error
