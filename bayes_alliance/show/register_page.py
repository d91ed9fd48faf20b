"""The page of the register: one HTML file with its tables and figure, which needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bayes_alliance.claims.register import RegisterEntry
from bayes_alliance.claims.register_calibration import agreement_by_kind
from bayes_alliance.claims.register_check import RegisterCheck
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.show.tables.html import STYLE, html_fragment
from bayes_alliance.show.tables.record import Table


def describe_register(entries: Sequence[RegisterEntry]) -> list[str]:
    """Say in a few sentences how well print alone told what the data tell.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        After their blind tests.
    """
    estimands = [one for entry in entries for one in entry.estimands]
    verdicts = [one for entry in entries for one in entry.verdicts]
    judged = [one for one in verdicts if one.both]
    again = [one for entry in entries for one in entry.again]
    compared = [one for one in again if one.compared]
    ranks = [one.by_print.rank for one in estimands]
    shares = [one.by_print.share_within for one in estimands]
    missed = sum(one.missed for one in estimands)
    apart = sum(one.parts_company for one in estimands)
    close = sum(one.close for one in compared)
    told = agreement_by_kind(entries)[-1]
    return [
        f"{len(entries)} {'study' if len(entries) == 1 else 'studies'}, {len(estimands)} printed effects, "
        f"{len(verdicts)} claims.",
        f"Fits to the data print {sum(one.met for one in compared)} of {len(compared)} printed numbers again to the "
        f"last digit, {close} more but for digits beyond what the stopping rules of programs fix; "
        f"{len(again) - len(compared)} degrees of freedom follow a program's own rule and were taken as printed.",
        f"Print alone missed {missed} of {len(estimands)} effects: it told {100 * told.told / told.n:.0f} % of them "
        f"(95 % Clopper-Pearson interval {100 * told.lower:.0f} to {100 * told.upper:.0f} %).",
        f"The data's posterior means have ranks from {min(ranks):.2f} to {max(ranks):.2f} in the print-only "
        f"posteriors, and {100 * min(shares):.1f} to {100 * max(shares):.1f} % of the data's posteriors lie in the "
        "print-only 95 % intervals.",
        *_describe_mixtures(entries),
        f"{sum(one.agree for one in judged)} of {len(judged)} verdicts that both sources can give are the same; "
        f"{len(verdicts) - len(judged)} cannot be given from print.",
        f"ML at p < 0.05 and Bayes at 97.5 % for one sign decide differently on {apart} of {len(estimands)} effects.",
    ]


def _describe_mixtures(entries: Sequence[RegisterEntry]) -> list[str]:
    """Say how well the mixtures over data sets drawn given print told what the data tell."""
    drawn = [entry for entry in entries if entry.mixture.data_sets]
    if not drawn:
        return ["No data sets could be drawn given print (table register_mixtures says why)."]
    held = [one.by_mixture for entry in drawn for one in entry.estimands if one.by_mixture]
    ranks, shares = [one.rank for one in held], [100 * one.share_within for one in held]
    told = agreement_by_kind(entries, "mixture")[-1]
    closer = sum(
        abs(one.by_mixture.share_within - 0.95) < abs(one.by_print.share_within - 0.95)
        for entry in drawn
        for one in entry.estimands
        if one.by_mixture
    )
    judged = [one for entry in drawn for one in entry.verdicts if one.mixture_judges]
    return [
        f"Data sets were drawn given print, the design unknown, for {len(drawn)} of {len(entries)} "
        f"{'study' if len(entries) == 1 else 'studies'}: their mixture missed {told.n - told.told} of {told.n} effects "
        f"(95 % interval of the share told {100 * told.lower:.0f} to {100 * told.upper:.0f} %), with ranks from "
        f"{min(ranks):.2f} to {max(ranks):.2f} and {min(shares):.1f} to {max(shares):.1f} % of the data's posteriors "
        f"in its 95 % intervals; this share is nearer to 95 % than by print alone for {closer}.",
        f"{sum(one.mixture_agrees for one in judged)} of {len(judged)} verdicts that mixture and data can give are the "
        "same.",
    ]


def describe_check(check: RegisterCheck) -> list[str]:
    """Say what a study has for the register and what it lacks, a line each.

    Parameters
    ----------
    check : RegisterCheck
        Of a study whose parts fit each other.
    """
    compared = [one for one in check.again if one.compared]
    bad = check.audit.of(AuditVerdict.INCONSISTENT)
    lines = [
        f"{check.study.id}: {check.n_patients} patients, {check.n_rows} rows, {len(check.ledger.claims)} claims; "
        f"{len(compared) - len(check.unexplained)} of {len(compared)} printed numbers print again by ML or REML; "
        f"{len(bad)} of {len(check.audit.findings)} checks of the table inconsistent"
    ]
    lines += [f"  - missing: {problem}" for problem in check.missing]
    lines += [
        f"  - cells.csv, line {one.cell.line}: {one.part} {one.cell.printed} printed, {one.achieved:.8g} from the data "
        f"({one.reading.name}); explain it in README.md"
        for one in check.unexplained
    ]
    return lines


def format_register(entries: Sequence[RegisterEntry], tables: Sequence[Table], svg: str) -> str:
    """Return the page: summary, figure, tables, citations.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        After their blind tests.
    tables : sequence of Table
        Of :func:`bayes_alliance.show.tables.register.tabulate_register`.
    svg : str
        The figure as this package writes it.
    """
    sentences = "\n".join(f"<li>{escape(text)}</li>" for text in describe_register(entries))
    drawing = svg[svg.index("<svg") :]
    parts = "\n".join(html_fragment(table) for table in tables)
    cited = "\n".join(
        f"<li><b>{escape(e.study.id)}</b>: {escape(e.study.citation)} Data file: {escape(e.study.data.citation)}, "
        f"{escape(e.study.data.licence)}.</li>"
        for e in entries
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Register of reanalysed studies</title>\n<style>\n{STYLE}figure {{ margin: 0; overflow-x: auto; }}\n"
        "svg { width: 100%; min-width: 40rem; max-width: 60rem; height: auto; background: #fff; }\n"
        "table { margin-top: 2rem; }\n</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Register of reanalysed studies</h1>\n<ul>\n{sentences}\n</ul>\n<figure>\n{drawing}\n</figure>\n{parts}\n"
        f"<h2>Publications and data</h2>\n<ul>\n{cited}\n</ul>\n</main>\n</body>\n</html>\n"
    )
