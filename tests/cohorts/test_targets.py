"""What cohorts are asked for is the region that posteriors and audit use, in every dialect of print."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_alliance.cohorts.solver.demands import Evaluator, Problem, build_models
from bayes_alliance.cohorts.solver.sensitivity import lay_out
from bayes_alliance.cohorts.solver.targets import list_targets, unasked_cells
from bayes_alliance.dev.dialects import DIALECTS, Dialect
from bayes_alliance.dev.invented import InventedTable, invent_table
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.study.load_study import list_studies, load_study

SEED = 4


def problem(table: InventedTable, kinds: tuple[str, ...]) -> Problem:
    """Everything of some kinds that an invented table asks of the scores behind it."""
    targets = [t for t in list_targets(table.study) if t.kind in kinds]
    rows = np.arange(table.designs["growth"].n_rows)
    designs = {
        name: (lay_out(design), rows, table.study.model(name).reference or "")
        for name, design in table.designs.items()
    }
    free = np.full(len(rows), np.inf)
    return Problem(
        outcome="score",
        models=build_models(designs, targets),
        targets=tuple(targets),
        moments=(),
        lower=-free,
        upper=free,
        origin=0.0,
        step=1.0,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_data_behind_an_honest_table_meet_every_target(dialect: Dialect) -> None:
    """Estimates, SEs, variances and likelihoods of the very data lie in all intervals that their table asks for."""
    table = invent_table(SEED, dialect)
    asked = problem(table, ("estimate", "se", "aic", "deviance", "variance", "residual"))
    assert len(asked.targets) > 20
    if dialect != "stars":
        assert {"deviance", "variance", "residual"} <= {t.kind for t in asked.targets}
    state = Evaluator(asked)(table.designs["growth"].y)
    # Fits of two optimisers agree to about 1e-7 of a number.
    slack = 1e-6 * np.maximum(np.abs(state.value), 1e-3)
    outside = (state.value < state.low - slack) | (state.value > state.high + slack)
    assert not outside.any(), [
        (t.place, t.kind, v, t.low, t.high)
        for t, v, bad in zip(asked.targets, state.value, outside, strict=True)
        if bad
    ]


@pytest.mark.parametrize("dialect", [d for d in DIALECTS if d != "stars"])
def test_targets_of_an_effect_are_the_ends_of_its_region(dialect: Dialect) -> None:
    """The interval of estimate and SE is that of the one region, not of the digits of a cell."""
    study = invent_table(SEED, dialect).study
    targets = list_targets(study)
    effects = [e for e in printed_effects(study) if e.region is not None and not e.borrowed]
    assert len(effects) > 8
    for effect in effects:
        own = {
            t.kind: t
            for t in targets
            if t.model == effect.model.id and t.weights == effect.weights and t.from_cell
        }
        assert effect.region is not None
        if len(effect.cells) > 1:
            assert own["estimate"].low == effect.region.rim_estimate.min()
            assert own["se"].high == effect.region.rim_se.max()


def test_a_moved_variance_is_asked_for() -> None:
    """Scores that miss a printed variance, SD or likelihood are seen to miss it."""
    table = invent_table(SEED, "t_df")
    asked = problem(table, ("variance", "residual", "deviance"))
    state = Evaluator(asked)(1.01 * table.designs["growth"].y)
    assert np.mean(state.violation(state.value, 0.0) != 0.0) > 0.8


def test_derivatives_of_likelihood_and_variances() -> None:
    """By central differences in a random direction of the scores."""
    table = invent_table(SEED, "interval")
    asked = problem(table, ("variance", "residual", "deviance"))
    y = table.designs["growth"].y
    way = np.random.default_rng(1).standard_normal(len(y))
    step = 1e-4 * float(y.std())
    state = Evaluator(asked)(y)
    up, down = (Evaluator(asked)(y + sign * step * way).value for sign in (1.0, -1.0))
    found = (up - down) / (2.0 * step)
    np.testing.assert_allclose(state.jacobian @ way, found, rtol=2e-3, atol=2e-3 * np.abs(found).max())


def test_every_study_that_ships_can_be_asked() -> None:
    """In whatever dialect: no cell of theirs ends in an error, and what is not asked is named."""
    quantities = set()
    for name in list_studies():
        study = load_study(name)
        list_targets(study)
        quantities |= {cell.quantity for cell in unasked_cells(study)}
    assert {"bic", "correlation", "covariance", "ar1"} <= quantities
    assert not quantities & {"estimate", "minus_2ll", "log_likelihood", "residual"}


def test_built_in_targets_are_those_of_its_digits() -> None:
    """Cells of the form b(SE) with stars ask for what their digits and stars say, so that cohorts keep their bytes."""
    study = load_study("folmo2020")
    assert not unasked_cells(study)
    found = {(t.place, t.kind): (t.low, t.high) for t in list_targets(study) if t.from_cell}
    checked = 0
    for cell in study.cells:
        if cell.model and cell.quantity == "estimate" and cell.parsed.value and cell.parsed.spread:
            place = f"{cell.table}: {cell.row}: {cell.column}"
            for kind, number in (("estimate", cell.parsed.value), ("se", cell.parsed.spread)):
                assert found[place, kind] == number.interval(study.publication.rounding).ends
            checked += 1
    assert checked > 20
