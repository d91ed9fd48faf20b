"""What runs inside a program's own process: fit, write the answer, fit again warm. One function a program.

Run as ``python -m bayes_alliance.dev.benchmark.peers NAME ROWS ANSWER``. The answer file appears when the first fit's
result is on disk, which is where its clock stops; warm fits follow and go to ``ANSWER.warm``.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.dev.benchmark.rows_file import FORMULA, read_design
from bayes_alliance.inference.fits import Array, MixedFit, PosteriorFit

CONTRAST = "months:poor_outcome"
DRAWS, TUNE, CHAINS = 1000, 1000, 4
SEED = 1
# A fit longer than this is not repeated: nothing is left to warm up.
WARM_SECONDS = 30.0
WARM_FITS = 5


@dataclass(frozen=True, kw_only=True)
class PeerAnswer:
    """What one fit found and took.

    Parameters
    ----------
    fit_s : float
        Seconds inside the process, from rows in memory to the result.
    sampling_s : float or None
        Of these, what drew (compiling left out); None where the program does not say.
    draws : int or None
        Posterior draws kept.
    ess : mapping of str to float
        Bulk effective sample size of each reported parameter; empty without draws.
    estimate, spread : float or None
        Of the difference between the subgroups' slopes: posterior mean and SD, or ML estimate and SE.
    """

    fit_s: float
    sampling_s: float | None = None
    draws: int | None = None
    ess: Mapping[str, float] = field(default_factory=dict)
    estimate: float | None = None
    spread: float | None = None


Fit = Callable[[], PeerAnswer]


def of_posterior(fit: PosteriorFit, *, fit_s: float, sampling_s: float | None) -> PeerAnswer:
    """Describe a posterior of this package; independent draws count by their weights (all parameters alike)."""
    independent = fit.independent_draws
    named = fit.named_draws()
    draws = named[CONTRAST]
    return PeerAnswer(
        fit_s=fit_s,
        sampling_s=sampling_s,
        draws=draws.size,
        ess=bulk_ess(named) if independent is None else dict.fromkeys(named, independent),
        estimate=float(draws.mean()),
        spread=float(draws.std()),
    )


def bulk_ess(draws: Mapping[str, Array]) -> dict[str, float]:
    """Bulk effective sample size of each parameter.

    Parameters
    ----------
    draws : mapping of str to ndarray, shape (chains, draws)
        By name of the parameter.
    """
    from arviz_stats.base import array_stats

    return {name: float(array_stats.ess(values, method="bulk")) for name, values in draws.items()}


def of_ml(fit: MixedFit, *, fit_s: float) -> PeerAnswer:
    """Describe an ML fit of this package."""
    at = fit.x_names.index(CONTRAST)
    return PeerAnswer(fit_s=fit_s, estimate=float(fit.beta[at]), spread=float(np.sqrt(fit.beta_cov[at, at])))


def prepare_collapsed(rows: Path, *, effects: bool = False) -> Fit:
    """Engine ``collapsed``, 4,000 draws; with ``effects``, every patient's effects are drawn with them."""
    from bayes_alliance.inference.collapsed import fit_collapsed
    from bayes_alliance.inference.likelihood import relative_factor
    from bayes_alliance.inference.patient_effects import draw_effects
    from bayes_alliance.inference.statistics import summarise

    design, used, priors = read_design(rows)

    def fit() -> PeerAnswer:
        started = time.perf_counter()
        stats = summarise(design.y, design.x, design.z, design.patient_index)
        found = fit_collapsed(design, used, priors, seed=SEED, stats=stats)
        if effects:
            beta, sd = (values.reshape(-1, values.shape[-1]) for values in (found.beta, found.sd))
            sigma = found.sigma.reshape(-1)
            factor = relative_factor(sd, found.correlation.reshape(-1), sigma)
            draw_effects(stats, beta, factor, sigma, np.random.default_rng(SEED))
        seconds = time.perf_counter() - started
        return of_posterior(found, fit_s=seconds, sampling_s=seconds)

    return fit


def prepare_effects(rows: Path) -> Fit:
    """Engine ``collapsed`` with every patient's effects drawn."""
    return prepare_collapsed(rows, effects=True)


def prepare_left_out(rows: Path) -> Fit:
    """Exact leave-one-patient-out by the collapsed engine: a refit for every patient."""
    from bayes_alliance.inference.leave_out import leave_patients_out
    from bayes_alliance.inference.statistics import summarise

    design, _, priors = read_design(rows)

    def fit() -> PeerAnswer:
        started = time.perf_counter()
        stats = summarise(design.y, design.x, design.z, design.patient_index)
        leave_patients_out(stats, priors, seed=SEED)
        return PeerAnswer(fit_s=time.perf_counter() - started)

    return fit


