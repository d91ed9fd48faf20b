"""Tables of a run: printed | ML | Bayes, and what the fits are worth. Show; never fit.

No table holds a patient's data.
"""

from __future__ import annotations

from pathlib import Path

from bayes_alliance.run.results import StudyResults
from bayes_alliance.runtime.files import write_whole, write_whole_bytes
from bayes_alliance.show.disclosure import Content
from bayes_alliance.show.tables.bayes_factors import tabulate_agreement, tabulate_bayes_factors
from bayes_alliance.show.tables.checks import tabulate_check_summary, tabulate_checks
from bayes_alliance.show.tables.cohort_comparison import tabulate_cohort_comparison
from bayes_alliance.show.tables.cohorts import tabulate_ensemble_checks, tabulate_spread
from bayes_alliance.show.tables.comparison import tabulate_comparison
from bayes_alliance.show.tables.descriptives import tabulate_descriptives
from bayes_alliance.show.tables.estimands import (
    tabulate_estimands,
    tabulate_growth_tests,
    tabulate_likelihoods,
    tabulate_variances,
)
from bayes_alliance.show.tables.gates import Gates, collect_gates
from bayes_alliance.show.tables.html import format_html, html_fragment
from bayes_alliance.show.tables.latex import format_document, format_latex
from bayes_alliance.show.tables.predictive import tabulate_predictive
from bayes_alliance.show.tables.printed_cells import tabulate_cells
from bayes_alliance.show.tables.readings import tabulate_readings
from bayes_alliance.show.tables.record import Column, Table, publish
from bayes_alliance.show.tables.rows import tabulate_rows
from bayes_alliance.show.tables.text import format_csv, format_markdown
from bayes_alliance.show.tables.text_facts import tabulate_text
from bayes_alliance.show.tables.word import format_word
from bayes_alliance.show.tables.workbook import format_workbook
from bayes_alliance.show.tables.write import write_table

__all__ = [
    "Column",
    "Gates",
    "Table",
    "build_tables",
    "collect_gates",
    "format_csv",
    "format_html",
    "format_latex",
    "format_markdown",
    "format_word",
    "html_fragment",
    "write_tables",
]

# Longer tables are for sorting and searching, not for paper.
MAX_WORD_ROWS = 40


def build_tables(results: StudyResults) -> list[Table]:
    """Build every table of a run; those without a row are left out.

    Parameters
    ----------
    results : StudyResults
        What to show.

    Returns
    -------
    list of Table
    """
    gates = collect_gates(results)
    of_models = [
        *tabulate_cells(results, gates),
        tabulate_estimands(results, gates),
        tabulate_variances(results, gates),
        tabulate_growth_tests(results, gates),
        tabulate_likelihoods(results, gates),
        tabulate_comparison(results, gates),
        tabulate_bayes_factors(results, gates),
        tabulate_check_summary(results, gates),
        tabulate_checks(results, gates),
        tabulate_agreement(results, gates),
    ]
    tables = [
        *((Content.AGGREGATE, table) for table in tabulate_descriptives(results)),
        *((Content.MODEL, table) for table in of_models),
        (Content.AGGREGATE, tabulate_predictive(results, gates)),
        (Content.AGGREGATE, tabulate_rows(results)),
        (Content.AGGREGATE, tabulate_text(results, gates)),
        (Content.MODEL, tabulate_cohort_comparison(results.study, results.ensemble.comparisons)),
        (Content.MODEL, tabulate_spread(results.study, results.ensemble.spread)),
        (Content.AGGREGATE, tabulate_ensemble_checks(results.study, results.ensemble.checks)),
    ]
    if results.printed is not None:
        printed = results.printed
        table = tabulate_readings(printed.study, printed.readings, printed.reading_audits)
        tables.append((Content.MODEL, table))
    return [publish(table, content, results.source) for content, table in tables if table.rows]


def write_tables(results: StudyResults, folder: Path, *, everything: bool = True) -> list[Path]:
    """Write the tables of a run as one workbook and one Word document; the folder is made.

    Parameters
    ----------
    results : StudyResults
        What to show.
    folder : Path
        Made where it does not exist.
    everything : bool
        Also every table alone as ``<id>.csv``, ``.md``, ``.tex``, ``.html`` and ``.docx``, and ``tables.tex``, which
        compiles.

    Returns
    -------
    list of Path
        The files. The workbook holds every row; the Word document leaves out tables of more than ``MAX_WORD_ROWS``
        rows unless everything is asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = build_tables(results)
    book, word, latex = (folder / f"tables.{ending}" for ending in ("xlsx", "docx", "tex"))
    write_whole_bytes(book, format_workbook(tables))
    short = [table for table in tables if everything or len(table.rows) <= MAX_WORD_ROWS]
    write_whole_bytes(word, format_word(short or tables[:1], title=f"{results.study.title}: tables"))
    if not everything:
        return [book, word]
    written = [path for table in tables for path in write_table(table, folder)]
    write_whole(latex, format_document(tables))
    return [*written, book, word, latex]
