"""Which models of a study run on which rows, decided before anything is fitted.

Each model is frozen on all rows that carry it, and each set of models to be compared once on the rows that
carry all of them. A model that the data cannot carry is skipped with its reason; nothing is dropped in
silence. Fits nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayes_alliance.assess.loo import Target
from bayes_alliance.data.rows import FrozenRows, StudyData, freeze_rows
from bayes_alliance.errors import FitError, InputError, Problem, no_such
from bayes_alliance.inference.design import Design, build_design, variance_fault
from bayes_alliance.inference.fits import RowsUsed
from bayes_alliance.inference.lmm.design import StructuredDesign
from bayes_alliance.inference.lmm.patterns import Index
from bayes_alliance.run.small_groups import fewest_patients, singles_out
from bayes_alliance.run.structured_plan import add_structure
from bayes_alliance.study.covariance_terms import INTERCEPT
from bayes_alliance.study.formula import Formula, parse_formula
from bayes_alliance.study.records import Model, Study

MIN_PATIENTS = 5
_FEW = (
    "withheld: fewer than {k} patients, in all, in a subgroup or its complement, or with one value of a factor "
    "(--min-cell)"
)


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """A model with its frozen rows.

    Parameters
    ----------
    left_out : tuple of str
        In words: rows and patients that it cannot use.
    targets : tuple of str
        What models of a comparison with several levels or correlated residuals are scored for; empty for others.
    clusters : ndarray of int, shape (n_patients,), or None
        Which group of the upper level each patient belongs to, where a model of the comparison has one; a patient
        without is a group of its own.
    """

    model: Model
    frozen: FrozenRows
    design: Design
    rows: RowsUsed
    left_out: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    clusters: Index | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which models run on which rows.

    Parameters
    ----------
    own : tuple of PlannedModel
        Each model on all rows that carry it.
    common : mapping of str to tuple of PlannedModel
        Each comparison set on the rows that carry all of its models.
    skipped : tuple of SkippedModel
        Models that the data cannot carry, or not on the rows of their comparison.
    """

    own: tuple[PlannedModel, ...]
    common: Mapping[str, tuple[PlannedModel, ...]]
    skipped: tuple[SkippedModel, ...]

    @property
    def n_fits(self) -> int:
        """Fits that the plan asks for, those on common rows included."""
        return len(self.own) + sum(len(members) for members in self.common.values())


def plan_study(study: Study, data: StudyData, *, models: Sequence[str] = ()) -> Plan:
    """Freeze the rows of every model and of every comparison set.

    Parameters
    ----------
    study : Study
        Declares the models.
    data : StudyData
        All rows.
    models : sequence of str
        Ids to plan; empty for all.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If a model asked for does not exist, or no model can be run.
    """
    planned = [plan_model(data, m, parse_formula(m.formula).names) for m in _wanted(study, models)]
    own = [p for p in planned if isinstance(p, PlannedModel)]
    skipped = [p for p in planned if isinstance(p, SkippedModel)]
    if not own:
        raise _nothing_runs(data, skipped)
    common, left_out = _plan_comparisons(data, own)
    return Plan(own=tuple(own), common=common, skipped=(*skipped, *left_out))


def check_runs(study: Study, data: StudyData, *, models: Sequence[str] = ()) -> None:
    """Raise the error of :func:`plan_study`, if it has one, as soon as that is known.

    Parameters
    ----------
    study, data, models
        As in :func:`plan_study`.

    Raises
    ------
    InputError
        If a model asked for does not exist, or no model can be run.
    """
    skipped = []
    for model in _wanted(study, models):
        planned = plan_model(data, model, parse_formula(model.formula).names)
        if isinstance(planned, PlannedModel):
            return
        skipped.append(planned)
    raise _nothing_runs(data, skipped)


def _wanted(study: Study, models: Sequence[str]) -> list[Model]:
    known = [m.id for m in study.models]
    unknown = [m for m in models if m not in known]
    if unknown:
        raise InputError(f"study {study.id}", [no_such("model", m, known) for m in unknown])
    return [m for m in study.models if not models or m.id in models]


