"""A large Parquet file (or a folder of them) as the source of one model: columns, pieces, and what may be wrong.

Values are checked piece by piece: kinds, limits, categories; missing ones are counted. What needs all rows of a study
at once is not done here: no questionnaire is scored and no variable is derived.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.data.readers.parquet import refuse_crashing
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.run.large.identifiers import Spelling, choose_spelling
from bayes_alliance.study.formula import Formula, parse_formula
from bayes_alliance.study.records import Model, Study, Variable

PIECE_ROWS = 500_000
Range = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class LargeColumn:
    """One variable of the model, where it stands and what it may be.

    Parameters
    ----------
    name, header : str
        In formulas, and in the file.
    kind, level : str
        As in the study file.
    minimum, maximum : float
        Infinite where there is no limit.
    categories : tuple of str
        Of a category; the first is the reference.
    """

    name: str
    header: str
    kind: str
    level: str
    minimum: float
    maximum: float
    categories: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LargeSource:
    """What every piece is read by.

    Parameters
    ----------
    patient, time : str
        Names of the identifying variables.
    columns : tuple of LargeColumn
        Patient, time, outcome, then the others in alphabetical order, as rows are set aside.
    where : tuple of (str, float)
        Only rows with these values.
    spelling : str
        Of patients, as of :func:`bayes_alliance.run.large.identifiers.choose_spelling`.
    """

    formula: Formula
    patient: str
    time: str
    outcome: str
    columns: tuple[LargeColumn, ...]
    where: tuple[tuple[str, float], ...]
    spelling: Spelling = "numbers"

    @property
    def of_patients(self) -> tuple[str, ...]:
        """Variables that may not vary within a patient."""
        return tuple(c.name for c in self.columns if c.level == "patient" and c.name != self.patient)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Numeric variables of the fixed part, and those with a random slope."""
        categories = {column.name for column in self.columns if column.kind == "category"}
        names = dict.fromkeys(chain(chain.from_iterable(self.formula.terms), self.formula.random))
        return tuple(name for name in names if name not in categories)

    @property
    def not_columns(self) -> tuple[str, ...]:
        """Those of them that are not fixed columns of their own, such as one that occurs only in an interaction."""
        return tuple(name for name in self.numeric if (name,) not in self.formula.terms)

    def header(self, name: str) -> str:
        """Return the header of a variable."""
        return {column.name: column.header for column in self.columns}[name]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some row groups of one file.

    Parameters
    ----------
    path : Path
        Of the file, which every worker has to see.
    groups : tuple of int
        Row groups.
    n_rows : int
        In them.
    span : (int, int) or None
        Least and largest patient number in them by the file's own statistics; None where it has none.
    shared : tuple of (int, int)
        Ranges of patient numbers that other pieces may hold too.
    """

    path: Path
    groups: tuple[int, ...]
    n_rows: int
    span: Range | None
    shared: tuple[Range, ...] = ()


def open_source(study: Study, model: Model, path: Path) -> tuple[LargeSource, list[Piece]]:
    """Check the columns of a file or of the ``*.parquet`` files of a folder, and split them into pieces.

    Raises
    ------
    InputError
        With every column that is absent or of the wrong type in any file.
    """
    source = _source(study, model)
    whole = path.resolve()  # workers may stand elsewhere
    paths = sorted(whole.glob("*.parquet")) if whole.is_dir() else [whole]
    if not paths:
        raise InputError(path.name, [Problem(what="no *.parquet file in this folder")])
    refuse_crashing([one for one in paths if one.is_file()])
    problems: list[Problem] = []
    files = []
    for one in paths:
        try:
            files.append((one, _metadata(one, source)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(path.name, problems)
    source = dataclasses.replace(source, spelling=choose_spelling(paths, source.header(source.patient)))
    pieces = [piece for one, metadata in files for piece in _pieces(one, metadata, source)]
    return source, _find_shared(pieces)


def _source(study: Study, model: Model) -> LargeSource:
    formula = parse_formula(model.formula)
    if formula.is_structured:
        what = "large data take one grouping factor with independent residuals"
        raise InputError(f"model {model.id}", [Problem(what=what, got=formula.text)])
    if len(formula.random) > 1:
        raise InputError(f"model {model.id}", [Problem(what="large data take one random slope at most")])
    first = (study.patient, study.time, model.outcome)
    others = sorted((formula.names | {name for name, _ in model.where}) - set(first))
    columns = []
    for name in (*first, *others):
        variable = study.every_variable[name]
        low, high = (variable.minimum, variable.maximum) if isinstance(variable, Variable) else (None, None)
        columns.append(
            LargeColumn(
                name=name,
                header=variable.column if isinstance(variable, Variable) else name,
                kind=variable.kind,
                level=variable.level,
                minimum=-np.inf if low is None else low,
                maximum=np.inf if high is None else high,
                categories=variable.categories,
            )
        )
    return LargeSource(
        formula=formula,
        patient=study.patient,
        time=study.time,
        outcome=model.outcome,
        columns=tuple(columns),
        where=model.where,
    )


def _metadata(path: Path, source: LargeSource) -> Any:
    """Check the columns of a file and return what it says of its row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists() and not path.is_file():
        raise InputError(path.name, [Problem(what="it is a device, a pipe or a folder", where=path.name)])
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
    except (OSError, pa.ArrowException) as error:
        raise InputError(path.name, [Problem(what="no Parquet file", where=path.name)]) from error
    problems = [
        problem for column in source.columns if (problem := _check_column(path, schema, column, source))
    ]
    if problems:
        raise InputError(path.name, problems)
    return metadata


