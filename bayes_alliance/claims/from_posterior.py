"""From a part of a claim to a verdict: draws of its quantity by the collapsed engine, and where they came from.

Every verdict carries a trace (models, digests of their rows, seeds, prior, covariance, number of draws) with which the
very draws can be made again. Sources are never mixed: an :class:`Evaluator` holds one set of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.assess.verdict_rules import judge, probabilities
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.patient_claims import CannotTell, draw_patients
from bayes_alliance.claims.prior_suite import PriorVariant, variant_priors
from bayes_alliance.claims.protected_codings import say_withheld
from bayes_alliance.claims.recode import recode
from bayes_alliance.claims.results import ClaimResult, PartResult, Trace, combine
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError, InputError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.fits import Array, Covariance, PosteriorFit
from bayes_alliance.inference.psis import PARETO_K_LIMIT
from bayes_alliance.inference.statistics import Statistics, summarise
from bayes_alliance.run.plan import PlannedModel, SkippedModel, plan_model
from bayes_alliance.run.posterior_store import design_digest
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.formula import is_rate, parse_formula
from bayes_alliance.study.records import Source, Study

DRAWS = 4000
_MORE = 4


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A model with its frozen rows, their statistics and the digest of its design."""

    model: PlannedModel
    stats: Statistics
    digest: str

    @classmethod
    def of(cls, model: PlannedModel) -> Planned:
        """Work out what follows from the rows."""
        design = model.design
        stats = summarise(design.y, design.x, design.z, design.patient_index)
        return cls(model=model, stats=stats, digest=design_digest(design))


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model with its rows and posterior."""

    source: Planned
    fit: PosteriorFit

    @property
    def planned(self) -> PlannedModel:
        """The model with its frozen rows."""
        return self.source.model

    @property
    def stats(self) -> Statistics:
        """What the rows contribute to the likelihood."""
        return self.source.stats

    @property
    def effective(self) -> float:
        """Independent draws that the posterior is worth."""
        return float(self.fit.independent_draws or self.fit.n_draws)


class Evaluator:
    """Judges claims on one set of rows under one prior, keeping every fit it makes.

    Parameters
    ----------
    study : Study
        Declares models and priors.
    data : StudyData
        One source.
    choices : Multiverse
        Coding choices that parts may refer to.
    seed : int
        Of the run.
    variant : PriorVariant
        Which prior.
    covariance : {"UN", "VC"}
        Of the random effects.
    draws : int
        Of each posterior.
    plans : dict, optional
        Where models with their rows are kept, for other evaluators of the same rows.
    coded : tuple of str
        Options by which ``data`` were coded already.
    """

    def __init__(
        self,
        study: Study,
        data: StudyData,
        choices: Multiverse,
        *,
        seed: int,
        variant: PriorVariant,
        covariance: Covariance = "UN",
        draws: int = DRAWS,
        plans: dict[tuple[str, str], Planned | str] | None = None,
        coded: tuple[str, ...] = (),
    ) -> None:
        self.study = study
        self.data = data
        self.choices = choices
        self.seed = seed
        self.variant = variant
        self.covariance = covariance
        self.draws = draws
        self.plans = {} if plans is None else plans
        self.coded = coded
        self.fitted: dict[tuple[str, str], Fitted | str] = {}

    def fit(self, model_id: str, coding: str = "") -> Fitted:
        """Return a model's posterior, made once.

        Raises
        ------
        CannotTell
            If the rows cannot carry the model, or its posterior cannot be drawn.
        """
        key = (model_id, coding)
        if key not in self.fitted:
            self.fitted[key] = self._fit(model_id, coding)
        found = self.fitted[key]
        if isinstance(found, str):
            raise CannotTell(found)
        return found

    def plan(self, model_id: str, coding: str = "") -> Planned:
        """Return a model with its rows.

        Raises
        ------
        CannotTell
            If the rows cannot carry it.
        """
        found = self._plan(model_id, coding)
        if isinstance(found, str):
            raise CannotTell(found)
        return found

    def _plan(self, model_id: str, coding: str) -> Planned | str:
        key = (model_id, coding)
        if key not in self.plans:
            self.plans[key] = self._freeze(model_id, coding)
        return self.plans[key]

    def _freeze(self, model_id: str, coding: str) -> Planned | str:
        model = self.study.model(model_id)
        departures = self.choices.departures((*self.coded, coding))
        if self.data.min_cell > 1 and (departures, model_id) in self.choices.withheld:
            return f"{model_id}: {say_withheld(self.data.min_cell)}"
        data = recode(self.study, self.data, [self.choices.option(coding)] if coding else [])
        planned = plan_model(data, model, parse_formula(model.formula).names)
        if isinstance(planned, SkippedModel):
            return f"{model_id}: {planned.reason}"
        return Planned.of(planned)

    def _fit(self, model_id: str, coding: str) -> Fitted | str:
        try:
            planned = self._plan(model_id, coding)
            if isinstance(planned, str):
                return planned
            return fit_planned(
                self.study,
                planned,
                seed=self.seed,
                variant=self.variant,
                covariance=self.covariance,
                draws=self.draws,
            )
        except (InputError, FitError) as error:
            return f"{model_id}: {' '.join(str(error).split())}"

    def draw(self, claim: Claim, part: Part) -> tuple[Array, Trace]:
        """Draw the quantity of a part.

        Raises
        ------
        CannotTell
            If these rows do not tell.
        """
        if part.is_of_model:
            fits = [self.fit(model_id, part.recode) for model_id in part.models]
            return model_quantity(self.study, part, fits), trace_of(fits, self.variant.id)
        seed = derive_seed(self.seed, "claims", claim.id, part.id)
        drawn, n = draw_patients(self.study, self.data, part, self.draws, np.random.default_rng(seed))
        trace = Trace(
            engine="conjugate",
            models=(),
            digests=(self.data.digest,),
            seeds=(seed,),
            prior="reference",
            covariance="",
            n_draws=len(drawn),
            effective=float(len(drawn)),
            n_patients=n,
            n_rows=n,
        )
        return drawn, trace

    def judge_part(self, claim: Claim, part: Part) -> PartResult:
        """Judge one part."""
        try:
            if claim.synthetic_not_asked and self.data.source is Source.SYNTHETIC:
                raise CannotTell(claim.synthetic_not_asked)
            drawn, trace = self.draw(claim, part)
        except CannotTell as error:
            return PartResult(
                claim_id=claim.id,
                part_id=part.id,
                source=self.data.source,
                origin=self.data.origin,
                judgement=None,
                reason=str(error),
            )
        return result_of(claim, part, drawn, trace, source=self.data.source, origin=self.data.origin)

    def judge_claim(self, claim: Claim) -> ClaimResult:
        """Judge every part of a claim, and the whole."""
        parts = [self.judge_part(claim, part) for part in claim.parts]
        return combine(claim, parts, source=self.data.source, origin=self.data.origin)

    def judge_ledger(self, ledger: Ledger) -> tuple[ClaimResult, ...]:
        """Judge every claim."""
        return tuple(self.judge_claim(claim) for claim in ledger.claims)


def fit_planned(
    study: Study,
    source: Planned,
    *,
    seed: int,
    variant: PriorVariant,
    covariance: Covariance = "UN",
    draws: int = DRAWS,
) -> Fitted | str:
    """Draw the posterior of a planned model by the collapsed engine, with more draws where its weights ask for it.

    Returns
    -------
    Fitted or str
        Why not, where Pareto k stays above 0.7.
    """
    planned, design = source.model, source.model.design
    own = derive_seed(seed, "claims", design.formula.text, source.digest, variant.id, covariance)
    pool = CollapsedSettings().pool
    for factor in (1, _MORE):
        fit = fit_collapsed(
            design,
            planned.rows,
            variant_priors(study, design, variant),
            seed=own,
            model_id=planned.model.id,
            covariance=covariance,
            settings=CollapsedSettings(draws=draws, pool=pool * factor),
            stats=source.stats,
        )
        if float(fit.facts["pareto_k"]) <= PARETO_K_LIMIT:
            return Fitted(source=source, fit=fit)
    return f"{planned.model.id}: importance weights cannot be trusted (Pareto k {fit.facts['pareto_k']:.2f})"


def model_quantity(study: Study, part: Part, fits: Sequence[Fitted]) -> Array:
    """Work the draws of a part's quantity out of the posteriors of its models, in the part's unit.

    Parameters
    ----------
    study : Study
        Gives the horizon.
    part : Part
        Of a model.
    fits : sequence of Fitted
        Of ``part.models``.

    Returns
    -------
    ndarray, shape (n_draws,)

    Raises
    ------
    CannotTell
        If the predictors of the model tell no patients apart.
    """
    first = fits[0]
    if part.quantity == "effect":
        return effect_draws(study, part.weights, first.fit)
    if part.quantity == "spread":
        sd = _patient_sd(study.time, part, first)
        return sd * (study.horizon if part.which == "slope" else 1.0)
    if part.quantity == "explained":
        return explained_draws(study.time, part, fits)
    sign = 1.0 if part.relation == "above" else -1.0
    own = sign * effect_draws(study, part.weights, first.fit)
    others = []
    for item in fits[1:]:
        named = {e.name: e.weights for e in item.planned.model.estimands}
        others.append(sign * effect_draws(study, named[part.estimand], item.fit))
    # Oriented like the relation, so that "below" reads: further below zero than all others.
    return sign * (own - np.max(others, axis=0))


def effect_draws(study: Study, weights: Sequence[tuple[str, float]], fit: PosteriorFit) -> Array:
    """Draws of a combination of coefficients, over the horizon if it is a slope.

    Raises
    ------
    CannotTell
        If a coefficient is not there, since no row has its category.
    """
    if absent := [name for name, _ in weights if name not in fit.x_names]:
        raise CannotTell(f"{fit.model_id}: no row has what {', '.join(map(repr, absent))} stands for")
    unit = study.horizon if is_rate(weights, study.time) else 1.0
    draws: Array = fit.combine(weights).ravel() * unit
    return draws


def _patient_sd(time: str, part: Part, fitted: Fitted) -> Array:
    """Draws of the SD between patients of the intercept or of the slope of time."""
    fit, about = fitted.fit, fitted.planned.design.structured
    if about is None:
        return np.asarray(fit.sd[..., 0 if part.which == "intercept" else 1].ravel())
    name = f"sd_{'Intercept' if part.which == 'intercept' else time} | {about.patient}"
    if name not in fit.variances:
        raise CannotTell(f"{fit.model_id}: the model has no random {part.which} of {about.patient}")
    return np.asarray(fit.variances[name].ravel())


def explained_draws(time: str, part: Part, fits: Sequence[Fitted]) -> Array:
    r"""Draws of the publication's explained variation, in per cent.

    :math:`100\,(1 - \tau^2_{model}/\tau^2_{reference})` between two fits, negative where the model leaves more than its
    reference. The two have no joint posterior: their draws are paired as they come, so that the interval is rather too
    wide than too narrow.
    """
    model, reference = (_patient_sd(time, part, item) ** 2 for item in fits)
    explained: Array = 100.0 * (1.0 - model / reference)
    return explained


def trace_of(fits: Sequence[Fitted], prior: str) -> Trace:
    """Return the trace of draws that come from these fits."""
    first = fits[0]
    return Trace(
        engine=first.fit.engine,
        models=tuple(item.fit.model_id for item in fits),
        digests=tuple(item.planned.rows.digest for item in fits),
        seeds=tuple(item.fit.seed for item in fits),
        prior=prior,
        covariance=first.fit.covariance,
        n_draws=first.fit.n_draws,
        effective=min(item.effective for item in fits),
        n_patients=first.planned.rows.n_patients,
        n_rows=first.planned.rows.n_rows,
        pareto_k=max(float(item.fit.facts["pareto_k"]) for item in fits),
    )


def result_of(
    claim: Claim, part: Part, drawn: Array, trace: Trace, *, source: Source, origin: str, reason: str = ""
) -> PartResult:
    """Judge the draws of a part."""
    found = probabilities(
        drawn, part.relation, value=part.value, smallest=part.smallest, effective=trace.effective
    )
    lower, median, upper = np.quantile(drawn, [0.025, 0.5, 0.975])
    return PartResult(
        claim_id=claim.id,
        part_id=part.id,
        source=source,
        origin=origin,
        judgement=judge(part.relation, found),
        reason=reason,
        median=float(median),
        lower=float(lower),
        upper=float(upper),
        trace=trace,
    )
