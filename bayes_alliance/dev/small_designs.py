r"""Steps among the designs of a small publication: who came when, who is in which group.

A change is proposed with probabilities that are those of its reverse times the ratio of the designs' prior
probabilities, so that only the scores' density decides:

* a visit moves to another free time of the same patient;
* a visit moves from one patient to another, where both keep three to six (with k and l visits out of T times, the prior
  ratio :math:`(T + 1 - k)(l + 1) / (k (T - l))` is the inverse of the ratio of the proposals);
* two patients change places in a group.

The scores go with it: a moved visit keeps its *innovation*, its score given all others of its patient, in SDs. Then a
step among the scores of the new design leads back to what is printed (``onto`` of
:func:`bayes_alliance.cohorts.draws.moves.take_step`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.cohorts.draws.growth import Ints
from bayes_alliance.dev.small_publications import FEWEST_VISITS, MOST_VISITS, TIMES

PAIRS = 3


@dataclass(frozen=True, kw_only=True)
class DesignChange:
    """A proposed design.

    Parameters
    ----------
    before : pandas.DataFrame
        The present design with rows that move last among their patient's.
    rows : ndarray of int
        Which rows of the present design those of ``before`` are.
    after : pandas.DataFrame
        The proposed design.
    carry : ndarray of int
        Which row of ``before`` each row of ``after`` takes its innovation from.
    """

    before: pd.DataFrame
    rows: Ints
    after: pd.DataFrame
    carry: Ints


def propose_design(frame: pd.DataFrame, rng: np.random.Generator, *, pairs: int = PAIRS) -> DesignChange:
    """Move some visits within and between patients, and swap two labels of each group.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns patient, time, group, extra; sorted by patient.
    rng : numpy.random.Generator
        Source of randomness.
    pairs : int
        Of patients between whom a visit may move; as many others have one moved to another time.
    """
    patient, time = frame["patient"].to_numpy(), frame["time"].to_numpy()
    chosen = rng.permutation(int(patient.max()) + 1)[: 3 * pairs]
    givers, takers = chosen[:pairs], chosen[pairs : 2 * pairs]
    moves = [*zip(givers, takers, strict=True), *((i, i) for i in chosen[2 * pairs :])]
    last = np.zeros(len(frame), dtype=bool)
    owner, when = patient.copy(), time.copy()
    for giver, taker in moves:
        row = int(rng.choice(np.flatnonzero(patient == giver)))
        free = np.setdiff1d(TIMES, time[patient == taker])
        new_time = float(rng.choice(free))
        n_giver, n_taker = int(np.sum(patient == giver)), int(np.sum(patient == taker))
        if giver != taker and (n_giver == FEWEST_VISITS or n_taker == MOST_VISITS):
            continue
        last[row] = True
        owner[row], when[row] = taker, new_time
    rows = np.lexsort((last, patient))
    before = frame.iloc[rows].reset_index(drop=True)
    moved = before.assign(patient=owner[rows], time=when[rows])
    carry = np.lexsort((last[rows], moved["patient"].to_numpy()))
    after = moved.iloc[carry].reset_index(drop=True)
    for name in ("group", "extra"):
        label = frame.groupby("patient")[name].first().to_numpy().copy()
        one, other = rng.choice(len(label), 2, replace=False)
        label[[one, other]] = label[[other, one]]
        after[name] = label[after["patient"].to_numpy()]
    return DesignChange(before=before, rows=rows, after=after, carry=carry)
