r"""The methods text of a run, made from its records: model, priors with what they imply, programs, code.

The model is that of every run: :math:`y_{ij} = x_{ij}'\beta + z_{ij}'b_i + \varepsilon_{ij}` with
:math:`b_i \sim N(0, G)` and :math:`\varepsilon_{ij} \sim N(0, \sigma^2)`.
"""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np
from scipy import special

from bayes_alliance.assess.prior_predictive import PRIOR_DRAWS
from bayes_alliance.run.manifest import packages_used
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import INTERVAL_NAME, format_count, format_number
from bayes_alliance.show.id_names import name_ids
from bayes_alliance.show.labels import units_of
from bayes_alliance.show.provenance import cite_study, describe_covariances, describe_provenance
from bayes_alliance.show.report.prior_implications import tabulate_implications
from bayes_alliance.show.report.r_code import r_call
from bayes_alliance.show.report.record import Methods, TableView
from bayes_alliance.show.report.views import view_table
from bayes_alliance.show.tables.record import Table, Value, build_table, number_column, text_column
from bayes_alliance.study.covariance_terms import INDEPENDENT
from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.records import Study, Variable

_Z = 1.959963984540054
_COVARIANCES = {
    "UN": "unstructured (UN: correlated intercept and slope)",
    "VC": "of independent components (VC)",
    "ID": "a random intercept only (ID)",
    "by formula": "as the formula states it where it has several levels or correlated residuals",
}
LATEX = r"""\begin{align}
  y_{ij} &= \mathbf{x}_{ij}^\top \boldsymbol\beta + b_{0i} + b_{1i}\, t_{ij} + \varepsilon_{ij},
    & \varepsilon_{ij} &\sim \mathcal{N}(0, \sigma^2), \\
  \begin{pmatrix} b_{0i} \\ b_{1i} \end{pmatrix} &\sim \mathcal{N}(\mathbf{0}, \mathbf{G}),
    & \mathbf{G} &= \begin{pmatrix} \tau_0^2 & \rho\,\tau_0\tau_1 \\ \rho\,\tau_0\tau_1 & \tau_1^2 \end{pmatrix}.
\end{align}"""
LATEX_STRUCTURED = r"""\begin{align}
  \mathbf{y}_{ik} &= \mathbf{X}_{ik} \boldsymbol\beta + \mathbf{W}_{ik} \mathbf{a}_k + \mathbf{Z}_{ik} \mathbf{b}_{ik}
    + \boldsymbol\varepsilon_{ik}, \\
  \mathbf{a}_k &\sim \mathcal{N}(\mathbf{0}, \mathbf{G}_\text{group}), \quad
  \mathbf{b}_{ik} \sim \mathcal{N}(\mathbf{0}, \mathbf{G}_\text{patient}), \quad
  \boldsymbol\varepsilon_{ik} \sim \mathcal{N}(\mathbf{0}, \mathbf{D}_{ik} \mathbf{C}_{ik} \mathbf{D}_{ik}),
\end{align}
% for patient i of group k; D holds the residual SDs and C the residual correlations of the patient's visits."""


def describe_methods(results: StudyResults) -> Methods:
    """Write the methods text of a run."""
    return Methods(
        paragraphs=tuple(_paragraphs(results)),
        latex=_latex(results),
        formulas=tuple((run.model.label, run.design.formula.text) for run in results.runs),
        lme4=_lme4(results),
        python=_python(results),
        priors=view_table(tabulate_priors(results), prefix="methods", names=name_ids(results.study)),
        predictive=_predictive(results),
        implications=view_table(
            tabulate_implications(results), prefix="methods", names=name_ids(results.study)
        )
        if results.study.priors and results.runs
        else None,
        versions=(
            ("Python", platform.python_version()),
            *((name, importlib.metadata.version(name)) for name in packages_used(results.engine)),
        ),
    )


def _latex(results: StudyResults) -> str:
    structured = [run.design.structured is not None for run in results.runs]
    return "\n".join(
        [*([] if all(structured) and structured else [LATEX]), *([LATEX_STRUCTURED] * any(structured))]
    )


def _paragraphs(results: StudyResults) -> list[str]:
    study = results.study
    patients = {run.rows.n_patients for run in results.runs}
    rows = {run.rows.n_rows for run in results.runs}
    said = [
        f"{format_count(len(results.runs), 'linear mixed model')} of {format_count(len(study.outcomes), 'outcome')} "
        f"{'was' if len(results.runs) == 1 else 'were'} fitted to "
        f"{_span(patients)} patients with {_span(rows)} assessments ({results.source.value}: {results.origin}); "
        f"time is counted in {study.time_unit}, and changes are given over {study.horizon:g} {study.time_unit}. "
        "The rows of each model were frozen once and served every inference.",
        "Maximum likelihood (ML) and restricted maximum likelihood (REML) estimates have t tests on Satterthwaite "
        f"degrees of freedom. {describe_covariances(results)} AIC is -2 log likelihood "
        "+ 2 (fixed + covariance parameters) under ML; the dialects of SPSS and lme4 under REML stand beside it.",
    ]
    said += _bayes_paragraphs(results)
    said.append(describe_provenance(results, printed=bool(study.cells)))
    return said


