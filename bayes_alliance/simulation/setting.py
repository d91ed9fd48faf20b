"""One model of a study as the ground of simulations: its patients, fitted parameters, estimands and their units."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.inference.fits import Weights, weight_vector
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.simulation.population import CovariatePool, Sampling, build_pool, check_sampling
from bayes_alliance.simulation.trials import Condition, set_effect
from bayes_alliance.simulation.truth import (
    AS_MODELLED,
    SCENARIOS,
    Scenario,
    Truth,
    TruthScale,
    apply_scenario,
    fitted_truth,
)
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Estimand, Model, Study, Variable

_DIFFERENCES = ("slope_deviation", "slope_contrast")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What simulations of one model start from.

    Parameters
    ----------
    planned : PlannedModel
        The model on its rows.
    pool : CovariatePool
        All of its patients with their own visits.
    truth : Truth
        ML estimates on these rows.
    chosen : Estimand or None
        What a design is for, and whose size is varied; None where a model without estimands is calibrated.
    scale : TruthScale or None
        Of the outcome, where the study declares it.
    dealt : int or None
        Seed with which the patients' predictors were dealt anew; None where they stayed.
    """

    study: Study
    data: StudyData
    planned: PlannedModel
    pool: CovariatePool
    truth: Truth
    chosen: Estimand | None
    scale: TruthScale | None
    dealt: int | None = None

    @property
    def model(self) -> Model:
        """Return the model."""
        return self.planned.model

    @property
    def primary(self) -> Estimand:
        """Return what the design is for; InputError where the model has no estimand."""
        if self.chosen is None:
            raise _lacks_estimand(self.model)
        return self.chosen

    @property
    def estimands(self) -> dict[str, Weights]:
        """Weights of every estimand of the model."""
        return {estimand.name: estimand.weights for estimand in self.model.estimands}

    def unit(self, name: str) -> float:
        """Return the factor that turns an estimand into points, over the study's horizon for a slope."""
        kind = {estimand.name: estimand.kind for estimand in self.model.estimands}[name]
        return 1.0 if kind == "level" else self.study.horizon

    @property
    def smallest(self) -> dict[str, float]:
        """Smallest difference that matters of each estimand that is a difference, in the estimand's own unit."""
        points = dict(self.study.publication.smallest_difference).get(self.model.outcome)
        if points is None:
            return {}
        return {e.name: points / self.unit(e.name) for e in self.model.estimands if e.kind != "slope"}

    def effect(self, truth: Truth | None = None) -> float:
        """Value of the primary estimand, in points."""
        weights = weight_vector(self.pool.x_names, self.primary.weights)
        return float(weights @ (truth or self.truth).beta) * self.unit(self.primary.name)

    def priors(self, name: str) -> CoefficientPriors:
        """Return the priors of a named set on the coefficients of the model."""
        return coefficient_priors(self.study, self.planned.design, name)


def choose_model(study: Study, model_id: str = "") -> Model:
    """Return the model asked for; by default the first of a figure, or of all, with a difference of slopes.

    Raises
    ------
    InputError
        If there is no such model, or none with an estimand.
    """
    by_id = {model.id: model for model in study.models}
    if model_id and model_id not in by_id:
        raise InputError(f"study {study.id}", [no_such("model", model_id, by_id)])
    if model_id:
        return by_id[model_id]
    drawn = [by_id[name] for figure in study.figures for name in figure.models]
    for kinds in (_DIFFERENCES, ("slope", "level")):
        for model in (*drawn, *study.models):
            if any(estimand.kind in kinds for estimand in model.estimands):
                return model
    raise InputError(
        f"study {study.id}", [Problem(what="no model has an estimand", fix="name one with --models")]
    )


def prepare(
    study: Study,
    data: StudyData,
    model: Model,
    *,
    mark: str = "",
    estimand: str = "",
    dealt: int | None = None,
    calibrated: bool = False,
) -> Setting:
    """Set up the simulations of one model.

    Parameters
    ----------
    mark : str
        Binary variable of patients whose number is to be set; empty for none.
    estimand : str
        The primary one; by default the first difference of slopes, or the first of all.
    dealt : int, optional
        As of :func:`bayes_alliance.simulation.population.build_pool`.
    calibrated : bool
        Whether an engine is calibrated: the model may then have several levels or correlated residuals, and need not
        have an estimand.

    Raises
    ------
    InputError
        If the data cannot carry the model, or it lacks the estimand.
    """
    formula = parse_formula(model.formula)
    if formula.is_structured and not calibrated:
        what = "simulations of power and of approaches take one grouping factor with independent residuals"
        raise InputError(f"model {model.id}", [Problem(what=what, got=formula.text)])
    planned = plan_model(data, model, formula.names)
    if not isinstance(planned, PlannedModel):
        raise InputError(data.origin, [Problem(what=f"model {model.id}: {planned.reason}")])
    variable = study.variable(model.outcome)
    chosen = _chosen(model, estimand)
    if chosen is None and not calibrated:
        raise _lacks_estimand(model)
    return Setting(
        study=study,
        data=data,
        planned=planned,
        pool=build_pool(study, data, planned, mark=mark, dealt=dealt),
        truth=fitted_truth(fit_mixed(planned.design, planned.rows, model_id=model.id)),
        chosen=chosen,
        scale=_scale(variable) if isinstance(variable, Variable) else None,
        dealt=dealt,
    )


