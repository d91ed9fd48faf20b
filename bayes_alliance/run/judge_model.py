"""All numbers of one fitted model: summaries, checks, agreement of engines, Bayes factors, tests."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits

from bayes_alliance.assess.bayes_factors import BayesFactorCurve, NamedEffect, bayes_factor_curves
from bayes_alliance.assess.checks import check_agreement, check_fit, check_posterior, check_prior
from bayes_alliance.assess.engine_agreement import Agreement, compare_engines
from bayes_alliance.assess.explained_variation import ExplainedVariation, explain
from bayes_alliance.assess.summaries import model_quantities
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import MixedFit, PosteriorFit
from bayes_alliance.inference.ml import LikelihoodRatio, compare_nested
from bayes_alliance.run.fitter import Fitter
from bayes_alliance.run.manifest import json_ready
from bayes_alliance.run.plan import PlannedModel, SkippedModel, plan_model
from bayes_alliance.run.results import ModelNumbers, ModelRun
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

_FITTERS: dict[str, Fitter] = {}


@dataclass(frozen=True, kw_only=True)
class _RunKey:
    """A run, by name and by what its fits need."""

    name: str
    study: Study
    settings: RunSettings


def _fitter_here(run: _RunKey) -> Fitter:
    """Return the fitter of a run in this process: models share references, and scores share posteriors with them."""
    if run.name not in _FITTERS:
        _FITTERS.clear()
        _FITTERS[run.name] = Fitter(run.study, run.settings, store=None, report=lambda line: None, total=1)
    return _FITTERS[run.name]


def _model_numbers(
    data: StudyData,
    planned: PlannedModel,
    posterior: PosteriorFit | None,
    run: _RunKey,
    with_bambi: bool = False,
) -> ModelNumbers:
    """Compute what follows from the fits of a model; ``with_bambi`` fits it by Bambi besides, effects sampled."""
    with threadpool_limits(limits=1, user_api="blas"):
        return _judge(data, planned, posterior, _fitter_here(run), with_bambi)


def _judge(
    data: StudyData,
    planned: PlannedModel,
    posterior: PosteriorFit | None,
    fitter: Fitter,
    with_bambi: bool,
) -> ModelNumbers:
    model, design = planned.model, planned.design
    structured = design.structured is not None
    ml = fitter.mixed(design, planned.rows, model_id=model.id)
    reml = fitter.mixed(design, planned.rows, model_id=model.id, method="REML")
    priors = None if posterior is None else fitter.priors(planned)
    quantities = tuple(model_quantities(model, ml=ml, reml=reml, posterior=posterior, priors=priors))
    checks = check_fit(ml, reml)
    if posterior is not None and priors is not None:
        checks += [*check_posterior(posterior, quantities), check_prior(ml, priors, quantities)]
    agreement = _agreement(planned, posterior, fitter)
    if agreement:
        checks.append(check_agreement(model.id, agreement))
    if with_bambi and posterior is not None:
        by_bambi = _agreement_with_bambi(planned, posterior, fitter)
        checks.append(check_agreement(model.id, by_bambi, "Bambi, effects sampled"))
        agreement = (*agreement, *by_bambi)
    return ModelNumbers(
        ml=ml,
        reml=reml,
        quantities=quantities,
        explained=_explained(data, planned, ml, posterior, fitter),
        slope_test=_slope_test(planned, ml, fitter),
        unconditional_test=_unconditional_test(planned, ml, fitter),
        agreement=agreement,
        bayes_factors=() if posterior is None or structured else _bayes_factors(planned, fitter),
        checks=tuple(checks),
    )


def _agreement(
    planned: PlannedModel, posterior: PosteriorFit | None, fitter: Fitter
) -> tuple[Agreement, ...]:
    """Compare a sampled posterior with the collapsed engine's, unless that engine handed over itself."""
    if posterior is None or fitter.settings.engine == "collapsed" or planned.design.structured is not None:
        return ()
    twin = fitter.collapsed(planned, posterior.covariance)
    return compare_engines(posterior, twin) if twin.engine == "collapsed" else ()


def _agreement_with_bambi(
    planned: PlannedModel, posterior: PosteriorFit, fitter: Fitter
) -> tuple[Agreement, ...]:
    """Hold the model with effects integrated out to the same model by Bambi, which samples them.

    Once as it is, against the run's posterior; and without correlation, as plain Bambi has it, against the collapsed
    engine. With a random intercept only the two are one.
    """
    found = compare_engines(posterior, fitter.bambi(planned, posterior.covariance))
    if posterior.covariance == "UN":
        plain = fitter.bambi(planned, "VC")
        twin = fitter.collapsed(planned, "VC")
        if twin.engine == "collapsed":
            found += compare_engines(plain, twin)
    return found


def _bayes_factors(planned: PlannedModel, fitter: Fitter) -> tuple[BayesFactorCurve, ...]:
    """Bayes factors of every slope deviation and contrast of the model."""
    effects = [
        NamedEffect(weights=estimand.weights, name=estimand.name, label=estimand.label)
        for estimand in planned.model.estimands
        if estimand.kind in ("slope_deviation", "slope_contrast")
    ]
    seed = derive_seed(fitter.settings.seed, "evidence", planned.model.id)
    curves = bayes_factor_curves(
        planned.design, fitter.priors(planned), effects, seed=seed, model_id=planned.model.id
    )
    return tuple(curves)


