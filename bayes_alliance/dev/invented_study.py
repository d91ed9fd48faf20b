"""The study file of an invented publication: variables, models, priors and how its tables are to be read."""

from __future__ import annotations

from pathlib import Path

from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.publication import Fact, Publication, Sample, StarRule, SumRule
from bayes_alliance.study.records import Cell, DataDefault, Derived, Estimand, Model, Source, Study, Variable

LEVELS = (0.05, 0.01, 0.001)
CATEGORIES = ("good_no", "good_yes", "poor_no", "poor_yes")
_RANDOM = "(months | patient)"
FORMULAS = {
    "growth": f"y ~ months + {_RANDOM}",
    "by_group": f"y ~ months + group + months:group + {_RANDOM}",
    "by_trait": f"y ~ months + trait + months:trait + {_RANDOM}",
    "by_score": f"y ~ months + score_centred + months:score_centred + {_RANDOM}",
    "crossed": f"y ~ months + cell + months:cell + {_RANDOM}",
}
ORIGIN = 30.0


def crossed_estimands() -> tuple[Estimand, ...]:
    """Return the contrasts of the crossed model: the trait within either group, and their difference."""
    found = []
    for prefix, time in (("level_", ""), ("", "months:")):
        good, poor, none = (f"{time}cell[{CATEGORIES[k]}]" for k in (1, 3, 2))
        weights = {
            "trait_in_good": {good: 1.0},
            "trait_in_poor": {poor: 1.0, none: -1.0},
            "moderation": {poor: 1.0, none: -1.0, good: -1.0},
        }
        for name, combination in weights.items():
            kind = "slope_contrast" if name == "moderation" else "slope_deviation"
            found.append(
                Estimand(
                    name=prefix + name,
                    label=prefix + name,
                    weights=tuple(combination.items()),
                    kind=kind if time else "level",  # type: ignore[arg-type]
                )
            )
    return tuple(found)


def _variable(
    name: str, kind: str, level: str, contrast: float = 1.0, categories: tuple[str, ...] = ()
) -> Variable:
    return Variable(
        name=name,
        column=name,
        label=name,
        unit="",
        kind=kind,  # type: ignore[arg-type]
        level=level,  # type: ignore[arg-type]
        contrast=contrast,
        categories=categories,
    )


_SIZES = PriorScales(
    intercept=(25.0, 30.0),
    slope=(0.0, 15.0),
    effect_intercept=(0.0, 10.0),
    effect_slope=(0.0, 15.0),
    sd_intercept=15.0,
    sd_slope=15.0,
    sigma=10.0,
    lkj_eta=2.0,
)
_VARIABLES = (
    _variable("patient", "category", "patient"),
    _variable("months", "numeric", "visit"),
    _variable("y", "numeric", "visit"),
    _variable("group", "binary", "patient", categories=("good", "poor")),
    _variable("trait", "binary", "patient"),
    _variable("score", "numeric", "patient"),
)
_DERIVED = (
    Derived(
        name="score_centred",
        label="score",
        unit="",
        rule="offset",
        of=("score",),
        level="patient",
        kind="numeric",
        value=ORIGIN,
        contrast=8.0,
    ),
    Derived(
        name="cell",
        label="cell",
        unit="",
        rule="cross",
        of=("group", "trait"),
        level="patient",
        kind="category",
        categories=CATEGORIES,
    ),
)
_PUBLICATION = Publication(
    criterion="ml",
    star_rules=(
        StarRule(tables=("I",), levels=(0.05,)),
        StarRule(tables=("II",), levels=LEVELS),
    ),
    sums=(SumRule(total="n_all", parts=("n_good", "n_poor"), complete=True),),
    samples=(Sample(id="all", label="all patients", count="n_all"),),
    assessments="mean_visits",
    assessed=("y",),
    smallest_difference=(("y", 1.0),),
)


def build_study(cells: list[Cell], facts: list[Fact], models: list[str]) -> Study:
    """Put the study file of an invented publication together."""
    return Study(
        id="invented",
        title="Invented",
        citation="",
        doi="",
        patient="patient",
        time="months",
        time_unit="months",
        horizon=36.0,
        folder=Path(),
        digest="",
        data=DataDefault(source=Source.SYNTHETIC),
        variables=_VARIABLES,
        derived=_DERIVED,
        scoring=(),
        models=tuple(
            Model(
                id=name,
                label=name,
                family="",
                outcome="y",
                formula=FORMULAS[name],
                reference=None if name == "growth" else "growth",
                comparison="y",
                estimands=crossed_estimands() if name == "crossed" else (),
            )
            for name in models
        ),
        priors=(PriorSet(name="neutral", label="Neutral", tag="", scales=(("y", _SIZES),)),),
        cells=tuple(cells),
        descriptive_group="group",
        facts=tuple(facts),
        publication=_PUBLICATION,
    )
