"""plan -> fit -> judge: from a study and its data to :class:`bayes_alliance.results.StudyResults`.

:mod:`bayes_alliance.plan` freezes rows and decides which fits are needed; ``run_study`` makes each of them
once, or reuses it, and puts the records together. Reading data and writing tables and figures happen
elsewhere.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.agreement import Agreement, compare_engines
from bayes_alliance.checks import Check, check_agreement, check_fit, check_posterior, check_scores
from bayes_alliance.compare import TARGETS, Score, Target, compare_models, refit_patients, score_model
from bayes_alliance.data import StudyData, freeze_rows
from bayes_alliance.descriptives import describe_patients
from bayes_alliance.errors import FitError
from bayes_alliance.evidence import BayesFactorCurve, bayes_factor_curve
from bayes_alliance.fits import MixedFit, PosteriorFit
from bayes_alliance.fitting import Fitter, Reporter, RunSettings, derive_seed
from bayes_alliance.formulas import Design, parse_formula
from bayes_alliance.frequentist import LikelihoodRatio, compare_nested, fit_mixed
from bayes_alliance.plan import Plan, PlannedModel, plan_model, plan_study
from bayes_alliance.predictive import Scale, check_predictions, loo_pit, simulate_replicates
from bayes_alliance.results import ComparisonSet, ModelRun, PredictiveResult, SkippedModel, StudyResults
from bayes_alliance.study import Study, Variable
from bayes_alliance.summaries import model_quantities
from bayes_alliance.variance import ExplainedVariation, explain

if TYPE_CHECKING:
    import pandas as pd

REPLICATES = 1000


def run_study(
    study: Study,
    data: StudyData,
    settings: RunSettings,
    *,
    store: Path | None = None,
    report: Reporter = lambda line: None,
    fits_only: bool = False,
) -> StudyResults:
    """Run every model of a study on its data.

    Parameters
    ----------
    study : Study
        What to run.
    data : StudyData
        On what.
    settings : RunSettings
        How.
    store : Path, optional
        Folder of stored posteriors, to reuse and to fill; nothing is stored without one.
    report : callable
        Gets a line at each step.
    fits_only : bool
        Leave the comparisons and the predictive checks out.

    Returns
    -------
    StudyResults

    Raises
    ------
    InputError
        If a model or prior set asked for does not exist, or no model can be run.
    """
    started = time.perf_counter()
    plan = plan_study(study, data, models=settings.models)
    fitter = Fitter(study, settings, store=store, report=report, total=len(plan.own))
    n_skipped = sum(not skipped.comparison for skipped in plan.skipped)
    report(f"{len(plan.own)} models on {data.origin}; {n_skipped} cannot be run")
    # The matrices are small: with several threads BLAS mostly waits, and digits depend on how many there are.
    with threadpool_limits(limits=1, user_api="blas"):
        runs, failed = _run_models(study, data, plan.own, fitter)
        fitted = set() if fits_only else {run.model.id for run in runs}
        comparisons, checks, left_out = _run_comparisons(plan, fitted, fitter)
        predictive = [] if fits_only else _run_predictions(study, data, runs, fitter)
    return StudyResults(
        study=study,
        source=data.source,
        origin=data.origin,
        data_digest=data.digest,
        notes=(*data.notes, *(f"warning: {warning.format()}" for warning in data.warnings)),
        engine=settings.engine,
        prior=fitter.prior,
        seed=settings.seed,
        runs=tuple(runs),
        skipped=(*plan.skipped, *failed, *left_out),
        comparisons=tuple(comparisons),
        predictive=tuple(predictive),
        descriptives=tuple(describe_patients(study, data.rows)),
        checks=(*(check for run in runs for check in run.checks), *checks),
        seconds=time.perf_counter() - started,
    )


def _run_models(
    study: Study, data: StudyData, planned: Sequence[PlannedModel], fitter: Fitter
) -> tuple[list[ModelRun], list[SkippedModel]]:
    """Run every model; one that cannot be fitted is skipped with its reason and stops none of the others."""
    runs: list[ModelRun] = []
    failed: list[SkippedModel] = []
    for item in planned:
        try:
            runs.append(_run_model(study, data, item, fitter))
        except FitError as error:
            fitter.report(f"{item.model.id}: cannot be fitted: {error}")
            failed.append(SkippedModel(model_id=item.model.id, reason=str(error)))
    return runs, failed


def _run_model(study: Study, data: StudyData, planned: PlannedModel, fitter: Fitter) -> ModelRun:
    model, design = planned.model, planned.design
    ml, reml = (fit_mixed(design, planned.rows, model_id=model.id, method=m) for m in ("ML", "REML"))
    posterior = fitter.chosen(planned)
    quantities = tuple(model_quantities(model, ml=ml, reml=reml, posterior=posterior))
    checks = check_fit(ml, reml)
    if posterior is not None:
        checks += check_posterior(posterior, quantities)
    agreement = _agreement(planned, posterior, fitter)
    if agreement:
        checks.append(check_agreement(model.id, agreement))
    return ModelRun(
        model=model,
        rows=planned.rows,
        design=design,
        ml=ml,
        reml=reml,
        posterior=posterior,
        quantities=quantities,
        explained=_explained(study, data, planned, ml, posterior),
        slope_test=_slope_test(planned, ml),
        unconditional_test=_unconditional_test(planned, ml, study.time),
        agreement=agreement,
        bayes_factors=() if posterior is None else _bayes_factors(planned, fitter),
        checks=tuple(checks),
        left_out=planned.left_out,
    )


def _agreement(
    planned: PlannedModel, posterior: PosteriorFit | None, fitter: Fitter
) -> tuple[Agreement, ...]:
    """Compare a sampled posterior with the collapsed engine's, unless that engine handed over itself."""
    if posterior is None or fitter.settings.engine == "collapsed":
        return ()
    twin = fitter.collapsed(planned, posterior.covariance)
    return compare_engines(posterior, twin) if twin.engine == "collapsed" else ()


