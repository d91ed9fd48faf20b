"""Whether an ensemble spans the truth: studies that are simulated, printed, forgotten but for their design, rebuilt.

The invented publications of :mod:`bayes_alliance.published.invented` have data behind their tables. Cohorts are
rebuilt from the table and the design; every printed estimate then has a posterior from the true data and one from
each cohort. If the true data were just one more cohort, each end of their interval would lie beyond all of ``n``
cohorts' in 1 of ``n + 1`` cases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.collapsed import fit_collapsed
from bayes_alliance.fits import Array, RowsUsed, Weights
from bayes_alliance.formulas import Design
from bayes_alliance.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.published.effects import effect_weights
from bayes_alliance.published.invented import invent_table
from bayes_alliance.reconstruct.rebuild import Scale, rebuild_scores
from bayes_alliance.reconstruct.sensitivity import lay_out
from bayes_alliance.reconstruct.solve import Solution
from bayes_alliance.reconstruct.targets import list_targets
from bayes_alliance.study import Study

QUANTILES = (0.025, 0.5, 0.975)
_TRIES = 2  # cohorts after which a study is given up, where none printed its table


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

    @property
    def spans_interval(self) -> bool:
        """Whether the true posterior's 95 % interval lies within what the cohorts' intervals span together."""
        low, high = self.cohorts[:, 0].min(), self.cohorts[:, 2].max()
        return bool(low <= self.truth[0] and self.truth[2] <= high)

    @property
    def spans_median(self) -> bool:
        """Whether the true posterior's median lies between the least and the largest of the cohorts'."""
        medians = self.cohorts[:, 1]
        return bool(medians.min() <= self.truth[1] <= medians.max())


def check_truth(seed: int, *, count: int) -> list[SpannedCase]:
    """Simulate a study, rebuild cohorts from its table and design, and compare the posteriors.

    Parameters
    ----------
    seed : int
        Of the study and its cohorts.
    count : int
        Cohorts; those that miss something are left out.

    Returns
    -------
    list of SpannedCase
        One for each printed estimate.

    Raises
    ------
    ValueError
        If fewer than half of the cohorts print the table again, or none of the first few.
    """
    table = invent_table(seed)
    n = table.rows.n_rows
    rows = np.arange(n)
    designs = {
        model.id: (lay_out(table.designs[model.id]), rows, model.reference or "")
        for model in table.study.models
    }
    targets = list_targets(table.study)
    rebuilt: list[Solution] = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        rebuilt.append(rebuild_scores("y", designs, targets, Scale(), n, rng))
        if len(rebuilt) == min(_TRIES, count) and all(solution.missed for solution in rebuilt):
            break
    kept = [solution.y for solution in rebuilt if not solution.missed]
    if 2 * len(kept) < len(rebuilt):
        missed = sorted({what for solution in rebuilt for what in solution.missed})
        raise ValueError(
            f"{len(kept)} of {len(rebuilt)} cohorts print the table of study {seed}: {missed[:3]}"
        )
    return list(_cases(seed, table.study, table.designs, table.rows, kept))


def _cases(
    seed: int, study: Study, designs: Mapping[str, Design], rows: RowsUsed, kept: Sequence[Array]
) -> Iterator[SpannedCase]:
    cells = [cell for cell in study.cells if cell.model and cell.quantity == "estimate"]
    for name in dict.fromkeys(cell.model for cell in cells):
        design = designs[name]
        mine = [cell for cell in cells if cell.model == name]
        combinations = [effect_weights(study.model(name), cell.coefficient) for cell in mine]
        priors = coefficient_priors(study, design, study.priors[0].name)
        truth = _summaries(design, rows, priors, combinations, seed)
        cohorts = [
            _summaries(dataclasses.replace(design, y=y), rows, priors, combinations, seed) for y in kept
        ]
        for index, cell in enumerate(mine):
            yield SpannedCase(
                seed=seed,
                place=f"{name}: {cell.coefficient}",
                with_digits="(" in cell.printed,
                truth=truth[index, :3],
                cohorts=np.array([cohort[index, :3] for cohort in cohorts]),
                truth_sd=float(truth[index, 3]),
            )


def _summaries(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    combinations: Sequence[Weights],
    seed: int,
) -> Array:
    """Quantiles and SD of each combination's posterior, shape (n_combinations, 4)."""
    posterior = fit_collapsed(design, rows, priors, seed=seed)
    draws = [posterior.combine(weights).ravel() for weights in combinations]
    return np.array([[*np.quantile(d, QUANTILES), d.std()] for d in draws])


def format_truth(cases: Iterable[SpannedCase]) -> Iterator[str]:
    """Say how often the truth was spanned, line by line, as a Markdown table."""
    found = list(cases)
    yield (
        "| estimates | cases | true 95 % interval within the cohorts' | true median between the cohorts' | "
        "SD between cohorts, in posterior SDs |"
    )
    yield "| --- | ---: | ---: | ---: | ---: |"
    for label, chosen in (
        ("printed with digits", [c for c in found if c.with_digits]),
        ("printed as ns", [c for c in found if not c.with_digits]),
        ("all", found),
    ):
        if chosen:
            spread = np.median([c.cohorts[:, 1].std(ddof=1) / c.truth_sd for c in chosen])
            yield (
                f"| {label} | {len(chosen)} | {_share(c.spans_interval for c in chosen)} | "
                f"{_share(c.spans_median for c in chosen)} | {spread:.2f} |"
            )


def _share(flags: Iterable[bool]) -> str:
    found = list(flags)
    return f"{100.0 * sum(found) / len(found):.1f} %"