def _explained(
    data: StudyData, planned: PlannedModel, ml: MixedFit, posterior: PosteriorFit | None, fitter: Fitter
) -> ExplainedVariation | None:
    """Explained variation against the reference, refitted on the model's own rows and on all of its own.

    None where the reference does not stand on the very visits of the model: it needs a variable that is missing
    on some of them, or it is of other patients.
    """
    if planned.model.reference is None or planned.model.reference == planned.model.id:
        return None
    study = fitter.study
    reference = study.model(planned.model.reference)
    if planned.design.structured is not None or parse_formula(reference.formula).is_structured:
        return None
    names = parse_formula(reference.formula).names
    own = plan_model(data, reference, names)
    same = plan_model(data, reference, names | planned.design.formula.names)
    if isinstance(own, SkippedModel) or isinstance(same, SkippedModel):
        return None
    visits = [study.patient, study.time]
    if not same.frozen.rows[visits].equals(planned.frozen.rows[visits]):
        return None
    on_same = fitter.mixed(same.design, planned.rows, model_id=reference.id)
    # The reference's own rows hold those of the model: as many of them are the same ones.
    as_many = own.rows.n_rows == same.rows.n_rows
    on_own = on_same if as_many else fitter.mixed(own.design, own.rows, model_id=reference.id)
    return explain(
        ml,
        planned.design,
        reference_same=on_same,
        reference_own=on_own,
        posterior=posterior,
        time=study.time,
    )


def _slope_test(planned: PlannedModel, ml: MixedFit, fitter: Fitter) -> LikelihoodRatio | None:
    """Test the random slope and its covariance against a random intercept only."""
    if len(planned.design.z_names) < 2 or planned.design.structured is not None:
        return None
    return compare_nested(fitter.mixed(_intercept_only(planned.design), planned.rows), ml)


def _unconditional_test(planned: PlannedModel, ml: MixedFit, fitter: Fitter) -> LikelihoodRatio | None:
    """Test a pure growth model against the model without time, fixed and random."""
    design = planned.design
    if design.formula.terms != ((fitter.study.time,),) or len(design.z_names) < 2:
        return None
    smaller = dataclasses.replace(_intercept_only(design), x=design.x[:, :1], x_names=design.x_names[:1])
    return compare_nested(fitter.mixed(smaller, planned.rows), ml)


def _intercept_only(design: Design) -> Design:
    return dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])


NO_PROFILES = (
    "no profile intervals of SDs and correlations: the fit is singular, so that one lies on its edge"
)
NO_PROFILE = (
    "no profile interval of the correlation: the fit is singular, so that it has no value or lies on its edge; "
    "intervals of SDs hold every value whose best fit, at any correlation, is within the limit"
)


def ml_extras(run: ModelRun, *, profile: bool, bootstrap: int, seed: int) -> dict[str, Any]:
    """Compute the slower frequentist answers that were asked for.

    Parameters
    ----------
    run : ModelRun
        The model.
    profile : bool
        Whether to profile every coefficient, estimand and variance quantity; a singular fit has no profile of
        its correlation.
    bootstrap : int
        Data sets to simulate for the test of the random slope; 0 for none.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        JSON-ready, with ``profile_intervals`` and ``slope_bootstrap`` where asked for.
    """
    from bayes_alliance.inference.ml_intervals import bootstrap_slope_test, profile_effect, profile_variance

    extras: dict[str, Any] = {}
    if profile and run.design.structured is not None:
        from bayes_alliance.inference.lmm.intervals import profile_design

        combinations = {name: [(name, 1.0)] for name in run.ml.x_names}
        combinations |= {item.name: list(item.weights) for item in run.model.estimands}
        found, complete = profile_design(run.design, combinations)
        if not complete:
            extras["profile_note"] = NO_PROFILES
        extras["profile_intervals"] = [json_ready(dataclasses.asdict(interval)) for interval in found]
    elif profile:
        named = [(name, [(name, 1.0)]) for name in run.ml.x_names]
        named += [(item.name, list(item.weights)) for item in run.model.estimands]
        intervals = [profile_effect(run.ml, run.design, weights, name=name) for name, weights in named]
        variances = [f"sd_{name}" for name in run.ml.z_names]
        if run.ml.covariance == "UN" and run.ml.singular:
            extras["profile_note"] = NO_PROFILE
        elif run.ml.covariance == "UN":
            variances.append("correlation")
        intervals += [profile_variance(run.ml, run.design, name) for name in (*variances, "sigma")]
        extras["profile_intervals"] = [json_ready(dataclasses.asdict(interval)) for interval in intervals]
    if bootstrap and len(run.ml.z_names) > 1:
        test = bootstrap_slope_test(run.design, run.ml, seed=seed, count=bootstrap)
        extras["slope_bootstrap"] = json_ready(dataclasses.asdict(test))
    return extras
