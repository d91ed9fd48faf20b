r"""A publication of the built-in study's size that is simulated: the truth, and what would be printed of it.

The truth is drawn from what cohorts are drawn from: a design dealt at random by the plan's rules, coefficients and both
covariances from their priors, scores recorded by the link and put on the grid. Every statement of the real publication
is then made about it: a number is rounded to as many digits, a test falls into one of the classes that the real one
tells apart, an effect has a direction, an order holds or holds the other way round. Only that is handed over.

Truths are kept if the growth that they print stays off the ends of the scales, and if no model of a table has a
degenerate covariance. The first is a condition on what is printed, and the second one that cohorts meet too: so the
truth is exchangeable with right draws as it was before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from bayes_alliance.cohorts.draws.growth import Covariances, Floats, Whitening
from bayes_alliance.cohorts.draws.study_model import StudyModel, build_study_model
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.problems import as_data
from bayes_alliance.cohorts.roster import Roster, draw_roster
from bayes_alliance.cohorts.simulate import declared, tabulate_cohort
from bayes_alliance.cohorts.solver.demands import MAX_CORRELATION, Evaluator
from bayes_alliance.cohorts.solver.grid_moves import to_grid
from bayes_alliance.cohorts.solver.sensitivity import differentiate_fit, satterthwaite_df
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import weight_vector
from bayes_alliance.study.printed_text import PrintedText
from bayes_alliance.study.records import Study

# Part of its scale within which an outcome's printed growth must run from baseline to the horizon.
INNER = (0.2, 0.8)
# Coefficients whose growth lies outside of this part at once print nothing inside: not worth a fit.
_SCREEN = (0.0, 1.0)
_TRIES = 400
ROUNDED = ("estimate", "se", "aic", "explained_intercept", "explained_slope")
# An order between outcomes is asked with this room (:mod:`bayes_alliance.cohorts.draws.conditional`).
_APART = 0.95


@dataclass(frozen=True, kw_only=True)
class Member:
    """A data set of the study's size, the truth or a draw, with the model that it was drawn from.

    Parameters
    ----------
    model : StudyModel
        Of its design.
    recorded : ndarray, shape (n,)
        Scores on the grid, in the order of the model's layout.
    covariances : Covariances
        That they were drawn with.
    data : StudyData
        As models read it.
    """

    model: StudyModel
    recorded: Floats
    covariances: Covariances
    data: StudyData


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A simulated study and its coefficients, shape (p,); ``tried`` designs and scores until it was kept."""

    member: Member
    coefficients: Floats
    tried: int


def draw_truth(study: Study, plan: CohortPlan, targets: Sequence[Target], rng: np.random.Generator) -> Truth:
    """Draw a study from the prior until one is kept.

    Parameters
    ----------
    study : Study
        Models and priors.
    plan : CohortPlan
        Rules of the design.
    targets : sequence of Target
        What the real publication prints: tells which models must not be degenerate.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    RuntimeError
        If none is kept in as many as are tried.
    """
    within = [target for target in targets if target.kind != "less_estimate"]
    for tried in range(1, _TRIES + 1):
        roster = draw_roster(study, plan, rng)
        try:
            model = build_study_model(study, plan, roster, within, rng)
        except ValueError:
            # Some effect cannot be told from the others on this deal.
            continue
        found = _draw_scores(study, plan, roster, model, rng)
        if is_kept(study, found.member):
            return replace(found, tried=tried)
    raise RuntimeError(f"none of {_TRIES} simulated studies has ordinary growth and covariances")


def _draw_scores(
    study: Study, plan: CohortPlan, roster: Roster, model: StudyModel, rng: np.random.Generator
) -> Truth:
    layout = model.layout
    covariances = model.prior.draw(rng)
    whitening = Whitening(layout, covariances)
    white = rng.standard_normal(whitening.n_coefficients + len(layout.patient))
    white[: whitening.n_coefficients][layout.is_growth] = _draw_growth(study, model, rng)
    latent, _ = model.link.record(whitening.colour(white))
    recorded = latent.copy()
    for part in model.parts:
        recorded[part.index] = to_grid(part.problem, latent[part.index])
    scores = model.scores(recorded, len(roster.visits))
    member = Member(
        model=model,
        recorded=recorded,
        covariances=covariances,
        data=as_data(study, tabulate_cohort(study, plan, roster, scores)),
    )
    coefficients = layout.column_sd * white[: whitening.n_coefficients]
    return Truth(member=member, coefficients=coefficients, tried=1)


