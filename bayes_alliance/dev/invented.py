"""Publications that never were: patients drawn, models fitted, tables rounded and printed, all honestly.

What the audit says of such a table is a false alarm, and what the posterior from the table alone should have
been is known, because the data are. Nothing here resembles a real study beyond its shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.dev.dialects import LEGENDS, POINT, Dialect, Sizes, fit_cells
from bayes_alliance.dev.invented_study import (
    CATEGORIES,
    FORMULAS,
    LEVELS,
    ORIGIN,
    build_study,
    crossed_estimands,
)
from bayes_alliance.inference.design import Design, find_reference
from bayes_alliance.inference.fits import Array, Effect, MixedFit, RowsUsed
from bayes_alliance.inference.ml import compare_means, compare_shares, estimate_effect, fit_mixed, score_aic
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.publication import Fact
from bayes_alliance.study.records import Cell, Source, Study

TIMES = np.array([0.0, 3.0, 6.0, 12.0, 18.0, 24.0, 30.0, 36.0])
_MIN_CELL = 4


@dataclass(frozen=True, kw_only=True)
class InventedTable:
    """A publication with the data behind it.

    Parameters
    ----------
    study : Study
        Cells and facts as printed.
    designs : mapping of str to Design
        By model.
    fits : mapping of str to MixedFit
        By model; the maximum-likelihood fits that were printed.
    rows : RowsUsed
        What the rows are.
    """

    study: Study
    designs: Mapping[str, Design]
    fits: Mapping[str, MixedFit]
    rows: RowsUsed


def invent_table(seed: int, dialect: Dialect = "stars") -> InventedTable:
    """Invent a publication.

    Parameters
    ----------
    seed : int
        Decides everything: size, effects, visits, scores, digits and how ties are rounded.
    dialect : str
        How its tables print effects, fits and variances.

    Returns
    -------
    InventedTable
    """
    material = _material(seed)
    design, fits, printer = material.designs["growth"], material.fits, material.printer
    effects = {name: _effects(name, fit, dialect) for name, fit in fits.items()}
    cells = [*_descriptives(material.patients, printer)]
    sizes = Sizes(patients=design.n_patients, rows=design.n_rows)
    for name, fit in fits.items():
        if dialect == "stars":
            cells += _model_cells(name, fit, fits["growth"], printer)
        else:
            cells += fit_cells(dialect, fit, fits["growth"], effects[name], sizes, printer)
    facts = [*_facts(material.patients, effects, design, printer)]
    study = build_study(cells, facts, list(fits))
    study = replace(study, publication=replace(study.publication, legends=(LEGENDS[dialect],)))
    return InventedTable(study=study, designs=material.designs, fits=fits, rows=material.rows)


@dataclass(frozen=True, kw_only=True)
class _Material:
    """Everything about an invented publication but how it prints."""

    patients: _Patients
    designs: Mapping[str, Design]
    fits: Mapping[str, MixedFit]
    rows: RowsUsed
    printer: Printer


@lru_cache(maxsize=1)
def _material(seed: int) -> _Material:
    """Draw patients and fit their models, once for all dialects."""
    rng = np.random.default_rng(seed)
    patients = _draw_patients(rng)
    designs = _designs(rng, patients)
    design = designs["growth"]
    rows = RowsUsed(
        n_rows=design.n_rows,
        n_patients=design.n_patients,
        digest=f"invented {seed}",
        source=Source.SYNTHETIC,
    )
    fits = {
        name: fit_mixed(
            made,
            rows,
            model_id=name,
            stats=summarise(made.y, made.x, made.z, made.patient_index),
        )
        for name, made in designs.items()
    }
    rounding = "half_even" if rng.random() < 0.5 else "half_up"
    printer = Printer(half_even=rounding == "half_even", decimals=int(rng.integers(2, 4)))
    return _Material(patients=patients, designs=designs, fits=fits, rows=rows, printer=printer)


def _effects(name: str, fit: MixedFit, dialect: Dialect) -> dict[str, Effect]:
    """Return the effects that a model's cells report, tested as the dialect tests them."""
    found = {
        coefficient: estimate_effect(fit, tuple(weights.items()))
        for coefficient, weights in _weights(name, fit).items()
    }
    if dialect != "z":
        return found
    return {
        key: replace(effect, df=math.inf, p=float(2.0 * special.ndtr(-abs(effect.estimate / effect.se))))
        for key, effect in found.items()
    }


