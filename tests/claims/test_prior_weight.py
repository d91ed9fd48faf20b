"""What the prior weighs in each claim, and where it conflicts: by hand from printed cells, by ML from rows."""

from __future__ import annotations

import dataclasses
import math

import pytest

from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.prior_weight import conflicts_on_rows, printed_conflicts
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study
from tests.claims_study import load_toy, toy_data, toy_frame, write_toy


def test_a_printed_slope_by_hand() -> None:
    """Tasks by outcome, -0.03(0.01)***: over 36 months -1.08 (0.36), prior 0 (3), 155 patients."""
    study = load_study("folmo2020")
    ledger = load_claims(study, load_choices(study))
    found = {(c.claim_id, c.part_id): c for c in printed_conflicts(study, ledger, seed=1, prior="neutral")}
    one = next(c for (claim, part), c in found.items() if claim == "change_differs" and "tasks" in part)
    assert one.estimate == pytest.approx(-1.08, abs=0.18)
    # Of 0.005 to 0.015 points a month three stars leave those up to a third of the estimate: 0.005 to about 0.009.
    assert one.se == pytest.approx(36.0 * 0.007, abs=0.02)
    assert (one.found.prior_mean, one.found.prior_sd) == (pytest.approx(0.0, abs=1e-9), pytest.approx(3.0))
    assert one.found.patients == pytest.approx(155 * (one.se / 3.0) ** 2)
    z = abs(one.estimate) / math.hypot(one.se, 3.0)
    assert one.found.p == pytest.approx(math.erfc(z / math.sqrt(2.0)))
    assert not one.found.conflict


def test_rows_by_ml_and_the_prior_of_the_combination(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Estimate and SE are those of lme4's kind of fit, the prior's SD that of the estimand, both over the horizon."""
    study, choices, ledger = load_toy(write_toy(tmp_path_factory.mktemp("weights") / "toy"))
    neutral = PriorVariant(id="neutral", label="Neutral", base="neutral")
    evaluator = Evaluator(study, toy_data(study, toy_frame()), choices, seed=1, variant=neutral)
    found = {c.claim_id: c for c in conflicts_on_rows(study, ledger, evaluator)}
    one = found["differs"]
    planned = evaluator.plan("outcome").model
    effect = estimate_effect(fit_mixed(planned.design, planned.rows), [("months:poor", 1.0)])
    assert one.estimate == pytest.approx(36.0 * effect.estimate)
    assert one.se == pytest.approx(36.0 * effect.se)
    at = planned.design.x_names.index("months:poor")
    sd = coefficient_priors(study, planned.design, "neutral").sd[at]
    assert one.found.prior_sd == pytest.approx(36.0 * sd) == pytest.approx(3.0)
    assert one.found.patients == pytest.approx(planned.rows.n_patients * (one.se / 3.0) ** 2)


def test_a_prior_that_no_estimate_fits_conflicts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same rows under a prior that believes in no difference beyond 0.04 points, and weighs as many patients."""
    study, choices, ledger = load_toy(write_toy(tmp_path_factory.mktemp("weights") / "toy"))

    def under(name: str, study: Study) -> tuple[float, bool]:
        variant = PriorVariant(id=name, label=name, base=name)
        evaluator = Evaluator(study, toy_data(study, toy_frame()), choices, seed=1, variant=variant)
        (one,) = [c for c in conflicts_on_rows(study, ledger, evaluator) if c.claim_id == "differs"]
        return one.found.patients, one.found.conflict

    weight, conflict = under("neutral", study)
    other, clash = under("sceptical", dataclasses.replace(study))
    assert not conflict and clash
    assert other > 100.0 * weight
