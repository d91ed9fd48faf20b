"""Fit a model with nested levels or correlated residuals to a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from bayes_alliance.errors import FitError, InputError, Problem, no_such
from bayes_alliance.inference.fits import Array, Effect, RowsUsed, Weights
from bayes_alliance.inference.lmm.kenward_roger import Information, KenwardRoger, adjust
from bayes_alliance.inference.lmm.ml import LmmFit, fit_lmm
from bayes_alliance.inference.lmm.model import LmmModel, build_model
from bayes_alliance.inference.lmm.posterior import LmmPosterior, fit_lmm_posterior, make_lmm_target
from bayes_alliance.inference.lmm.structure import RandomShape
from bayes_alliance.inference.ml import estimate_effect
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.run.structured_frame import StructuredRows
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.prior_records import PriorScales

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 4000
SATTERTHWAITE = "satterthwaite"
KENWARD_ROGER: dict[str, Information] = {"kenward-roger": "observed", "kenward-roger-expected": "expected"}
_UNUSABLE = (
    "no posterior: Pareto k of importance sampling is {k:.2f}, above 0.7, so its draws cannot be used; "
    "ML and REML stand"
)


@dataclass(frozen=True, kw_only=True)
class StructuredFit:
    """A model with nested levels or correlated residuals, fitted by ML, REML and Bayes on the same rows.

    Parameters
    ----------
    formula, residual : str
        In one canonical spelling; ``residual`` is empty for independent residuals with one SD.
    ml, reml : LmmFit
        Fits by maximum and by restricted maximum likelihood.
    posterior : LmmPosterior or None
        Draws; None without a posterior, or where importance sampling failed, which ``notes`` says.
    patient, cluster : str
        Names of the levels; the second is empty without a level above the patient.
    n_clusters : int
        Groups of the upper level.
    rows : RowsUsed
        Counts and digest.
    priors : PriorScales
        In units of the outcome; slopes over the horizon.
    coefficient_priors : CoefficientPriors
        The same for the coefficients.
    notes : tuple of str
        What was left out, singular fits, Pareto k.
    model : LmmModel
        Sums over patients that the fits rest on.
    """

    formula: str
    residual: str
    ml: LmmFit
    reml: LmmFit
    posterior: LmmPosterior | None
    patient: str
    cluster: str
    n_clusters: int
    rows: RowsUsed
    priors: PriorScales
    coefficient_priors: CoefficientPriors
    notes: tuple[str, ...]
    model: LmmModel

    def effect(self, combination: Weights, method: str = "REML", df: str = SATTERTHWAITE) -> Effect:
        """Estimate a linear combination of coefficients and test it against zero.

        Parameters
        ----------
        combination : sequence of (str, float)
            Names of coefficients and their weights.
        method : {"ML", "REML"}
            Criterion of the fit.
        df : {"satterthwaite", "kenward-roger", "kenward-roger-expected"}
            Degrees of freedom; those of Kenward & Roger (1997, doi:10.2307/2533558) are for REML only and adjust the
            standard error too, by the observed information, as SAS and mmrm, or the expected one, as pbkrtest.

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
        """Adjust the covariance of the fixed effects under REML; see :meth:`effect`."""
        kept: dict[str, KenwardRoger] = self.__dict__.setdefault("_adjusted", {})  # worked out once
        if df not in kept:
            kept[df] = adjust(self.model, self.reml, KENWARD_ROGER[df])
        return kept[df]

    def profile_intervals(self, names: Sequence[str] = (), level: float = 0.95) -> pd.DataFrame:
        """Return profile-likelihood intervals under ML.

        Parameters
        ----------
        names : sequence of str
            Coefficients, SDs and correlations as :meth:`to_frame` names them; all if empty.
        level : float
            Coverage.

        Returns
        -------
        pandas.DataFrame
            With ``estimate``, ``lower`` and ``upper``; a lower limit of an SD can be 0.

        Raises
        ------
        InputError
            For a name that the fit lacks.
        FitError
            For an SD or a correlation of a singular fit, or where the search for a limit fails.
        """
        import pandas as pd

        from bayes_alliance.inference.lmm.intervals import (
            profile_combination,
            profile_variance,
            variance_names,
        )

        inner = dict(zip(self.variance_parameters(), variance_names(self.ml), strict=True))
        known = (*self.ml.x_names, *inner)
        problems = [no_such("quantity", name, known) for name in names if name not in known]
        if problems:
            raise InputError("profile intervals", problems)
        table = {}
        for name in names or known:
            found = (
                profile_variance(self.model, self.ml, inner[name], level=level)
                if name in inner
                else profile_combination(self.model, self.ml, [(name, 1.0)], level=level)
            )
            table[name] = {"estimate": found.estimate, "lower": found.lower, "upper": found.upper}
        return pd.DataFrame.from_dict(table, orient="index").rename_axis("quantity")

    def to_frame(self, df: str = SATTERTHWAITE) -> pd.DataFrame:
        """Return coefficients and variance parameters: ML and REML with test, posterior with 95 % interval.

        Parameters
        ----------
        df : {"satterthwaite", "kenward-roger", "kenward-roger-expected"}
            Of the tests under REML; those under ML have Satterthwaite's.
        """
        import pandas as pd

        table = {}
        for k, name in enumerate(self.ml.x_names):
            row: dict[str, object] = {"kind": "coefficient"}
            for key, method, own in (("ml", "ML", SATTERTHWAITE), ("reml", "REML", df)):
                found = self.effect([(name, 1.0)], method, own)
                row |= {
                    key: found.estimate,
                    f"{key}_se": found.se,
                    f"{key}_df": found.df,
                    f"{key}_p": found.p,
                }
            table[name] = row | _summary(None if self.posterior is None else self.posterior.beta[:, k])
        for name, (ml, reml, draws) in self.variance_parameters().items():
            table[name] = {"kind": "variance parameter", "ml": ml, "reml": reml} | _summary(draws)
        return pd.DataFrame.from_dict(table, orient="index").rename_axis("quantity")

    def variance_parameters(self) -> dict[str, tuple[float, float, Array | None]]:
        """Return SDs and correlations by name: ML, REML and draws."""
        post, structure = self.posterior, self.ml.structure
        found: dict[str, tuple[float, float, Array | None]] = {}
        levels = (
            (
                self.cluster,
                structure.cluster,
                (self.ml.cluster_cov, self.reml.cluster_cov),
                None if post is None else post.cluster_cov,
            ),
            (
                self.patient,
                structure.patient,
                (self.ml.patient_cov, self.reml.patient_cov),
                None if post is None else post.patient_cov,
            ),
        )
        for level, shape, covariances, draws in levels:
            found |= _random_parameters(level, shape, *covariances, draws)
        for k, name in enumerate(structure.residual.correlation_names):
            drawn = None if post is None else post.correlations[:, k]
            found[f"cor residual ({name})"] = (
                float(self.ml.correlations[k]),
                float(self.reml.correlations[k]),
                drawn,
            )
        for k, group in enumerate(structure.residual.groups):
            name = f"sd residual ({structure.residual.variance} {group})" if group else "sd residual"
            drawn = None if post is None else post.sigma[:, k]
            found[name] = (float(self.ml.sigma[k]), float(self.reml.sigma[k]), drawn)
        return found

    def __repr__(self) -> str:
        """Return the fit in a few lines; no row of data."""
        return "\n".join([*self._head(), self.to_frame().round(4).to_string()])

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        said = "".join(f"<p>{escape(line)}</p>" for line in self._head())
        return said + str(self.to_frame().to_html(float_format="{:.4g}".format))

    def _head(self) -> list[str]:
        residual = f"; residual {self.residual}" if self.residual else ""
        counts = f"{self.rows.n_patients} of {self.patient}, {self.rows.n_rows} rows"
        if self.cluster:
            counts = f"{self.n_clusters} of {self.cluster}, {counts}"
        engine = (
            "no posterior"
            if self.posterior is None
            else f"engine collapsed, Pareto k {self.posterior.pareto_k:.2f}"
        )
        fits = (
            f"-2 log likelihood {self.ml.deviance:.3f} (ML), {self.reml.deviance:.3f} (REML); "
            f"AIC {self.ml.aic:.3f} (ML)"
        )
        return [f"{self.formula}{residual}: {counts}; {engine}", fits, *self.notes]