def _draw_growth(study: Study, model: StudyModel, rng: np.random.Generator) -> Floats:
    """Draw level and slope of every outcome, in prior SDs, with growth that may stay inside its scale.

    Their law has no part of the design, so drawing them again is not drawing among designs.
    """
    prior = dict(study.priors[0].scales)
    found = []
    for name in model.outcomes:
        variable, own = declared(study, name), prior[name]
        assert variable.minimum is not None and variable.maximum is not None
        ends = [variable.minimum + share * (variable.maximum - variable.minimum) for share in _SCREEN]
        while True:
            white = rng.standard_normal(2)
            level = own.intercept[0] + own.intercept[1] * white[0]
            last = level + own.slope[0] + own.slope[1] * white[1]
            if ends[0] <= min(level, last) and max(level, last) <= ends[1]:
                break
        found += list(white)
    return np.array(found)


def is_kept(study: Study, member: Member) -> bool:
    """Whether printed growth stays off the ends of the scales, and no model of a table has a degenerate covariance."""
    for part in member.model.parts:
        problem = part.problem
        variable = declared(study, problem.outcome)
        assert variable.minimum is not None and variable.maximum is not None
        evaluate = Evaluator(problem)
        state = evaluate(member.recorded[part.index])
        if not np.all(np.isfinite(state.value)):
            return False
        if np.any(np.abs(state.value[state.value.size - len(problem.inner) :]) > MAX_CORRELATION):
            return False
        name = f"{problem.outcome}_growth"
        beta = dict(zip(problem.models[name].blocks.design.x_names, evaluate.fits[name].beta, strict=True))
        line = beta["Intercept"] + np.array([0.0, study.horizon]) * beta[study.time]
        share = (line - variable.minimum) / (variable.maximum - variable.minimum)
        if share.min() < INNER[0] or share.max() > INNER[1]:
            return False
    return True


def print_study(
    study: Study, plan: CohortPlan, targets: Sequence[Target], member: Member
) -> tuple[tuple[Target, ...], CohortPlan]:
    """State of a simulated study what the publication states of the real one.

    Parameters
    ----------
    study : Study
        Limits of tests in tables.
    plan : CohortPlan
        Whose printed means and SDs at baseline and discharge are replaced.
    targets : sequence of Target
        What the real publication states.
    member : Member
        The simulated study.

    Returns
    -------
    targets : tuple of Target
        What is stated now; an order between outcomes that are almost equal is left out.
    plan : CohortPlan
        With the new means and SDs.
    """
    values = read_values(targets, member)
    levels = sorted(
        {end for t in targets if t.kind == "p" and t.from_cell for end in (t.low, t.high) if 0.0 < end < 1.0}
    )
    stated = [restate(target, value, levels) for target, value in zip(targets, values, strict=True)]
    return tuple(target for target in stated if target is not None), _restate_moments(plan, member)


def read_values(targets: Sequence[Target], member: Member) -> list[float]:
    """Return the number that each target is about: of a test p with the sign of the effect, of an order the ratio."""
    evaluators: dict[str, Evaluator] = {}
    place: dict[str, str] = {}
    for part in member.model.parts:
        evaluate = Evaluator(part.problem)
        evaluate(member.recorded[part.index])
        evaluators[part.problem.outcome] = evaluate
        place |= dict.fromkeys(part.problem.models, part.problem.outcome)
    return [_read(target, evaluators, place) for target in targets]


def _read(target: Target, evaluators: Mapping[str, Evaluator], place: Mapping[str, str]) -> float:
    evaluate = evaluators[place[target.model]]
    model, fit = evaluate.problem.models[target.model], evaluate.fits[target.model]
    if target.kind == "less_estimate":
        mine = _size(evaluate, target.model, target.weights)
        return mine / _size(evaluators[place[target.other]], target.other, target.other_weights)
    by = {
        name: differentiate_fit(evaluate.problem.models[name].blocks, evaluate.fits[name])
        for name in {target.model, model.reference, target.other} & set(evaluate.fits)
    }
    value, _, _, _, _ = evaluate._line(target, by, len(evaluate.problem.lower))
    if target.kind == "p":
        weights = weight_vector(model.blocks.design.x_names, target.weights)
        t = float(weights @ fit.beta / np.sqrt(weights @ fit.cov @ weights))
        df = satterthwaite_df(fit, by[target.model], weights)
        return float(np.copysign(2.0 * special.stdtr(df if df > 0.0 else np.inf, -abs(t)), t))
    if target.kind == "lr":
        other = evaluate.fits[target.other]
        more = len(fit.beta) + len(fit.variances) - len(other.beta) - len(other.variances)
        return float(special.chdtrc(more, max(value, 0.0)))
    if target.kind == "wald":
        return float(2.0 * special.ndtr(-value))
    return float(value)


def _size(evaluate: Evaluator, model: str, weights: tuple[tuple[str, float], ...]) -> float:
    names = evaluate.problem.models[model].blocks.design.x_names
    return abs(float(weight_vector(names, weights) @ evaluate.fits[model].beta))


