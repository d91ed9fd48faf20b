r"""Whose data a verdict hangs on: each patient left out in turn, and the fewest whose removal changes it.

Leaving a patient out reweights the draws by :math:`1/p(y_i \mid \theta)`, smoothed by a Pareto tail (PSIS; Vehtari et
al. 2024, JMLR 25(72)); where the shape of that tail is above 0.7 the model is refitted without the patient. The
smallest set is found greedily: at each step the patient goes whose removal moves the quantity furthest towards the
other verdict, by the weights of the draws at hand; where these run low the model is refitted, and a set counts only
when a refit without it gives the other verdict. A greedy set is an upper bound: a smaller one may exist. (Broderick,
Giordano & Meager 2020, arXiv:2011.14999, on why to ask.)

No patient is ever named: results hold counts and shifts only.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.verdict_rules import Judgement, judge, probabilities
from bayes_alliance.assess.verdict_words import Verdict, is_worse
from bayes_alliance.claims.from_posterior import Fitted, fit_planned, model_quantity
from bayes_alliance.claims.ledger import Part
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array, Covariance
from bayes_alliance.inference.leave_out import without_patient
from bayes_alliance.inference.likelihood import log_density_patients, relative_factor
from bayes_alliance.inference.psis import PARETO_K_LIMIT, smooth_tail
from bayes_alliance.inference.statistics import Statistics
from bayes_alliance.study.records import Study

MAX_REMOVED = 10
SEARCH_DRAWS = 2000
MIN_EFFECTIVE = 300.0


@dataclass(frozen=True, kw_only=True)
class Influence:
    """What leaving out single patients does to the verdict on a part.

    Parameters
    ----------
    n_patients : int
        Left out in turn.
    verdict : Verdict
        With all of them.
    n_changing : int
        Patients whose removal alone gives another verdict.
    largest_shift : float
        Largest change of the part's probability (``Judgement.sure``) by one patient, with its sign.
    lowest, highest : float
        That probability over all single removals.
    n_refitted, n_failed : int
        Patients whose removal needed a refit, and those of them without whom the model could not be fitted.
    """

    n_patients: int
    verdict: Verdict
    n_changing: int
    largest_shift: float
    lowest: float
    highest: float
    n_refitted: int
    n_failed: int


@dataclass(frozen=True, kw_only=True)
class Fragility:
    """The fewest patients found whose removal changes the verdict on a part.

    Parameters
    ----------
    verdict, becomes : Verdict
        With all patients, and without the set; equal where none was found.
    n_removed : int
        Size of the set; 0 where none of at most ``n_tried`` was found.
    n_tried : int
        The most that were taken away.
    n_patients : int
        Of the model.
    """

    verdict: Verdict
    becomes: Verdict
    n_removed: int
    n_tried: int
    n_patients: int


def leave_one_out(study: Study, part: Part, fitted: Fitted, *, seed: int, variant: PriorVariant) -> Influence:
    """Leave out each patient in turn.

    Parameters
    ----------
    study : Study
        Gives the horizon and the priors.
    part : Part
        Of one model.
    fitted : Fitted
        That model.
    seed : int
        Of refits.
    variant : PriorVariant
        Prior of refits.

    Returns
    -------
    Influence
    """
    whole = _judge(study, part, fitted)
    drawn = model_quantity(study, part, [fitted])
    density = _densities(fitted, fitted.stats)
    judged, refitted = [], 0
    for patient in range(fitted.stats.n_patients):
        weights, pareto_k = _leave_out_weights(density[:, patient])
        if pareto_k <= PARETO_K_LIMIT:
            judged.append(_judge_draws(part, drawn, weights))
            continue
        rest = _refit(
            study, fitted, without_patient(fitted.stats, patient), seed, variant, fitted.fit.n_draws
        )
        refitted += 1
        if rest is not None:
            judged.append(_judge(study, part, rest))
    sure = np.array([one.sure for one in judged])
    shifts = sure - whole.sure
    return Influence(
        n_patients=fitted.stats.n_patients,
        verdict=whole.verdict,
        n_changing=sum(one.verdict is not whole.verdict for one in judged),
        largest_shift=float(shifts[np.argmax(np.abs(shifts))]),
        lowest=float(sure.min()),
        highest=float(sure.max()),
        n_refitted=refitted,
        n_failed=fitted.stats.n_patients - len(judged),
    )


def fewest_to_change(
    study: Study,
    part: Part,
    fitted: Fitted,
    *,
    seed: int,
    variant: PriorVariant,
    beyond: Verdict | None = None,
    most: int = MAX_REMOVED,
) -> Fragility:
    """Take patients away, the most telling one first, until the verdict changes.

    Parameters
    ----------
    study, part, fitted, seed, variant
        As in :func:`leave_one_out`.
    beyond : Verdict, optional
        The verdict on the whole claim, the part's own by default: supported or likely, the part is to become worse
        than it; any other one, better.
    most : int
        The most to take away.

    Returns
    -------
    Fragility
    """
    whole = _judge(study, part, fitted).verdict
    edge = whole if beyond is None else beyond
    worse = edge in (Verdict.SUPPORTED, Verdict.LIKELY)
    n_patients = fitted.stats.n_patients
    limit = min(most, n_patients // 4)
    found = partial(Fragility, verdict=whole, n_patients=n_patients)
    stats, kept, tried = fitted.stats, np.ones(n_patients, dtype=bool), 0
    view = _view(study, part, dataclasses.replace(fitted, fit=fitted.fit.thin(SEARCH_DRAWS)), fitted.stats)
    while tried < limit:
        chosen = _most_telling(part, view, kept, worse)
        kept[chosen] = False
        stats = without_patient(stats, chosen)
        view = view.without(chosen)
        flips = _is_past(_judge_draws(part, view.drawn, view.weights).verdict, edge, worse)
        if flips or view.effective < MIN_EFFECTIVE:
            rest = _refit(study, fitted, stats, seed + tried, variant, fitted.fit.n_draws)
            if rest is None:
                break
            becomes = _judge(study, part, rest).verdict
            if _is_past(becomes, edge, worse):
                return found(becomes=becomes, n_removed=tried + 1, n_tried=tried + 1)
            view = _view(
                study, part, dataclasses.replace(rest, fit=rest.fit.thin(SEARCH_DRAWS)), fitted.stats
            )
        tried += 1
    return found(becomes=whole, n_removed=0, n_tried=tried)


@dataclass(frozen=True, kw_only=True)
class _View:
    """Draws of a part's quantity, each patient's log density at them, and weights for those taken away since."""

    drawn: Array
    density: Array
    log_weights: Array

    @property
    def weights(self) -> Array:
        weights = np.exp(self.log_weights - self.log_weights.max())
        result: Array = weights / weights.sum()
        return result

    @property
    def effective(self) -> float:
        return float(1.0 / np.sum(self.weights**2))

    def without(self, patient: int) -> _View:
        return dataclasses.replace(self, log_weights=self.log_weights - self.density[:, patient])


def _view(study: Study, part: Part, fitted: Fitted, stats: Statistics) -> _View:
    drawn = model_quantity(study, part, [fitted])
    return _View(drawn=drawn, density=_densities(fitted, stats), log_weights=np.zeros(len(drawn)))


def _is_past(found: Verdict, edge: Verdict, worse: bool) -> bool:
    return is_worse(found, edge) if worse else is_worse(edge, found)


def _most_telling(part: Part, view: _View, kept: NDArray[np.bool_], worse: bool) -> int:
    """Choose the patient whose removal moves the quantity furthest, by weights."""
    logs = view.log_weights[:, None] - view.density
    weights = np.exp(logs - logs.max(axis=0))
    weights /= weights.sum(axis=0)
    centred = view.drawn - part.value
    mean = centred @ weights
    spread = np.sqrt(np.maximum((centred**2) @ weights - mean**2, 1e-300))
    oriented = (-mean if part.relation == "below" else mean) / spread
    # Away from the reference value makes a claim of no difference worse.
    score = -np.abs(mean) if part.relation == "same" else oriented
    return int(np.argmin(np.where(kept, score if worse else -score, np.inf)))


def _densities(fitted: Fitted, stats: Statistics) -> Array:
    """Log density of each patient's rows at each draw, shape (draws, patients)."""
    beta, sd, correlation, sigma = fitted.fit.flat()
    return log_density_patients(stats, beta, relative_factor(sd, correlation, sigma), sigma)


