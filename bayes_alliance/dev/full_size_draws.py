"""Draws given a small publication by the steps that draw the cohorts that ship.

Everything but the study is theirs: variances fitted to the printed standard errors, deals of the group until these can
be had, leaning where random ones do not do, augmentation and the linearised draw of the targets
(:mod:`bayes_alliance.cohorts.draws.conditional`), exact steps and the grid
(:mod:`bayes_alliance.cohorts.settle_scores`), another design where an outcome misses. So what these steps approximate
shows in ranks and coverage, on publications small enough for many draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from bayes_alliance.cohorts.build import DRAWN_DESIGNS
from bayes_alliance.cohorts.draws.conditional import draw_given_print
from bayes_alliance.cohorts.draws.growth import Covariances, Floats, Whitening
from bayes_alliance.cohorts.draws.statistics import Link, OutcomePart
from bayes_alliance.cohorts.plan import Growth
from bayes_alliance.cohorts.roster import Roster
from bayes_alliance.cohorts.settle_scores import settle_scores
from bayes_alliance.cohorts.solver import design as designs
from bayes_alliance.cohorts.solver.demands import Moment
from bayes_alliance.cohorts.solver.sensitivity import Blocks, weigh_design
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.dev.small_draws import SmallDraw, record_draw
from bayes_alliance.dev.small_publications import (
    HORIZON,
    PRINTED_MODELS,
    SmallPrior,
    SmallPublication,
    World,
    draw_design,
    lay_out_world,
    make_problem,
    make_target,
)
from bayes_alliance.dev.small_studies import SmallStudy, judge_draws

# Step of the scores: half a residual SD, where that of the built-in study's scales is a third.
GRID = 0.25
_CORRELATION = -0.3


def judge_full_size(prior: SmallPrior, seed: list[int], *, draws: int) -> SmallStudy:
    """Simulate a study with scores on a grid, print it, and rank the truth among draws by the steps at full size."""

    def draw(publication: SmallPublication, rng: np.random.Generator) -> SmallDraw | None:
        return draw_full_size(prior, publication, rng)

    return judge_draws(prior, seed, draw, draws=draws, grid=GRID)


def draw_full_size(
    prior: SmallPrior, publication: SmallPublication, rng: np.random.Generator
) -> SmallDraw | None:
    """Draw a data set as a cohort that ships is drawn.

    Parameters
    ----------
    prior : SmallPrior
        What data sets come from.
    publication : SmallPublication
        All that is known of one of them.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    SmallDraw or None
        ``accepted`` is the share of designs tried on which everything was met, ``designs`` whether the group was dealt
        at random (1) or leaning (0). None where everything was met on none of as many designs as a cohort may take.
    """
    targets = state_targets(publication)
    for number in range(1, DRAWN_DESIGNS + 1):
        world, sds, tilt = _choose_design(prior, publication, targets, rng)
        found = _draw_once(prior, publication, world, sds, targets, rng)
        if found is not None:
            y, covariances = found
            whole = lay_out_world(prior, world.frame)
            whitening = Whitening(whole.layout, covariances)
            return record_draw(whole, whitening, y, accepted=1.0 / number, designs=float(tilt == 0.0))
    return None


def state_targets(publication: SmallPublication) -> tuple[Target, ...]:
    """Ask for what is printed of the models; tests by bounds on p and a sign."""
    targets = []
    for name, interval in publication.intervals.items():
        if ":" in name:
            model, kind, coefficient = name.split(":", 2)
            targets.append(make_target(model, kind, ((coefficient, 1.0),) if coefficient else (), *interval))
    for coefficient, (low, high) in (("group", publication.level), ("time:group", publication.slope)):
        sign = int(low > 0.0) - int(high < 0.0)
        near, far = (min(abs(low), abs(high)), max(abs(low), abs(high))) if sign else (0.0, high)
        ends = (2.0 * float(special.ndtr(-far)), 2.0 * float(special.ndtr(-near)))
        targets.append(replace(make_target("group", "p", ((coefficient, 1.0),), *ends), sign=sign))
    return tuple(targets)


def _choose_design(
    prior: SmallPrior, publication: SmallPublication, targets: tuple[Target, ...], rng: np.random.Generator
) -> tuple[World, Floats, float]:
    """Choose a design on which the printed standard errors can be had: the design, fitted SDs, and how far it leans."""
    best: tuple[float, World, Floats, float] | None = None
    for _ in range(designs._ROSTERS):
        found = _choose_deal(prior, publication, targets, rng)
        if best is None or found[0] < best[0]:
            best = found
        if best[0] < designs._ENOUGH:
            break
    assert best is not None
    return best[1:]


def _choose_deal(
    prior: SmallPrior, publication: SmallPublication, targets: tuple[Target, ...], rng: np.random.Generator
) -> tuple[float, World, Floats, float]:
    frame = draw_design(prior, rng, publication.n_rows)
    wanted = [target for target in targets if target.kind in ("se", "aic")]
    world = lay_out_world(prior, frame, PRINTED_MODELS)
    sds = _fit_sds(wanted, world)
    best, loss, tilt = world, _loss(wanted, world, sds), 0.0
    patients = pd.DataFrame({"group": "all", "label": frame.groupby("patient")["group"].first().to_numpy()})
    roster = Roster(patients=patients, visits=frame[["patient", "time"]])
    for deal in range(designs._DEALS):
        if loss < designs._ENOUGH:
            break
        lean = designs._TILT * max(deal - designs._AT_RANDOM, 0) / (designs._DEALS - designs._AT_RANDOM)
        label = designs._redeal(roster, ["label"], rng, lean)["label"].to_numpy()
        moved = lay_out_world(prior, frame.assign(group=label[frame["patient"]]), PRINTED_MODELS)
        other = _loss(wanted, moved, sds)
        if other < loss:
            best, loss, tilt = moved, other, lean
    sds = _fit_sds(wanted, best)
    return _loss(wanted, best, sds), best, sds, tilt


def _fit_sds(targets: list[Target], world: World) -> Floats:
    """SDs of intercept, slope and residual that fit the printed standard errors and AICs of a design."""
    start = Growth(
        outcome="y",
        intercept=5.0,
        slope=0.0,
        sd_intercept=1.0,
        sd_slope=1.0 / HORIZON,
        sigma=0.5,
        on_intercept=(),
        on_slope=(),
    )
    found = designs._fit_one(start, _CORRELATION, targets, _blocks(world))
    return np.array([found.sd_intercept, found.sd_slope, found.sigma])


def _blocks(world: World) -> dict[str, Blocks]:
    return {name: model.blocks for name, model in world.models.items()}


def _loss(targets: list[Target], world: World, sds: Floats) -> float:
    """Squared log distances of standard errors from their printed intervals."""
    total = 0.0
    for name, blocks in _blocks(world).items():
        cov, _ = weigh_design(blocks, designs.variances_of(sds, _CORRELATION))
        total += sum(designs._gap(t, blocks, cov) ** 2 for t in targets if t.model == name and t.kind == "se")
    return total


def _draw_once(
    prior: SmallPrior,
    publication: SmallPublication,
    world: World,
    sds: Floats,
    targets: tuple[Target, ...],
    rng: np.random.Generator,
) -> tuple[Floats, Covariances] | None:
    """Draw scores on one design and put them on the grid; None where something printed is missed."""
    n = len(world.frame)
    moment = Moment(
        rows=np.arange(n),
        mean=publication.intervals["mean"],
        sd=publication.intervals["sd"],
        said="",
        place="scores",
    )
    problem = replace(make_problem(world, targets, (moment,)), step=GRID, inner=PRINTED_MODELS)
    part = OutcomePart(problem=problem, index=np.arange(n))
    free = np.full(n, np.inf)
    link = Link(lower=-free, upper=free, lower_bend=np.zeros(n), upper_bend=np.zeros(n))
    start = _start(prior, sds)
    draw = draw_given_print(world.layout, link, [part], (), prior.covariance, start, rng)
    settled = settle_scores(world.layout, link, [part], (), prior.covariance, draw, rng)
    return (settled.recorded, settled.covariances) if settled.is_met else None


def _start(prior: SmallPrior, sds: Floats) -> Covariances:
    """Covariances with the fitted SDs, and the prior's correlation."""
    effects = prior.covariance.effects
    unit = np.array([sds[0], sds[1] * HORIZON]) / np.sqrt(np.diagonal(effects))
    return Covariances(effects=effects * np.outer(unit, unit), residuals=np.array([[sds[2] ** 2]]))
