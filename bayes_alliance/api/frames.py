"""Fit a model to a data frame without a study file, score it, compare it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from bayes_alliance.api.structured import (
    KENWARD_ROGER,
    SATTERTHWAITE,
    StructuredFit,
    check_df,
    fit_structured,
)
from bayes_alliance.assess.loo import Score, Target, refit_patients, score_model
from bayes_alliance.assess.loo_compare import compare_models
from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.errors import FitError, InputError, Problem
from bayes_alliance.inference.arviz_tree import posterior_tree
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.fits import Effect, Weights
from bayes_alliance.inference.lmm.kenward_roger import KenwardRoger, adjust_design
from bayes_alliance.inference.ml import estimate_effect
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.run.frame_study import Priors, study_from_frame
from bayes_alliance.run.outcome_kind import check_outcome
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import ModelNumbers, ModelRun
from bayes_alliance.run.settings import EngineChoice, RunSettings
from bayes_alliance.run.structured_frame import read_formula, read_structured
from bayes_alliance.runtime.seeds import DEFAULT_SEED, derive_seed
from bayes_alliance.study.covariance_terms import ResidualSpec
from bayes_alliance.study.prior_records import PriorScales
from bayes_alliance.study.records import Source, Study
from bayes_alliance.study.structured_formula import StructuredFormula

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class ModelFit(ModelRun):
    """One model fitted to a data frame, by ML, REML and Bayes on the same rows.

    Parameters
    ----------
    study : Study
        What was read from the frame, the priors among it.
    settings : RunSettings
        How it was fitted.
    """

    study: Study
    settings: RunSettings

    @property
    def priors(self) -> PriorScales:
        """The priors of the posterior, in units of the outcome; slopes over ``study.horizon``."""
        return self.study.priors[0].for_outcome(self.model.outcome)

    @property
    def coefficient_priors(self) -> CoefficientPriors:
        """The same, as the mean and covariance of the coefficients."""
        return coefficient_priors(self.study, self.design, self.study.priors[0].name)

    def effect(self, combination: Weights, method: str = "REML", df: str = SATTERTHWAITE) -> Effect:
        """Estimate a linear combination of coefficients; see :meth:`StructuredFit.effect`.

        Raises
        ------
        InputError
            For other degrees of freedom, or those of Kenward and Roger under ML.
        """
        check_df(df, method)
        if df in KENWARD_ROGER:
            return self.kenward_roger(df).effect(combination)
        return estimate_effect(self.ml if method == "ML" else self.reml, combination)

    def kenward_roger(self, df: str = "kenward-roger") -> KenwardRoger:
        """Adjust the covariance of the fixed effects under REML; see :meth:`StructuredFit.effect`."""
        return adjust_design(self.design, KENWARD_ROGER[df])

    def to_frame(self) -> pd.DataFrame:
        """Return every quantity as a data frame: ML and REML with test, posterior with 95 % equal-tailed interval."""
        import pandas as pd

        rows = []
        for quantity in self.quantities:
            ml, reml, bayes = quantity.ml, quantity.reml, quantity.bayes
            row = {"kind": quantity.kind, "ml": ml.estimate, "ml_se": ml.se, "ml_p": ml.p}
            row |= {"reml": reml.estimate, "reml_se": reml.se, "reml_df": reml.df, "reml_p": reml.p}
            if bayes is not None:
                row |= {name: getattr(bayes, name) for name in ("mean", "sd", "median", "lower", "upper")}
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index([q.name for q in self.quantities], name="quantity"))

    def to_datatree(self) -> xr.DataTree:
        """Return the posterior as a DataTree, which the functions of ArviZ take as it is.

        Raises
        ------
        FitError
            If the model was fitted without a posterior.
        """
        if self.posterior is None:
            raise FitError("the model was fitted without a posterior (engine 'none')")
        return posterior_tree(self.posterior)

    def __repr__(self) -> str:
        """Return the fit in a few lines: the model, its rows, the priors and every quantity; no row of data."""
        return "\n".join([*_head(self), self.to_frame().round(4).to_string()])

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        said = "".join(f"<p>{escape(line)}</p>" for line in _head(self))
        return said + str(self.to_frame().to_html(float_format="{:.4g}".format))


def _head(fit: ModelFit) -> list[str]:
    stated = ", ".join(
        f"{field.name} {_say(getattr(fit.priors, field.name))}"
        for field in dataclasses.fields(fit.priors)
        if field.name not in ("scale_family", "scale_df")
    )
    engine = "no posterior" if fit.posterior is None else f"engine {fit.posterior.engine}"
    lines = [
        f"{fit.design.formula.text}: {fit.rows.n_patients} {fit.study.patient}s, {fit.rows.n_rows} rows; {engine}",
        f"priors ({fit.study.priors[0].tag}; slopes over {fit.study.horizon:g} {fit.study.time_unit}): {stated}",
    ]
    lines += [f"left out: {text}" for text in fit.left_out]
    failed = [check.name for check in fit.checks if check.gate and check.status == "fail"]
    return [*lines, *([f"checks FAILED: {', '.join(failed)}"] if failed else [])]


def _say(value: tuple[float, float] | float) -> str:
    return f"N({value[0]:g}, {value[1]:g})" if isinstance(value, tuple) else f"{value:g}"


def fit(
    formula: str,
    frame: pd.DataFrame,
    *,
    priors: Priors | None = None,
    engine: EngineChoice = "collapsed",
    time: str = "",
    time_unit: str = "units of time",
    horizon: float | None = None,
    draws: int | None = None,
    seed: int = DEFAULT_SEED,
    residual: str = "",
    patient: str = "",
    family: str = "",
) -> ModelFit | StructuredFit:
    """Fit a linear mixed model to a data frame by ML, REML and Bayes, without a study file.

    Parameters
    ----------
    formula : str
        Such as ``"y ~ time * group + (time | id)"``; a level above the patient as in ``"... + (1 | therapist)"`` or
        ``"(time | clinic/patient)"``; up to four random columns a level, ``||``, ``0 +``.
    frame : pandas.DataFrame
        One row per assessment. Rows that lack a variable are left out, and counted.
    priors : mapping, optional
        See :func:`bayes_alliance.run.frame_study.study_from_frame`; what is left out is stated automatically, and
        shown by ``print``.
    engine : {"collapsed", "pymc", "bambi", "none"}
        Of the posterior; ``none`` leaves it out.
    time, time_unit, horizon
        See :func:`bayes_alliance.run.frame_study.study_from_frame`.
    draws : int, optional
        Draws per chain (NUTS), or in all (collapsed).
    seed : int
        The number that all randomness comes from.
    residual : str
        Residuals of a patient: ``cs``, ``ar1(visit)``, ``car1(time)``, ``toep(visit)``, ``un(visit)``, and
        ``var(group)`` for SDs by arm or visit, alone or as ``ar1(visit) * var(arm)``; independent if omitted.
    patient : str
        Column that tells patients apart, for a formula without a random part of theirs.
    family : str
        ``gaussian`` fits whole numbers that look ordinal or like a count; other families are refused.

    Returns
    -------
    ModelFit or StructuredFit
        The first for one grouping factor with a random intercept, at most one slope, and independent residuals: it
        can be scored and compared. The second for all other models.

    Raises
    ------
    InputError
        If the formula, the frame or a prior is wrong, with every problem.
    FitError
        If the model cannot be fitted.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> rows = ba.load_data(ba.load_study("medication")).rows
    >>> growth = ba.fit("pos ~ days + (days | patient)", rows, draws=400)
    >>> growth.rows.n_patients
    64
    >>> growth.to_frame().loc["days", "kind"]
    'coefficient'
    """
    parsed, spec = read_formula(formula, residual, patient)
    if parsed.fixed.response in frame.columns:
        check_outcome(frame[parsed.fixed.response], parsed.fixed.response, family)
    if _is_plain(parsed, spec, engine):
        study, rows = study_from_frame(
            formula, frame, time=time, time_unit=time_unit, horizon=horizon, priors=priors
        )
        return _fit_plain(study, rows, engine=engine, draws=draws, seed=seed)
    found = read_structured(
        parsed, spec, frame, time=time, time_unit=time_unit, horizon=horizon, priors=priors
    )
    return fit_structured(found, engine=engine, draws=draws, seed=seed)


def _fit_plain(
    study: Study, rows: pd.DataFrame, *, engine: EngineChoice, draws: int | None, seed: int
) -> ModelFit:
    """Fit the one model of a study that was made from a frame."""
    data = data_from_frame(study, rows, source=Source.REAL, origin="data frame")
    settings = RunSettings(engine=engine, seed=seed)
    if draws is not None:
        settings = dataclasses.replace(
            settings,
            collapsed=CollapsedSettings(draws=draws + -draws % 4),
            sampler=dataclasses.replace(settings.sampler, draws=draws),
        )
    results = run_study(study, data, settings, fits_only=True)
    if not results.runs:
        raise FitError("; ".join(skipped.reason for skipped in results.skipped))
    (run,) = results.runs
    numbers = {field.name: getattr(run, field.name) for field in dataclasses.fields(ModelNumbers)}
    return ModelFit(
        model=run.model,
        rows=run.rows,
        design=run.design,
        posterior=run.posterior,
        left_out=run.left_out,
        study=study,
        settings=settings,
        **numbers,
    )


def _is_plain(parsed: StructuredFormula, spec: ResidualSpec, engine: EngineChoice) -> bool:
    """Whether the two-level engine takes the model: a random intercept, one slope (more by NUTS), iid residuals."""
    slopes = len(parsed.parts[0].columns) - 1 if parsed.parts else 0
    plain = bool(parsed.parts) and parsed.is_two_level and not spec.text
    return plain and (slopes <= 1 or engine in ("pymc", "bambi"))


def _refuse_structured(fit: object, asked: str) -> None:
    """Raise InputError for a model that cannot be scored or compared yet."""
    if isinstance(fit, StructuredFit):
        problem = Problem(
            what=f"{asked} does not take models with nested levels, correlated residuals or several random slopes yet",
            got=fit.formula + (f"; residual {fit.residual}" if fit.residual else ""),
            fix="compare ML fits of the same rows by their aic",
        )
        raise InputError(asked, [problem])


def loo(fit: ModelFit, target: Target = "new_patient", *, exact: bool = False) -> Score:
    """Score a model by leave-one-out predictive density.

    Parameters
    ----------
    fit : ModelFit
        With a posterior.
    target : {"new_patient", "new_visit", "new_visit_given_effects"}
        What is predicted. Patients that PSIS cannot leave out (Pareto k above 0.7) are refitted without.
    exact : bool
        Refit without each patient in turn.

    Returns
    -------
    Score

    Raises
    ------
    FitError
        If the model was fitted without a posterior.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> rows = ba.load_data(ba.load_study("medication")).rows
    >>> score = ba.loo(ba.fit("pos ~ days + (days | patient)", rows, draws=400))
    >>> score.n_units, score.target
    (64, 'new_patient')
    """
    _refuse_structured(fit, "loo")
    if fit.posterior is None:
        raise FitError("LOO needs a posterior; this model was fitted with engine 'none'")
    seed = derive_seed(fit.settings.seed, "scores", fit.design.formula.text)
    score = score_model(fit.posterior, fit.design, target, seed=seed)
    if target != "new_patient":
        return score
    return refit_patients(score, fit.design, fit.coefficient_priors, seed=seed, everyone=exact)


def compare(fits: Mapping[str, ModelFit], target: Target = "new_patient") -> pd.DataFrame:
    """Compare models fitted on the same rows by LOO and by AIC.

    Parameters
    ----------
    fits : mapping of str to ModelFit
        Two or more, by the names to show.
    target : {"new_patient", "new_visit", "new_visit_given_effects"}
        What is predicted.

    Returns
    -------
    pandas.DataFrame
        One row per model, the best first: ``elpd``, ``se``, ``elpd_diff`` from the best, ``se_diff``, stacking
        ``weight``, ``n_bad_k`` (Pareto k above 0.7), ``aic`` under ML and ``n_parameters``.

    Raises
    ------
    InputError
        If there are fewer than two models.
    RowsDifferError
        If any two rest on different rows.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> rows = ba.load_data(ba.load_study("medication")).rows
    >>> level = ba.fit("pos ~ 1 + (1 | patient)", rows, time="days", draws=400)
    >>> growth = ba.fit("pos ~ days + (1 | patient)", rows, draws=400, time="days")
    >>> table = ba.compare({"level": level, "growth": growth})
    >>> float(table["elpd_diff"].max())
    0.0
    """
    import pandas as pd

    if len(fits) < 2:
        raise InputError("comparison", [Problem(what="fewer than two models", got=str(len(fits)))])
    for one in fits.values():
        _refuse_structured(one, "compare")
    # Whether rows are the same is a matter of outcomes and patients here: each model froze its own variables.
    used = {name: dataclasses.replace(one.rows, digest=_same_rows(one)) for name, one in fits.items()}
    compared = compare_models(
        [dataclasses.replace(one.ml, model_id=name, rows=used[name]) for name, one in fits.items()],
        [
            {target: dataclasses.replace(loo(one, target), model_id=name, rows=used[name])}
            for name, one in fits.items()
        ],
    )
    rows = [
        {
            "elpd": one.elpd[target],
            "se": one.se[target],
            "elpd_diff": one.elpd_diff[target],
            "se_diff": one.se_diff[target],
            "weight": one.weight[target],
            "n_bad_k": one.n_bad_k[target],
            "aic": one.aic,
            "n_parameters": one.n_parameters,
        }
        for one in compared
    ]
    index = pd.Index([one.model_id for one in compared], name="model")
    return pd.DataFrame(rows, index=index).sort_values("elpd", ascending=False)


def _same_rows(fit: ModelFit) -> str:
    """Digest the outcome and whose it is, row by row."""
    digest = hashlib.sha256(fit.design.formula.response.encode())
    digest.update(np.ascontiguousarray(fit.design.y).tobytes())
    digest.update(np.ascontiguousarray(fit.design.patient_index).tobytes())
    return digest.hexdigest()
