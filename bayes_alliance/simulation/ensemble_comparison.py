"""The approaches compared over an ensemble of cohorts: no truth is known there, only how far approaches differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import AllianceError, FitError
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.simulation.approaches import Approach, answer
from bayes_alliance.simulation.performance import Measure, mean_measure, share_measure
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Model, Study


@dataclass(frozen=True, kw_only=True)
class EnsembleComparison:
    """One approach to one estimand over the cohorts.

    Parameters
    ----------
    n, n_failed : int
        Cohorts with and without an answer.
    estimate, width : Measure
        Mean over the cohorts of the estimate and of the 95 % interval's width, with the standard error of that mean.
    least, largest : float
        Of the estimates.
    excludes_zero : Measure
        Share of cohorts in which the interval excludes zero.
    same_decision : Measure
        Share in which it does so exactly where the first approach's does.
    """

    approach: str
    estimand: str
    n: int
    n_failed: int
    estimate: Measure
    least: float
    largest: float
    width: Measure
    excludes_zero: Measure
    same_decision: Measure


def compare_on_cohorts(
    study: Study, model: Model, cohorts: Sequence[StudyData], approaches: Sequence[Approach], *, seed: int
) -> list[EnsembleComparison]:
    """Analyse every cohort by every approach and compare what they say, estimand by estimand.

    Parameters
    ----------
    approaches : sequence of Approach
        The first is the one that decisions are compared with; priors are translated anew for each cohort's columns.
    """
    import pandas as pd

    rows = [
        row
        for number, data in enumerate(cohorts)
        for row in _analyse(study, model, number, data, approaches, seed)
    ]
    table = pd.DataFrame(rows)
    answered = table[table["failure"] == ""].copy()
    answered["excludes"] = (answered["lower"] > 0.0) | (answered["upper"] < 0.0)
    first = answered[answered["approach"] == approaches[0].name].set_index(["cohort", "estimand"])["excludes"]
    found = []
    for (approach, estimand), group in answered.groupby(["approach", "estimand"], sort=False):
        both = (
            group.set_index(["cohort", "estimand"])["excludes"]
            .to_frame()
            .join(first.rename("first"), how="inner")
        )
        failed = table[(table["approach"] == approach) & (table["failure"] != "")]["cohort"].nunique()
        found.append(
            EnsembleComparison(
                approach=str(approach),
                estimand=str(estimand),
                n=len(group),
                n_failed=int(failed),
                estimate=mean_measure(group["estimate"].to_numpy(float)),
                least=float(group["estimate"].min()),
                largest=float(group["estimate"].max()),
                width=mean_measure((group["upper"] - group["lower"]).to_numpy(float)),
                excludes_zero=share_measure(group["excludes"].to_numpy(bool)),
                same_decision=share_measure((both["excludes"] == both["first"]).to_numpy(bool)),
            )
        )
    return found


def _analyse(
    study: Study, model: Model, number: int, data: StudyData, approaches: Sequence[Approach], seed: int
) -> list[dict[str, Any]]:
    planned = plan_model(data, model, parse_formula(model.formula).names)
    nan = float("nan")
    blank = {
        "cohort": number,
        "estimand": "",
        "estimate": nan,
        "error": nan,
        "lower": nan,
        "upper": nan,
        "failure": "",
    }
    rows: list[dict[str, Any]] = []
    for approach in approaches:
        mine = blank | {"approach": approach.name}
        try:
            if not isinstance(planned, PlannedModel):
                raise FitError(planned.reason)
            design = planned.design
            priors = coefficient_priors(study, design, approach.priors.name) if approach.priors else None
            answers = answer(
                dataclasses.replace(approach, priors=priors),
                design,
                {estimand.name: estimand.weights for estimand in model.estimands},
                seed=derive_seed(seed, "cohort", str(number), approach.name),
                stats=summarise(design.y, design.x, design.z, design.patient_index),
            )
        except AllianceError as error:
            rows.append(mine | {"failure": f"{type(error).__name__}: {error}"})
            continue
        rows += [mine | {"estimand": name} | dataclasses.asdict(a) for name, a in answers.by_name.items()]
    return rows