def _pieces(path: Path, metadata: Any, source: LargeSource) -> list[Piece]:
    at = next(
        i
        for i in range(metadata.num_columns)
        if metadata.schema.column(i).path == source.header(source.patient)
    )
    pieces: list[Piece] = []
    groups: list[int] = []
    for number in range(metadata.num_row_groups):
        groups.append(number)
        n_rows = sum(metadata.row_group(g).num_rows for g in groups)
        if n_rows >= PIECE_ROWS or number == metadata.num_row_groups - 1:
            spans = [_span(metadata.row_group(g).column(at)) for g in groups]
            known = [span for span in spans if span is not None and source.spelling == "numbers"]
            span = (min(a for a, _ in known), max(b for _, b in known)) if len(known) == len(spans) else None
            pieces.append(Piece(path=path, groups=tuple(groups), n_rows=n_rows, span=span))
            groups = []
    return pieces


def _span(column: Any) -> Range | None:
    found = column.statistics
    if found is None or not found.has_min_max or not isinstance(found.min, int):
        return None
    return int(found.min), int(found.max)


def _check_column(path: Path, schema: Any, column: LargeColumn, source: LargeSource) -> Problem | None:
    import pyarrow as pa

    where = f"{path.name}, column {column.header!r}"
    if column.header not in schema.names:
        return Problem(
            what="it is not there",
            where=where,
            fix="large files need every variable of the model as a column: scored, derived and under this header",
        )
    same = [number for number, name in enumerate(schema.names, start=1) if name == column.header]
    if len(same) > 1:
        return Problem(
            what=f"columns {same[0]} and {same[1]} have the same header",
            where=where,
            fix="rename one of them",
        )
    found = schema.field(column.header).type
    values = found.value_type if pa.types.is_dictionary(found) else found
    number = pa.types.is_integer(values) or pa.types.is_floating(values) or pa.types.is_boolean(values)
    text = pa.types.is_string(values) or pa.types.is_large_string(values)
    allowed, right = ("numbers", number)
    if column.name == source.patient:
        allowed, right = "whole numbers or text", pa.types.is_integer(values) or text
    elif column.kind == "category":
        allowed, right = "text", text
    return None if right else Problem(what="wrong type", where=where, got=str(found), allowed=allowed)


def _find_shared(pieces: Sequence[Piece]) -> list[Piece]:
    """Find for each piece which patient numbers other pieces may hold: all of them where nothing is known."""
    spans = [piece.span for piece in pieces]
    if any(span is None for span in spans):
        return [dataclasses.replace(piece, span=None) for piece in pieces]
    known = [span for span in spans if span is not None]
    found = []
    for i, (piece, (low, high)) in enumerate(zip(pieces, known, strict=True)):
        shared = [
            (max(low, a), min(high, b)) for j, (a, b) in enumerate(known) if j != i and a <= high and b >= low
        ]
        found.append(dataclasses.replace(piece, shared=tuple(shared)))
    return found
