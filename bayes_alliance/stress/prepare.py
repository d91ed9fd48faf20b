"""A model ready to be stressed: its rows, priors, subgroups and unchanged posterior.

Which models are stressed without being asked for is decided here too: those whose slope deviations the study's
figures show or its tables print with digits, and the same models of the other outcomes in the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError, InputError, no_such
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.engines import EngineSettings, fit_posterior
from bayes_alliance.inference.fits import Array, PosteriorFit, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.run.plan import SkippedModel, plan_model
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.stress.records import StressDraws, Test
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.prior_records import PriorScales
from bayes_alliance.study.records import Estimand, Model, Study

DEVIATIONS = ("slope_deviation", "slope_contrast")
STEPS = 6


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A model, its rows and its unchanged posterior.

    Parameters
    ----------
    estimands : tuple of Estimand
        Slope deviations and contrasts.
    frame : pandas.DataFrame
        The frozen rows behind the design (patients' data: never written out).
    times : ndarray, shape (n_rows,)
        Time of each row.
    group : ndarray of int, shape (n_patients,)
        Subgroup of each patient, -1 where unknown; all 0 in a study without subgroups.
    groups : tuple of str
        Names of the subgroups.
    scales : PriorScales
        The priors of the outcome in natural units.
    horizon, step : float
        The study's horizon; time from one assessment to the next where none is observed.
    seed : int
        From which every test derives its own.
    min_cell : int
        Fewest patients that may be described; 0 without a limit.
    """

    model: Model
    design: Design
    rows: RowsUsed
    frame: pd.DataFrame
    patient: str
    time: str
    times: Array
    group: NDArray[np.int64]
    groups: tuple[str, ...]
    estimands: tuple[Estimand, ...]
    priors: CoefficientPriors
    scales: PriorScales
    posterior: PosteriorFit
    horizon: float
    step: float
    seed: int
    min_cell: int = 0

    @property
    def last(self) -> Array:
        """Time of each patient's last row, shape (n_patients,)."""
        ends = np.append(np.flatnonzero(np.diff(self.design.patient_index)), self.design.n_rows - 1)
        last: Array = self.times[ends]
        return last

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether a patient's last row stands at the horizon, within a quarter of a step."""
        done: NDArray[np.bool_] = self.last > self.horizon - self.step / 4.0
        return done

    @property
    def few_drop_out(self) -> str:
        """Why nothing is said of dropout where few patients of a subgroup drop out, or few do not; else empty."""
        counts = [np.sum(self.complete), np.sum(~self.complete)]
        for code in range(len(self.groups)):
            mine = self.complete[self.group == code]
            counts += [np.sum(mine), np.sum(~mine)]
        if not any(0 < count < self.min_cell for count in counts):
            return ""
        return f"withheld: fewer than {self.min_cell} patients of a subgroup are, or are not, assessed at the horizon"

    def seed_of(self, *parts: str) -> int:
        """Derive the seed of one task."""
        return derive_seed(self.seed, "stress", self.model.id, *parts)

    def record(
        self,
        estimand: Estimand,
        draws: Array,
        *,
        test: Test,
        variant: str,
        changed: str,
        effective: float | None,
        facts: dict[str, float | str] | None = None,
    ) -> StressDraws:
        """Put draws of one estimand, shape (chain, draw), into the record that all tests return."""
        return StressDraws(
            test=test,
            variant=variant,
            changed=changed,
            model_id=self.model.id,
            outcome=self.model.outcome,
            estimand=estimand.name,
            label=estimand.label,
            kind=estimand.kind,
            draws=draws,
            unit=self.horizon,
            effective=effective,
            facts=facts or {},
        )

    def base(self) -> list[StressDraws]:
        """Return the estimands of the unchanged model."""
        return self.combined(self.posterior, test="base", variant="", changed="nothing")

    def combined(
        self,
        fit: PosteriorFit,
        *,
        test: Test,
        variant: str,
        changed: str,
        facts: dict[str, float | str] | None = None,
    ) -> list[StressDraws]:
        """Return the estimands from the coefficients of a fit that has those of the model, and maybe more."""
        return [
            self.record(
                estimand,
                fit.combine(estimand.weights),
                test=test,
                variant=variant,
                changed=changed,
                effective=fit.independent_draws,
                facts=facts,
            )
            for estimand in self.estimands
        ]


