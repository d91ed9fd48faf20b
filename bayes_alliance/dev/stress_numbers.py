"""What the stress tests give on the shipped cohorts: mixtures over all of them, as numbers that can be stored.

Draws of all cohorts are put together with equal weights, so that an interval holds what differs between cohorts too.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bayes_alliance.cohorts.store import StoredCohort
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.show.format_numbers import format_summary
from bayes_alliance.stress.joint import JointEffect
from bayes_alliance.stress.records import StressDraws
from bayes_alliance.stress.run import StressResults, StressSettings, direction_rule, run_stress
from bayes_alliance.stress.sampled import SampledSettings
from bayes_alliance.stress.tipping import DeltaAnalysis, tipping_points
from bayes_alliance.study.records import Study

Lines = list[dict[str, Any]]
DRAWS, JOINT_DRAWS, SEED = 1000, 250, 2020
BY_OUTCOME = ("goals_outcome", "bonds_outcome", "tasks_outcome")
VARIANTS = ("curved", "sd_by_group", "autocorrelated")
SAMPLED = ("student_t", "censored", "ordinal")
# Cohorts for what is sampled: the first ones, since each takes minutes.
FEW = 2
SAMPLER = SampledSettings(draws=750, tune=750, cores=1)


def _run(study: Study, cohort: StoredCohort, **settings: Any) -> StressResults:
    asked = StressSettings(
        prior=study.priors[0].name, seed=SEED, draws=DRAWS, joint_draws=JOINT_DRAWS, **settings
    )
    return run_stress(study, cohort.data(study), asked)


def _pool(each: Sequence[StressDraws]) -> StressDraws:
    """Put the draws of all cohorts together, as many of each."""
    return dataclasses.replace(
        each[0], draws=np.concatenate([one.draws for one in each], axis=1), effective=None
    )


def _key(draws: StressDraws) -> tuple[str, str]:
    return draws.model_id, draws.estimand


def _posteriors(
    study: Study, runs: Sequence[StressResults], pick: Callable[[StressResults], Sequence[StressDraws]]
) -> Lines:
    """Return the mixture of each estimand under each change, its verdict, and in how many cohorts it is the same."""
    bases = [{_key(draws): draws for draws in run.base} for run in runs]
    found: dict[tuple[str, str, str], list[tuple[str, StressDraws]]] = {}
    for run, base in zip(runs, bases, strict=True):
        for draws in pick(run):
            alone = direction_rule(study, base[_key(draws)])(draws.points)
            found.setdefault((*_key(draws), draws.variant), []).append((alone, draws))
    lines = []
    for (model, estimand, variant), each in found.items():
        mixture = _pool([draws for _, draws in each])
        verdict = direction_rule(study, _pool([base[model, estimand] for base in bases]))(mixture.points)
        lines.append(
            {
                "model": model,
                "estimand": estimand,
                "label": mixture.label,
                "outcome": mixture.outcome,
                "variant": variant,
                "posterior": format_summary(mixture.summary()),
                "verdict": verdict,
                "same": sum(alone == verdict for alone, _ in each),
                "cohorts": len(each),
            }
        )
    return lines


def missing_data(study: Study, cohorts: Sequence[StoredCohort], report: Reporter) -> dict[str, Lines]:
    """Return pattern mixtures, shared parameters and tipping points over all cohorts."""
    runs = []
    for cohort in cohorts:
        report(f"missing data: {cohort.path.stem}")
        runs.append(_run(study, cohort, what=("missing",)))
    return {
        "posteriors": _posteriors(
            study,
            runs,
            lambda run: [*run.base, *run.patterns, *(draws for fit in run.shared for draws in fit.draws)],
        ),
        "tipping": _tipping(study, runs),
        "dropout": _dropout(runs),
    }


def _tipping(study: Study, runs: Sequence[StressResults]) -> Lines:
    """Return where the mixture's verdict changes, for estimands that every cohort has."""
    each: dict[tuple[str, str], list[DeltaAnalysis]] = {}
    for run in runs:
        for analysis in run.deltas:
            each.setdefault(_key(analysis.base), []).append(analysis)
    lines = []
    for (model, estimand), analyses in each.items():
        base = _pool([analysis.base for analysis in analyses])
        shift = np.concatenate([analysis.shift for analysis in analyses], axis=2)
        pooled = dataclasses.replace(analyses[0], base=base, shift=shift)
        incomplete = np.array([analysis.incomplete for analysis in analyses])
        for tip in tipping_points(pooled, direction_rule(study, base)):
            direction = {
                group: "steeper" if part > 0 else "flatter"
                for group, part in zip(pooled.groups, tip.direction, strict=True)
                if part
            }
            lines.append(
                {
                    "model": model,
                    "estimand": estimand,
                    "outcome": base.outcome,
                    "direction": direction,
                    "delta": tip.delta if math.isfinite(tip.delta) else None,
                    "limit": tip.limit,
                    "before": tip.before,
                    "after": tip.after,
                    "incomplete": {
                        group: [int(counts.min()), int(counts.max())]
                        for group, counts in zip(pooled.groups, incomplete.T, strict=True)
                    },
                }
            )
    return lines


def _dropout(runs: Sequence[StressResults]) -> Lines:
    """Return, by model, in how many cohorts zero lies outside the interval of what the slope weighs in dropout."""
    fits, without = Counter[str](), Counter[str]()
    for run in runs:
        for fit in run.shared:
            low, high = np.quantile(fit.gamma[:, 1], [0.025, 0.975])
            fits[fit.model_id] += 1
            without[fit.model_id] += int(low > 0.0 or high < 0.0)
    return [{"model": model, "without_zero": without[model], "cohorts": n} for model, n in fits.items()]