def check_df(df: str, method: str) -> None:
    """Raise InputError for degrees of freedom that a fit does not have."""
    if df not in (SATTERTHWAITE, *KENWARD_ROGER):
        raise InputError("df", [no_such("kind of degrees of freedom", df, (SATTERTHWAITE, *KENWARD_ROGER))])
    if df in KENWARD_ROGER and method != "REML":
        problem = Problem(
            what="the adjustment of Kenward and Roger is one of REML fits", got=method, allowed="REML"
        )
        raise InputError("df", [problem])


def _random_parameters(
    level: str, shape: RandomShape, ml: Array, reml: Array, draws: Array | None
) -> dict[str, tuple[float, float, Array | None]]:
    found: dict[str, tuple[float, float, Array | None]] = {}
    for k, name in enumerate(shape.names):
        drawn = None if draws is None else np.sqrt(draws[:, k, k])
        found[f"sd {name} | {level}"] = (float(np.sqrt(ml[k, k])), float(np.sqrt(reml[k, k])), drawn)
    for i, j in np.argwhere(shape.mask & ~np.eye(shape.size, dtype=bool)).tolist():
        drawn = None if draws is None else _correlation(draws, i, j)
        name = f"cor {shape.names[j]}, {shape.names[i]} | {level}"
        found[name] = (float(_correlation(ml, i, j)), float(_correlation(reml, i, j)), drawn)
    return found


