"""Printed cells of a study: a template to fill in, and cells from a table that was pasted.

A row of the table is tied to a coefficient by its label, a column to a quantity by its heading. What cannot be tied
is asked about, or kept with a note that says what is missing, never dropped and never guessed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bayes_alliance.data.pasted_columns import (
    Ask,
    Column,
    columns_of,
    quantity_of_cell,
    row_quantity,
    split_headings,
)
from bayes_alliance.data.readers.printed_grid import Grid
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.printed_text import read_or_fault
from bayes_alliance.study.records import Model, Study
from bayes_alliance.study.table_legend import TableLegend
from bayes_alliance.study.table_reading import follow_heading, settle_decimal

_TIME = {
    "time",
    "slope",
    "linear",
    "change",
    "growth",
    "week",
    "weeks",
    "month",
    "months",
    "day",
    "days",
    "year",
    "years",
}
_INTERCEPT = {"intercept", "constant", "initial", "baseline", "level"}


@dataclass(frozen=True, kw_only=True)
class NewCell:
    """A row of ``cells.csv`` in the making."""

    table: str
    row: str
    column: str
    printed: str
    quantity: str
    model: str = ""
    coefficient: str = ""
    note: str = ""


def coefficients_of(study: Study, model: Model) -> list[str]:
    """Return the fixed columns of a model, as ``cells.csv`` names them."""
    formula = parse_formula(model.formula)
    found = ["Intercept"] if formula.intercept else []
    for term in formula.terms:
        columns = [""]
        for name in term:
            variable = study.every_variable[name]
            levels = [f"[{c}]" for c in variable.categories[1:]] if variable.kind == "category" else [""]
            columns = [f"{before}:{name}{level}".strip(":") for before in columns for level in levels]
        found += columns
    return found


def template_cells(study: Study) -> list[NewCell]:
    """Make one row for every coefficient of every model, and one for each measure of fit, to be filled in."""
    found = []
    for model in study.models:
        for name in coefficients_of(study, model):
            found.append(
                NewCell(
                    table="",
                    row=_label(study, name),
                    column="",
                    printed="",
                    quantity="estimate",
                    model=model.id,
                    coefficient=name,
                )
            )
        found += [
            NewCell(table="", row=quantity.upper(), column="", printed="", quantity=quantity, model=model.id)
            for quantity in ("aic", "bic")
        ]
    return found


def _label(study: Study, coefficient: str) -> str:
    parts = []
    for part in coefficient.split(":"):
        name = part.split("[")[0]
        variable = study.every_variable.get(name)
        parts.append("Intercept" if part == "Intercept" else variable.label if variable else part)
    return " × ".join(parts)


def cells_of_grid(
    study: Study, grid: Grid, *, table: str, model: str = "", ask: Ask | None = None
) -> list[NewCell]:
    """Turn a pasted table into cells.

    Parameters
    ----------
    grid : list of list of str
        Rows of texts, headings first, labels in the first column.
    table : str
        Its name.
    model : str
        Model that all of it reports; empty to ask.
    ask : callable, optional
        Asked where a row or a column cannot be tied; without one, the cell says so in its note.
    """
    heads, body = split_headings(grid)
    columns = columns_of(heads, ask)
    rows = _labelled(body)
    of_column = _models(study, model, columns, ask)
    repeated = {row.key for row in rows if sum(other.key == row.key for other in rows) > 1}
    sections = {
        name: _named(study, name) or _asked(study, f"the rows below {name!r}", ask)
        for name in dict.fromkeys(row.section for row in rows if row.key in repeated)
    }
    ties: dict[str, dict[tuple[str, str], str]] = {}
    found: list[NewCell] = []
    for row in rows:
        for column in columns:
            text = column.text(row.cells)
            if not text:
                continue
            # Labels that come again are those of another model, which the section tells, or nothing does.
            chosen = sections[row.section] if row.key in repeated else of_column[column.block]
            if chosen is not None and chosen.id not in ties:
                ties[chosen.id] = _tie_rows(study, chosen, [other.key for other in rows], ask)
            tied = ties[chosen.id].get(row.key, "") if chosen is not None else ""
            found.append(_cell(study, chosen, table, row, column, text, tied))
    return _checked(_told_apart(found), study.publication.legend(table))


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of a pasted table with numbers in it."""

    label: str
    section: str
    quantity: str
    cells: list[str]

    @property
    def key(self) -> tuple[str, str]:
        return self.label, self.quantity


