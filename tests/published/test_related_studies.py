"""Across studies: sceptical p, replication Bayes factor and a prior from related studies, by other means."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from bayes_alliance.cli.main import main
from bayes_alliance.errors import InputError
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.published.related_studies import (
    MAP,
    MAP_ROBUST,
    across_studies,
    meta_analyse,
    related_region,
    replicate,
    replication_factor,
    scale_region,
    sceptical_p,
)
from bayes_alliance.published.reverse_bayes import intrinsic_p
from bayes_alliance.published.rounding_region import Region, build_region
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.publication import RelatedRole, RelatedStudy
from bayes_alliance.study.records import Study

MODELS = Path(__file__).resolve().parents[2] / "models"


def _point(estimate: float, se: float) -> Region:
    """A cell with so many digits that nothing is left open."""
    ends = sorted((estimate * (1 - 1e-9), estimate * (1 + 1e-9)))
    region = build_region((ends[0] - 1e-12, ends[1] + 1e-12), (se * (1 - 1e-9), se * (1 + 1e-9)))
    assert region is not None
    return region


def _related(
    printed: str, role: RelatedRole = "", label: str = "Elsewhere 2019", factor: float = 1.0
) -> RelatedStudy:
    return RelatedStudy(
        label=label,
        citation="invented",
        model="tasks_outcome",
        coefficient="months:poor_outcome",
        printed=printed,
        role=role,
        factor=factor,
    )


def _with(*related: RelatedStudy) -> Study:
    study = load_study("folmo2020")
    return dataclasses.replace(study, publication=dataclasses.replace(study.publication, related=related))


def _by_definition(bo: float, so: float, br: float, sr: float) -> float:
    """Least one-sided level at which the replication refutes the sceptic whom the original just fails to convince."""

    def excess(alpha: float) -> float:
        z = float(stats.norm.isf(alpha))
        sceptic = so**2 / ((bo / so / z) ** 2 - 1.0)  # variance of the sceptical prior at this level
        return abs(br) / math.sqrt(sceptic + sr**2) - z

    limit = float(stats.norm.sf(min(abs(bo) / so, abs(br) / sr)))
    return float(optimize.brentq(excess, limit * (1 + 1e-9), 0.5 - 1e-12))


@pytest.mark.parametrize(
    ("bo", "so", "br", "sr"),
    [(0.5, 0.2, 0.4, 0.1), (0.21, 0.05, 0.09, 0.045), (-0.3, 0.1, -0.3, 0.1), (1.0, 0.1, 0.2, 0.08)],
)
def test_sceptical_p_is_that_of_its_definition(bo: float, so: float, br: float, sr: float) -> None:
    """The closed form solves the condition that Held (2020) defines it by."""
    found = float(sceptical_p(np.array(bo), np.array(so), np.array(br), np.array(sr)))
    assert found == pytest.approx(_by_definition(bo, so, br, sr), rel=1e-6)


def test_pairs_are_those_of_replicationsuccess_and_bayesrep() -> None:
    """72 pairs, of either sign and every ratio of variances, by two R packages (tests/reference/replication.R)."""
    file = Path(__file__).parents[1] / "reference" / "replication.json"
    pairs = json.loads(file.read_text(encoding="utf-8"))
    assert len(pairs) == 72
    bo, so, br, sr, p, factor = (
        np.array([pair[name] for pair in pairs])
        for name in ("bo", "so", "br", "sr", "one_sided", "log_factor")
    )
    assert np.any(bo * br < 0.0) and np.any(so == sr)
    np.testing.assert_allclose(sceptical_p(bo, so, br, sr), p, rtol=1e-9)
    np.testing.assert_allclose(replication_factor(bo, so, br, sr), factor, rtol=1e-9, atol=1e-12)


def test_sceptical_p_of_a_study_repeated_is_the_p_of_intrinsic_credibility() -> None:
    """With the same estimate and SE twice it is half of Held's (2019) two-sided p for intrinsic credibility."""
    b, s = np.array([0.3, 0.5]), np.array([0.1, 0.15])
    np.testing.assert_allclose(sceptical_p(b, s, b, s), 0.5 * intrinsic_p(b, s), rtol=1e-12)


