"""The reporting checklist of a Bayesian reanalysis, filled in from the run, or open with the reason.

Forty items, put together from what these ask for: BARG (Kruschke 2021, doi:10.1038/s41562-021-01177-7), WAMBS
(Depaoli & van de Schoot 2017, doi:10.1037/met0000065), ROBUST (Sung et al. 2005,
doi:10.1016/j.jclinepi.2004.08.010), Bayesian workflow (Gelman et al. 2020, arXiv:2011.01808), Merkle, Furr &
Rabe-Hesketh 2019 (doi:10.1007/s11336-019-09679-0), Rights & Sterba 2019 (doi:10.1037/met0000184) and Zampieri et
al. 2021 (doi:10.1164/rccm.202006-2381CP).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.assess.checks import Check
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.numbers import format_number
from bayes_alliance.show.report.record import ChecklistItem, Companion, Status
from bayes_alliance.show.tables.predictive import MIN_ROWS_SHOWN

_CORE = "BARG, WAMBS"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the items are filled from."""

    results: StudyResults
    companions: dict[str, Companion]
    n_audited: int

    def has(self, key: str) -> bool:
        """Whether another command's results are there."""
        return key in self.companions and not self.companions[key].missing

    @property
    def has_posterior(self) -> bool:
        """Whether the run has any posterior."""
        return any(run.posterior is not None for run in self.results.runs)


Said = tuple[Status, str]
Fill = Callable[[Known], Said]


def fill_checklist(
    results: StudyResults, companions: Sequence[Companion], *, n_audited: int
) -> tuple[ChecklistItem, ...]:
    """Fill every item of the checklist from a run.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    companions : sequence of Companion
        Results of other commands that stand beside it.
    n_audited : int
        How many checks the audit of the printed numbers made.

    Returns
    -------
    tuple of ChecklistItem
        In order; an item that the run cannot fill is open and says why.
    """
    known = Known(results=results, companions={c.key: c for c in companions}, n_audited=n_audited)
    items = []
    for number, (topic, source, fill) in enumerate(_ITEMS, start=1):
        status, answer = fill(known)
        items.append(ChecklistItem(number=number, topic=topic, source=source, status=status, answer=answer))
    return tuple(items)


def _needs_posterior(fill: Fill) -> Fill:
    def filled(known: Known) -> Said:
        return fill(known) if known.has_posterior else ("open", "No posterior was asked for in this run.")

    return filled


def _from(key: str, what: str, command: str) -> Fill:
    """Fill an item by another command's results."""

    def filled(known: Known) -> Said:
        if known.has(key):
            return "filled", f"See section {known.companions[key].title}: {what}."
        return "open", f"Needs '{command} {known.results.study.id}', which was not run beside this run."

    return filled


def _question(known: Known) -> Said:
    study = known.results.study
    reason = (
        "Reason for Bayes: probabilities of the effects themselves, and models compared by what they predict, beside "
        "the publication's tests."
    )
    count = sum(len(model.estimands) for model in study.models)
    status: Status = "filled" if known.has("claims") else "in part"
    rest = "" if status == "filled" else " A question for each claim needs the command claims."
    return (
        status,
        f"{count} estimands of {len(study.models)} models are named in the study file. {reason}{rest}",
    )


def _dictionary(known: Known) -> Said:
    study = known.results.study
    return (
        "filled",
        f"{len(study.every_variable)} variables with unit, level, coding and reference level stand in the study file; "
        f"time ({study.time}) counts in {study.time_unit} from baseline. 'bayes-alliance check-data' prints them as "
        "understood.",
    )


def _counts(known: Known) -> Said:
    return (
        "filled",
        "Table rows: patients, assessments and a digest of the rows of each model and comparison.",
    )


def _assessments(known: Known) -> Said:
    """Count assessments a patient over the largest model of each outcome; few patients are not counted out."""
    largest: dict[str, ModelRun] = {}
    for run in known.results.runs:
        best = largest.get(run.model.outcome)
        if best is None or run.rows.n_rows > best.rows.n_rows:
            largest[run.model.outcome] = run
    parts = []
    for outcome, run in largest.items():
        sizes = np.bincount(run.design.patient_index)
        classes = Counter(min(int(size), 5) for size in sizes if size)
        said = ", ".join(f"{_few(classes[k])} with {_class(k)}" for k in range(1, 6) if classes[k])
        parts.append(f"{known.results.study.variable(outcome).label}: {said}")
    return "filled", "Patients with so many assessments. " + "; ".join(parts) + "."


def _class(size: int) -> str:
    return "5 or more" if size == 5 else str(size)