def _nothing_runs(data: StudyData, skipped: Sequence[SkippedModel]) -> InputError:
    return InputError(data.origin, [Problem(what=f"model {s.model_id}: {s.reason}") for s in skipped])


def _plan_comparisons(
    data: StudyData, own: Sequence[PlannedModel]
) -> tuple[dict[str, tuple[PlannedModel, ...]], list[SkippedModel]]:
    """Freeze each comparison set once, on the rows that carry all of its models."""
    common: dict[str, tuple[PlannedModel, ...]] = {}
    skipped: list[SkippedModel] = []
    for name in dict.fromkeys(p.model.comparison for p in own if p.model.comparison):
        members = [p.model for p in own if p.model.comparison == name]
        needed = frozenset().union(*(parse_formula(m.formula).names for m in members))
        planned = [plan_model(data, m, needed, comparison=name) for m in members]
        skipped += [p for p in planned if isinstance(p, SkippedModel)]
        if usable := tuple(p for p in planned if isinstance(p, PlannedModel)):
            common[name] = _with_targets(usable)
    return common, skipped


def _with_targets(members: tuple[PlannedModel, ...]) -> tuple[PlannedModel, ...]:
    """Say what the models of a comparison are scored for where one has several levels or correlated residuals.

    A visit given sampled effects has no meaning that all of them share, so it is left out.
    """
    structured = [p.design.structured for p in members if p.design.structured is not None]
    if not structured:
        return members
    upper = {about.cluster: about for about in structured if about.cluster}
    targets: tuple[Target, ...] = ("new_patient", "new_visit")
    clusters = None
    if len(upper) == 1:
        targets = (*targets, "new_cluster")
        (about,) = upper.values()
        clusters = _cluster_units(about)
    return tuple(replace(p, targets=targets, clusters=clusters) for p in members)


def _cluster_units(about: StructuredDesign) -> Index:
    starts = np.flatnonzero(np.diff(about.rows.patient, prepend=-1))
    clusters = about.rows.cluster[starts]
    alone = clusters < 0
    clusters = np.where(alone, clusters.max() + 1 + np.cumsum(alone), clusters)
    units = np.empty(len(clusters), dtype=np.int64)
    _, units[about.patient_of] = np.unique(clusters, return_inverse=True)
    return units


# Over 40 lines: one reason after another why rows cannot carry a model.
def plan_model(
    data: StudyData, model: Model, needed: Collection[str], *, comparison: str = ""
) -> PlannedModel | SkippedModel:
    """Freeze the rows of one model, or say why they cannot carry it.

    Parameters
    ----------
    needed : collection of str
        Variables that have to be present: those of the model's formula and maybe others, where the rows are
        shared.
    comparison : str
        Name of the comparison that the rows are for, empty for the model's own.
    """

    def skip(reason: str) -> SkippedModel:
        return SkippedModel(model_id=model.id, reason=reason, comparison=comparison)

    absent = sorted({*needed, *(name for name, _ in model.where)} & set(data.absent))
    if absent:
        return skip(f"the data lack {', '.join(absent)}")
    try:
        formula = parse_formula(model.formula)
        upper = [name for name in formula.groups[1:] if not _every_patient_has(formula, name)]
        named = [model.outcome, *sorted({*needed} - {model.outcome, *upper})]
        frozen = freeze_rows(data, named, where=model.where, also=upper)
        if frozen.n_patients < MIN_PATIENTS:
            return skip(f"only {frozen.n_patients} patients carry it; at least {MIN_PATIENTS} are needed")
        if fault := _outcome_fault(frozen, model.outcome):
            return skip(fault)
        frozen, unused = _without_unused_levels(frozen)
        if constant := [name for name, levels in unused.items() if len(levels[1]) == 1]:
            return skip(
                f"{', '.join(constant)} has one category only on these rows: no effect of it can be estimated"
            )
        design = build_design(formula, frozen.rows)
        if formula.is_structured:
            design = add_structure(design, frozen.rows, data.time)
    except InputError as error:
        return skip("; ".join(problem.format() for problem in error.problems))
    except (ValueError, FitError) as error:
        return skip(str(error))
    if design.n_rows <= len(design.x_names):
        return skip(f"{design.n_rows} rows cannot carry {len(design.x_names)} fixed coefficients")
    if design.structured is None and (fault := variance_fault(design)):
        return skip(fault)
    if _tells_of_few(data, model, design, frozen):
        return skip(_FEW.format(k=data.min_cell))
    rows = RowsUsed(
        n_rows=frozen.n_rows, n_patients=frozen.n_patients, digest=frozen.digest, source=frozen.source
    )
    lost = [e.name for e in model.estimands if not {name for name, _ in e.weights} <= set(design.x_names)]
    model = replace(model, estimands=tuple(e for e in model.estimands if e.name not in lost))
    left_out = (*_left_out(frozen), *_say_unused(unused, lost))
    return PlannedModel(model=model, frozen=frozen, design=design, rows=rows, left_out=left_out)


