"""Models side by side by their scores: differences, standard errors, stacking weights.

Scores come from :mod:`bayes_alliance.assess.loo`; differences and weights are ArviZ's.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayes_alliance.assess.loo import Score, Target, sum_error
from bayes_alliance.errors import RowsDifferError
from bayes_alliance.inference.fits import Array, MixedFit, RowsUsed
from bayes_alliance.inference.ml import score_aic


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One model's line in a comparison.

    Parameters
    ----------
    n_parameters : int
        Fixed and covariance parameters, as AIC counts them.
    aic, aic_diff : float
        Under ML; the difference from the smallest of the set.
    elpd, se, mcse : mapping of target to float
        Score, its standard error over units (over patients, where units are visits), and its Monte-Carlo error.
    elpd_diff, se_diff, weight, p_worse : mapping of target to float
        ``elpd_diff`` is from the best of the set (0 or negative), ``se_diff`` its standard error over paired
        units, ``weight`` by stacking, ``p_worse`` the probability under a normal approximation that the model
        is worse than the best (NaN for the best itself).
    n_bad_k : mapping of target to int
        Units with Pareto k above 0.7.
    remark : mapping of target to str
        ArviZ's remarks on the difference and on the score; for the best one whether it leads clearly.
    """

    model_id: str
    rows: RowsUsed
    n_parameters: int
    aic: float
    aic_diff: float
    elpd: Mapping[Target, float]
    se: Mapping[Target, float]
    elpd_diff: Mapping[Target, float]
    se_diff: Mapping[Target, float]
    weight: Mapping[Target, float]
    p_worse: Mapping[Target, float]
    n_bad_k: Mapping[Target, int]
    remark: Mapping[Target, str]
    mcse: Mapping[Target, float] = field(default_factory=dict)


def compare_models(fits: Sequence[MixedFit], scores: Sequence[Mapping[Target, Score]]) -> list[ComparedModel]:
    """Compare models fitted on the same rows, AIC beside LOO.

    Parameters
    ----------
    fits : sequence of MixedFit
        ML fits.
    scores : sequence of mapping
        Of the same models in the same order, one Score a target.

    Returns
    -------
    list of ComparedModel
        In the order given.

    Raises
    ------
    RowsDifferError
        If any two rest on different rows; the message gives each N.
    """
    flat = [s for score in scores for s in score.values()]
    if [fit.model_id for fit in fits] != [next(iter(score.values())).model_id for score in scores]:
        raise ValueError("fits and scores have to be of the same models in the same order")
    _check_rows(
        [(f"{fit.model_id} ({fit.method})", fit.rows) for fit in fits]
        + [(f"{score.model_id} ({score.target})", score.rows) for score in flat]
    )
    aics = [score_aic(fit, "ml") for fit in fits]
    tables = {target: _arviz_table([score[target] for score in scores]) for target in scores[0]}
    return [
        _compared(
            fit, aic, min(aics), score, {target: table[fit.model_id] for target, table in tables.items()}
        )
        for fit, aic, score in zip(fits, aics, scores, strict=True)
    ]


def _check_rows(named: Sequence[tuple[str, RowsUsed]]) -> None:
    if len({used.digest for _, used in named}) > 1:
        listed = "; ".join(f"{name}: {used.n_patients} patients, {used.n_rows} rows" for name, used in named)
        raise RowsDifferError(f"models on different rows cannot be compared ({listed})")


def _arviz_table(scores: Sequence[Score]) -> dict[str, dict[str, Any]]:
    """Let ArviZ compare the scores of one target; where units are visits, errors are those of sums by patient.

    ArviZ exponentiates the pointwise scores for stacking; the joint density of a patient with many visits
    then underflows, and the weights stay where their optimiser began: all equal. Differences and stacking
    weights do not change when a constant is taken off a unit's scores, so each unit's best score is.
    """
    import arviz_stats

    if len(scores) == 1:
        return {scores[0].model_id: {"elpd_diff": 0.0, "dse": 0.0, "weight": 1.0, "p_worse": np.nan}}
    best: Array = np.stack([score.elpd_i for score in scores]).max(axis=0)
    shifted = {score.model_id: _shift(score, best) for score in scores}
    with warnings.catch_warnings():
        # What ArviZ would warn of stands in the columns diag_diff and diag_elpd.
        warnings.simplefilter("ignore")
        table = arviz_stats.compare(shifted, method="stacking", round_to="none")
    found = {str(name): dict(row) for name, row in table.iterrows()}
    return found if scores[0].patient is None else _by_patient(found, scores)


def _by_patient(table: dict[str, dict[str, Any]], scores: Sequence[Score]) -> dict[str, dict[str, Any]]:
    """Put errors of differences of sums by patient, and what follows from them, in the place of ArviZ's."""
    named = {score.model_id: score for score in scores}
    top = next(iter(table))  # ArviZ sorts from best to worst
    for name, row in table.items():
        if name == top:
            continue
        difference = named[name].elpd_i - named[top].elpd_i
        row["dse"] = sum_error(difference, named[name].patient)
        z = -row["elpd_diff"] / row["dse"] if row["dse"] > 0.0 else 0.0
        row["p_worse"] = 0.5 * math.erfc(-z / math.sqrt(2.0))
    return table


LEAST_LEAD = 4.0
LEAD_IN_SE = 2.0


def clear_winner(models: Sequence[ComparedModel], target: Target) -> str | None:
    """Return the model that predicts clearly best, or None.

    A lead of fewer than four points of elpd, or of fewer than two of its standard errors, is not clear (Sivula et al.
    2025, arXiv:2008.10296).
    """
    ranked = sorted(models, key=lambda model: -model.elpd[target])
    if len(ranked) < 2:
        return None
    rivals = [(-model.elpd_diff[target], model.se_diff[target]) for model in ranked[1:]]
    return ranked[0].model_id if all(is_clear_lead(lead, error) for lead, error in rivals) else None


def is_clear_lead(lead: float, error: float) -> bool:
    """Return whether a lead in elpd, with its standard error, tells two models apart (see :func:`clear_winner`)."""
    return lead >= LEAST_LEAD and lead >= LEAD_IN_SE * error


def _shift(score: Score, best: Array) -> Any:
    """Take ``best`` off a score's pointwise values."""
    elpd_i = score.elpd_i - best
    return dataclasses.replace(score, elpd=float(np.sum(elpd_i)), elpd_i=elpd_i).elpd_data


def _compared(
    fit: MixedFit,
    aic: float,
    best: float,
    score: Mapping[Target, Score],
    rows: Mapping[Target, Mapping[str, Any]],
) -> ComparedModel:
    def column(name: str) -> dict[Target, float]:
        return {target: float(row.get(name, np.nan)) for target, row in rows.items()}

    return ComparedModel(
        model_id=fit.model_id,
        rows=fit.rows,
        n_parameters=fit.n_fixed + fit.n_covariance,
        aic=aic,
        aic_diff=aic - best,
        elpd={target: s.elpd for target, s in score.items()},
        se={target: s.se for target, s in score.items()},
        mcse={target: s.mcse for target, s in score.items()},
        elpd_diff=column("elpd_diff"),
        se_diff=column("dse"),
        weight=column("weight"),
        p_worse=column("p_worse"),
        n_bad_k={target: s.n_bad_k for target, s in score.items()},
        remark={
            target: "; ".join(str(row[key]) for key in ("diag_diff", "diag_elpd") if row.get(key))
            for target, row in rows.items()
        },
    )
