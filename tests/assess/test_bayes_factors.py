import dataclasses
import itertools

import numpy as np
import pytest

from bayes_alliance.assess.bayes_factors import WIDTHS, NamedEffect, bayes_factor_curves
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from tests.inference.test_collapsed import paper_design, used


def without(design, priors, name):
    """The model without an effect, under the prior of the other effects given that this one is zero."""
    at = design.x_names.index(name)
    keep = [i for i, n in enumerate(design.x_names) if n != name]
    smaller = dataclasses.replace(design, x=design.x[:, keep], x_names=tuple(design.x_names[i] for i in keep))
    covariance = priors.covariance
    gain = covariance[keep, at] / covariance[at, at]
    mean = priors.mean[keep] - gain * priors.mean[at]
    left = covariance[np.ix_(keep, keep)] - np.outer(gain, covariance[at, keep])
    return smaller, priors.with_root(mean, np.linalg.cholesky(left))


def curve_of(design, priors, weights, **settings):
    """The curve of a single effect."""
    (curve,) = bayes_factor_curves(design, priors, [NamedEffect(weights=weights)], **settings)
    return curve


def test_effects_of_one_model_are_tested_each_by_itself():
    """Together or alone, an effect has the same curve: only the draws are shared."""
    design, priors = paper_design()
    effects = [NamedEffect(weights=[(name, 1.0)], name=name) for name in design.x_names[2:]]
    together = bayes_factor_curves(design, priors, effects, seed=1)
    assert [curve.name for curve in together] == list(design.x_names[2:])
    assert len({curve.stated.log_bf10 for curve in together}) == len(effects) > 1
    for effect, curve in zip(effects, together, strict=True):
        assert curve_of(design, priors, effect.weights, seed=1).points == curve.points
    assert bayes_factor_curves(design, priors, [], seed=1) == []


@pytest.mark.parametrize("width", [0.25, 1.0, 4.0])
def test_bayes_factor_is_the_ratio_of_evidences(width):
    """At every prior width the density ratio equals the ratio of the two models' evidences."""
    design, priors = paper_design()
    name = "months:poor_outcome"
    at = design.x_names.index(name)
    curve = curve_of(design, priors, [(name, 1.0)], seed=1, widths=(1.0, width), count=20_000)
    many = CollapsedSettings(draws=20_000)
    full = fit_collapsed(design, used(design), priors.widened(np.eye(4)[at], width), seed=2, settings=many)
    small_design, small_priors = without(design, priors, name)
    small = fit_collapsed(small_design, used(design), small_priors, seed=3, settings=many)
    expected = full.facts["log_evidence"] - small.facts["log_evidence"]
    point = next(p for p in curve.points if p.width == width)
    assert abs(point.log_bf10 - expected) < 0.03
    assert point.error < 0.02


def test_far_from_zero_the_bayes_factor_is_still_a_number():
    """Densities at zero below the smallest double: prior and posterior twenty and more SDs from zero."""
    design, priors = paper_design()
    at = design.x_names.index("months:poor_outcome")
    mean = np.where(np.arange(4) == at, 1.0, priors.mean)
    far = dataclasses.replace(
        priors, mean=mean, sd=np.where(np.arange(4) == at, 0.02, priors.sd), factor=None
    )
    curve = curve_of(design, far, [("months:poor_outcome", 1.0)], seed=1, widths=(1.0, 0.5))
    assert all(np.isfinite(point.log_bf10) and np.isfinite(point.error) for point in curve.points)
    # Normal prior N(1, 0.02^2) at zero: -0.5 * 50^2 - log(0.02) - 0.5 log(2 pi)
    assert curve.stated.prior_sd == pytest.approx(0.02)


def test_wide_priors_favour_no_effect():
    """Beyond the size of the effect, each doubling of the prior width costs the effect about log 2."""
    design, priors = paper_design()
    curve = curve_of(design, priors, [("months:poor_outcome", 1.0)], seed=1, widths=(1, 2, 4, 8, 16))
    logs = [p.log_bf10 for p in curve.points]
    assert all(later < earlier for earlier, later in itertools.pairwise(logs))
    assert abs((logs[-2] - logs[-1]) - np.log(2.0)) < 0.05


def test_no_effect_in_the_data_is_evidence_for_none():
    """An outcome made without the effect gives a Bayes factor below one."""
    design, priors = paper_design()
    rng = np.random.default_rng(1)
    idle = dataclasses.replace(design, y=4.0 + 0.7 * rng.standard_normal(design.n_rows))
    curve = curve_of(idle, priors, [("months:poor_outcome", 1.0)], seed=1)
    assert curve.stated.log_bf10 < 0.0


def test_curve_holds_the_stated_prior():
    """The stated width is among the widths, has the stated prior SD, and is required."""
    design, priors = paper_design()
    curve = curve_of(design, priors, [("months:poor_outcome", 1.0)], seed=1)
    assert len(curve.points) == len(WIDTHS)
    assert curve.stated.prior_sd == pytest.approx(priors.sd[3])
    with pytest.raises(ValueError, match="stated prior"):
        curve_of(design, priors, [("months:poor_outcome", 1.0)], seed=1, widths=(2.0,))


def test_stated_error_is_the_spread_over_seeds():
    """Over 40 seeds the log Bayes factor spreads by about its stated Monte-Carlo error, none to spare."""
    design, priors = paper_design()
    stated = [
        curve_of(design, priors, [("months:poor_outcome", 1.0)], seed=seed, count=500).stated
        for seed in range(40)
    ]
    spread = np.std([point.log_bf10 for point in stated], ddof=1)
    assert 0.5 < spread / np.mean([point.error for point in stated]) < 1.6
