r"""From rows to cross products: what one piece of a large file contributes to the likelihood.

With ``r = [x, y]`` the fixed columns and the outcome and ``z`` the random columns of the rows of one patient,
all that the likelihood needs are :math:`Z_i'Z_i`, :math:`Z_i'R_i` and :math:`R'R`, which add up over pieces.
Columns are shifted and scaled by constants first, so that sums lose no digits;
:mod:`bayes_alliance.run.large.gather` undoes that. Of a patient whom no other piece can hold only the products
of the second are kept, summed over all with the same first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.large.identifiers import check_lengths, read_identifiers
from bayes_alliance.run.large.keys import (
    Keys,
    collect_keys,
    count_changed,
    count_twice,
    merge_keys,
    pick_keys,
)
from bayes_alliance.run.large.reduced import Reduced, ScalingFrame, pack
from bayes_alliance.run.large.reference import average_patients
from bayes_alliance.run.large.source import LargeColumn, LargeSource, Piece
from bayes_alliance.run.large.sums import (
    Patients,
    _pick,
    find_patterns,
    measure_extent,
    merge_extents,
    merge_patients,
    sum_by_patient,
)
from bayes_alliance.study.formula import Formula

BATCH_ROWS = 250_000
NOT_ALLOWED = "a value that the study does not allow"
NO_PATIENT = "the patient is missing"
CHANGES = "differs from an earlier row of the same patient"
TWICE = "the same patient and time as an earlier row"
_ALLOWED = {
    NO_PATIENT: "the identifier of a patient in every row",
    CHANGES: "one value a patient",
    TWICE: "one row for each patient and time",
}


def reduce_piece(source: LargeSource, frame: ScalingFrame, piece: Piece) -> dict[str, list[Any]]:
    """Read and reduce one piece; the result is packed into columns for :func:`~.reduced.unpack`."""
    return pack(reduce_rows(source, frame, piece))


def reduce_rows(source: LargeSource, frame: ScalingFrame, piece: Piece) -> Reduced:
    """Read one piece in batches and reduce it."""
    p, q = len(frame.x_names), len(source.formula.random) + 1
    pairs = np.triu_indices(p + 1)
    rr, n_rows = np.zeros(len(pairs[0])), 0
    parts: list[Patients] = []
    keys = [_no_keys(source)]
    extents = [measure_extent(np.empty((0, len(source.numeric))))]
    set_aside: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for batch in read_batches(source, piece):
        columns, ids, found = _complete(source, batch, set_aside, wrong)
        keys.append(found)
        if wrong or not len(ids):
            continue
        r, z = scaled_columns(source, frame, columns)
        n_rows += len(r)
        rr += (r.T @ r)[pairs]
        extents.append(measure_extent(_side_by_side(columns, source.numeric, len(r))))
        parts.append(sum_by_patient(ids, z, r, _side_by_side(columns, source.not_columns, len(r))))
    whole = merge_patients(parts, p, q, len(source.not_columns))
    complete = _is_complete(whole.ids, piece)
    closed = _pick(whole, complete)
    seen = merge_keys(keys)
    all_there = _is_complete(seen.ids, piece)
    add_faults(source, pick_keys(seen, all_there), wrong)
    return Reduced(
        n_rows=n_rows,
        rr=rr,
        open=_pick(whole, ~complete),
        closed=find_patterns(closed),
        extent=merge_extents(extents),
        mean_sums=average_patients(closed, source, frame).sum(axis=0),
        n_seen=int(all_there.sum()),
        keys=pick_keys(seen, ~all_there),
        set_aside=set_aside,
        wrong=wrong,
    )


def _no_keys(source: LargeSource) -> Keys:
    ids = np.empty(0, dtype=np.int64 if source.spelling == "numbers" else np.bytes_)
    return collect_keys(ids, np.empty((0, len(source.of_patients))), np.empty(0))


def add_faults(source: LargeSource, keys: Keys, wrong: dict[str, int]) -> None:
    """Count, for patients with all their rows, variables that vary and visits that stand twice."""
    for name, n_changed in zip(source.of_patients, count_changed(keys), strict=True):
        _add_wrong(wrong, name, CHANGES, n_changed)
    _add_wrong(wrong, source.time, TWICE, count_twice(keys))


def _add_wrong(wrong: dict[str, int], name: str, words: str, count: int) -> None:
    if count:
        key = f"{name}: {words}"
        wrong[key] = wrong.get(key, 0) + count


def _side_by_side(columns: Mapping[str, NDArray[Any]], names: Sequence[str], n_rows: int) -> Array:
    """Return some variables as the columns of one array, which has n_rows rows also if there are none."""
    return np.array([columns[name] for name in names], dtype=float).reshape(len(names), n_rows).T


def read_batches(source: LargeSource, piece: Piece) -> Any:
    """Return the columns of a piece, some rows at a time."""
    import pyarrow.parquet as pq

    headers = list(dict.fromkeys(column.header for column in source.columns))
    texts = [c.header for c in source.columns if c.kind == "category" or c.name == source.patient]
    # Texts stay in the dictionary of the file until it is known how long they are.
    with pq.ParquetFile(piece.path, read_dictionary=texts) as file:
        for batch in file.iter_batches(BATCH_ROWS, row_groups=list(piece.groups), columns=headers):
            for header in texts:
                check_lengths(batch.column(header), header, piece.path)
            yield batch


def _complete(
    source: LargeSource, batch: Any, set_aside: dict[str, int], wrong: dict[str, int]
) -> tuple[dict[str, NDArray[Any]], NDArray[Any], Keys]:
    """Take the rows with every variable and the values asked for, and the keys of all rows; count the rest."""
    arrays = {column.name: _array(batch.column(column.header), column, source) for column in source.columns}
    ids, named = arrays[source.patient]
    _add_wrong(wrong, source.patient, NO_PATIENT, int(np.sum(~named)))
    of_patients = [
        np.where(valid, values, np.nan) for values, valid in (arrays[n] for n in source.of_patients)
    ]
    times = np.where(arrays[source.time][1], arrays[source.time][0], np.nan)
    keys = collect_keys(ids[named], np.array(of_patients).reshape(-1, len(ids)).T[named], times[named])
    keep = np.ones(batch.num_rows, dtype=bool)
    numbers = {name: values for name, (values, _) in arrays.items()}
    for name, value in source.where:
        keep = _count(keep, arrays[name][1], f"without {name}", set_aside)
        keep = _count(keep, np.equal(numbers[name], value), f"with another value of {name}", set_aside)
    for column in source.columns:
        keep = _count(keep, arrays[column.name][1], f"without {column.name}", set_aside)
    for column in source.columns:
        bad = _is_wrong(numbers[column.name], column, source) & arrays[column.name][1]
        _add_wrong(wrong, column.name, NOT_ALLOWED, int(np.sum(bad)))
    taken = {name: values[keep] for name, values in numbers.items()}
    return taken, taken.pop(source.patient), keys


def _count(
    keep: NDArray[np.bool_], allowed: NDArray[np.bool_], words: str, counts: dict[str, int]
) -> NDArray[np.bool_]:
    if gone := int(np.sum(keep & ~allowed)):
        counts[words] = counts.get(words, 0) + gone
    kept: NDArray[np.bool_] = keep & allowed
    return kept


def _array(column: Any, of: LargeColumn, source: LargeSource) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the values of one column, and where there are any; a category by its number, -1 if it is not declared."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if of.name == source.patient:
        return read_identifiers(column, source.spelling)
    valid = np.asarray(pc.is_valid(column))
    if of.kind == "category":
        codes = pc.index_in(column, value_set=pa.array(of.categories, type=column.type))
        return np.asarray(pc.fill_null(codes, -1), dtype=np.int64), valid
    values = np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan))
    return values, valid & ~np.isnan(values)


def _is_wrong(values: NDArray[Any], column: LargeColumn, source: LargeSource) -> NDArray[np.bool_]:
    if column.name == source.patient:
        return np.zeros(len(values), dtype=bool)
    if column.kind == "category":
        found: NDArray[np.bool_] = values < 0
        return found
    bad = ~np.isfinite(values) | (values < column.minimum) | (values > column.maximum)
    if column.kind == "binary":
        bad |= (values != 0.0) & (values != 1.0)
    return np.asarray(bad, dtype=bool)


def design_columns(
    source: LargeSource, columns: Mapping[str, NDArray[Any]]
) -> tuple[Array, tuple[str, ...], Array]:
    """Build fixed and random columns of some rows, whichever values occur among them.

    Returns
    -------
    x : ndarray, shape (n, p)
    x_names : tuple of str
    z : ndarray, shape (n, q)
    """
    formula = source.formula
    n = len(columns[formula.response])
    categories = {c.name: c.categories for c in source.columns if c.kind == "category"}
    fixed = {name for term in formula.terms for name in term}
    z = np.column_stack([np.ones(n), *(np.asarray(columns[name], float) for name in formula.random)])
    if fixed & set(categories):
        return *_columns_with_categories(formula, columns, categories), z
    products = [np.prod([columns[name] for name in term], axis=0) for term in formula.terms]
    x = np.column_stack([*([np.ones(n)] if formula.intercept else []), *products])
    names = (*(["Intercept"] if formula.intercept else []), *(":".join(term) for term in formula.terms))
    return x, names, z


def _columns_with_categories(
    formula: Formula, columns: Mapping[str, NDArray[Any]], categories: Mapping[str, tuple[str, ...]]
) -> tuple[Array, tuple[str, ...]]:
    """Leave the coding of categories to formulae; extra rows show it every category, and go again."""
    import pandas as pd

    from bayes_alliance.inference.design import fixed_columns

    used = sorted(formula.names - {formula.group})
    extra = max((len(categories[name]) for name in used if name in categories), default=0)
    frame: dict[str, Any] = {}
    for name in used:
        if name in categories:
            codes = np.append(np.arange(extra) % len(categories[name]), columns[name]).astype(np.int64)
            frame[name] = pd.Categorical.from_codes(
                codes, categories=pd.Index(categories[name]), ordered=True
            )
        else:
            frame[name] = np.append(np.zeros(extra), columns[name])
    x, names = fixed_columns(formula, pd.DataFrame(frame))
    return x[extra:], names


def find_frame(source: LargeSource, pieces: Sequence[Piece]) -> ScalingFrame:
    """Find shift and scale of the columns from the first rows that can be used.

    Raises
    ------
    InputError
        If no row can be used.
    """
    for piece in pieces:
        for batch in read_batches(source, piece):
            wrong: dict[str, int] = {}
            columns, ids, _ = _complete(source, batch, {}, wrong)
            if wrong:
                raise_wrong(source, wrong)
            if len(ids):
                return _frame(source, columns)
    raise InputError("large data", [Problem(what="no row has every variable of the model")])


def raise_wrong(source: LargeSource, wrong: Mapping[str, int]) -> None:
    """Raise InputError for what is wrong, by column and never by value."""
    limits = {c.name: _limits(c) for c in source.columns}
    problems = []
    for key, count in wrong.items():
        name, _, words = key.partition(": ")
        unit = ("patient" if words == CHANGES else "row") + "s" * (count != 1)
        allowed = limits[name] if words == NOT_ALLOWED else _ALLOWED[words]
        problems.append(Problem(what=f"{key} ({count} {unit})", allowed=allowed))
    raise InputError("large data", problems)


def _limits(column: LargeColumn) -> str:
    if column.kind == "category":
        return ", ".join(column.categories)
    if column.kind == "binary":
        return "0 or 1"
    return f"finite numbers from {column.minimum:g} to {column.maximum:g}"


def _frame(source: LargeSource, columns: Mapping[str, NDArray[Any]]) -> ScalingFrame:
    x, names, z = design_columns(source, columns)
    x_shift, x_scale = _shift_and_scale(x, shift=source.formula.intercept)
    z_shift, z_scale = _shift_and_scale(z, shift=True)
    y_shift = float(np.mean(columns[source.outcome])) if source.formula.intercept else 0.0
    return ScalingFrame(
        x_names=names, x_shift=x_shift, x_scale=x_scale, z_shift=z_shift, z_scale=z_scale, y_shift=y_shift
    )


def _shift_and_scale(columns: Array, *, shift: bool) -> tuple[Array, Array]:
    """Shift to the mean and scale to unit size; a column of ones (the first, if anything is shifted) stays."""
    centre = columns.mean(axis=0) if shift else np.zeros(columns.shape[1])
    if shift:
        centre[0] = 0.0
    spread = np.sqrt(np.mean((columns - centre) ** 2, axis=0))
    return centre, np.where(spread > 0.0, spread, 1.0)


def scaled_columns(
    source: LargeSource, frame: ScalingFrame, columns: Mapping[str, NDArray[Any]]
) -> tuple[Array, Array]:
    """Return ``r`` and ``z`` of some rows, shifted and scaled."""
    x, names, z = design_columns(source, columns)
    assert names == frame.x_names
    r = np.column_stack([(x - frame.x_shift) / frame.x_scale, columns[source.outcome] - frame.y_shift])
    return r, (z - frame.z_shift) / frame.z_scale


def _is_complete(ids: NDArray[Any], piece: Piece) -> NDArray[np.bool_]:
    """Mark the patients whom no other piece can hold, by the statistics that the file has of itself."""
    if piece.span is None or not len(ids):
        return np.zeros(len(ids), dtype=bool)
    if ids.min() < piece.span[0] or ids.max() > piece.span[1]:
        problem = Problem(
            what="the file's own statistics of the patient column are wrong", fix="write it anew"
        )
        raise InputError(piece.path.name, [problem])
    complete = np.ones(len(ids), dtype=bool)
    for low, high in piece.shared:
        complete &= (ids < low) | (ids > high)
    return complete
