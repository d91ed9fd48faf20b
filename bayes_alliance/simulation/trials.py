"""Many simulated studies under conditions, each analysed by every approach: what power and comparison rest on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_alliance.errors import AllianceError
from bayes_alliance.inference.fits import Weights, weight_vector
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.runtime.resumable_tasks import split_units
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.runtime.task_store import Task
from bayes_alliance.simulation.approaches import Approach, answer
from bayes_alliance.simulation.population import (
    CovariatePool,
    Sampling,
    choose_patients,
    take_rows,
    without_frame,
)
from bayes_alliance.simulation.truth import AS_MODELLED, Scenario, Truth, TruthScale, draw_outcome

COLUMNS = (
    "condition",
    "study",
    "approach",
    "estimand",
    "truth",
    "estimate",
    "error",
    "lower",
    "upper",
    "failure",
    "note",
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What all studies of one condition share.

    Parameters
    ----------
    name : str
        Key: letters, digits, ``_.=+-``.
    factor : str
        What is varied: ``patients``, ``marked``, ``visits``, ``effect`` or ``scenario``.
    value : float
        Of what is varied; NaN for a scenario.
    truth : Truth
        As the scenario makes it.
    seed : int
        Of all its studies.
    """

    name: str
    factor: str
    value: float
    pool: CovariatePool
    sampling: Sampling
    truth: Truth
    seed: int
    scenario: Scenario = AS_MODELLED
    scale: TruthScale | None = None


def trial_tasks(
    condition: Condition,
    approaches: Sequence[Approach],
    estimands: Mapping[str, Weights],
    *,
    studies: int,
    batch: int,
) -> list[Task]:
    """Split the studies of a condition into tasks."""
    lean = dataclasses.replace(condition, pool=without_frame(condition.pool))
    common = (lean, tuple(approaches), dict(estimands))
    return [
        Task(key=f"{condition.name}-{first:06d}-{count}", arguments=(*common, first, count), size=count)
        for first, count in split_units(studies, batch)
    ]


def try_batch(
    condition: Condition,
    approaches: Sequence[Approach],
    estimands: Mapping[str, Weights],
    first: int,
    count: int,
) -> dict[str, list[Any]]:
    """Simulate some studies and analyse each; see :data:`COLUMNS` for what comes back, a row an answer.

    A study that cannot be drawn, and an approach that fails on one, has a row with the reason and no numbers.
    """
    rows: list[dict[str, Any]] = []
    for study in range(first, first + count):
        rows += try_study(condition, approaches, estimands, study)
    return {name: [row[name] for row in rows] for name in COLUMNS}


def try_study(
    condition: Condition, approaches: Sequence[Approach], estimands: Mapping[str, Weights], study: int
) -> list[dict[str, Any]]:
    """Simulate one study and analyse it by every approach; all see the same data."""
    rng = np.random.default_rng(derive_seed(condition.seed, condition.name, str(study)))
    pool, truth = condition.pool, condition.truth
    values = {name: float(weight_vector(pool.x_names, w) @ truth.beta) for name, w in estimands.items()}
    nan = float("nan")
    blank = dict.fromkeys(("estimate", "error", "lower", "upper"), nan) | {"failure": "", "note": ""}
    common = {"condition": condition.name, "study": study} | blank

    def failed(approach: Approach, error: AllianceError) -> list[dict[str, Any]]:
        reason = {"approach": approach.name, "failure": f"{type(error).__name__}: {error}"}
        return [common | reason | {"estimand": name, "truth": value} for name, value in values.items()]

    try:
        columns, _ = take_rows(pool, choose_patients(pool, condition.sampling, rng))
        design = draw_outcome(columns, truth, pool, rng, scenario=condition.scenario, scale=condition.scale)
    except AllianceError as error:
        return [row for approach in approaches for row in failed(approach, error)]
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    rows = []
    for approach in approaches:
        seed = derive_seed(condition.seed, condition.name, str(study), approach.name)
        try:
            answers = answer(approach, design, estimands, seed=seed, stats=stats)
        except AllianceError as error:
            rows += failed(approach, error)
            continue
        rows += [
            common
            | {"approach": approach.name, "estimand": name, "truth": values[name], "note": answers.note}
            | dataclasses.asdict(found)
            for name, found in answers.by_name.items()
        ]
    return rows


def set_effect(truth: Truth, weights: Weights, x_names: Sequence[str], value: float) -> Truth:
    """Move the coefficients along an estimand's own weights until the estimand has a value."""
    direction = weight_vector(x_names, weights)
    move = (value - float(direction @ truth.beta)) / float(direction @ direction)
    return dataclasses.replace(truth, beta=truth.beta + move * direction)
