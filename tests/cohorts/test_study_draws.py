"""Draws given print at full size: targets against a closed form, orders between outcomes by differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.cohorts.draws.conditional import StudyStatistics, draw_targets
from bayes_alliance.cohorts.draws.growth import Floats, Whitening
from bayes_alliance.cohorts.draws.study_model import build_study_model, start_covariances
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.roster import draw_roster
from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.study.load_study import load_study


class Linear:
    """Linear statistics of standard normal numbers, restricted to intervals."""

    def __init__(self, gradient: Floats, low: Floats, high: Floats) -> None:
        self.gradient, self.low, self.high = gradient, low, high
        self.scale = np.where(np.isfinite(high - low), (high - low) / 2.0, 1.0)

    def value(self, white: Floats) -> Floats:
        found: Floats = self.gradient @ white
        return found

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        return self.value(white), self.gradient


@pytest.mark.parametrize(("low", "high"), [(2.0, 3.0), (2.0, 2.2), (1.5, np.inf)])
def test_targets_are_drawn_from_their_restricted_law(low: float, high: float) -> None:
    """For linear statistics: a normal law cut to the interval, rounded or only bounded; never piled up at an end."""
    rng = np.random.default_rng(1)
    gradient = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    statistics = Linear(gradient, np.array([low, -np.inf]), np.array([high, np.inf]))
    white = np.array([1.2, 1.2, 0.0, 0.3])
    first, free = [], []
    for _ in range(400):
        white = draw_targets(statistics, white, rng)
        first.append(float(statistics.value(white)[0]))
        free.append(float(white[3]))
    sd = np.sqrt(2.0)
    law = stats.truncnorm(low / sd, high / sd, scale=sd)
    assert stats.kstest(first, law.cdf).pvalue > 0.001
    # What no statistic sees stays.
    assert set(free) == {0.3}


def test_targets_come_away_from_a_corner() -> None:
    """Shortest steps end where many bounds meet: draws from there are those of rejection all the same."""
    rng = np.random.default_rng(3)
    corner = np.array([1.0, 0.8, -0.9, 0.5])
    gradient = np.hstack([rng.standard_normal((12, 3)), np.zeros((12, 1))])
    gradient *= np.sign(gradient @ corner)[:, None]
    statistics = Linear(gradient, np.full(12, -np.inf), gradient @ corner)
    free = rng.standard_normal((200_000, 4))
    inside = free[np.all(free @ gradient.T <= gradient @ corner, axis=1)][:, :3]
    drawn = np.array([draw_targets(statistics, corner, rng) for _ in range(100)])[:, :3]
    assert len(inside) > 1000
    error = inside.std(axis=0) / np.sqrt(len(drawn))
    assert np.max(np.abs(drawn.mean(axis=0) - inside.mean(axis=0)) / error) < 4.5
    assert drawn.std(axis=0) == pytest.approx(inside.std(axis=0), rel=0.35)


@pytest.mark.slow
def test_orders_between_outcomes_have_their_derivatives() -> None:
    """The order of Goals and Tasks moves with the scores of both as its derivative says."""
    study = load_study("folmo2020")
    plan = load_cohort_plan(study)
    rng = np.random.default_rng(4)
    targets = list_targets(study)
    orders = [target for target in targets if target.kind == "less_estimate"]
    within = [target for target in targets if target.model in {"goals_outcome", "tasks_outcome"}]
    within += [target for target in targets if target.model in {"goals_growth_good", "tasks_growth_good"}]
    within = [target for target in within if target.kind != "less_estimate"]
    model = build_study_model(study, plan, draw_roster(study, plan, rng), within, rng)
    whitening = Whitening(model.layout, start_covariances(study, plan, model))
    statistics = StudyStatistics(model.parts, model.link, whitening, orders)
    recorded, _ = model.link.record(
        whitening.colour(rng.standard_normal(whitening.n_coefficients + len(model.place)))
    )
    assert len(statistics.orders) == 2
    values, jacobian = statistics.of_scores(recorded)
    assert len(values) == len(statistics.low) == len(statistics.label)
    shift = 1e-3 * rng.standard_normal(len(recorded))
    up, down = (statistics.of_scores(recorded + side * shift)[0][-2:] for side in (1.0, -1.0))
    # The distance kept between the two moves, too, but hardly.
    assert (up - down) / 2.0 == pytest.approx(jacobian[-2:] @ shift, rel=0.05, abs=1e-7)
