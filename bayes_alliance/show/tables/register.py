"""Tables of the register: studies, print against data by estimand and by claim, cells that do not print again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bayes_alliance.claims.register import LEAST_SHARE, EstimandAgreement, RegisterEntry
from bayes_alliance.claims.register_calibration import LEVELS, Agreement, agreement_by_kind
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.run.printed_again import PrintedAgain
from bayes_alliance.show.disclosure import Content
from bayes_alliance.show.labels import label_coefficient
from bayes_alliance.show.numbers import format_number
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    build_table,
    exact_columns,
    number_column,
    publish,
    shown_column,
    text_column,
)
from bayes_alliance.study.records import Source

_PROVENANCE = (
    "Printed: cells of the publications named. Computed: their open data, each under its default prior."
)
_EXACT = (
    "print_mean",
    "print_sd",
    "print_lower",
    "print_upper",
    "data_mean",
    "data_sd",
    "data_lower",
    "data_upper",
)


def tabulate_register(entries: Sequence[RegisterEntry], seed: int) -> tuple[Table, ...]:
    """Return every table of the register.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        After their blind tests.
    seed : int
        Of the run.
    """
    return (
        tabulate_studies(entries, seed),
        tabulate_agreement_by_kind(entries, seed),
        tabulate_estimands(entries, seed),
        tabulate_verdicts(entries, seed),
        tabulate_again(entries, seed),
    )


def tabulate_studies(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """List the studies with what was printed, printed again, and agreed upon."""
    columns = [
        text_column("study", "Study"),
        text_column("title", "Title"),
        text_column("design", "Design"),
        number_column("patients", "N"),
        number_column("rows", "Rows"),
        text_column("licence", "Data"),
        text_column("inconsistent", "Audit: inconsistent of all checks"),
        text_column("again", "Numbers printed again by ML or REML"),
        text_column("within", "Estimands agreeing"),
        text_column("verdicts", "Verdicts agreeing"),
    ]
    return _table("register_studies", "Registered studies", columns, (_study_row(e) for e in entries), seed)


def _study_row(entry: RegisterEntry) -> dict[str, Value]:
    compared = [one for one in entry.again if one.compared]
    good = sum(one.met or one.close for one in compared)
    judged = [one for one in entry.verdicts if one.both]
    bad = entry.audit.of(AuditVerdict.INCONSISTENT)
    return {
        "study": entry.study.id,
        "title": entry.study.title,
        "design": entry.study.design,
        "patients": entry.n_patients,
        "rows": entry.n_rows,
        "licence": entry.study.data.licence,
        "inconsistent": f"{len(bad)} of {len(entry.audit.findings)}",
        "again": f"{good} of {len(compared)}",
        "within": f"{sum(not e.missed for e in entry.estimands)} of {len(entry.estimands)}",
        "verdicts": f"{sum(v.agree for v in judged)} of {len(judged)}",
    }


def tabulate_agreement_by_kind(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """Count, by kind of effect, how often print alone told what the data tell."""
    columns = [
        text_column("kind", "Effects"),
        number_column("n", "N"),
        *(
            text_column(f"within_{100 * level:.0f}", f"In the {100 * level:.0f} % interval")
            for level in LEVELS
        ),
        text_column("told", "Not missed [95 % interval of the share]"),
    ]
    rows = (_agreement_row(one) for one in agreement_by_kind(entries))
    notes = (
        "How many of the data's posterior means lie in the print-only interval, and how many effects print alone did "
        "not miss, with the exact interval of Clopper and Pearson for the share. Print and data speak of the same "
        "patients, so that all should lie in every interval; effects of one study are not independent.",
    )
    return _table(
        "register_agreement", "How often print alone told what the data tell", columns, rows, seed, *notes
    )


def _agreement_row(one: Agreement) -> dict[str, Value]:
    shares = f"{100 * one.lower:.0f} to {100 * one.upper:.0f} %"
    row: dict[str, Value] = {"kind": one.kind, "n": one.n, "told": f"{one.told} [{shares}]"}
    return row | {f"within_{100 * level:.0f}": str(k) for level, k in zip(LEVELS, one.within, strict=True)}


def tabulate_estimands(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """Hold the print-only posterior of every printed effect against that of the data."""
    columns = [
        text_column("study", "Study"),
        text_column("model", "Model"),
        text_column("effect", "Effect"),
        text_column("printed", "Printed (SE)"),
        shown_column("print", "From print alone [95 %]"),
        shown_column("data", "From the data [95 %]"),
        shown_column("rank_shown", "Rank"),
        shown_column("share_shown", "Share within"),
        text_column("decision", "ML and Bayes decide"),
        text_column("reason", "Why print and data differ"),
        *exact_columns("role", *_EXACT, "rank", "share_within", "ml_p", "sure_of_sign"),
    ]
    rows = (_estimand_row(entry, one) for entry in entries for one in entry.estimands)
    notes = (
        "Posterior mean [95 % equal-tailed interval] in the unit of the cell. Rank: probability under the print-only "
        "posterior of less than the data's posterior mean; 0.5 where print loses nothing. Share within: of the data's "
        f"posterior in the print-only 95 % interval. Below {LEAST_SHARE:.2f}, or a rank beyond 0.025 to 0.975: a miss.",
        "ML and Bayes decide alike where p < 0.05 (REML, Satterthwaite) goes with more than 97.5 % for one sign.",
    )
    return _table(
        "register_estimands", "Posterior from print alone and from the data", columns, rows, seed, *notes
    )


def _estimand_row(entry: RegisterEntry, one: EstimandAgreement) -> dict[str, Value]:
    model = entry.study.model(one.cell.model)
    return {
        "study": one.study_id,
        "model": model.label,
        "effect": label_coefficient(entry.study, one.cell.coefficient),
        "printed": one.printed,
        "print": interval_text(one.print_mean, one.print_lower, one.print_upper),
        "data": interval_text(one.data_mean, one.data_lower, one.data_upper),
        "rank_shown": f"{one.rank:.2f}",
        "share_shown": f"{one.share_within:.2f}",
        "decision": "differently" if one.parts_company else "alike",
        "reason": one.reason,
        "role": one.role,
        "rank": one.rank,
        "share_within": one.share_within,
        "ml_p": one.ml_p,
        "sure_of_sign": one.sure_of_sign,
    } | {name: getattr(one, name) for name in _EXACT}


def interval_text(value: float, lower: float, upper: float) -> str:
    """Format a posterior mean with its interval."""
    return f"{format_number(value)} [{format_number(lower)}, {format_number(upper)}]"


def tabulate_verdicts(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """Hold the verdict on every claim by print against that by the data."""
    columns = [
        text_column("study", "Study"),
        text_column("claim", "Claim"),
        text_column("says", "Says"),
        text_column("published", "Published"),
        text_column("print", "Verdict by print"),
        text_column("data", "Verdict by the data"),
        text_column("agree", "Agree"),
        text_column("reason", "Why not"),
        *exact_columns("sure_print", "sure_data"),
    ]
    rows: Iterable[dict[str, Value]] = (
        {
            "study": one.study_id,
            "claim": one.claim_id,
            "says": one.claim.says,
            "published": one.claim.published,
            "print": one.printed.verdict.value,
            "data": one.real.verdict.value,
            "agree": ("yes" if one.agree else "no") if one.both else "not compared",
            "reason": one.reason,
            "sure_print": one.printed.sure,
            "sure_data": one.real.sure,
        }
        for entry in entries
        for one in entry.verdicts
    )
    return _table("register_verdicts", "Verdicts from print alone and from the data", columns, rows, seed)


def tabulate_again(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """List every printed number that the data do not print again to the last digit, and how each table is printed."""
    columns = [
        text_column("study", "Study"),
        text_column("place", "Table: row: column"),
        text_column("line", "Line of cells.csv"),
        text_column("printed", "Printed"),
        text_column("part", "What"),
        text_column("reading", "Table read as"),
        text_column("data", "From the data"),
        text_column("why", "Why"),
    ]
    rows = (_again_row(e, one) for e in entries for one in e.again if not one.met)
    return _table("register_cells", "Printed numbers that do not print again", columns, rows, seed)


def _again_row(entry: RegisterEntry, one: PrintedAgain) -> dict[str, Value]:
    why = one.reason or "another number"
    if one.close:
        why = "the last digits: within what the stopping rules of programs leave"
    place = ": ".join(part for part in (one.cell.table, one.cell.row, one.cell.column) if part)
    return {
        "study": entry.study.id,
        "place": place,
        "line": str(one.cell.line),
        "printed": one.cell.printed,
        "part": one.part,
        "reading": one.reading.name,
        "data": f"{one.achieved:.8g}" if one.compared else "",
        "why": why,
    }


def _table(
    name: str, title: str, columns: Sequence[Column], rows: Iterable[dict[str, Value]], seed: int, *notes: str
) -> Table:
    origin = (f"{_PROVENANCE} Random seed of the run: {seed}.", f"printed and real data; run seed {seed}")
    return publish(build_table((name, title), columns, rows, notes, origin), Content.MODEL, Source.REAL)