@dataclass(frozen=True, kw_only=True)
class Printer:
    """How a program prints numbers.

    Parameters
    ----------
    half_even : bool
        Ties go to the even digit, else away from zero.
    decimals : int
        Of estimates and standard errors.
    """

    half_even: bool
    decimals: int

    def number(self, value: float, decimals: int) -> str:
        """Print with a number of decimals."""
        rule = ROUND_HALF_EVEN if self.half_even else ROUND_HALF_UP
        return str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), rounding=rule))


@dataclass(frozen=True, kw_only=True)
class _Patients:
    group: Array
    trait: Array
    score: Array

    @property
    def size(self) -> int:
        return len(self.group)


def _draw_patients(rng: np.random.Generator) -> _Patients:
    size = int(rng.integers(60, 220))
    group = (rng.random(size) < rng.uniform(0.3, 0.6)).astype(float)
    trait = (rng.random(size) < np.where(group == 1.0, rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.5))).astype(
        float
    )
    score = rng.normal(rng.uniform(20.0, 40.0) + rng.normal(0.0, 2.0) * group, rng.uniform(4.0, 9.0))
    return _Patients(group=group, trait=trait, score=score)


def _designs(rng: np.random.Generator, patients: _Patients) -> dict[str, Design]:
    """Draw visits and the outcome; give the design of every model that the patients can carry."""
    index, t, y = _draw_outcome(rng, patients)
    cell = (2 * patients.group + patients.trait).astype(int)
    columns = {"group": patients.group, "trait": patients.trait, "score_centred": patients.score - ORIGIN}
    fullest = min(np.bincount(cell, minlength=4))
    found = {}
    for name, text in FORMULAS.items():
        if name == "crossed" and fullest < _MIN_CELL:
            continue
        predictors = {
            key: columns[key][index] for key in columns if name == f"by_{key.removesuffix('_centred')}"
        }
        reference = find_reference({"months": t, **predictors}, index)
        if name == "crossed":
            predictors = {
                f"cell[{c}]": (cell[index] == k).astype(float) for k, c in enumerate(CATEGORIES) if k
            }
        x = {"Intercept": np.ones(len(t)), "months": t, **predictors}
        x |= {f"months:{key}": t * values for key, values in predictors.items()}
        found[name] = Design(
            y=y,
            x=np.column_stack(list(x.values())),
            z=np.column_stack([np.ones(len(t)), t]),
            patient_index=index.astype(np.int64),
            x_names=tuple(x),
            z_names=("Intercept", "months"),
            formula=parse_formula(text),
            reference=reference,
        )
    return found


def _draw_outcome(rng: np.random.Generator, patients: _Patients) -> tuple[NDArray[np.intp], Array, Array]:
    """Draw visits and the outcome; return patient, time and outcome of each row."""
    present = rng.random((patients.size, len(TIMES))) < rng.uniform(0.35, 0.8)
    present[np.arange(patients.size), rng.integers(0, len(TIMES), patients.size)] = True
    index, visit = np.nonzero(present)
    t = TIMES[visit]
    unit = rng.uniform(0.5, 12.0)
    sd0, sd1, sigma = rng.uniform(0.5, 1.2), rng.uniform(0.01, 0.04), rng.uniform(0.4, 0.9)
    correlation = rng.uniform(-0.6, 0.3)
    covariance = np.array([[sd0**2, correlation * sd0 * sd1], [correlation * sd0 * sd1, sd1**2]])
    effects = rng.multivariate_normal(np.zeros(2), covariance, size=patients.size)
    traits = np.column_stack([patients.group, patients.trait, (patients.score - ORIGIN) / 8.0])
    level = 5.0 + traits @ rng.normal(0.0, 0.3, 3) + effects[:, 0]
    slope = 0.02 + traits @ rng.normal(0.0, 0.015, 3) + effects[:, 1]
    y = unit * (level[index] + slope[index] * t + rng.normal(0.0, sigma, len(t)))
    return index, t, y


def _stars(p: float) -> str:
    return "*" * sum(p < level for level in LEVELS)


