"""What a run says to the checklist about estimates, fit, comparison, sensitivity and provenance."""

from __future__ import annotations

from bayes_alliance.show.report.checklist_known import Known, Said
from bayes_alliance.show.report.record import Status


def fill_mirror(known: Known) -> Said:
    """Fill: ML and REML on the same rows."""
    singular = sum(run.ml.singular for run in known.results.runs)
    stuck = sum(not (run.ml.converged and run.reml.converged) for run in known.results.runs)
    return (
        "filled",
        f"ML and REML on the very rows of each posterior; {singular} of {len(known.results.runs)} ML fits singular, "
        f"{stuck} not converged (tables estimands, variances, checks).",
    )


def fill_covariance(known: Known) -> Said:
    """Fill: type of covariance and method of degrees of freedom."""
    kinds = {run.posterior.covariance for run in known.results.runs if run.posterior is not None} - {"ID"}
    said = "the same under Bayes" if kinds <= {"UN"} else f"under Bayes {', '.join(sorted(kinds))}"
    return (
        "filled",
        f"ML and REML: UN; {said}. Degrees of freedom: Satterthwaite. Table variances states the type.",
    )


def fill_intervals(known: Known) -> Said:
    """Fill: median, SD, 50, 90 and 95 % intervals, kind of interval."""
    return (
        "filled",
        "Median, SD and 95 % equal-tailed interval of every quantity (tables); 50, 90 and 95 % for each answer; "
        "densities in the figures of prior and posterior.",
    )


def fill_matters(known: Known) -> Said:
    """Fill: probability of direction, of more than matters, and of too little to matter over widths."""
    declared = known.results.study.publication.smallest_difference
    if not declared:
        return (
            "in part",
            "P(direction) everywhere. The study file declares no smallest difference that matters.",
        )
    return (
        "filled",
        "P(direction) everywhere; for each answer the probability beyond the smallest difference that matters, and of "
        "less than 0.5, 1, 1.5 and 2 times it.",
    )


def _contrasts(known: Known) -> list[str]:
    return [
        f"{run.model.label}: {estimand.label}"
        for run in known.results.runs
        for estimand in run.model.estimands
        if estimand.kind == "slope_contrast"
    ]


def fill_cells(known: Known) -> Said:
    """Fill: posterior of every cell of the moderation, with its patients."""
    if not _contrasts(known):
        return "open", "No model of this run has a moderation."
    return "filled", "Figures of the moderation: the slope of each cell, with its patients; table estimands."


def fill_interaction(known: Known) -> Said:
    """Fill: the interaction as one contrast."""
    found = _contrasts(known)
    if not found:
        return "open", "No model of this run has a moderation."
    return "filled", f"{len(found)} contrasts of slopes, each one estimand: {'; '.join(found[:3])}."


def fill_variances(known: Known) -> Said:
    """Fill: SDs, correlation, residual SD and ICC with intervals."""
    return (
        "filled",
        "Table variances: SDs, correlation, residual SD and ICC with intervals; priors in Methods.",
    )


def fill_explained(known: Known) -> Said:
    """Fill: explained variation of intercepts and slopes."""
    found = [run for run in known.results.runs if run.explained is not None]
    if not found:
        return "open", "No model of this run has a reference."
    return (
        "in part",
        f"{len(found)} models: the share within the model as a posterior, and the publication's quantity between two "
        "fits as a number, negative values shown. The latter is not given as a posterior.",
    )


def fill_by_source(known: Known) -> Said:
    """Fill: R2 by source."""
    return "open", "R2 by source (Rights & Sterba) is not computed."


def fill_ppc(known: Known) -> Said:
    """Fill: posterior predictive checks by subgroup, visit, number of assessments; floor and ceiling."""
    if not known.results.predictive:
        return "open", "No model of this run was checked against its replicates."
    return (
        "in part",
        "Table predictive_checks and its figures: means and SDs by subgroup and visit window, floor and ceiling, SDs "
        "between and within patients. Not by number of assessments.",
    )


def fill_pit(known: Known) -> Said:
    """Fill: LOO-PIT."""
    if not known.results.predictive:
        return "open", "No model of this run was checked."
    return "filled", "Figures of LOO-PIT, with a simultaneous band."


def fill_target(known: Known) -> Said:
    """Fill: what the scores predict."""
    return _compared(
        known,
        "Every score is named by what it predicts: a new patient, a new visit, or a new visit given the effects.",
    )


