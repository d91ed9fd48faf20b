"""Claims judged from what is printed alone: draws from the posterior of a cell, or of the numbers in the text.

A cell's posterior is the mixture of :mod:`bayes_alliance.published.cell_posterior` over every (estimate, SE) pair that
prints so. A cell that says only ``ns`` has a borrowed SE, and a difference of a starred and an ``ns`` cell may be
anything that both leave open (:mod:`bayes_alliance.published.interaction`): the remark beside the verdict says so. A
claim whose number is not printed with an error (a lone p value, a percentage of explained variation) cannot be judged
from this source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bayes_alliance.claims.from_posterior import result_of
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.patient_claims import CannotTell, draw_printed_patients
from bayes_alliance.claims.results import ClaimResult, PartResult, Trace, combine
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.priors import combination_prior
from bayes_alliance.published.cell_posterior import NormalMixture, log_normal, pair_weights, update
from bayes_alliance.published.interaction import Contrast, subgroup_contrasts
from bayes_alliance.published.printed_effects import BORROWED_FACTOR, PrintedEffect, printed_effects
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.formula import is_rate, parse_formula
from bayes_alliance.study.records import Source, Study

DRAWS = 20_000
ORIGIN = "printed cells"
# The set of a study that doubts every effect, where it has one of this name.
SCEPTICAL = "sceptical"


def judge_printed(study: Study, ledger: Ledger, seed: int) -> tuple[tuple[str, tuple[ClaimResult, ...]], ...]:
    """Judge every claim from printed numbers alone, under the default prior and under the sceptical one.

    Parameters
    ----------
    study : Study
        With priors.
    ledger : Ledger
        Its claims.
    seed : int
        Of the run.

    Returns
    -------
    tuple of (str, tuple of ClaimResult)
        By the name of the prior set, the default first; without a set named ``sceptical`` the default alone.
    """
    names = [study.priors[0].name]
    names += [prior.name for prior in study.priors[1:] if prior.name == SCEPTICAL]
    return tuple(
        (name, PrintedEvaluator(study, seed=seed, prior=name).judge_ledger(ledger)) for name in names
    )


class PrintedEvaluator:
    """Judges claims from printed numbers.

    Parameters
    ----------
    study : Study
        With cells.
    seed : int
        Of the run.
    prior : str
        Prior set of the study.
    """

    def __init__(self, study: Study, *, seed: int, prior: str) -> None:
        self.study = study
        self.seed = seed
        self.prior = prior
        self.effects = printed_effects(study) if study.cells else []
        self.contrasts = subgroup_contrasts(study) if study.cells else []

    def judge_ledger(self, ledger: Ledger) -> tuple[ClaimResult, ...]:
        """Judge every claim."""
        return tuple(self.judge_claim(claim) for claim in ledger.claims)

    def judge_claim(self, claim: Claim) -> ClaimResult:
        """Judge every part of a claim, and the whole."""
        parts = [self.judge_part(claim, part) for part in claim.parts]
        return combine(claim, parts, source=Source.PRINTED, origin=ORIGIN)

    def judge_part(self, claim: Claim, part: Part) -> PartResult:
        """Judge one part."""
        seed = derive_seed(self.seed, "claims printed", claim.id, part.id)
        rng = np.random.default_rng(seed)
        try:
            drawn, said, remark, n = self._draw(part, rng)
        except CannotTell as error:
            return PartResult(
                claim_id=claim.id,
                part_id=part.id,
                source=Source.PRINTED,
                origin=ORIGIN,
                judgement=None,
                reason=str(error),
            )
        trace = Trace(
            engine="cell" if part.is_of_model else "conjugate",
            models=part.models,
            digests=said,
            seeds=(seed,),
            prior=self.prior if part.is_of_model else "reference",
            covariance="",
            n_draws=len(drawn),
            effective=float(len(drawn)),
            n_patients=n,
        )
        return result_of(claim, part, drawn, trace, source=Source.PRINTED, origin=ORIGIN, reason=remark)

    def _draw(self, part: Part, rng: np.random.Generator) -> tuple[Array, tuple[str, ...], str, int]:
        """Draws, what is printed, a remark, patients."""
        if not part.is_of_model:
            drawn, said, n = draw_printed_patients(self.study, part, DRAWS, rng)
            return drawn, (said,), "", n
        if part.recode:
            raise CannotTell("not printed")
        if part.quantity in ("spread", "explained"):
            raise CannotTell(
                "printed without a standard error" if part.quantity == "explained" else "not printed"
            )
        if part.quantity == "effect":
            drawn, said, remark = self._draw_effect(part.model, part.weights, rng)
            return drawn, (said,), remark, 0
        return self._draw_largest(part, rng)

    def _draw_largest(self, part: Part, rng: np.random.Generator) -> tuple[Array, tuple[str, ...], str, int]:
        sign = 1.0 if part.relation == "above" else -1.0
        drawn, said = [], []
        for model_id in part.models:
            named = {e.name: e.weights for e in self.study.model(model_id).estimands}
            values, text, _ = self._draw_effect(model_id, named[part.estimand], rng)
            drawn.append(sign * values)
            said.append(text)
        margin = sign * (drawn[0] - np.max(drawn[1:], axis=0))
        return margin, tuple(said), "cells of different models taken as independent", 0

    def _draw_effect(
        self, model_id: str, weights: Sequence[tuple[str, float]], rng: np.random.Generator
    ) -> tuple[Array, str, str]:
        """Draw an effect in points, over the horizon if it is a slope."""
        wanted = {name: weight for name, weight in weights if weight}
        points = self.study.horizon if is_rate(weights, self.study.time) else 1.0
        if (found := self.find_effect(model_id, weights)) is not None:
            effect, factor = found
            return factor * points * self.draw_cell(effect, rng), effect.cell.printed, effect.borrowed
        for contrast in self.contrasts:
            if contrast.model.id == model_id and dict(contrast.estimand.weights) == wanted:
                said = f"{contrast.starred.cell.printed} | {contrast.silent.cell.printed}"
                remark = (
                    "one of two subgroups printed as ns: the difference may be anything that both leave open"
                )
                return points * self._draw_contrast(contrast, rng), said, remark
        raise CannotTell("not reported in any table")

    def find_effect(
        self, model_id: str, weights: Sequence[tuple[str, float]]
    ) -> tuple[PrintedEffect, float] | None:
        """Find the printed effect that a combination of coefficients is a multiple of, and the factor."""
        wanted = {name: weight for name, weight in weights if weight}
        for effect in self.effects:
            factor = _proportion(wanted, dict(effect.weights)) if effect.model.id == model_id else math.nan
            if not math.isnan(factor):
                return effect, factor
        return None

    def draw_cell(self, effect: PrintedEffect, rng: np.random.Generator) -> Array:
        """Draw the posterior of a cell in its own unit: a pair by its weight, then the effect given the pair."""
        region = effect.region
        if region is None:
            raise CannotTell(f"printed as {effect.cell.printed}, and nothing bounds its size")
        mean, sd = effect.prior(self.study, self.prior)
        prior = NormalMixture(weight=np.ones(1), mean=np.array([mean]), sd=np.array([sd]))
        parts = update(prior, region.estimate, region.se)
        chosen = rng.choice(len(region.weight), size=DRAWS, p=pair_weights(region, parts))
        spread = np.broadcast_to(parts.sd, parts.mean.shape)
        drawn: Array = parts.mean[chosen, 0] + spread[chosen, 0] * rng.standard_normal(DRAWS)
        return drawn

    def _draw_contrast(self, contrast: Contrast, rng: np.random.Generator) -> Array:
        """Draw the difference of a starred effect and one printed as ``ns``, as the estimand is oriented.

        The silent effect's statistic is uniform between the limits of ``ns``, the factor on its SE uniform on the
        log scale: the convention of :mod:`bayes_alliance.published.interaction`.
        """
        region, limit = contrast.starred.region, contrast.silent.t.high
        assert region is not None
        chosen = rng.choice(len(region.weight), size=DRAWS, p=region.weight)
        reach = math.log(BORROWED_FACTOR)
        other = region.se[chosen] * contrast.ratio * np.exp(rng.uniform(-reach, reach, DRAWS))
        difference = region.estimate[chosen] - rng.uniform(-limit, limit, DRAWS) * other
        error = np.hypot(region.se[chosen], other)
        sign = _orientation(contrast)
        formula = parse_formula(contrast.model.formula)
        mean, sd = combination_prior(self.study, formula, self.prior, dict(contrast.estimand.weights))
        # Each pair of cells weighs as much as the prior expects it.
        expected = np.exp(log_normal(sign * difference - mean, error**2 + sd**2))
        kept = rng.choice(DRAWS, size=DRAWS, p=expected / expected.sum())
        difference, error = difference[kept], error[kept]
        precision = 1.0 / error**2 + 1.0 / sd**2
        centre = (sign * difference / error**2 + mean / sd**2) / precision
        drawn: Array = centre + rng.standard_normal(DRAWS) / np.sqrt(precision)
        return drawn


def _proportion(wanted: dict[str, float], printed: dict[str, float]) -> float:
    """Return the factor from one combination of coefficients to another; NaN where they are no multiples."""
    if wanted.keys() != printed.keys():
        return math.nan
    ratios = [wanted[name] / printed[name] for name in wanted]
    return ratios[0] if ratios and np.allclose(ratios, ratios[0], rtol=1e-12, atol=0.0) else math.nan


def _orientation(contrast: Contrast) -> float:
    """Whether the estimand is the starred effect less the silent one (1), or the other way round (-1)."""
    weights = dict(contrast.estimand.weights)
    name, weight = next((n, w) for n, w in contrast.starred.weights if w)
    silent = dict(contrast.silent.weights).get(name, 0.0)
    return 1.0 if math.isclose(weights.get(name, 0.0), weight - silent) else -1.0
