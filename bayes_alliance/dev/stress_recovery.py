"""Do the sampled likelihoods find what rows were simulated from? Invented patients, known parameters, many times over.

The answers stand in docs/stress.md; ``scripts/stress_recovery.py`` makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.fits import Array, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.stress.grid_mass import Grid
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.sampled import SampledSettings, SampledVariant, fit_sampled
from bayes_alliance.stress.sampled_model import Family
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.prior_records import PriorScales
from bayes_alliance.study.records import Estimand, Model, Source

GRID = Grid(minimum=1.0, maximum=7.0, step=0.25)
HORIZON = 36.0
TIMES = (3.0, 9.0, 15.0, 21.0, 27.0, 36.0)
SCALES = PriorScales(
    intercept=(4.5, 1.5),
    slope=(0.0, 1.5),
    effect_intercept=(0.0, 1.0),
    effect_slope=(0.0, 1.5),
    sd_intercept=1.5,
    sd_slope=1.5,
    sigma=1.0,
    lkj_eta=2.0,
)


@dataclass(frozen=True, kw_only=True)
class StressTruth:
    """What rows are simulated from; slopes and their SD in points over the horizon."""

    intercept: float = 4.6
    slope: float = 0.8
    deviation: float = -1.0
    sd_intercept: float = 0.9
    sd_slope: float = 0.8
    sigma: float = 0.5
    nu: float = 3.0


TRUTHS: dict[Family, StressTruth] = {
    "student_t": StressTruth(),
    "censored": StressTruth(intercept=5.6, slope=1.2),
    "ordinal": StressTruth(),
}


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """One parameter over many simulated data sets.

    Parameters
    ----------
    mean : float
        Of the posterior means.
    sd : float
        Mean of the posterior SDs.
    covered, n : int
        Data sets whose 95 % interval holds the truth; data sets.
    """

    family: Family
    name: str
    truth: float
    mean: float
    sd: float
    covered: int
    n: int


def simulate_prepared(family: Family, truth: StressTruth, *, n: int, seed: int) -> Prepared:
    """Simulate rows of one family and make them ready, the way a study's are.

    Parameters
    ----------
    n : int
        Patients, every second one of the poor subgroup.
    """
    rng = np.random.default_rng(seed)
    poor = np.arange(n, dtype=np.int64) % 2
    level = truth.intercept + truth.sd_intercept * rng.standard_normal(n)
    slope = truth.slope + truth.deviation * poor + truth.sd_slope * rng.standard_normal(n)
    index, months = np.repeat(np.arange(n), len(TIMES)), np.tile(TIMES, n)
    is_t = family == "student_t"
    noise = rng.standard_t(truth.nu, len(index)) if is_t else rng.standard_normal(len(index))
    y = level[index] + slope[index] * months / HORIZON + truth.sigma * noise
    if not is_t:
        # To the grid; at its ends, whatever lies beyond. The t model takes scores as they are.
        y = np.clip(
            GRID.minimum + GRID.step * np.rint((y - GRID.minimum) / GRID.step), GRID.minimum, GRID.maximum
        )
    frame = pd.DataFrame(
        {"patient": index.astype(str), "months": months, "y": y, "poor": poor[index].astype(float)}
    )
    return _prepared(frame, np.asarray(poor, dtype=float), seed)


def _prepared(frame: pd.DataFrame, poor: NDArray[np.int64], seed: int) -> Prepared:
    formula = "y ~ months + poor + months:poor + (months | patient)"
    deviation = Estimand(
        name="deviation", label="poor minus good", weights=(("months:poor", 1.0),), kind="slope_deviation"
    )
    model = Model(id="y", label="y", family="", outcome="y", formula=formula, estimands=(deviation,))
    design = build_design(parse_formula(formula), frame)
    rows = RowsUsed(
        n_rows=design.n_rows, n_patients=design.n_patients, digest="simulated", source=Source.SYNTHETIC
    )
    pairs = [SCALES.intercept, SCALES.slope, SCALES.effect_intercept, SCALES.effect_slope]
    unit = np.array([1.0, HORIZON, 1.0, HORIZON])
    priors = CoefficientPriors(
        name="neutral",
        mean=np.array([mean for mean, _ in pairs]) / unit,
        sd=np.array([sd for _, sd in pairs]) / unit,
        sd_scale=np.array([SCALES.sd_intercept, SCALES.sd_slope]) / unit[:2],
        sigma_scale=SCALES.sigma,
        lkj_eta=SCALES.lkj_eta,
    )
    posterior = fit_collapsed(design, rows, priors, seed=seed, settings=CollapsedSettings(draws=400))
    return Prepared(
        model=model,
        design=design,
        rows=rows,
        frame=frame,
        patient="patient",
        time="months",
        times=frame["months"].to_numpy(dtype=float),
        group=poor,
        groups=("good", "poor"),
        estimands=(deviation,),
        priors=priors,
        scales=SCALES,
        posterior=posterior,
        horizon=HORIZON,
        step=HORIZON / 6.0,
        seed=seed,
    )


def parameters(family: Family, truth: StressTruth, fit: SampledVariant) -> dict[str, tuple[float, Array]]:
    """Return the truth and the draws of every parameter; under ``ordinal`` in units of the latent residual SD."""
    scale = truth.sigma if family == "ordinal" else 1.0
    found = {
        "slope deviation": (truth.deviation / scale, HORIZON * fit.beta[..., 3].ravel()),
        "SD of levels": (truth.sd_intercept / scale, np.sqrt(fit.effects[..., 0, 0]).ravel()),
        "SD of slopes": (truth.sd_slope / scale, np.sqrt(fit.effects[..., 1, 1]).ravel()),
    }
    if family == "ordinal":
        thresholds = fit.extra.reshape(fit.sigma.size, -1)
        middle = thresholds.shape[1] // 2
        span = (thresholds[:, middle + 4] - thresholds[:, middle - 4]) / 8.0
        found["distance of middle thresholds"] = (GRID.step / scale, span)
    else:
        found["residual scale"] = (truth.sigma, fit.sigma.ravel())
    if family == "student_t":
        found["degrees of freedom"] = (truth.nu, fit.extra[..., 0].ravel())
    return found


def recover(
    families: Sequence[Family], *, count: int, n: int, seed: int, settings: SampledSettings
) -> Iterator[Recovered]:
    """Simulate and fit data sets of each family, and give what became of each parameter.

    Parameters
    ----------
    count : int
        Data sets of each family.
    n : int
        Patients in each.
    """
    for family in families:
        truth = TRUTHS[family]
        found: dict[str, list[tuple[float, float, bool]]] = {}
        targets: dict[str, float] = {}
        for number in range(count):
            prepared = simulate_prepared(family, truth, n=n, seed=seed + number)
            fit = fit_sampled(prepared, family, GRID, settings)
            for name, (target, draws) in parameters(family, truth, fit).items():
                low, high = np.quantile(draws, [0.025, 0.975])
                one = (float(draws.mean()), float(draws.std()), bool(low <= target <= high))
                found.setdefault(name, []).append(one)
                targets[name] = target
        for name, values in found.items():
            yield Recovered(
                family=family,
                name=name,
                truth=targets[name],
                mean=float(np.mean([mean for mean, _, _ in values])),
                sd=float(np.mean([sd for _, sd, _ in values])),
                covered=sum(inside for _, _, inside in values),
                n=len(values),
            )


def format_recovered(found: Recovered) -> str:
    """Return one line of the table in docs/stress.md.

    Examples
    --------
    >>> format_recovered(Recovered(family="ordinal", name="x", truth=1.0, mean=1.1, sd=0.2, covered=9, n=10))
    '| ordinal | x | 1.00 | 1.10 | 0.20 | 9 of 10 |'
    """
    numbers = " | ".join(f"{value:.2f}" for value in (found.truth, found.mean, found.sd))
    return f"| {found.family} | {found.name} | {numbers} | {found.covered} of {found.n} |"
