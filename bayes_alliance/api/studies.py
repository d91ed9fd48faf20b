"""What the commands do, in one call each: audit, print, cohorts, claims, stress tests, new studies.

Each takes a study as it is, or the id or folder of one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.data.rows import StudyData
from bayes_alliance.runtime.pool import default_jobs
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.seeds import DEFAULT_SEED
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study

if TYPE_CHECKING:
    import pandas as pd

    from bayes_alliance.claims.run import ClaimsRun
    from bayes_alliance.claims.settings import Depth
    from bayes_alliance.cohorts.store import StoredCohort
    from bayes_alliance.published.audit import Audit
    from bayes_alliance.run.printed_side import Printed
    from bayes_alliance.stress.run import StressResults

AnyStudy = Study | str | Path


def no_report(line: str) -> None:
    """Report nothing."""


def find_study(study: AnyStudy) -> Study:
    """Return the study as it is, or load it by its id or folder."""
    return study if isinstance(study, Study) else load_study(study)


def rows_of(study: Study, data: Any, seed: int) -> StudyData:
    """Return the rows as they are, or read them."""
    return data if isinstance(data, StudyData) else load_data(study, data, seed=seed)


def audit(study: AnyStudy) -> Audit:
    """Check the printed numbers of a study against each other.

    Parameters
    ----------
    study : Study, str or Path
        With printed cells.

    Returns
    -------
    Audit

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> found = ba.audit("folmo2020")
    >>> len(found.findings) > 100
    True
    """
    from bayes_alliance.published.audit import audit_study

    return audit_study(find_study(study))


def posterior_from_print(study: AnyStudy, priors: Sequence[str] = ()) -> Printed:
    """Compute posteriors, sceptical limits and subgroup contrasts from the printed cells alone.

    Parameters
    ----------
    study : Study, str or Path
        With printed cells.
    priors : sequence of str
        Prior sets, ``robust`` among them; empty for all.

    Returns
    -------
    Printed

    Raises
    ------
    InputError
        If the study has no printed cells, or lacks a prior set.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> printed = ba.posterior_from_print("folmo2020", ["neutral"])
    >>> {one.prior for one in printed.posteriors}
    {'neutral'}
    """
    from bayes_alliance.run.printed_side import posterior_from_print as compute

    return compute(find_study(study), priors)


def build_cohorts(
    study: AnyStudy,
    folder: str | Path,
    *,
    count: int = 1,
    seed: int = DEFAULT_SEED,
    jobs: int | None = None,
    design: StudyData | None = None,
    report: Reporter | None = None,
) -> list[StoredCohort]:
    """Build synthetic cohorts on which the models of a study print its tables again.

    Parameters
    ----------
    study : Study, str or Path
        With printed cells, and a cohort plan or a design.
    folder : str or Path
        Where they are kept; finished ones are not built again.
    count : int
        How many.
    seed : int
        The number that all randomness comes from.
    jobs : int, optional
        Processes; all available CPUs if omitted. Results do not depend on it.
    design : StudyData, optional
        Patients, visits and predictors of every cohort; its outcomes are ignored.
    report : callable, optional
        Gets lines of progress.

    Returns
    -------
    list of StoredCohort
        ``frame`` holds the rows, ``facts`` the scorecard.

    Raises
    ------
    InputError
        If the study prints nothing of its models, or has neither plan nor design.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> ba.build_cohorts("medication", "cohorts")  # prints nothing of its models  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    bayes_alliance.errors.InputError: medication: 1 problem
    ...
    """
    from bayes_alliance.cohorts.ensemble import build_ensemble
    from bayes_alliance.cohorts.store import read_cohort

    paths = build_ensemble(
        find_study(study),
        Path(folder),
        count=count,
        seed=seed,
        jobs=jobs or default_jobs(),
        report=report or no_report,
        design=design,
    )
    return [read_cohort(path) for path in paths]


def judge_claims(
    study: AnyStudy,
    data: Any = None,
    *,
    depth: Depth = "full",
    seed: int = DEFAULT_SEED,
    jobs: int | None = None,
    store: str | Path | None = None,
    report: Reporter | None = None,
) -> ClaimsRun:
    """Judge every claim of a study from print, from synthetic cohorts and from data, and challenge the verdicts.

    Parameters
    ----------
    study : Study, str or Path
        With ``claims.toml`` and prior sets.
    data : path, DataFrame or StudyData, optional
        Real data; what the study ships with if omitted.
    depth : {"verdicts", "priors", "main", "full"}
        How far to go: verdicts by source under the default prior; also other priors and ML beside Bayes; also the
        removal of patients, for the main findings; everything for every claim, and the multiverse.
    seed : int
        The number that all randomness comes from.
    jobs : int, optional
        Processes; all available CPUs if omitted.
    store : str or Path, optional
        Folder in which finished tasks are kept.
    report : callable, optional
        Gets lines of progress.

    Returns
    -------
    ClaimsRun

    Raises
    ------
    InputError
        If the study has no claims or no priors, or the data are wrong.

    Examples
    --------
    >>> import tempfile
    >>> import bayes_alliance as ba
    >>> rows = ba.load_data(ba.load_study("medication")).rows
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = ba.new_study(rows, f"{folder}/mood", patient="patient", time="days", outcomes=["pos"])
    ...     run = ba.judge_claims(study, depth="priors", jobs=1)
    >>> [claim.id for claim in run.ledger.claims]
    ['pos_rises']
    """
    from bayes_alliance.claims.choices_file import load_choices
    from bayes_alliance.claims.ledger_file import load_claims
    from bayes_alliance.claims.run import run_claims
    from bayes_alliance.claims.settings import ClaimsSettings
    from bayes_alliance.cohorts.study_rows import shipped_cohorts

    found = find_study(study)
    choices = load_choices(found)
    cohorts = {cohort.path.stem: cohort.path for cohort in shipped_cohorts(found)}
    own = data is None and not found.data.file and cohorts
    return run_claims(
        found,
        next(iter(cohorts.values())) if own else rows_of(found, data, seed),
        cohorts,
        load_claims(found, choices),
        choices,
        ClaimsSettings(seed=seed, jobs=jobs or default_jobs(), depth=depth),
        store=None if store is None else Path(store),
        report=report or no_report,
    )


def stress_test(
    study: AnyStudy,
    data: Any = None,
    *,
    what: Sequence[str] = ("missing", "joint", "conditioning"),
    models: Sequence[str] = (),
    prior: str = "",
    seed: int = DEFAULT_SEED,
    report: Reporter | None = None,
) -> StressResults:
    """Change one assumption at a time and see what becomes of every slope difference.

    Parameters
    ----------
    study : Study, str or Path
        Whose models.
    data : path, DataFrame or StudyData, optional
        Real data; what the study ships with if omitted.
    what : sequence of {"missing", "joint", "conditioning", "likelihoods"}
        Stress tests; ``likelihoods`` samples by NUTS and takes longest.
    models : sequence of str
        Ids; empty for those whose slope differences are printed or in a figure.
    prior : str
        Prior set; the first of the study if omitted.
    seed : int
        The number that all randomness comes from.
    report : callable, optional
        Gets lines of progress.

    Returns
    -------
    StressResults

    Raises
    ------
    InputError
        If the study lacks what is asked for, or the data are wrong.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> found = ba.stress_test("medication", what=["missing"], models=["treatment"])
    >>> {draws.model_id for draws in found.base}
    {'treatment'}
    """
    from bayes_alliance.run.settings import RunSettings, choose_prior
    from bayes_alliance.stress.run import StressSettings, check_what, run_stress

    found = find_study(study)
    chosen = choose_prior(found, RunSettings(engine="collapsed", prior=prior))
    settings = StressSettings(prior=chosen, seed=seed, models=tuple(models), what=tuple(what))
    check_what(found, settings)
    return run_stress(found, rows_of(found, data, seed), settings, report=report or no_report)


def new_study(
    frame: pd.DataFrame,
    folder: str | Path,
    *,
    patient: str = "",
    time: str = "",
    time_unit: str = "",
    outcomes: Sequence[str] = (),
) -> Study:
    """Write a commented study file for a data frame, with the rows beside it, and load it.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per assessment.
    folder : str or Path
        Made; must not hold a study yet.
    patient, time, time_unit : str
        Columns and unit; guessed where omitted.
    outcomes : sequence of str
        Columns; guessed if empty.

    Returns
    -------
    Study
        Models, figures and priors are guesses to be looked at, in ``folder/study.toml``.

    Raises
    ------
    InputError
        If a role cannot be guessed, or the folder holds a study already.

    Examples
    --------
    >>> import tempfile
    >>> import bayes_alliance as ba
    >>> rows = ba.load_data(ba.load_study("medication")).rows
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = ba.new_study(rows, f"{folder}/mood", patient="patient", time="days", outcomes=["pos"])
    >>> study.outcomes
    ('pos',)
    """
    from bayes_alliance.data.guess_roles import guess_roles
    from bayes_alliance.data.new_study import (
        format_cells_template,
        format_claims_template,
        format_study,
    )
    from bayes_alliance.data.readers import read_table
    from bayes_alliance.data.study_folder import study_identifier, write_study_folder
    from bayes_alliance.study.records import ReadOptions

    place = Path(folder)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "data.csv"
        frame.to_csv(path, index=False)
        table = read_table(path, ReadOptions())
        roles = guess_roles(table, patient=patient, time=time, time_unit=time_unit, outcomes=tuple(outcomes))
        text = format_study(table, roles, study_id=study_identifier(place.name), options=ReadOptions())
        beside = {"cells.csv": format_cells_template(), "claims.toml": format_claims_template(table, roles)}
        write_study_folder(place, text, path, beside=beside)
    return load_study(place)