def joint_model(study: Study, cohorts: Sequence[StoredCohort], report: Reporter) -> dict[str, Lines]:
    """Return effects of all outcomes in one model over all cohorts, and the probability that each is the largest."""
    runs = []
    for cohort in cohorts:
        report(f"joint model: {cohort.path.stem}")
        runs.append(_run(study, cohort, what=("joint",)))
    effects = [effect for run in runs for effect in run.joint]
    base = [draws for run in runs for draws in run.base]
    names = list(dict.fromkeys(effect.estimand for effect in effects))
    correlations = (
        ("slopes between subscales", [effect.slope_correlation for effect in effects]),
        ("residuals of a visit", [effect.residual_correlation for effect in effects]),
        ("the three estimates", [effect.effect_correlation for effect in effects]),
    )
    return {
        "effects": [
            line
            for name in names
            for line in _joint_lines([effect for effect in effects if effect.estimand == name], base)
        ],
        "correlations": [
            {"of": said, "mean": float(np.mean(values)), "least": min(values), "most": max(values)}
            for said, values in correlations
        ],
    }


def _joint_lines(effects: Sequence[JointEffect], base: Sequence[StressDraws]) -> Lines:
    """Return one estimand over all cohorts, a line an outcome."""
    pooled = [effect for effect in effects if effect.pooled]
    lines = []
    for k, outcome in enumerate(effects[0].outcomes):
        wanted = _key(effects[0].joint[k])
        lines.append(
            {
                "estimand": effects[0].estimand,
                "label": effects[0].label,
                "outcome": outcome,
                "separate": format_summary(
                    _pool([draws for draws in base if _key(draws) == wanted]).summary()
                ),
                "joint": format_summary(_pool([effect.joint[k] for effect in effects]).summary()),
                "pooled": format_summary(_pool([e.pooled[k] for e in pooled]).summary()) if pooled else "",
                "p_separate": float(np.mean([effect.p_largest_separate[k] for effect in effects])),
                "p_joint": float(np.mean([effect.p_largest[k] for effect in effects])),
                "p_pooled": float(np.mean([e.p_largest_pooled[k] for e in pooled])) if pooled else None,
                "cohorts": len(effects),
                "cohorts_pooled": len(pooled),
            }
        )
    return lines


def conditioning(study: Study, cohorts: Sequence[StoredCohort], report: Reporter) -> dict[str, Lines]:
    """Return what a shared course gives without any effect, on the visits and growth of the first cohort."""
    report(f"conditioning: {cohorts[0].path.stem}")
    run = _run(study, cohorts[0], what=("conditioning",), models=BY_OUTCOME)
    return {
        "strengths": [
            {
                "outcome": one.outcome,
                "strength": point.strength,
                "residual": point.residual,
                "mean": point.mean,
                "lower": point.lower,
                "upper": point.upper,
            }
            for one in run.conditioning
            for point in one.points
        ],
        "required": [
            {
                "outcome": one.outcome,
                "printed": one.printed,
                "low": one.printed_low,
                "high": one.printed_high,
                "required": one.required if math.isfinite(one.required) else None,
            }
            for one in run.conditioning
        ],
    }


def gaussian_variants(study: Study, cohorts: Sequence[StoredCohort], report: Reporter) -> dict[str, Lines]:
    """Return the Gaussian variants of the models by outcome over all cohorts, with their scores."""
    runs = []
    for cohort in cohorts:
        report(f"Gaussian variants: {cohort.path.stem}")
        runs.append(_run(study, cohort, what=("likelihoods",), models=BY_OUTCOME, likelihoods=VARIANTS))
    return _likelihoods(study, runs)


def sampled_likelihoods(study: Study, cohorts: Sequence[StoredCohort], report: Reporter) -> dict[str, Lines]:
    """Return the likelihoods that PyMC samples, of the models by outcome, over the first few cohorts."""
    runs = []
    for cohort in cohorts[:FEW]:
        report(f"sampled likelihoods: {cohort.path.stem}")
        runs.append(
            _run(
                study,
                cohort,
                what=("likelihoods",),
                models=BY_OUTCOME,
                likelihoods=SAMPLED,
                sampler=SAMPLER,
            )
        )
    return _likelihoods(study, runs)


def _likelihoods(study: Study, runs: Sequence[StressResults]) -> dict[str, Lines]:
    posteriors = _posteriors(
        study, runs, lambda run: [*run.base, *(draws for one in run.likelihoods for draws in one.draws)]
    )
    scores: dict[tuple[str, str], list[tuple[float, float, int, int]]] = {}
    for run in runs:
        for one in run.likelihoods:
            for line in one.lines:
                if line.name != "gaussian":
                    scores.setdefault((one.outcome, line.name), []).append(
                        (line.elpd_diff, line.se_diff, line.score.n_bad_k, line.diverging)
                    )
    return {
        "posteriors": posteriors,
        "scores": [
            {
                "outcome": outcome,
                "variant": name,
                "elpd_diff": float(np.mean([one[0] for one in each])),
                "least": float(np.min([one[0] for one in each])),
                "most": float(np.max([one[0] for one in each])),
                "se": float(np.mean([one[1] for one in each])),
                "bad_k": int(sum(one[2] for one in each)),
                "diverging": int(sum(one[3] for one in each)),
                "cohorts": len(each),
            }
            for (outcome, name), each in scores.items()
        ],
    }


# How many cohorts each part rests on; None for all.
USED = {"missing": None, "joint": None, "conditioning": 1, "variants": None, "sampled": FEW}
PARTS: dict[str, Callable[[Study, Sequence[StoredCohort], Reporter], dict[str, Lines]]] = {
    "missing": missing_data,
    "joint": joint_model,
    "conditioning": conditioning,
    "variants": gaussian_variants,
    "sampled": sampled_likelihoods,
}