def _bayes_paragraphs(results: StudyResults) -> list[str]:
    posteriors = [run.posterior for run in results.runs if run.posterior is not None]
    if not posteriors:
        return ["No posterior was asked for in this run."]
    kinds = sorted({p.covariance for p in posteriors if len(p.z_names) != 1}) or ["ID"]
    draws = {p.n_draws for p in posteriors}
    engines = sorted({p.engine for p in posteriors})
    how = {
        "collapsed": "fixed and random effects integrated out in closed form, the covariance parameters by adaptive "
        "importance sampling with Pareto smoothing",
        "pymc": "PyMC from the Bambi formula, random effects integrated out, sampled by NUTS",
        "bambi": "Bambi as it comes, with independent random effects, sampled by NUTS",
    }
    made = "; ".join(f"{engine}: {how[engine]}" for engine in engines if engine in how)
    return [
        f"Posteriors ({_span(draws)} draws a model) come from engine {results.engine} ({made}), with covariance of the "
        f"random effects {' and '.join(_COVARIANCES[kind] for kind in kinds)}, under the prior set "
        f"'{results.prior}' in the table below. They are summarised by their median and {INTERVAL_NAME}; P(direction) "
        "is the posterior probability of the more probable sign.",
        "Models of one comparison were fitted to the rows that all of them share and scored by the expected log "
        "predictive density of all visits of a new patient (leave-one-patient-out on the marginal likelihood, PSIS; "
        "Vehtari, Gelman & Gabry 2017, doi:10.1007/s11222-016-9696-4), of a new visit with the patient's effects "
        "integrated out, and of a new visit given them. Patients with Pareto k above 0.7 were scored by refits "
        "without them.",
        *_structured_scores(results),
        f"All randomness comes from the seed {results.seed}; each task has a seed of its own derived from it and from "
        "the task's name.",
    ]


def _structured_scores(results: StudyResults) -> list[str]:
    if not any(run.design.structured is not None for run in results.runs):
        return []
    return [
        "Models with several levels or correlated residuals were drawn by the collapsed engine. In their comparisons a "
        "new patient is predicted from the other patients of the same group, a new group of patients (therapist, "
        "clinic, school) from the other groups, and a new visit with all effects integrated out. Explained variation, "
        "Bayes factors, tests of the random slope, stress tests and leaving patients out of claims are not "
        "given for them.",
    ]


def _span(values: set[int]) -> str:
    if not values:
        return "0"
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _lme4(results: StudyResults) -> str:
    correlated = any(run.design.formula.residual != INDEPENDENT for run in results.runs[:3])
    packages = ["library(lmerTest)", *(["library(nlme)"] if correlated else [])]
    lines = [*packages, 'rows <- read.csv("rows.csv")']
    for run in results.runs[:3]:
        lines.append(f"{run.model.id} <- {r_call(run.design.formula)}")
    if len(results.runs) > 3:
        lines.append(f"# ... and {len(results.runs) - 3} more, with the formulas listed above")
    return "\n".join(lines)


def _python(results: StudyResults) -> str:
    prior = f', prior="{results.prior}"' if results.prior else ""
    return "\n".join(
        [
            "import bayes_alliance as ba",
            "",
            f'study = ba.load_study("{results.study.id}")',
            f'results = ba.reanalyse(study, engine="{results.engine}"{prior}, seed={results.seed})',
        ]
    )


def tabulate_priors(results: StudyResults) -> Table:
    """Build the table of every prior of a study, set by set, with what each implies in points.

    Parameters
    ----------
    results : StudyResults
        For the study and its provenance.

    Returns
    -------
    Table
        One row a prior set, outcome and parameter, the run's own set first.
    """
    study = results.study
    columns = (
        text_column("prior", "Prior set"),
        text_column("tag", "Where it comes from"),
        text_column("outcome", "Outcome"),
        text_column("parameter", "Parameter"),
        text_column("density", "Density"),
        text_column("implies", "95 % of it"),
        number_column("location", "location"),
        number_column("scale", "scale"),
    )
    shown = tuple(columns[:6]) + tuple(
        number_column(column.name, column.heading, shown="csv") for column in columns[6:]
    )
    sets = sorted(study.priors, key=lambda prior: prior.name != results.prior)
    rows = [row for prior in sets for row in _prior_rows(study, prior)]
    notes = (
        f"Slopes, effects on slopes and SDs of slopes: {units_of(study)} over {study.horizon:g} {study.time_unit}. "
        "Effects: for the difference that the study file gives each predictor (contrast). LKJ: on the correlation of "
        "intercept and slope.",
        f"Used in this run: '{results.prior or 'none'}'.",
    )
    return build_table(
        ("priors", "Priors, and what they imply"),
        shown,
        rows,
        notes,
        (f"Stated in the study file of {cite_study(study)}; no data.", "study file"),
    )