def _descriptives(patients: _Patients, printer: Printer) -> Iterator[Cell]:
    """Table I: a share and a mean by group, with stars where the groups differ."""
    masks = [patients.group == k for k in (0.0, 1.0)]
    pairs = [(int(patients.trait[mask].sum()), int(mask.sum())) for mask in masks]
    mark = _stars(compare_shares(pairs[0], pairs[1]).p)[:1]
    for group, (count, total), star in zip(("good", "poor"), pairs, ("", mark), strict=True):
        printed = printer.number(100.0 * count / total, 0) + star
        yield _cell("I", "Trait", group, printed, "percent", variable="trait", group=group)
    mark = _stars(compare_means(patients.score[masks[0]], patients.score[masks[1]]).p)[:1]
    for group, mask, star in zip(("good", "poor"), masks, ("", mark), strict=True):
        values = patients.score[mask]
        printed = f"{printer.number(values.mean(), 1)}({printer.number(values.std(ddof=1), 1)}){star}"
        yield _cell("I", "Score", group, printed, "mean_sd", variable="score", group=group)


def _cell(table: str, row: str, column: str, printed: str, quantity: str, **names: str) -> Cell:
    return Cell(
        table=table,
        row=row,
        column=column,
        printed=printed,
        quantity=quantity,  # type: ignore[arg-type]
        legend=POINT,
        **names,  # type: ignore[arg-type]
    )


def _weights(name: str, fit: MixedFit) -> dict[str, dict[str, float]]:
    """Return what a model's cells report: coefficients, or the estimands of the crossed model."""
    if name == "growth":
        return {"Intercept": {"Intercept": 1.0}, "months": {"months": 1.0}}
    if name != "crossed":
        return {column: {column: 1.0} for column in fit.x_names[2:]}
    return {
        estimand.name: dict(estimand.weights) for estimand in crossed_estimands() if "trait" in estimand.name
    }


def _model_cells(name: str, fit: MixedFit, growth: MixedFit, printer: Printer) -> Iterator[Cell]:
    """Table II: estimates with stars or ns, explained variation and AIC."""
    for coefficient, weights in _weights(name, fit).items():
        effect = estimate_effect(fit, tuple(weights.items()))
        printed = "ns"
        if name == "growth" or effect.p < LEVELS[0]:
            stars = "" if name == "growth" else _stars(effect.p)
            digits = printer.decimals
            printed = f"{printer.number(effect.estimate, digits)}({printer.number(effect.se, digits)}){stars}"
        yield _cell("II", name, coefficient, printed, "estimate", model=name, coefficient=coefficient)
    if name != "growth":
        for quantity, ours, theirs in (
            ("explained_intercept", fit.intercept_variance, growth.intercept_variance),
            ("explained_slope", fit.slope_variance, growth.slope_variance),
        ):
            if theirs > 0.0:
                printed = printer.number(100.0 * (theirs - ours) / theirs, 0)
                yield _cell("II", name, quantity, printed, quantity, model=name)
    yield _cell("II", name, "AIC", printer.number(score_aic(fit, "ml"), 0), "aic", model=name)


def _facts(
    patients: _Patients, effects: Mapping[str, Mapping[str, Effect]], design: Design, printer: Printer
) -> Iterator[Fact]:
    """State the text's own numbers: sizes, a share, the mean number of rows, p values."""
    poor = int(patients.group.sum())
    visits = np.bincount(design.patient_index)
    spread = f"{printer.number(visits.mean(), 1)}({printer.number(visits.std(ddof=1), 1)})"
    share = printer.number(100.0 * poor / patients.size, 0)
    yield _fact("n_all", str(patients.size), "count")
    yield _fact("n_good", str(patients.size - poor), "count", group="good")
    yield _fact("n_poor", str(poor), "count", group="poor")
    yield _fact("share_poor", share, "percent", of=("n_all",), same="n_poor")
    yield _fact("mean_visits", spread, "mean_sd", of=("n_all",), note="whole numbers")
    for name, by in effects.items():
        for coefficient, effect in by.items():
            p = effect.p
            said = "< 0.05" if p < LEVELS[0] else "> 0.1" if p > 0.1 else f"= {printer.number(p, 2)}"
            key = f"p_{name}_{coefficient.replace(':', '_')}"
            yield _fact(key, said, "p", model=name, coefficient=coefficient)


def _fact(key: str, printed: str, quantity: str, **rest: str | tuple[str, ...]) -> Fact:
    return Fact(id=key, place="text", what=key, printed=printed, quantity=quantity, **rest)  # type: ignore[arg-type]
