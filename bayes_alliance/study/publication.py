"""What a publication states outside its tables, and how its tables are to be read, as frozen records.

Text facts are printed cells like any other: a string, a kind, and what it speaks of. Holds no arithmetic;
:mod:`bayes_alliance.study.load_publication` reads the records and :mod:`bayes_alliance.published` judges them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from bayes_alliance.study.granularity import step_of
from bayes_alliance.study.printed_cell import PrintedCell, Rounding
from bayes_alliance.study.printed_text import BLANK, read_or_fault
from bayes_alliance.study.table_legend import NO_LEGEND, TableLegend

FactQuantity = Literal[
    "count",
    "percent",
    "mean_sd",
    "p",
    "explained_intercept",
    "explained_slope",
    "lr",
    "slope_varies",
    "aic_not_lower",
    "less",
]
# Quantities that speak of a model's fit.
OF_MODELS = ("p", "explained_intercept", "explained_slope", "lr", "slope_varies", "aic_not_lower", "less")
# Quantities that the text states in words.
IN_WORDS = ("aic_not_lower", "less")
StarStyle = Literal["graded", "cumulative"]
Criterion = Literal["ml", "reml", "unknown"]
RelatedRole = Literal["", "original", "replication"]
# What related studies print is written with decimal points, intervals at 95 %.
RELATED_LEGEND = TableLegend(decimal="point", ci_level=Decimal("0.95"))


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One number that the publication's text states.

    Parameters
    ----------
    id : str
        Key.
    place : str
        Section of the text.
    what : str
        What it counts or measures, in our words.
    printed : str
        As printed; empty for a fact that is worked out from others.
    quantity : str
        What kind of number it is.
    group : str
        Subgroup that it describes, or empty for all patients.
    of : tuple of str
        Counts that a percentage may refer to, any one of them.
    same : str
        Another fact about the very same patients.
    derived : tuple of (int, str)
        For a count worked out from others: sign and id of each.
    model, coefficient : str
        Which coefficient or estimand of which model a p value speaks of, or which model's variation.
    sign : {-1, 0, 1}
        Direction that the text gives a p value's effect; 0 where it gives none.
    at_least : float or None
        What p is at least, where the text implies it without a number of its own ("a trend").
    than : str
        For ``lr``: the smaller model. For ``less``: the fact whose effect is larger.
    line : int
        Line in the file, for messages.
    legend : TableLegend
        How its number is to be read.
    parsed : PrintedCell
        What it says, read once; blank for a fact that is worked out from others.
    fault : str
        What was expected where it cannot be read; a study with such a fact is refused.
    """

    id: str
    place: str
    what: str
    printed: str
    quantity: FactQuantity
    group: str = ""
    of: tuple[str, ...] = ()
    same: str = ""
    derived: tuple[tuple[int, str], ...] = ()
    model: str = ""
    coefficient: str = ""
    sign: int = 0
    at_least: float | None = None
    than: str = ""
    note: str = ""
    line: int = 0
    legend: TableLegend = NO_LEGEND
    parsed: PrintedCell = field(init=False, repr=False)
    fault: str = field(init=False, repr=False)

    @property
    def reads_as(self) -> str:
        """Quantity as which its string is read: a test of a model's fit is a p value like any other."""
        return "p" if self.quantity in ("lr", "slope_varies") else self.quantity

    @property
    def step(self) -> Fraction | None:
        """Step of what a mean is a mean of; 0 for a continuous measure, None where the fact does not say."""
        return step_of(self.what, self.note)

    def __post_init__(self) -> None:
        # What an order says stands in other columns; its string is words.
        is_number = self.printed.strip() and self.quantity not in IN_WORDS
        parsed, fault = read_or_fault(self.printed, self.reads_as, self.legend) if is_number else (BLANK, "")
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "fault", fault)


@dataclass(frozen=True, kw_only=True)
class StarRule:
    """What the stars of some tables mean.

    Parameters
    ----------
    tables : tuple of str
        Tables that the rule holds for.
    levels : tuple of float
        Level of one star, of two, of three: falling.
    style : {"graded", "cumulative"}
        Whether k stars also say that k + 1 were not earned.
    unmarked : str
        What the publication says of p where there is no star (``> 0.1``); empty for nothing beyond the first
        level.
    parsed : PrintedCell
        What ``unmarked`` says, read once.
    fault : str
        What was expected where it cannot be read.
    """

    tables: tuple[str, ...]
    levels: tuple[float, ...]
    style: StarStyle = "graded"
    unmarked: str = ""
    parsed: PrintedCell = field(init=False, repr=False)
    fault: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parsed, fault = read_or_fault(self.unmarked, "p") if self.unmarked else (BLANK, "")
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "fault", fault)


@dataclass(frozen=True, kw_only=True)
class SumRule:
    """Counts that must add up.

    Parameters
    ----------
    total : str
        Fact.
    parts : tuple of str
        Facts; parts of the total that do not overlap.
    complete : bool
        Whether nothing is left over.
    """

    total: str
    parts: tuple[str, ...]
    complete: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Patients on whom a predictor's model may rest: all that are stated, or fewer."""

    id: str
    label: str
    count: str


