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
from scipy import optimize, special

from bayes_alliance.collapsed import beta_prior, condition, effect_given, make_target, sample_target
from bayes_alliance.fits import Array, Weights, weight_vector
from bayes_alliance.formulas import Design
from bayes_alliance.likelihood import relative_factor, summarise, weigh
from bayes_alliance.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.published.effects import effect_weights
from bayes_alliance.published.invented import invent_table
from bayes_alliance.reconstruct.places import Places
from bayes_alliance.reconstruct.rebuild import Scale, rebuild_scores
from bayes_alliance.reconstruct.sensitivity import lay_out
from bayes_alliance.reconstruct.targets import list_targets
from bayes_alliance.study import Study

QUANTILES = (0.025, 0.5, 0.975)
SIZES = (10, 20, 40)  # of ensembles
TOLERANCE = 0.1  # posterior SDs
_DRAWS = 4000  # of the variances
_ATTEMPTS = 3  # at each cohort
_TRIES = 3  # cohorts after which a study is given up, where none printed its table


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
    kept: list[Array] = []
    missed: set[str] = set()
    for index in range(count):
        for attempt in range(_ATTEMPTS):
            rng, places = np.random.default_rng([seed, index, attempt]), Places(seed=seed, index=index)
            found = rebuild_scores("y", designs, targets, Scale(), n, rng, places)
            missed |= set(found.missed)
            if not found.missed:
                kept.append(found.y)
                break
        if index + 1 == _TRIES and not kept:
            break
    if 2 * len(kept) < count:
        raise ValueError(
            f"{len(kept)} of {count} cohorts print the table of study {seed}: {sorted(missed)[:3]}"
        )
    return list(_cases(seed, table.study, table.designs, kept))


def _cases(
    seed: int, study: Study, designs: Mapping[str, Design], kept: Sequence[Array]
) -> Iterator[SpannedCase]:
    cells = [cell for cell in study.cells if cell.model and cell.quantity == "estimate"]
    for name in dict.fromkeys(cell.model for cell in cells):
        design = designs[name]
        mine = [cell for cell in cells if cell.model == name]
        combinations = [effect_weights(study.model(name), cell.coefficient) for cell in mine]
        priors = coefficient_priors(study, design, study.priors[0].name)
        truth = _summaries(design, priors, combinations, seed)
        cohorts = [_summaries(dataclasses.replace(design, y=y), priors, combinations, seed) for y in kept]
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
    design: Design, priors: CoefficientPriors, combinations: Sequence[Weights], seed: int
) -> Array:
    """Quantiles and SD of each combination's posterior, shape (n_combinations, 4).

    Given the variances a combination is Normal, so its posterior is a mixture of as many Normals as there are
    weighted draws of the variances. Quantiles of drawn effects would differ from data set to data set by more
    than a rounding interval is wide.
    """
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    target = make_target(stats, priors, "UN")
    sample = sample_target(target, rng=np.random.default_rng(seed), count=_DRAWS)
    sd, correlation, sigma = target.unpack(sample.points)
    products = weigh(stats, relative_factor(sd, correlation, sigma))
    given = condition(beta_prior(stats, priors.mean, priors.sd), stats.n_rows, *products, sigma)
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


def format_truth(cases: Iterable[SpannedCase], *, count: int) -> Iterator[str]:
    """Say how often the truth was spanned, line by line, as a Markdown table.

    Parameters
    ----------
    cases : iterable of SpannedCase
        Of any number of studies.
    count : int
        Cohorts built for each study; ensembles of a part of them are looked at too.
    """
    found = list(cases)
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


def _share(flags: Iterable[bool]) -> str:
    found = list(flags)
    return f"{100.0 * sum(found) / len(found):.1f} %"
