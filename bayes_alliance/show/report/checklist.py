"""The reporting checklist of a Bayesian reanalysis, filled in from the run, or open with the reason.

Fifty items, put together from what these ask for: BARG (Kruschke 2021, doi:10.1038/s41562-021-01177-7), WAMBS
(Depaoli & van de Schoot 2017, doi:10.1037/met0000065), ROBUST (Sung et al. 2005,
doi:10.1016/j.jclinepi.2004.08.010), Bayesian workflow (Gelman et al. 2020, arXiv:2011.01808), Merkle, Furr &
Rabe-Hesketh 2019 (doi:10.1007/s11336-019-09679-0), Rights & Sterba 2019 (doi:10.1037/met0000184), Zampieri et al.
2021 (doi:10.1164/rccm.202006-2381CP), and for mixed models by maximum likelihood Meteyard & Davies 2020
(doi:10.1016/j.jml.2020.104092), LEVEL (Monsalves et al. 2020, doi:10.1186/s12874-019-0876-8) and Casals et al. 2014
(doi:10.1371/journal.pone.0112653).
"""

from __future__ import annotations

from collections.abc import Sequence

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.report.checklist_frequentist import (
    fill_access,
    fill_assumptions,
    fill_estimation,
    fill_fixed,
    fill_icc,
    fill_levels,
    fill_missing,
    fill_random_effects,
    fill_selection,
    fill_trajectories,
)
from bayes_alliance.show.report.checklist_known import Fill, Known, from_companion, needs_posterior
from bayes_alliance.show.report.checklist_model import (
    fill_assessments,
    fill_convergence,
    fill_counts,
    fill_dictionary,
    fill_justified,
    fill_likelihood,
    fill_longer,
    fill_parameterisation,
    fill_prior_predictive,
    fill_priors,
    fill_question,
    fill_sampler,
    fill_versions,
)
from bayes_alliance.show.report.checklist_results import (
    fill_agreement_table,
    fill_bayes_factors,
    fill_by_source,
    fill_cells,
    fill_conditional,
    fill_covariance,
    fill_differences,
    fill_explained,
    fill_interaction,
    fill_intervals,
    fill_marginal,
    fill_matters,
    fill_mirror,
    fill_multiplicity,
    fill_pit,
    fill_ppc,
    fill_provenance,
    fill_refusal,
    fill_repair,
    fill_reverse,
    fill_sensitivity,
    fill_target,
    fill_variances,
)
from bayes_alliance.show.report.record import ChecklistItem, Companion

_CORE = "BARG, WAMBS"


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


_ITEMS: tuple[tuple[str, str, Fill], ...] = (
    ("Question, estimand and reason for Bayes", "BARG", fill_question),
    ("Data dictionary: units, time origin, coding, reference level", _CORE, fill_dictionary),
    ("Patients and observations of each model, with a digest", "BARG", fill_counts),
    ("Assessments a patient, share with a single one", "Merkle et al.", fill_assessments),
    ("Likelihood and covariance of random effects, in LaTeX and code", "BARG 1", fill_likelihood),
    ("Priors: density, source, implied change over the horizon", "BARG 1, ROBUST", fill_priors),
    ("Justification of each prior", "ROBUST, WAMBS 1", fill_justified),
    ("Prior predictive check", "Workflow, BARG 1", fill_prior_predictive),
    ("Versions, seeds, platform, wall time", "BARG 2, 6", fill_versions),
    (
        "R-hat, effective sample size and Monte-Carlo error of all reported quantities",
        _CORE,
        needs_posterior(fill_convergence),
    ),
    ("Divergences, tree depth, E-BFMI", "Workflow", needs_posterior(fill_sampler)),
    ("Longer run and second seed", "WAMBS 3", needs_posterior(fill_longer)),
    ("Other parameterisations agree", "Workflow", needs_posterior(fill_parameterisation)),
    (
        "Parameter recovery, simulation-based calibration, coverage",
        "Workflow",
        from_companion("simulations", "recovery and calibration", "bayes-alliance simulate"),
    ),
    ("ML and REML on the same rows", "Merkle et al.", fill_mirror),
    ("Type of covariance and method of degrees of freedom", "BARG 1", fill_covariance),
    ("Median, SD, 50, 90 and 95 % intervals, kind of interval", "BARG 3", needs_posterior(fill_intervals)),
    (
        "Probability of direction, of more than matters, and of too little to matter over widths",
        "BARG 3",
        needs_posterior(fill_matters),
    ),
    ("Posterior of every cell of the moderation, with its patients", "BARG 3", needs_posterior(fill_cells)),
    ("The interaction as one contrast", "BARG 4", fill_interaction),
    ("SDs, correlation, residual SD and ICC with intervals", _CORE, needs_posterior(fill_variances)),
    ("Explained variation of intercepts and slopes", "Rights & Sterba", needs_posterior(fill_explained)),
    ("R2 by source", "Rights & Sterba", fill_by_source),
    (
        "Posterior predictive checks by subgroup, visit, number of assessments; floor and ceiling",
        "BARG 2, WAMBS",
        needs_posterior(fill_ppc),
    ),
    ("LOO-PIT", "Workflow", needs_posterior(fill_pit)),
    ("What the scores predict", "Merkle et al.", fill_target),
    ("Conditional LOO with its Pareto k", "Merkle et al.", fill_conditional),
    ("Score of a whole patient, SE over patients", "Merkle et al.", fill_marginal),
    ("Log of repairs: refits and what is left", "Workflow", fill_repair),
    ("Differences, their SE, flags and stacking weights", "Workflow", fill_differences),
    ("Refusal to compare models on different rows", "Merkle et al.", fill_refusal),
    ("Bayes factors with their curve, numerical error and prior odds", "BARG 5", fill_bayes_factors),
    ("Sensitivity to the prior", "BARG 1, WAMBS 7-10, ROBUST", fill_sensitivity),
    ("Reverse-Bayes: the prior that would overturn each claim", "Zampieri et al.", fill_reverse),
    (
        "Sensitivity to the likelihood",
        "Workflow",
        from_companion("stress", "other likelihoods", "the stress tests of", "likelihood"),
    ),
    (
        "Missing data: assumption, pattern mixture, tipping point",
        "Workflow",
        from_companion("stress", "missing data", "the stress tests of", "missing"),
    ),
    (
        "Influence of single patients",
        "Workflow",
        from_companion("stress", "influence", "the stress tests of", "patients"),
    ),
    ("Multiplicity", "BARG 4", fill_multiplicity),
    ("Agreement of frequentist and Bayesian results by cell", "Zampieri et al.", fill_agreement_table),
    ("Provenance, command to rebuild", "BARG 6", fill_provenance),
    ("Levels of the data, units at each level, levels left out", "LEVEL, Meteyard & Davies", fill_levels),
    ("ICC before predictors enter", "LEVEL", fill_icc),
    ("Structure of random effects and its reason", "Meteyard & Davies, Casals et al.", fill_random_effects),
    ("Fixed effects with SE, degrees of freedom, test and interval", "Casals et al., LEVEL", fill_fixed),
    ("Steps of model selection", "Meteyard & Davies", fill_selection),
    (
        "Estimation, optimiser, convergence, singular fits",
        "Meteyard & Davies, Casals et al.",
        fill_estimation,
    ),
    (
        "Assumptions: residuals and random effects",
        "Meteyard & Davies, LEVEL",
        fill_assumptions,
    ),
    ("Missing data at each level", "LEVEL", fill_missing),
    ("Figure of trajectories", "LEVEL", fill_trajectories),
    ("Access to data and code", "Meteyard & Davies", fill_access),
)
