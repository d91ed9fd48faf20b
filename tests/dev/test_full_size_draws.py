"""Small publications by the steps that draw shipped cohorts: what is asked, on which grid, and that it is met."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_alliance.cohorts.build import DRAWN_DESIGNS
from bayes_alliance.cohorts.draws.growth import Whitening
from bayes_alliance.dev import full_size_draws
from bayes_alliance.dev.full_size_draws import GRID, draw_full_size, state_targets
from bayes_alliance.dev.small_publications import (
    PRIOR,
    SmallPublication,
    draw_design,
    lay_out_world,
    publish,
    read_numbers,
)
from bayes_alliance.dev.small_studies import measure


@pytest.fixture(scope="module")
def publication() -> SmallPublication:
    """One study with scores on the grid."""
    rng = np.random.default_rng(3)
    world = lay_out_world(PRIOR, draw_design(PRIOR, rng))
    y = Whitening(world.layout, PRIOR.covariance.draw(rng)).colour(rng.standard_normal(world.size))
    return publish(read_numbers(world, GRID * np.round(y / GRID)), len(y))


def test_a_drawn_data_set_prints_the_publication(publication: SmallPublication) -> None:
    """Every number lies inside what is printed, and its plain mean is one of scores on the grid."""
    found = draw_full_size(PRIOR, publication, np.random.default_rng(1))
    assert found is not None
    inside = measure(found.numbers, publication)
    assert all(value > -1e-6 for name, value in inside.items() if name.startswith("distance"))
    total = found.numbers["mean"] * publication.n_rows / GRID
    assert total == pytest.approx(round(total), abs=1e-6)


@pytest.mark.parametrize(
    ("bounds", "p_ends", "sign"),
    [
        ((-1.96, 1.96), (0.05, 1.0), 0),
        ((1.96, 2.576), (0.01, 0.05), 1),
        ((-np.inf, -3.29), (0.0, 0.001), -1),
    ],
)
def test_marks_become_bounds_on_p_and_a_sign(
    publication: SmallPublication, bounds: tuple[float, float], p_ends: tuple[float, float], sign: int
) -> None:
    """Not significant; one star; three stars of a negative effect."""
    asked = SmallPublication(
        n_rows=publication.n_rows, intervals=publication.intervals, level=bounds, slope=(-1.96, 1.96)
    )
    level = next(t for t in state_targets(asked) if t.kind == "p")
    assert (level.low, level.high) == pytest.approx(p_ends, abs=1e-3) and level.sign == sign


def test_a_design_on_which_something_is_missed_is_left_for_another(
    publication: SmallPublication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many designs as a cohort may take, then none."""
    tried: list[int] = []
    monkeypatch.setattr(full_size_draws, "_draw_once", lambda *_: tried.append(1))
    assert draw_full_size(PRIOR, publication, np.random.default_rng(1)) is None
    assert len(tried) == DRAWN_DESIGNS