def _lacks_estimand(model: Model) -> InputError:
    return InputError(f"model {model.id}", [Problem(what="it has no estimand", fix="choose another model")])


def _chosen(model: Model, name: str) -> Estimand | None:
    by_name = {estimand.name: estimand for estimand in model.estimands}
    if name and name not in by_name:
        problem = Problem(what="no such estimand", got=repr(name[:60]), allowed=", ".join(by_name))
        raise InputError(f"model {model.id}", [problem])
    if name:
        return by_name[name]
    differences = [e for e in model.estimands if e.kind in _DIFFERENCES]
    return next(iter(differences or model.estimands), None)


def _scale(variable: Variable) -> TruthScale:
    low = -np.inf if variable.minimum is None else variable.minimum
    high = np.inf if variable.maximum is None else variable.maximum
    step = variable.step or (1.0 if variable.kind == "integer" else 0.0)
    return TruthScale(minimum=low, maximum=high, step=step)


@dataclass(frozen=True, kw_only=True)
class Variations:
    """What a design analysis varies, one thing at a time, the others being as they are.

    Parameters
    ----------
    patients, marked, visits : tuple of int
        Numbers of patients, of marked patients among all, of visits of each.
    effects : tuple of float
        Values of the primary estimand, in points.
    """

    patients: tuple[int, ...] = ()
    marked: tuple[int, ...] = ()
    visits: tuple[int, ...] = ()
    effects: tuple[float, ...] = ()


def default_variations(setting: Setting) -> Variations:
    """Half to twice the patients, two to eight visits, no effect to half as much again as fitted."""
    n = setting.pool.n_patients
    effect = setting.effect()
    return Variations(
        patients=tuple(max(round(n * factor), 4) for factor in (0.5, 0.75, 1.0, 1.5, 2.0)),
        visits=(2, 3, 5, 8),
        effects=tuple(factor * effect for factor in (0.0, 0.5, 1.0, 1.5)),
    )


def design_conditions(setting: Setting, variations: Variations, *, seed: int) -> list[Condition]:
    """List the conditions of a design analysis.

    Raises
    ------
    InputError
        With every condition that cannot be drawn.
    """
    n = setting.pool.n_patients
    found = [_condition(setting, "patients", v, Sampling(n_patients=v), seed) for v in variations.patients]
    for value in variations.marked:
        found.append(_condition(setting, "marked", value, Sampling(n_patients=n, n_marked=value), seed))
    for value in variations.visits:
        pool = build_pool(setting.study, setting.data, setting.planned, visits=value, dealt=setting.dealt)
        condition = _condition(setting, "visits", value, Sampling(n_patients=n), seed)
        found.append(dataclasses.replace(condition, pool=pool))
    for effect in variations.effects:
        own = effect / setting.unit(setting.primary.name)
        truth = set_effect(setting.truth, setting.primary.weights, setting.pool.x_names, own)
        condition = _condition(setting, "effect", effect, Sampling(n_patients=n), seed)
        found.append(dataclasses.replace(condition, truth=truth))
    _check(found)
    return found


def _condition(setting: Setting, factor: str, value: float, sampling: Sampling, seed: int) -> Condition:
    return Condition(
        name=f"{factor}={value:.6g}",
        factor=factor,
        value=float(value),
        pool=setting.pool,
        sampling=sampling,
        truth=setting.truth,
        seed=seed,
    )


def _check(conditions: Sequence[Condition]) -> None:
    problems = [
        dataclasses.replace(problem, where=condition.name)
        for condition in conditions
        for problem in check_sampling(condition.pool, condition.sampling)
    ]
    names = [condition.name for condition in conditions]
    problems += [
        Problem(what="stands twice", where=name) for name in sorted(set(names)) if names.count(name) > 1
    ]
    if problems:
        raise InputError("options", problems)


def scenario_conditions(
    setting: Setting,
    *,
    seed: int,
    scenarios: Sequence[Scenario] = SCENARIOS,
    n_patients: int | None = None,
) -> tuple[list[Condition], dict[str, str]]:
    """List the conditions of a comparison of approaches, and why some scenarios cannot be simulated.

    Returns
    -------
    conditions : list of Condition
    skipped : dict of str to str
        Reason by scenario.
    """
    found: list[Condition] = []
    skipped: dict[str, str] = {}
    for scenario in scenarios:
        try:
            truth = apply_scenario(setting.truth, scenario, setting.pool, setting.scale)
        except ValueError as error:
            skipped[scenario.name] = str(error)
            continue
        if scenario.slope_sd_factor != 1.0 and len(truth.sd) < 2:
            skipped[scenario.name] = "the model has no random slope"
            continue
        found.append(
            Condition(
                name=scenario.name,
                factor="scenario",
                value=float("nan"),
                pool=setting.pool,
                sampling=Sampling(n_patients=n_patients),
                truth=truth,
                seed=seed,
                scenario=scenario,
                scale=setting.scale,
            )
        )
    _check(found)
    return found, skipped


def scenario_labels() -> Mapping[str, str]:
    """Words for each scenario."""
    return {scenario.name: scenario.label for scenario in (AS_MODELLED, *SCENARIOS)}
