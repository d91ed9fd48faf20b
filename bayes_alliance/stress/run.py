"""Every stress test of a study's models on one set of rows, as one frozen record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from bayes_alliance.assess.verdict_rules import Relation, judge, probabilities
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError, InputError, Problem, no_such
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.stress.conditioning import SIMULATIONS, Conditioning, condition_on_outcome
from bayes_alliance.stress.joint import JointEffect, fit_joint
from bayes_alliance.stress.likelihoods import ALL, LikelihoodComparison, compare_likelihoods
from bayes_alliance.stress.pattern_mixture import mix_patterns
from bayes_alliance.stress.prepare import Prepared, chosen_models, families, prepare_model
from bayes_alliance.stress.records import StressDraws, StressSkipped, Test, VerdictRule
from bayes_alliance.stress.sampled import SampledSettings
from bayes_alliance.stress.shared_parameter import SharedParameterFit, fit_shared_parameter
from bayes_alliance.stress.tipping import (
    DeltaAnalysis,
    TippingPoint,
    VerdictMap,
    analyse_deltas,
    map_verdicts,
    tipping_points,
)
from bayes_alliance.study.records import Model, Source, Study

WHAT = ("missing", "joint", "conditioning", "likelihoods")


@dataclass(frozen=True, kw_only=True)
class StressSettings:
    """What to stress and how.

    Parameters
    ----------
    prior : str
        Name of a prior set of the study.
    seed : int
        The one number that all randomness comes from.
    models : tuple of str
        Ids; empty for the study's own claims about slopes.
    what : tuple of str
        Of "missing", "joint", "conditioning", "likelihoods".
    likelihoods : tuple of str
        Which, of :data:`bayes_alliance.stress.likelihoods.ALL`.
    draws : int
        Of the collapsed engine, a multiple of four.
    joint_draws : int
        Of each of the joint model's four chains; half as many are discarded before.
    simulations : int
        Simulated studies for each strength of a shared course.
    sampler : SampledSettings
        Of NUTS, for the likelihoods that need it.
    """

    prior: str
    seed: int
    models: tuple[str, ...] = ()
    what: tuple[str, ...] = WHAT
    likelihoods: tuple[str, ...] = ALL
    draws: int = 4000
    joint_draws: int = 1000
    simulations: int = SIMULATIONS
    sampler: SampledSettings = field(default_factory=SampledSettings)


@dataclass(frozen=True, kw_only=True)
class StressResults:
    """Everything that the stress tests of one run found.

    Parameters
    ----------
    base : tuple of StressDraws
        Every estimand of the unchanged models.
    skipped : tuple of StressSkipped
        Tests that could not be made.
    models_skipped : tuple of SkippedModel
        Models that the data cannot carry.
    smallest : tuple of (str, float)
        Outcome, and the smallest difference that matters in points.
    """

    study: Study
    source: Source
    origin: str
    prior: str
    seed: int
    base: tuple[StressDraws, ...]
    patterns: tuple[StressDraws, ...]
    deltas: tuple[DeltaAnalysis, ...]
    tips: tuple[TippingPoint, ...]
    maps: tuple[VerdictMap, ...]
    shared: tuple[SharedParameterFit, ...]
    joint: tuple[JointEffect, ...]
    conditioning: tuple[Conditioning, ...]
    likelihoods: tuple[LikelihoodComparison, ...]
    skipped: tuple[StressSkipped, ...]
    models_skipped: tuple[SkippedModel, ...]
    seconds: float

    @property
    def smallest(self) -> dict[str, float]:
        """Smallest difference that matters, by outcome, in points."""
        return dict(self.study.publication.smallest_difference)

    def all_draws(self) -> list[StressDraws]:
        """Return the posterior of every estimand under every change, the unchanged ones first.

        Deltas are functions: they stand here where they draw the estimand to zero by the smallest difference that
        matters (or half a point) over the horizon.
        """
        found = [*self.base, *self.patterns]
        for analysis in self.deltas:
            size = self.smallest.get(analysis.base.outcome, 0.5)
            found.append(analysis.at([size * part for part in against(analysis)]))
        found += [draws for fit in self.shared for draws in fit.draws]
        found += [draws for effect in self.joint for draws in (*effect.joint, *effect.pooled)]
        found += [draws for one in self.conditioning for draws in one.draws]
        found += [draws for one in self.likelihoods for draws in one.draws]
        return found


def against(analysis: DeltaAnalysis) -> tuple[float, ...]:
    """Signs of the subgroups' deltas that draw an estimand to zero; 0 where a subgroup does not bear on it."""
    sign = 1.0 if float(analysis.base.draws.mean()) >= 0.0 else -1.0
    means = analysis.shift.mean(axis=(1, 2))
    return tuple(float(part) for part in -sign * np.sign(means))


