r"""A design for a study without a cohort plan, drawn from what its study file states and the standard errors printed.

Stated are the number of patients, the scheduled visits and the number of rows. The rest has a default prior: any visit
may be missing, but each patient has one; the share of patients (or rows) with a binary predictor is uniform; a numeric
predictor is normal with free mean and SD; predictors are independent of each other and of the visits. Metropolis steps
draw designs from this prior times :math:`\prod_k N(\log se_k; \log \hat{se}_k, \tau^2)`: the standard errors
:math:`se_k` that the printed variances give on the design, held against the printed ones up to :data:`TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.cohorts.printed_fit import PrintedFit
from bayes_alliance.published.patient_counts import all_patients, count_of, fact
from bayes_alliance.study.records import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# SEs are printed under ML with or without an adjustment, by REML or ML where this is not said: two per cent.
TOLERANCE = 0.02
_WIDE = 0.5
# By how many units a design can be changed: patients, or every visit of every patient.
_STEPS, _STEPS_BY_VISIT = 3000, 8000
_COOLING = 0.6
_MISSED = 5.0
_FEW = 3


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A predictor of the printed models.

    Parameters
    ----------
    name : str
        Variable.
    binary, by_visit : bool
        Whether it is 0 or 1; whether it changes between visits.
    unit : float
        A difference that matters, to start the search from.
    low, high : float
        Its limits.
    """

    name: str
    binary: bool
    by_visit: bool
    unit: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class DesignPrior:
    """What is stated of a design, and what is left open."""

    patients: int
    visits: tuple[float, ...]
    rows: int
    predictors: tuple[Predictor, ...]

    @property
    def assumed(self) -> str:
        """What is assumed beyond what is stated, in words."""
        parts = []
        if self.rows < self.patients * len(self.visits):
            parts.append("any visit may be missing, each patient has one at least")
        if any(p.binary for p in self.predictors):
            parts.append("the share with a binary predictor is uniform")
        if any(not p.binary for p in self.predictors):
            parts.append("a numeric predictor is normal with free mean and SD")
        if self.predictors:
            parts.append("predictors are independent of each other and of visits")
        stated = ", ".join(f"{time:g}" for time in self.visits)
        return f"{self.rows} rows of {self.patients} patients at {stated}; " + "; ".join(
            parts or ["complete"]
        )


@dataclass(frozen=True, kw_only=True)
class DrawnDesign:
    """Who was assessed when, with which predictors.

    Parameters
    ----------
    present : ndarray of bool, shape (patients, visits)
    values : dict of str to ndarray, shape (patients, visits)
        By predictor.
    gap : float
        Largest distance of a standard error from its printed value, as a share.
    """

    present: NDArray[np.bool_]
    values: dict[str, Floats]
    gap: float


def design_prior(study: Study, fits: Sequence[PrintedFit]) -> DesignPrior | str:
    """Return what the study file states of the design, or what it lacks."""
    publication, patients = study.publication, all_patients(study)
    if patients is None:
        return "the number of patients is not stated"
    if not publication.visits:
        return "the visits are not stated ([published], key 'visits')"
    if not publication.rows:
        return "the number of rows is not stated ([published], key 'rows')"
    rows = count_of(study, fact(study, publication.rows))
    if rows is None or not patients <= rows <= patients * len(publication.visits):
        return f"{rows} rows cannot be {patients} patients at {len(publication.visits)} visits"
    names = dict.fromkeys(
        part for fit in fits for term in fit.formula.terms for part in term if part != study.time
    )
    predictors = []
    for name in names:
        variable = next((v for v in study.variables if v.name == name), None)
        if variable is None or variable.kind not in ("binary", "numeric", "integer"):
            return f"the predictor {name} is neither binary nor numeric"
        predictors.append(
            Predictor(
                name=name,
                binary=variable.kind == "binary",
                by_visit=variable.level == "visit",
                unit=variable.contrast or 1.0,
                low=-np.inf if variable.minimum is None else variable.minimum,
                high=np.inf if variable.maximum is None else variable.maximum,
            )
        )
        if predictors[-1].by_visit and not predictors[-1].binary:
            return f"the numeric predictor {name} changes between visits"
    return DesignPrior(patients=patients, visits=publication.visits, rows=rows, predictors=tuple(predictors))


def draw_design(
    prior: DesignPrior, time: str, fits: Sequence[PrintedFit], rng: np.random.Generator
) -> DrawnDesign:
    """Draw a design that gives the printed standard errors.

    Parameters
    ----------
    prior : DesignPrior
        What is known.
    time : str
        Name of the variable of time.
    fits : sequence of PrintedFit
        What is printed.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    DrawnDesign
        Its ``gap`` says how well the standard errors are met.
    """
    chain = _Chain(prior, time, fits, rng)
    steps = _STEPS_BY_VISIT if any(p.by_visit for p in prior.predictors) else _STEPS
    for step in range(steps):
        cooled = min(step / (_COOLING * steps), 1.0)
        chain.step(_WIDE * (TOLERANCE / _WIDE) ** cooled)
    return DrawnDesign(present=chain.present, values=chain.values, gap=chain.gap)


