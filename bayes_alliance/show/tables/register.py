"""Tables of the register: studies, print against data by estimand and by claim, cells that do not print again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bayes_alliance.claims.register import LEAST_SHARE, EstimandAgreement, Held, RegisterEntry
from bayes_alliance.claims.register_calibration import LEVELS, SOURCES, Agreement, agreement_by_kind
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.run.printed_again import PrintedAgain
from bayes_alliance.show.disclosure import Content
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.show.labels import label_printed
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
    "Printed: cells of the publications named. Mixture: synthetic data sets drawn given print. Data: their open data. "
    "Each under the study's default prior."
)
_DATA = ("data_mean", "data_sd", "data_lower", "data_upper")
_HELD = ("mean", "sd", "lower", "upper", "rank", "share_within")


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
        tabulate_mixtures(entries, seed),
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
        text_column("licence", "Licence of the data"),
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
    """Count, by kind of effect, how often print alone and the mixture told what the data tell."""
    columns = [
        text_column("source", "Without the data"),
        text_column("kind", "Effects"),
        number_column("n", "N"),
        *(
            text_column(f"within_{100 * level:.0f}", f"In the {100 * level:.0f} % interval")
            for level in LEVELS
        ),
        text_column("shares", "Mean share within"),
        text_column("told", "Not missed [95 % interval of the share]"),
    ]
    rows = (_agreement_row(one) for source in SOURCES for one in agreement_by_kind(entries, source))
    notes = (
        "How many of the data's posterior means lie in the interval from print alone or of the mixture, the mean share "
        "of the data's posteriors in its 95 % interval, and how many effects it did not miss, with the exact interval "
        "of Clopper and Pearson for the share. Both speak of the same patients as the data, so that all means should "
        "lie in every interval and the mean share be 0.95; effects of one study are not independent.",
    )
    title = "How often print alone and the mixture told what the data tell"
    return _table("register_agreement", title, columns, rows, seed, *notes)


def _agreement_row(one: Agreement) -> dict[str, Value]:
    shares = f"{100 * one.lower:.0f} to {100 * one.upper:.0f} %"
    row: dict[str, Value] = {
        "source": "print alone" if one.source == "print" else one.source,
        "kind": one.kind,
        "n": one.n,
        "shares": f"{one.shares:.3f}",
        "told": f"{one.told} [{shares}]",
    }
    return row | {f"within_{100 * level:.0f}": str(k) for level, k in zip(LEVELS, one.within, strict=True)}


def tabulate_mixtures(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """Tell of each study what data sets were drawn given print, on which assumptions, or why none."""
    columns = [
        text_column("study", "Study"),
        number_column("data_sets", "Data sets drawn"),
        text_column("gap", "Standard errors met within"),
        text_column("assumed", "Assumed of the design"),
        text_column("reason", "Why none"),
    ]
    rows: Iterable[dict[str, Value]] = (
        {
            "study": entry.study.id,
            "data_sets": entry.mixture.data_sets,
            "gap": f"{100 * entry.mixture.gap:.1f} %" if entry.mixture.data_sets else "",
            "assumed": entry.mixture.assumed,
            "reason": entry.mixture.reason,
        }
        for entry in entries
    )
    title = "Data sets drawn given print, the design unknown"
    return _table("register_mixtures", title, columns, rows, seed)


def tabulate_estimands(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """Hold the print-only posterior of every printed effect against that of the data."""
    columns = [
        text_column("study", "Study"),
        text_column("model", "Model"),
        text_column("effect", "Effect"),
        text_column("printed", "Printed (SE)"),
        shown_column("print", "From print alone [95 %]"),
        shown_column("mixture", "Mixture [95 %]"),
        shown_column("data", "From the data [95 %]"),
        text_column("rank_shown", "Rank: print, mixture"),
        text_column("share_shown", "Share within: print, mixture"),
        text_column("decision", "ML and Bayes decide"),
        text_column("reason", "Why print and data differ"),
        *exact_columns(
            "role",
            *(f"print_{name}" for name in _HELD),
            *(f"mixture_{name}" for name in _HELD),
            *_DATA,
            "ml_p",
            "sure_of_sign",
        ),
    ]
    rows = (_estimand_row(entry, one) for entry in entries for one in entry.estimands)
    notes = (
        "Posterior mean [95 % equal-tailed interval] in the unit of the cell. Rank: probability under the posterior "
        "without the data of less than the data's posterior mean; 0.5 where nothing is lost. Share within: of the "
        "data's posterior in the 95 % interval without the data. "
        f"Below {LEAST_SHARE:.2f}, or a rank beyond 0.025 to 0.975: a miss.",
        "ML and Bayes decide alike where p < 0.05 (REML, Satterthwaite) goes with more than 97.5 % for one sign.",
    )
    return _table(
        "register_estimands",
        "Posterior from print alone, of the mixture and from the data",
        columns,
        rows,
        seed,
        *notes,
    )


def _estimand_row(entry: RegisterEntry, one: EstimandAgreement) -> dict[str, Value]:
    model = entry.study.model(one.cell.model)
    return {
        "study": one.study_id,
        "model": model.label,
        "effect": label_printed(entry.study, one.cell),
        "printed": one.printed,
        "print": _held_text(one.by_print),
        "mixture": _held_text(one.by_mixture),
        "data": interval_text(one.data_mean, one.data_lower, one.data_upper),
        "rank_shown": ", ".join(f"{held.rank:.2f}" for held in (one.by_print, one.by_mixture) if held),
        "share_shown": ", ".join(
            f"{held.share_within:.2f}" for held in (one.by_print, one.by_mixture) if held
        ),
        "decision": "differently" if one.parts_company else "alike",
        "reason": one.reason,
        "role": one.role,
        "ml_p": one.ml_p,
        "sure_of_sign": one.sure_of_sign,
    } | _exact(one)


def _exact(one: EstimandAgreement) -> dict[str, Value]:
    """Every number of an effect, in full; empty where there is no mixture."""
    found: dict[str, Value] = {name: getattr(one, name) for name in _DATA}
    for source, held in (("print", one.by_print), ("mixture", one.by_mixture)):
        found |= {f"{source}_{name}": getattr(held, name) if held else None for name in _HELD}
    return found


def _held_text(held: Held | None) -> str:
    return interval_text(held.mean, held.lower, held.upper) if held else "none drawn"


def interval_text(value: float, lower: float, upper: float) -> str:
    """Format a posterior mean with its interval."""
    return f"{format_number(value)} [{format_number(lower)}, {format_number(upper)}]"


def tabulate_verdicts(entries: Sequence[RegisterEntry], seed: int) -> Table:
    """Hold the verdicts on every claim by print and by the mixture against that by the data."""
    columns = [
        text_column("study", "Study"),
        text_column("claim", "Claim"),
        text_column("says", "Says"),
        text_column("published", "Published"),
        text_column("print", "Verdict by print"),
        text_column("mixture", "Verdict by the mixture"),
        text_column("data", "Verdict by the data"),
        text_column("agree", "Print agrees"),
        text_column("mixture_agrees", "Mixture agrees"),
        text_column("reason", "Why not"),
        *exact_columns("sure_print", "sure_mixture", "sure_data"),
    ]
    rows: Iterable[dict[str, Value]] = (
        {
            "study": one.study_id,
            "claim": one.claim_id,
            "says": one.claim.says,
            "published": one.claim.published,
            "print": one.printed.verdict.value,
            "mixture": one.mixture.verdict.value if one.mixture else "none drawn",
            "data": one.real.verdict.value,
            "agree": _agrees(one.both, one.agree),
            "mixture_agrees": _agrees(one.mixture_judges, one.mixture_agrees),
            "reason": one.reason,
            "sure_print": one.printed.sure,
            "sure_mixture": one.mixture.sure if one.mixture else None,
            "sure_data": one.real.sure,
        }
        for entry in entries
        for one in entry.verdicts
    )
    title = "Verdicts from print alone, by the mixture and from the data"
    return _table("register_verdicts", title, columns, rows, seed)


def _agrees(judged: bool, agree: bool) -> str:
    return ("yes" if agree else "no") if judged else "not compared"


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