def _compared(known: Known, text: str, status: Status = "filled") -> Said:
    if not known.results.comparisons:
        return "open", "No models were compared in this run."
    return status, text


def fill_conditional(known: Known) -> Said:
    """Fill: conditional LOO with its Pareto k."""
    scored = [m for c in known.results.comparisons for m in c.models if "new_visit_conditional" in m.n_bad_k]
    if known.results.comparisons and not scored:
        return "filled", "Models with several levels or correlated residuals: all effects are integrated out."
    count = sum(m.n_bad_k["new_visit_conditional"] for m in scored)
    text = (
        f"Table comparison: conditional scores with their Pareto k ({count} above 0.7 in all). Not split by patients "
        "with a single visit."
    )
    return _compared(known, text, "in part")


def fill_marginal(known: Known) -> Said:
    """Fill: score of a whole patient, SE over patients."""
    return _compared(known, "Table comparison: joint score of each patient's visits, SE over patients.")


def fill_repair(known: Known) -> Said:
    """Fill: log of repairs: refits and what is left."""
    refitted = sum(s["new_patient"].n_refitted for c in known.results.comparisons for s in c.scores.values())
    left = sum(m.n_bad_k["new_patient"] for c in known.results.comparisons for m in c.models)
    return _compared(
        known, f"{refitted} patients were scored by refits; Pareto k above 0.7 remains for {left}."
    )


def fill_differences(known: Known) -> Said:
    """Fill: differences, their SE, flags and stacking weights."""
    return _compared(
        known,
        "Table comparison: difference, its SE, P(worse), the remarks on small differences and few patients, stacking "
        "weights.",
    )


def fill_refusal(known: Known) -> Said:
    """Fill: refusal to compare models on different rows."""
    return "filled", "Models on different rows are refused; equal digests stand in table rows."


def fill_bayes_factors(known: Known) -> Said:
    """Fill: Bayes factors with their curve, numerical error and prior odds."""
    count = sum(len(run.bayes_factors) for run in known.results.runs)
    if not count:
        return "open", "No Bayes factor was computed in this run."
    return (
        "filled",
        f"{count} curves over prior widths from 1/8 to 8 times the stated SD, with numerical errors in the CSV file; "
        "each answer states the prior odds that a posterior probability of 95 % needs.",
    )


def fill_sensitivity(known: Known) -> Said:
    """Fill: sensitivity to the prior."""
    if known.has("stress"):
        return "filled", f"See section {known.companions['stress'].title}."
    tried = known.tried(("prior", "sd_prior"))
    if tried:
        return (
            "filled",
            f"Tried with the claims, whose cards and tables say what it changes: {', '.join(tried)}.",
        )
    sets = ", ".join(prior.name for prior in known.results.study.priors)
    if known.n_audited:
        return (
            "in part",
            f"From the printed cells, every prior set ({sets}) beside each answer; Bayes factors over prior widths. "
            "Posteriors of the rows under other sets, and power-scaling, need the stress tests.",
        )
    return "open", f"Posteriors under other sets ({sets}) and power-scaling need the stress tests."


def fill_reverse(known: Known) -> Said:
    """Fill: reverse-Bayes: the prior that would overturn each claim."""
    if not known.n_audited:
        return "open", "The study has no printed cells."
    return "filled", "Table reverse_bayes: the sceptical prior that would just overturn each printed claim."


def fill_multiplicity(known: Known) -> Said:
    """Fill: multiplicity."""
    cells = [cell for cell in known.results.study.cells if cell.quantity == "estimate"]
    if not cells:
        return "open", "The study has no printed tests."
    starred = sum(bool(cell.parsed.stars) for cell in cells)
    return (
        "in part",
        f"{len(cells)} printed estimates of models, {starred} of them starred; at the 5 % level "
        f"{0.05 * len(cells):.1f} would be starred if nothing were there. No partial pooling over outcomes.",
    )


def fill_agreement_table(known: Known) -> Said:
    """Fill: agreement of frequentist and Bayesian results by cell."""
    if not known.results.study.cells:
        return "open", "The study has no printed cells."
    status: Status = "filled" if known.has("claims") else "in part"
    rest = "" if status == "filled" else " Codes for why two approaches differ need the command claims."
    return status, f"Tables of the publication, cell by cell: printed, ML, REML and Bayes.{rest}"


def fill_provenance(known: Known) -> Said:
    """Fill: provenance, command to rebuild."""
    return (
        "filled",
        f"Every table and figure carries its source; 'bayes-alliance reanalyse {known.results.study.id}' builds all of "
        "it again.",
    )
