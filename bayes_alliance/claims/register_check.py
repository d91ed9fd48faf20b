"""Whether a study is ready for the register: nothing missing, and table, data and claims fit each other.

Fits every printed model by maximum likelihood, and none by Bayes, so that it answers in seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.data.headers import nearest_header
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.published.audit import Audit, audit_study
from bayes_alliance.published.patient_counts import all_patients
from bayes_alliance.run.printed_again import PrintedAgain, print_again
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source, Study

# An estimate of the data further from the printed one than this many printed SEs is of other data or another model.
FOREIGN = 1.0


@dataclass(frozen=True, kw_only=True)
class RegisterCheck:
    """What a study has for the register, and what it lacks.

    Parameters
    ----------
    study : Study
        As loaded.
    n_patients, n_rows : int
        Of the data.
    ledger : Ledger
        Its claims.
    audit : Audit
        Of the printed numbers.
    again : tuple of PrintedAgain
        Every printed number beside that of ML or REML.
    missing : tuple of Problem
        What a reader of the register would miss, though it runs without.
    """

    study: Study
    n_patients: int
    n_rows: int
    ledger: Ledger
    audit: Audit
    again: tuple[PrintedAgain, ...]
    missing: tuple[Problem, ...]

    @property
    def unexplained(self) -> tuple[PrintedAgain, ...]:
        """Printed numbers that the data do not print again."""
        return tuple(one for one in self.again if one.compared and not one.met and not one.close)


def check_study(study: Study, data: StudyData) -> RegisterCheck:
    """Check that a study can join the register, and say what is missing.

    Parameters
    ----------
    study : Study
        With cells, priors and claims.
    data : StudyData
        Its open data.

    Returns
    -------
    RegisterCheck

    Raises
    ------
    InputError
        If a part is missing without which it cannot run, or parts do not fit each other; with file and row.
    """
    check_parts(study, data.source)
    ledger = load_claims(study, load_choices(study))
    again = print_again(study, data)
    check_fit(study, data, again)
    return RegisterCheck(
        study=study,
        n_patients=int(data.rows[study.patient].nunique()),
        n_rows=len(data.rows),
        ledger=ledger,
        audit=audit_study(study),
        again=again,
        missing=tuple(_missing(study, ledger)),
    )


def _missing(study: Study, ledger: Ledger) -> Iterator[Problem]:
    """Return what a reader of the register would miss."""
    stated = {
        "study.toml, [study], key 'design'": (study.design, "say it in a few words"),
        "study.toml, [data], key 'citation'": (study.data.citation, "say where the data come from"),
        "study.toml, [data], key 'licence'": (
            study.data.licence,
            "name the licence under which they may be passed on",
        ),
    }
    for where, (value, fix) in stated.items():
        if not value:
            yield Problem(what="nothing is stated", where=where, fix=fix)
    if not (study.folder / "README.md").exists():
        yield Problem(
            what="there is no such file",
            where="README.md",
            fix="say where each printed number was read, and what was left out",
        )
    if all_patients(study) is None:
        yield Problem(
            what="the number of patients is not stated",
            where="facts.csv",
            fix="type it in, and name it in [[published.samples]]",
        )
    if not any(claim.main for claim in ledger.claims):
        yield Problem(what="no claim is a main finding", where="claims.toml", fix="mark one with main = true")


def check_parts(study: Study, source: Source) -> None:
    """Check that a study has what the register needs: printed cells of models, priors, claims and open data.

    Raises
    ------
    InputError
        Naming every missing part.
    """
    problems = []
    if not any(cell.model for cell in study.cells):
        problems.append(
            Problem(what="no printed cell names a model", where="cells.csv", fix="type in the table")
        )
    if not study.priors:
        problems.append(Problem(what="it has no prior set", where="study.toml", fix="add [[priors]]"))
    if not (study.folder / "claims.toml").exists():
        problems.append(
            Problem(what="there is no such file", where="claims.toml", fix="write down the claims")
        )
    if source is not Source.REAL:
        problems.append(
            Problem(
                what="the register needs real data",
                where="study.toml, [data]",
                got=source.value,
                fix='name a file and source = "real data"',
            )
        )
    if problems:
        raise InputError(f"study {study.id}", problems)


def check_fit(study: Study, data: StudyData, again: Sequence[PrintedAgain]) -> None:
    """Check that the data are those of the printed table: patients as counted, models that run, estimates nearby.

    Raises
    ------
    InputError
        Naming file and row of everything that does not fit.
    """
    problems = []
    stated, found = all_patients(study), int(data.rows[study.patient].nunique())
    if stated is not None and stated != found:
        fact = next(f for f in study.facts if f.id == study.publication.samples[0].count)
        problems.append(
            Problem(
                what="the publication counts other patients than the data hold",
                where=f"facts.csv, line {fact.line}",
                got=f"{stated} printed, {found} in {study.data.file or data.origin}",
                fix="correct the count, or the file",
            )
        )
    lacking = list(_lacking(study, data, {one.cell.model for one in again}))
    problems += lacking
    skipped = {one.cell.model: one for one in again if one.reason and one.part == "estimate" and not lacking}
    problems += [
        Problem(
            what=f"the data cannot carry model {one.cell.model!r} of this cell: {one.reason}",
            where=f"cells.csv, line {one.cell.line}",
            fix="correct the model's variables, or the data file",
        )
        for one in skipped.values()
    ]
    problems += [
        Problem(
            what="the data give another estimate than is printed",
            where=f"cells.csv, line {one.cell.line}",
            got=f"{one.cell.printed} printed, {one.achieved:.6g} from {study.data.file or data.origin}",
            allowed=f"within {FOREIGN:g} printed standard error",
            fix="check coefficient, coding and the digits typed in, and that the file belongs to the table",
        )
        for one in _foreign(again)
    ]
    if problems:
        raise InputError(f"study {study.id}", problems)


def _lacking(study: Study, data: StudyData, models: Collection[str]) -> Iterator[Problem]:
    """Name each column that printed models need and the data file does not have."""
    needed = {
        name for model in study.models if model.id in models for name in parse_formula(model.formula).names
    }
    for variable in study.variables:
        if variable.name in needed & set(data.absent):
            yield Problem(
                what=f"there is no column {variable.column!r}, which printed models need as {variable.name!r}",
                where=f"{study.data.file or data.origin}, line 1",
                got=", ".join(data.unused_columns) or "no other column",
                fix=nearest_header(variable.column, data.unused_columns)
                or "correct the header, or the study file",
            )


def _foreign(again: Sequence[PrintedAgain]) -> Iterator[PrintedAgain]:
    """Return estimates further from the printed ones than their printed standard error."""
    ses = {
        (one.cell.table, one.cell.model, one.cell.coefficient): one.high for one in again if one.part == "SE"
    }
    for one in again:
        se = ses.get((one.cell.table, one.cell.model, one.cell.coefficient))
        if one.part == "estimate" and one.compared and se is not None:
            gap = max(one.low - one.achieved, one.achieved - one.high)
            if gap > FOREIGN * se:
                yield one


def is_registered(study: Study) -> bool:
    """Whether a study ships table, claims and real data."""
    try:
        check_parts(study, study.data.source)
    except InputError:
        return False
    return bool(study.data.file)
