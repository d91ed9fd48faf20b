"""Printed cells of a study: a template to fill in, and cells from a table that was pasted.

A row of the table is tied to a coefficient by its label, a column to a quantity by its heading. What cannot be tied
is asked about, or kept with a note that says what is missing, never dropped and never guessed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bayes_alliance.data.readers.printed_grid import Grid
from bayes_alliance.study.cell_rules import RULES
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.printed_text import read_or_fault
from bayes_alliance.study.records import Model, Study
from bayes_alliance.study.table_legend import TableLegend
from bayes_alliance.study.table_reading import follow_heading, settle_decimal

# Question, and the answers that are possible; an empty answer leaves it open.
Ask = Callable[[str, Sequence[str]], str]
_HEADINGS: tuple[tuple[str, str], ...] = (
    (
        "ci",
        r"^(?:\d\d\s?%\s?)?(?:c\.?i\.?|cri|confidence interval)(?:\s?\d\d\s?%?)?$|^95\s?% (?:confidence|credible)",
    ),
    ("se", r"^\(?(?:s\.?e\.?m?|std\.? err\w*\.?|standard error)\)?$"),
    ("df", r"^d\.?f\.?$|degrees of freedom"),
    ("t", r"^t(?:[- ](?:value|ratio|statistic))?$"),
    ("z", r"^z(?:[- ](?:value|statistic))?$"),
    ("f", r"^f(?:[- ]value)?$"),
    ("chi2", r"^(?:χ2|χ²|chi[- ]?square\w*|lrt?)$"),
    ("p", r"^p(?:[- ]?values?)?$|^sig\.?$"),
    ("estimate", r"^(?:b|β?b|coef\w*\.?|estimates?|est\.?|parameter estimates?|effect|mean difference|γ)\b"),
    ("beta", r"^(?:β|beta|std\.? beta)\b"),
    ("cohen_d", r"^(?:d|cohen'?s d|effect size d)$"),
)
_ROWS: tuple[tuple[str, str], ...] = (
    ("minus_2ll", r"[-−–]\s?2\s?(?:\*\s?)?(?:ll|log)|[-−–]2rll"),
    ("deviance", r"^deviance"),
    ("log_likelihood", r"^log[- ]?likelihood"),
    ("aicc", r"\baicc\b"),
    ("aic", r"\baic\b|akaike"),
    ("bic", r"\bbic\b|bayesian information|schwarz"),
    ("icc", r"\bicc\b|intraclass"),
    ("r2", r"^(?:marginal |conditional |pseudo[- ])?r(?:2|²)"),
    ("residual", r"\bresidual\b|σ(?:2|²)|sigma"),
    ("correlation", r"\bcorr\w*\b|ρ"),
    ("covariance", r"\bcov\w*\b|τ01|τ₀₁"),
    ("variance", r"\bvar(?:iance)?\b|τ(?:00|11|2|²)|τ₀₀|τ₁₁|random"),
)
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
    heads, body = _headings(grid)
    chosen = _model(study, model, ask)
    legend = TableLegend()
    quantities = [_quantity(head, ask) for head in heads[1:]]
    found: list[NewCell] = []
    labelled: list[tuple[str, str, list[str]]] = []
    section = ""
    for row in body:
        if any(row[1:]):
            labelled.append((row[0], _row_quantity(row[0], section), row[1:]))
        else:
            section = row[0]
    ties = _tie_rows(study, chosen, [(label, of_row) for label, of_row, _ in labelled], ask) if chosen else {}
    for label, of_row, cells in labelled:
        tied = ties.get((label, of_row), "")
        for head, quantity, text in zip(heads[1:], quantities, cells, strict=False):
            if text:
                found.append(
                    _cell(study, chosen, table, label, head, text, of_row or quantity, quantity, tied)
                )
    return _checked(found, legend)


def _headings(grid: Grid) -> tuple[list[str], Grid]:
    """Join the rows of headings, which hold no digits but those of a level, into one."""
    heads = 0
    while heads < len(grid) - 1 and not any(_is_number(cell) for cell in grid[heads][1:]):
        if heads and len([c for c in grid[heads] if c]) <= 1:
            break
        heads += 1
    heads = max(heads, 1)
    width = len(grid[0])
    joined = [" ".join(dict.fromkeys(filter(None, (row[k] for row in grid[:heads])))) for k in range(width)]
    return joined, grid[heads:]


def _is_number(text: str) -> bool:
    return bool(re.search(r"\d", re.sub(r"\d\d\s?%\s?C\.?I\.?|Model \d+|Time \d+|\bT\d\b", "", text)))


def _quantity(head: str, ask: Ask | None) -> str:
    """Quantity of a column by its heading; empty where it cannot be told."""
    plain = re.sub(r"\s*[(\[].*?[)\]]\s*$", "", head).strip().lower()
    for name, pattern in _HEADINGS:
        if re.search(pattern, plain):
            return name
    last = plain.split(" ")[-1] if plain else ""
    for name, pattern in _HEADINGS:
        if last and re.search(pattern, last):
            return name
    return ask(f"What does the column {head!r} hold?", tuple(RULES)) if ask and head else ""


def _row_quantity(label: str, section: str) -> str:
    plain = label.lower()
    for name, pattern in _ROWS:
        if re.search(pattern, plain):
            return name
    if re.search(r"random|variance comp", section.lower()):
        return "variance"
    return ""


def _model(study: Study, wanted: str, ask: Ask | None) -> Model | None:
    models = {model.id: model for model in study.models}
    if wanted:
        return models.get(wanted)
    if len(models) == 1:
        return next(iter(models.values()))
    return models.get(ask("Which model does the table report?", tuple(models))) if ask else None


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
    for (label, quantity), tied in list(ties.items()):
        rivals = [other for other, name in ties.items() if name == tied and other[1] == quantity]
        if not tied or len(rivals) < 2 or _foreign(study, tied, label) == 0:
            continue
        if _foreign(study, tied, label) > min(_foreign(study, tied, other) for other, _ in rivals):
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
        return bool(words & (_TIME | _words(name)))
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
    study: Study,
    model: Model | None,
    table: str,
    label: str,
    head: str,
    text: str,
    quantity: str,
    of_column: str,
    tied: str,
) -> NewCell:
    """Make one cell; what could not be tied stands in its note."""
    found = NewCell(
        table=table, row=label, column=head or "value", printed=text, quantity=quantity or "estimate"
    )
    if quantity in _OF_RANDOM and of_column in _BESIDE:
        note = f"{of_column} of {quantity}, {label}: write it into the cell of the {quantity}"
        return replace(found, quantity=of_column, note=note)
    if model is None:
        return replace(found, note="which model reports it?")
    if not quantity:
        return replace(found, note=f"what does the column {head!r} hold?")
    if not tied and quantity in _NEEDS_COEFFICIENT:
        return replace(found, note=f"which coefficient is {label!r}?")
    return replace(found, model=model.id, coefficient=tied)


_OF_RANDOM = ("variance", "sd", "covariance", "correlation", "residual", "icc")
_BESIDE = ("se", "ci", "p", "t", "z", "df")
_NEEDS_COEFFICIENT = {"estimate", "beta", "cohen_d", "se", "ci", "t", "z", "df", "p", "f", "variance", "sd"}


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
