"""Makes every fit of a run once: from memory, posteriors also from the store, or by an engine.

Knows of engines, priors, seeds and the store; not of what the posteriors are for.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.draws_memory import check_draws_memory
from bayes_alliance.inference.engines import Engine, EngineSettings, engine_covariance, fit_posterior
from bayes_alliance.inference.fits import Covariance, MixedFit, PosteriorFit, RowsUsed
from bayes_alliance.inference.ml import Method, fit_mixed
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.inference.versions import engine_versions
from bayes_alliance.run.plan import PlannedModel, plan_study
from bayes_alliance.run.posterior_store import design_digest, fit_record, load_fit, store_fit
from bayes_alliance.run.settings import RunSettings, choose_prior
from bayes_alliance.runtime.progress import Reporter, report_step
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.records import Study

BAMBI_DRAWS = 1000  # of each chain: enough to see a difference of a tenth of an SD
# So many fit into any memory: models need not be planned, which takes seconds, to know it.
_FEW_DRAWS = 100_000


def check_draws(study: Study, data: StudyData, settings: RunSettings) -> None:
    """Refuse a run whose draws memory cannot hold, before anything is computed or written.

    Parameters
    ----------
    study, data, settings
        As :func:`bayes_alliance.run.pipeline.run_study` takes them.

    Raises
    ------
    InputError
        With what the draws would take and what there is.
    """
    draws = max(settings.collapsed.draws, settings.sampler.draws * settings.sampler.chains)
    if settings.engine != "none" and draws > _FEW_DRAWS:
        _check_memory(plan_study(study, data, models=settings.models).own, settings)


def _check_memory(planned: Sequence[PlannedModel], settings: RunSettings) -> None:
    if settings.engine != "none":
        for item in planned:
            check_draws_memory(settings.engine, item.design, settings.sampler, settings.collapsed)


class Fitter:
    """Makes each fit of a run once: kept in memory by design, posteriors on disk too by their whole record.

    Parameters
    ----------
    study : Study
        States the priors.
    settings : RunSettings
        How to fit.
    store : Path or None
        Folder of stored posteriors; None stores nothing.
    report : callable
        Gets a line for each posterior of the chosen engine.
    total : int
        How many of those there will be.
    """

    def __init__(
        self, study: Study, settings: RunSettings, *, store: Path | None, report: Reporter, total: int
    ) -> None:
        self.study = study
        self.settings = settings
        self.prior = choose_prior(study, settings)
        self.store = store
        self.report = report
        self.total = total
        self.made: dict[str, PosteriorFit] = {}
        self.mirrored: dict[str, MixedFit] = {}
        self.done = 0
        self.started = time.perf_counter()

    def priors(self, planned: PlannedModel) -> CoefficientPriors:
        """Return the run's priors on the coefficients of a planned model."""
        return coefficient_priors(self.study, planned.design, self.prior)

    def chosen(self, planned: PlannedModel) -> PosteriorFit | None:
        """Return the posterior by the engine chosen for the run, stored and reported; None for "none"."""
        engine = self.settings.engine
        if engine == "none":
            return None
        self.done += 1
        key = _fit_key(planned, engine, engine_covariance(engine))
        if key in self.made:
            self._tell(planned, "the same fit as before")
        else:
            self.made[key] = self._stored_or_new(planned, engine)
        return dataclasses.replace(self.made[key], model_id=planned.model.id, rows=planned.rows)

    def mixed(self, design: Design, rows: RowsUsed, *, model_id: str = "", method: Method = "ML") -> MixedFit:
        """Return the frequentist fit of a design: references and smaller models are asked for again and again."""
        key = f"{method}|{design_digest(design)}"
        if key not in self.mirrored:
            self.mirrored[key] = fit_mixed(design, rows, model_id=model_id, method=method)
        return dataclasses.replace(self.mirrored[key], model_id=model_id, rows=rows)

    def collapsed(self, planned: PlannedModel, covariance: Covariance = "UN") -> PosteriorFit:
        """Return the collapsed engine's posterior, which costs too little to be stored or reported."""
        kind: Covariance = "UN" if covariance == "ID" else covariance
        key = _fit_key(planned, "collapsed", kind)
        if key not in self.made:
            self.made[key] = self._fit(planned, "collapsed", kind)
        return dataclasses.replace(self.made[key], model_id=planned.model.id, rows=planned.rows)

    def bambi(self, planned: PlannedModel, covariance: Covariance) -> PosteriorFit:
        """Return the posterior by Bambi, patients' effects sampled: what the marginal likelihood is held to."""
        from bayes_alliance.inference.pymc.sample import fit_bambi

        how = dataclasses.replace(self.settings.sampler, draws=BAMBI_DRAWS, tune=BAMBI_DRAWS)
        return fit_bambi(
            planned.design,
            planned.rows,
            self.priors(planned),
            planned.frozen.rows,
            seed=derive_seed(self.settings.seed, "bambi", covariance, design_digest(planned.design)),
            model_id=planned.model.id,
            covariance=covariance,
            settings=how,
        )

    def check_memory(self, planned: Sequence[PlannedModel]) -> None:
        """Refuse a run whose draws memory cannot hold, before its first fit."""
        _check_memory(planned, self.settings)

    def _fit(self, planned: PlannedModel, engine: Engine, covariance: Covariance) -> PosteriorFit:
        return fit_posterior(
            engine,
            planned.design,
            planned.rows,
            self.priors(planned),
            planned.frozen.rows,
            seed=self._seed(planned, engine),
            model_id=planned.model.id,
            covariance=covariance,
            settings=EngineSettings(sampler=self.settings.sampler, collapsed=self.settings.collapsed),
        )

    def _seed(self, planned: PlannedModel, engine: Engine) -> int:
        design = planned.design
        return derive_seed(self.settings.seed, engine, design_digest(design))

    def _stored_or_new(self, planned: PlannedModel, engine: Engine) -> PosteriorFit:
        covariance = engine_covariance(engine)
        record = fit_record(
            planned.design,
            self.priors(planned),
            engine=engine,
            covariance=covariance,
            settings=repr(self.settings.collapsed if engine == "collapsed" else self.settings.sampler),
            seed=self._seed(planned, engine),
            versions=engine_versions(),
        )
        path = self.store / f"{planned.model.id}.{engine}.nc" if self.store else None
        found = load_fit(path, record) if path else "not stored"
        if isinstance(found, PosteriorFit):
            self._tell(planned, "stored posterior reused")
            return found
        fit = self._fit(planned, engine, covariance)
        if path:
            store_fit(path, fit, record)
        if path and found.startswith("the stored file"):
            self.report(f"warning: {path.name}: {found}; it was fitted again")
        why = "" if found in ("not stored", "not stored yet") else f" ({found})"
        if "handed_over" in fit.facts:
            why += f" ({fit.facts['handed_over']})"
        verb = "drawn" if fit.engine == "collapsed" else "sampled"
        self._tell(planned, f"{verb} in {fit.seconds:.1f} s{why}")
        return fit

    def _tell(self, planned: PlannedModel, what: str) -> None:
        elapsed = time.perf_counter() - self.started
        left = elapsed / self.done * (self.total - self.done)
        line = f"[{self.done}/{self.total}] {planned.model.id}: {what}; about {left:.0f} s of fits left"
        report_step(self.report, done=self.done, total=self.total, unit="models fitted", line=line)


def _fit_key(planned: PlannedModel, engine: Engine, covariance: Covariance) -> str:
    return f"{engine}|{covariance}|{planned.design.formula.response}|{design_digest(planned.design)}"