def prepare_ml(rows: Path) -> Fit:
    """ML by this package."""
    from bayes_alliance.inference.ml import fit_mixed

    design, used, _ = read_design(rows)

    def fit() -> PeerAnswer:
        started = time.perf_counter()
        found = fit_mixed(design, used)
        return of_ml(found, fit_s=time.perf_counter() - started)

    return fit


def prepare_pymc(rows: Path) -> Fit:
    """Engine ``pymc`` with this package's settings; compiled in the first fit only."""
    from bayes_alliance.inference.pymc.sample import SamplerSettings, fit_pymc

    design, used, priors = read_design(rows)
    compiled = False

    def fit() -> PeerAnswer:
        nonlocal compiled
        started = time.perf_counter()
        found = fit_pymc(
            design, used, priors, seed=SEED, settings=SamplerSettings(draws=DRAWS, tune=TUNE, cores=1)
        )
        seconds = time.perf_counter() - started
        answer = of_posterior(found, fit_s=seconds, sampling_s=seconds if compiled else None)
        compiled = True
        return answer

    return fit


def prepare_bambi(rows: Path, *, sampler: str = "pymc") -> Fit:
    """Bambi as its manual begins: default priors and sampler, four chains."""
    # Not by the engine `bambi`, which states this study's priors: here Bambi's own defaults are wanted.
    import bambi
    import pandas as pd

    frame = pd.read_csv(rows)

    def fit() -> PeerAnswer:
        started = time.perf_counter()
        trace = bambi.Model(FORMULA, frame).fit(
            draws=DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=1,
            random_seed=SEED,
            inference_method=sampler,
            progressbar=False,
        )
        seconds = time.perf_counter() - started
        posterior = trace["posterior"]
        names = [
            "Intercept", "months", "poor_outcome", CONTRAST, "sigma", "1|patient_sigma", "months|patient_sigma"
        ]  # fmt: skip
        draws = {name: np.asarray(posterior[name].values, dtype=float) for name in names}
        return PeerAnswer(
            fit_s=seconds,
            sampling_s=float(posterior.attrs["sampling_time"]),
            draws=draws[CONTRAST].size,
            ess=bulk_ess(draws),
            estimate=float(draws[CONTRAST].mean()),
            spread=float(draws[CONTRAST].std()),
        )

    return fit


def prepare_bambi_nutpie(rows: Path) -> Fit:
    """Bambi with nutpie instead of PyMC's sampler, all else as :func:`prepare_bambi`."""
    return prepare_bambi(rows, sampler="nutpie")


def prepare_statsmodels(rows: Path) -> Fit:
    """ML by statsmodels' MixedLM."""
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    frame = pd.read_csv(rows)
    fixed = FORMULA.rsplit(" + (", 1)[0]

    def fit() -> PeerAnswer:
        started = time.perf_counter()
        model = MixedLM.from_formula(fixed, frame, re_formula="~months", groups="patient")
        found = model.fit(reml=False)
        seconds = time.perf_counter() - started
        return PeerAnswer(
            fit_s=seconds, estimate=float(found.params[CONTRAST]), spread=float(found.bse[CONTRAST])
        )

    return fit


PREPARE: Mapping[str, Callable[[Path], Fit]] = {
    "collapsed": prepare_collapsed,
    "collapsed_effects": prepare_effects,
    "collapsed_left_out": prepare_left_out,
    "ml": prepare_ml,
    "pymc": prepare_pymc,
    "bambi": prepare_bambi,
    "bambi_nutpie": prepare_bambi_nutpie,
    "statsmodels": prepare_statsmodels,
}


def run(name: str, rows: Path, answer: Path) -> None:
    """Fit once and write the answer, then fit warm and write that: the median of several where they are short."""
    fit = PREPARE[name](rows)
    first = fit()
    _write(dataclasses.asdict(first), answer)
    warm: list[PeerAnswer] = []
    budget = WARM_SECONDS
    while first.fit_s <= WARM_SECONDS and len(warm) < WARM_FITS and budget > 0.0:
        warm.append(fit())
        budget -= warm[-1].fit_s
    if warm:
        middle = {
            "fit_s": float(np.median([answer.fit_s for answer in warm])),
            "sampling_s": _median([answer.sampling_s for answer in warm]),
            "fits": len(warm),
        }
        _write(middle, answer.with_suffix(".warm"))


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _write(facts: Mapping[str, Any], path: Path) -> None:
    """Write at once: whoever waits for the file must not find half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(facts), encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