def _few(count: int) -> str:
    return f"fewer than {MIN_ROWS_SHOWN}" if count < MIN_ROWS_SHOWN else str(count)


def _likelihood(known: Known) -> Said:
    return "filled", "Methods: the model in LaTeX, every formula, and the code that runs it."


def _priors(known: Known) -> Said:
    if not known.results.study.priors:
        return "open", "The study file states no priors."
    return "filled", "Methods: table of priors with densities and what each implies over the horizon."


def _justified(known: Known) -> Said:
    tagged = [prior for prior in known.results.study.priors if prior.tag]
    if not tagged:
        return "open", "The prior sets of the study file have no tag that says where they come from."
    status: Status = "filled" if len(tagged) == len(known.results.study.priors) else "in part"
    return status, "; ".join(f"{prior.name}: {prior.tag}" for prior in tagged) + "."


def _prior_predictive(known: Known) -> Said:
    if not known.results.prior:
        return "open", "No prior was used in this run."
    return (
        "in part",
        "Methods: share of single scores outside the scale before any data, and the implied SD of changes. The "
        "implied share of explained variation is not computed.",
    )


def _versions(known: Known) -> Said:
    return (
        "filled",
        f"Methods: versions; seed {known.results.seed}; wall times, settings and the digest of every file in "
        "manifest.json.",
    )


def _convergence(known: Known) -> Said:
    bayes = [q.bayes for run in known.results.runs for q in run.quantities if q.bayes is not None]
    r_hats = [summary.r_hat for summary in bayes if not np.isnan(summary.r_hat)]
    ess = min(min(summary.ess_bulk, summary.ess_tail) for summary in bayes)
    hat = f"largest R-hat {max(r_hats):.4f}; " if r_hats else "independent draws, so R-hat has no meaning; "
    return (
        "filled",
        f"All {len(bayes)} reported quantities: {hat}smallest ESS {ess:,.0f}. Table estimands lists each.",
    )


def _sampler(known: Known) -> Said:
    named = [c for c in known.results.checks if c.name in ("divergences", "max tree depth reached", "E-BFMI")]
    if not named:
        ks = _values(known.results.checks, "Pareto k of the engine")
        worst = format_number(max(ks)) if ks else "none"
        return (
            "filled",
            f"No chains: exact draws by importance weights; largest Pareto k of the engine {worst}.",
        )
    failed = sum(check.status != "pass" for check in named)
    return (
        "in part",
        f"{len(named)} checks of divergences, tree depth and E-BFMI, {failed} not passed (table checks). The pair plot "
        "of the slope SD against the slopes is not drawn.",
    )


def _values(checks: Sequence[Check], name: str) -> list[float]:
    return [check.value for check in checks if check.name == name and not np.isnan(check.value)]


def _longer(known: Known) -> Said:
    return _agreement(known, "Chains of double length and a second seed were not run")


def _parameterisation(known: Known) -> Said:
    return _agreement(known, "Centred and non-centred forms were not compared")


def _agreement(known: Known, instead: str) -> Said:
    worst = [abs(item.shift_in_sd) for run in known.results.runs for item in run.agreement]
    if not worst:
        return "open", f"{instead}; with --engine pymc a second, independent engine is compared."
    return (
        "in part",
        f"{instead}. A second engine, exact and without chains, drew every posterior anew: largest difference of means "
        f"{max(worst):.3f} SD (table agreement).",
    )


def _mirror(known: Known) -> Said:
    singular = sum(run.ml.singular for run in known.results.runs)
    stuck = sum(not (run.ml.converged and run.reml.converged) for run in known.results.runs)
    return (
        "filled",
        f"ML and REML on the very rows of each posterior; {singular} of {len(known.results.runs)} ML fits singular, "
        f"{stuck} not converged (tables estimands, variances, checks).",
    )


def _covariance(known: Known) -> Said:
    kinds = {run.posterior.covariance for run in known.results.runs if run.posterior is not None} - {"ID"}
    said = "the same under Bayes" if kinds <= {"UN"} else f"under Bayes {', '.join(sorted(kinds))}"
    return (
        "filled",
        f"ML and REML: UN; {said}. Degrees of freedom: Satterthwaite. Table variances states the type.",
    )


def _intervals(known: Known) -> Said:
    return (
        "filled",
        "Median, SD and 95 % equal-tailed interval of every quantity (tables); 50, 90 and 95 % for each answer; "
        "densities in the figures of prior and posterior.",
    )


def _matters(known: Known) -> Said:
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


