"""Gates that a fit has to pass, as data: name, value, threshold, status and what to do.

``not_checked`` is a status of its own and never counts as passed. Thresholds: R-hat of at most 1.01 and
effective sample sizes of at least 100 for each chain (Vehtari et al. 2021, doi:10.1214/20-BA1221); energy
BFMI of at least 0.3 (Betancourt 2016, arXiv:1604.00695); Pareto k of at most 0.7 (Vehtari et al. 2024,
JMLR 25(72)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bayes_alliance.assess.check_record import Check, Status
from bayes_alliance.assess.engine_agreement import Z_LIMIT, Agreement
from bayes_alliance.assess.loo import PARETO_K_THRESHOLD, Score, Target
from bayes_alliance.assess.prior_conflict import CONFLICT_P, joint_conflict
from bayes_alliance.assess.summaries import Quantity, Summary, summarise_draws
from bayes_alliance.inference.fits import Array, MixedFit, PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors


def check_fit(ml: MixedFit, reml: MixedFit) -> list[Check]:
    """Check that ML and REML converged, and remark on singular fits."""
    checks = []
    for fit in (ml, reml):
        checks.append(
            Check(
                model_id=fit.model_id,
                name=f"{fit.method} converged",
                value=float(fit.converged),
                threshold=1.0,
                status="pass" if fit.converged else "fail",
                gate=True,
                advice="the optimiser did not reach a minimum; simplify the random part or look at the data",
            )
        )
        checks.append(
            Check(
                model_id=fit.model_id,
                name=f"{fit.method} not singular",
                value=float(fit.singular),
                threshold=0.0,
                status="fail" if fit.singular else "pass",
                gate=False,
                advice="a variance is zero or a correlation is +-1 at the maximum; tests that need its "
                "curvature (Satterthwaite) are approximate, the posterior is the better summary",
            )
        )
    return checks


def check_posterior(fit: PosteriorFit, quantities: Iterable[Quantity]) -> list[Check]:
    """Check convergence and sampler behaviour.

    Parameters
    ----------
    fit : PosteriorFit
        All its parameters are checked.
    quantities : iterable of Quantity
        What is reported of it, checked as well.

    Returns
    -------
    list of Check
        A statistic that does not exist for every quantity is ``not_checked``, unless the others fail already.
    """
    if fit.engine == "collapsed":
        return _check_importance(fit)
    known = {quantity.name: quantity.bayes for quantity in quantities if quantity.bayes is not None}
    for name, draws in fit.named_draws().items():
        if name not in known:
            known[name] = summarise_draws(draws, name=f"{fit.model_id}: {name}")
    summaries = list(known.values())
    needed = 100.0 * fit.n_chains
    return [
        _at_most(
            fit.model_id, "R-hat", _values(summaries, "r_hat"), 1.01, "run longer chains; look at the traces"
        ),
        _at_least(fit.model_id, "ESS bulk", _values(summaries, "ess_bulk"), needed, "draw more"),
        _at_least(fit.model_id, "ESS tail", _values(summaries, "ess_tail"), needed, "draw more"),
        _at_most(
            fit.model_id,
            "MCSE / SD",
            [s.mcse_mean / s.sd if s.sd > 0.0 else np.nan for s in summaries],
            0.05,
            "draw more: the mean is not known to 5 % of the SD",
        ),
        *_sampler_checks(fit),
    ]


def _check_importance(fit: PosteriorFit) -> list[Check]:
    """Check the weights: exact draws have no chains to converge."""
    return [
        _at_most(
            fit.model_id,
            "Pareto k of the engine",
            [float(fit.facts["pareto_k"])],
            PARETO_K_THRESHOLD,
            "the importance weights cannot be trusted: use engine pymc",
        ),
        _at_least(
            fit.model_id, "ESS of the weights", [float(fit.facts["importance_ess"])], 400.0, "draw more"
        ),
    ]


def check_prior(ml: MixedFit, priors: CoefficientPriors, quantities: Iterable[Quantity]) -> Check:
    """Check that the likelihood does not lie in the prior's tail: for each estimand, and all coefficients together.

    Parameters
    ----------
    ml : MixedFit
        The likelihood.
    priors : CoefficientPriors
        On the same coefficients.
    quantities : iterable of Quantity
        Those with a prior are looked at.
    """
    found = {
        quantity.name: quantity.prior.p
        for quantity in quantities
        if quantity.prior is not None and quantity.kind != "coefficient"
    }
    if not priors.is_flat:
        found["all coefficients"] = joint_conflict(ml.beta, ml.beta_cov, priors.mean, priors.root)
    worst = min(found, key=lambda name: found[name], default="")
    return _at_least(
        ml.model_id,
        f"prior-data conflict ({worst or 'no proper prior'}, smallest p)",
        list(found.values()),
        CONFLICT_P,
        f"prior set {priors.name!r} all but rules out what the data say: see that reference values, contrasts and the "
        "horizon are in the units of the data, or take a wider prior",
    )


def check_agreement(model_id: str, agreement: Sequence[Agreement], other: str = "engine collapsed") -> Check:
    """Check that two engines agree on every parameter within Monte-Carlo error."""
    return _at_most(
        model_id,
        f"agreement with {other} (worst |z|)",
        [abs(z) for item in agreement for z in (item.z_mean, item.z_sd)],
        Z_LIMIT,
        "the engines disagree beyond Monte-Carlo error: run longer chains, then report the case",
    )


def _values(summaries: Sequence[Summary], name: str) -> list[float]:
    return [float(getattr(summary, name)) for summary in summaries]


def _sampler_checks(fit: PosteriorFit) -> list[Check]:
    stats, name = fit.sample_stats, fit.model_id
    divergent, deepest = (
        [float(np.sum(stats[key]))] if key in stats else [] for key in ("diverging", "reached_max_treedepth")
    )
    slow = "the energy explores slowly: reparametrise or tune longer"
    return [
        _at_most(name, "divergences", divergent, 0.0, "raise target_accept or sample the non-centred model"),
        _at_most(name, "max tree depth reached", deepest, 0.0, "raise the tree depth or rescale time"),
        _at_least(name, "E-BFMI", _ebfmi(stats), 0.3, slow),
    ]


def _ebfmi(stats: Mapping[str, Array]) -> list[float]:
    """E(dE^2) / Var(E) of each chain; none without energies that move."""
    if "energy" not in stats or stats["energy"].shape[1] < 2:
        return []
    energy = np.asarray(stats["energy"], dtype=float)
    spread = np.var(energy, axis=1)
    steps = np.mean(np.diff(energy, axis=1) ** 2, axis=1)
    return [float(step / var) if var > 0.0 else np.nan for step, var in zip(steps, spread, strict=True)]


def check_scores(scores: Mapping[Target, Score]) -> list[Check]:
    """Check the Pareto k of each score; only that of a new patient is a gate.

    Conditional scores are expected to be poor, and the integrated ones stand beside them, so both only
    remark.
    """
    advice = {
        "new_patient": "refit without these patients",
        "new_visit": "refit without these visits",
        "new_visit_conditional": "prefer the score with the effects integrated out",
        "new_cluster": "refit without these groups",
    }
    return [
        Check(
            model_id=score.model_id,
            name=f"Pareto k above {PARETO_K_THRESHOLD} ({target})",
            value=float(score.n_bad_k),
            threshold=0.0,
            status=_score_status(score),
            gate=target == "new_patient",
            advice=advice[target],
        )
        for target, score in scores.items()
    ]


def _score_status(score: Score) -> Status:
    if score.n_bad_k:
        return "fail"
    return "not_checked" if np.any(np.isnan(score.pareto_k)) or not np.isfinite(score.elpd) else "pass"


def _at_most(model_id: str, name: str, values: Sequence[float], threshold: float, advice: str) -> Check:
    worst = max((value for value in values if not np.isnan(value)), default=float("nan"))
    return _check(model_id, name, values, worst, threshold, worst <= threshold, advice)


def _at_least(model_id: str, name: str, values: Sequence[float], threshold: float, advice: str) -> Check:
    worst = min((value for value in values if not np.isnan(value)), default=float("nan"))
    return _check(model_id, name, values, worst, threshold, worst >= threshold, advice)


def _check(
    model_id: str,
    name: str,
    values: Sequence[float],
    worst: float,
    threshold: float,
    good: bool,
    advice: str,
) -> Check:
    """Judge the worst of some values: one that fails decides, then one that is missing."""
    status: Status = "pass" if good else "fail"
    if not values or np.isnan(worst) or (good and np.any(np.isnan(values))):
        status = "not_checked"
    return Check(
        model_id=model_id,
        name=name,
        value=worst,
        threshold=threshold,
        status=status,
        gate=True,
        advice=advice,
    )
