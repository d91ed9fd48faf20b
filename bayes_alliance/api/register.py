"""The register of reanalysed studies, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bayes_alliance.api.studies import AnyStudy, find_study, no_report, rows_of
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.seeds import DEFAULT_SEED
from bayes_alliance.study.load_study import list_studies, load_study

if TYPE_CHECKING:
    from bayes_alliance.claims.register import RegisterEntry
    from bayes_alliance.claims.register_check import RegisterCheck
    from bayes_alliance.study.records import Study


def register(
    studies: Sequence[AnyStudy] = (),
    *,
    seed: int = DEFAULT_SEED,
    folder: str | Path | None = None,
    jobs: int = 1,
    report: Reporter | None = None,
) -> list[RegisterEntry]:
    """Hold what print alone says against what the open data say, study by study.

    Parameters
    ----------
    studies : sequence of Study, str or Path
        With printed cells, claims and open data; all that ship if empty.
    seed : int
        The number that all randomness comes from.
    folder : str or Path, optional
        Folder that exists, for ``register.html``, ``register.json`` (a record of each claim), the figure ``register``
        and the tables as CSV and Markdown. Its subfolder ``drawn`` keeps what the drawn data sets gave, study by study,
        so that an interrupted run goes on.
    jobs : int
        Worker processes; 1 computes in this process. Results do not depend on it.
    report : callable, optional
        Gets lines of progress.

    Returns
    -------
    list of RegisterEntry
        ``estimands`` and ``verdicts`` hold print against data, ``again`` every printed number beside the data's.

    Raises
    ------
    InputError
        If table, data and claims of a study do not fit each other, with file and line.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> (entry,) = ba.register(["bates2015"])
    >>> [one.missed for one in entry.estimands]
    [False, False]
    """
    from bayes_alliance.claims.register import blind_test

    say = report or no_report
    found = _registered(studies)
    entries = []
    for study in found:
        say(f"{study.id}: print alone, then its data")
        store = None if folder is None else Path(folder) / "drawn"
        data = rows_of(study, None, seed)
        for warning in data.warnings:
            say(f"warning: {warning.format()}")
        entries.append(blind_test(study, data, seed=seed, store=store, jobs=jobs, report=say))
    if folder is not None:
        _write(entries, Path(folder), seed)
    return entries


def check_register(
    studies: Sequence[AnyStudy] = (), *, seed: int = DEFAULT_SEED, report: Reporter | None = None
) -> list[RegisterCheck]:
    """Check that studies are ready for the register, and say what is missing; fits by ML and REML only.

    Parameters
    ----------
    studies : sequence of Study, str or Path
        With printed cells, claims and open data; all that ship if empty.
    seed : int
        The number that all randomness comes from.
    report : callable, optional
        Gets lines of progress.

    Returns
    -------
    list of RegisterCheck

    Raises
    ------
    InputError
        If table, data and claims of a study do not fit each other, with file and line.
    """
    from bayes_alliance.claims.register_check import check_study

    say = report or no_report
    checks = []
    for study in _registered(studies):
        say(f"{study.id}: table, data and claims")
        checks.append(check_study(study, rows_of(study, None, seed)))
    return checks


def _registered(studies: Sequence[AnyStudy]) -> list[Study]:
    """Return the studies asked for, or all that ship and can be registered; refuse one that lacks a part."""
    from bayes_alliance.claims.register_check import check_parts, is_registered

    found = [find_study(one) for one in studies] or [
        study for name in list_studies() if is_registered(study := load_study(name))
    ]
    for study in found:
        check_parts(study, study.data.source)
    return found


def _write(entries: Sequence[RegisterEntry], folder: Path, seed: int) -> None:
    from bayes_alliance.runtime.files import write_whole
    from bayes_alliance.show.plots.register import ALT, plot_agreement, tabulate_agreement
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.register_json import FILE, register_text
    from bayes_alliance.show.register_page import format_register
    from bayes_alliance.show.tables.register import tabulate_register
    from bayes_alliance.show.tables.write import write_table

    tables = tabulate_register(entries, seed)
    for table in tables:
        write_table(table, folder, endings=("csv", "md"))
    stem = folder / "register"
    save_figure(
        plot_agreement(entries),
        stem,
        rows=tabulate_agreement(entries),
        provenance=f"printed, synthetic and real data; run seed {seed}",
        title="Print alone and mixture against the data",
        alt=ALT,
    )
    drawing = stem.with_suffix(".svg").read_text(encoding="utf-8")
    write_whole(folder / FILE, register_text(entries, seed))
    write_whole(folder / "register.html", format_register(entries, tables, drawing))