def _bayes_factors(planned: PlannedModel, fitter: Fitter) -> tuple[BayesFactorCurve, ...]:
    """Bayes factors of every slope deviation and contrast of the model."""
    return tuple(
        bayes_factor_curve(
            planned.design,
            fitter.priors(planned),
            estimand.weights,
            seed=derive_seed(fitter.settings.seed, "evidence", planned.model.id, estimand.name),
            model_id=planned.model.id,
            name=estimand.name,
            label=estimand.label,
        )
        for estimand in planned.model.estimands
        if estimand.kind in ("slope_deviation", "slope_contrast")
    )


def _explained(
    study: Study, data: StudyData, planned: PlannedModel, ml: MixedFit, posterior: PosteriorFit | None
) -> ExplainedVariation | None:
    """Explained variation against the reference, refitted on the model's own rows and on all of its own.

    None where the reference does not stand on the very visits of the model: it needs a variable that is missing
    on some of them, or it is of other patients.
    """
    if planned.model.reference is None or planned.model.reference == planned.model.id:
        return None
    reference = study.model(planned.model.reference)
    names = parse_formula(reference.formula).names
    own = plan_model(data, reference, names)
    same = plan_model(data, reference, names | planned.design.formula.names)
    if isinstance(own, SkippedModel) or isinstance(same, SkippedModel):
        return None
    visits = [study.patient, study.time]
    if not same.frozen.rows[visits].equals(planned.frozen.rows[visits]):
        return None
    return explain(
        ml,
        planned.design,
        reference_same=fit_mixed(same.design, planned.rows, model_id=reference.id),
        reference_own=fit_mixed(own.design, own.rows, model_id=reference.id),
        posterior=posterior,
        time=study.time,
    )


def _slope_test(planned: PlannedModel, ml: MixedFit) -> LikelihoodRatio | None:
    """Test the random slope and its covariance against a random intercept only."""
    if len(planned.design.z_names) < 2:
        return None
    return compare_nested(fit_mixed(_intercept_only(planned.design), planned.rows), ml)


def _unconditional_test(planned: PlannedModel, ml: MixedFit, time: str) -> LikelihoodRatio | None:
    """Test a pure growth model against the model without time, fixed and random."""
    design = planned.design
    if design.formula.terms != ((time,),) or len(design.z_names) < 2:
        return None
    smaller = dataclasses.replace(_intercept_only(design), x=design.x[:, :1], x_names=design.x_names[:1])
    return compare_nested(fit_mixed(smaller, planned.rows), ml)


def _intercept_only(design: Design) -> Design:
    return dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])


def _run_comparisons(
    plan: Plan, fitted: Collection[str], fitter: Fitter
) -> tuple[list[ComparisonSet], list[Check], list[SkippedModel]]:
    """Compare the fitted models of each set; without a posterior there is nothing to compare."""
    comparisons: list[ComparisonSet] = []
    checks: list[Check] = []
    left_out: list[SkippedModel] = []
    asked = {name: [p for p in planned if p.model.id in fitted] for name, planned in plan.common.items()}
    sets = {name: members for name, members in asked.items() if members and fitter.settings.engine != "none"}
    tell = _progress(fitter.report, total=sum(len(members) for members in sets.values()))
    for name, members in sets.items():
        try:
            comparison, found = _compare(name, members, fitter)
        except FitError as error:
            fitter.report(f"comparison {name}: cannot be made: {error}")
            left_out += [
                SkippedModel(model_id=p.model.id, reason=str(error), comparison=name) for p in members
            ]
            continue
        comparisons.append(comparison)
        checks += found
        tell(len(members), f"models scored (comparison {name})")
    return comparisons, checks, left_out


def _progress(report: Reporter, *, total: int) -> Callable[[int, str], None]:
    """Make a function that reports how many of ``total`` are done and how long the others may take."""
    started, done = time.perf_counter(), 0

    def tell(more: int, what: str) -> None:
        nonlocal done
        done += more
        left = (time.perf_counter() - started) / done * (total - done)
        report(f"{done} of {total} {what}; about {left:.0f} s left")

    return tell


