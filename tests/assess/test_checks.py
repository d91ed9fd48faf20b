"""Gates: what is planted fails, what is not known never passes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bayes_alliance.assess.check_record import Check, failed_gates, unchecked_gates
from bayes_alliance.assess.checks import check_agreement, check_fit, check_posterior, check_scores
from bayes_alliance.assess.engine_agreement import Agreement
from bayes_alliance.assess.loo import Score, Target
from bayes_alliance.assess.summaries import Quantity, summarise_draws
from bayes_alliance.inference.fits import Array, Effect, PosteriorFit
from bayes_alliance.inference.ml import fit_mixed
from tests.known_posteriors import made_up_posterior, make_design, make_rows, rows_used

DESIGN = make_design(make_rows(12), "y ~ time + (time | patient)")
SHAPE = (4, 500)
GATES = {
    "R-hat",
    "ESS bulk",
    "ESS tail",
    "MCSE / SD",
    "divergences",
    "max tree depth reached",
    "E-BFMI",
}


def _healthy(seed: int = 1) -> PosteriorFit:
    """Independent draws of everything, with a sampler that had no trouble."""
    rng = np.random.default_rng(seed)
    return made_up_posterior(
        DESIGN,
        beta=rng.normal(size=(*SHAPE, 2)),
        sd=np.exp(0.1 * rng.normal(size=(*SHAPE, 2))),
        correlation=0.1 * rng.normal(size=SHAPE),
        sigma=np.exp(0.1 * rng.normal(size=SHAPE)),
        sample_stats={
            "diverging": np.zeros(SHAPE),
            "reached_max_treedepth": np.zeros(SHAPE),
            "energy": rng.normal(size=SHAPE),
        },
    )


def _with_stats(**changed: Array | None) -> PosteriorFit:
    fit = _healthy()
    stats = {**fit.sample_stats, **changed}
    return dataclasses.replace(fit, sample_stats={k: v for k, v in stats.items() if v is not None})


def _status(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.status for check in checks}


def test_a_healthy_posterior_passes_every_gate() -> None:
    """Independent draws pass all seven gates, each of which is a gate."""
    checks = check_posterior(_healthy(), ())
    assert _status(checks) == dict.fromkeys(GATES, "pass")
    assert all(check.gate for check in checks)
    assert failed_gates(checks) == unchecked_gates(checks) == []


def test_one_divergence_fails() -> None:
    """A single divergent transition is enough; nothing else is touched by it."""
    diverging = np.zeros(SHAPE)
    diverging[2, 77] = 1.0
    checks = check_posterior(_with_stats(diverging=diverging), ())
    assert [(c.name, c.value, c.threshold) for c in failed_gates(checks)] == [("divergences", 1.0, 0.0)]


def test_reached_tree_depth_fails() -> None:
    """So is one trajectory that was cut off."""
    deepest = np.zeros(SHAPE)
    deepest[0, 0] = 1.0
    checks = check_posterior(_with_stats(reached_max_treedepth=deepest), ())
    assert [c.name for c in failed_gates(checks)] == ["max tree depth reached"]


def test_energies_that_creep_in_one_chain_fail() -> None:
    """A random walk of the energy has an E-BFMI near zero; the worst chain decides."""
    energy = np.random.default_rng(2).normal(size=SHAPE)
    energy[3] = np.cumsum(energy[3])
    (failed,) = failed_gates(check_posterior(_with_stats(energy=energy), ()))
    assert (failed.name, failed.threshold) == ("E-BFMI", 0.3)
    assert failed.value < 0.1


def test_chains_apart_and_sticky_chains_fail() -> None:
    """Chains at different places fail R-hat; a random walk fails ESS and MCSE too."""
    fit = _healthy()
    apart = dataclasses.replace(fit, sigma=fit.sigma + np.arange(4.0)[:, None])
    assert "R-hat" in {c.name for c in failed_gates(check_posterior(apart, ()))}
    walk = np.cumsum(np.random.default_rng(3).normal(size=SHAPE), axis=1)
    sticky = dataclasses.replace(fit, sigma=10.0 + 0.01 * walk)
    assert {"R-hat", "ESS bulk", "MCSE / SD"} <= {c.name for c in failed_gates(check_posterior(sticky, ()))}


def test_a_few_draws_fail_the_effective_sample_size() -> None:
    """Fifty draws a chain are not worth a hundred, and 100 a chain is what is asked."""
    fit = _healthy()
    short = dataclasses.replace(
        fit,
        **{name: getattr(fit, name)[:, :50] for name in ("beta", "sd", "correlation", "sigma")},
        sample_stats={name: values[:, :50] for name, values in fit.sample_stats.items()},
    )
    found = {c.name: c for c in failed_gates(check_posterior(short, ()))}
    assert found["ESS bulk"].threshold == 400.0
    assert found["ESS bulk"].value < 400.0


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("diverging", "divergences"),
        ("reached_max_treedepth", "max tree depth reached"),
        ("energy", "E-BFMI"),
    ],
)
def test_a_statistic_that_the_sampler_does_not_give_is_not_checked(missing: str, name: str) -> None:
    """What nobody counted has not passed."""
    checks = check_posterior(_with_stats(**{missing: None}), ())
    assert [c.name for c in unchecked_gates(checks)] == [name]
    assert failed_gates(checks) == []


@pytest.mark.parametrize("name", ["diverging", "reached_max_treedepth", "energy"])
def test_a_statistic_that_is_nan_is_not_checked(name: str) -> None:
    """NaN compares as false either way; it is neither a pass nor a fail."""
    checks = check_posterior(_with_stats(**{name: np.full(SHAPE, np.nan)}), ())
    assert len(unchecked_gates(checks)) == 1
    assert np.isnan(unchecked_gates(checks)[0].value)


def test_a_parameter_that_never_moved_is_not_passed_over() -> None:
    """R-hat and ESS of a stuck parameter do not exist: the gates stay open, whatever the others do."""
    fit = _healthy()
    stuck = dataclasses.replace(fit, sigma=np.ones(SHAPE))
    names = {c.name for c in unchecked_gates(check_posterior(stuck, ()))}
    assert names == {"R-hat", "ESS bulk", "ESS tail", "MCSE / SD"}


def test_a_parameter_stuck_at_another_value_in_each_chain_fails() -> None:
    """An infinite R-hat is a failure, not a gap."""
    stuck = dataclasses.replace(_healthy(), sigma=np.repeat(np.arange(1.0, 5.0)[:, None], 500, axis=1))
    assert "R-hat" in {c.name for c in failed_gates(check_posterior(stuck, ()))}


def test_a_failure_counts_more_than_a_gap() -> None:
    """Where one quantity fails and another cannot be judged, the gate fails."""
    fit = _healthy()
    both = dataclasses.replace(
        fit, sigma=np.ones(SHAPE), correlation=fit.correlation + np.arange(4.0)[:, None]
    )
    assert _status(check_posterior(both, ()))["R-hat"] == "fail"


def test_reported_quantities_are_checked_beside_the_parameters() -> None:
    """A quantity that mixes badly fails the gate though every parameter passes."""
    fit = _healthy()
    drifting = np.linspace(0.0, 5.0, 500) + np.random.default_rng(1).normal(size=SHAPE)
    effect = Effect(estimate=0.0, se=1.0, df=10.0, p=1.0)
    quantity = Quantity(
        model_id="known",
        name="share",
        label="",
        kind="slope",
        ml=effect,
        reml=effect,
        bayes=summarise_draws(drifting, name="share"),
    )
    assert "R-hat" in {c.name for c in failed_gates(check_posterior(fit, [quantity]))}


def test_ml_that_did_not_converge_fails_and_a_singular_fit_is_a_remark() -> None:
    """Convergence is a gate; a variance at zero is a property of the data."""
    fit = fit_mixed(DESIGN, rows_used(DESIGN), model_id="m")
    reml = fit_mixed(DESIGN, rows_used(DESIGN), model_id="m", method="REML")
    assert {c.status for c in check_fit(fit, reml)} == {"pass"}
    checks = check_fit(dataclasses.replace(fit, converged=False), dataclasses.replace(reml, singular=True))
    assert [c.name for c in failed_gates(checks)] == ["ML converged"]
    assert _status(checks)["REML not singular"] == "fail"


def _score(target: Target, pareto_k: list[float], elpd: float = -5.0) -> Score:
    return Score(
        target=target,
        model_id="m",
        rows=rows_used(DESIGN),
        elpd=elpd,
        se=1.0,
        p_loo=1.0,
        elpd_i=np.full(len(pareto_k), elpd / len(pareto_k)),
        pareto_k=np.array(pareto_k),
        n_draws=4000,
    )


def test_high_pareto_k_of_a_new_patient_is_a_gate_and_of_visits_a_remark() -> None:
    """The score that decides has to be trusted; the others only say how far they can be."""
    targets: tuple[Target, ...] = ("new_patient", "new_visit", "new_visit_conditional")
    checks = check_scores({target: _score(target, [0.2, 0.71]) for target in targets})
    assert [c.status for c in checks] == ["fail"] * 3
    assert [c.name for c in failed_gates(checks)] == ["Pareto k above 0.7 (new_patient)"]


def test_pareto_k_up_to_the_threshold_passes() -> None:
    """0.7 itself is good enough."""
    (check,) = check_scores({"new_patient": _score("new_patient", [0.1, 0.7])})
    assert (check.status, check.value) == ("pass", 0.0)


def test_infinite_pareto_k_fails() -> None:
    """Weights without a tail to fit are not trusted."""
    (check,) = check_scores({"new_patient": _score("new_patient", [0.1, np.inf])})
    assert check.status == "fail"


@pytest.mark.parametrize(("k", "elpd"), [(np.nan, -5.0), (0.1, np.nan), (0.1, -np.inf)])
def test_a_score_or_pareto_k_that_is_not_finite_does_not_pass(k: float, elpd: float) -> None:
    """What PSIS could not compute is not checked."""
    (check,) = check_scores({"new_patient": _score("new_patient", [0.1, k], elpd)})
    assert check.status == "not_checked"


def _agreement(z_mean: float, z_sd: float) -> Agreement:
    return Agreement(
        model_id="m",
        name="x",
        first="pymc",
        second="collapsed",
        mean_first=0.0,
        mean_second=0.0,
        sd=1.0,
        shift_in_sd=0.0,
        z_mean=z_mean,
        z_sd=z_sd,
    )


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([(1.0, -4.9)], "pass"),
        ([(-5.1, 0.0)], "fail"),
        ([(1.0, 0.0), (np.nan, 0.0)], "not_checked"),
        ([(9.0, 0.0), (np.nan, 0.0)], "fail"),
        ([], "not_checked"),
    ],
)
def test_engines_that_disagree_fail(values: list[tuple[float, float]], status: str) -> None:
    """The worst |z| decides; a gap is no agreement, and does not hide a disagreement."""
    assert check_agreement("m", [_agreement(*pair) for pair in values]).status == status


def test_only_failed_gates_count_as_failed() -> None:
    """Neither a remark nor a gap is a failed gate."""
    base = check_agreement("m", [_agreement(9.0, 0.0)])
    remark = dataclasses.replace(base, gate=False)
    gap = dataclasses.replace(base, status="not_checked")
    assert failed_gates([base, remark, gap]) == [base]
    assert unchecked_gates([base, remark, gap]) == [gap]