def _correlation(covariance: Array, i: int, j: int) -> Array:
    product = covariance[..., i, i] * covariance[..., j, j]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(product > 0.0, covariance[..., i, j] / np.sqrt(product), np.nan))


def _summary(draws: Array | None) -> dict[str, object]:
    if draws is None:
        return {}
    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    return {
        "mean": float(np.mean(draws)),
        "sd": float(np.std(draws, ddof=1)),
        "median": float(median),
        "lower": float(lower),
        "upper": float(upper),
    }


def _check_engine(engine: str) -> None:
    if engine not in ("collapsed", "none"):
        problem = Problem(
            what="this engine does not fit nested levels, correlated residuals or more than two random effects yet",
            got=engine,
            allowed="collapsed, none",
        )
        raise InputError("engine", [problem])


def _row_notes(found: StructuredRows) -> list[str]:
    """Say what was left out of the rows, and that factors cross, which identifiers that begin anew do too."""
    notes = [f"left out: {text}" for text in found.left_out]
    if found.crossed:
        one, other = found.patient_name, found.cluster_name
        notes.append(
            f"{one} and {other} are crossed; if {other} are numbered anew within each {one}, or the other way round, "
            f"write ({one}/{other}) or ({other}/{one})"
        )
    return notes


def fit_structured(found: StructuredRows, *, engine: str, draws: int | None, seed: int) -> StructuredFit:
    """Fit a model that was read from a frame.

    Parameters
    ----------
    found : StructuredRows
        The model and its rows.
    engine : {"collapsed", "none"}
        Of the posterior.
    draws : int, optional
        Draws in all.
    seed : int
        Of all randomness.

    Raises
    ------
    InputError
        For another engine.
    FitError
        If the rows cannot tell the variance parameters apart.
    """
    _check_engine(engine)
    model = build_model(found.rows, found.structure, found.design.x_names)
    ml, reml = fit_lmm(model, method="ML"), fit_lmm(model, method="REML")
    priors = coefficient_priors(found.study, found.design, found.study.priors[0].name)
    notes = _row_notes(found)
    for fit in (ml, reml):
        if not fit.converged:
            raise FitError(f"{fit.method} did not reach a maximum; simplify the random or residual part")
        if fit.singular:
            notes.append(f"singular {fit.method} fit: a variance is zero or a random correlation is one")
    posterior = None
    if engine == "collapsed":
        target = make_lmm_target(model, priors, found.patient_prior, found.cluster_prior)
        own_seed = derive_seed(seed, "structured", found.formula.text)
        drawn = fit_lmm_posterior(target, reml, seed=own_seed, draws=draws or DRAWS)
        if drawn.usable:
            posterior = drawn
        else:
            notes.append(_UNUSABLE.format(k=drawn.pareto_k))
    return StructuredFit(
        formula=found.formula.text,
        residual=found.residual.text,
        ml=ml,
        reml=reml,
        posterior=posterior,
        patient=found.patient_name,
        cluster=found.cluster_name,
        n_clusters=found.n_clusters,
        rows=found.used,
        priors=found.study.priors[0].for_outcome(found.design.formula.response),
        coefficient_priors=priors,
        notes=tuple(notes),
        model=model,
    )
