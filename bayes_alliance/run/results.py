"""What one run of a study gives: frozen records for tables, figures and the report to read.

Nothing here computes. :mod:`bayes_alliance.run.pipeline` fills the records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bayes_alliance.assess.bayes_factors import BayesFactorCurve
from bayes_alliance.assess.check_record import Check
from bayes_alliance.assess.descriptives import Descriptive
from bayes_alliance.assess.engine_agreement import Agreement
from bayes_alliance.assess.explained_variation import ExplainedVariation
from bayes_alliance.assess.loo import Score, Target
from bayes_alliance.assess.loo_compare import ComparedModel
from bayes_alliance.assess.mixture import MixtureResult
from bayes_alliance.assess.posterior_predictive import PredictiveStatistic
from bayes_alliance.assess.prior_predictive import PriorPrediction
from bayes_alliance.assess.summaries import Quantity, Summary
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, MixedFit, PosteriorFit, RowsUsed
from bayes_alliance.inference.ml import LikelihoodRatio
from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.run.printed_side import Printed
from bayes_alliance.study.publication import Fact
from bayes_alliance.study.records import Model, Source, Study


@dataclass(frozen=True, kw_only=True)
class ModelNumbers:
    """What was computed from the fits of one model on its own rows.

    Parameters
    ----------
    ml, reml : MixedFit
        Unstructured covariance.
    quantities : tuple of Quantity
        Coefficients, estimands and variance quantities, by both inferences.
    explained : ExplainedVariation or None
        None for a model without a reference.
    slope_test : LikelihoodRatio or None
        Random slope (with its covariance) against a random intercept only, same fixed part, ML.
    unconditional_test : LikelihoodRatio or None
        For a pure growth model: against the model without time, as the paper did, ML.
    checks : tuple of Check
        Of these fits.
    agreement : tuple of Agreement
        The posterior beside the collapsed engine's, parameter by parameter; empty where that engine made it.
    bayes_factors : tuple of BayesFactorCurve
        Of slope deviations and contrasts.
    """

    ml: MixedFit
    reml: MixedFit
    quantities: tuple[Quantity, ...]
    explained: ExplainedVariation | None
    slope_test: LikelihoodRatio | None
    unconditional_test: LikelihoodRatio | None
    checks: tuple[Check, ...]
    agreement: tuple[Agreement, ...] = ()
    bayes_factors: tuple[BayesFactorCurve, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelRun(ModelNumbers):
    """One model on its own rows: both inferences and what follows from them.

    Parameters
    ----------
    design : Design
        The model's rows and columns (holds patients' data: never written out).
    posterior : PosteriorFit or None
        None where only the frequentist part was asked for.
    left_out : tuple of str
        In words: rows and patients that this model cannot use, with counts.
    """

    model: Model
    rows: RowsUsed
    design: Design
    posterior: PosteriorFit | None
    left_out: tuple[str, ...] = ()

    def quantity(self, name: str) -> Quantity:
        """Return the quantity of this name (a coefficient, an estimand or a variance quantity)."""
        return {q.name: q for q in self.quantities}[name]

    def __repr__(self) -> str:
        """Name the run; its rows, which are patients', are never printed."""
        engine = self.posterior.engine if self.posterior is not None else "no posterior"
        return (
            f"ModelRun {self.model.id}: {self.design.formula.text} ({self.rows.n_patients} patients, "
            f"{self.rows.n_rows} rows; {engine})"
        )


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """One model on the rows of its comparison.

    Parameters
    ----------
    ml : MixedFit
        By maximum likelihood, for AIC.
    scores : mapping of target to Score
        Of the collapsed engine's posterior.
    checks : tuple of Check
        Of that posterior and of the scores.
    """

    ml: MixedFit
    scores: Mapping[Target, Score]
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class ComparisonSet:
    """Models compared with each other, all on the same frozen rows."""

    name: str
    outcome: str
    rows: RowsUsed
    models: tuple[ComparedModel, ...]
    scores: Mapping[str, Mapping[Target, Score]]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PredictiveResult:
    """Posterior predictive check of one model.

    Parameters
    ----------
    pit : ndarray, shape (n_rows,)
        LOO-PIT values.
    pit_p : float
        That they are uniform, by a test that allows for their dependence.
    """

    model_id: str
    outcome: str
    statistics: tuple[PredictiveStatistic, ...]
    pit: Array
    pit_p: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One estimand over the cohorts of an ensemble, in its own unit.

    Parameters
    ----------
    n : int
        Cohorts.
    ml_mean, ml_sd, ml_low, ml_high : float
        Mean, SD, least and largest of the maximum-likelihood estimates.
    bayes_mean, bayes_sd, bayes_low, bayes_high : float
        The same of the posterior means.
    posterior_sd : float
        Mean of the posterior SDs, which is what a single cohort's analysis would call its uncertainty.
    """

    model_id: str
    name: str
    label: str
    n: int
    ml_mean: float
    ml_sd: float
    ml_low: float
    ml_high: float
    bayes_mean: float
    bayes_sd: float
    bayes_low: float
    bayes_high: float
    posterior_sd: float


@dataclass(frozen=True, kw_only=True)
class ModelOverCohorts:
    """One model of a comparison over the cohorts of an ensemble, scored by elpd of a new patient.

    Parameters
    ----------
    model_id : str
        Of the model.
    n_best, n_clear, n_lowest_aic : int
        Cohorts in which it predicts best, in which it leads every other clearly, and in which it has the lowest AIC.
    aic_diff : float
        Mean difference from the lowest AIC of each cohort.
    elpd_diff, se_diff, between_sd : float
        Mean difference in elpd from the first model (0 or negative), its SE over patients and cohorts, and the SD of
        the cohorts' differences.
    """

    model_id: str
    n_best: int
    n_clear: int
    n_lowest_aic: int
    aic_diff: float
    elpd_diff: float
    se_diff: float
    between_sd: float


@dataclass(frozen=True, kw_only=True)
class ComparisonOverCohorts:
    """One comparison over ``n`` cohorts of an ensemble: its models, that with the highest mean elpd first."""

    name: str
    n: int
    models: tuple[ModelOverCohorts, ...]


@dataclass(frozen=True, kw_only=True)
class EnsembleFacts:
    """What is kept of an ensemble of synthetic cohorts, of which the data of a run are one.

    Parameters
    ----------
    spread : tuple of Spread
        Every estimand over the cohorts.
    mixture : tuple of MixtureResult
        The equally weighted mixture of the cohorts' posteriors of every estimand: what the publication and the
        default prior let one believe, with the fraction of information that is missing.
    scorecards : tuple of mapping
        Of each cohort the ``lines`` of its scorecard: what it prints beside what the publication printed.
    checks : tuple of mapping
        Whether the cohorts look like draws from their model in what was not printed: of each check its ``name``,
        ``what``, limits ``low`` and ``high``, all ``values``, the ``value`` farthest out, ``where`` it is, and
        ``passed``.
    comparisons : tuple of ComparisonOverCohorts
        Models compared on every cohort.
    conflicts : tuple of str
        Sets of printed numbers that no data can meet, in words: the cohorts are built without them.
    coefficients : tuple of mapping
        Of each cohort the posterior means of the coefficients of the models that the study's figures show.
    """

    spread: tuple[Spread, ...] = ()
    mixture: tuple[MixtureResult, ...] = ()
    scorecards: tuple[Mapping[str, Any], ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    comparisons: tuple[ComparisonOverCohorts, ...] = ()
    conflicts: tuple[str, ...] = ()
    coefficients: tuple[Mapping[str, Mapping[str, float]], ...] = ()

    @property
    def failed(self) -> tuple[Mapping[str, Any], ...]:
        """Checks in which the cohorts are not ordinary."""
        return tuple(check for check in self.checks if not check["passed"])


@dataclass(frozen=True, kw_only=True)
class AskedNumber:
    """One number that a statement of the text asks for, and what the run gives.

    Parameters
    ----------
    kind : str
        What is compared: ``p``, ``estimate``, ``% explained``, ``AIC gain``, ``count``, ``mean``, ...
    low, high : float
        What prints like it, or what the statement says.
    achieved : float
        By maximum likelihood, or counted in the rows; NaN where it could not be had.
    """

    kind: str
    low: float
    high: float
    achieved: float

    @property
    def met(self) -> bool:
        """Whether the run gives what is stated."""
        slack = 1e-9 * max(1.0, abs(self.achieved))
        return self.low - slack <= self.achieved <= self.high + slack


@dataclass(frozen=True, kw_only=True)
class TextFact:
    """One number, sign, bound or order that the text states, beside what a run gives for it.

    Parameters
    ----------
    fact : Fact
        As printed.
    asked : tuple of AskedNumber
        Empty where its model was not run, or where nothing in the data stands for it.
    effect : Quantity or None
        The coefficient, estimand or SD that it speaks of.
    share : Summary or None
        Of explained variation: the within-model share, posterior, in per cent.
    elpd_gain, elpd_gain_se : float
        Of a statement about AIC: how much better the model predicts a new patient than its reference; NaN elsewhere.
    audit : str
        What the audit of the printed numbers says of it; empty where it has no check.
    """

    fact: Fact
    asked: tuple[AskedNumber, ...] = ()
    effect: Quantity | None = None
    share: Summary | None = None
    elpd_gain: float = float("nan")
    elpd_gain_se: float = float("nan")
    audit: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyResults:
    """Everything that one run found.

    Parameters
    ----------
    source, origin : Source, str
        Real data or synthetic, and which.
    data_digest : str
        SHA-256 of all rows, used or not.
    notes : tuple of str
        What reading the data counted.
    engine, prior : str
        Which posterior.
    seed : int
        The one number that all randomness comes from.
    skipped : tuple of SkippedModel
        Models left out of the run, or of a comparison only.
    checks : tuple of Check
        Of every fit and score, those of the runs included.
    seconds : float
        Wall time.
    ensemble : EnsembleFacts
        Of the synthetic cohorts of which the run's data are one; else empty.
    printed : Printed or None
        What the printed cells tell without data; None for a study without any, or where only fits were asked for.
    prior_predictive : tuple of PriorPrediction
        Of every outcome for which the run's prior set states priors.
    text : tuple of TextFact
        Every number that the text of the publication states; empty where only fits were asked for.
    """

    study: Study
    source: Source
    origin: str
    data_digest: str
    notes: tuple[str, ...]
    engine: str
    prior: str
    seed: int
    runs: tuple[ModelRun, ...]
    skipped: tuple[SkippedModel, ...]
    comparisons: tuple[ComparisonSet, ...]
    predictive: tuple[PredictiveResult, ...]
    descriptives: tuple[Descriptive, ...]
    checks: tuple[Check, ...]
    seconds: float
    ensemble: EnsembleFacts = EnsembleFacts()
    printed: Printed | None = None
    prior_predictive: tuple[PriorPrediction, ...] = ()
    text: tuple[TextFact, ...] = ()

    def __repr__(self) -> str:
        """Name the results; :class:`bayes_alliance.api.Reanalysis` says more."""
        return (
            f"StudyResults of {self.study.id}: {len(self.runs)} models on {self.source.value} ({self.origin})"
        )

    def run(self, model_id: str) -> ModelRun | None:
        """Return the run of a model, None where it was skipped."""
        return {r.model.id: r for r in self.runs}.get(model_id)
