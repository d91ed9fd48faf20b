"""Power-scaling sensitivity of every part of a claim that rests on one model."""

from __future__ import annotations

from dataclasses import dataclass

from bayes_alliance.claims.from_posterior import Evaluator, model_quantity
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.power_scaling import PowerSensitivity, log_likelihood, log_prior, power_sensitivity
from bayes_alliance.claims.prior_suite import variant_priors
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class PartSensitivity:
    """Power-scaling sensitivity of one part of a claim."""

    claim_id: str
    part_id: str
    sensitivity: PowerSensitivity


def scale_powers(study: Study, evaluator: Evaluator, ledger: Ledger) -> tuple[PartSensitivity, ...]:
    """Compute the power-scaling sensitivity of every part that rests on one model, model by model."""
    by_model: dict[tuple[str, str], list[tuple[str, str]]] = {}
    parts = {(claim.id, part.id): part for claim, part in ledger.parts}
    for key, part in parts.items():
        if part.is_of_model and len(part.models) == 1:
            by_model.setdefault((part.model, part.recode), []).append(key)
    found: dict[tuple[str, str], PowerSensitivity] = {}
    for (model_id, coding), keys in by_model.items():
        try:
            fitted = evaluator.fit(model_id, coding)
        except CannotTell:
            continue  # its verdict is untestable, with the reason
        draws = {}
        for key in keys:
            try:
                values = model_quantity(study, parts[key], [fitted])
            except CannotTell:
                continue
            draws["\n".join(key)] = values.reshape(fitted.fit.sigma.shape)
        if draws:
            priors = variant_priors(study, fitted.planned.design, evaluator.variant)
            scaled = power_sensitivity(draws, log_prior(fitted, priors), log_likelihood(fitted))
            found |= {(name.split("\n")[0], name.split("\n")[1]): value for name, value in scaled.items()}
    return tuple(
        PartSensitivity(claim_id=claim_id, part_id=part_id, sensitivity=found[claim_id, part_id])
        for claim_id, part_id in parts
        if (claim_id, part_id) in found
    )
