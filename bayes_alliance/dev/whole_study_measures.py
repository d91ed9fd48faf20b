"""What is ranked of a data set of the built-in study's size, and the posterior of its coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.cohorts.draws.growth import Floats, Whitening, weigh_coefficients
from bayes_alliance.cohorts.draws.statistics import Link
from bayes_alliance.cohorts.draws.truncated import draw_between
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.solver.sensitivity import BlockFit, fit_scores, lay_out
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.cohorts.typicality import measure_cohort
from bayes_alliance.dev.whole_study import ROUNDED, Member, read_moments, read_values
from bayes_alliance.inference.collapsed import fit_collapsed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

PRINTED, ENDS, STATED, UNPRINTED, ANSWERS = (
    "printed",
    "distance to an end",
    "tests and orders",
    "unprinted",
    "answers of the full data",
)
GROUPS = (PRINTED, ENDS, STATED, UNPRINTED, ANSWERS)
_TESTS = ("p", "wald", "lr", "aic_gain", "less_t")
_EXTREME = 1e-300
# Turns of latent scores and coefficients; the first ones are not kept.
_TURNS, _SKIPPED = 120, 40
_HAIR = 1e-9
# A score whose latent interval is wider than this many grid steps is drawn; others are put in the middle of theirs.
_WIDE = 1.5


def measure(
    study: Study, plan: CohortPlan, stated: Sequence[Target], member: Member, seed: int
) -> dict[str, dict[str, float]]:
    """Measure a data set, by group of quantities.

    Parameters
    ----------
    study : Study
        Models and priors.
    plan : CohortPlan
        Of its design, with the means and SDs printed of the truth.
    stated : sequence of Target
        What is printed of the truth.
    member : Member
        The data set.
    seed : int
        Of the posteriors.
    """
    printed, ends, tests = {}, {}, {}
    for target, value in zip(stated, read_values(stated, member), strict=True):
        name = ":".join([target.model, target.kind, *(f"{w:g} {c}" for c, w in target.weights)])
        if target.kind in ROUNDED:
            printed[name] = value
            ends[name] = min(value - target.low, target.high - value)
        elif target.kind in ("p", "wald", "lr"):
            size = float(-special.ndtri(max(abs(value), _EXTREME) / 2.0))
            tests[f"{name}:{target.which}"] = float(np.copysign(size, value))
        elif target.kind in _TESTS:
            tests[name] = value
    for name, value, (low, high) in read_moments(study, plan, member):
        printed[name] = value
        ends[name] = min(value - low, high - value)
    return {
        PRINTED: printed,
        ENDS: ends,
        STATED: tests,
        UNPRINTED: dict(_unprinted(study, plan, stated, member)),
        ANSWERS: dict(_answers(study, stated, member, seed)),
    }


def _planned(study: Study, member: Member) -> Iterator[PlannedModel]:
    for model in study.models:
        planned = plan_model(member.data, model, parse_formula(model.formula).names)
        if isinstance(planned, PlannedModel):
            yield planned


def _unprinted(
    study: Study, plan: CohortPlan, stated: Sequence[Target], member: Member
) -> Iterator[tuple[str, float]]:
    """Effects that nothing is stated of, effects at mid-course, variances of growth, gains in AIC, the design."""
    said = {(t.model, name) for t in stated for name, _ in t.weights}
    for planned in _planned(study, member):
        fit, names = fit_scores(lay_out(planned.design), planned.design.y), planned.design.x_names
        for k, name in enumerate(names):
            if name in ("Intercept", study.time):
                continue
            if (planned.model.id, name) not in said:
                yield f"{planned.model.id}: t of {name}", float(fit.beta[k] / np.sqrt(fit.cov[k, k]))
            grown = f"{study.time}:{name}"
            if grown in names:
                yield (
                    f"{planned.model.id}: {name} at mid-course",
                    _mid_course(study, fit, k, names.index(grown)),
                )
        if planned.model.id == f"{planned.model.outcome}_growth":
            for label, value in zip(
                ("intercept", "covariance", "slope", "residual"), fit.variances, strict=True
            ):
                yield f"{planned.model.id}: {label}", float(value)
    found = measure_cohort(study, plan, member.data, ())
    yield from (item for item in found.items() if item[0].split(":")[0] in ("gain", "tilt", "few"))
    rows = member.data.rows
    for name in (plan.main.outcomes[0], plan.end_outcome):
        seen = rows.loc[rows[name].notna(), study.time]
        yield f"times of {name}: mean", float(seen.mean())
        yield f"times of {name}: SD", float(seen.std())


def _mid_course(study: Study, fit: BlockFit, level: int, slope: int) -> float:
    """Return the t statistic of an effect at half of the horizon."""
    half = study.horizon / 2.0
    variance = fit.cov[level, level] + 2.0 * half * fit.cov[level, slope] + half**2 * fit.cov[slope, slope]
    return float((fit.beta[level] + half * fit.beta[slope]) / np.sqrt(variance))


def _answers(
    study: Study, stated: Sequence[Target], member: Member, seed: int
) -> Iterator[tuple[str, float]]:
    """Posterior means of the estimands of models that a table prints, under the study's first prior."""
    tabled = {t.model for t in stated if t.from_cell}
    for number, planned in enumerate(_planned(study, member)):
        if planned.model.id not in tabled or not planned.model.estimands:
            continue
        priors = coefficient_priors(study, planned.design, study.priors[0].name)
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        posterior = fit_collapsed(planned.design, planned.rows, priors, seed=own)
        for estimand in planned.model.estimands:
            yield f"{planned.model.id}: {estimand.name}", float(posterior.combine(estimand.weights).mean())


