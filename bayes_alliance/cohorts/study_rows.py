"""The rows of a run: the user's file or frame, the file that the study ships, or one of its synthetic cohorts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bayes_alliance.cohorts.simulate import simulate_cohort
from bayes_alliance.cohorts.store import StoredCohort, list_cohorts, load_ensemble
from bayes_alliance.data.rows import StudyData, data_from_frame, read_data
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.runtime.seeds import DEFAULT_SEED
from bayes_alliance.study.records import ReadOptions, Source, Study

if TYPE_CHECKING:
    import pandas as pd


def load_data(
    study: Study,
    data: str | Path | pd.DataFrame | None = None,
    *,
    patients: str | Path | None = None,
    cohort: int | None = None,
    seed: int = DEFAULT_SEED,
    reading: ReadOptions | None = None,
    show_values: bool = False,
) -> StudyData:
    """Read the data of a study.

    Parameters
    ----------
    study : Study
        Defines the columns.
    data : path or DataFrame, optional
        A file of any kind that the command line reads, or rows in memory, both taken for real data; without one,
        what the study ships with.
    patients : path, optional
        Second table with one row per patient, beside a file.
    cohort : int, optional
        Which of the synthetic cohorts that the study ships, from 0; the first if omitted.
    seed : int
        Of the synthetic cohort of a study that ships a cohort plan only.
    reading : ReadOptions, optional
        How the file is read; as the study file says if omitted.
    show_values : bool
        Show cells of the file, which are patients' values, in messages.

    Returns
    -------
    StudyData

    Raises
    ------
    InputError
        With every problem of the data.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> study = ba.load_study("medication")
    >>> ba.load_data(study).source.value
    'real data'
    """
    _check_source(study, data, patients)
    if data is None and not study.data.file:
        return _cohort_data(study, cohort, seed=seed)
    if cohort is not None:
        what = "--cohort chooses among the cohorts that a study ships; it cannot be combined with --data"
        raise InputError("cohort", [Problem(what=what, got=str(cohort))])
    if data is not None and not isinstance(data, str | Path):
        return data_from_frame(study, data, source=Source.REAL, origin="rows in memory")
    path, source = (
        (study.folder / study.data.file, study.data.source) if data is None else (data, Source.REAL)
    )
    if data is None and study.data.patients:
        patients = study.folder / study.data.patients
    return read_data(
        study,
        Path(path),
        patients_path=None if patients is None else Path(patients),
        source=source,
        options=reading or study.data.reading,
        show_values=show_values,
    )


def _check_source(study: Study, data: str | Path | pd.DataFrame | None, patients: str | Path | None) -> None:
    """Refuse to read where there is nothing to be read."""
    if data is None and patients is not None:
        raise InputError("patients' table", [Problem(what="--patients is read only together with --data")])
    if data is None and study.data.source is Source.PRINTED:
        fix = "use 'audit' and 'printed', or give the patients' data with --data"
        raise InputError(f"study {study.id}", [Problem(what="it has printed cells and no data", fix=fix)])
    if data is None and not study.data.file and not study.data.cohort:
        problem = Problem(
            what="the study names no data of its own",
            allowed="a 'file' or a 'cohort' in [data] of the study file, or --data FILE",
            fix="give the data with --data FILE",
        )
        raise InputError(f"study {study.id}", [problem])


def shipped_cohorts(study: Study) -> Iterator[StoredCohort]:
    """Read the cohorts that a study ships and that were built for it as it stands, one by one."""
    if study.data.ensemble:
        yield from load_ensemble(study, study.folder / study.data.ensemble)


def _cohort_data(study: Study, number: int | None, *, seed: int) -> StudyData:
    """Return the cohort of a number, by default the first; where a study ships none, a simulated one."""
    passed = 0
    for passed, cohort in enumerate(shipped_cohorts(study), start=1):
        if passed > (number or 0):
            return cohort.data(study)
    if number is not None:
        allowed = f"0 to {passed - 1}" if passed else "nothing: the study ships none"
        raise InputError("cohort", [Problem(what="no such cohort", got=str(number), allowed=allowed)])
    simulated = simulate_cohort(study, seed)
    left = list_cohorts(study.folder / study.data.ensemble) if study.data.ensemble else []
    if not left:
        return simulated
    warning = Problem(
        what=f"none of the {len(left)} cohorts in {study.data.ensemble!r} was built for the study as it stands: the "
        "rows are simulated from the cohort plan, which prints the tables only roughly",
        where=f"study {study.id}",
        fix="build them again with 'bayes-alliance cohort', or run the study as it was",
    )
    return dataclasses.replace(simulated, warnings=(*simulated.warnings, warning))
