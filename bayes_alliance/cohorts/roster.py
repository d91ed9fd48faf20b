"""Who is in a cohort and when they are assessed: groups, visits and baseline values, without any score.

Whatever is printed of patients is met exactly: counts that print like a percentage are solved, not sampled, and
whole-number values are moved until their mean and SD print alike. Where no whole number of patients gives a
percentage, the fewest missing values with which one does are assumed. Only who has what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.cohorts.plan import CohortPlan, CovariatePlan, VisitPlan
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.ml import compare_means
from bayes_alliance.published.count_checks import percent_of, possible_counts
from bayes_alliance.published.stars import PBounds, read_stars, read_unmarked, star_rule
from bayes_alliance.study.records import Cell, Study

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_CHOICES = 300
_DEALS = 50
_MOVES = 5000


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Patients and visits of a cohort.

    Parameters
    ----------
    patients : pandas.DataFrame
        One row a patient: ``group`` and every covariate.
    visits : pandas.DataFrame
        One row a visit, sorted: ``patient``, ``time``, ``stage`` (0 baseline, 1 between, 2 discharge), ``main``
        and ``other0``, ... for the instruments that were filled in, ``second_version``.
    """

    patients: pd.DataFrame
    visits: pd.DataFrame


def draw_roster(study: Study, plan: CohortPlan, rng: np.random.Generator) -> Roster:
    """Draw who is in a cohort and when they are assessed.

    Parameters
    ----------
    study : Study
        Its cells say what the baseline values must print.
    plan : CohortPlan
        Sizes, counts and visits.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Roster

    Raises
    ------
    InputError
        If a printed percentage or mean cannot be met.
    """
    groups = rng.permutation(np.repeat([g.name for g in plan.groups], [g.n for g in plan.groups]))
    visits = _draw_visits(plan, groups, rng)
    return Roster(patients=deal_covariates(study, plan, groups, visits, rng), visits=visits)