def _cells(known: Known) -> Said:
    if not _contrasts(known):
        return "open", "No model of this run has a moderation."
    return "filled", "Figures of the moderation: the slope of each cell, with its patients; table estimands."


def _interaction(known: Known) -> Said:
    found = _contrasts(known)
    if not found:
        return "open", "No model of this run has a moderation."
    return "filled", f"{len(found)} contrasts of slopes, each one estimand: {'; '.join(found[:3])}."


def _variances(known: Known) -> Said:
    return (
        "filled",
        "Table variances: SDs, correlation, residual SD and ICC with intervals; priors in Methods.",
    )


def _explained(known: Known) -> Said:
    found = [run for run in known.results.runs if run.explained is not None]
    if not found:
        return "open", "No model of this run has a reference."
    return (
        "in part",
        f"{len(found)} models: the share within the model as a posterior, and the publication's quantity between two "
        "fits as a number, negative values shown. The latter is not given as a posterior.",
    )


def _by_source(known: Known) -> Said:
    return "open", "R2 by source (Rights & Sterba) is not computed."


def _ppc(known: Known) -> Said:
    if not known.results.predictive:
        return "open", "No model of this run was checked against its replicates."
    return (
        "in part",
        "Table predictive_checks and its figures: means and SDs by subgroup and visit window, floor and ceiling, SDs "
        "between and within patients. Not by number of assessments.",
    )


def _pit(known: Known) -> Said:
    if not known.results.predictive:
        return "open", "No model of this run was checked."
    return "filled", "Figures of LOO-PIT, with a simultaneous band."


def _target(known: Known) -> Said:
    return _compared(
        known,
        "Every score is named by what it predicts: a new patient, a new visit, or a new visit given the effects.",
    )


def _compared(known: Known, text: str, status: Status = "filled") -> Said:
    if not known.results.comparisons:
        return "open", "No models were compared in this run."
    return status, text


def _conditional(known: Known) -> Said:
    count = sum(m.n_bad_k["new_visit_conditional"] for c in known.results.comparisons for m in c.models)
    text = (
        f"Table comparison: conditional scores with their Pareto k ({count} above 0.7 in all). Not split by patients "
        "with a single visit."
    )
    return _compared(known, text, "in part")


def _marginal(known: Known) -> Said:
    return _compared(known, "Table comparison: joint score of each patient's visits, SE over patients.")


def _repair(known: Known) -> Said:
    refitted = sum(s["new_patient"].n_refitted for c in known.results.comparisons for s in c.scores.values())
    left = sum(m.n_bad_k["new_patient"] for c in known.results.comparisons for m in c.models)
    return _compared(
        known, f"{refitted} patients were scored by refits; Pareto k above 0.7 remains for {left}."
    )


def _differences(known: Known) -> Said:
    return _compared(
        known,
        "Table comparison: difference, its SE, P(worse), the remarks on small differences and few patients, stacking "
        "weights.",
    )


def _refusal(known: Known) -> Said:
    return "filled", "Models on different rows are refused; equal digests stand in table rows."


def _bayes_factors(known: Known) -> Said:
    count = sum(len(run.bayes_factors) for run in known.results.runs)
    if not count:
        return "open", "No Bayes factor was computed in this run."
    return (
        "filled",
        f"{count} curves over prior widths from 1/8 to 8 times the stated SD, with numerical errors in the CSV file; "
        "each answer states the prior odds that a posterior probability of 95 % needs.",
    )


def _sensitivity(known: Known) -> Said:
    if known.has("stress"):
        return "filled", f"See section {known.companions['stress'].title}."
    sets = ", ".join(prior.name for prior in known.results.study.priors)
    if known.n_audited:
        return (
            "in part",
            f"From the printed cells, every prior set ({sets}) beside each answer; Bayes factors over prior widths. "
            "Posteriors of the rows under other sets, and power-scaling, need the stress tests.",
        )
    return "open", f"Posteriors under other sets ({sets}) and power-scaling need the stress tests."


def _reverse(known: Known) -> Said:
    if not known.n_audited:
        return "open", "The study has no printed cells."
    return "filled", "Table reverse_bayes: the sceptical prior that would just overturn each printed claim."


def _multiplicity(known: Known) -> Said:
    cells = [cell for cell in known.results.study.cells if cell.quantity == "estimate"]
    if not cells:
        return "open", "The study has no printed tests."
    starred = sum(bool(cell.parsed.stars) for cell in cells)
    return (
        "in part",
        f"{len(cells)} printed estimates of models, {starred} of them starred; at the 5 % level "
        f"{0.05 * len(cells):.1f} would be starred if nothing were there. No partial pooling over outcomes.",
    )


