"""Choosing a design on which the printed standard errors can be had at all.

Standard errors follow from the design and the variances alone, without any score. So the variances are first fitted
to the printed standard errors and AICs; of many deals of the predictors the one is kept whose standard errors then
lie closest to the printed ones; and the variances are fitted once more. Scores are drawn with those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from bayes_alliance.cohorts.plan import CohortPlan, Growth
from bayes_alliance.cohorts.roster import Roster, draw_roster
from bayes_alliance.cohorts.simulate import draw_scores, tabulate_cohort
from bayes_alliance.cohorts.solver.sensitivity import Blocks, lay_out, weigh_design
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.data.derived_variables import derive_variables
from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import Array, weight_vector
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source, Study

_ROSTERS = 4
_DEALS = 40
_AT_RANDOM = 20
_TILT = 1.0
_ENOUGH = 3e-3
_AIC_UNIT = 10.0


@dataclass(frozen=True, kw_only=True)
class ChosenDesign:
    """A roster and the growth parameters with which its standard errors print as published.

    Parameters
    ----------
    roster : Roster
        Patients and visits.
    plan : CohortPlan
        The plan with the fitted variances.
    loss : float
        What is left: summed squared log distances of standard errors from their intervals.
    tilt : float
        SD of how far each predictor was let lean towards patients with many or few assessments; 0 for a deal at random.
    """

    roster: Roster
    plan: CohortPlan
    loss: float
    tilt: float = 0.0


def choose_design(
    study: Study, plan: CohortPlan, targets: Sequence[Target], rng: np.random.Generator
) -> ChosenDesign:
    """Draw rosters until the printed standard errors can be had on one, and deal its predictors.

    Parameters
    ----------
    study : Study
        Whose models.
    plan : CohortPlan
        Sizes, counts, visits, and growth to start from.
    targets : sequence of Target
        What is printed.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ChosenDesign
        The best of a few where none is good enough.
    """
    best: ChosenDesign | None = None
    for _ in range(_ROSTERS):
        found = _choose_deal(study, plan, targets, rng)
        if best is None or found.loss < best.loss:
            best = found
        if best.loss < _ENOUGH:
            break
    assert best is not None
    return best


def _choose_deal(
    study: Study, plan: CohortPlan, targets: Sequence[Target], rng: np.random.Generator
) -> ChosenDesign:
    roster = draw_roster(study, plan, rng)
    scores = draw_scores(study, plan, roster, rng)
    frame = tabulate_cohort(study, plan, roster, scores)
    rows = data_from_frame(study, frame, source=Source.SYNTHETIC, origin="synthetic cohort").rows
    wanted = [t for t in targets if t.kind in ("se", "aic")]
    names = _predictors(study, plan, wanted)
    blocks = _lay_out_all(study, rows, wanted)
    growth = _fit_growth(study, plan, wanted, blocks)
    best, best_rows, best_loss = roster, rows, _se_loss(wanted, blocks, study, growth)
    tilt = 0.0
    for deal in range(_DEALS):
        if best_loss < _ENOUGH:
            # Predictors lean towards often-assessed patients no more than a printed standard error demands.
            break
        lean = _TILT * max(deal - _AT_RANDOM, 0) / (_DEALS - _AT_RANDOM)
        patients = _redeal(roster, names, rng, lean)
        moved = _with_patients(study, rows, patients, names)
        try:
            laid_out = _lay_out_all(study, moved, wanted)
        except ValueError:
            # Some effect cannot be told from the others on this deal (build_design says so): no candidate.
            continue
        loss = _se_loss(wanted, laid_out, study, growth)
        if loss < best_loss:
            best, best_rows, best_loss = Roster(patients=patients, visits=roster.visits), moved, loss
            tilt = lean
    blocks = _lay_out_all(study, best_rows, wanted)
    growth = _fit_growth(study, plan, wanted, blocks)
    chosen = dataclasses.replace(plan, growth=tuple(growth[part.outcome] for part in plan.growth))
    return ChosenDesign(roster=best, plan=chosen, loss=_se_loss(wanted, blocks, study, growth), tilt=tilt)


def _lay_out_all(study: Study, rows: pd.DataFrame, targets: Sequence[Target]) -> dict[str, Blocks]:
    """Lay out the designs of every model with a printed standard error."""
    needed = dict.fromkeys(t.model for t in targets if t.kind == "se")
    return {name: lay_out(_design(study, name, rows)) for name in needed}


def _design(study: Study, model_id: str, rows: pd.DataFrame) -> Design:
    model = study.model(model_id)
    formula = parse_formula(model.formula)
    used = rows[sorted({*formula.names, *(name for name, _ in model.where)})].dropna()
    for name, value in model.where:
        used = used[used[name] == value]
    return build_design(formula, used)


def _fit_growth(
    study: Study, plan: CohortPlan, targets: Sequence[Target], blocks: Mapping[str, Blocks]
) -> dict[str, Growth]:
    """Fit the variances of every outcome to its printed standard errors and AICs."""
    between = {name: block.intercept_slope_correlation for block in plan.blocks for name in block.outcomes}
    found = {}
    for growth in plan.growth:
        mine = [t for t in targets if t.model in blocks and study.model(t.model).outcome == growth.outcome]
        found[growth.outcome] = _fit_one(growth, between[growth.outcome], mine, blocks) if mine else growth
    return found


def _fit_one(
    growth: Growth, correlation: float, targets: Sequence[Target], blocks: Mapping[str, Blocks]
) -> Growth:
    start = np.log([growth.sd_intercept, growth.sd_slope, growth.sigma])

    def loss(point: Array) -> float:
        sds = np.exp(point)
        value = 0.01 * float(np.sum((point - start) ** 2))
        for name in dict.fromkeys(t.model for t in targets):
            asked = [t for t in targets if t.model == name]
            value += _model_loss(asked, blocks[name], variances_of(sds, correlation))
        return value

    found = optimize.minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 80, "xatol": 1e-3, "fatol": 1e-6}
    )
    sd_intercept, sd_slope, sigma = (float(value) for value in np.exp(found.x))
    return dataclasses.replace(growth, sd_intercept=sd_intercept, sd_slope=sd_slope, sigma=sigma)


def variances_of(sds: Array, correlation: float) -> Array:
    """Entries 00, 01, 11 of G and the residual variance, from SDs of intercept, slope and residual."""
    sd_intercept, sd_slope, sigma = sds
    return np.array([sd_intercept**2, correlation * sd_intercept * sd_slope, sd_slope**2, sigma**2])


def _model_loss(targets: Sequence[Target], blocks: Blocks, variances: Array) -> float:
    """Squared distances of a model's standard errors and expected AIC from what is printed."""
    cov, log_determinant = weigh_design(blocks, variances)
    total = 0.0
    for target in targets:
        if target.kind == "se":
            total += _gap(target, blocks, cov) ** 2
        else:
            n, p = blocks.design.n_rows, blocks.x.shape[1]
            expected = n * np.log(2.0 * np.pi) + log_determinant + n + 2.0 * len(variances)
            total += ((expected + p - target.low) / _AIC_UNIT) ** 2 * 1e-2
    return total