def run_stress(
    study: Study,
    data: StudyData,
    settings: StressSettings,
    *,
    rule: Callable[[Study, StressDraws], VerdictRule] | None = None,
    report: Reporter = lambda line: None,
) -> StressResults:
    """Make every stress test asked for.

    Parameters
    ----------
    rule : callable, optional
        From the study and an unchanged posterior to the verdict rule for maps and tipping points; by default the
        rules of :mod:`~bayes_alliance.assess.verdict_rules` in the direction of the posterior mean.
    report : callable
        Gets a line at each step.

    Returns
    -------
    StressResults

    Raises
    ------
    InputError
        If a model or a test asked for does not exist, or no model can be run.
    """
    started = time.perf_counter()
    check_what(study, settings)
    chosen = chosen_models(study, settings.models)
    rules = rule or direction_rule
    # The matrices are small: with several threads BLAS mostly waits, and digits depend on how many there are.
    with threadpool_limits(limits=1, user_api="blas"):
        ready, left_out = _prepare(study, data, settings, chosen)
        report(f"{len(ready)} models on {data.origin}; {len(left_out)} cannot be run")
        patterns, deltas, shared, skipped = _missing(ready, settings, report)
        joint, more = _joint(study, data, ready, settings, report)
        conditioning, still_more = _conditioning(study, data, ready, settings, report)
        likelihoods, last = _likelihoods(study, ready, settings, report)
    return StressResults(
        study=study,
        source=data.source,
        origin=data.origin,
        prior=settings.prior,
        seed=settings.seed,
        base=tuple(draws for one in ready for draws in one.base()),
        patterns=tuple(patterns),
        deltas=tuple(deltas),
        tips=tuple(tip for one in deltas for tip in tipping_points(one, rules(study, one.base))),
        maps=tuple(map_verdicts(one, rules(study, one.base)) for one in deltas if len(one.groups) <= 2),
        shared=tuple(shared),
        joint=tuple(joint),
        conditioning=tuple(conditioning),
        likelihoods=tuple(likelihoods),
        skipped=(*skipped, *more, *still_more, *last),
        models_skipped=tuple(left_out),
        seconds=time.perf_counter() - started,
    )


def _prepare(
    study: Study, data: StudyData, settings: StressSettings, models: Sequence[Model]
) -> tuple[list[Prepared], list[SkippedModel]]:
    """Prepare the models that can be stressed; refuse where none can."""
    made = [
        prepare_model(study, data, model, prior=settings.prior, seed=settings.seed, draws=settings.draws)
        for model in models
    ]
    ready = [one for one in made if isinstance(one, Prepared)]
    left_out = [one for one in made if isinstance(one, SkippedModel)]
    if not ready:
        problems = [Problem(what=f"model {one.model_id}: {one.reason}") for one in left_out]
        raise InputError(data.origin, problems)
    return ready, left_out


def direction_rule(study: Study, base: StressDraws) -> VerdictRule:
    """Return the rule for the claim that an effect lies on the side of zero where its unchanged posterior mean lies.

    Returns
    -------
    callable
        From draws in points to a verdict's word; the smallest difference that matters is the study's, 0 without one.
    """
    relation: Relation = "above" if float(base.points.mean()) >= 0.0 else "below"
    smallest = dict(study.publication.smallest_difference).get(base.outcome, 0.0)

    def rule(points: Array) -> str:
        found = probabilities(points, relation, smallest=smallest, effective=base.effective)
        return judge(relation, found).verdict.value

    return rule