def _leave_out_weights(density: Array) -> tuple[Array, float]:
    smoothed, pareto_k = smooth_tail(-density)
    weights = np.exp(smoothed - smoothed.max())
    return weights / weights.sum(), pareto_k


def _judge(study: Study, part: Part, fitted: Fitted) -> Judgement:
    return _judge_draws(part, model_quantity(study, part, [fitted]), None, fitted.effective)


def _judge_draws(part: Part, drawn: Array, weights: Array | None, effective: float = math.nan) -> Judgement:
    size = None if math.isnan(effective) else effective
    found = probabilities(
        drawn, part.relation, value=part.value, smallest=part.smallest, weights=weights, effective=size
    )
    return judge(part.relation, found)


def _refit(
    study: Study, fitted: Fitted, stats: Statistics, seed: int, variant: PriorVariant, draws: int
) -> Fitted | None:
    """Fit to other statistics of the same design; None where that cannot be done."""
    try:
        covariance: Covariance = "VC" if fitted.fit.covariance == "VC" else "UN"
        source = dataclasses.replace(fitted.source, stats=stats)
        found = fit_planned(study, source, seed=seed, variant=variant, covariance=covariance, draws=draws)
    except (FitError, CannotTell, np.linalg.LinAlgError):
        return None
    return found if isinstance(found, Fitted) else None
