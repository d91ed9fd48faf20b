"""What a study is: variables, derived variables, models, priors and printed cells, as frozen records.

The records hold no data and do no arithmetic. :mod:`bayes_alliance.study.load_study` reads them from a study
folder; everything else only looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Literal

from bayes_alliance.study.derived_rules import Rule
from bayes_alliance.study.printed_cell import PrintedCell
from bayes_alliance.study.printed_text import read_or_fault
from bayes_alliance.study.prior_records import PriorSet
from bayes_alliance.study.publication import Fact, Publication
from bayes_alliance.study.quantities import Quantity
from bayes_alliance.study.table_legend import NO_LEGEND, TableLegend

Level = Literal["visit", "patient"]
Kind = Literal["numeric", "integer", "binary", "category"]
EstimandKind = Literal["slope", "slope_deviation", "slope_contrast", "level"]


class Source(StrEnum):
    """Where numbers come from. The three are never mixed."""

    PRINTED = "printed"
    REAL = "real data"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A column of the data file.

    Parameters
    ----------
    name : str
        Name used in formulas.
    column : str
        Header in the data file, by default the name.
    level : {"visit", "patient"}
        Whether it may change between a patient's assessments.
    kind : {"numeric", "integer", "binary", "category"}
        Binary variables are coded 0 and 1.
    minimum, maximum : float or None
        Ends of the scale, inclusive, in ``unit``.
    step : float or None
        Width of the measurement grid (0.25 for the mean of four integer items).
    categories : tuple of str
        Permitted values of a category; the first one is the reference level. For a binary variable,
        names of 0 and 1 in that order, or empty.
    contrast : float
        The difference in this predictor, in its unit, to which a prior on its effect refers.
    reference : float or None
        Value at which priors on levels and slopes hold; None for the mean over the patients of the data (for a
        predictor of two values midway between them).
    required : bool
        Whether a file without the column is refused rather than only short of some models.
    """

    name: str
    column: str
    label: str
    unit: str
    level: Level
    kind: Kind
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    categories: tuple[str, ...] = ()
    contrast: float = 1.0
    reference: float | None = None
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A variable computed from others by one rule of a closed list (no expressions are evaluated).

    Rules
    -----
    below : 1 where ``of[0]`` is below ``value``, else 0; missing where it is missing.
    at_least : 1 where ``of[0]`` is ``value`` or more, else 0; missing where it is missing.
    count : number of a patient's rows on which any of ``of`` is present.
    versions : which values of the visit-level category ``of[0]`` a patient has: the first only, the
        second only, or both; ``categories`` names the three outcomes in that order.
    cross : crossed factor of two binary variables; ``categories`` names the cells 00, 01, 10, 11.
    offset : ``of[0]`` minus ``value``.
    last : the patient's value of ``of[0]`` at the latest time on which it is present, no earlier than
        ``value`` (in the unit of time); used only where the file has no such column.
    knot : how far ``of[0]`` is beyond ``value``, else 0: a change of slope there.
    patient_mean, within : the patient's mean of ``of[0]``, and what an assessment deviates from it.
    first, change, lag : the patient's earliest value of ``of[0]``, how far a later one is from it, the one before.
    log, sqrt, square : natural logarithm (of values above 0), square root (of 0 or more), square of ``of[0]``.

    A rule may use variables declared before it, derived ones too. ``categories`` of a binary result name 0 and 1.
    """

    name: str
    label: str
    unit: str
    rule: Rule
    of: tuple[str, ...]
    level: Level
    kind: Kind
    value: float | None = None
    categories: tuple[str, ...] = ()
    contrast: float = 1.0
    reference: float | None = None


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How a questionnaire's items become subscale scores: see :mod:`bayes_alliance.data.wai`."""

    instrument: str
    version: str
    items: str
    subscales: tuple[str, ...]
    min_items: int


