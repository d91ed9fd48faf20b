"""What a publication leaves open: named readings with options, prior weights and their sources, as frozen records.

A reading is one question that the publication does not answer, such as which patients a model rests on; its options are
the possible answers, the first being the study file's own. An option is data: what printed cells would stand for, which
stated counts a percentage would be of, how many patients a model would lack. Holds no arithmetic but the study as an
option reads it; :mod:`bayes_alliance.study.load_readings` reads the records and
:mod:`bayes_alliance.published.reading_weights` weighs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bayes_alliance.study.records import Cell, Estimand, Model, Study

REVERSED = "reversed"


@dataclass(frozen=True, kw_only=True)
class CellReading:
    """What a printed cell stands for under an option.

    Parameters
    ----------
    table, row, column : str
        The cell.
    model, coefficient : str
        The coefficient or estimand that it reports; both empty for a cell that reports none.
    factor : {1, -1}
        -1 where the printed number is the coefficient with the other sign.
    """

    table: str
    row: str
    column: str
    model: str = ""
    coefficient: str = ""
    factor: int = 1

    @property
    def place(self) -> tuple[str, str, str]:
        """Table, row and column."""
        return self.table, self.row, self.column


@dataclass(frozen=True, kw_only=True)
class ShareReading:
    """What a printed percentage is of under an option.

    Parameters
    ----------
    fact : str
        The percentage.
    of : str
        Count that it is a percentage of.
    less : (int, int)
        Fewest and most patients of the stated count of the percentage who are not among those.
    fewer : (int, int)
        Fewest and most patients by which ``of`` is larger than the patients counted.
    """

    fact: str
    of: str
    less: tuple[int, int] = (0, 0)
    fewer: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Direction:
    """A direction that the text gives a coefficient whose cell is read in more than one way.

    Parameters
    ----------
    table, row, column : str
        The cell.
    model, coefficient : str
        The coefficient that the text speaks of.
    sign : {1, -1}
        Its direction.
    place : str
        Where the text says so.
    """

    table: str
    row: str
    column: str
    model: str
    coefficient: str
    sign: int
    place: str


@dataclass(frozen=True, kw_only=True)
class ReadingOption:
    """One possible answer.

    Parameters
    ----------
    id, label : str
        Key and words.
    weight : float
        Prior weight; those of a reading are scaled to add up to one.
    source : str
        Where the weight comes from.
    missing : (int, int)
        Fewest and most patients whose rows the reading's models lack, each number being as likely.
    without_facts : tuple of str
        Facts that do not hold under it.
    samples : tuple of str
        Stated samples that models may rest on under it; empty for all.
    shares : tuple of ShareReading
        What percentages are of.
    cells : tuple of CellReading
        Cells that stand for something else than in ``cells.csv``.
    without_end : tuple of (str, str)
        For data: a patient-level variable, and the outcome without whose assessment at the horizon it has no value.
    """

    id: str
    label: str
    weight: float
    source: str
    missing: tuple[int, int] = (0, 0)
    without_facts: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    shares: tuple[ShareReading, ...] = ()
    cells: tuple[CellReading, ...] = ()
    without_end: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One question that the publication leaves open.

    Parameters
    ----------
    id, label : str
        Key and words.
    place : str
        Where the publication leaves it open.
    options : tuple of ReadingOption
        The study file's own first.
    models : tuple of str
        Models that rest on the patients in question.
    within : (str, str)
        Reading and option under which alone the question arises; empty strings where it always does.
    directions : tuple of Direction
        What the text says of the direction.
    """

    id: str
    label: str
    place: str
    options: tuple[ReadingOption, ...]
    models: tuple[str, ...] = ()
    within: tuple[str, str] = ("", "")
    directions: tuple[Direction, ...] = ()

    @property
    def prior(self) -> tuple[float, ...]:
        """Prior weights that add up to one."""
        total = sum(option.weight for option in self.options)
        return tuple(option.weight / total for option in self.options)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """Every reading of a study.

    Parameters
    ----------
    readings : tuple of Reading
        In the order of the file.
    slip : float
        Probability that a printed number or word is a slip, so that it tells nothing.
    digest : str
        SHA-256 of the file; empty where the study has none.
    """

    readings: tuple[Reading, ...] = ()
    slip: float = 0.02
    digest: str = ""


def cell_under(cell: Cell, option: ReadingOption) -> CellReading | None:
    """Return what an option says of a cell; None where it says nothing."""
    place = (cell.table, cell.row, cell.column)
    return next((one for one in option.cells if one.place == place), None)


def study_under(study: Study, option: ReadingOption) -> Study:
    """Return the study as an option of a reading reads it.

    Parameters
    ----------
    study : Study
        As loaded.
    option : ReadingOption
        One of its own.

    Returns
    -------
    Study
        With cells, facts and samples of that option; ``study`` itself where the option changes none of them.
    """
    if not (option.cells or option.without_facts or option.samples):
        return study
    publication = study.publication
    kept = tuple(s for s in publication.samples if not option.samples or s.id in option.samples)
    gone = set(option.without_facts)
    facts = tuple(
        replace(
            fact,
            of=tuple(name for name in fact.of if name not in gone),
            same="" if fact.same in gone else fact.same,
        )
        for fact in study.facts
        if fact.id not in gone and not any(name in gone for _, name in fact.derived)
    )
    return replace(
        study,
        models=tuple(_with_reversed(model, option) for model in study.models),
        cells=tuple(_read_cell(cell, option) for cell in study.cells),
        facts=facts,
        publication=replace(publication, samples=kept),
    )


def _read_cell(cell: Cell, option: ReadingOption) -> Cell:
    found = cell_under(cell, option)
    if found is None:
        return cell
    coefficient = f"{REVERSED}_{found.coefficient}" if found.factor < 0 else found.coefficient
    return replace(cell, model=found.model, coefficient=coefficient)


def _with_reversed(model: Model, option: ReadingOption) -> Model:
    """Add to a model the estimands that an option reads with the other sign."""
    names = dict.fromkeys(one.coefficient for one in option.cells if one.model == model.id and one.factor < 0)
    return replace(model, estimands=(*model.estimands, *_reverse(model, tuple(names)))) if names else model


def _reverse(model: Model, names: Sequence[str]) -> list[Estimand]:
    own = {estimand.name: estimand for estimand in model.estimands}
    found = []
    for name in names:
        weights = own[name].weights if name in own else ((name, 1.0),)
        kind = own[name].kind if name in own else "level"
        label = f"{own[name].label if name in own else name}, with the other sign"
        turned = tuple((coefficient, -weight) for coefficient, weight in weights)
        found.append(Estimand(name=f"{REVERSED}_{name}", label=label, weights=turned, kind=kind))
    return found
