"""Publications whose readings are known: rows dropped or kept, a crossed factor compared in one of three ways.

Patients are drawn, models fitted and tables rounded as print rounds them; of the patients with one assessment, some
lack the group, and the models by group leave none, some or all of them out. Whether posterior weights of readings are
right can be counted over many of these: the truth follows the prior weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.dev.invented import Printer, _cell, _fact, _stars
from bayes_alliance.dev.invented_study import CATEGORIES, FORMULAS, build_study, crossed_estimands
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, MixedFit, RowsUsed
from bayes_alliance.inference.ml import estimate_effect, fit_mixed, score_aic
from bayes_alliance.published.reading_weights import WeighedReading, weigh_readings
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.publication import Sample
from bayes_alliance.study.readings import CellReading, Reading, ReadingOption, Readings
from bayes_alliance.study.records import Cell, Estimand, Model, Source, Study

OUTCOMES = ("a", "b", "c")
LACKING = 7
ROWS, CELLS = "rows", "cells"
PRIORS = {ROWS: (0.4, 0.2, 0.4), CELLS: (0.4, 0.4, 0.2)}
_ROW = {"good_yes": "good 1", "poor_no": "poor 0", "poor_yes": "poor 1", "good_no": "good 0"}


@dataclass(frozen=True, kw_only=True)
class KnownReadings:
    """A publication, its readings and which of their options is true.

    Parameters
    ----------
    study : Study
        As printed.
    readings : Readings
        Of the rows, and of the crossed factor's cells.
    truth : dict of str to int
        Number of the true option by reading.
    """

    study: Study
    readings: Readings
    truth: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class _Patients:
    group: Array
    trait: Array
    index: Array
    time: Array
    scores: Array
    left_out: Array


def invent_readings(seed: int) -> KnownReadings:
    """Invent a publication with a known answer to each reading.

    Parameters
    ----------
    seed : int
        Decides everything.
    """
    rng = np.random.default_rng(seed)
    truth = {name: int(rng.choice(len(weights), p=weights)) for name, weights in PRIORS.items()}
    lost = (0, int(rng.integers(1, LACKING)), LACKING)[truth[ROWS]]
    patients = _draw_patients(rng, lost)
    printer = Printer(half_even=True, decimals=2)
    cells = [*_shares(patients), *_model_cells(patients, printer, truth[CELLS])]
    visits = np.bincount(patients.index.astype(int))
    n = len(patients.group)
    facts = [
        _fact("n_all", str(n), "count"),
        _fact("n_good", str(int((patients.group == 0).sum())), "count", group="good"),
        _fact("n_poor", str(int((patients.group == 1).sum())), "count", group="poor"),
        _fact("mean_visits", f"{visits.mean():.1f}({visits.std(ddof=1):.1f})", "mean_sd"),
    ]
    base = build_study(cells, facts, [])
    y = next(v for v in base.variables if v.name == "y")
    publication = replace(
        base.publication,
        sums=(),
        samples=(Sample(id="all", label="all", count="n_all"),),
        assessed=OUTCOMES,
        smallest_difference=(),
    )
    scales = replace(base.priors[0].scales[0][1], slope=(0.0, 1.5), effect_slope=(0.0, 2.0))
    study = replace(
        base,
        variables=(*base.variables, *(replace(y, name=o, column=o) for o in OUTCOMES)),
        models=tuple(_models()),
        priors=(replace(base.priors[0], scales=tuple((o, scales) for o in OUTCOMES)),),
        publication=publication,
    )
    return KnownReadings(study=study, readings=_readings(), truth=truth)


def _readings() -> Readings:
    missing = ((0, 0), (1, LACKING - 1), (LACKING, LACKING))
    rows = tuple(
        ReadingOption(id=f"without_{m[1]}", label="", weight=w, source="", missing=m)
        for m, w in zip(missing, PRIORS[ROWS], strict=True)
    )
    cells = tuple(
        ReadingOption(id=name, label="", weight=w, source="", cells=tuple(_read(name)))
        for name, w in zip(("within", "against_first", "own"), PRIORS[CELLS], strict=True)
    )
    return Readings(
        readings=(
            Reading(
                id=ROWS,
                label="",
                place="",
                options=rows,
                models=tuple(f"{o}_by_group" for o in OUTCOMES),
            ),
            Reading(id=CELLS, label="", place="", options=cells),
        )
    )


def _read(option: str) -> Iterator[CellReading]:
    """Return what the four rows stand for, where it is not the first option."""
    for name in CATEGORIES if option != "within" else ():
        coefficient = f"slope_{name}" if option == "own" else f"months:cell[{name}]"
        if option == "own" or name != CATEGORIES[0]:
            yield CellReading(
                table="II", row=_ROW[name], column="slope", model="a_crossed", coefficient=coefficient
            )


def _models() -> Iterator[Model]:
    for outcome in OUTCOMES:
        for name, text in FORMULAS.items():
            if name == "by_score" or (outcome != "a" and name in ("by_trait", "crossed")):
                continue
            yield Model(
                id=f"{outcome}_{name}",
                label=name,
                family="",
                outcome=outcome,
                formula=text.replace("y ~", f"{outcome} ~"),
                reference=None if name == "growth" else f"{outcome}_growth",
                comparison=outcome,
                estimands=(*crossed_estimands(), *_own_slopes()) if name == "crossed" else (),
            )


def _own_slopes() -> Iterator[Estimand]:
    for name in CATEGORIES:
        more = ((f"months:cell[{name}]", 1.0),) if name != CATEGORIES[0] else ()
        yield Estimand(name=f"slope_{name}", label=name, weights=(("months", 1.0), *more), kind="slope")


def _draw_patients(rng: np.random.Generator, lost: int) -> _Patients:
    """Draw patients, visits and three outcomes; some of those seldom assessed are left out of models by group."""
    size = int(rng.integers(120, 200))
    counts = 1 + rng.negative_binomial(4.7, 0.68, size)
    counts = np.minimum(counts, 8)
    group = (rng.random(size) < rng.uniform(0.35, 0.5)).astype(float)
    trait = (rng.random(size) < np.where(group == 1.0, 0.2, 0.12)).astype(float)
    trait[np.flatnonzero(group == 1.0)[:5]] = 1.0
    trait[np.flatnonzero(group == 0.0)[:5]] = 1.0
    single = rng.random() < 0.5
    order = np.argsort(counts, kind="stable") if single else rng.permutation(size)
    left_out = np.zeros(size, dtype=bool)
    left_out[order[:lost]] = True
    index = np.repeat(np.arange(size), counts)
    time = np.concatenate([np.sort(rng.choice([0, 3, 9, 15, 21, 27, 33, 36], c, False)) for c in counts])
    shared = rng.standard_normal((2, size)), rng.standard_normal(len(index))
    scores = [
        _draw_scores(rng, group, trait, index.astype(float), time.astype(float), shared) for _ in OUTCOMES
    ]
    return _Patients(
        group=group,
        trait=trait,
        index=index.astype(float),
        time=time.astype(float),
        scores=np.array(scores),
        left_out=left_out,
    )


def _draw_scores(
    rng: np.random.Generator,
    group: Array,
    trait: Array,
    index: Array,
    time: Array,
    shared: tuple[Array, Array],
) -> Array:
    """Draw one outcome, correlated with the others by what all share."""
    sd0, sd1, sigma = rng.uniform(0.7, 1.1), rng.uniform(0.01, 0.03), rng.uniform(0.5, 0.8)
    own = math.sqrt(0.6) * shared[0] + math.sqrt(0.4) * rng.standard_normal((2, len(group)))
    noise = math.sqrt(0.5) * shared[1] + math.sqrt(0.5) * rng.standard_normal(len(index))
    effects = rng.normal(0.0, 0.2), rng.normal(0.0, 0.02), rng.normal(0.0, 0.03), rng.normal(0.0, 0.03)
    level = 5.0 + effects[0] * group + sd0 * own[0]
    slope = 0.02 + (effects[1] + effects[3] * trait) * group + effects[2] * trait + sd1 * own[1]
    i = index.astype(int)
    found: Array = level[i] + slope[i] * time + sigma * noise
    return found


def _fit(patients: _Patients, outcome: int, name: str) -> MixedFit:
    """Fit one model; those by group lack the patients who are left out."""
    i = patients.index.astype(int)
    keep = ~patients.left_out[i] if name == "by_group" else np.ones(len(i), dtype=bool)
    i, t = i[keep], patients.time[keep]
    cell = np.array(CATEGORIES, dtype=object)[(2 * patients.group + patients.trait).astype(int)[i]]
    columns: dict[str, Array] = {"group": patients.group[i], "trait": patients.trait[i]}
    x = {"Intercept": np.ones(len(t)), "months": t}
    predictors: Mapping[str, Array] = (
        {f"cell[{c}]": (cell == c).astype(float) for c in CATEGORIES[1:]}
        if name == "crossed"
        else {key: columns[key] for key in columns if name == f"by_{key}"}
    )
    x |= predictors
    x |= {f"months:{key}": t * values for key, values in predictors.items()}
    _, numbered = np.unique(i, return_inverse=True)
    design = Design(
        y=patients.scores[outcome][keep],
        x=np.column_stack(list(x.values())),
        z=np.column_stack([np.ones(len(t)), t]),
        patient_index=numbered.astype(np.int64),
        x_names=tuple(x),
        z_names=("Intercept", "months"),
        formula=parse_formula(FORMULAS[name]),
    )
    rows = RowsUsed(
        n_rows=design.n_rows, n_patients=design.n_patients, digest="invented", source=Source.SYNTHETIC
    )
    return fit_mixed(design, rows)


def _shares(patients: _Patients) -> Iterator[Cell]:
    for k, group in enumerate(("good", "poor")):
        printed = f"{100.0 * patients.trait[patients.group == k].mean():.0f}"
        yield _cell("I", "Trait", group, printed, "percent", variable="trait", group=group)


def _model_cells(patients: _Patients, printer: Printer, reading: int) -> Iterator[Cell]:
    for k, outcome in enumerate(OUTCOMES):
        for name in ("growth", "by_group", *(("by_trait", "crossed") if k == 0 else ())):
            fit, model = _fit(patients, k, name), f"{outcome}_{name}"
            if name == "crossed":
                yield from _crossed_cells(fit, printer, reading)
                continue
            for column in fit.x_names if name == "growth" else fit.x_names[2:]:
                printed = _print(fit, ((column, 1.0),), printer, always=name == "growth")
                yield _cell("II", model, column, printed, "estimate", model=model, coefficient=column)
            if name != "by_trait":
                yield _cell("II", model, "AIC", printer.number(score_aic(fit, "ml"), 0), "aic", model=model)


def _print(
    fit: MixedFit, weights: Sequence[tuple[str, float]], printer: Printer, *, always: bool = False
) -> str:
    effect = estimate_effect(fit, tuple(weights))
    if not always and effect.p >= 0.05:
        return "ns"
    stars = "" if always else _stars(effect.p)
    # An estimate that rounds to zero is printed so.
    return f"{printer.number(effect.estimate, 2)}({printer.number(effect.se, 2)}){stars}".replace(
        "-0.00", "0.00"
    )


def _crossed_cells(fit: MixedFit, printer: Printer, reading: int) -> Iterator[Cell]:
    """Print the four rows as the true reading has it; the study file takes the first reading."""
    within = {
        "good_yes": ("trait_in_good", {"months:cell[good_yes]": 1.0}),
        "poor_yes": ("trait_in_poor", {"months:cell[poor_yes]": 1.0, "months:cell[poor_no]": -1.0}),
    }
    own = {one.name: dict(one.weights) for one in _own_slopes()}
    for name in CATEGORIES:
        if reading == 0:
            weights = within[name][1] if name in within else {}
        elif reading == 1:
            weights = {f"months:cell[{name}]": 1.0} if name != CATEGORIES[0] else {}
        else:
            weights = own[f"slope_{name}"]
        printed = _print(fit, tuple(weights.items()), printer) if weights else "ns"
        said = {"model": "a_crossed", "coefficient": within[name][0]} if name in within else {}
        yield _cell("II", _ROW[name], "slope", printed, "estimate", **said)


def weigh_known(seed: int) -> tuple[KnownReadings, tuple[WeighedReading, ...]]:
    """Invent a publication and weigh its readings by what it prints."""
    known = invent_readings(seed)
    return known, weigh_readings(known.study, known.readings, seed=seed)