def deal_covariates(
    study: Study, plan: CohortPlan, groups: NDArray[np.str_], visits: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Deal the baseline values out, one row a patient; arguments as for :func:`draw_roster`."""
    columns: dict[str, NDArray[np.object_] | Floats] = {"group": groups.astype(object)}
    rows = _rows_by_patient(plan, visits, len(groups))
    for covariate in plan.covariates:
        columns[covariate.name] = _deal(study, plan, covariate, groups, rows, rng)
    return pd.DataFrame(columns)


def _deal(
    study: Study,
    plan: CohortPlan,
    covariate: CovariatePlan,
    groups: NDArray[np.str_],
    rows: Mapping[str, NDArray[np.int64]],
    rng: np.random.Generator,
) -> Floats:
    """Return every patient a value of one covariate; again until the two printed groups compare as printed."""
    sizes = {group.name: group.n for group in plan.groups}
    cells = {c.group: c for c in study.cells if c.variable == covariate.name and c.group in sizes}
    wanted = _wanted_p(study, list(cells.values()))
    for _ in range(_DEALS):
        values = np.full(len(groups), np.nan)
        counts = {name: _solve_count(study, plan, covariate, name, cells) for name in sizes}
        missing = _choose_missing(covariate, groups, {n: m for n, (_, m) in counts.items()}, rows, rng)
        for name, (count, _) in counts.items():
            members = np.flatnonzero((groups == name) & ~missing)
            values[members] = rng.permutation(
                _values(study, covariate, name, len(members), count, cells.get(name), rng)
            )
        means = [values[groups == name] for name, cell in cells.items() if cell.quantity == "mean_sd"]
        if len(means) != 2 or wanted.low <= compare_means(means[0], means[1]).p <= wanted.high:
            return values
    what = f"no deal of {covariate.name} gave the printed means, SDs and test"
    raise InputError(study.data.cohort, [Problem(what=what, where=f"[covariates.{covariate.name}]")])


def _wanted_p(study: Study, cells: list[Cell]) -> PBounds:
    """Bounds on p that the stars of a row, or their absence, say."""
    if not cells:
        return PBounds()
    rule = star_rule(study.publication, cells[0].table)
    stars = max(cell.parsed.stars for cell in cells)
    return read_stars(rule, stars) if stars else read_unmarked(rule)


def _solve_count(
    study: Study, plan: CohortPlan, covariate: CovariatePlan, group: str, cells: Mapping[str, Cell]
) -> tuple[int, int]:
    """Patients of a group who have (or, of numbers, who have none of) something, and who lack a value.

    A stated count stands; else the printed percentage is solved, with the fewest missing values that allow it;
    a group without a printed percentage gets the share of the others.
    """
    n = {g.name: g.n for g in plan.groups}[group]
    stated, missing = dict(covariate.count).get(group), int(dict(covariate.missing).get(group, 0))
    if covariate.kind in ("gamma", "integer"):
        return 0, missing
    if stated is not None:
        return int(stated), missing
    cell = cells.get(group)
    if cell is None or cell.quantity != "percent":
        others = [_solve_count(study, plan, covariate, g, cells) for g in cells if g != group]
        valid = sum(g.n for g in plan.groups if g.name in cells) - sum(m for _, m in others)
        return round((n - missing) * sum(c for c, _ in others) / max(valid, 1)), missing
    interval = percent_of(study, cell)
    for lacking in range(missing, n):
        found = possible_counts(interval, n - lacking)
        if found:
            return int(found[len(found) // 2]), lacking
    what = f"no number of {n} patients prints as {cell.printed} %"
    raise InputError(study.data.cohort, [Problem(what=what, where=f"[covariates.{covariate.name}]")])


def _choose_missing(
    covariate: CovariatePlan,
    groups: NDArray[np.str_],
    missing: Mapping[str, int],
    rows: Mapping[str, NDArray[np.int64]],
    rng: np.random.Generator,
) -> Flags:
    """Mark the patients without a value: of many choices the one whose rows come closest to what is asked."""
    best, best_gap = np.zeros(len(groups), dtype=bool), np.inf
    wanted = dict(covariate.missing_rows)
    for _ in range(_CHOICES if wanted else 1):
        chosen = np.zeros(len(groups), dtype=bool)
        for name, count in missing.items():
            chosen[rng.choice(np.flatnonzero(groups == name), size=count, replace=False)] = True
        gap = sum(abs(int(rows[key][chosen].sum()) - want) / max(want, 1.0) for key, want in wanted.items())
        if gap < best_gap:
            best, best_gap = chosen, gap
    return best


def _rows_by_patient(plan: CohortPlan, visits: pd.DataFrame, n: int) -> dict[str, NDArray[np.int64]]:
    """Rows of each outcome that each patient has."""
    patient = visits["patient"].to_numpy()
    columns = [(plan.main.outcomes, "main")]
    columns += [(other.outcomes, f"other{k}") for k, other in enumerate(plan.others)]
    return {
        name: np.bincount(patient[visits[column].to_numpy()], minlength=n)
        for names, column in columns
        for name in names
    }


def _values(
    study: Study,
    plan: CovariatePlan,
    group: str,
    n: int,
    count: int,
    cell: Cell | None,
    rng: np.random.Generator,
) -> Floats:
    """Values of one group, in no order."""
    if plan.kind == "binary":
        return (np.arange(n) < count).astype(float)
    if plan.kind == "zero_or_uniform":
        return np.where(np.arange(n) < count, 0, rng.integers(1, int(plan.maximum) + 1, n)).astype(float)
    mean, sd = dict(plan.mean)[group], dict(plan.sd)[group]
    noise = rng.standard_normal(n) if plan.kind == "integer" else _skewed(mean - plan.minimum, sd, n, rng)
    values = np.clip(np.round(noise * sd + mean), plan.minimum, plan.maximum)
    if cell is None or cell.quantity != "mean_sd":
        return values
    printed = cell.parsed
    assert printed.value is not None and printed.spread is not None
    rounding = study.publication.rounding
    intervals = printed.value.interval(rounding).ends, printed.spread.interval(rounding).ends
    found = meet_moments(values, *intervals, limits=(plan.minimum, plan.maximum), rng=rng)
    if found is None:
        what = f"no {n} whole numbers with mean and SD {cell.printed} were found"
        raise InputError(study.data.cohort, [Problem(what=what, where=f"[covariates.{plan.name}]")])
    return found


def _skewed(above: float, sd: float, n: int, rng: np.random.Generator) -> Floats:
    draws = rng.gamma((above / sd) ** 2, size=n)
    if n < 2:
        return np.zeros(n)
    scaled: Floats = (draws - draws.mean()) / draws.std(ddof=1)
    return scaled


def meet_moments(
    values: Floats,
    mean: tuple[float, float],
    sd: tuple[float, float],
    *,
    limits: tuple[float, float],
    rng: np.random.Generator,
) -> Floats | None:
    """Move whole numbers by one at a time until their mean and SD lie strictly inside their intervals.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Whole numbers within the limits.
    mean, sd : tuple of float
        Intervals; the SD has ``n - 1`` in its denominator.
    limits : tuple of float
        Ends of what a value may be.
    rng : numpy.random.Generator
        Chooses among the values that could move.

    Returns
    -------
    ndarray or None
        None where it was not reached.
    """
    current = values.copy()
    for _ in range(_MOVES):
        gap = _gap(float(current.mean()), mean), _gap(float(current.std(ddof=1)), sd)
        if gap == (0.0, 0.0):
            return current
        step = np.sign(-gap[0]) if gap[0] else 0.0
        moves = [(int(i), float(step)) for i in rng.permutation(len(current))[:12]] if step else []
        # The SD changes by pairs moved apart or together, which leave the mean where it is.
        best = min(
            _trials(current, moves, gap[1], limits, rng), key=lambda t: _badness(t, mean, sd), default=None
        )
        if best is not None and _badness(best, mean, sd) < _badness(current, mean, sd):
            current = best
    return None


def _trials(
    current: Floats,
    moves: list[tuple[int, float]],
    sd_gap: float,
    limits: tuple[float, float],
    rng: np.random.Generator,
) -> Iterator[Floats]:
    changes = [[(index, step)] for index, step in moves]
    if sd_gap or not changes:
        for _ in range(12):
            first, second = rng.choice(len(current), size=2, replace=False)
            if current[first] > current[second]:
                first, second = second, first
            apart = 1.0 if sd_gap < 0.0 else -1.0
            changes.append([(int(first), -apart), (int(second), apart)])
    for change in changes:
        trial = current.copy()
        for index, step in change:
            trial[index] += step
        if trial.min() >= limits[0] and trial.max() <= limits[1]:
            yield trial


def _gap(value: float, interval: tuple[float, float]) -> float:
    """How far a value lies outside an interval; ends do not count as inside, whatever the rounding rule."""
    low, high = interval
    inset = 1e-6 * (high - low)
    return min(value - low - inset, 0.0) + max(value - high + inset, 0.0)


def _badness(values: Floats, mean: tuple[float, float], sd: tuple[float, float]) -> float:
    return abs(_gap(float(values.mean()), mean)) + abs(_gap(float(values.std(ddof=1)), sd))


def _draw_visits(plan: CohortPlan, groups: NDArray[np.str_], rng: np.random.Generator) -> pd.DataFrame:
    """Place assessments: one row a visit, with which instruments it has and the version of the main one."""
    main = plan.main
    numbers, bound = _draw_numbers(plan, groups, rng)
    early = _choose(rng, main.single_early, within=numbers == 1, always=bound)
    without_end = np.isin(groups, plan.endless)
    for group in plan.groups:
        if group.lacking_end:
            without_end |= _choose(rng, group.lacking_end, within=groups == group.name)
    every = np.ones(len(groups), dtype=bool)
    lacking = _choose(rng, main.lacking_final, within=every, always=without_end | early)
    # A single assessment that is not an early one may be the final one; whoever lacks the final one has others.
    rows: list[dict[str, float]] = []
    for i in range(len(groups)):
        n_interim = int(numbers[i]) - int(not lacking[i])
        interim = _draw_interim(plan.visits, n_interim, int(numbers[i]) == 1, bool(early[i]), rng)
        rows.append({"patient": i, "time": plan.visits.baseline, "stage": 0})
        rows += [{"patient": i, "time": time, "stage": 1} for time in interim]
        rows.append({"patient": i, "time": plan.visits.discharge, "stage": 2})
    visits = pd.DataFrame(rows)
    patient = visits["patient"].to_numpy(dtype=np.int64)
    visits["patient"] = patient
    stage = visits["stage"].to_numpy(dtype=np.int64)
    visits["main"] = (stage == 1) | ((stage == 2) & ~lacking[patient])
    for index, other in enumerate(plan.others):
        lacks = _choose(rng, other.lacking_final, within=lacking, always=without_end)
        blank = _choose(rng, min(other.blank_visits, int((stage == 1).sum())), within=stage == 1)
        visits[f"other{index}"] = (stage == 0) | ((stage == 1) & ~blank) | ((stage == 2) & ~lacks[patient])
    visits["second_version"] = _draw_versions(plan, numbers, visits, rng)
    used = ["main", *(f"other{index}" for index in range(len(plan.others)))]
    return visits[visits[used].any(axis=1)].reset_index(drop=True)


def _draw_numbers(
    plan: CohortPlan, groups: NDArray[np.str_], rng: np.random.Generator
) -> tuple[NDArray[np.int64], Flags]:
    """Deal the numbers of assessments out; patients of ``single_groups`` get one of the single ones."""
    bound = np.isin(groups, plan.main.single_groups)
    pool = np.repeat([k for k, _ in plan.main.assessments], [c for _, c in plan.main.assessments])
    kept = np.delete(pool, np.flatnonzero(pool == 1)[: int(bound.sum())])
    numbers = np.ones(len(groups), dtype=np.int64)
    numbers[~bound] = rng.permutation(kept)
    return numbers, bound


def _choose(rng: np.random.Generator, n: int, *, within: Flags, always: Flags | None = None) -> Flags:
    """Mark exactly ``n`` places: those of ``always``, and others at random from ``within``."""
    chosen = np.zeros(len(within), dtype=bool) if always is None else always.copy()
    pool = np.flatnonzero(within & ~chosen)
    chosen[rng.choice(pool, size=n - int(chosen.sum()), replace=False)] = True
    return chosen


def _draw_interim(
    visits: VisitPlan, n: int, single: bool, early: bool, rng: np.random.Generator
) -> list[float]:
    """Choose n visits between baseline and discharge by weight, and move each a little."""
    times, weights = np.array(visits.scheduled), np.array(visits.weights)
    if single:
        permitted = (times <= visits.early_until) == early
        times, weights = times[permitted], weights[permitted]
    n_scheduled = min(n, len(times))
    chosen = rng.choice(times, size=n_scheduled, replace=False, p=weights / weights.sum())
    extra = rng.choice(np.array(visits.extra), size=n - n_scheduled, replace=False)
    kept = np.sort(np.concatenate([chosen, extra]))
    return [float(t) for t in np.round(kept + rng.uniform(-visits.jitter, visits.jitter, len(kept)), 1)]


def _draw_versions(
    plan: CohortPlan, numbers: NDArray[np.int64], visits: pd.DataFrame, rng: np.random.Generator
) -> Flags:
    """Return for each visit whether the second version was used (meaningless where the main one was not)."""
    both = _choose(rng, plan.main.both, within=numbers >= 2)
    only_second = _choose(rng, plan.main.only_second, within=~both)
    first_second = np.where(only_second, 0, numbers)
    first_second[both] = rng.integers(1, numbers[both])
    order = visits["main"].astype(int).groupby(visits["patient"]).cumsum().to_numpy() - 1
    second: Flags = order >= first_second[visits["patient"].to_numpy()]
    return second
