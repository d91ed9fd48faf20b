"""The mixture of the blind test: posteriors and verdicts over data sets drawn given print, the design unknown.

Each data set has a design of its own, drawn from what the study file states and the printed standard errors, and scores
whose fit is the printed one (:mod:`bayes_alliance.cohorts.default_design`,
:mod:`bayes_alliance.cohorts.scores_given_fit`).
Every printed effect gets its posterior from each data set under the study's default prior, and every claim its verdict.
No row of the real data is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.mixture import mix_claims
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.claims.tasks import Specification, combine_parts, flatten, restore
from bayes_alliance.cohorts.default_design import DesignPrior, design_prior, draw_design, fits_print
from bayes_alliance.cohorts.printed_fit import PrintedFit, printed_fits
from bayes_alliance.cohorts.scores_given_fit import draw_scores
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.inference.fits import Array, Weights
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.runtime.task_store import Columns, Task, Workers
from bayes_alliance.study.records import Source, Study

# Data sets of a study, and posterior draws of each.
DATA_SETS, DRAWS = 10, 1000
_TRIES = 6
Effects = Sequence[tuple[str, str, Weights]]


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """What data sets drawn given print say together.

    Parameters
    ----------
    data_sets : int
        How many were drawn; 0 where none can be.
    reason : str
        Then why.
    assumed : str
        What is assumed of the design.
    gap : float
        Largest distance of a standard error from its printed value, as a share.
    draws : mapping of (str, str) to ndarray
        Of each printed effect (model, coefficient), all data sets together.
    claims : tuple of ClaimResult
        Verdicts on the mixture, in the order of the claims.
    """

    data_sets: int = 0
    reason: str = ""
    assumed: str = ""
    gap: float = 0.0
    draws: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    claims: tuple[ClaimResult, ...] = ()


def draw_mixture(
    study: Study,
    effects: Effects,
    *,
    seed: int,
    data_sets: int = DATA_SETS,
    store: Path | None = None,
    jobs: int = 1,
    report: Reporter = lambda line: None,
) -> Mixture:
    """Draw data sets given print and judge a study by them.

    Parameters
    ----------
    study : Study
        With cells, priors and claims.
    effects : sequence of (str, str, weights)
        Model, coefficient and columns of each printed effect.
    seed : int
        The number that all randomness comes from.
    data_sets : int
        How many.
    store : Path, optional
        Folder that keeps finished data sets' results for another run.
    jobs : int
        Worker processes; results do not depend on it.
    report : callable
        Gets lines of progress.
    """
    fits, reason = printed_fits(study)
    prior = design_prior(study, fits) if fits else reason
    if isinstance(prior, str):
        return Mixture(reason=prior)
    tasks = [
        Task(key=f"{study.id}-{number}", arguments=(study, tuple(effects), number, seed))
        for number in range(data_sets)
    ]
    record = f"{study.digest}; seed {seed}; draws {DRAWS}"
    done = run_tasks(
        judge_draw,
        tasks,
        store=store,
        record=record,
        workers=Workers(jobs=jobs),
        report=report,
        unit="drawn data sets",
    )
    results = (
        [found for key in done.keys if len((found := done.columns(key))["gap"])] if not done.failures else []
    )
    if len(results) < data_sets:
        met = f"the printed standard errors were met on {len(results)} of {data_sets} drawn designs"
        return Mixture(reason="; ".join(format_failures(done.failures)) or met, assumed=prior.assumed)
    return _mix(study, effects, results, prior.assumed)


def _mix(study: Study, effects: Effects, results: Sequence[Columns], assumed: str) -> Mixture:
    """Put the results of all data sets together."""
    pooled = np.concatenate(
        [np.frombuffer(c["effects"][0], dtype=np.float64).reshape(len(effects), -1) for c in results], axis=1
    )
    ledger = load_claims(study, load_choices(study))
    judged = [
        (str(number), combine_parts(ledger, restore(json.loads(c["claims"][0]))))
        for number, c in enumerate(results)
    ]
    return Mixture(
        data_sets=len(results),
        assumed=assumed,
        gap=max(float(c["gap"][0]) for c in results),
        draws={(model, name): pooled[k] for k, (model, name, _) in enumerate(effects)},
        claims=mix_claims(ledger, judged),
    )


def judge_draw(study: Study, effects: Effects, number: int, seed: int) -> Columns:
    """Draw one data set and judge the study by it; pure and of the top level, for workers.

    Returns
    -------
    dict of str to list
        ``gap``, ``effects`` (posterior draws of each effect, as bytes) and ``claims`` (flat results as JSON), one row;
        none where no design tried has the printed standard errors.
    """
    fits, _ = printed_fits(study)
    prior = design_prior(study, fits)
    assert isinstance(prior, DesignPrior)
    rng = np.random.default_rng(derive_seed(seed, "register mixture", study.id, str(number)))
    for _ in range(_TRIES):
        found = _draw_rows(study, prior, fits, rng)
        if found is not None:
            break
    else:
        return {"gap": [], "effects": [], "claims": []}
    gap, data, free = found
    choices, variant = load_choices(study), prior_suite(study)[0]
    evaluator = Evaluator(
        free, data, choices, seed=derive_seed(seed, study.id, str(number)), variant=variant, draws=DRAWS
    )
    draws = [_effect(evaluator, model, weights) for model, _, weights in effects]
    parts = [
        evaluator.judge_part(claim, part)
        for claim in load_claims(study, choices).claims
        for part in claim.parts
    ]
    return {
        "gap": [gap],
        "effects": [np.array(draws).tobytes()],
        "claims": [json.dumps(flatten(parts, Specification(variant=variant, draws=DRAWS)))],
    }


def _effect(evaluator: Evaluator, model: str, weights: Weights) -> Array:
    """Posterior draws of an effect; not a number where the drawn data set cannot carry its model."""
    try:
        drawn: Array = evaluator.fit(model).fit.combine(weights).ravel()[:DRAWS]
    except CannotTell:
        drawn = np.full(DRAWS, np.nan)
    return drawn


def _draw_rows(
    study: Study, prior: DesignPrior, fits: Sequence[PrintedFit], rng: np.random.Generator
) -> tuple[float, StudyData, Study] | None:
    design = draw_design(prior, study.time, fits, rng)
    if not fits_print(design):
        return None
    scores = draw_scores(study, prior, design, fits[-1], rng)
    if scores is None:
        return None
    free = _without_limits(study, fits[-1].formula.response)
    frame = pd.DataFrame(
        {v.column: _cells(v.categories, v.kind, scores[v.name]) for v in free.variables if v.name in scores}
    )
    return design.gap, data_from_frame(free, frame, source=Source.SYNTHETIC, origin="drawn given print"), free


def _without_limits(study: Study, outcome: str) -> Study:
    """Return a study whose outcome may take any value: drawn scores are neither rounded nor cut off."""
    variables = tuple(
        replace(v, minimum=None, maximum=None, step=None) if v.name == outcome else v for v in study.variables
    )
    return replace(study, variables=variables)


def _cells(categories: Sequence[str], kind: str, values: pd.Series) -> pd.Series:
    """Values as a file would have them: names of the categories of a binary predictor, whole numbers where asked."""
    if kind == "binary" and categories:
        return values.map(lambda value: categories[int(value)])
    return values.round() if kind == "integer" else values