def _agreement_table(known: Known) -> Said:
    if not known.results.study.cells:
        return "open", "The study has no printed cells."
    status: Status = "filled" if known.has("claims") else "in part"
    rest = "" if status == "filled" else " Codes for why two approaches differ need the command claims."
    return status, f"Tables of the publication, cell by cell: printed, ML, REML and Bayes.{rest}"


def _provenance(known: Known) -> Said:
    return (
        "filled",
        f"Every table and figure carries its source; 'bayes-alliance reanalyse {known.results.study.id}' builds all of "
        "it again.",
    )


_ITEMS: tuple[tuple[str, str, Fill], ...] = (
    ("Question, estimand and reason for Bayes", "BARG", _question),
    ("Data dictionary: units, time origin, coding, reference level", _CORE, _dictionary),
    ("Patients and observations of each model, with a digest", "BARG", _counts),
    ("Assessments a patient, share with a single one", "Merkle et al.", _assessments),
    ("Likelihood and covariance of random effects, in LaTeX and code", "BARG 1", _likelihood),
    ("Priors: density, source, implied change over the horizon", "BARG 1, ROBUST", _priors),
    ("Justification of each prior", "ROBUST, WAMBS 1", _justified),
    ("Prior predictive check", "Workflow, BARG 1", _prior_predictive),
    ("Versions, seeds, platform, wall time", "BARG 2, 6", _versions),
    (
        "R-hat, effective sample size and Monte-Carlo error of all reported quantities",
        _CORE,
        _needs_posterior(_convergence),
    ),
    ("Divergences, tree depth, E-BFMI", "Workflow", _needs_posterior(_sampler)),
    ("Longer run and second seed", "WAMBS 3", _needs_posterior(_longer)),
    ("Other parameterisations agree", "Workflow", _needs_posterior(_parameterisation)),
    (
        "Parameter recovery, simulation-based calibration, coverage",
        "Workflow",
        _from("simulations", "recovery and calibration", "bayes-alliance simulate"),
    ),
    ("ML and REML on the same rows", "Merkle et al.", _mirror),
    ("Type of covariance and method of degrees of freedom", "BARG 1", _covariance),
    ("Median, SD, 50, 90 and 95 % intervals, kind of interval", "BARG 3", _needs_posterior(_intervals)),
    (
        "Probability of direction, of more than matters, and of too little to matter over widths",
        "BARG 3",
        _needs_posterior(_matters),
    ),
    ("Posterior of every cell of the moderation, with its patients", "BARG 3", _needs_posterior(_cells)),
    ("The interaction as one contrast", "BARG 4", _interaction),
    ("SDs, correlation, residual SD and ICC with intervals", _CORE, _needs_posterior(_variances)),
    ("Explained variation of intercepts and slopes", "Rights & Sterba", _needs_posterior(_explained)),
    ("R2 by source", "Rights & Sterba", _by_source),
    (
        "Posterior predictive checks by subgroup, visit, number of assessments; floor and ceiling",
        "BARG 2, WAMBS",
        _needs_posterior(_ppc),
    ),
    ("LOO-PIT", "Workflow", _needs_posterior(_pit)),
    ("What the scores predict", "Merkle et al.", _target),
    ("Conditional LOO with its Pareto k", "Merkle et al.", _conditional),
    ("Score of a whole patient, SE over patients", "Merkle et al.", _marginal),
    ("Log of repairs: refits and what is left", "Workflow", _repair),
    ("Differences, their SE, flags and stacking weights", "Workflow", _differences),
    ("Refusal to compare models on different rows", "Merkle et al.", _refusal),
    ("Bayes factors with their curve, numerical error and prior odds", "BARG 5", _bayes_factors),
    ("Sensitivity to the prior", "BARG 1, WAMBS 7-10, ROBUST", _sensitivity),
    ("Reverse-Bayes: the prior that would overturn each claim", "Zampieri et al.", _reverse),
    (
        "Sensitivity to the likelihood",
        "Workflow",
        _from("stress", "other likelihoods", "the stress tests of"),
    ),
    (
        "Missing data: assumption, pattern mixture, tipping point",
        "Workflow",
        _from("stress", "missing data", "the stress tests of"),
    ),
    ("Influence of single patients", "Workflow", _from("stress", "influence", "the stress tests of")),
    ("Multiplicity", "BARG 4", _multiplicity),
    ("Agreement of frequentist and Bayesian results by cell", "Zampieri et al.", _agreement_table),
    ("Provenance, command to rebuild", "BARG 6", _provenance),
)