@dataclass(frozen=True, kw_only=True)
class StatedLevel:
    """A level above patients that the printed models leave out, such as therapists or groups.

    Parameters
    ----------
    label : str
        What it is.
    clusters : float
        How many there are.
    predictor_icc : float
        Intraclass correlation of the predictors within it: 1 where a cluster shares them, the worst case; 0 where
        patients are dealt at random.
    size_variation : float
        SD of the clusters' sizes over their mean.
    reliability : float
        Of a patient's estimated intercept or slope; 1 for the worst case.
    """

    label: str
    clusters: float
    predictor_icc: float = 1.0
    size_variation: float = 0.0
    reliability: float = 1.0


@dataclass(frozen=True, kw_only=True)
class RelatedStudy:
    """What another publication prints of an effect of this one.

    Parameters
    ----------
    label : str
        Name of the study, such as authors and year.
    citation : str
        Where it is printed.
    model, coefficient : str
        The effect of this study that it speaks of; a coefficient or an estimand.
    printed : str
        The cell as it prints it: the estimate with its SE, 95 % interval or test, with decimal points.
    factor : float
        What to multiply its numbers by to get the unit and the direction of this study's coefficient.
    role : {"", "original", "replication"}
        Whether this study replicates it, or it replicates this study; empty for neither.
    note : str
        Why the two effects can be compared.
    """

    label: str
    citation: str
    model: str
    coefficient: str
    printed: str
    factor: float = 1.0
    role: RelatedRole = ""
    note: str = ""
    parsed: PrintedCell = field(init=False, repr=False)
    fault: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parsed, fault = read_or_fault(self.printed, "estimate", RELATED_LEGEND)
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "fault", fault)


@dataclass(frozen=True, kw_only=True)
class StatedEnds:
    """Mean scores at the start and at the end that the text states, of the patients who have both.

    Parameters
    ----------
    outcome : str
        Of which outcome.
    first, last : str
        Facts with the means (and SDs) at time zero and at the horizon.
    """

    outcome: str
    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class StatedShare:
    """A percentage of patients that the text states, and how it is counted in data.

    Parameters
    ----------
    fact : str
        The percentage.
    variable, category : str
        Patients in this category, of those with a value.
    within, within_category : str
        Only of the patients in this category of another variable; empty for all.
    """

    fact: str
    variable: str
    category: str
    within: str = ""
    within_category: str = ""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """How the tables of a publication are to be read.

    Parameters
    ----------
    rounding : {"half_up", "half_even", "either"}
        What its program does with ties.
    criterion : {"ml", "reml", "unknown"}
        What the publication says that it maximised.
    valid_percent : bool
        Whether percentages are of the patients with a value, so that a few may be missing.
    df_low : float
        The fewest degrees of freedom that a test of a coefficient may have had.
    star_rules : tuple of StarRule
        By table; a table without one is read as cumulative at 0.05, 0.01, 0.001.
    sums : tuple of SumRule
        Counts that must add up.
    samples : tuple of Sample
        Patients that models may rest on; the first is the stated one.
    assessments : str
        Fact with the mean number of rows of a patient; empty where it is not stated.
    assessed : tuple of str
        Outcomes that this number speaks of.
    smallest_difference : tuple of (str, float)
        Outcome, and the smallest difference that matters in its points (over the horizon, for slopes).
    tests : int
        Effects that the publication says it tested; 0 for as many as its cells print.
    levels : tuple of StatedLevel
        Levels that the printed models leave out.
    legends : tuple of TableLegend
        How the cells of some tables are to be read; the facts' table is called ``text``.
    related : tuple of RelatedStudy
        What other publications print of the same effects.
    heterogeneity : tuple of (str, float)
        Outcome, and the scale of the half-normal prior on the SD between studies, in its points (over the horizon, for
        slopes); the smallest difference that matters where none is stated.
    ends : tuple of StatedEnds
        Means at the start and at the end.
    shares : tuple of StatedShare
        Percentages of patients that data can be asked for.
    visits : tuple of float
        Times of the scheduled assessments, in the unit and from the zero of the models.
    rows : str
        Fact with the number of rows that the models rest on; empty where it is not stated.
    """

    rounding: Rounding = "either"
    criterion: Criterion = "unknown"
    valid_percent: bool = False
    df_low: float = 10.0
    star_rules: tuple[StarRule, ...] = ()
    sums: tuple[SumRule, ...] = ()
    samples: tuple[Sample, ...] = ()
    assessments: str = ""
    assessed: tuple[str, ...] = ()
    smallest_difference: tuple[tuple[str, float], ...] = ()
    tests: int = 0
    levels: tuple[StatedLevel, ...] = ()
    legends: tuple[TableLegend, ...] = ()
    related: tuple[RelatedStudy, ...] = ()
    heterogeneity: tuple[tuple[str, float], ...] = ()
    ends: tuple[StatedEnds, ...] = ()
    shares: tuple[StatedShare, ...] = ()
    visits: tuple[float, ...] = ()
    rows: str = ""

    def legend(self, table: str) -> TableLegend:
        """Return the legend of a table; one that states nothing where there is none."""
        return next((one for one in self.legends if table in one.tables), NO_LEGEND)
