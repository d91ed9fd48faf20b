"""Loading ``readings.toml`` of a study folder: what the publication leaves open, every problem reported at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.study.formula import FormulaError, parse_formula
from bayes_alliance.study.load_study import read_toml
from bayes_alliance.study.readings import (
    CellReading,
    Direction,
    Reading,
    ReadingOption,
    Readings,
    ShareReading,
)
from bayes_alliance.study.records import Study
from bayes_alliance.study.toml_reader import TableReader
from bayes_alliance.study.validate_cells import coefficient_fault

FILE = "readings.toml"
MAX_READINGS = 50
MAX_OPTIONS = 10
MAX_PATIENTS = 10_000
_SIGNS = {"+": 1, "-": -1}


def load_readings(study: Study) -> Readings:
    """Load the readings of a study.

    Parameters
    ----------
    study : Study
        Whose folder may hold a ``readings.toml``.

    Returns
    -------
    Readings
        Without any where there is no such file.

    Raises
    ------
    InputError
        With every problem of the file, by table and key.

    Examples
    --------
    >>> from bayes_alliance.study.load_study import load_study
    >>> [reading.id for reading in load_readings(load_study("folmo2020")).readings][:2]
    ['outcome_rows', 'end_scores']
    """
    path = study.folder / FILE
    if not path.exists():
        return Readings()
    problems: list[Problem] = []
    raw, table = read_toml(path, problems)
    if problems:
        raise InputError(str(path), problems)
    top = TableReader(table, FILE, problems)
    slip = top.number("slip", default=0.02, above=0.0)
    if slip >= 1.0:
        top.complain("not permitted", "slip", got=f"{slip:g}", allowed="a number between 0 and 1")
    readings = tuple(_reading(reader) for reader in top.tables("readings"))
    top.finish()
    problems += _check(study, readings)
    if problems:
        raise InputError(str(path), problems)
    return Readings(readings=readings, slip=slip, digest=hashlib.sha256(raw).hexdigest())


def _reading(reader: TableReader) -> Reading:
    within = reader.text("within", default="")
    parent, _, option = within.partition(".")
    found = Reading(
        id=reader.identifier("id"),
        label=reader.text("label"),
        place=reader.text("place"),
        options=tuple(_option(item) for item in reader.tables("options")),
        models=reader.texts("models"),
        within=(parent, option),
        directions=tuple(_direction(item) for item in reader.tables("directions")),
    )
    reader.finish()
    return found


def _option(reader: TableReader) -> ReadingOption:
    option = ReadingOption(
        id=reader.identifier("id"),
        label=reader.text("label"),
        weight=reader.number("weight", above=0.0),
        source=reader.text("source"),
        missing=_counts(reader, "missing"),
        without_facts=reader.texts("without_facts"),
        samples=reader.texts("samples"),
        shares=tuple(_share(item) for item in reader.tables("shares")),
        cells=tuple(_cell(item) for item in reader.tables("cells")),
        without_end=reader.texts_by_name("without_end"),
    )
    reader.finish()
    return option


def _counts(reader: TableReader, key: str) -> tuple[int, int]:
    """Take ``[fewest, most]``, whole numbers from 0 on."""
    value = reader.take(key, (list,), "[fewest, most]", [0, 0], False)
    whole = all(isinstance(item, int) and not isinstance(item, bool) for item in value)
    if not whole or len(value) != 2 or not 0 <= value[0] <= value[1] <= MAX_PATIENTS:
        got, allowed = repr(value)[:40], "[fewest, most], whole numbers of patients"
        reader.complain("not permitted", key, got=got, allowed=allowed)
        return 0, 0
    return value[0], value[1]


def _share(reader: TableReader) -> ShareReading:
    share = ShareReading(
        fact=reader.text("fact"),
        of=reader.text("of"),
        less=_counts(reader, "less"),
        fewer=_counts(reader, "fewer"),
    )
    reader.finish()
    return share


def _cell(reader: TableReader) -> CellReading:
    cell = CellReading(
        table=reader.text("table"),
        row=reader.text("row"),
        column=reader.text("column"),
        model=reader.text("model", default=""),
        coefficient=reader.text("coefficient", default=""),
        factor=_SIGNS[reader.text("sign", choices=tuple(_SIGNS), default="+")],
    )
    reader.finish()
    return cell


def _direction(reader: TableReader) -> Direction:
    direction = Direction(
        table=reader.text("table"),
        row=reader.text("row"),
        column=reader.text("column"),
        model=reader.text("model"),
        coefficient=reader.text("coefficient"),
        sign=_SIGNS[reader.text("sign", choices=tuple(_SIGNS))],
        place=reader.text("place"),
    )
    reader.finish()
    return direction


def _check(study: Study, readings: tuple[Reading, ...]) -> Iterator[Problem]:
    if len(readings) > MAX_READINGS:
        allowed = f"at most {MAX_READINGS}"
        yield Problem(what="too many readings", where=FILE, got=str(len(readings)), allowed=allowed)
    for name, count in Counter(reading.id for reading in readings).items():
        if count > 1:
            yield Problem(what="duplicate id", where=f"{FILE}, [[readings]]", got=repr(name))
    models = [model.id for model in study.models]
    for i, reading in enumerate(readings):
        where = f"{FILE}, [[readings]] {reading.id}"
        yield from (
            no_such("model", name, models, where=f"{where}, key 'models'")
            for name in reading.models
            if name not in models
        )
        yield from _check_within(reading, readings[:i], where)
        for place in reading.directions:
            yield from _check_cell(study, place, f"{where}, [[directions]]")
        if not 2 <= len(reading.options) <= MAX_OPTIONS:
            got, allowed = str(len(reading.options)), f"2 to {MAX_OPTIONS}"
            yield Problem(what="wrong number of options", where=where, got=got, allowed=allowed)
        for name, count in Counter(option.id for option in reading.options).items():
            if count > 1:
                yield Problem(what="duplicate id", where=f"{where}, [[options]]", got=repr(name))
        if reading.options and reading.options[0].cells:
            what = "the first option is not the study file's own"
            yield Problem(what=what, where=where, fix="put the option that changes no cell first")
        yield from _check_shares(reading, readings[i + 1 :], where)
        for option in reading.options:
            yield from _check_option(study, reading, option, f"{where}, [[options]] {option.id}")


def _check_within(reading: Reading, earlier: tuple[Reading, ...], where: str) -> Iterator[Problem]:
    """Check that a reading depends on an option of one before it that itself always arises."""
    if not any(reading.within):
        return
    known = [f"{one.id}.{option.id}" for one in earlier if not any(one.within) for option in one.options]
    name = ".".join(reading.within)
    if name not in known:
        yield no_such("option of an earlier reading", name, known, where=f"{where}, key 'within'")


def _check_shares(reading: Reading, later: tuple[Reading, ...], where: str) -> Iterator[Problem]:
    """Check that all options, with the readings within them, speak of the same percentages."""
    said = {}
    for option in reading.options:
        inner = [one for one in later if one.within == (reading.id, option.id)]
        shares = [*option.shares, *(share for one in inner for share in one.options[0].shares)]
        said[option.id] = sorted(share.fact for share in shares)
    if len({tuple(names) for names in said.values()}) > 1:
        got = "; ".join(f"{name}: {', '.join(names) or 'none'}" for name, names in said.items())
        what = "options speak of different percentages, so that they cannot be weighed"
        yield Problem(
            what=what, where=where, got=got, fix="say of each option what the same percentages are of"
        )


def _check_option(study: Study, reading: Reading, option: ReadingOption, where: str) -> Iterator[Problem]:
    if option.missing[1] and not reading.models:
        fix = "name the models in the reading"
        yield Problem(what="'missing' without models", where=where, fix=fix)
    facts = {fact.id: fact for fact in study.facts}
    counts = [name for name, fact in facts.items() if fact.quantity == "count"]
    for name in option.without_facts:
        if name not in facts:
            yield no_such("fact", name, list(facts), where=f"{where}, key 'without_facts'")
    samples = [sample.id for sample in study.publication.samples]
    for name in option.samples:
        if name not in samples:
            yield no_such("sample", name, samples, where=f"{where}, key 'samples'")
    for share in option.shares:
        place = f"{where}, [[shares]]"
        if share.fact not in facts or facts[share.fact].quantity != "percent":
            yield Problem(what="not the id of a percentage", where=place, got=repr(share.fact[:60]))
        elif share.less[1] and not facts[share.fact].same:
            what = "'less' of a percentage whose count is not stated"
            yield Problem(what=what, where=place, got=repr(share.fact[:60]))
        if share.of not in counts:
            yield Problem(what="not the id of a count", where=place, got=repr(share.of[:60]))
    for cell in option.cells:
        yield from _check_cell(study, cell, f"{where}, [[cells]]")
    known = study.every_variable
    for name, outcome in option.without_end:
        place = f"{where}, [without_end]"
        if name not in known or known[name].level != "patient":
            yield Problem(what="no variable of patients", where=place, got=repr(name[:40]))
        if outcome not in known or known[outcome].level != "visit":
            yield Problem(what="no variable of visits", where=place, got=repr(outcome[:40]))


def _check_cell(study: Study, cell: CellReading | Direction, where: str) -> Iterator[Problem]:
    """Check that the cell stands in ``cells.csv`` as an estimate, and that its model has the coefficient."""
    places = {(c.table, c.row, c.column) for c in study.cells if c.quantity == "estimate"}
    if (cell.table, cell.row, cell.column) not in places:
        got = repr(", ".join((cell.table, cell.row, cell.column))[:100])
        yield Problem(what="no such estimate in cells.csv", where=where, got=got)
    models = {model.id: model for model in study.models}
    if not cell.model and not cell.coefficient:
        return
    if cell.model not in models:
        yield no_such("model", cell.model, list(models), where=where)
        return
    model = models[cell.model]
    if any(estimand.name == cell.coefficient for estimand in model.estimands):
        return
    try:
        fault = coefficient_fault(cell.coefficient, parse_formula(model.formula), study.every_variable)
    except FormulaError as error:
        fault = str(error)
    if fault:
        yield Problem(what=fault, where=where, got=repr(cell.coefficient[:60]))
