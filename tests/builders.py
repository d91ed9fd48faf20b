"""Small studies and files for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.study.records import (
    DataDefault,
    Derived,
    Kind,
    Level,
    Model,
    Rule,
    Scoring,
    Source,
    Study,
    Variable,
)


def build_variable(
    name: str,
    level: Level = "visit",
    kind: Kind = "numeric",
    *,
    column: str = "",
    limits: tuple[float | None, float | None] = (None, None),
    step: float | None = None,
    categories: tuple[str, ...] = (),
) -> Variable:
    """Build one declared variable."""
    return Variable(
        name=name,
        column=column or name,
        label=name,
        unit="",
        level=level,
        kind=kind,
        minimum=limits[0],
        maximum=limits[1],
        step=step,
        categories=categories,
    )


def build_derived(
    name: str,
    rule: Rule,
    of: tuple[str, ...],
    *,
    value: float | None = None,
    categories: tuple[str, ...] = (),
) -> Derived:
    """Build one derived variable."""
    return Derived(
        name=name,
        label=name,
        unit="",
        rule=rule,
        of=of,
        level="patient",
        kind="category" if categories else "numeric",
        value=value,
        categories=categories,
    )


VARIABLES = (
    build_variable("patient", "patient", column="id"),
    build_variable("months", column="month"),
    build_variable("version", kind="category", categories=("WAI-S", "WAI-SR")),
    build_variable("goals", limits=(1, 7), step=0.25),
    build_variable("tasks", limits=(1, 7), step=0.25),
    build_variable("gaf", kind="integer", limits=(1, 100)),
    build_variable("age", "patient", limits=(18, 80)),
    build_variable("paranoid", "patient", "binary"),
)
DERIVED = (
    build_derived("cell", "cross", ("poor", "paranoid"), categories=("g0", "g1", "p0", "p1")),
    build_derived("end_gaf", "last", ("gaf",), value=30),
    build_derived("poor", "below", ("end_gaf",), value=60),
    build_derived("older", "at_least", ("age",), value=30),
    build_derived("n_assessments", "count", ("goals", "tasks")),
    build_derived("pattern", "versions", ("version",), categories=("S only", "SR only", "both")),
    build_derived("age_30", "offset", ("age",), value=30),
)
SCORING = (
    Scoring(
        instrument="WAI", version="version", items="wai{item}", subscales=("goals", "tasks"), min_items=3
    ),
)


def build_study(
    *,
    folder: Path = Path(),
    variables: Sequence[Variable] = VARIABLES,
    derived: Sequence[Derived] = DERIVED,
    cohort: str = "",
    min_rows: int = 4,
) -> Study:
    """Build a study of two outcomes with one variable of every kind and one derivation of every rule."""
    models = tuple(
        Model(id=o, label=o, family="growth", outcome=o, formula=f"{o} ~ months + (months | patient)")
        for o in ("goals", "tasks")
    )
    return Study(
        id="tiny",
        title="Tiny",
        citation="",
        doi="",
        patient="patient",
        time="months",
        time_unit="months",
        horizon=36.0,
        folder=folder,
        digest="",
        data=DataDefault(source=Source.SYNTHETIC, cohort=cohort),
        variables=tuple(variables),
        derived=tuple(derived),
        scoring=SCORING,
        models=models,
        priors=(),
        min_rows=min_rows,
    )


HEADER = "id,month,version,goals,tasks,gaf,age,paranoid"
ROWS = (
    "007,3,WAI-S,5,5.25,50,25,0",
    "007,36,WAI-SR,5.5,,65,25,0",
    "02,0,,,,48,31,1",
    "02,3,WAI-SR,4,4.5,,31,1",
    "02,36,,,,55,31,1",
    "1,3,WAI-S,3.75,4,47,,0",
)


def write_csv(path: Path, rows: Sequence[str] = ROWS, header: str = HEADER) -> Path:
    """Write a CSV file and give its path."""
    path.write_bytes("\n".join([header, *rows, ""]).encode())
    return path