def test_sceptical_p_exceeds_both_p_values_and_turns_with_the_sign() -> None:
    """It is never below either one-sided p, and above one half where the signs differ."""
    rng = np.random.default_rng(1)
    bo, br = rng.normal(0, 2, 500), rng.normal(0, 2, 500)
    so, sr = rng.uniform(0.2, 2, 500), rng.uniform(0.2, 2, 500)
    p = sceptical_p(bo, so, br, sr)
    same = bo * br > 0
    limits = np.maximum(stats.norm.sf(np.abs(bo / so)), stats.norm.sf(np.abs(br / sr)))
    assert np.all(p[same] >= limits[same] - 1e-12)
    assert np.all(p[~same] >= 0.5)


def test_replication_bayes_factor_is_a_ratio_of_integrals() -> None:
    """Marginal likelihood of the replication under the original's posterior, over that under no effect."""
    bo, so, br, sr = 0.4, 0.15, 0.3, 0.12
    effect = integrate.quad(lambda t: stats.norm.pdf(br, t, sr) * stats.norm.pdf(t, bo, so), -2, 3)[0]
    found = float(replication_factor(np.array(bo), np.array(so), np.array(br), np.array(sr)))
    assert found == pytest.approx(math.log(effect / stats.norm.pdf(br, 0.0, sr)), rel=1e-7)


def test_meta_analysis_is_brute_force() -> None:
    """Average, SD between studies and the next study's effect, against draws weighed by the likelihood."""
    cells = [(0.6, 0.2), (0.1, 0.15), (0.4, 0.3)]
    prior, scale = (0.0, 1.0), 0.3
    found = meta_analyse([_point(*cell) for cell in cells], prior=prior, scale=scale)
    rng = np.random.default_rng(2)
    n = 1_000_000
    mu, tau = rng.normal(*prior, n), np.abs(rng.normal(0, scale, n))
    log = sum(stats.norm.logpdf(b, mu, np.hypot(s, tau)) for b, s in cells)
    weight = np.exp(log - np.max(log))
    weight /= weight.sum()
    mean = float(weight @ mu)
    assert found.average[0] == pytest.approx(mean, abs=0.005)
    assert found.average[1] == pytest.approx(math.sqrt(weight @ (mu - mean) ** 2), rel=0.01)
    order = np.argsort(tau)
    assert found.between == pytest.approx(np.interp(0.5, np.cumsum(weight[order]), tau[order]), rel=0.02)
    spread = math.sqrt(weight @ ((mu - mean) ** 2 + tau**2))
    assert found.predictive.moments[1] == pytest.approx(spread, rel=0.01)


def test_studies_that_agree_exactly_leave_the_common_effect() -> None:
    """With next to no room for heterogeneity the average is that of inverse-variance weights."""
    cells = [(0.5, 0.1), (0.3, 0.2)]
    found = meta_analyse([_point(*cell) for cell in cells], prior=(0.0, 100.0), scale=1e-6)
    precision = sum(s**-2 for _, s in cells)
    assert found.average[0] == pytest.approx(sum(b / s**2 for b, s in cells) / precision, abs=1e-6)
    assert found.average[1] == pytest.approx(precision**-0.5, rel=1e-4)


def test_rounding_is_carried_through() -> None:
    """A cell with fewer digits leaves a wider prior than one with many."""
    fine, coarse = build_region((0.295, 0.305), (0.095, 0.105)), build_region((0.25, 0.35), (0.05, 0.15))
    assert fine is not None and coarse is not None
    spread = [meta_analyse([r], prior=(0.0, 10.0), scale=0.05).average[1] for r in (fine, coarse)]
    assert spread[1] > 1.03 * spread[0]


def test_a_related_study_in_another_unit_is_the_same() -> None:
    """Years in place of months, and the other group as reference: the factor turns them back."""
    region = build_region((-0.055, -0.045), (0.015, 0.025), planes=((1.0, -0.5, 0.0),))
    assert region is not None
    turned = scale_region(region, -12.0)
    assert turned is not None
    assert turned.area == pytest.approx(144.0 * region.area)
    assert turned.weight @ turned.estimate == pytest.approx(-12.0 * (region.weight @ region.estimate))
    assert turned.weight @ turned.se == pytest.approx(12.0 * (region.weight @ region.se))


@pytest.mark.slow
def test_a_prior_from_agreeing_studies_sharpens_and_a_robust_one_lets_go() -> None:
    """Two studies like this one narrow the posterior; one that conflicts moves the robust posterior less."""
    agreeing = across_studies(_with(_related("-0.031 (0.010)"), _related("-0.028 (0.009)", label="B")))[0]
    by_prior = {one.prior: one for one in agreeing.posteriors}
    assert by_prior[MAP].sd.value < 0.9 * by_prior["neutral"].sd.value
    conflicting = across_studies(_with(_related("0.060 (0.008)"), _related("0.055 (0.008)", label="B")))[0]
    found = {one.prior: one.mean.value for one in conflicting.posteriors}
    assert found["neutral"] < found[MAP_ROBUST] < found[MAP]


