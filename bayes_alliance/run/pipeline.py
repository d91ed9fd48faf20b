"""plan -> fit -> judge: from a study and its data to :class:`bayes_alliance.run.results.StudyResults`.

:mod:`bayes_alliance.run.plan` freezes rows and decides which fits are needed; ``run_study`` makes each of them
once, or reuses it, and puts the records together. Reading data and writing tables and figures happen
elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

from threadpoolctl import threadpool_limits

from bayes_alliance.assess.check_record import Check
from bayes_alliance.assess.descriptives import describe_patients
from bayes_alliance.assess.loo_compare import compare_models
from bayes_alliance.assess.prior_predictive import PriorPrediction, prior_predictive
from bayes_alliance.data.rows import StudyData, digest_rows
from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import PosteriorFit
from bayes_alliance.run.fitter import Fitter
from bayes_alliance.run.judge_model import _model_numbers, _RunKey
from bayes_alliance.run.number_store import NumberStore, identify_numbers
from bayes_alliance.run.plan import Plan, PlannedModel, SkippedModel, plan_study
from bayes_alliance.run.posterior_store import design_digest, draws_digest
from bayes_alliance.run.printed_side import Printed, analyse_printed
from bayes_alliance.run.protected_rows import described_rows
from bayes_alliance.run.results import (
    ComparisonSet,
    EnsembleFacts,
    ModelNumbers,
    ModelRun,
    PredictiveResult,
    ScoredModel,
    StudyResults,
)
from bayes_alliance.run.score_model import _predict, _score_model
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.run.text_facts import read_text
from bayes_alliance.runtime.pool import Pool, Promise
from bayes_alliance.runtime.progress import Reporter, report_step
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.records import Study


# Over 40 lines: all steps share one pool of processes, and their results one record of 20 fields.
def run_study(
    study: Study,
    data: StudyData,
    settings: RunSettings,
    *,
    plan: Plan | None = None,
    store: Path | None = None,
    report: Reporter = lambda line: None,
    fits_only: bool = False,
    workers: Pool | None = None,
    ensemble: EnsembleFacts | None = None,
    printed: Printed | None = None,
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
    plan : Plan, optional
        Of these models on this data, where the caller has made it already.
    store : Path, optional
        Folder of stored posteriors and of what was computed from them, to reuse and to fill; nothing is stored
        without one.
    report : callable
        Gets a line at each step.
    fits_only : bool
        Leave out everything but the fits and what follows from each of them.
    workers : Pool, optional
        Processes for comparisons and predictive checks, beside the fits; no number depends on them.
    ensemble : EnsembleFacts, optional
        Of the synthetic cohorts of which the data are one.
    printed : Printed, optional
        What printed numbers tell, where the caller knows it already.

    Returns
    -------
    StudyResults

    Raises
    ------
    InputError
        If a model or prior set asked for does not exist, no model can be run, or memory cannot hold the draws.
    """
    started = time.perf_counter()
    plan = plan or plan_study(study, data, models=settings.models)
    fitter = Fitter(study, settings, store=store, report=report, total=len(plan.own))
    fitter.check_memory([*plan.own, *chain.from_iterable(plan.common.values())])
    derived = NumberStore(folder=store, identity=_identify(study, data, settings, fitter.prior))
    n_skipped = sum(not skipped.comparison for skipped in plan.skipped)
    if len(plan.own) > 1 or n_skipped:
        report(f"{len(plan.own)} models on {data.origin}; {n_skipped} cannot be run")
    # The matrices are small: with several threads BLAS mostly waits, and digits depend on how many there are.
    with threadpool_limits(limits=1, user_api="blas"):
        hand = _Hand(workers=workers or Pool(1), derived=derived, fitter=fitter)
        told = None if fits_only or printed else hand.workers.submit(analyse_printed, study)
        # Comparisons need no posterior by NUTS: other processes score models while this one samples.
        sets = {} if fits_only or settings.engine == "none" else plan.common
        scored = {name: {p.model.id: hand.score(name, p) for p in members} for name, members in sets.items()}
        runs, failed = _run_models(data, plan.own, hand)
        chosen = [] if fits_only else _to_predict(study, runs)
        predicted = {run.model.id: hand.predict(data, run) for run in chosen}
        comparisons, checks, left_out = _gather_comparisons(
            plan, {run.model.id for run in runs}, scored, report
        )
        predictive = _gather_predictions(predicted, report)
        printed = printed if told is None else told.result()
    return StudyResults(
        study=study,
        source=data.source,
        origin=data.origin,
        data_digest=data.digest,
        notes=reading_notes(data),
        engine=settings.engine,
        prior=fitter.prior,
        seed=settings.seed,
        runs=tuple(runs),
        skipped=(*plan.skipped, *failed, *left_out),
        comparisons=tuple(comparisons),
        predictive=tuple(predictive),
        descriptives=tuple(describe_patients(study, described_rows(study, data))),
        checks=(*(check for run in runs for check in run.checks), *checks),
        seconds=time.perf_counter() - started,
        ensemble=ensemble or EnsembleFacts(),
        printed=printed,
        prior_predictive=() if fits_only else _prior_predictive(study, fitter.prior, settings.seed),
        text=()
        if fits_only
        else read_text(study, data, runs, comparisons, printed.audit if printed else None),
    )