def _every_patient_has(formula: Formula, group: str) -> bool:
    """Whether a random intercept asks for a group of every patient; else it may be of some patients only."""
    return any(INTERCEPT in part.columns for part in formula.parts if group in part.group)


def _outcome_fault(frozen: FrozenRows, outcome: str) -> str:
    """Return why a Gaussian model does not suit an outcome; empty if it does."""
    if frozen.rows[outcome].nunique() == 2:
        return (
            f"the outcome {outcome!r} is binary (two values), and only Gaussian models are fitted here; "
            "use a logistic mixed model, such as glmer of lme4 or family='bernoulli' of Bambi"
        )
    return ""


def _tells_of_few(data: StudyData, model: Model, design: Design, frozen: FrozenRows) -> bool:
    """Whether estimates of a model would describe too few patients."""
    if data.min_cell <= 1:
        return False
    rows = frozen.rows
    factors = {
        name
        for name in design.formula.names
        if isinstance(rows[name].dtype, pd.CategoricalDtype) or set(rows[name].unique()) <= {0.0, 1.0}
    }
    return (
        frozen.n_patients < data.min_cell
        or fewest_patients(design, factors) < data.min_cell
        or singles_out(data, frozen.names, model)
    )


_Levels = dict[str, tuple[list[str], list[str]]]


def _without_unused_levels(frozen: FrozenRows) -> tuple[FrozenRows, _Levels]:
    """Drop the levels of categories that no row has, as lme4 does; give those dropped and those kept by variable."""
    unused: _Levels = {}
    rows = frozen.rows
    for name in rows.columns:
        column = rows[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            kept = column.cat.remove_unused_categories()
            gone = [str(level) for level in column.cat.categories if level not in set(kept.cat.categories)]
            if gone:
                unused[str(name)] = gone, [str(level) for level in kept.cat.categories]
                rows = rows.assign(**{str(name): kept})
    return (replace(frozen, rows=rows), unused) if unused else (frozen, unused)


def _say_unused(unused: _Levels, lost: Sequence[str]) -> list[str]:
    said = [
        f"no row has {name} = {', '.join(gone)}: left out of the categories; {kept[0]} is the reference"
        for name, (gone, kept) in unused.items()
    ]
    return said + ([f"not estimated without them: {', '.join(lost)}"] if lost else [])


def _left_out(frozen: FrozenRows) -> tuple[str, ...]:
    words = {"missing": "without", "other value": "with another value of"}
    return tuple(
        f"{s.n_rows} rows ({s.n_patients} whole patients) {words[s.reason]} {s.variable}"
        for s in frozen.set_aside
    )


@dataclass(frozen=True, kw_only=True)
class SkippedModel:
    """A model that the data cannot carry, and why.

    Parameters
    ----------
    comparison : str
        Empty where the model could not be run at all; else the comparison that it is left out of, though it
        ran on its own rows.
    """

    model_id: str
    reason: str
    comparison: str = ""
