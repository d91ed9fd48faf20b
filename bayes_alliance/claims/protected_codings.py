"""Which codings of real data are analysed beside each other without singling out a few patients.

A coding drops rows, or gives patients another value of a predictor. Where it does so for one patient only, the
difference between the estimates under both codings depends on the data of that patient alone, as it does for two fits
on different rows (:mod:`bayes_alliance.run.protected_rows`). Such a model is not fitted under the second coding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.recode import recode
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError
from bayes_alliance.run.row_sets import RowSets
from bayes_alliance.run.small_groups import singles_out
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Model, Study

_NUMBER = "number of the row\0"  # no column of a file has this name
# What each row of the data has in the variables of a model, as one number; 0 where the model does not use the row.
_Print = NDArray[np.uint64]


def say_withheld(min_cell: int) -> str:
    """Return why a model is not fitted under a coding."""
    return f"withheld: under this coding it would differ from another fit by the data of fewer than {min_cell} patients"


def withhold_codings(
    study: Study, data: StudyData, choices: Multiverse, ledger: Ledger, *, combined: bool
) -> Multiverse:
    """Find the models that must not be fitted under some codings of the data.

    Two fits of an outcome must not differ in rows by those of few patients, nor one model under two codings by the
    values of few. Codings with fewer departures from the study's own way go first.

    Parameters
    ----------
    study : Study
        Declares the models.
    data : StudyData
        Protected already (:func:`bayes_alliance.run.protected_rows.protect_rows`); with ``min_cell`` up to 1 nothing
        is withheld.
    choices : Multiverse
        Every option.
    ledger : Ledger
        Claims may be about a model under another coding.
    combined : bool
        Whether departures are combined (multiverse), or made one at a time only.

    Returns
    -------
    Multiverse
        With what is withheld.
    """
    if data.min_cell <= 1:
        return choices
    sets = RowSets.of_study(study, data)
    numbered = replace(data, rows=data.rows.assign(**{_NUMBER: np.arange(len(data.rows))}))
    recoded = {part.model for _, part in ledger.parts if part.recode}
    models = [study.model(name) for name in dict.fromkeys([*choices.models, *sorted(recoded)])]
    prints: dict[str, list[_Print]] = {model.id: [] for model in models}
    withheld = set()
    for departures in _codings(choices, combined):
        try:
            coded = recode(study, numbered, [choices.option(name) for name in departures])
        except InputError:
            continue  # nothing is fitted: no row is left, or a variable is absent
        for model in models:
            found = _fingerprint(coded, model, len(data.rows))
            if found is None or any(np.array_equal(found, other) for other in prints[model.id]):
                continue
            if departures and _tells_of_few(sets, model, found, prints[model.id]):
                withheld.add((frozenset(departures), model.id))
                continue
            sets.add(model.outcome, found > 0)
            prints[model.id].append(found)
    return replace(choices, withheld=frozenset(withheld))


def _codings(choices: Multiverse, combined: bool) -> Iterator[tuple[str, ...]]:
    """List the departures of every coding, the fewest first."""
    every = [choices.departures(option.id for option in coding) for coding in choices.codings(choices.axes)]
    order = [option.id for axis in choices.axes for option in axis.options]
    for departures in sorted(dict.fromkeys(every), key=len):
        if combined or len(departures) <= 1:
            yield tuple(sorted(departures, key=order.index))


def _tells_of_few(sets: RowSets, model: Model, found: _Print, others: Collection[_Print]) -> bool:
    return sets.tells_of_few(model.outcome, found > 0) or any(
        sets.few((found != other)[None, :]) for other in others
    )


def _fingerprint(data: StudyData, model: Model, n_rows: int) -> _Print | None:
    """Return what the rows of a fit hold; None where the data do not carry it."""
    names = sorted(
        {model.outcome, data.time, *parse_formula(model.formula).names, *(n for n, _ in model.where)}
    )
    if not set(names) <= set(data.rows.columns) or singles_out(data, names, model):
        return None
    keep = data.rows[names].notna().all(axis=1).to_numpy(dtype=bool)
    for name, value in model.where:
        keep &= data.rows[name].eq(value).to_numpy(dtype=bool)
    rows = data.rows[keep]
    if rows[data.patient].nunique() < data.min_cell:
        return None
    found = np.zeros(n_rows, dtype=np.uint64)
    hashed = pd.util.hash_pandas_object(rows[names].astype(str), index=False).to_numpy(dtype=np.uint64)
    found[rows[_NUMBER].to_numpy(dtype=np.int64)] = np.maximum(hashed, 1)
    return found