def fits_print(design: DrawnDesign) -> bool:
    """Whether a design's standard errors lie near the printed ones."""
    return design.gap <= _MISSED * TOLERANCE


class _Chain:
    """A design, what each patient contributes to the information on each printed model, and steps from it."""

    def __init__(
        self, prior: DesignPrior, time: str, fits: Sequence[PrintedFit], rng: np.random.Generator
    ) -> None:
        self.prior, self.time, self.fits, self.rng = prior, time, tuple(fits), rng
        n, k = prior.patients, len(prior.visits)
        self.present = np.zeros((n, k), dtype=bool)
        self.present[np.arange(n), rng.integers(0, k, n)] = True
        free = np.flatnonzero(~self.present.ravel())
        self.present.ravel()[rng.choice(free, prior.rows - n, replace=False)] = True
        self.values = {p.name: self._first(p) for p in prior.predictors}
        self.centre = {p.name: self._middle(p) for p in prior.predictors if not p.binary}
        self.times = np.array(prior.visits, dtype=np.float64)
        self.terms = [(*([()] * fit.formula.intercept), *fit.formula.terms) for fit in self.fits]
        self.residuals = [fit.sigma**2 * np.eye(k) for fit in self.fits]
        self.printed = [np.array(list(fit.se.values())) for fit in self.fits]
        self.parts = self._information(np.arange(n))
        self.totals = [part.sum(axis=0) for part in self.parts]
        self.gaps = self._gaps(self.totals)
        moves: list[Callable[[], _Change]] = []
        if n < prior.rows < n * k:
            moves.append(self._move_visit)
        for predictor in prior.predictors:
            if predictor.binary:
                moves.append(lambda p=predictor: self._flip(p))  # type: ignore[misc]
            else:
                moves.append(lambda p=predictor: self._renew(p))  # type: ignore[misc]
                moves.append(lambda p=predictor: self._shift(p))  # type: ignore[misc]
        self.moves = moves

    @property
    def gap(self) -> float:
        """Largest distance from a printed standard error."""
        return float(np.max(np.abs(self.gaps)))

    def step(self, tolerance: float) -> None:
        """Propose a change and take it with the Metropolis probability."""
        if not self.moves:
            return
        change = self.moves[int(self.rng.integers(len(self.moves)))]()
        if change.patients is None:
            return
        # Only what the change touches is put back where it is not taken.
        changed = self.present if change.present is not None else self.values[change.name]
        kept = changed[change.patients]
        changed[change.patients] = change.present if change.present is not None else change.values
        parts = self._information(change.patients)
        totals = [
            total - old[change.patients].sum(axis=0) + new.sum(axis=0)
            for total, old, new in zip(self.totals, self.parts, parts, strict=True)
        ]
        gaps = self._gaps(totals)
        ratio = change.log_ratio + 0.5 * float(self.gaps @ self.gaps - gaps @ gaps) / tolerance**2
        if np.log(self.rng.random()) < ratio:
            for old, new in zip(self.parts, parts, strict=True):
                old[change.patients] = new
            # Summed anew: differences would drift.
            self.totals = [part.sum(axis=0) for part in self.parts]
            self.gaps = gaps
            if change.centre is not None:
                self.centre[change.name] = change.centre
            return
        changed[change.patients] = kept

    def _first(self, predictor: Predictor) -> Floats:
        n, k = self.present.shape
        shape = (n, k) if predictor.by_visit else (n, 1)
        if predictor.binary:
            drawn = (self.rng.random(shape) < self.rng.uniform(0.2, 0.8)).astype(float)
        else:
            mean, sd = self._middle(predictor)
            drawn = np.clip(mean + sd * self.rng.standard_normal(shape), predictor.low, predictor.high)
        return np.array(np.broadcast_to(drawn, (n, k)))

    @staticmethod
    def _middle(predictor: Predictor) -> tuple[float, float]:
        bounded = np.isfinite(predictor.low), np.isfinite(predictor.high)
        if all(bounded):
            return 0.5 * (predictor.low + predictor.high), predictor.unit
        return (predictor.low + 3.0 * predictor.unit if bounded[0] else 0.0), predictor.unit

    def _information(self, patients: Ints) -> list[Floats]:
        """Information on the fixed part of each printed model that each patient contributes, shape (n, p, p)."""
        seen = self.present[patients]
        values = {name: of[patients] for name, of in self.values.items()}
        found = []
        for fit, terms, residual in zip(self.fits, self.terms, self.residuals, strict=True):
            x = self._columns(terms, seen, values)
            z = self._columns(((), *((name,) for name in fit.formula.random)), seen, values)
            covariance = z @ fit.effects @ z.transpose(0, 2, 1) + residual
            found.append(x.transpose(0, 2, 1) @ np.linalg.solve(covariance, x))
        return found

    def _columns(
        self, terms: Sequence[tuple[str, ...]], seen: NDArray[np.bool_], values: dict[str, Floats]
    ) -> Floats:
        """Products of variables, 0 where a patient was not seen, shape (n, visits, terms)."""
        made = np.empty((*seen.shape, len(terms)))
        for place, term in enumerate(terms):
            column: Floats | float = 1.0
            for name in term:
                column = column * (self.times if name == self.time else values[name])
            np.multiply(column, seen, out=made[:, :, place])
        return made

    def _gaps(self, totals: Sequence[Floats]) -> Floats:
        """Log of every standard error over its printed value; far off where the design is singular."""
        gaps = []
        for printed, total in zip(self.printed, totals, strict=True):
            scale = np.sqrt(np.maximum(total.diagonal(), 1e-300))
            try:
                variance = np.linalg.inv(total / (scale[:, None] * scale)).diagonal() / scale**2
            except np.linalg.LinAlgError:
                variance = np.full(len(total), np.inf)
            ratio = np.sqrt(np.minimum(np.maximum(variance, 1e-300), 1e300)) / printed
            gaps.append(np.log(np.minimum(np.maximum(ratio, 1e-6), 1e6)))
        return np.concatenate(gaps)

    def _move_visit(self) -> _Change:
        """Take one visit away and add another, of the same patient or another."""
        row = int(self.rng.choice(np.flatnonzero(self.present.ravel())))
        free = int(self.rng.choice(np.flatnonzero(~self.present.ravel())))
        k = self.present.shape[1]
        patients = np.unique([row // k, free // k])
        moved = self.present.copy()
        moved.ravel()[row], moved.ravel()[free] = False, True
        if not moved[patients].any(axis=1).all():
            return _NOTHING
        return _Change(patients=patients, present=moved[patients])

    def _flip(self, predictor: Predictor) -> _Change:
        """Turn a predictor of one patient, or of one visit, round, or let two change places."""
        values = self.values[predictor.name]
        units = values if predictor.by_visit else values[:, :1]
        total, ones = units.size, int(units.sum())
        if self.rng.random() < 0.5 and 0 < ones < total:
            one = int(self.rng.choice(np.flatnonzero(units.ravel() == 1.0)))
            other = int(self.rng.choice(np.flatnonzero(units.ravel() == 0.0)))
            turned, ratio = [one, other], 0.0
        else:
            one = int(self.rng.integers(total))
            turned = [one]
            up = units.ravel()[one] == 0.0
            # Uniform over the number of ones, then over who has them.
            ratio = float(np.log((ones + 1.0) / (total - ones) if up else (total - ones + 1.0) / ones))
        drawn = units.copy()
        flat = drawn.reshape(-1)
        flat[turned] = 1.0 - flat[turned]
        patients = np.unique(np.array(turned) // units.shape[1])
        new = np.broadcast_to(drawn[patients], (len(patients), values.shape[1]))
        return _Change(patients=patients, name=predictor.name, values=np.array(new), log_ratio=ratio)

    def _renew(self, predictor: Predictor) -> _Change:
        """Draw a numeric predictor of a few patients anew, inside its limits."""
        mean, sd = self.centre[predictor.name]
        patients = self.rng.permutation(self.prior.patients)[:_FEW]
        drawn = mean + sd * self.rng.standard_normal(len(patients))
        if np.any(drawn < predictor.low) or np.any(drawn > predictor.high):
            return _NOTHING
        new = np.broadcast_to(drawn[:, None], (len(patients), self.present.shape[1]))
        return _Change(patients=patients, name=predictor.name, values=np.array(new))

    def _shift(self, predictor: Predictor) -> _Change:
        """Move mean and SD of a numeric predictor, everybody with them."""
        mean, sd = self.centre[predictor.name]
        factor = float(np.exp(0.1 * self.rng.standard_normal()))
        moved = mean + 0.3 * sd * float(self.rng.standard_normal())
        drawn = moved + factor * (self.values[predictor.name] - mean)
        if np.any(drawn < predictor.low) or np.any(drawn > predictor.high):
            return _NOTHING
        patients = np.arange(self.prior.patients)
        return _Change(patients=patients, name=predictor.name, values=drawn, centre=(moved, sd * factor))


@dataclass(frozen=True, kw_only=True)
class _Change:
    """A proposed change of some patients, with the log ratio of prior and proposal probabilities."""

    patients: Ints | None = None
    present: NDArray[np.bool_] | None = None
    name: str = ""
    values: Floats | None = None
    centre: tuple[float, float] | None = None
    log_ratio: float = 0.0


_NOTHING = _Change()