def _compare(name: str, members: Sequence[PlannedModel], fitter: Fitter) -> tuple[ComparisonSet, list[Check]]:
    """Compare models on their common rows, every one fitted by the collapsed engine and checked."""
    fits: list[MixedFit] = []
    scores: dict[str, dict[Target, Score]] = {}
    checks: list[Check] = []
    for planned in members:
        posterior = fitter.collapsed(planned)
        fits.append(fit_mixed(planned.design, planned.rows, model_id=planned.model.id))
        found = check_posterior(posterior, ())
        checks += [dataclasses.replace(c, name=f"{c.name} (rows of comparison {name})") for c in found]
        scores[planned.model.id] = _scores(planned, posterior, fitter)
        checks += check_scores(scores[planned.model.id])
    comparison = ComparisonSet(
        name=name,
        outcome=members[0].model.outcome,
        rows=members[0].rows,
        models=tuple(compare_models(fits, [scores[fit.model_id] for fit in fits])),
        scores=scores,
        left_out=members[0].left_out,
    )
    return comparison, checks


def _scores(planned: PlannedModel, posterior: PosteriorFit, fitter: Fitter) -> dict[Target, Score]:
    """Score one model for every target; patients whom PSIS cannot leave out are refitted without."""
    design, settings = planned.design, fitter.settings
    seed = derive_seed(settings.seed, "scores", posterior.model_id)
    scores = {target: score_model(posterior, design, target, seed=seed) for target in TARGETS}
    scores["new_patient"] = refit_patients(
        scores["new_patient"], design, fitter.priors(planned), seed=seed, everyone=settings.exact
    )
    return scores


def _run_predictions(
    study: Study, data: StudyData, runs: Sequence[ModelRun], fitter: Fitter
) -> list[PredictiveResult]:
    chosen = _to_predict(study, runs)
    tell = _progress(fitter.report, total=len(chosen))
    found = []
    for run in chosen:
        found.append(_predict(study, data, run, fitter.settings))
        tell(1, f"predictive checks ({run.model.id})")
    return found


def _to_predict(study: Study, runs: Sequence[ModelRun]) -> list[ModelRun]:
    """Models that figures show or that others refer to; of an outcome without any, those with a random slope."""
    shown = {model_id for figure in study.figures for model_id in figure.models}
    shown |= {run.model.reference for run in runs if run.model.reference is not None}
    covered = {run.model.outcome for run in runs if run.model.id in shown}
    return [
        run
        for run in runs
        if run.posterior is not None
        and (run.model.id in shown or (run.model.outcome not in covered and len(run.design.z_names) > 1))
    ]


def _predict(study: Study, data: StudyData, run: ModelRun, settings: RunSettings) -> PredictiveResult:
    assert run.posterior is not None
    seed = derive_seed(settings.seed, "replicates", run.model.id)
    replicates = simulate_replicates(run.posterior, run.design, count=REPLICATES, seed=seed)
    frozen = freeze_rows(data, sorted(parse_formula(run.model.formula).names), where=run.model.where)
    statistics = check_predictions(
        replicates,
        run.design,
        _scale(study, run.model.outcome),
        groups=_groups(study, data, frozen.rows),
        bins=time_windows(frozen.rows[study.time].to_numpy(dtype=float), study.horizon),
    )
    return PredictiveResult(
        model_id=run.model.id,
        outcome=run.model.outcome,
        statistics=tuple(statistics),
        pit=loo_pit(run.posterior, run.design, seed=seed),
    )


def _scale(study: Study, outcome: str) -> Scale:
    variable = study.variable(outcome)
    if isinstance(variable, Variable):
        return Scale(minimum=variable.minimum, maximum=variable.maximum, step=variable.step)
    return Scale(minimum=None, maximum=None, step=None)


def _groups(study: Study, data: StudyData, rows: pd.DataFrame) -> NDArray[np.str_]:
    """Label each row by the study's descriptive group."""
    name = study.descriptive_group
    if not name or name not in data.rows:
        return np.full(len(rows), "all")
    of_patient = data.rows.groupby(study.patient, sort=False)[name].first()
    codes = rows[study.patient].map(of_patient)
    labels = {0.0: f"{name} = 0", 1.0: f"{name} = 1"}
    return np.asarray([labels.get(code, f"{name} unknown") for code in codes], dtype=str)


def time_windows(times: NDArray[np.float64], horizon: float, count: int = 4) -> NDArray[np.str_]:
    """Label times by equal windows of the horizon; a time on an inner edge belongs to the later window."""
    edges = np.linspace(0.0, horizon, count + 1)
    index = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, count - 1)
    labels = np.array([f"{edges[i]:g}-{edges[i + 1]:g}" for i in range(count)])
    return labels[index]