def chosen_models(study: Study, asked: Sequence[str] = ()) -> list[Model]:
    """Return the models to stress.

    Parameters
    ----------
    study : Study
        Declares models, figures and printed cells.
    asked : sequence of str
        Ids; empty for the study's own claims about slopes (see the module), but for models with several levels or
        correlated residuals.

    Returns
    -------
    list of Model
        In the study's order.

    Raises
    ------
    InputError
        If a model does not exist or has no slope deviation.
    """
    usable = {m.id: m for m in study.models if deviations(m)}
    if asked:
        problems = [
            no_such("model with a slope deviation", name, usable) for name in asked if name not in usable
        ]
        if problems:
            raise InputError(f"study {study.id}", problems)
        return [m for m in study.models if m.id in asked]
    left = {m.id for m in structured_models(study)}
    usable = {name: model for name, model in usable.items() if name not in left}
    shown = [study.model(name) for figure in study.figures for name in figure.models]
    outcomes = {m.outcome for m in shown} or set(study.outcomes)
    claimed = {m.id for m in shown} | _printed(study)
    first = [m for m in usable.values() if m.id in claimed and m.outcome in outcomes]
    alike = {(m.family, _right_side(m), m.where) for m in first}
    found = [m for m in usable.values() if (m.family, _right_side(m), m.where) in alike]
    return [m for m in found if m.outcome in outcomes] or list(usable.values())


def structured_models(study: Study) -> list[Model]:
    """List the models with slope deviations that stress tests do not take: several levels or correlated residuals."""
    return [m for m in study.models if deviations(m) and parse_formula(m.formula).is_structured]


def deviations(model: Model) -> tuple[Estimand, ...]:
    """Return the slope deviations and contrasts of a model."""
    return tuple(e for e in model.estimands if e.kind in DEVIATIONS)


def families(models: Sequence[Model]) -> list[tuple[Model, ...]]:
    """Group models that differ in their outcome only, in the order given."""
    groups: dict[object, list[Model]] = {}
    for model in models:
        key = (model.family, _right_side(model), model.where, tuple(e.name for e in model.estimands))
        groups.setdefault(key, []).append(model)
    return [tuple(group) for group in groups.values()]


def _right_side(model: Model) -> object:
    formula = parse_formula(model.formula)
    return formula.terms, formula.intercept, formula.random


def _printed(study: Study) -> set[str]:
    """Ids of models one of whose slope deviations is printed with digits."""
    found = set()
    for cell in study.cells:
        if cell.quantity != "estimate" or not cell.model:
            continue
        names = {e.name for e in deviations(study.model(cell.model))}
        parts = cell.coefficient.split(":")
        is_deviation = cell.coefficient in names or (study.time in parts and len(parts) > 1)
        if is_deviation and cell.parsed.value is not None:
            found.add(cell.model)
    return found


# Over 40 lines: reasons why a model cannot be stressed, then a record of 16 fields.
def prepare_model(
    study: Study, data: StudyData, model: Model, *, prior: str, seed: int, draws: int = 4000
) -> Prepared | SkippedModel:
    """Freeze a model's rows, draw its unchanged posterior and find the patients' subgroups.

    Parameters
    ----------
    prior : str
        Name of a prior set of the study.
    seed : int
        The run's.
    draws : int
        Of the collapsed engine, a multiple of four.

    Returns
    -------
    Prepared or SkippedModel
        The latter where the data cannot carry the model, or it has no random slope of time.
    """
    formula = parse_formula(model.formula)
    if formula.is_structured:
        reason = "stress tests take one grouping factor with independent residuals; it has more"
        return SkippedModel(model_id=model.id, reason=reason)
    if formula.random != (study.time,):
        return SkippedModel(model_id=model.id, reason=f"it has no random slope of {study.time} alone")
    planned = plan_model(data, model, formula.names)
    if isinstance(planned, SkippedModel):
        return planned
    priors = coefficient_priors(study, planned.design, prior)
    try:
        posterior = fit_posterior(
            "collapsed",
            planned.design,
            planned.rows,
            priors,
            planned.frozen.rows,
            seed=derive_seed(seed, "stress", model.id, "base"),
            model_id=model.id,
            settings=EngineSettings(collapsed=CollapsedSettings(draws=draws)),
        )
    except FitError as error:
        return SkippedModel(model_id=model.id, reason=str(error))
    group, groups = _subgroups(study, data, planned.frozen.rows)
    return Prepared(
        model=model,
        design=planned.design,
        rows=planned.rows,
        frame=planned.frozen.rows,
        patient=study.patient,
        time=study.time,
        times=planned.frozen.rows[study.time].to_numpy(dtype=float),
        group=group,
        groups=groups,
        estimands=deviations(model),
        priors=priors,
        scales=study.prior(prior).for_outcome(model.outcome),
        posterior=posterior,
        horizon=study.horizon,
        step=study.horizon / STEPS,
        seed=seed,
        min_cell=data.min_cell,
    )


def _subgroups(
    study: Study, data: StudyData, rows: pd.DataFrame
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return each patient's code in the study's descriptive group, and the names of its values."""
    name = study.descriptive_group
    patients = rows[study.patient].drop_duplicates()
    if not name or name not in data.rows:
        return np.zeros(len(patients), dtype=np.int64), ("all",)
    codes = patients.map(data.rows.groupby(study.patient, sort=False)[name].first())
    labels = study.every_variable[name].categories or (f"{name} = 0", f"{name} = 1")
    return codes.fillna(-1).to_numpy(dtype=np.int64), tuple(labels)
