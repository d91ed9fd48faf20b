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
    """Two sums of the same standard normal numbers, one of them restricted to an interval."""

    def __init__(self, low: float, high: float, scale: float) -> None:
        self.gradient = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
        self.low, self.high = np.array([low, -np.inf]), np.array([high, np.inf])
        self.scale = np.array([scale, 1.0])

    def value(self, white: Floats) -> Floats:
        found: Floats = self.gradient @ white
        return found

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        return self.value(white), self.gradient


@pytest.mark.parametrize(("low", "high", "scale"), [(2.0, 3.0, 0.5), (2.0, 3.0, 0.1), (1.5, np.inf, 0.3)])
def test_targets_are_drawn_from_their_restricted_law(low: float, high: float, scale: float) -> None:
    """For linear statistics: a normal law cut to the interval, rounded or only bounded; never piled up at an end."""
    rng = np.random.default_rng(1)
    statistics = Linear(low, high, scale)
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