def check_what(study: Study, settings: StressSettings) -> None:
    """Refuse stress tests and likelihoods that there are not.

    Raises
    ------
    InputError
        With every one of them.
    """
    problems = [no_such("stress test", name, WHAT) for name in settings.what if name not in WHAT]
    problems += [no_such("likelihood", name, ALL) for name in settings.likelihoods if name not in ALL]
    if problems:
        raise InputError(f"study {study.id}", problems)


def _missing(
    ready: Sequence[Prepared], settings: StressSettings, report: Reporter
) -> tuple[list[StressDraws], list[DeltaAnalysis], list[SharedParameterFit], list[StressSkipped]]:
    patterns: list[StressDraws] = []
    deltas: list[DeltaAnalysis] = []
    shared: list[SharedParameterFit] = []
    skipped: list[StressSkipped] = []
    if "missing" not in settings.what:
        return patterns, deltas, shared, skipped
    for one in ready:
        report(f"{one.model.id}: missing data")
        found, left_out = mix_patterns(one)
        patterns += found
        skipped += left_out
        if few := one.few_drop_out:
            tests: tuple[Test, ...] = ("delta", "shared_parameter")
            skipped += [StressSkipped(test=t, variant="", model_id=one.model.id, reason=few) for t in tests]
            continue
        deltas += analyse_deltas(one)
        fit = fit_shared_parameter(one, draws=settings.draws)
        if isinstance(fit, SharedParameterFit):
            shared.append(fit)
        else:
            skipped.append(fit)
    return patterns, deltas, shared, skipped


def _joint(
    study: Study, data: StudyData, ready: Sequence[Prepared], settings: StressSettings, report: Reporter
) -> tuple[list[JointEffect], list[StressSkipped]]:
    found: list[JointEffect] = []
    skipped: list[StressSkipped] = []
    if "joint" not in settings.what:
        return found, skipped
    by_id = {one.model.id: one for one in ready}
    for family in families([one.model for one in ready]):
        members = [by_id[model.id] for model in family]
        report(f"{', '.join(model.id for model in family)}: joint model")
        try:
            effects = fit_joint(
                study,
                data,
                members,
                prior=settings.prior,
                seed=settings.seed,
                draws=settings.joint_draws,
                warmup=settings.joint_draws // 2,
            )
        except FitError as error:
            effects = StressSkipped(test="joint", variant="", model_id=family[0].id, reason=str(error))
        if isinstance(effects, StressSkipped):
            skipped.append(effects)
        else:
            found += effects
    return found, skipped


def _conditioning(
    study: Study, data: StudyData, ready: Sequence[Prepared], settings: StressSettings, report: Reporter
) -> tuple[list[Conditioning], list[StressSkipped]]:
    found: list[Conditioning] = []
    skipped: list[StressSkipped] = []
    if "conditioning" not in settings.what:
        return found, skipped
    for one in ready:
        report(f"{one.model.id}: conditioning on the outcome")
        result = condition_on_outcome(study, data, one, count=settings.simulations)
        if isinstance(result, StressSkipped):
            skipped.append(result)
        else:
            found += result
    return found, skipped


def _likelihoods(
    study: Study, ready: Sequence[Prepared], settings: StressSettings, report: Reporter
) -> tuple[list[LikelihoodComparison], list[StressSkipped]]:
    found: list[LikelihoodComparison] = []
    skipped: list[StressSkipped] = []
    if "likelihoods" not in settings.what:
        return found, skipped
    for one in ready:
        report(f"{one.model.id}: {len(settings.likelihoods)} likelihoods")
        result = compare_likelihoods(study, one, names=settings.likelihoods, settings=settings.sampler)
        if isinstance(result, StressSkipped):
            skipped.append(result)
        else:
            found.append(result)
            skipped += result.skipped
    return found, skipped