def test_roles_tell_original_from_replication() -> None:
    """The sceptical p takes the direction and the variance ratio from the roles."""
    study = _with()
    key = ("tasks_outcome", "months:poor_outcome")
    effect = next(e for e in printed_effects(study) if (e.cell.model, e.cell.coefficient) == key)
    stated = _related("-0.050 (0.010)")
    region = related_region(study, stated, effect.df_low)
    assert region is not None
    roles: tuple[RelatedRole, ...] = ("original", "replication")
    first, second = (replicate(effect, region, dataclasses.replace(stated, role=role)) for role in roles)
    assert first.compatibility_z.value == pytest.approx(-second.compatibility_z.value)
    assert first.log_bayes_factor.value != pytest.approx(second.log_bayes_factor.value, rel=0.01)
    assert first.sceptical_p.low <= first.sceptical_p.value <= first.sceptical_p.high < 0.2


def _folder(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "folmo2020"
    shutil.copytree(MODELS / "folmo2020", folder, ignore=shutil.ignore_patterns("cohorts"))
    file = folder / "study.toml"
    file.write_text(file.read_text() + text)
    return folder


@pytest.mark.slow
def test_the_command_shows_related_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``printed`` has both tables where the study file names related studies, and neither where it does not."""
    more = (
        '\n[published.heterogeneity]\ntasks = 0.4\n\n[[published.related]]\nlabel = "Elsewhere 2019"\n'
        'citation = "invented"\nmodel = "tasks_outcome"\ncoefficient = "months:poor_outcome"\n'
        'printed = "-0.36 [-0.6, -0.12]"\nfactor = 0.08333333333333333\nrole = "original"\n'
    )
    assert main(["printed", str(_folder(tmp_path, more)), "--prior", "neutral", "--json", "-"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert [row["prior"] for row in tables["related_priors"]] == ["neutral", MAP, MAP_ROBUST]
    assert 0.0 < tables["replications"][0]["sceptical_p"] < 0.05


def test_a_related_study_that_cannot_be_is_named(tmp_path: Path) -> None:
    """Every problem at once: no such coefficient, no SE, a factor of zero, a heterogeneity that is not above zero."""
    more = (
        "\n[published.heterogeneity]\ntasks = 0\n"
        + '\n[[published.related]]\nlabel = "A"\ncitation = "x"\nmodel = "tasks_outcome"\ncoefficient = "months:age"\n'
        + 'printed = "-0.03"\nfactor = 0\nrole = "sequel"\n'
    )
    with pytest.raises(InputError) as caught:
        load_study(str(_folder(tmp_path, more)))
    said = str(caught.value)
    for part in ("role", "factor"):
        assert part in said
    more = more.replace("factor = 0\n", "").replace('role = "sequel"\n', "")
    shutil.rmtree(tmp_path / "folmo2020")
    with pytest.raises(InputError) as caught:
        load_study(str(_folder(tmp_path, more)))
    said = str(caught.value)
    for part in ("months:age", "malformed 'printed'", "not above zero", "published.related"):
        assert part in said


def test_the_shipped_pair_is_that_of_the_formulas() -> None:
    """Beat the Blues and de Graaf (2009): all three numbers by root finding and integration."""
    found = across_studies(load_study("hothorn2014"))
    assert {one.effect.cell.coefficient for one in found} == {"btheb"}
    (pair,) = found[0].replications
    bo, so, br, sr = -2.32908, 1.67036, -10.30 * 0.145101, 10.30 * 0.140574
    assert pair.sceptical_p.value == pytest.approx(_by_definition(bo, so, br, sr), abs=1e-5)
    effect = integrate.quad(lambda t: stats.norm.pdf(br, t, sr) * stats.norm.pdf(t, bo, so), -15, 10)[0]
    factor = math.log(effect / stats.norm.pdf(br, 0.0, sr))
    assert pair.log_bayes_factor.value == pytest.approx(factor, abs=1e-5)
    assert pair.compatibility_z.value == pytest.approx((br - bo) / math.hypot(so, sr), abs=1e-4)
    # The pooled SD that turns Hedges' g into points: 10.4 with 100 patients, 10.2 with 103.
    assert pair.related.factor == pytest.approx(-math.sqrt((99 * 10.4**2 + 102 * 10.2**2) / 201), abs=0.005)
