"""What a prior says does not hang on how predictors are coded: the same posterior by every engine.

Codings of one model: another reference level, a coefficient for every cell, plus and minus one, predictors off centre
(calendar years), time in days from another origin. A posterior under independent priors on coefficients, as version
0.1.0 had them, fails these tests; the last ones show that it does.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.assess.summaries import effective_draws
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.inference.pymc.sample import SamplerSettings, fit_bambi, fit_pymc
from bayes_alliance.study.mean_prior import PriorError, mean_prior, restate
from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.records import Estimand, Model, Study
from tests.builders import VARIABLES, build_study, build_variable
from tests.known_posteriors import make_design, rows_used

N, VISITS = 60, 4
CELLS = ("g0", "g1", "p0", "p1")
SCALES = PriorScales(
    intercept=(4.5, 1.5),
    slope=(0.0, 1.5),
    effect_intercept=(0.0, 1.0),
    effect_slope=(0.0, 1.5),
    sd_intercept=1.0,
    sd_slope=1.5,
    sigma=1.0,
    lkj_eta=2.0,
)


def _rows(seed: int = 1) -> pd.DataFrame:
    """Sixty patients in four cells of unequal size, with a year of intake that matters."""
    rng = np.random.default_rng(seed)
    cell = rng.choice(4, N, p=[0.45, 0.1, 0.3, 0.15])
    year = rng.normal(0.0, 3.0, N)
    patient = np.repeat(np.arange(N), VISITS)
    months = np.tile([0.0, 12.0, 24.0, 36.0], N)
    change = np.array([0.8, 0.6, -0.1, -1.0])[cell] + 0.15 * year
    effects = rng.multivariate_normal([0.0, 0.0], [[0.6, -0.2], [-0.2, 0.5]], N)
    goals = 4.6 + 0.1 * year[patient] + effects[patient, 0]
    goals += (change + effects[:, 1])[patient] * months / 36.0 + rng.normal(0.0, 0.6, len(months))
    return pd.DataFrame(
        {
            "patient": [f"p{i:03d}" for i in patient],
            "months": months,
            "goals": goals,
            "cell": pd.Categorical(np.array(CELLS)[cell[patient]], CELLS),
            "poor": (cell[patient] >= 2).astype(float),
            "year": year[patient],
        }
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coding:
    """One way to write the same model, and what its coefficients say of the mean at stated points."""

    formula: str
    rows: pd.DataFrame
    horizon: float = 36.0
    categories: Sequence[str] = CELLS
    contrasts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    start: float = 0.0

    def study(self) -> Study:
        """The study that states the priors, in the unit of this coding."""
        contrasts = {"year": 3.0, **self.contrasts}
        variables = [*VARIABLES[:3], build_variable("goals", "visit")]
        variables += [
            dataclasses.replace(build_variable(name, "patient"), contrast=contrasts.get(name, 1.0))
            for name in ("year", "sign")
        ]
        variables.append(build_variable("poor", "patient", "binary"))
        variables.append(build_variable("cell", "patient", "category", categories=tuple(self.categories)))
        names = {v.name: v for v in variables}
        prior = PriorSet(name="neutral", label="", tag="", scales=(("goals", SCALES),))
        study = build_study(variables=tuple(names.values()))
        return dataclasses.replace(study, priors=(prior,), horizon=self.horizon)

    def design(self) -> Design:
        """Columns and rows."""
        return make_design(self.rows, self.formula)

    def means(self, beta: Array) -> Array:
        """Means of all rows from coefficients, shape (..., n_rows): the same in every coding."""
        return beta @ self.design().x.T


BASE = Coding(formula="goals ~ months*cell + (months | patient)", rows=_rows())
PLAIN = Coding(formula="goals ~ months*poor + (months | patient)", rows=_rows())
YEAR = Coding(formula="goals ~ months*year + (months | patient)", rows=_rows())


def _reordered() -> Coding:
    levels = ("p1", "g1", "g0", "p0")
    rows = _rows()
    rows["cell"] = rows["cell"].cat.reorder_categories(list(levels))
    return dataclasses.replace(BASE, rows=rows, categories=levels)


CODINGS: dict[str, tuple[Coding, Coding]] = {
    "another reference level": (BASE, _reordered()),
    "a coefficient for every cell": (
        BASE,
        dataclasses.replace(BASE, formula="goals ~ 0 + cell + months:cell + (months | patient)"),
    ),
    "plus and minus one": (
        PLAIN,
        Coding(
            formula="goals ~ months*sign + (months | patient)",
            rows=_rows().assign(sign=lambda r: 2.0 * r["poor"] - 1.0),
            contrasts={"sign": 2.0},
        ),
    ),
    "the other side is one": (
        PLAIN,
        dataclasses.replace(PLAIN, rows=_rows().assign(poor=lambda r: 1.0 - r["poor"])),
    ),
    "raw calendar years": (
        YEAR,
        dataclasses.replace(YEAR, rows=_rows().assign(year=lambda r: r["year"] + 2015.0)),
    ),
    "years as months": (
        YEAR,
        dataclasses.replace(
            YEAR, rows=_rows().assign(year=lambda r: 12.0 * (r["year"] + 2015.0)), contrasts={"year": 36.0}
        ),
    ),
    "days from another origin": (
        YEAR,
        dataclasses.replace(
            YEAR, rows=_rows().assign(months=lambda r: 30.0 * r["months"] + 7000.0), horizon=36.0 * 30.0
        ),
    ),
}


@pytest.mark.parametrize("name", CODINGS)
def test_the_prior_of_every_mean_is_the_same(name: str) -> None:
    """Mean and covariance, under the prior, of the means of all rows: a function of the model, not of its coding."""
    found = []
    for coding in CODINGS[name]:
        priors = coefficient_priors(coding.study(), coding.design(), "neutral")
        x = coding.design().x
        found.append((x @ priors.mean, x @ priors.root))
    (mean, root), (other_mean, other_root) = found
    np.testing.assert_allclose(other_mean, mean, atol=1e-7)
    np.testing.assert_allclose(other_root @ other_root.T, root @ root.T, atol=1e-6)


def _summaries(coding: Coding, fit: PosteriorFit) -> tuple[Array, Array, Array]:
    """Means, SDs and Monte-Carlo errors of the row means at twelve rows, and of sigma."""
    means = coding.means(fit.beta)[..., :: VISITS * N // 12]
    draws = np.concatenate([means, fit.sigma[..., None]], axis=-1)
    moved = np.moveaxis(draws, -1, 0)
    sd = moved.std(axis=(1, 2))
    error = sd / np.sqrt([effective_draws(fit, one) for one in moved])
    return moved.mean(axis=(1, 2)), sd, error


def _shift(name: str, fits: Sequence[PosteriorFit]) -> float:
    """Largest difference of posterior means, in Monte-Carlo errors of the difference."""
    first, second = (_summaries(coding, fit) for coding, fit in zip(CODINGS[name], fits, strict=True))
    return float(np.max(np.abs(first[0] - second[0]) / np.hypot(first[2], second[2])))


def _collapsed(coding: Coding, priors: CoefficientPriors | None = None, *, seed: int = 1) -> PosteriorFit:
    design = coding.design()
    priors = priors or coefficient_priors(coding.study(), design, "neutral")
    return fit_collapsed(design, rows_used(design), priors, seed=seed, settings=CollapsedSettings(draws=8000))


@pytest.mark.parametrize("name", CODINGS)
def test_the_posterior_is_the_same_by_engine_collapsed(name: str) -> None:
    """No posterior mean moves by more than three Monte-Carlo errors and a little for a dozen looks."""
    fits = [_collapsed(coding, seed=i + 1) for i, coding in enumerate(CODINGS[name])]
    assert _shift(name, fits) < 3.5


def _independent(coding: Coding) -> CoefficientPriors:
    """Priors as in version 0.1.0: independent ones on the coefficients, whatever these mean."""
    design = coding.design()
    units = []
    for name in design.x_names:
        parts = [part for part in name.split(":") if part != "months"]
        sd = 1.5 if not parts or parts == ["Intercept"] else (1.5 if "months" in name else 1.0)
        contrast = coding.study().every_variable[parts[0]].contrast if parts and parts[0] == "year" else 1.0
        units.append(sd / contrast / (coding.horizon if "months" in name else 1.0))
    mean = np.where([name == "Intercept" for name in design.x_names], 4.5, 0.0)
    joint = coefficient_priors(coding.study(), design, "neutral")
    return dataclasses.replace(joint, mean=mean, sd=np.array(units), factor=None)


def _sampled(engine: str, coding: Coding, seed: int, *, planted: bool) -> PosteriorFit:
    """Fit by NUTS, random effects integrated out (``pymc``) or sampled by plain Bambi."""
    design = coding.design()
    priors = _independent(coding) if planted else coefficient_priors(coding.study(), design, "neutral")
    # Bambi samples patients' effects too, at thirty times the cost: half the draws, of which 400 show what is planted.
    draws = 400 if planted else (1000 if engine == "pymc" else 500)
    how = SamplerSettings(draws=draws, tune=500 if engine == "pymc" else 800)
    rows = rows_used(design)
    if engine == "pymc":
        return fit_pymc(design, rows, priors, seed=seed, settings=how)
    return fit_bambi(design, rows, priors, coding.rows, seed=seed, settings=how)


# Bambi's effects are independent at time zero: another origin is another model there, which build_bambi_model refuses
# for correlated ones.
# It samples one coding of each model, at a quarter of a minute each: that it samples under the joint prior that it is
# given is held by test_correlated_effects.py, that this prior is the same in every coding by the first test here.
SAMPLED = [("pymc", name) for name in CODINGS] + [
    ("bambi", name) for name in ("a coefficient for every cell", "plus and minus one", "raw calendar years")
]


@functools.cache
def _reference(engine: str, formula: str) -> PosteriorFit:
    """Sample the first coding of a model once; several other codings are held to it."""
    first = next(one for one, _ in CODINGS.values() if one.formula == formula)
    return _sampled(engine, first, 0, planted=False)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "name"), SAMPLED)
def test_the_posterior_is_the_same_by_sampling(engine: str, name: str) -> None:
    """The same by NUTS on the marginal likelihood, and by plain Bambi."""
    first, other = CODINGS[name]
    fits = [_reference(engine, first.formula), _sampled(engine, other, 1, planted=False)]
    assert _shift(name, fits) < 3.5


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pymc", "bambi"])
def test_sampled_priors_on_coefficients_fail_this(engine: str) -> None:
    """With few draws the year of intake, raw or centred, has another posterior under priors on coefficients."""
    name = "raw calendar years"
    fits = [_sampled(engine, coding, seed, planted=True) for seed, coding in enumerate(CODINGS[name])]
    assert _shift(name, fits) > 3.5


@pytest.mark.parametrize("name", ["another reference level", "raw calendar years"])
def test_priors_on_coefficients_fail_this(name: str) -> None:
    """The same comparison under independent priors on coefficients shows the coding."""
    fits = [_collapsed(c, _independent(c), seed=i + 1) for i, c in enumerate(CODINGS[name])]
    assert _shift(name, fits) > 3.5


def test_an_uncentred_predictor_is_not_pinned_to_zero() -> None:
    """With raw years the slope of year is what lme4 or any flat prior says; version 0.1.0 gave next to nothing."""
    coding = CODINGS["raw calendar years"][1]
    design = coding.design()
    fit = _collapsed(coding)
    at = [design.x_names.index(name) for name in ("year", "months:year")]
    flat = dataclasses.replace(
        coefficient_priors(coding.study(), design, "neutral"), sd=np.full(4, np.inf), factor=None
    )
    free = _collapsed(coding, flat)
    for i in at:
        assert fit.beta[..., i].mean() == pytest.approx(
            free.beta[..., i].mean(), abs=0.15 * free.beta[..., i].std()
        )
        assert fit.beta[..., i].std() == pytest.approx(free.beta[..., i].std(), rel=0.1)
    pinned = _collapsed(coding, _independent(coding))
    assert abs(pinned.beta[..., at[0]].mean()) < 0.3 * abs(free.beta[..., at[0]].mean())


# -- statements on named estimands ----------------------------------------------------------------


def _stating(**pairs: tuple[float, float]) -> tuple[Study, Model]:
    w = {
        "in_good": (("months:cell[g1]", 1.0),),
        "in_poor": (("months:cell[p1]", 1.0), ("months:cell[p0]", -1.0)),
        "moderation": (("months:cell[p1]", 1.0), ("months:cell[p0]", -1.0), ("months:cell[g1]", -1.0)),
        "level": (("cell[g1]", 1.0),),
    }
    estimands = tuple(
        Estimand(name=n, label="", weights=ws, kind="level" if n == "level" else "slope_deviation")
        for n, ws in w.items()
    )
    model = Model(id="m", label="", family="", outcome="goals", formula=BASE.formula, estimands=estimands)
    study = BASE.study()
    prior = dataclasses.replace(
        study.priors[0], estimands=tuple(("m", name, pair) for name, pair in pairs.items())
    )
    return dataclasses.replace(study, priors=(prior,), models=(model,)), model


def test_a_statement_gives_the_estimand_its_mean_and_sd() -> None:
    """Slopes over the horizon, levels in points; what is not stated keeps its distribution given what is."""
    study, model = _stating(in_good=(0.0, 0.5), in_poor=(-1.8, 1.7), level=(0.3, 0.2))
    design = BASE.design()
    prior = mean_prior(study, design.formula, "neutral", x_names=design.x_names)
    found = {e.name: prior.combine(dict(e.weights)) for e in model.estimands}
    assert found["in_good"] == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.5 / 36))
    assert found["in_poor"] == (pytest.approx(-1.8 / 36), pytest.approx(1.7 / 36))
    assert found["level"] == (pytest.approx(0.3), pytest.approx(0.2))
    assert found["moderation"][0] == pytest.approx(-1.8 / 36)
    # Contrasts of different pairs of cells were independent, and stay so.
    assert found["moderation"][1] == pytest.approx(np.hypot(0.5, 1.7) / 36)


def test_statements_do_not_hang_on_the_reference_level() -> None:
    """Stated in one coding, the prior of every mean is the same in another."""
    study, _ = _stating(in_good=(0.2, 0.5), in_poor=(-1.8, 1.7))
    first = coefficient_priors(study, BASE.design(), "neutral")
    other = _reordered()
    moved = other.study()
    model = Model(
        id="m",
        label="",
        family="",
        outcome="goals",
        formula=other.formula,
        estimands=(
            Estimand(
                name="in_good",
                label="",
                weights=(("months:cell[g1]", 1.0), ("months:cell[g0]", -1.0)),
                kind="slope_deviation",
            ),
            Estimand(name="in_poor", label="", weights=(("months:cell[p0]", -1.0),), kind="slope_deviation"),
        ),
    )
    prior = dataclasses.replace(
        moved.priors[0], estimands=(("m", "in_good", (0.2, 0.5)), ("m", "in_poor", (-1.8, 1.7)))
    )
    second = coefficient_priors(
        dataclasses.replace(moved, priors=(prior,), models=(model,)), other.design(), "neutral"
    )
    x, y = BASE.design().x, other.design().x
    np.testing.assert_allclose(y @ second.mean, x @ first.mean, atol=1e-9)
    np.testing.assert_allclose(y @ second.covariance @ y.T, x @ first.covariance @ x.T, atol=1e-8)


def test_statements_that_contradict_each_other_are_refused() -> None:
    """The moderation is the difference of the two contrasts: it cannot be stated beside both."""
    study, _ = _stating(in_good=(0.0, 0.5), in_poor=(-1.8, 1.7), moderation=(1.0, 1.0))
    with pytest.raises(PriorError, match=r"m\.moderation: the estimands are linearly dependent"):
        coefficient_priors_error(study)


def coefficient_priors_error(study: Study) -> None:
    """Derive the prior without rows, as loading does."""
    mean_prior(study, BASE.design().formula, "neutral")


def test_restating_is_conditioning_on_a_new_marginal() -> None:
    """Jeffrey's rule, by brute force: draws of the old prior reweighted to the new marginal of the combination."""
    rng = np.random.default_rng(1)
    mean, root = rng.normal(size=3), rng.normal(size=(3, 3))
    w = np.array([[1.0, -0.5, 2.0]])
    old_mean, old_sd = float((w @ mean)[0]), float(np.linalg.norm(w @ root))
    new_mean, new_sd = old_mean + 0.5 * old_sd, 0.6 * old_sd
    changed, factor = restate(mean, root, w, np.array([new_mean]), np.array([new_sd]))
    z = rng.normal(size=(400_000, 3))
    draws = mean + z @ root.T
    e = draws @ w[0]
    logs = -0.5 * ((e - new_mean) / new_sd) ** 2 + 0.5 * ((e - old_mean) / old_sd) ** 2
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    np.testing.assert_allclose(changed, weights @ draws, atol=0.02)
    centred = draws - changed
    np.testing.assert_allclose(factor @ factor.T, (centred * weights[:, None]).T @ centred, atol=0.05)
