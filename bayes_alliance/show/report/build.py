"""From the records of a run to the record of a report: what was asked, what was printed, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.assess.loo_compare import clear_winner
from bayes_alliance.published.audit import Audit
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.numbers import format_number, use_minus_sign
from bayes_alliance.show.provenance import cite_study, describe_provenance
from bayes_alliance.show.report.answers import list_answers
from bayes_alliance.show.report.cautions import list_cautions
from bayes_alliance.show.report.checklist import fill_checklist
from bayes_alliance.show.report.companions import read_companions
from bayes_alliance.show.report.methods import describe_methods
from bayes_alliance.show.report.record import AuditView, Caution, Companion, Report, TableView
from bayes_alliance.show.report.views import view_figure, view_table
from bayes_alliance.show.tables import build_tables
from bayes_alliance.show.tables.audit import tabulate_audit_counts
from bayes_alliance.show.tables.printed_posteriors import (
    tabulate_contrasts,
    tabulate_posteriors,
    tabulate_reverse_bayes,
    tabulate_slopes,
)
from bayes_alliance.study.records import Source, Study


def build_report(results: StudyResults, folder: Path, *, figures: Sequence[Path] = ()) -> Report:
    """Gather everything that the page of a run shows.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    folder : Path
        Of the run; results of other commands are looked for there.
    figures : sequence of Path
        SVG files of the run's figures, in order.

    Returns
    -------
    Report
    """
    study = results.study
    posteriors = () if results.printed is None else results.printed.posteriors
    audit = None if results.printed is None else results.printed.audit
    companions = read_companions(folder, study.id, data_digest=results.data_digest)
    return Report(
        title=study.title,
        citation=study.citation,
        doi=study.doi,
        synthetic=results.source == Source.SYNTHETIC,
        provenance=describe_provenance(results, printed=bool(study.cells)),
        asked=tuple(_asked(results)),
        printed=tuple(_printed(study, audit)),
        headline=tuple(_headline(results)),
        companions=companions,
        answers=list_answers(results, posteriors),
        prior_names=tuple(dict.fromkeys(one.prior for one in posteriors)),
        default_prior=results.prior or (study.priors[0].name if study.priors else ""),
        audit=None if audit is None else _view_audit(audit),
        figures=tuple(view_figure(path) for path in figures),
        tables=tuple(_tables(results)),
        cautions=(*list_cautions(results), *_companion_cautions(companions)),
        methods=describe_methods(results),
        checklist=fill_checklist(results, companions, n_audited=len(audit.findings) if audit else 0),
        command=_command(results),
        run_facts=tuple(_run_facts(results)),
    )


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
        f"What does a Bayesian analysis make of the mixed models of {cite_study(study)}, on the very rows that maximum "
        "likelihood gets?",
        f"{len(study.models)} models ({kinds}) of {outcomes}, over {study.horizon:g} {study.time_unit}.",
    ]
    declared = study.publication.smallest_difference
    if declared:
        limits = ", ".join(f"{study.variable(name).label} {value:g}" for name, value in declared)
        said.append(f"Smallest differences that matter, declared before any fit (points): {limits}.")
    return said


def _printed(study: Study, audit: Audit | None) -> list[str]:
    if not study.cells or audit is None:
        return ["The study has no printed tables: there is nothing to be held against."]
    tables = ", ".join(dict.fromkeys(cell.table for cell in study.cells))
    counts = ", ".join(f"{len(audit.of(verdict))} {verdict.value}" for verdict in AuditVerdict)
    return [
        f"{len(study.cells)} cells of tables {tables} and {len(study.facts)} numbers of the text, kept as the strings "
        "that were printed.",
        f"{len(audit.findings)} checks of these numbers against each other: {counts}.",
    ]


def _headline(results: StudyResults) -> list[str]:
    skipped = [model for model in results.skipped if not model.comparison]
    gates = [check for check in results.checks if check.gate]
    failed = [check for check in gates if check.status == "fail"]
    said = [
        f"{len(results.runs)} models were run"
        + (f", {len(skipped)} could not be" if skipped else "")
        + f"; of {len(gates)} checks that matter {len(failed)} failed"
        + (f" ({', '.join(dict.fromkeys(check.model_id for check in failed))})" if failed else "")
        + "."
    ]
    for comparison in results.comparisons:
        if len(comparison.models) > 1:
            best = max(comparison.models, key=lambda m: m.elpd["new_patient"])
            lowest = min(comparison.models, key=lambda m: m.aic)
            label = results.study.model
            same = (
                "AIC prefers it too"
                if best.model_id == lowest.model_id
                else (f"AIC prefers {label(lowest.model_id).label}")
            )
            winner = clear_winner(comparison.models, "new_patient")
            found = (
                f"a new patient is predicted best by {label(best.model_id).label}"
                if winner
                else f"no clear winner for a new patient ({label(best.model_id).label} leads)"
            )
            said.append(
                f"Comparison {comparison.name}, {len(comparison.models)} models on "
                f"{comparison.rows.n_patients} patients: {found}; {same}."
            )
    return [use_minus_sign(text) for text in said]


def _view_audit(audit: Audit) -> AuditView:
    findings = tuple(
        (
            finding.verdict.value,
            f"{finding.check}: {finding.where}",
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


def _tables(results: StudyResults) -> list[TableView]:
    study, printed = results.study, results.printed
    tables = build_tables(results)
    if printed is not None:
        more = [
            tabulate_slopes(study, printed.posteriors),
            tabulate_posteriors(study, printed.posteriors),
            tabulate_reverse_bayes(study, printed.claims),
            tabulate_contrasts(study, printed.contrasts),
            tabulate_audit_counts(study, printed.audit),
        ]
        tables += [table for table in more if table.rows]
    return [view_table(table) for table in tables]


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
        ("Models", format_number(float(len(results.runs)))),
    ]
