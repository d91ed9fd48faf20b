"""Predictive scores and predictive checks of one fitted model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.assess.checks import check_posterior, check_scores
from bayes_alliance.assess.loo import TARGETS, Score, Target, refit_patients, score_model
from bayes_alliance.assess.loo_structured import refit_units
from bayes_alliance.assess.posterior_predictive import (
    OutcomeScale,
    check_predictions,
    loo_pit,
    simulate_replicates,
    uniformity_p,
)
from bayes_alliance.data.rows import StudyData, freeze_rows
from bayes_alliance.inference.design import canonical_design
from bayes_alliance.inference.fits import PosteriorFit
from bayes_alliance.run.fitter import Fitter
from bayes_alliance.run.judge_model import _fitter_here, _RunKey
from bayes_alliance.run.plan import PlannedModel
from bayes_alliance.run.posterior_store import design_digest
from bayes_alliance.run.results import ModelRun, PredictiveResult, ScoredModel
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study, Variable

if TYPE_CHECKING:
    import pandas as pd

REPLICATES = 1000


def _score_model(name: str, planned: PlannedModel, run: _RunKey) -> ScoredModel:
    """Fit, check and score a model on the rows of comparison ``name``.

    The model is fitted and scored in one order and spelling of its columns, so that the same model written in another
    way has the same draws, and exactly the same scores.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        fitter = _fitter_here(run)
        original, planned = planned, dataclasses.replace(planned, design=canonical_design(planned.design))
        if planned.design.structured is not None:
            planned = original  # its fixed columns stand in its structured rows too
        posterior = fitter.collapsed(planned)
        checks = check_posterior(posterior, ())
        named = [dataclasses.replace(c, name=f"{c.name} (rows of comparison {name})") for c in checks]
        scores = _scores(planned, posterior, fitter)
        return ScoredModel(
            ml=fitter.mixed(original.design, planned.rows, model_id=planned.model.id),
            scores=scores,
            checks=(*named, *check_scores(scores)),
        )


def _scores(planned: PlannedModel, posterior: PosteriorFit, fitter: Fitter) -> dict[Target, Score]:
    """Score one model for every target; patients whom PSIS cannot leave out are refitted without."""
    design, settings = planned.design, fitter.settings
    seed = derive_seed(settings.seed, "scores", design_digest(design))
    if planned.targets:
        return _structured_scores(planned, posterior, fitter, seed)
    scores = {target: score_model(posterior, design, target, seed=seed) for target in TARGETS}
    scores["new_patient"] = refit_patients(
        scores["new_patient"], design, fitter.priors(planned), seed=seed, everyone=settings.exact
    )
    return scores


def _structured_scores(
    planned: PlannedModel, posterior: PosteriorFit, fitter: Fitter, seed: int
) -> dict[Target, Score]:
    """Score a model of a comparison that has several levels or correlated residuals, by its targets."""
    design, priors, settings = planned.design, fitter.priors(planned), fitter.settings
    scores: dict[Target, Score] = {}
    for target in planned.targets:
        score = score_model(posterior, design, target, seed=seed, clusters=planned.clusters)
        if target == "new_visit":
            scores[target] = score
        elif design.structured is None:
            scores[target] = (
                refit_patients(score, design, priors, seed=seed, everyone=settings.exact)
                if target == "new_patient"
                else score
            )
        else:
            scores[target] = refit_units(
                score, design, priors, seed=seed, clusters=planned.clusters, everyone=settings.exact
            )
    return scores


def _predict(study: Study, data: StudyData, run: ModelRun, settings: RunSettings) -> PredictiveResult:
    """Check what a model predicts against its rows."""
    assert run.posterior is not None
    seed = derive_seed(settings.seed, "replicates", run.model.id)
    replicates = simulate_replicates(run.posterior, run.design, count=REPLICATES, seed=seed)
    frozen = freeze_rows(data, sorted(parse_formula(run.model.formula).names), where=run.model.where)
    statistics = check_predictions(
        replicates,
        run.design,
        _scale(study, run.model.outcome),
        groups=_groups(study, data, frozen.rows)
        if _tells_groups(study, run)
        else np.full(len(frozen.rows), "all"),
        bins=time_windows(frozen.rows[study.time].to_numpy(dtype=float), study.horizon),
    )
    pit = loo_pit(run.posterior, run.design, seed=seed, step=_scale(study, run.model.outcome).step or 0.0)
    return PredictiveResult(
        model_id=run.model.id,
        outcome=run.model.outcome,
        statistics=tuple(statistics),
        pit=pit,
        pit_p=uniformity_p(pit),
    )


def _scale(study: Study, outcome: str) -> OutcomeScale:
    variable = study.variable(outcome)
    if isinstance(variable, Variable):
        return OutcomeScale(minimum=variable.minimum, maximum=variable.maximum, step=variable.step)
    return OutcomeScale(minimum=None, maximum=None, step=None)


def _tells_groups(study: Study, run: ModelRun) -> bool:
    """Whether a model tells the study's descriptive groups apart; one that does not must miss their courses."""
    used = set(parse_formula(run.model.formula).names)
    used |= {name for derived in study.derived if derived.name in used for name in derived.of}
    return study.descriptive_group in used


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