def restate(target: Target, value: float, levels: Sequence[float]) -> Target | None:
    """State of another number what is stated of one.

    Parameters
    ----------
    target : Target
        What the real publication states.
    value : float
        Of :func:`read_values`.
    levels : sequence of float
        At which the tables' marks tell p values apart, ascending.

    Returns
    -------
    Target or None
        None for an order of two estimates too near to each other to be told.
    """
    if target.kind in ROUNDED:
        low, high = _round_alike(target, value)
        return replace(target, low=low, high=high)
    if target.kind == "p":
        return _restate_test(target, value, levels)
    if target.kind in ("lr", "wald"):
        low, high = _class_of(value, _own_ends(target))
        return replace(target, low=low, high=high)
    if target.kind in ("sign", "aic_gain", "less_t"):
        low, high = (0.0, np.inf) if value > 0.0 else (-np.inf, 0.0)
        sign = (1 if value > 0.0 else -1) if target.kind == "sign" else 0
        return replace(target, low=low, high=high, sign=sign)
    if target.kind == "less_estimate":
        if _APART < value < 1.0 / _APART:
            return None
        if value < 1.0:
            return target
        return replace(
            target,
            model=target.other,
            weights=target.other_weights,
            other=target.model,
            other_weights=target.weights,
        )
    raise ValueError(f"no rule how a publication states {target.kind}")


def _round_alike(target: Target, value: float) -> tuple[float, float]:
    """Interval of the numbers that round as the value does, to the digits of the present one."""
    width = target.high - target.low if np.isfinite(target.low) else 2.0 * target.high
    width = round(width, 9)
    whole = float(np.rint(value / width))
    low, high = round((whole - 0.5) * width, 9), round((whole + 0.5) * width, 9)
    if target.kind.startswith("explained") and whole <= 0.0:
        # As in the real tables: a variance that grew is printed as nothing explained.
        low, high = -np.inf, width / 2.0
    return max(low, 0.0) if target.kind == "se" else low, high


def _restate_test(target: Target, value: float, levels: Sequence[float]) -> Target:
    """Class of p as the present statement tells it apart; where p is bounded above, the sign is told, too."""
    p = abs(value)
    if target.said.startswith("p ="):
        low, high = _round_alike(replace(target, kind="se"), p)
        high = min(high, 1.0)
    else:
        low, high = _class_of(p, levels if target.from_cell else _own_ends(target))
    sign = 0 if high >= 1.0 else (1 if value > 0.0 else -1)
    return replace(target, low=low, high=high, sign=sign)


def _own_ends(target: Target) -> list[float]:
    return [end for end in (target.low, target.high) if 0.0 < end < 1.0]


def _class_of(p: float, levels: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the class of p that the levels make."""
    low = max((level for level in levels if level <= p), default=0.0)
    return low, min((level for level in levels if level > p), default=1.0)


def read_moments(
    study: Study, plan: CohortPlan, member: Member
) -> Iterator[tuple[str, float, tuple[float, float]]]:
    """Means and SDs at baseline and discharge: name, value, and the interval that the plan prints."""
    ends = {end.outcome: (end.baseline, end.discharge) for other in plan.others for end in other.ends}
    rule = study.publication.rounding
    for part in member.model.parts:
        y = member.recorded[part.index]
        for moment, stated in zip(part.problem.moments, ends.get(part.problem.outcome, ()), strict=True):
            value, spread = stated.parsed.value, stated.parsed.spread
            assert value is not None and spread is not None
            yield f"{moment.place}: mean", float(y[moment.rows].mean()), value.interval(rule).ends
            yield f"{moment.place}: sd", float(y[moment.rows].std(ddof=1)), spread.interval(rule).ends


def _restate_moments(plan: CohortPlan, member: Member) -> CohortPlan:
    """Print means and SDs at baseline and discharge of the simulated study in place of the real ones."""
    found: dict[str, list[tuple[float, float]]] = {}
    for part in member.model.parts:
        y = member.recorded[part.index]
        found[part.problem.outcome] = [
            (float(y[m.rows].mean()), float(y[m.rows].std(ddof=1))) for m in part.problem.moments
        ]
    others = []
    for other in plan.others:
        ends = [
            replace(end, baseline=_print(end.baseline, *first), discharge=_print(end.discharge, *last))
            for end in other.ends
            for first, last in [found[end.outcome]]
        ]
        others.append(replace(other, ends=tuple(ends)))
    return replace(plan, others=tuple(others))


def _print(old: PrintedText, mean: float, sd: float) -> PrintedText:
    """Print mean and SD with as many digits."""
    value, spread = old.parsed.value, old.parsed.spread
    assert value is not None and spread is not None
    return PrintedText(printed=f"{mean:.{value.decimals}f}({sd:.{spread.decimals}f})", quantity=old.quantity)