def _gap(target: Target, blocks: Blocks, cov: Array) -> float:
    """Log distance of a standard error from its interval, drawn in a little."""
    weights = weight_vector(blocks.design.x_names, target.weights)
    se = float(np.sqrt(weights @ cov @ weights))
    low, high = max(target.low, 1e-12), target.high
    inset = 0.03 if high / low > 1.15 else 0.1 * float(np.log(high / low))
    return float(max(np.log(low) + inset - np.log(se), 0.0) + max(np.log(se) - np.log(high) + inset, 0.0))


def _se_loss(
    targets: Sequence[Target], blocks: Mapping[str, Blocks], study: Study, growth: Mapping[str, Growth]
) -> float:
    total = 0.0
    for name, laid_out in blocks.items():
        part = growth[study.model(name).outcome]
        sds = np.array([part.sd_intercept, part.sd_slope, part.sigma])
        # Correlations are the plan's; the standard errors hardly move with them.
        cov, _ = weigh_design(laid_out, variances_of(sds, -0.3))
        total += sum(_gap(t, laid_out, cov) ** 2 for t in targets if t.model == name and t.kind == "se")
    return total


def _predictors(study: Study, plan: CohortPlan, targets: Sequence[Target]) -> list[str]:
    """Covariates that models with a printed standard error rest on, through derived variables too."""
    derived = {d.name: d.of for d in study.derived}
    pending = {
        name
        for target in targets
        if target.kind == "se"
        for name in parse_formula(study.model(target.model).formula).names
    }
    found: set[str] = set()
    while pending:
        name = pending.pop()
        found.add(name)
        pending |= set(derived.get(name, ())) - found
    return [covariate.name for covariate in plan.covariates if covariate.name in found]


def _redeal(roster: Roster, names: Sequence[str], rng: np.random.Generator, tilt: float) -> pd.DataFrame:
    """Permute the known values of each covariate within each group, so that all that is printed stays.

    Who is assessed how often decides how precisely a predictor's effect is known, so a deal may lean, by an
    amount drawn for each covariate with SD ``tilt``, towards patients with many or with few assessments.
    """
    moved = roster.patients.copy()
    group = moved["group"].to_numpy()
    numbers = np.bincount(roster.visits["patient"], minlength=len(moved)).astype(float)
    numbers = (numbers - numbers.mean()) / numbers.std()
    for name in names:
        values: NDArray[np.float64] = moved[name].to_numpy(dtype=float).copy()
        order = tilt * rng.standard_normal() * numbers + rng.standard_normal(len(numbers))
        for label in dict.fromkeys(group):
            members = np.flatnonzero((group == label) & ~np.isnan(values))
            values[members[np.argsort(order[members])]] = np.sort(values[members])
        moved[name] = values
    return moved


def _with_patients(
    study: Study, rows: pd.DataFrame, patients: pd.DataFrame, names: Sequence[str]
) -> pd.DataFrame:
    """Return the rows other baseline values, and derive anew."""
    index = rows[study.patient].str[1:].astype(int).to_numpy() - 1
    ends = [d.name for d in study.derived if d.rule == "last" and d.name in rows.columns]
    kept = rows[[v.name for v in study.variables if v.name in rows.columns] + ends]
    moved = kept.assign(**{name: patients[name].to_numpy(dtype=float)[index] for name in names})
    return derive_variables(study, moved)[0]