def _labelled(body: Grid) -> list[_Row]:
    """Rows with the section that they stand in; one for two measures, "A / B", is two rows."""
    found, section = [], ""
    for row in body:
        if not any(row[1:]):
            section = row[0]
            continue
        labels = row[0].split(" / ")
        parts = [cell.split(" / ") for cell in row[1:]]
        if len(labels) == 1 or any(len(part) != len(labels) for part in parts if part != [""]):
            labels, parts = [row[0]], [[cell] for cell in row[1:]]
        for k, label in enumerate(labels):
            cells = [row[0], *(part[k] if k < len(part) else "" for part in parts)]
            found.append(
                _Row(label=label, section=section, quantity=row_quantity(label, section), cells=cells)
            )
    return found


def _models(study: Study, wanted: str, columns: list[Column], ask: Ask | None) -> dict[int, Model | None]:
    """Tell which model every block of columns reports; a model that two blocks seem to report is neither's."""
    blocks = {block: [c.head for c in columns if c.block == block] for block in {c.block for c in columns}}
    if len(blocks) <= 1:
        chosen = next((m for m in study.models if m.id == wanted or len(study.models) == 1), None)
        return dict.fromkeys(blocks, chosen or _asked(study, "the table", ask))
    named = {block: _named(study, " ".join(heads)) for block, heads in blocks.items()}
    ids = [model.id for model in named.values() if model is not None]
    named = {block: m if m is not None and ids.count(m.id) == 1 else None for block, m in named.items()}
    if wanted:
        return {block: m if m is not None and m.id == wanted else None for block, m in named.items()}
    return {
        block: m or _asked(study, f"the columns {', '.join(blocks[block])!r}", ask)
        for block, m in sorted(named.items())
    }


def _asked(study: Study, what: str, ask: Ask | None) -> Model | None:
    models = {model.id: model for model in study.models}
    return models.get(ask(f"Which model do {what} report?", tuple(models))) if ask else None


def _named(study: Study, text: str) -> Model | None:
    """Model that a heading names whole, by its id or label; of several, that with the longest name, if one is."""
    words = _tokens(text)
    lengths = {
        model.id: max(
            (len(name) for name in (_tokens(model.id), _tokens(model.label)) if name and name <= words),
            default=0,
        )
        for model in study.models
    }
    longest = max(lengths.values(), default=0)
    best = [model for model in study.models if lengths[model.id] == longest]
    return best[0] if longest and len(best) == 1 else None


def _tokens(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-zæøåäöüß]+", text.lower()))


def _tie_rows(
    study: Study, model: Model, rows: list[tuple[str, str]], ask: Ask | None
) -> dict[tuple[str, str], str]:
    """Tie every row to a coefficient; of rows with different labels that name the same one, only the plainest.

    "Treatment" and "Treatment versus control" are two effects, and the second is not the main effect of the first.
    """
    ties = {row: _tie(study, model, *row, ask) for row in dict.fromkeys(rows)}
    options = coefficients_of(study, model)
    open_ones = []
    for (label, quantity), tied in list(ties.items()):
        rivals = [other for other, name in ties.items() if tied and name == tied and other[1] == quantity]
        least = min((_foreign(study, tied, other) for other, _ in rivals), default=0)
        plainest = [other for other, _ in rivals if _foreign(study, tied, other) == least]
        if len(rivals) > 1 and plainest != [label]:
            open_ones.append((label, quantity))
    for label, quantity in open_ones:
        ties[label, quantity] = ask(f"Which coefficient is {label!r}?", tuple(options)) if ask else ""
    return ties


def _foreign(study: Study, name: str, label: str) -> int:
    """Count the words of a label that are no name of a coefficient."""
    own: set[str] = set()
    for part in name.split(":"):
        variable = study.every_variable.get(part.split("[")[0])
        own |= _words(part.replace("_", " ")) | (_words(variable.label) if variable else _INTERCEPT)
        own |= _TIME if part == study.time else set()
    return len(_words(label) - own)


def _tie(study: Study, model: Model, label: str, quantity: str, ask: Ask | None) -> str:
    """Find the coefficient, or random effect, that a label names; empty where none or several fit."""
    random = ["Intercept", *parse_formula(model.formula).random]
    if quantity in ("variance", "sd"):
        options = random
    elif quantity:
        return ""
    else:
        options = coefficients_of(study, model)
    component = re.search(r"τ(00|11|₀₀|₁₁)", label)
    if component and quantity == "variance":
        at = 0 if component[1] in ("00", "₀₀") else 1
        return random[at] if at < len(random) else ""
    parts = [part for part in re.split(r"\s*(?:[×*:]|\bx\b|\bX\b|\bby\b)\s*", label) if part.strip()]
    fits = [name for name in options if _fits(study, name, parts)]
    if len(fits) > 1:
        fits = [name for name in fits if _names_whole(study, name, label)] or fits
    if len(fits) == 1:
        return fits[0]
    return ask(f"Which coefficient is {label!r}?", tuple(fits or options)) if ask else ""