def _identify(study: Study, data: StudyData, settings: RunSettings, prior: str) -> str:
    """Name what all numbers follow from: not which models were asked for, nor the engine, which names the files."""
    # The study and the rows as they are, not their files' digests: a notebook can have changed them since.
    said = dataclasses.asdict(study) | {"folder": None}
    how = dataclasses.replace(settings, models=(), engine="none", prior=prior)
    return identify_numbers(
        study=json.dumps(said, default=str, sort_keys=True),
        data=f"{data.source.value} {data.absent} {digest_rows(data.rows, data.rows.columns)}",
        settings=repr(how),
    )


@dataclass(frozen=True, kw_only=True)
class _Hand:
    """Finds kept numbers at once, and hands the making of others to processes."""

    workers: Pool
    derived: NumberStore
    fitter: Fitter

    @property
    def run(self) -> _RunKey:
        """What a process has to know to make fits for this run."""
        return _RunKey(
            name=f"{self.derived.identity} {self.fitter.settings}",
            study=self.fitter.study,
            settings=self.fitter.settings,
        )

    def score(self, name: str, planned: PlannedModel) -> Promise[ScoredModel]:
        """Score a model on the rows of comparison ``name``."""
        file, follows = f"{planned.model.id}.scores", design_digest(planned.design)
        return self._promise(file, follows, _score_model, name, planned, self.run)

    def judge(
        self, data: StudyData, planned: PlannedModel, posterior: PosteriorFit | None, *, with_bambi: bool
    ) -> Promise[ModelNumbers]:
        """Compute what follows from the fits of a model."""
        file = f"{planned.model.id}.{self.fitter.settings.engine}.numbers"
        follows = _follows(planned.design, posterior) + (" and Bambi" if with_bambi else "")
        promise = self._promise(file, follows, _model_numbers, data, planned, posterior, self.run, with_bambi)
        if self.workers.jobs > 1:
            return promise
        # At once, so that a run that is interrupted has kept them.
        numbers = promise.result()
        return Promise(lambda: numbers)

    def predict(self, data: StudyData, run: ModelRun) -> Promise[PredictiveResult]:
        """Check what a model predicts."""
        study, settings = self.fitter.study, self.fitter.settings
        file = f"{run.model.id}.{settings.engine}.predictions"
        return self._promise(file, _follows(run.design, run.posterior), _predict, study, data, run, settings)

    def _promise[**P, R](
        self, file: str, follows: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Promise[R]:
        found = self.derived.find(file, follows=follows)
        if found is not None:
            return Promise(lambda: cast(R, found))
        make = cast(Callable[..., R], self.derived.make)
        return self.workers.submit(make, file, follows, function, *args, **kwargs)


def _follows(design: Design, posterior: PosteriorFit | None) -> str:
    """Name what the numbers of one model follow from besides: its rows and its draws."""
    return design_digest(design) + ("" if posterior is None else f" {draws_digest(posterior)}")


def reading_notes(data: StudyData) -> tuple[str, ...]:
    """Return what was done and seen when the rows were read."""
    return (*data.notes, *(f"warning: {warning.format()}" for warning in data.warnings))


def _run_models(
    data: StudyData, planned: Sequence[PlannedModel], hand: _Hand
) -> tuple[list[ModelRun], list[SkippedModel]]:
    """Run every model; one that cannot be fitted is skipped with its reason and stops none of the others.

    Other processes judge a model's fits while the next is sampled.
    """
    runs: list[ModelRun] = []
    failed: list[SkippedModel] = []

    def skip(item: PlannedModel, error: FitError) -> None:
        hand.fitter.report(f"{item.model.id}: cannot be fitted: {error}")
        failed.append(SkippedModel(model_id=item.model.id, reason=str(error)))

    shapes = _one_of_each_shape(planned, hand.fitter) if _is_whole(hand.fitter.settings) else set()
    begun: list[tuple[PlannedModel, PosteriorFit | None, Promise[ModelNumbers]]] = []
    for item in planned:
        try:
            posterior = hand.fitter.chosen(item)
            begun.append(
                (item, posterior, hand.judge(data, item, posterior, with_bambi=item.model.id in shapes))
            )
        except FitError as error:
            skip(item, error)
    for item, posterior, promise in begun:
        try:
            runs.append(_model_run(item, posterior, promise.result()))
        except FitError as error:
            skip(item, error)
    return runs, failed


def _is_whole(settings: RunSettings) -> bool:
    """Whether a run is of all models, by the marginal likelihood that NUTS samples."""
    return settings.engine == "pymc" and not settings.models


def _one_of_each_shape(planned: Sequence[PlannedModel], fitter: Fitter) -> set[str]:
    """Pick the first model of each shape of its random part, to be fitted by Bambi besides.

    Priors of correlated effects at another time than zero cannot be stated there, so such a model is passed over.
    """
    first: dict[tuple[str, ...], str] = {}
    for item in planned:
        if item.design.structured is None and fitter.priors(item).origin == 0.0:
            first.setdefault(item.design.z_names, item.model.id)
    return set(first.values())


def _model_run(planned: PlannedModel, posterior: PosteriorFit | None, numbers: ModelNumbers) -> ModelRun:
    return ModelRun(
        model=planned.model,
        rows=planned.rows,
        design=planned.design,
        posterior=posterior,
        left_out=planned.left_out,
        **{field.name: getattr(numbers, field.name) for field in dataclasses.fields(numbers)},
    )


def _gather_comparisons(
    plan: Plan,
    fitted: Collection[str],
    scored: Mapping[str, Mapping[str, Promise[ScoredModel]]],
    report: Reporter,
) -> tuple[list[ComparisonSet], list[Check], list[SkippedModel]]:
    """Compare the models of each set that could be fitted; without a posterior there is nothing to compare."""
    comparisons: list[ComparisonSet] = []
    checks: list[Check] = []
    left_out: list[SkippedModel] = []
    asked = {name: [p for p in plan.common[name] if p.model.id in fitted] for name in scored}
    tell = _progress(report, total=sum(len(members) for members in asked.values()))
    for name, members in asked.items():
        try:
            found = [scored[name][planned.model.id].result() for planned in members]
        except FitError as error:
            report(f"comparison {name}: cannot be made: {error}")
            left_out += [
                SkippedModel(model_id=p.model.id, reason=str(error), comparison=name) for p in members
            ]
            continue
        if members:
            comparisons.append(_comparison(name, members, found))
            checks += [check for model in found for check in model.checks]
            tell(len(members), "models scored", f"comparison {name}")
    return comparisons, checks, left_out


def _progress(report: Reporter, *, total: int) -> Callable[[int, str, str], None]:
    """Make a function that reports how many of ``total`` are done and how long the others may take."""
    started, done = time.perf_counter(), 0

    def tell(more: int, unit: str, which: str) -> None:
        nonlocal done
        done += more
        left = (time.perf_counter() - started) / done * (total - done)
        line = f"{done} of {total} {unit} ({which}); about {left:.0f} s left"
        report_step(report, done=done, total=total, unit=unit, line=line)

    return tell


def _comparison(name: str, members: Sequence[PlannedModel], found: Sequence[ScoredModel]) -> ComparisonSet:
    return ComparisonSet(
        name=name,
        outcome=members[0].model.outcome,
        rows=members[0].rows,
        models=tuple(compare_models([model.ml for model in found], [model.scores for model in found])),
        scores={model.ml.model_id: model.scores for model in found},
        left_out=members[0].left_out,
    )


def _gather_predictions(
    predicted: Mapping[str, Promise[PredictiveResult]], report: Reporter
) -> list[PredictiveResult]:
    tell = _progress(report, total=len(predicted))
    found = []
    for model_id, promise in predicted.items():
        found.append(promise.result())
        tell(1, "predictive checks", model_id)
    return found


def _prior_predictive(study: Study, prior: str, seed: int) -> tuple[PriorPrediction, ...]:
    """Return what a prior set implies for scores, of every outcome that it states priors for."""
    if not prior:
        return ()
    return tuple(
        prior_predictive(study, outcome, prior, seed=derive_seed(seed, "prior predictive", outcome))
        for outcome, _ in study.prior(prior).scales
    )


def _to_predict(study: Study, runs: Sequence[ModelRun]) -> list[ModelRun]:
    """Models that figures show or that others refer to; of an outcome without any, those with a random slope."""
    shown = {model_id for figure in study.figures for model_id in figure.models}
    shown |= {run.model.reference for run in runs if run.model.reference is not None}
    covered = {run.model.outcome for run in runs if run.model.id in shown}
    return [
        run
        for run in runs
        if run.posterior is not None
        and (
            run.model.id in shown
            or (run.model.outcome not in covered and (len(run.design.z_names) > 1 or run.design.structured))
        )
    ]