def name_coefficients(member: Member) -> tuple[str, ...]:
    """Outcome and column of each coefficient of the joint model; level and slope of all patients first."""
    each = member.model.layout.columns.shape[1] // len(member.model.outcomes)
    kinds = ["level", "slope", *(f"effect {k // 2} {('level', 'slope')[k % 2]}" for k in range(each - 2))]
    return tuple(f"{outcome}: {kind}" for outcome in member.model.outcomes for kind in kinds)


def posterior_of(member: Member, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean and SD of the coefficients given a data set and its covariances, both shape (turns kept, p).

    Coefficients and those latent scores that their recorded ones leave wide open, beyond the ends of a range above
    all, are drawn in turn; one row a turn, so that the posterior is the mixture of the rows.
    """
    model = member.model
    whitening = Whitening(model.layout, member.covariances)
    low, high, middle = latent_interval(member)
    x = middle.copy()
    steps = np.empty(len(x))
    for part in model.parts:
        steps[part.index] = part.problem.step
    wide = high - low > _WIDE * steps
    precisions = [np.linalg.inv(root @ root.T) for root in whitening.roots]
    means, sds = [], []
    for turn in range(_TURNS):
        mean, precision = weigh_coefficients(whitening, x)
        covariance = np.linalg.inv(precision)
        gamma = mean + np.linalg.cholesky(covariance) @ rng.standard_normal(len(mean))
        if turn >= _SKIPPED:
            means.append(model.layout.column_sd * mean)
            sds.append(model.layout.column_sd * np.sqrt(np.diagonal(covariance)))
        centre = model.layout.centre + whitening.scaled @ gamma
        _draw_latent(x, centre, precisions, whitening.blocks, (low, high, wide), rng)
    return np.array(means), np.array(sds)


def _draw_latent(
    x: Floats,
    centre: Floats,
    precisions: Sequence[Floats],
    blocks: Sequence[slice],
    intervals: tuple[Floats, Floats, NDArray[np.bool_]],
    rng: np.random.Generator,
) -> None:
    """Draw the wide scores anew, one after another given all others, in place."""
    low, high, wide = intervals
    for block, precision in zip(blocks, precisions, strict=True):
        for j in np.flatnonzero(wide[block]):
            at = block.start + int(j)
            own = precision[j, j]
            rest = x[block] - centre[block]
            mean = centre[at] - (precision[j] @ rest - own * rest[j]) / own
            sd = 1.0 / np.sqrt(own)
            ends = (low[at] - mean) / sd, (high[at] - mean) / sd
            x[at] = mean + sd * draw_between(0.0, *ends, rng.random())


def latent_interval(member: Member) -> tuple[Floats, Floats, Floats]:
    """Latent scores that are recorded at each score's grid point: ends, and a point inside."""
    link, y = member.model.link, member.recorded
    half = np.empty(len(y))
    for part in member.model.parts:
        half[part.index] = 0.5 * part.problem.step
    return unbend(link, y - half), unbend(link, y + half), unbend(link, y)


def unbend(link: Link, y: Floats) -> Floats:
    """Return the latent scores that a link records at these; infinite at and beyond the ends of a range."""
    risen = -_unbend(-y, -link.upper, link.upper_bend)
    # The upper bend lifts the lower end a hair: a score there may come from any depth.
    return np.where(y <= link.lower + _HAIR, -np.inf, _unbend(risen, link.lower, link.lower_bend))


def _unbend(y: Floats, end: Floats, bend: Floats) -> Floats:
    free = np.isinf(end)
    above = y - np.where(free, 0.0, end)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(above > _HAIR, y - bend**2 / above, -np.inf)
    return np.where(free | np.isinf(y), y, found)


def place_of(
    value: Mapping[str, float], means: Floats, sds: Floats, names: Sequence[str]
) -> dict[str, float]:
    """Probability that a mixture of normal laws, one row each, gives to values below the true ones."""
    truth = np.array([value[name] for name in names])
    places = special.ndtr((truth - means) / sds).mean(axis=0)
    return {name: float(place) for name, place in zip(names, places, strict=True)}