def _fits(study: Study, name: str, parts: list[str]) -> bool:
    """Whether every part of a label names one part of a coefficient, in any order."""
    wanted = name.split(":")
    if len(wanted) != len(parts):
        return False
    left = list(wanted)
    for part in parts:
        match = next((w for w in left if _names(study, w, part)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _names_whole(study: Study, name: str, label: str) -> bool:
    """Whether a label holds every word of a coefficient's names, not only some."""
    words = _words(label)
    wanted = set().union(*(_words(part.split("[")[0].replace("_", " ")) for part in name.split(":")))
    return wanted <= words


def _names(study: Study, column: str, part: str) -> bool:
    words = _words(part)
    if column == "Intercept":
        return bool(words & _INTERCEPT)
    name = column.split("[")[0]
    if name == study.time:
        others = [v for v in study.every_variable if v != name]
        named = set().union(*(_words(v.replace("_", " ")) for v in others))
        return bool(words & (_TIME - named | _words(name)))
    variable = study.every_variable[name]
    level = column.partition("[")[2].rstrip("]")
    own = _words(name.replace("_", " ")) | _words(variable.label)
    levels = (
        set().union(*(_words(c.replace("_", " ")) for c in variable.categories))
        if variable.categories
        else set()
    )
    return _words(level.replace("_", " ")) <= words if level else bool(words & (own | levels))


def _cell(
    study: Study, model: Model | None, table: str, row: _Row, column: Column, text: str, tied: str
) -> NewCell:
    """Make a cell; what could not be tied stands in its note."""
    quantity = quantity_of_cell(row.quantity, column.quantity)
    label, text = _without_group(study, row.label, text, quantity)
    found = NewCell(
        table=table, row=label, column=column.head or "value", printed=text, quantity=quantity or "estimate"
    )
    if row.quantity in _OF_RANDOM and column.quantity in _BESIDE:
        note = f"{column.quantity} of {row.quantity}, {label}: write it into the cell of the {row.quantity}"
        return replace(found, quantity=column.quantity, note=note)
    if model is None:
        return replace(found, note="which model reports it?")
    if not quantity:
        return replace(found, note=f"what does the column {column.head!r} hold?")
    if not tied and quantity in _NEEDS_COEFFICIENT:
        return replace(found, note=f"which coefficient is {label!r}?")
    return replace(
        found, model=model.id, coefficient="" if quantity in ("correlation", "covariance") else tied
    )


def _without_group(study: Study, label: str, text: str, quantity: str) -> tuple[str, str]:
    """Move the patients' name from behind a variance, as in "147.2 id", to the label of its row."""
    name = re.search(r"^\S+\s+([^\W\d]\w*)$", text) if quantity in ("variance", "sd", "icc") else None
    own = {study.patient, study.every_variable[study.patient].label}
    if name is None or name[1].lower() not in {each.lower() for each in own}:
        return label, text
    return f"{label} {name[1]}", text[: name.start(1)].strip()


_OF_RANDOM = ("variance", "sd", "covariance", "correlation", "residual", "residual_sd", "icc")
_BESIDE = ("se", "ci", "p", "t", "z", "df")
_NEEDS_COEFFICIENT = {"estimate", "beta", "cohen_d", "se", "ci", "t", "z", "df", "p", "f", "variance", "sd"}


def _told_apart(cells: list[NewCell]) -> list[NewCell]:
    """Ask where rows of different labels seem to report the one correlation, or covariance, of a model."""
    labels: dict[tuple[str, str, str], set[str]] = {}
    for cell in cells:
        if cell.model and cell.quantity in ("correlation", "covariance"):
            labels.setdefault((cell.model, cell.coefficient, cell.quantity), set()).add(cell.row)
    found = []
    for cell in cells:
        rivals = labels.get((cell.model, cell.coefficient, cell.quantity), set()) if cell.model else set()
        if len(rivals) > 1:
            note = f"which {cell.quantity} of {cell.model} is {cell.row!r}? {len(rivals)} rows report one"
            cell = replace(cell, model="", coefficient="", note=note)
        found.append(cell)
    return found


def _checked(cells: list[NewCell], legend: TableLegend) -> list[NewCell]:
    """Note why a cell cannot be read as it stands."""
    settled = settle_decimal([(cell.printed, cell.quantity) for cell in cells], legend)
    found = []
    for cell in cells:
        fault = read_or_fault(cell.printed, cell.quantity, follow_heading(cell.column, settled))[1]
        found.append(replace(cell, note=f"{cell.note}; {fault}".strip("; ")) if fault else cell)
    return found


def format_cells(cells: Iterable[NewCell]) -> str:
    """Format cells as ``cells.csv``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CELL_COLUMNS)
    for cell in cells:
        named = {name: getattr(cell, name, "") for name in CELL_COLUMNS}
        writer.writerow([named[name] for name in CELL_COLUMNS])
    return out.getvalue()
