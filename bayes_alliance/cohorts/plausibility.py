"""Whether a cohort that meets the cells could also be patients' ratings.

Limits are our own, wide, and stated with each value: they refuse freaks, they prove nothing. That the subscales of
a Working Alliance Inventory share a general factor is known (Tracey & Kokotovic 1989,
doi:10.1037/1040-3590.1.3.207); how large their correlations were here is not printed, so only a lower limit is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import Array, MixedFit
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Model, Study, Variable

MIN_SUBSCALE_CORRELATION = 0.3
MAX_EFFECT_CORRELATION = 0.95
MAX_AT_AN_END = 0.35
MAX_KURTOSIS = 3.0
MIN_KURTOSIS = -1.0
MAX_JUMP_SHARE = 0.10


@dataclass(frozen=True, kw_only=True)
class Trait:
    """One value of a cohort and the limits between which it is plausible.

    Parameters
    ----------
    name : str
        What, of which outcome.
    value, low, high : float
        The value and its limits.
    """

    name: str
    value: float
    low: float
    high: float

    @property
    def plausible(self) -> bool:
        """Whether it lies within its limits; a value that is not defined does not."""
        return bool(self.low <= self.value <= self.high)


def judge_cohort(study: Study, plan: CohortPlan | None, data: StudyData) -> tuple[Trait, ...]:
    """Measure what could give a solver's work away.

    Parameters
    ----------
    study : Study
        Its growth models are used.
    plan : CohortPlan or None
        Says which outcomes belong together; without it none do.
    data : StudyData
        The cohort.

    Returns
    -------
    tuple of Trait
        Correlation of intercept and slope in every printed model; of each outcome its correlations within its
        block, ends of the scale, kurtosis of
        the residuals, and the share of neighbouring visits more than four residual SDs apart.
    """
    found: list[Trait] = []
    printed = {cell.model for cell in study.cells if cell.model}
    found += [trait for model in study.models if model.id in printed for trait in _of_model(data, model)]
    blocks = (
        [block.outcomes for block in plan.blocks] if plan else [(o,) for o in _outcomes_of(study, printed)]
    )
    for outcomes in blocks:
        found += _correlations(data, outcomes)
        for outcome in outcomes:
            found += _of_outcome(study, data, outcome)
    return tuple(found)


def _outcomes_of(study: Study, models: set[str]) -> list[str]:
    """Outcomes of these models that have a model of pure growth to judge the residuals by."""
    judged = {model.outcome for model in study.models if model.family == "growth"}
    return list(dict.fromkeys(m.outcome for m in study.models if m.id in models and m.outcome in judged))


def _correlations(data: StudyData, outcomes: tuple[str, ...]) -> Iterator[Trait]:
    for i, first in enumerate(outcomes):
        for second in outcomes[i + 1 :]:
            pairs = data.rows[[first, second]].dropna().to_numpy(dtype=float)
            value = float(np.corrcoef(pairs.T)[0, 1])
            yield Trait(
                name=f"correlation of {first} and {second}",
                value=value,
                low=MIN_SUBSCALE_CORRELATION,
                high=0.98,
            )


def _of_model(data: StudyData, model: Model) -> Iterator[Trait]:
    """Correlation of intercept and slope in a model that is printed: at its boundary a fit is degenerate."""
    planned = plan_model(data, model, parse_formula(model.formula).names)
    if isinstance(planned, PlannedModel):
        fit = fit_mixed(planned.design, planned.rows, model_id=model.id)
        yield Trait(
            name=f"{model.id}: correlation of intercept and slope",
            value=fit.correlation,
            low=-MAX_EFFECT_CORRELATION,
            high=MAX_EFFECT_CORRELATION,
        )


def _of_outcome(study: Study, data: StudyData, outcome: str) -> Iterator[Trait]:
    model = next(m for m in study.models if m.outcome == outcome and m.family == "growth")
    planned = plan_model(data, model, parse_formula(model.formula).names)
    if not isinstance(planned, PlannedModel):
        return
    fit = fit_mixed(planned.design, planned.rows, model_id=model.id)
    variable = study.variable(outcome)
    y = planned.design.y
    if isinstance(variable, Variable):
        for name, end in (("lowest", variable.minimum), ("highest", variable.maximum)):
            if end is not None:
                share = float(np.mean(np.abs(y - end) < 1e-9))
                yield Trait(
                    name=f"{outcome}: share at the {name} score", value=share, low=0.0, high=MAX_AT_AN_END
                )
    residuals = _residuals(planned, fit)
    centred = residuals / residuals.std()
    yield Trait(
        name=f"{outcome}: excess kurtosis of the residuals",
        value=float(np.mean(centred**4) - 3.0),
        low=MIN_KURTOSIS,
        high=MAX_KURTOSIS,
    )
    same = np.diff(planned.design.patient_index) == 0
    jumps = np.abs(np.diff(y))[same] > 4.0 * fit.sigma
    yield Trait(
        name=f"{outcome}: share of neighbouring visits more than 4 residual SDs apart",
        value=float(jumps.mean()),
        low=0.0,
        high=MAX_JUMP_SHARE,
    )


def _residuals(planned: PlannedModel, fit: MixedFit) -> Array:
    """Residuals around each patient's own predicted line."""
    design = planned.design
    correlation = np.array([[1.0, fit.correlation], [fit.correlation, 1.0]])
    covariance = fit.sd[:, None] * np.nan_to_num(correlation) * fit.sd
    out = design.y - design.x @ fit.beta
    for patient in range(design.n_patients):
        rows = np.flatnonzero(design.patient_index == patient)
        z = design.z[rows]
        total = z @ covariance @ z.T + fit.sigma**2 * np.eye(len(rows))
        out[rows] -= z @ covariance @ z.T @ np.linalg.solve(total, out[rows])
    return out
