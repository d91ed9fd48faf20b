"""What is kept of the rows of one piece of a large file, or of all, and how it travels between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.run.large.keys import Keys
from bayes_alliance.run.large.sums import Extent, Patients, Patterns

_KEYS = ("ids", "low", "high", "row_patient", "row_time")


@dataclass(frozen=True, kw_only=True)
class ScalingFrame:
    """Shift and scale of the columns, the same for all pieces.

    Parameters
    ----------
    x_shift, x_scale : ndarray, shape (p,)
        Of the fixed columns; shifts are zero without an intercept.
    z_shift, z_scale : ndarray, shape (q,)
        Of the random columns.
    y_shift : float
        Of the outcome.
    """

    x_names: tuple[str, ...]
    x_shift: Array
    x_scale: Array
    z_shift: Array
    z_scale: Array
    y_shift: float


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """What one piece, or all of them, contribute.

    Parameters
    ----------
    n_rows : int
        Used.
    rr : ndarray, shape (m,)
        Upper pairs of ``R'R``.
    open : Patients
        Of whom other pieces may hold rows.
    closed : Patterns
        Of patients who are complete.
    extent : Extent
        Of the numeric variables.
    mean_sums : ndarray, shape (v,)
        Sums over complete patients of their means of the numeric variables.
    n_seen : int
        Complete patients, whether or not any of their rows is used.
    keys : Keys
        Of the other patients.
    set_aside : mapping of str to int
        Rows left out, by the words that say why.
    wrong : mapping of str to int
        How many rows or patients are wrong, by variable and words that say how.
    """

    n_rows: int
    rr: Array
    open: Patients
    closed: Patterns
    extent: Extent
    mean_sums: Array
    n_seen: int
    keys: Keys
    set_aside: Mapping[str, int]
    wrong: Mapping[str, int]


def pack(reduced: Reduced) -> dict[str, list[Any]]:
    """Turn what a piece gives into two columns: names and arrays as bytes."""
    import io
    import json

    arrays = {
        "rr": reduced.rr,
        "ids": reduced.open.ids,
        "open_zz": reduced.open.zz,
        "open_zr": reduced.open.zr,
        "open_others": reduced.open.others,
        "zz": reduced.closed.zz,
        "counts": reduced.closed.counts,
        "moments": reduced.closed.moments,
        "low": reduced.extent.low,
        "high": reduced.extent.high,
        "has_others": reduced.extent.has_others,
        "mean_sums": reduced.mean_sums,
        **{f"key_{name}": getattr(reduced.keys, name) for name in _KEYS},
    }
    packed = []
    for array in arrays.values():
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        packed.append(stream.getvalue())
    facts = {
        "n_rows": reduced.n_rows,
        "n_seen": reduced.n_seen,
        "set_aside": dict(reduced.set_aside),
        "wrong": dict(reduced.wrong),
    }
    return {"name": [*arrays, "facts"], "bytes": [*packed, json.dumps(facts).encode()]}


def unpack(columns: Mapping[str, Sequence[Any]]) -> Reduced:
    """Undo :func:`pack`."""
    import io
    import json

    found = dict(zip(columns["name"], columns["bytes"], strict=True))
    facts = json.loads(found.pop("facts"))
    arrays = {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in found.items()}
    return Reduced(
        n_rows=facts["n_rows"],
        rr=arrays["rr"],
        open=Patients(
            ids=arrays["ids"], zz=arrays["open_zz"], zr=arrays["open_zr"], others=arrays["open_others"]
        ),
        closed=Patterns(zz=arrays["zz"], counts=arrays["counts"], moments=arrays["moments"]),
        extent=Extent(low=arrays["low"], high=arrays["high"], has_others=arrays["has_others"]),
        mean_sums=arrays["mean_sums"],
        n_seen=facts["n_seen"],
        keys=Keys(**{name: arrays[f"key_{name}"] for name in _KEYS}),
        set_aside=facts["set_aside"],
        wrong=facts["wrong"],
    )
