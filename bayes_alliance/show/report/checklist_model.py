"""What a run says to the checklist about question, data, model, priors and sampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.check_record import Check
from bayes_alliance.run.results import ModelRun
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.show.report.checklist_known import Known, Said
from bayes_alliance.show.report.record import Status
from bayes_alliance.show.tables.predictive import MIN_ROWS_SHOWN

# Of assessments that are counted one by one.
_MOST = 5


def fill_question(known: Known) -> Said:
    """Fill: question, estimand and reason for Bayes."""
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


def fill_dictionary(known: Known) -> Said:
    """Fill: data dictionary: units, time origin, coding, reference level."""
    study = known.results.study
    return (
        "filled",
        f"{len(study.every_variable)} variables with unit, level, coding and reference level stand in the study file; "
        f"time ({study.time}) counts in {study.time_unit} from baseline. 'bayes-alliance check-data' prints them as "
        "understood.",
    )


def fill_counts(known: Known) -> Said:
    """Fill: patients and observations of each model, with a digest."""
    return (
        "filled",
        "Table rows: patients, assessments and a digest of the rows of each model and comparison.",
    )


def fill_assessments(known: Known) -> Said:
    """Count assessments a patient over the largest model of each outcome; few patients are not counted out."""
    largest: dict[str, ModelRun] = {}
    for run in known.results.runs:
        best = largest.get(run.model.outcome)
        if best is None or run.rows.n_rows > best.rows.n_rows:
            largest[run.model.outcome] = run
    ordered = sorted(largest.items(), key=lambda item: -item[1].rows.n_rows)
    told: list[NDArray[np.int64]] = []
    parts, near = [], []
    for outcome, run in ordered:
        counts, label = _count_sizes(run), known.results.study.variable(outcome).label
        if any(0 < _crossings(counts, other) < MIN_ROWS_SHOWN for other in told):
            near.append(label)
            continue
        told.append(counts)
        said = ", ".join(f"{count} with {_class(low, high)}" for low, high, count in _classes(counts))
        parts.append(f"{label}: {said}")
    if near:
        parts.append(f"{', '.join(near)}: nearly the same")
    return "filled", "Patients with so many assessments. " + "; ".join(parts) + "."


def _count_sizes(run: ModelRun) -> NDArray[np.int64]:
    """Patients with 1, 2, ... assessments; the last are those with 5 or more."""
    sizes = np.minimum(np.bincount(run.design.patient_index), _MOST)
    return np.bincount(sizes, minlength=_MOST + 1)[1:]


def _crossings(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Fewest patients, of the bounds between classes that anybody crosses from one outcome to the other."""
    crossed = np.abs(np.cumsum(one - other))
    return int(min(crossed[crossed > 0], default=0))


def _classes(counts: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Join classes of patients by number of assessments: the least, the most (5 for any above), how many.

    A class of few patients is one with its neighbour: alone it could be had from the others and the total.
    """
    found: list[tuple[int, int, int]] = []
    for k, count in enumerate(map(int, counts), start=1):
        if found and (found[-1][2] < MIN_ROWS_SHOWN or count < MIN_ROWS_SHOWN):
            low, _, before = found.pop()
            found.append((low, k, before + count))
        else:
            found.append((k, k, count))
    return found


def _class(low: int, high: int) -> str:
    if high == _MOST:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"


def fill_likelihood(known: Known) -> Said:
    """Fill: likelihood and covariance of random effects, in LaTeX and code."""
    return "filled", "Methods: the model in LaTeX, every formula, and the code that runs it."


def fill_priors(known: Known) -> Said:
    """Fill: priors: density, source, implied change over the horizon."""
    if not known.results.study.priors:
        return "open", "The study file states no priors."
    return "filled", "Methods: table of priors with densities and what each implies over the horizon."


def fill_justified(known: Known) -> Said:
    """Fill: justification of each prior."""
    tagged = [prior for prior in known.results.study.priors if prior.tag]
    if not tagged:
        return "open", "The prior sets of the study file have no tag that says where they come from."
    status: Status = "filled" if len(tagged) == len(known.results.study.priors) else "in part"
    return status, "; ".join(f"{prior.name}: {prior.tag}" for prior in tagged) + "."


def fill_prior_predictive(known: Known) -> Said:
    """Fill: prior predictive check."""
    if not known.results.prior:
        return "open", "No prior was used in this run."
    return (
        "in part",
        "Methods: share of single scores outside the scale before any data, and the implied SD of changes. The "
        "implied share of explained variation is not computed.",
    )


def fill_versions(known: Known) -> Said:
    """Fill: versions, seeds, platform, wall time."""
    return (
        "filled",
        f"Methods: versions; seed {known.results.seed}; wall times, settings and the digest of every file in "
        "manifest.json.",
    )


def fill_convergence(known: Known) -> Said:
    """Fill: R-hat, effective sample size and Monte-Carlo error of all reported quantities."""
    bayes = [q.bayes for run in known.results.runs for q in run.quantities if q.bayes is not None]
    r_hats = [summary.r_hat for summary in bayes if not np.isnan(summary.r_hat)]
    ess = min(min(summary.ess_bulk, summary.ess_tail) for summary in bayes)
    hat = f"largest R-hat {max(r_hats):.4f}; " if r_hats else "independent draws, so R-hat has no meaning; "
    return (
        "filled",
        f"All {len(bayes)} reported quantities: {hat}smallest ESS {ess:,.0f}. Table estimands lists each.",
    )


def fill_sampler(known: Known) -> Said:
    """Fill: divergences, tree depth, E-BFMI."""
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


def fill_longer(known: Known) -> Said:
    """Fill: longer run and second seed."""
    return _agreement(known, "Chains of double length and a second seed were not run")


def fill_parameterisation(known: Known) -> Said:
    """Fill: other parameterisations agree."""
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
