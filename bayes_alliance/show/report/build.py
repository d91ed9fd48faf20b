"""From the records of a run to the record of a report: what was asked, what was printed, what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.assess.loo_compare import LEAD_IN_SE, LEAST_LEAD
from bayes_alliance.published.audit import Audit
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.run.printed_side import Printed
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.companion_files import CLAIMS_FILE, ROOMS
from bayes_alliance.show.format_numbers import format_count
from bayes_alliance.show.id_names import Names, name_page, spell_ids
from bayes_alliance.show.labels import capitalise, label_place, unit_of, units_of
from bayes_alliance.show.provenance import cite_study, describe_provenance
from bayes_alliance.show.provenance import provenance as describe_printed
from bayes_alliance.show.report.answers import list_answers
from bayes_alliance.show.report.cautions import list_cautions
from bayes_alliance.show.report.checklist import fill_checklist
from bayes_alliance.show.report.companions import (
    CLAIMS_INTRO,
    read_claims,
    read_companions,
    shorten,
    view_claims,
)
from bayes_alliance.show.report.first_screen import build_first_screen
from bayes_alliance.show.report.glossary import GLOSSARY
from bayes_alliance.show.report.methods import describe_methods
from bayes_alliance.show.report.model_lead import compare_leads
from bayes_alliance.show.report.record import AuditView, Caution, Companion, Report, TableView
from bayes_alliance.show.report.refresh import mark_study
from bayes_alliance.show.report.views import view_figure, view_table
from bayes_alliance.show.tables import build_tables
from bayes_alliance.show.tables.audit import count_findings, tabulate_audit_counts
from bayes_alliance.show.tables.printed_posteriors import (
    tabulate_contrasts,
    tabulate_posteriors,
    tabulate_reverse_bayes,
    tabulate_slopes,
)
from bayes_alliance.show.tables.record import Table
from bayes_alliance.study.records import Source, Study


# Over 40 lines: the record of the page, one field a line.
def build_report(
    results: StudyResults,
    folder: Path,
    *,
    figures: Sequence[Path] = (),
    downloads: Sequence[tuple[str, str]] = (),
    facts: Mapping[str, Any] | None = None,
) -> Report:
    """Gather everything that the page of a run shows.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    folder : Path
        Of the run; results of other commands are looked for there.
    figures : sequence of Path
        SVG files of the run's figures, in order.
    downloads : sequence of (str, str)
        Files beside the page that it links to, each with what it is.
    facts : mapping, optional
        Claims judged from print (:func:`bayes_alliance.show.claims_json.printed_json`), shown where the folder holds
        none.

    Returns
    -------
    Report
    """
    study = results.study
    posteriors = () if results.printed is None else results.printed.posteriors
    audit = None if results.printed is None else results.printed.audit
    companions = read_companions(folder, study, data_digest=results.data_digest)
    found, _, _ = read_claims(folder / ROOMS[0].folder / CLAIMS_FILE, results.data_digest)
    if found is None and facts is not None:
        companions = _with_printed(companions, facts)
    answers, names = list_answers(results, posteriors), _names(results, found or facts)
    methods = describe_methods(results)
    views = tuple(view_figure(path) for path in figures)
    first = build_first_screen(
        found or facts,
        study=study,
        results=results,
        audit=audit,
        answers=answers,
        figures=views,
        methods="\n\n".join(methods.paragraphs),
    )
    return Report(
        **_cite(study),
        first=first,
        synthetic=results.source == Source.SYNTHETIC,
        kind="All rows of data here are synthetic, not patients’ data."
        if results.source == Source.SYNTHETIC
        else "Real data.",
        provenance=describe_provenance(results, printed=bool(study.cells)),
        pending="",
        horizon=f"{study.horizon:g} {study.time_unit}",
        unit=units_of(study),
        asked=tuple(_asked(results)),
        printed=tuple(_printed(study, audit)),
        comparisons=compare_leads(results),
        lead_points=f"{LEAST_LEAD:g}",
        lead_errors=f"{LEAD_IN_SE:g}",
        companions=companions,
        answers=answers,
        prior_names=tuple(dict.fromkeys(one.prior for one in posteriors)),
        default_prior=results.prior or (study.priors[0].name if study.priors else ""),
        audit=None if audit is None else _view_audit(audit, study),
        figures=tuple(view for view in views if first.figure is None or view.name != first.figure.name),
        tables=tuple(_tables(results, names)),
        cautions=_spell((*list_cautions(results), *_companion_cautions(companions)), names),
        methods=methods,
        downloads=tuple(downloads),
        checklist=fill_checklist(results, companions, n_audited=len(audit.findings) if audit else 0),
        command=_command(results),
        run_facts=tuple(_run_facts(results)),
        glossary=GLOSSARY,
        names=names,
    )


# Over 40 lines: one keyword a field of the page, most of them what a run has not made yet.
def build_first_report(
    study: Study,
    folder: Path,
    *,
    printed: Printed | None,
    facts: Mapping[str, Any] | None,
    command: str,
    pending: str,
) -> Report:
    """Gather the page before any model is fitted: printed numbers, their audit, and claims as far as judged.

    Parameters
    ----------
    study : Study
        As loaded.
    folder : Path
        Of the run; claims are looked for there.
    printed : Printed or None
        What printed numbers tell; None for a study without.
    facts : mapping or None
        Claims judged from print, shown where the folder holds none; None for a study without claims.
    command : str
        That makes the page again.
    pending : str
        What is still to come; empty where nothing is.
    """
    audit = None if printed is None else printed.audit
    companions = read_companions(folder, study)
    found, _, _ = read_claims(folder / ROOMS[0].folder / CLAIMS_FILE, "")
    if found is None and facts is not None:
        companions = _with_printed(companions, facts)
    names = name_page(study, found or facts)
    rows: Mapping[str, Any] = (found or {}).get("rows_at_hand") or {}
    synthetic = rows.get("source") == "synthetic"
    kind = "Real data." if rows else "Printed numbers only."
    if synthetic:
        kind = "Printed numbers and synthetic data, no patients’ data."
    return Report(
        **_cite(study),
        first=build_first_screen(
            found or facts,
            study=study,
            results=None,
            audit=audit,
            readings=printed.readings if printed else (),
        ),
        synthetic=synthetic,
        kind=kind,
        provenance=describe_printed(study) if not rows else _describe_sources(study, rows),
        pending=pending,
        horizon=f"{study.horizon:g} {study.time_unit}",
        unit=units_of(study),
        printed=tuple(_printed(study, audit)),
        companions=companions,
        audit=None if audit is None else _view_audit(audit, study),
        tables=tuple(view_table(table, names=names) for table in _printed_tables(study, printed)),
        cautions=tuple(_companion_cautions(companions)),
        command=command,
        run_facts=(("Study file", f"{study.id}, digest {study.digest[:12]}"),),
        glossary=GLOSSARY,
        names=names,
    )


def _cite(study: Study) -> dict[str, Any]:
    """Return the fields of a report that say of which study it is."""
    return {
        "study": mark_study(study),
        "title": study.title,
        "citation": study.citation,
        "doi": study.doi,
        "published": bool(study.doi or study.cells),
    }


def _describe_sources(study: Study, rows: Mapping[str, Any]) -> str:
    said = [f"Printed: {cite_study(study)}."] if study.cells else []
    if rows["source"] == Source.SYNTHETIC.value:
        said.append(
            "Synthetic cohorts reproduce the printed tables; they are no evidence about the patients."
        )
    else:
        said.append(f"Computed: {rows['source']} ({rows['origin']}).")
    return " ".join(said)


def _with_printed(companions: Sequence[Companion], facts: Mapping[str, Any]) -> tuple[Companion, ...]:
    """Put claims judged from print where no command has judged them further."""
    first, *others = companions
    shown = dataclasses.replace(first, missing="", intro=CLAIMS_INTRO, claims=view_claims(facts))
    return (shown, *others)


def _companion_cautions(companions: Sequence[Companion]) -> list[Caution]:
    return [
        Caution(level="remark", where=companion.key, what=remark, advice="")
        for companion in companions
        for remark in companion.remarks
    ]


def _asked(results: StudyResults) -> list[str]:
    study = results.study
    outcomes = ", ".join(study.variable(outcome).label for outcome in study.outcomes)
    kinds = ", ".join(dict.fromkeys(model.family for model in study.models))
    said = [
        f"Every model of {cite_study(study)} was fitted by maximum likelihood and by Bayes to the same rows.",
        f"{format_count(len(study.models), 'model')} ({kinds}) of {outcomes}, "
        f"over {study.horizon:g} {study.time_unit}.",
    ]
    declared = study.publication.smallest_difference
    if declared:
        limits = "; ".join(
            f"{study.variable(name).label} {value:g} {unit_of(study, name)}" for name, value in declared
        )
        said.append(f"Smallest differences that matter, declared before any fit: {limits}.")
    return said


def _printed(study: Study, audit: Audit | None) -> list[str]:
    if not study.cells or audit is None:
        return ["The study has no printed tables."]
    tables = ", ".join(dict.fromkeys(cell.table for cell in study.cells))
    return [
        f"{len(study.cells)} cells of tables {tables} and {len(study.facts)} numbers of the text, as printed.",
        f"These numbers against each other: {count_findings(audit)}.",
    ]


def _view_audit(audit: Audit, study: Study) -> AuditView:
    findings = tuple(
        (
            finding.verdict.value,
            f"{capitalise(finding.check)}: {label_place(study, finding.where)}",
            finding.printed,
            finding.reasoning,
            "; ".join(
                [
                    *(f"{name}: {text}" for name, text in finding.numbers),
                    *(f"or: {a}" for a in finding.alternatives),
                ]
            ),
        )
        for verdict in (AuditVerdict.INCONSISTENT, AuditVerdict.CANNOT_TELL)
        for finding in audit.of(verdict)
    )
    return AuditView(
        counts=tuple((verdict.value, len(audit.of(verdict))) for verdict in AuditVerdict), findings=findings
    )


def _names(results: StudyResults, facts: Mapping[str, Any] | None) -> Names:
    """Return what the ids of a run are called."""
    coefficients = {quantity.name for run in results.runs for quantity in run.quantities}
    n_spread = max((item.n for item in results.ensemble.spread), default=0)
    return name_page(results.study, facts, coefficients=coefficients, cohorts=n_spread)


def _spell(cautions: Sequence[Caution], names: Names) -> tuple[Caution, ...]:
    """Return cautions with words in the place of ids."""
    return tuple(
        dataclasses.replace(
            caution,
            where=spell_ids(caution.where, names),
            what=spell_ids(caution.what, names),
            advice=spell_ids(caution.advice, names),
        )
        for caution in cautions
    )


def _tables(results: StudyResults, names: Names) -> list[TableView]:
    tables = [*build_tables(results), *_printed_tables(results.study, results.printed)]
    return [view_table(shorten(table), names=names) for table in tables]


def _printed_tables(study: Study, printed: Printed | None) -> list[Table]:
    if printed is None:
        return []
    tables = [
        tabulate_slopes(study, printed.posteriors),
        tabulate_posteriors(study, printed.posteriors),
        tabulate_reverse_bayes(study, printed.claims),
        tabulate_contrasts(study, printed.contrasts),
        tabulate_audit_counts(study, printed.audit),
    ]
    return [table for table in tables if table.rows]


def _command(results: StudyResults) -> str:
    words = ["bayes-alliance reanalyse", results.study.id, f"--engine {results.engine}"]
    if results.prior:
        words.append(f"--prior {results.prior}")
    return " ".join([*words, f"--seed {results.seed}"])


def _run_facts(results: StudyResults) -> list[tuple[str, str]]:
    # A digest of patients' data would confirm a guess at them.
    digest = "" if results.source is Source.REAL else f", digest {results.data_digest[:12]}"
    return [
        ("Study file", f"{results.study.id}, digest {results.study.digest[:12]}"),
        ("Data", f"{results.source.value}: {results.origin}{digest}"),
        ("Engine, prior, seed", f"{results.engine}, {results.prior or 'none'}, {results.seed}"),
        ("Models", str(len(results.runs))),
    ]
