r"""From cross products of all pieces to the statistics of the likelihood.

With the Cholesky factor of :math:`R'R` for :math:`R = [X, y]` in shifted and scaled columns, :math:`R = D K`, where
``D`` holds the orthonormal fixed columns and the residual of least squares, and everything else follows by linear maps:
:math:`Z'D = Z'R K^{-1}`. Rows are not needed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bayes_alliance.data.row_checks import MIN_PATIENTS
from bayes_alliance.errors import AllianceError, FitError, InputError, Problem
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.statistics import Statistics
from bayes_alliance.run.large.identifiers import warn_of_alike
from bayes_alliance.run.large.keys import merge_keys, pick_keys
from bayes_alliance.run.large.reduced import Reduced, ScalingFrame, unpack
from bayes_alliance.run.large.reduction import add_faults, find_frame, raise_wrong, reduce_piece
from bayes_alliance.run.large.reference import average_patients, state_reference
from bayes_alliance.run.large.source import LargeSource, open_source
from bayes_alliance.run.large.sums import (
    Patterns,
    find_patterns,
    merge_extents,
    merge_patients,
    merge_patterns,
)
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.task_store import Task, Workers
from bayes_alliance.study.records import Model, Study

_DEPENDENT = 1e-10
_NO_RESIDUAL = 1e-12
_BLOCK = 20_000


@dataclass(frozen=True, kw_only=True)
class LargeData:
    """One model's rows, reduced.

    Parameters
    ----------
    stats : Statistics
        Without anything of single patients: arrays by patient are empty.
    x_names, z_names : tuple of str
        Columns.
    reference : mapping of str to (float, float)
        As in :class:`bayes_alliance.inference.design.Design`.
    n_read : int
        Rows in the files.
    set_aside : mapping of str to int
        Rows left out, by why.
    n_pieces : int
        In which the files were read.
    warnings : tuple of str
        Of identifiers that are probably those of one patient.
    """

    stats: Statistics
    x_names: tuple[str, ...]
    z_names: tuple[str, ...]
    reference: Mapping[str, tuple[float, float]]
    n_read: int
    set_aside: dict[str, int]
    n_pieces: int
    warnings: tuple[str, ...] = ()


def reduce_file(
    study: Study,
    model: Model,
    path: Path,
    *,
    workers: Workers | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> LargeData:
    """Reduce a Parquet file, or a folder of them, to the statistics of one model.

    Parameters
    ----------
    study, model : Study, Model
        Say which columns are needed and what they may hold.
    path : Path
        The file; every worker has to see it.
    workers : Workers, optional
        Where pieces are read; by default one after another.
    report : callable
        Gets lines of progress.

    Returns
    -------
    LargeData

    Raises
    ------
    InputError
        If columns are absent or of the wrong type, hold impossible values, or cannot carry the model.
    """
    source, pieces = open_source(study, model, path)
    frame = find_frame(source, pieces)
    tasks = [
        Task(key=f"piece-{i:06d}", arguments=(source, frame, piece), size=piece.n_rows)
        for i, piece in enumerate(pieces)
    ]
    done = run_tasks(reduce_piece, tasks, workers=workers, report=report, unit="rows")
    if wrong := [one for failure in done.failures if failure.error for one in failure.error.problems]:
        raise InputError(path.name, dict.fromkeys(wrong))
    if done.failures:
        raise AllianceError("; ".join(format_failures(done.failures)))
    reduced = add_up([unpack(done.columns(key)) for key in done.keys], source, frame)
    n_read = sum(piece.n_rows for piece in pieces)
    paths = list(dict.fromkeys(piece.path for piece in pieces))
    n_patients = round(float(reduced.closed.counts.sum()))
    _check_enough(reduced.n_seen, n_patients, n_read)
    return LargeData(
        stats=build_statistics(reduced, frame, n_patients),
        x_names=frame.x_names,
        z_names=("Intercept", *source.formula.random),
        reference=state_reference(reduced, source, n_patients),
        n_read=n_read,
        set_aside=dict(reduced.set_aside),
        n_pieces=len(pieces),
        warnings=tuple(warn_of_alike(paths, source.header(source.patient), source.spelling)),
    )


def _check_enough(n_seen: int, n_patients: int, n_read: int) -> None:
    """Refuse what is refused of small data: too few patients in the file, or on the rows of the model."""
    if n_seen < MIN_PATIENTS:
        what, allowed = f"only {n_seen} patients and {n_read} rows", f"at least {MIN_PATIENTS} patients"
        raise InputError("large data", [Problem(what=what, allowed=allowed)])
    if n_patients < MIN_PATIENTS:
        what = f"only {n_patients} patients carry it; at least {MIN_PATIENTS} are needed"
        raise InputError("large data", [Problem(what=what)])


def add_up(parts: Sequence[Reduced], source: LargeSource, frame: ScalingFrame) -> Reduced:
    """Add up what all pieces give; every patient is then complete.

    Raises
    ------
    InputError
        If any row has an impossible value, with all of them, or none is left.
    """
    wrong, set_aside = _add_counts([p.wrong for p in parts]), _add_counts([p.set_aside for p in parts])
    keys = merge_keys([part.keys for part in parts])
    add_faults(source, keys, wrong)
    if wrong:
        raise_wrong(source, wrong)
    if not sum(part.n_rows for part in parts):
        raise InputError("large data", [Problem(what="no row has every variable of the model")])
    p, q = len(frame.x_names), len(source.formula.random) + 1
    n_others = len(source.not_columns)
    patients = merge_patients([part.open for part in parts], p, q, n_others)
    patterns = [part.closed for part in parts if len(part.closed.counts)]
    if len(patients.ids):
        patterns.append(find_patterns(patients))
    return Reduced(
        n_rows=sum(part.n_rows for part in parts),
        rr=np.sum([part.rr for part in parts], axis=0),
        open=merge_patients([], p, q, n_others),
        closed=merge_patterns(patterns),
        extent=merge_extents([part.extent for part in parts]),
        mean_sums=np.sum(
            [part.mean_sums for part in parts] + [average_patients(patients, source, frame).sum(axis=0)],
            axis=0,
        ),
        n_seen=sum(part.n_seen for part in parts) + len(keys.ids),
        keys=pick_keys(keys, np.zeros(len(keys.ids), dtype=bool)),
        set_aside=set_aside,
        wrong={},
    )


def _add_counts(counts: Sequence[object]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for words, count in dict(one).items():  # type: ignore[call-overload]
            total[words] = total.get(words, 0) + count
    return total


def build_statistics(reduced: Reduced, frame: ScalingFrame, n_patients: int) -> Statistics:
    """Undo shift and scale and put the statistics together.

    Raises
    ------
    InputError
        If the fixed columns are linearly dependent.
    FitError
        If they leave no residual that double precision could tell from none.
    """
    p, q, n = len(frame.x_names), len(frame.z_scale), reduced.n_rows
    gram = _symmetric(reduced.rr, p + 1)
    _check_gram(gram, frame, n)
    root = np.linalg.cholesky(gram).T
    residual_ss = float(root[-1, -1] ** 2)
    k = root.copy()
    k[-1, -1] = 1.0
    back = np.linalg.inv(k)
    to_scaled = _undo(frame.x_shift, frame.x_scale)
    beta_scaled = np.linalg.solve(root[:p, :p], root[:p, p])
    beta = to_scaled @ beta_scaled
    beta[0] += frame.y_shift
    zz = _symmetric(reduced.closed.zz, q)
    basis = _random_basis(np.tensordot(reduced.closed.counts, zz, 1) / n)
    turn = np.linalg.inv(basis)
    dd = np.eye(p + 1)
    dd[-1, -1] = residual_ss
    return Statistics(
        n_rows=n,
        n_patients=n_patients,
        basis=root[:p, :p] @ np.linalg.inv(to_scaled),
        beta_ols=beta,
        z_basis=basis @ np.linalg.inv(_undo(frame.z_shift, frame.z_scale)),
        zz=turn.T @ zz @ turn,
        counts=reduced.closed.counts,
        dd=dd,
        moments=_turn_moments(reduced.closed, turn, back),
        patient_zd=np.empty((0, q, p + 1)),
        patient_dd=np.empty((0, (p + 1) * (p + 2) // 2)),
        patient_rows=np.empty(0, dtype=np.int64),
        schedule=np.empty(0, dtype=np.int64),
    )


def _check_gram(gram: Array, frame: ScalingFrame, n: int) -> None:
    p = len(gram) - 1
    size = np.sqrt(np.maximum(np.diagonal(gram), 1e-300))
    values = np.linalg.eigvalsh((gram / np.outer(size, size))[:p, :p])
    if n <= p or values[0] < _DEPENDENT:
        what = f"the {p} fixed columns ({', '.join(frame.x_names)}) are linearly dependent on these rows"
        raise InputError("large data", [Problem(what=what)])
    rest = gram[p, p] - gram[p, :p] @ np.linalg.solve(gram[:p, :p], gram[:p, p])
    if not rest > _NO_RESIDUAL * gram[p, p]:
        raise FitError("the fixed part fits the outcome without any residual; nothing is left to estimate")


def _undo(shift: Array, scale: Array) -> Array:
    """Return the upper triangular matrix that turns original columns into shifted and scaled ones."""
    matrix = np.diag(1.0 / scale)
    matrix[0, 1:] -= (shift / scale)[1:]
    return matrix


def _random_basis(mean_square: Array) -> Array:
    """Return the upper triangular B with columns of ``z @ inv(B)`` orthogonal; a constant one keeps its scale."""
    q = len(mean_square)
    basis = np.eye(q)
    basis[0, 0] = np.sqrt(mean_square[0, 0])
    if q == 2:
        basis[0, 1] = mean_square[0, 1] / basis[0, 0]
        rest = mean_square[1, 1] - basis[0, 1] ** 2
        basis[1, 1] = np.sqrt(rest) if rest > 1e-18 * max(mean_square[1, 1], 1e-300) else 1.0
    return basis


def _turn_moments(patterns: Patterns, turn: Array, back: Array) -> Array:
    """Express the moments in orthogonal columns, in place and some patterns at a time."""
    q, width = len(turn), len(back)
    k, l = np.triu_indices(q)
    a, b = np.triu_indices(width)
    by_pair = np.zeros((len(k), len(k)))
    for new, (i, j) in enumerate(zip(k, l, strict=True)):
        for old, (s, t) in enumerate(zip(k, l, strict=True)):
            twice = turn[s, i] * turn[t, j] + turn[t, i] * turn[s, j]
            # Entries of one column hold v v', those of two hold v w' + w v'.
            by_pair[new, old] = (
                (0.5 if i == j else 1.0) * twice
                if s != t
                else (turn[s, i] * turn[s, j] * (1.0 if i == j else 2.0))
            )
    moments = patterns.moments
    for start in range(0, len(moments), _BLOCK):
        block = moments[start : start + _BLOCK]
        full = np.empty((*block.shape[:2], width, width))
        full[..., a, b] = block
        full[..., b, a] = block
        turned = (back.T @ full @ back)[..., a, b]
        moments[start : start + _BLOCK] = np.einsum("no,gom->gnm", by_pair, turned)
    return moments


def _symmetric(pairs: Array, size: int) -> Array:
    first, second = np.triu_indices(size)
    full = np.empty((*pairs.shape[:-1], size, size))
    full[..., first, second] = pairs
    full[..., second, first] = pairs
    return full
