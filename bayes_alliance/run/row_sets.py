"""Whether one more fit would single out a few patients, given the rows of the fits that it is published beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.rows import FrozenRows, StudyData
from bayes_alliance.errors import InputError
from bayes_alliance.run.plan import Plan, PlannedModel, plan_study
from bayes_alliance.study.records import Study

Mask = NDArray[np.bool_]


class RowSets:
    """The rows of the fits of each outcome, as masks of a study's rows.

    Parameters
    ----------
    data : StudyData
        All rows, with the fewest patients that may be described (``min_cell``).
    """

    def __init__(self, data: StudyData) -> None:
        names, codes = np.unique(data.rows[data.patient].astype(str).to_numpy(), return_inverse=True)
        self._members = np.equal.outer(codes, np.arange(len(names))).astype(np.float32)
        self._keys = pd.MultiIndex.from_frame(data.rows[[data.patient, data.time]])
        self._columns = [data.patient, data.time]
        self._fewest = data.min_cell
        self._sets: dict[str, list[Mask]] = {}
        self._known: dict[str, Mask] = {}

    @classmethod
    def of_plan(cls, plan: Plan, data: StudyData) -> RowSets:
        """Return the rows of every fit of a plan, and for each outcome all rows that have it."""
        found = cls(data)
        for fit in [*plan.own, *(fit for members in plan.common.values() for fit in members)]:
            found.add(fit.model.outcome, found.rows_of(fit.frozen))
            found.add(fit.model.outcome, data.rows[fit.model.outcome].notna().to_numpy(dtype=bool))
        return found

    @classmethod
    def of_study(cls, study: Study, data: StudyData) -> RowSets:
        """Return the rows of every fit of a study; none where no model can be run."""
        try:
            return cls.of_plan(plan_study(study, data), data)
        except InputError:
            return cls(data)

    def rows_of(self, frozen: FrozenRows) -> Mask:
        """Return which of the study's rows a fit uses."""
        used = pd.MultiIndex.from_frame(frozen.rows[self._columns])
        return np.asarray(self._keys.isin(used), dtype=bool)

    def items(self) -> Iterable[tuple[str, list[Mask]]]:
        """Return the distinct sets of rows of each outcome."""
        return self._sets.items()

    def add(self, outcome: str, rows: Mask) -> None:
        """Enter the rows of a fit."""
        own = self._sets.setdefault(outcome, [])
        if not any(np.array_equal(rows, other) for other in own):
            own.append(rows)
            self._known.pop(outcome, None)

    def tells_of_few(self, outcome: str, rows: Mask) -> bool:
        """Whether these rows differ from those of another fit, or of two without common rows, by few patients.

        Parameters
        ----------
        outcome : str
            Of the fit.
        rows : ndarray of bool
            That it would use.
        """
        own = self._sets.get(outcome, [])
        if not own or any(np.array_equal(rows, other) for other in own):
            return False
        if outcome not in self._known:
            self._known[outcome] = np.array(with_unions(own))
        mine = [rows, *(rows | other for other in own if not np.any(rows & other))]
        return any(self.few(self._known[outcome] ^ one) for one in mine)

    def few(self, differing: Mask) -> bool:
        """Whether any of these sets of rows, shape (n_sets, n_rows), belongs to a few patients: some, and too few."""
        counts = np.sum(differing.astype(np.float32) @ self._members > 0.0, axis=1)
        return bool(np.any((counts > 0) & (counts < self._fewest)))


def tells_of_few(study: Study, data: StudyData, fits: Iterable[PlannedModel]) -> bool:
    """Whether fits outside of a study's plan differ from one of it by the rows of few patients."""
    if data.min_cell <= 1:
        return False
    sets = RowSets.of_study(study, data)
    return any(sets.tells_of_few(one.model.outcome, sets.rows_of(one.frozen)) for one in fits)


def with_unions(sets: list[Mask]) -> list[Mask]:
    """Add the unions of disjoint sets: sums over subgroups tell of what lies between them and the whole."""
    joined = (one | other for one, other in combinations(sets, 2) if not np.any(one & other))
    return list(_distinct(iter([*sets, *joined])))


def _distinct(sets: Iterator[Mask]) -> Iterator[Mask]:
    seen = set()
    for one in sets:
        if one.tobytes() not in seen:
            seen.add(one.tobytes())
            yield one
