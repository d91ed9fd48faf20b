"""The package in a notebook: load a study, run it, look at what was found, hand the posteriors to ArviZ.

The same steps as the command ``reanalyse``, without files unless they are asked for.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cohorts.ensemble_facts import ensemble_facts
from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Covariance, PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.plan import PlannedModel, SkippedModel, plan_model
from bayes_alliance.run.protected_rows import protect_rows
from bayes_alliance.run.results import StudyResults
from bayes_alliance.run.settings import EngineChoice, RunSettings, choose_prior
from bayes_alliance.runtime.seeds import DEFAULT_SEED, derive_seed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from bayes_alliance.assess.predictive_scores import PredictiveScores
    from bayes_alliance.show.tables.notebook import NotebookTable


@dataclass(frozen=True, kw_only=True)
class Reanalysis(StudyResults):
    """The results of a run, with what a notebook wants to do with them.

    Parameters
    ----------
    settings : RunSettings
        How it was run.
    min_cell : int
        Fewest patients that anything written by :meth:`write` describes; 0 for no limit.
    """

    settings: RunSettings
    min_cell: int = 0

    @property
    def tables(self) -> dict[str, NotebookTable]:
        """Every table of the run by its id; each prints as Markdown and shows as HTML in a notebook."""
        from bayes_alliance.show.tables import build_tables
        from bayes_alliance.show.tables.notebook import for_notebook

        return {table.id: for_notebook(table) for table in build_tables(self)}

    @property
    def figure_names(self) -> list[str]:
        """Names of the figures that :meth:`figure` can draw."""
        from bayes_alliance.show.plots.plan import plan_figures

        return [planned.name for planned in plan_figures(self)]

    def figure(self, name: str) -> Figure:
        """Draw one figure.

        Raises
        ------
        KeyError
            If there is none of this name.
        """
        from bayes_alliance.show.plots.plan import plan_figures

        return {planned.name: planned for planned in plan_figures(self)}[name].draw()

    def posterior(self, model_id: str) -> xr.DataTree:
        """Return a model's posterior as a DataTree of all groups that ArviZ knows, which its functions take as it is.

        The tree holds the rows of patients, in memory: what a run stores does not
        (:mod:`bayes_alliance.assess.arviz_groups`).

        Raises
        ------
        KeyError
            If the model was not run, or without a posterior.
        """
        from bayes_alliance.assess.arviz_groups import arviz_groups

        seed = derive_seed(self.seed, "arviz groups", model_id)
        return arviz_groups(*self._fitted(model_id), seed=seed)

    def predictive_scores(self, model_id: str, *, folds: int = 10) -> PredictiveScores:
        """Score a model further: RMSE, CRPS, LOO-R2 and Bayesian R2 by ArviZ, K-fold by patient, last visits.

        Raises
        ------
        KeyError
            If the model was not run, or without a posterior.
        """
        from bayes_alliance.assess.predictive_scores import predictive_scores

        seed = derive_seed(self.seed, "predictive scores", model_id)
        return predictive_scores(*self._fitted(model_id), seed=seed, folds=folds)

    def _fitted(self, model_id: str) -> tuple[PosteriorFit, Design, CoefficientPriors]:
        run = self.run(model_id)
        if run is None or run.posterior is None:
            raise KeyError(model_id)
        return run.posterior, run.design, coefficient_priors(self.study, run.design, self.prior)

    def write(self, folder: str | Path) -> list[Path]:
        """Write tables, figures, the report and the manifest into a folder, which is made; give the files.

        What describes fewer than ``min_cell`` patients is withheld.
        """
        from bayes_alliance.run.manifest import Presentation
        from bayes_alliance.runtime.own_files import own_folder
        from bayes_alliance.show.privacy import mask_small_cells
        from bayes_alliance.show.run_folder import write_run

        place, k = Path(folder), self.min_cell
        with own_folder(place):
            return write_run(mask_small_cells(self, k), self.settings, place, shown=Presentation(min_cell=k))

    def __repr__(self) -> str:
        """Return the run in a few lines."""
        return "\n".join([*_head(self), *(f"  {name}: {text}" for name, text in _differences(self))])

    def _repr_html_(self) -> str:
        """Show the run in a notebook: what it is, and every slope difference."""
        first, *others = _head(self)
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in _differences(self)
        )
        said = "".join(f"<p>{escape(text.strip())}</p>" for text in others)
        return f"<div><p><strong>{escape(first)}</strong></p>{said}<table>{rows}</table></div>"


def _head(results: StudyResults) -> list[str]:
    from bayes_alliance.run.check_tally import tally_checks
    from bayes_alliance.show.check_words import describe_tally
    from bayes_alliance.show.provenance import describe_provenance

    skipped = sum(not model.comparison for model in results.skipped)
    checks = describe_tally(tally_checks(results))
    return [
        f"Reanalysis of {results.study.id}: {len(results.runs)} models run, {skipped} not; {checks}",
        f"  {describe_provenance(results)}",
        f"  engine {results.engine}, prior {results.prior or 'none'}; over {results.study.horizon:g} "
        f"{results.study.time_unit}, posterior median [95 % equal-tailed interval] or ML estimate(SE):",
    ]


def _differences(results: StudyResults) -> list[tuple[str, str]]:
    """Name and number of every slope difference, over the horizon."""
    from bayes_alliance.show.format_numbers import format_summary
    from bayes_alliance.show.tables.shared_columns import format_effect

    horizon = results.study.horizon
    return [
        (
            f"{run.model.label}, {quantity.label}",
            format_summary(quantity.bayes, scale=horizon)
            if quantity.bayes is not None
            else format_effect(quantity.ml, scale=horizon),
        )
        for run in results.runs
        for quantity in run.quantities
        if quantity.kind in ("slope_deviation", "slope_contrast")
    ]


def reanalyse(
    study: Study | str | Path,
    data: str | Path | pd.DataFrame | StudyData | None = None,
    *,
    engine: EngineChoice = "pymc",
    prior: str = "",
    seed: int = DEFAULT_SEED,
    models: tuple[str, ...] | list[str] = (),
    draws: int | None = None,
    store: str | Path | None = None,
    min_cell: int | None = None,
) -> Reanalysis:
    """Run a study by maximum likelihood and by Bayes on the same rows.

    Parameters
    ----------
    study : Study, str or Path
        As :func:`bayes_alliance.study.load_study.load_study` gives or takes it.
    data : path, DataFrame, StudyData, optional
        See :func:`load_data`.
    engine : {"pymc", "collapsed", "bambi", "none"}
        Which posterior; ``collapsed`` takes seconds, ``none`` leaves the posterior out.
    prior : str
        Prior set of the study; empty for its first.
    seed : int
        The one number that all randomness comes from.
    models : sequence of str
        Ids of models to run; empty for all.
    draws : int, optional
        Draws a chain (NUTS), or in all (collapsed).
    store : path, optional
        Folder of stored posteriors, to reuse and to fill.
    min_cell : int, optional
        Fewest patients that a model, or anything that :meth:`Reanalysis.write` writes, may describe; by default 5 for
        real data, as in the command. With 0 every model uses all its rows, and the results should not be published.

    Returns
    -------
    Reanalysis

    Raises
    ------
    InputError
        If the study, the data or a setting is wrong.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> results = ba.reanalyse("medication", engine="collapsed", models=["treatment"], draws=400)
    >>> results.run("treatment").posterior.beta.shape
    (4, 100, 4)
    """
    from bayes_alliance.show.disclosure import smallest_group
    from bayes_alliance.study.load_study import load_study

    found = study if isinstance(study, Study) else load_study(study)
    rows = data if isinstance(data, StudyData) else load_data(found, data, seed=seed)
    rows = protect_rows(found, rows, smallest_group(rows.source, min_cell))
    settings = _settings(engine, prior, seed, tuple(models), draws)
    choose_prior(found, settings)
    results = run_study(
        found,
        rows,
        settings,
        store=None if store is None else Path(store),
        ensemble=ensemble_facts(found) if data is None else None,
    )
    own = {field.name: getattr(results, field.name) for field in dataclasses.fields(StudyResults)}
    return Reanalysis(**own, settings=settings, min_cell=rows.min_cell)


def _settings(
    engine: EngineChoice, prior: str, seed: int, models: tuple[str, ...], draws: int | None
) -> RunSettings:
    settings = RunSettings(engine=engine, prior=prior, seed=seed, models=models)
    if draws is None:
        return settings
    return dataclasses.replace(
        settings,
        collapsed=CollapsedSettings(draws=draws + -draws % 4),
        sampler=dataclasses.replace(settings.sampler, draws=draws),
    )


def _state(
    study: Study | str | Path,
    model_id: str,
    data: str | Path | pd.DataFrame | StudyData | None,
    prior: str,
    seed: int,
) -> tuple[PlannedModel, CoefficientPriors]:
    """Freeze the rows of a model and derive its priors."""
    from bayes_alliance.study.load_study import load_study

    found = study if isinstance(study, Study) else load_study(study)
    known = [model.id for model in found.models]
    if model_id not in known:
        problem = Problem(what="no such model", got=repr(model_id), allowed=", ".join(known))
        raise InputError(f"study {found.id}", [problem])
    rows = data if isinstance(data, StudyData) else load_data(found, data, seed=seed)
    name = choose_prior(found, RunSettings(prior=prior, seed=seed))
    model = found.model(model_id)
    planned = plan_model(rows, model, parse_formula(model.formula).names)
    if isinstance(planned, SkippedModel):
        raise InputError(f"model {model_id}", [Problem(what=planned.reason)])
    return planned, coefficient_priors(found, planned.design, name)


def bambi_model(
    study: Study | str | Path,
    model_id: str,
    data: str | Path | pd.DataFrame | StudyData | None = None,
    *,
    prior: str = "",
    covariance: Covariance = "UN",
    seed: int = DEFAULT_SEED,
) -> Any:
    """Return the Bambi model that states a model of a study: formula, frozen rows and priors.

    Parameters
    ----------
    study : Study, str or Path
        As in :func:`reanalyse`.
    model_id : str
        One of its models.
    data : path, DataFrame, StudyData, optional
        See :func:`load_data`.
    prior : str
        Prior set of the study; empty for its first.
    covariance : {"UN", "VC"}
        Correlated effects of patients, or independent ones as in plain Bambi.
    seed : int
        Of the synthetic cohort, where that is the study's own data.

    Returns
    -------
    bambi.Model
        ``build``, ``fit``, ``predict`` and ``prior_predictive`` are Bambi's own.

    Raises
    ------
    InputError
        If the study, the model, the data or the prior set is wrong.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> ba.bambi_model("medication", "treatment").formula.main
    'pos ~ 1 + days + treat + days:treat + (1 + days | patient)'
    """
    from bayes_alliance.inference.pymc.bambi_model import build_bambi_model

    planned, priors = _state(study, model_id, data, prior, seed)
    return build_bambi_model(planned.design, priors, planned.frozen.rows, covariance)


def pymc_model(
    study: Study | str | Path,
    model_id: str,
    data: str | Path | pd.DataFrame | StudyData | None = None,
    *,
    prior: str = "",
    covariance: Covariance = "UN",
    marginal: bool = False,
    seed: int = DEFAULT_SEED,
) -> Any:
    """Return a PyMC model of a model of a study.

    Parameters
    ----------
    study, model_id, data, prior, covariance, seed
        As in :func:`bambi_model`.
    marginal : bool
        False for the model that Bambi builds, with patients' effects and an observed outcome. True for the one that
        engine ``pymc`` samples: effects integrated out, the likelihood a potential of sufficient statistics.

    Returns
    -------
    pymc.Model

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> [variable.name for variable in ba.pymc_model("medication", "treatment").observed_RVs]
    ['pos']
    """
    if not marginal:
        model = bambi_model(study, model_id, data, prior=prior, covariance=covariance, seed=seed)
        model.build()
        return model.backend.model
    from bayes_alliance.inference.pymc.model import build_marginal_model

    planned, priors = _state(study, model_id, data, prior, seed)
    return build_marginal_model(planned.design, priors, covariance)
