"""What changes a verdict: cohorts, patients, priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.claims.change import (
    FEW_PATIENTS,
    Challenge,
    Family,
    from_multiverse,
    from_patients,
    from_results,
)
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.leave_out_tasks import PatientsResult
from bayes_alliance.claims.multiverse_results import MultiverseResult
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.claims.tasks import Rows
from bayes_alliance.data.rows import StudyData


def _first_rows(result: MultiverseResult) -> list[Any]:
    first = result.verdicts[0].rows if result.verdicts else ""
    return [one for one in result.verdicts if one.rows == first]


def option_labels(choices: Multiverse) -> dict[tuple[str, str], str]:
    """Words for every option of every axis."""
    labels = {
        (axis.id, option.id): f"{axis.label} {option.label}"
        for axis in choices.axes
        for option in axis.options
    }
    return labels | {("covariance", "VC"): "independent random effects (VC)", ("covariance", "UN"): "UN"}


def _cohort_challenges(
    rows: Rows, cohorts: Mapping[str, Path], synthetic: Sequence[tuple[str, tuple[ClaimResult, ...]]]
) -> list[Challenge]:
    """Other cohorts challenge a verdict on one of them, and say nothing of real data."""
    if isinstance(rows, StudyData):
        return []
    found: list[Challenge] = []
    for number, (name, results) in enumerate(synthetic, start=1):
        if cohorts[name] != rows:
            says = f"synthetic data set {number} of {len(synthetic)}"
            found += from_results(results, family="cohort", name=name, says=says)
    return found


def _patient_challenges(base: Sequence[ClaimResult], patients: Sequence[PatientsResult]) -> list[Challenge]:
    """Turn the smallest set of any part, where it is small, into a challenge to its claim."""
    found = []
    for result in base:
        own = [p for p in patients if p.claim_id == result.claim_id and p.n_removed > 0]
        if not own:
            continue
        fewest = min(own, key=lambda p: p.n_removed)
        if fewest.n_removed <= FEW_PATIENTS:
            found.append(from_patients(result.claim_id, fewest.n_removed, fewest.n_patients, fewest.becomes))
    return found


def is_scale(variant: PriorVariant) -> bool:
    """Return whether a member of the suite changes the priors of SDs or of the correlation only."""
    return variant.sd_factor != 1.0 or (variant.lkj_eta is not None and not variant.automatic)


def _prior_challenges(suite: Sequence[tuple[PriorVariant, tuple[ClaimResult, ...]]]) -> list[Challenge]:
    found: list[Challenge] = []
    for variant, results in suite:
        family: Family = "sd_prior" if is_scale(variant) else "prior"
        found += from_results(results, family=family, name=variant.id, says=f"prior: {variant.label}")
    return found


def own_challenges(
    rows: Rows,
    cohorts: Mapping[str, Path],
    synthetic: Sequence[tuple[str, tuple[ClaimResult, ...]]],
    base: Sequence[ClaimResult],
    patients: Sequence[PatientsResult],
    by_prior: Sequence[tuple[PriorVariant, tuple[ClaimResult, ...]]],
    multiverse: MultiverseResult | None,
    choices: Multiverse,
) -> list[Challenge]:
    """Gather what other cohorts, fewer patients, other priors and other choices say against the verdicts."""
    return [
        *_cohort_challenges(rows, cohorts, synthetic),
        *_patient_challenges(base, patients),
        *_prior_challenges(by_prior),
        *(from_multiverse(_first_rows(multiverse), option_labels(choices)) if multiverse else ()),
    ]
