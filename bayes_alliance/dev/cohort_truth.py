"""Whether an ensemble spans the truth: studies that are simulated, printed, forgotten but for their design, rebuilt.

The invented publications of :mod:`bayes_alliance.dev.invented` have data behind their tables. Cohorts are
rebuilt from the table and the design; every printed estimate then has a posterior from the true data and one from
each cohort. If the true data were just one more cohort, each end of their interval would lie beyond all of ``n``
cohorts' in 1 of ``n + 1`` cases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, special
from threadpoolctl import threadpool_limits

from bayes_alliance.cohorts.ensemble import ATTEMPTS
from bayes_alliance.cohorts.places import Places
from bayes_alliance.cohorts.rebuild import RebuildScale, rebuild_scores
from bayes_alliance.cohorts.solver.sensitivity import lay_out
from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.dev.invented import InventedTable, invent_table
from bayes_alliance.inference.collapsed import make_target, sample_target
from bayes_alliance.inference.conditional import beta_prior, condition, effect_given
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Weights, weight_vector
from bayes_alliance.inference.likelihood import relative_factor, weigh
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.inference.versions import engine_versions
from bayes_alliance.published.printed_effects import effect_weights
from bayes_alliance.runtime.resumable_tasks import run_tasks
from bayes_alliance.runtime.task_store import Failure, Task, Workers

QUANTILES = (0.025, 0.5, 0.975)
SIZES = (10, 20, 40)  # of ensembles
TOLERANCE = 0.1  # posterior SDs
_DRAWS = 4000  # of the variances
_ENDS = ("lower", "median", "upper")


@dataclass(frozen=True, kw_only=True)
class SpannedCase:
    """One printed estimate of one simulated study.

    Parameters
    ----------
    seed : int
        Of the study.
    place : str
        Model and coefficient.
    with_digits : bool
        Whether the table prints its digits, or ``ns`` only.
    truth : ndarray, shape (3,)
        2.5, 50 and 97.5 % quantiles of the posterior from the true data.
    cohorts : ndarray, shape (n, 3)
        The same from each cohort.
    truth_sd : float
        SD of the posterior from the true data.
    """

    seed: int
    place: str
    with_digits: bool
    truth: Array
    cohorts: Array
    truth_sd: float

    def spans_interval(self, count: int | None = None, tolerance: float = 0.0) -> bool:
        """Whether the true posterior's 95 % interval lies within what the cohorts' intervals span together.

        Parameters
        ----------
        count : int, optional
            Look at so many of the cohorts only, the first ones.
        tolerance : float
            How far beyond it may lie, in SDs of the true posterior.
        """
        some, beyond = self.cohorts[:count], tolerance * self.truth_sd
        low, high = some[:, 0].min() - beyond, some[:, 2].max() + beyond
        return bool(low <= self.truth[0] and self.truth[2] <= high)

    @property
    def spans_median(self) -> bool:
        """Whether the true posterior's median lies between the least and the largest of the cohorts'."""
        medians = self.cohorts[:, 1]
        return bool(medians.min() <= self.truth[1] <= medians.max())


@dataclass(frozen=True, kw_only=True)
class TruthCheck:
    """Simulated studies and what became of them.

    Parameters
    ----------
    cases : tuple of SpannedCase
        Every printed estimate of every study of which at least half of the cohorts print the table.
    left_out : tuple of (int, int)
        Seeds of the other studies, with how many of their cohorts do.
    n_missed : int
        Cohorts that print not all of their table, in studies that are kept; they are not looked at.
    failures : tuple of Failure
        Tasks without a result.
    """

    cases: tuple[SpannedCase, ...]
    left_out: tuple[tuple[int, int], ...]
    n_missed: int
    failures: tuple[Failure, ...]


def check_truth(
    seeds: Sequence[int],
    *,
    count: int,
    workers: Workers | None = None,
    store: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> TruthCheck:
    """Simulate studies, rebuild cohorts from their tables and designs, and compare the posteriors.

    Parameters
    ----------
    seeds : sequence of int
        One a study; it decides its cohorts too.
    count : int
        Cohorts for each study.
    workers, store, report
        As for :func:`bayes_alliance.runtime.resumable_tasks.run_tasks`: what lies in the store is not done again.

    Returns
    -------
    TruthCheck
    """
    tasks = [
        Task(key=f"{seed}-{'truth' if index is None else index}", arguments=(seed, index))
        for seed in seeds
        for index in (None, *range(count))
    ]
    done = run_tasks(
        summarise_posteriors,
        tasks,
        workers=workers,
        store=store,
        record=engine_versions(),
        report=report,
        unit="cohorts",
    )
    failed = {failure.key for failure in done.failures}
    cases: list[SpannedCase] = []
    left_out: list[tuple[int, int]] = []
    n_missed = 0
    for seed in seeds:
        keys = [task.key for task in tasks if task.arguments[0] == seed and task.key not in failed]
        found = [done.columns(key) for key in keys]
        kept = [columns for columns in found[1:] if len(columns["place"])]
        if keys[:1] != [f"{seed}-truth"] or 2 * len(kept) < count:
            left_out.append((seed, len(kept)))
            continue
        n_missed += count - len(kept)
        cases += _cases(seed, found[0], kept)
    return TruthCheck(cases=tuple(cases), left_out=tuple(left_out), n_missed=n_missed, failures=done.failures)


def _cases(
    seed: int, truth: Mapping[str, Sequence[Any]], kept: Sequence[Mapping[str, Sequence[Any]]]
) -> Iterator[SpannedCase]:
    for row, place in enumerate(truth["place"]):
        ends = [[float(one[name][row]) for name in _ENDS] for one in (truth, *kept)]
        yield SpannedCase(
            seed=seed,
            place=str(place),
            with_digits=bool(truth["with_digits"][row]),
            truth=np.array(ends[0]),
            cohorts=np.array(ends[1:]),
            truth_sd=float(truth["sd"][row]),
        )


def summarise_posteriors(seed: int, index: int | None) -> dict[str, list[Any]]:
    """Summarise the posterior of every printed estimate of a simulated study, from its data or from a cohort.

    Parameters
    ----------
    seed : int
        Of the study.
    index : int or None
        Of the cohort; None for the data behind the table.

    Returns
    -------
    dict of str to list
        A row an estimate: ``place``, ``with_digits``, the quantiles ``lower``, ``median`` and ``upper``, ``sd``. No
        rows where no cohort was found that prints the table.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        table = invent_table(seed)
        y = None if index is None else _rebuild(table, seed, index)
        rows = [] if index is not None and y is None else list(_estimates(table, y, seed))
    names = ("place", "with_digits", *_ENDS, "sd")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _rebuild(table: InventedTable, seed: int, index: int) -> Array | None:
    """Find scores that print the table, or None after some attempts."""
    n = table.rows.n_rows
    designs = {
        model.id: (lay_out(table.designs[model.id]), np.arange(n), model.reference or "")
        for model in table.study.models
    }
    targets = list_targets(table.study)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, index, attempt])
        found = rebuild_scores("y", designs, targets, RebuildScale(), n, rng, Places(seed=seed, index=index))
        if not found.missed:
            return found.y
    return None


