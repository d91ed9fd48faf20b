"""How much the prior weighs in a claim, in patients, and whether it conflicts with the data: closed forms.

For parts of claims that are a combination of coefficients, whose prior is Normal. From printed numbers estimate and SE
are those of the cell (the middle of the pairs that print so), from rows those of ML; see
:mod:`bayes_alliance.assess.prior_conflict`. An SD, an explained share and a maximum of several effects have no Normal
prior, and no closed form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.assess.prior_conflict import PriorConflict, conflict_of
from bayes_alliance.claims.from_posterior import Evaluator, Planned
from bayes_alliance.claims.from_printed import ORIGIN, PrintedEvaluator
from bayes_alliance.claims.ledger import Ledger, Part
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import variant_priors
from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array, MixedFit, weight_vector
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.published.patient_counts import all_patients
from bayes_alliance.study.formula import is_rate
from bayes_alliance.study.records import Source, Study


@dataclass(frozen=True, kw_only=True)
class PartConflict:
    """Prior beside likelihood for one part of a claim, in one source.

    Parameters
    ----------
    claim_id, part_id : str
        Which.
    source, origin : Source, str
        Printed, real data or synthetic; and which.
    estimate, se : float
        Of the likelihood, in the part's unit.
    found : PriorConflict
        In the same unit.
    n_patients : int
        Behind the estimate; 0 where nothing is stated.
    """

    claim_id: str
    part_id: str
    source: Source
    origin: str
    estimate: float
    se: float
    found: PriorConflict
    n_patients: int


def printed_conflicts(study: Study, ledger: Ledger, *, seed: int, prior: str) -> Iterator[PartConflict]:
    """Set every printed effect that a claim speaks of beside its prior; cells that borrow their SE are left out."""
    evaluator = PrintedEvaluator(study, seed=seed, prior=prior)
    patients = all_patients(study) or 0
    for claim, part in ledger.parts:
        if not _is_effect(part) or part.recode:
            continue
        found = evaluator.find_effect(part.model, part.weights)
        if found is None or found[0].region is None or found[0].borrowed:
            continue
        effect, factor = found
        region = effect.region
        assert region is not None
        unit = factor * _unit(study, part)
        estimate, se = (
            float(np.average(values, weights=region.weight)) for values in (region.estimate, region.se)
        )
        mean, sd = effect.prior(study, prior)
        yield _conflict(
            (claim.id, part.id),
            (Source.PRINTED, ORIGIN),
            (unit * estimate, abs(unit) * se),
            (unit * mean, abs(unit) * sd),
            patients,
        )


def conflicts_on_rows(study: Study, ledger: Ledger, evaluator: Evaluator) -> Iterator[PartConflict]:
    """Set the ML estimate of every effect that a claim speaks of beside its prior, on the rows of an evaluator."""
    data = evaluator.data
    fits: dict[tuple[str, str], MixedFit] = {}
    for claim, part in ledger.parts:
        if not _is_effect(part):
            continue
        try:
            planned = evaluator.plan(part.model, part.recode)
            vector = _vector(planned, part.weights)
            key = (part.model, part.recode)
            if key not in fits:
                fits[key] = _fit(planned)
            estimate, se = _estimate(fits[key], part.weights)
        except (CannotTell, FitError):
            continue  # the claim is not applicable there, and says why
        priors = variant_priors(study, planned.model.design, evaluator.variant)
        mean, sd = priors.combine(vector)
        unit = _unit(study, part)
        yield _conflict(
            (claim.id, part.id),
            (data.source, data.origin),
            (unit * estimate, unit * se),
            (unit * mean, unit * sd),
            planned.model.rows.n_patients,
        )


def _is_effect(part: Part) -> bool:
    return part.is_of_model and part.quantity == "effect"


def _unit(study: Study, part: Part) -> float:
    return study.horizon if is_rate(part.weights, study.time) else 1.0


def _vector(planned: Planned, weights: Sequence[tuple[str, float]]) -> Array:
    names = planned.model.design.x_names
    if absent := [name for name, _ in weights if name not in names]:
        raise CannotTell(f"no row has what {', '.join(absent)} stands for")
    return weight_vector(names, weights)


def _fit(planned: Planned) -> MixedFit:
    model = planned.model
    return fit_mixed(model.design, model.rows, model_id=model.model.id, stats=planned.stats)


def _estimate(fit: MixedFit, weights: Sequence[tuple[str, float]]) -> tuple[float, float]:
    effect = estimate_effect(fit, weights)
    if not (math.isfinite(effect.se) and effect.se > 0.0):
        raise FitError("the standard error is not finite")
    return effect.estimate, effect.se


def _conflict(
    which: tuple[str, str],
    where: tuple[Source, str],
    estimate: tuple[float, float],
    prior: tuple[float, float],
    patients: int,
) -> PartConflict:
    return PartConflict(
        claim_id=which[0],
        part_id=which[1],
        source=where[0],
        origin=where[1],
        estimate=estimate[0],
        se=estimate[1],
        found=conflict_of(
            estimate=estimate[0],
            se=estimate[1],
            prior_mean=prior[0],
            prior_sd=prior[1],
            n_patients=patients,
        ),
        n_patients=patients,
    )
