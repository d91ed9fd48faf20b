"""Who was seen when in a large file: two rows of one patient at one time, and patients who change.

Rows of a patient may stand in several pieces, so that what is known of the patient is merged before it is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array
from bayes_alliance.run.large.sums import Ints


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Patients, when each was seen, and the range of what should not vary within a patient.

    Parameters
    ----------
    ids : ndarray, shape (k,)
        Unique, in order.
    low, high : ndarray, shape (k, v)
        Least and greatest value of each variable of patients; NaN where none is known.
    row_patient : ndarray of int, shape (n,)
        Number in ``ids`` of the patient of each row with a time.
    row_time : ndarray, shape (n,)
        That time.
    """

    ids: NDArray[Any]
    low: Array
    high: Array
    row_patient: Ints
    row_time: Array


def collect_keys(ids: NDArray[Any], values: Array, times: Array) -> Keys:
    """Collect the keys of some rows; ``values`` has a column for each variable of patients."""
    if np.any(ids[1:] < ids[:-1]):
        order = np.argsort(ids, kind="stable")
        ids, values, times = ids[order], values[order], times[order]
    first = np.append(np.ones(min(len(ids), 1), dtype=bool), ids[1:] != ids[:-1])
    starts = np.flatnonzero(first)
    seen = ~np.isnan(times)
    return Keys(
        ids=ids[starts],
        low=np.fmin.reduceat(values, starts) if len(ids) else values,
        high=np.fmax.reduceat(values, starts) if len(ids) else values,
        row_patient=(np.cumsum(first) - 1)[seen],
        row_time=times[seen],
    )


def pick_keys(keys: Keys, which: NDArray[np.bool_]) -> Keys:
    """Keep some patients."""
    rows = which[keys.row_patient]
    number = np.cumsum(which) - 1
    return Keys(
        ids=keys.ids[which],
        low=keys.low[which],
        high=keys.high[which],
        row_patient=number[keys.row_patient[rows]],
        row_time=keys.row_time[rows],
    )


def merge_keys(parts: Sequence[Keys]) -> Keys:
    """Put the keys of several pieces together; there is at least one piece."""
    parts = [part for part in parts if len(part.ids)] or [parts[0]]
    if len(parts) == 1:
        return parts[0]
    ids, number = np.unique(np.concatenate([part.ids for part in parts]), return_inverse=True)
    low = np.full((len(ids), parts[0].low.shape[1]), np.nan)
    high = low.copy()
    np.fmin.at(low, number, np.concatenate([part.low for part in parts]))
    np.fmax.at(high, number, np.concatenate([part.high for part in parts]))
    offsets = np.cumsum([0, *(len(part.ids) for part in parts[:-1])])
    rows = np.concatenate([part.row_patient + at for part, at in zip(parts, offsets, strict=True)])
    return Keys(
        ids=ids,
        low=low,
        high=high,
        row_patient=number[rows],
        row_time=np.concatenate([part.row_time for part in parts]),
    )


def count_changed(keys: Keys) -> list[int]:
    """Count for each variable the patients in whom it varies."""
    return [int(n) for n in np.sum(keys.high > keys.low, axis=0)]


def count_twice(keys: Keys) -> int:
    """Count the rows that have the patient and the time of another one."""
    patient, time = keys.row_patient, keys.row_time
    if np.all((patient[1:] > patient[:-1]) | ((patient[1:] == patient[:-1]) & (time[1:] > time[:-1]))):
        return 0
    order = np.lexsort((time, patient))
    patient, time = patient[order], time[order]
    return int(np.sum((patient[1:] == patient[:-1]) & (time[1:] == time[:-1])))
