"""Sums of products by patient and by pattern of visits, which add up over pieces of a large file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array

DIGITS = 12  # to which equal visit times give equal products; columns have unit size
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Patients:
    """Products of patients who may have rows elsewhere.

    Parameters
    ----------
    ids : ndarray, shape (k,)
        Numbers, or text as UTF-8 bytes; unique.
    zz : ndarray, shape (k, u)
        Upper pairs of ``Z'Z``.
    zr : ndarray, shape (k, q, p + 1)
        ``Z'R``.
    others : ndarray, shape (k, e)
        Sums of the numeric variables that are not columns of their own.
    """

    ids: NDArray[Any]
    zz: Array
    zr: Array
    others: Array


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """Products of complete patients by pattern of visit times.

    Parameters
    ----------
    zz : ndarray, shape (g, u)
        Upper pairs of ``Z'Z`` of one patient.
    counts : ndarray, shape (g,)
        Patients.
    moments : ndarray, shape (g, u, m)
        As in :class:`bayes_alliance.inference.statistics.Statistics`, of ``z`` and ``r``.
    """

    zz: Array
    counts: Array
    moments: Array


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The values of some variables: least and greatest, and whether there are others.

    Parameters
    ----------
    low, high : ndarray, shape (v,)
        Infinite where there are no rows.
    has_others : ndarray of bool, shape (v,)
        Whether some value lies between the two.
    """

    low: Array
    high: Array
    has_others: NDArray[np.bool_]


def measure_extent(values: Array) -> Extent:
    """Measure the columns of an array of shape (n, v)."""
    low, high = values.min(axis=0, initial=np.inf), values.max(axis=0, initial=-np.inf)
    return Extent(low=low, high=high, has_others=np.any((values > low) & (values < high), axis=0))


def merge_extents(parts: Sequence[Extent]) -> Extent:
    """Put the extents of several batches or pieces together."""
    lows, highs = np.stack([part.low for part in parts]), np.stack([part.high for part in parts])
    low, high = lows.min(axis=0), highs.max(axis=0)
    # Where a part has no value between its ends, its ends are all it has; those of an empty one are outside.
    inside = ((lows > low) & (lows < high)) | ((highs > low) & (highs < high))
    has_others = np.any([part.has_others for part in parts], axis=0) | np.any(inside, axis=0)
    return Extent(low=low, high=high, has_others=has_others)


def sum_by_patient(ids: NDArray[Any], z: Array, r: Array, others: Array) -> Patients:
    """Sum the products of the rows of each patient, and other values as they are."""
    k, l = np.triu_indices(z.shape[1])
    products = np.concatenate(
        [z[:, k] * z[:, l], (z[:, :, None] * r[:, None, :]).reshape(len(r), -1), others], axis=1
    )
    return _split(*sum_by_id(ids, products), p=r.shape[1] - 1, q=z.shape[1])


def _split(ids: NDArray[Any], sums: Array, *, p: int, q: int) -> Patients:
    """Undo the putting side by side of what belongs to a patient."""
    u = q * (q + 1) // 2
    end = u + q * (p + 1)
    return Patients(
        ids=ids, zz=sums[:, :u], zr=sums[:, u:end].reshape(len(ids), q, p + 1), others=sums[:, end:]
    )


def sum_by_id(ids: NDArray[Any], values: Array) -> tuple[NDArray[Any], Array]:
    """Sum rows of values with the same id; ids in order."""
    if np.any(ids[1:] < ids[:-1]):
        order = np.argsort(ids, kind="stable")
        ids, values = ids[order], values[order]
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    return ids[starts], np.add.reduceat(values, starts)


def merge_patients(parts: Sequence[Patients], p: int, q: int, n_others: int) -> Patients:
    """Put patients of several batches or pieces together."""
    parts = [part for part in parts if len(part.ids)]
    if not parts:
        width = q * (q + 1) // 2 + q * (p + 1) + n_others
        return _split(np.empty(0, dtype=np.int64), np.empty((0, width)), p=p, q=q)
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate(
        [np.concatenate([part.zz, part.zr.reshape(len(part.ids), -1), part.others], axis=1) for part in parts]
    )
    return _split(*sum_by_id(np.concatenate([part.ids for part in parts]), values), p=p, q=q)


def _pick(patients: Patients, which: NDArray[np.bool_]) -> Patients:
    return Patients(
        ids=patients.ids[which],
        zz=patients.zz[which],
        zr=patients.zr[which],
        others=patients.others[which],
    )


def find_patterns(patients: Patients) -> Patterns:
    """Sum the products of complete patients by their ``Z'Z``, equal to 12 digits."""
    index, first = number_patterns(patients.zz)
    q, width = patients.zr.shape[1:]
    k, l = np.triu_indices(q)
    a, b = np.triu_indices(width)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(first)))
    moments = np.empty((len(first), len(k), len(a)))
    for pair, (i, j) in enumerate(zip(k, l, strict=True)):
        product = patients.zr[:, i][:, a] * patients.zr[:, j][:, b]
        if i != j:
            product += patients.zr[:, j][:, a] * patients.zr[:, i][:, b]
        moments[:, pair] = np.add.reduceat(product[order], starts, axis=0) if len(first) else 0.0
    counts = np.bincount(index, minlength=len(first)).astype(float)
    return Patterns(zz=patients.zz[first], counts=counts, moments=moments)


def merge_patterns(parts: Sequence[Patterns]) -> Patterns:
    """Put patterns of several pieces together."""
    if len(parts) == 1:
        return parts[0]
    zz = np.concatenate([part.zz for part in parts])
    index, first = number_patterns(zz)
    counts = np.bincount(index, np.concatenate([part.counts for part in parts]), minlength=len(first))
    if len(first) == len(zz):
        return Patterns(zz=zz, counts=counts, moments=np.concatenate([part.moments for part in parts]))
    moments = np.zeros((len(first), *parts[0].moments.shape[1:]))
    np.add.at(moments, index, np.concatenate([part.moments for part in parts]))
    return Patterns(zz=zz[first], counts=counts, moments=moments)


def number_patterns(zz: Array) -> tuple[Ints, Ints]:
    """Return a number to each distinct row, rounded, in the order in which they first stand.

    Returns
    -------
    index : ndarray of int, shape (n,)
        Number of each row's pattern.
    first : ndarray of int, shape (g,)
        A row of each pattern.
    """
    if not len(zz):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rounded = np.ascontiguousarray(np.round(zz, DIGITS) + 0.0)
    key = _hash(rounded)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(rounded[first][inverse], rounded):  # two rows of one hash: sort the rows themselves
        _, first, inverse = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(len(first))
    return rank[inverse.reshape(-1)], first[order].astype(np.int64)


def _hash(rows: Array) -> NDArray[np.uint64]:
    """Mix the bits of each row into one number: sorting numbers is many times faster than sorting rows."""
    found = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        found ^= np.ascontiguousarray(column).view(np.uint64)
        found *= np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
    return found