def _prior_rows(study: Study, prior: PriorSet) -> list[dict[str, Value]]:
    rows: list[dict[str, Value]] = []
    for outcome, scales in prior.scales:
        label = study.variable(outcome).label
        unit = study.variable(outcome).unit or "points"
        over = f"{unit} over {study.horizon:g} {study.time_unit}"
        normals = (
            ("Intercept", scales.intercept, unit),
            ("Slope", scales.slope, over),
            ("Effect on the level", scales.effect_intercept, unit),
            ("Effect on the slope", scales.effect_slope, over),
        )
        widths = (
            ("SD of intercepts", scales.sd_intercept, unit),
            ("SD of slopes", scales.sd_slope, over),
            ("Residual SD", scales.sigma, unit),
        )
        base: dict[str, Value] = {"prior": prior.name, "tag": prior.tag, "outcome": label}
        found = [
            *(_normal_row(name, mean, sd, of) for name, (mean, sd), of in normals),
            *(_scale_row(name, scales, scale, of) for name, scale, of in widths),
            _correlation_row(scales.lkj_eta),
        ]
        rows += [base | row for row in found]
    return rows + _stated_rows(study, prior)


def _stated_rows(study: Study, prior: PriorSet) -> list[dict[str, Value]]:
    """List what a set states of named estimands, which takes the place of what its scales imply for them."""
    rows: list[dict[str, Value]] = []
    for model_id, name, (mean, sd) in prior.estimands:
        model = study.model(model_id)
        label, kind = next((e.label, e.kind) for e in model.estimands if e.name == name)
        variable = study.variable(model.outcome)
        unit = variable.unit or "points"
        of = unit if kind == "level" else f"{unit} over {study.horizon:g} {study.time_unit}"
        base: dict[str, Value] = {"prior": prior.name, "tag": prior.tag, "outcome": variable.label}
        rows.append(base | _normal_row(f"{model.label}: {label}", mean, sd, of))
    return rows


def _normal_row(name: str, mean: float, sd: float, unit: str) -> dict[str, Value]:
    low, high = mean - _Z * sd, mean + _Z * sd
    return {
        "parameter": name,
        "density": f"Normal({mean:g}, {sd:g}\N{SUPERSCRIPT TWO})",
        "implies": f"{format_number(low)} to {format_number(high)} {unit}",
        "location": mean,
        "scale": sd,
    }


def _scale_row(name: str, scales: PriorScales, scale: float, unit: str) -> dict[str, Value]:
    density, upper = _scale_prior(scales, scale)
    return {
        "parameter": name,
        "density": density,
        "implies": f"below {format_number(upper)} {unit}",
        "location": 0.0,
        "scale": scale,
    }


def _correlation_row(eta: float) -> dict[str, Value]:
    low = 2.0 * float(special.betaincinv(eta, eta, 0.025)) - 1.0
    return {
        "parameter": "Correlation",
        "density": f"LKJ({eta:g})",
        "implies": f"{format_number(low)} to {format_number(-low)}",
        "scale": eta,
    }


def _scale_prior(scales: PriorScales, scale: float) -> tuple[str, float]:
    """Name a prior of an SD, and give its 95 % quantile."""
    if scales.scale_family == "half_normal":
        return f"half-Normal(0, {scale:g}\N{SUPERSCRIPT TWO})", scale * _Z
    if scales.scale_family == "half_t":
        quantile = float(special.stdtrit(scales.scale_df, 0.975))
        return f"half-t({scales.scale_df:g}, 0, {scale:g})", scale * quantile
    return f"Exponential(mean {scale:g})", scale * float(-np.log(0.05))


def _predictive(results: StudyResults) -> TableView | None:
    study = results.study
    if not results.prior_predictive:
        return None
    columns = (
        text_column("outcome", "Outcome"),
        text_column("scale", "Scale"),
        text_column("baseline", "Outside it at baseline"),
        text_column("horizon", f"Outside it at {study.horizon:g} {study.time_unit}"),
        text_column("sd_change", "SD of patients' changes, prior median"),
    )
    rows: list[dict[str, Value]] = []
    for found in results.prior_predictive:
        variable = study.variable(found.outcome)
        ends = (variable.minimum, variable.maximum) if isinstance(variable, Variable) else (None, None)
        rows.append(
            {
                "outcome": variable.label,
                "scale": _ends(*ends),
                "baseline": _share(found.baseline),
                "horizon": _share(found.horizon),
                "sd_change": format_number(found.sd_change),
            }
        )
    table = build_table(
        ("prior_predictive", "Prior predictive check: single scores of a new patient before any data"),
        columns,
        rows,
        (
            f"{PRIOR_DRAWS:,} draws from the prior set '{results.prior}', growth model, reference group. The model is "
            "Gaussian and knows no ends of a scale, so some share outside is to be expected.",
        ),
        ("Computed from the priors alone; no data.", "priors"),
    )
    return view_table(table, prefix="methods", names=name_ids(results.study))


def _ends(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "without ends"
    return f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{100.0 * value:.1f} %"
