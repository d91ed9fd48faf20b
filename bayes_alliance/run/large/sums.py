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
    """

    ids: NDArray[Any]
    zz: Array
    zr: Array


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


def sum_by_patient(ids: NDArray[Any], z: Array, r: Array) -> Patients:
    """Sum the products of the rows of each patient."""
    k, l = np.triu_indices(z.shape[1])
    products = np.concatenate(
        [z[:, k] * z[:, l], (z[:, :, None] * r[:, None, :]).reshape(len(r), -1)], axis=1
    )
    unique, sums = sum_by_id(ids, products)
    return Patients(ids=unique, zz=sums[:, : len(k)], zr=sums[:, len(k) :].reshape(len(sums), *_shape(z, r)))


def _shape(z: Array, r: Array) -> tuple[int, int]:
    return z.shape[1], r.shape[1]


def sum_by_id(ids: NDArray[Any], values: Array) -> tuple[NDArray[Any], Array]:
    """Sum rows of values with the same id; ids in order."""
    if np.any(ids[1:] < ids[:-1]):
        order = np.argsort(ids, kind="stable")
        ids, values = ids[order], values[order]
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    return ids[starts], np.add.reduceat(values, starts)


def merge_patients(parts: Sequence[Patients], p: int, q: int) -> Patients:
    """Put patients of several batches or pieces together."""
    parts = [part for part in parts if len(part.ids)]
    u = q * (q + 1) // 2
    if not parts:
        return Patients(ids=np.empty(0, dtype=np.int64), zz=np.empty((0, u)), zr=np.empty((0, q, p + 1)))
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate(
        [np.concatenate([part.zz, part.zr.reshape(len(part.ids), -1)], axis=1) for part in parts]
    )
    ids, sums = sum_by_id(np.concatenate([part.ids for part in parts]), values)
    return Patients(ids=ids, zz=sums[:, :u], zr=sums[:, u:].reshape(len(ids), q, p + 1))


def _pick(patients: Patients, which: NDArray[np.bool_]) -> Patients:
    return Patients(ids=patients.ids[which], zz=patients.zz[which], zr=patients.zr[which])


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
    """Give a number to each distinct row, rounded, in the order in which they first stand.

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