def _estimates(table: InventedTable, y: Array | None, seed: int) -> Iterator[tuple[Any, ...]]:
    study = table.study
    cells = [cell for cell in study.cells if cell.model and cell.quantity == "estimate"]
    for name in dict.fromkeys(cell.model for cell in cells):
        design = table.designs[name] if y is None else dataclasses.replace(table.designs[name], y=y)
        mine = [cell for cell in cells if cell.model == name]
        combinations = [effect_weights(study.model(name), cell.coefficient) for cell in mine]
        priors = coefficient_priors(study, design, study.priors[0].name)
        for cell, summary in zip(
            mine, summarise_effects(design, priors, combinations, seed=seed), strict=True
        ):
            yield f"{name}: {cell.coefficient}", "(" in cell.printed, *(float(value) for value in summary)


def summarise_effects(
    design: Design, priors: CoefficientPriors, combinations: Sequence[Weights], *, seed: int
) -> Array:
    """Compute quantiles and SD of each combination's posterior, shape (n_combinations, 4).

    Given the variances a combination is Normal, so its posterior is a mixture of as many Normals as there are
    weighted draws of the variances. Quantiles of drawn effects would differ from data set to data set by more
    than a rounding interval is wide.
    """
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    target = make_target(stats, priors, "UN")
    sample = sample_target(target, rng=np.random.default_rng(seed), count=_DRAWS)
    sd, correlation, sigma = target.unpack(sample.points)
    products = weigh(stats, relative_factor(sd, correlation, sigma))
    given = condition(beta_prior(stats, priors), stats.n_rows, *products, sigma)
    return np.array(
        [
            _mixture(*effect_given(given, stats, weight_vector(design.x_names, weights)), sample.weights)
            for weights in combinations
        ]
    )


def _mixture(mean: Array, variance: Array, weights: Array) -> list[float]:
    """Quantiles and SD of a mixture of Normals."""
    spread = np.sqrt(variance)
    centre = float(weights @ mean)
    sd = float(np.sqrt(weights @ (variance + (mean - centre) ** 2)))

    def beyond(at: float, level: float) -> float:
        return float(weights @ special.ndtr((at - mean) / spread)) - level

    ends = (centre - 12.0 * sd, centre + 12.0 * sd)
    return [*(float(optimize.brentq(beyond, *ends, args=(level,))) for level in QUANTILES), sd]


def format_truth(check: TruthCheck, *, count: int) -> Iterator[str]:
    """Return a Markdown table of how often each truth was spanned.

    Parameters
    ----------
    check : TruthCheck
        Of any number of studies.
    count : int
        Cohorts built for each study; ensembles of a part of them are looked at too.
    """
    found = check.cases
    sizes = [size for size in SIZES if size < count] + [count]
    heads = [f"{size} cohorts" for size in sizes]
    heads += [f"{count}, or beyond by up to {TOLERANCE:g} SD", "median within", "SD between cohorts"]
    yield f"| estimates | cases | {' | '.join(heads)} |"
    yield f"| --- | ---: {'| ---: ' * len(heads)}|"
    for label, chosen in (
        ("printed with digits", [c for c in found if c.with_digits]),
        ("printed as ns", [c for c in found if not c.with_digits]),
        ("all", found),
    ):
        if chosen:
            shares = [_share(c.spans_interval(size) for c in chosen) for size in sizes]
            shares.append(_share(c.spans_interval(None, TOLERANCE) for c in chosen))
            shares.append(_share(c.spans_median for c in chosen))
            spread = np.median([c.cohorts[:, 1].std(ddof=1) / c.truth_sd for c in chosen])
            yield f"| {label} | {len(chosen)} | {' | '.join(shares)} | {spread:.2f} |"
    n_studies = len({case.seed for case in found})
    yield f"{n_studies} studies; {check.n_missed} of their {n_studies * count} cohorts miss something"
    for seed, n_kept in check.left_out:
        yield f"study {seed} left out: {n_kept} of {count} cohorts print its table"
    for failure in check.failures:
        yield f"failed: {failure.key}: {failure.reason}"


def _share(flags: Iterable[bool]) -> str:
    found = list(flags)
    return f"{100.0 * sum(found) / len(found):.1f} %"