@dataclass(frozen=True, kw_only=True)
class Estimand:
    """A named linear combination of a model's coefficients.

    Parameters
    ----------
    name : str
        Key, unique within the model and unlike the names of its coefficients.
    label : str
        For tables and figures.
    weights : tuple of (str, float)
        Coefficient name and weight.
    kind : {"slope", "slope_deviation", "slope_contrast", "level"}
        What it is; slopes are per unit of time.
    """

    name: str
    label: str
    weights: tuple[tuple[str, float], ...]
    kind: EstimandKind


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the study.

    Parameters
    ----------
    id : str
        Key, made of letters, digits and underscores.
    formula : str
        As in lme4: ``y ~ months*arm + (months | patient)``, with ``(1 | therapist) + ...`` above the patient.
    residual : str
        Key of the file alone, which joins the formula: ``un(visit)`` (MMRM), ``ar1(visit) * var(arm)``, ``cs``.
    family : str
        Heading under which it is listed, such as "growth" or "outcome".
    reference : str or None
        The model whose variances explained variation refers to.
    where : tuple of (str, float)
        Keep only the patients with these values (a subgroup's own growth).
    comparison : str
        Models with the same value are compared with each other on the same frozen rows; the reference
        is one of them.
    """

    id: str
    label: str
    family: str
    outcome: str
    formula: str
    reference: str | None = None
    where: tuple[tuple[str, float], ...] = ()
    comparison: str = ""
    estimands: tuple[Estimand, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a published table, kept as the string that was printed.

    Parameters
    ----------
    table, row, column : str
        Where it stands.
    printed : str
        As printed, stars and ``ns`` included.
    quantity : str
        What kind of number it is.
    model, coefficient : str
        Which coefficient of which model it reports, or which of the model's estimands; empty for
        descriptives, and for an estimate that no coefficient answers (``note`` then says why).
    variable, group : str
        For descriptives: the variable, where the data have it, and the name of the group (one of the
        ``categories`` of the study's ``descriptive_group``).
    line : int
        Line in the file, for messages.
    legend : TableLegend
        What the notes and headings of its table say.
    parsed : PrintedCell
        What it says, read once.
    fault : str
        What was expected where it cannot be read; a study with such a cell is refused.
    """

    table: str
    row: str
    column: str
    printed: str
    quantity: Quantity
    model: str = ""
    coefficient: str = ""
    variable: str = ""
    group: str = ""
    note: str = ""
    line: int = 0
    legend: TableLegend = NO_LEGEND
    parsed: PrintedCell = field(init=False, repr=False)
    fault: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parsed, fault = read_or_fault(self.printed, self.quantity, self.legend)
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "fault", fault)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What is stated about a data file; what is not stated is found out and reported.

    Parameters
    ----------
    sheet : str
        Of a workbook.
    encoding : str
        Of text, such as ``latin-1``.
    delimiter, decimal : str
        Separator and decimal mark of a CSV file.
    missing : tuple of str
        Codes for a missing value in all columns but those of patient, time and dates; ``COLUMN=CODE`` for one.
    wide : tuple of (str, str)
        Header of a long file and the pattern of its headers in a wide one: ``("wai{item}", "wai{visit}_{item}")``.
    visits : tuple of (str, float)
        Visits as the headers spell them, and their times in the study's unit; empty where the spelling is
        the time.
    date, baseline : str
        Headers of the date of an assessment and of the date from which time counts; without the second,
        time counts from a patient's first date.
    date_format : str
        Directives of ``strptime``, or ``excel``, ``stata``, ``sas``, ``r`` for serial days; empty to find out.
    date_required : bool
        Whether a file without the column of dates is refused.
    time_zero : float
        Value of the column of time that counts as 0.
    recode : tuple of (str, tuple of (str, str))
        For a header (of the long form), cells as found and what they are to be read as.
    """

    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    decimal: str = ""
    missing: tuple[str, ...] = ()
    wide: tuple[tuple[str, str], ...] = ()
    visits: tuple[tuple[str, float], ...] = ()
    date: str = ""
    baseline: str = ""
    date_format: str = ""
    date_required: bool = False
    time_zero: float = 0.0
    recode: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataDefault:
    """What a study runs on when no file is given, and how its data files are to be read.

    Parameters
    ----------
    file, patients : str
        A file that ships with it, and its second table of one row a patient.
    cohort : str
        Or a synthetic cohort, drawn by this plan,
    ensemble : str
        or built from it: a folder of cohorts that print the study's tables, which comes first.
    reading : ReadOptions
        Of these files, and of others where an option does not say otherwise.
    """

    source: Source
    file: str = ""
    ensemble: str = ""
    patients: str = ""
    cohort: str = ""
    reading: ReadOptions = field(default_factory=ReadOptions)
    citation: str = ""
    licence: str = ""


@dataclass(frozen=True, kw_only=True)
class TrajectoryFigure:
    """A figure of fitted mean trajectories: one panel a model, one line a subgroup."""

    id: str
    title: str
    models: tuple[str, ...]
    lines: tuple[tuple[str, tuple[tuple[str, float | str], ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study: everything that its study file says, and nothing of its data.

    Parameters
    ----------
    id : str
        Key, made of letters, digits and underscores.
    title, citation, doi : str
        Of the publication; shown in the report.
    patient, time : str
        Names of the variables that tell patients and times.
    time_unit : str
        Unit of the time variable, such as ``months``.
    horizon : float
        Over how many units of time changes are stated; priors on slopes refer to it.
    design : str
        Of the study in a few words, such as ``randomised, two arms``; for lists of studies.
    descriptive_group : str
        Binary variable whose two groups the baseline table compares.
    smallest_difference : tuple of (str, float)
        Smallest difference that matters by outcome, in points (for a change: over the horizon).
    """

    id: str
    title: str
    citation: str
    doi: str
    patient: str
    time: str
    time_unit: str
    horizon: float
    folder: Path
    digest: str
    data: DataDefault
    variables: tuple[Variable, ...]
    derived: tuple[Derived, ...]
    scoring: tuple[Scoring, ...]
    models: tuple[Model, ...]
    priors: tuple[PriorSet, ...]
    cells: tuple[Cell, ...] = ()
    figures: tuple[TrajectoryFigure, ...] = ()
    descriptive_group: str = ""
    facts: tuple[Fact, ...] = ()
    publication: Publication = field(default_factory=Publication)
    min_rows: int = field(default=10)
    reference_time: float | None = None
    design: str = ""

    def model(self, model_id: str) -> Model:
        """Return the model of this id."""
        return {m.id: m for m in self.models}[model_id]

    def variable(self, name: str) -> Variable | Derived:
        """Return the declared or derived variable of this name."""
        return self.every_variable[name]

    def prior(self, name: str) -> PriorSet:
        """Return the prior set of this name."""
        return {p.name: p for p in self.priors}[name]

    @property
    def every_variable(self) -> dict[str, Variable | Derived]:
        """Declared and derived variables by name, in that order."""
        return {**{v.name: v for v in self.variables}, **{d.name: d for d in self.derived}}

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes of the models, each once, in order of appearance."""
        return tuple(dict.fromkeys(m.outcome for m in self.models))

    def __repr__(self) -> str:
        """Return the study in two lines, for a notebook; its parts are attributes."""
        return (
            f"Study {self.id}: {self.title}\n"
            f"  {len(self.models)} models of {', '.join(self.outcomes)}; {len(self.variables)} variables; "
            f"{len(self.cells)} printed cells; prior sets {', '.join(p.name for p in self.priors) or 'none'}; "
            f"horizon {self.horizon:g} {self.time_unit}; default input: {self.data.source}"
        )

    def _repr_html_(self) -> str:
        """Show the study in a notebook."""
        first, rest = repr(self).split("\n", 1)
        return f"<p><strong>{escape(first)}</strong><br>{escape(rest.strip())}</p>"
