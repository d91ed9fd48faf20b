"""What the printed numbers of a study tell without any data, computed once and shown beside the fits of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.published.audit import Audit, audit_study
from bayes_alliance.published.cell_posterior import ROBUST, CellPosterior, cell_posteriors
from bayes_alliance.published.interaction import Contrast, subgroup_contrasts
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.published.reading_audits import OptionAudit, audit_readings
from bayes_alliance.published.reading_weights import WeighedReading, weigh_readings
from bayes_alliance.published.related_studies import AcrossStudies, across_studies
from bayes_alliance.published.reverse_bayes import ReverseBayes, reverse_bayes
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class PrintedClaim:
    """A printed deviation, and the sceptical prior that would overturn it."""

    effect: PrintedEffect
    reverse: ReverseBayes


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What follows from printed numbers alone.

    Parameters
    ----------
    study : Study
        Whose.
    posteriors : tuple of CellPosterior
        Of every printed effect under every prior set and the robust mixture; empty for a study without priors.
    claims : tuple of PrintedClaim
        Every deviation with printed digits.
    contrasts : tuple of Contrast
        Differences between an effect with a star and one printed as not significant.
    audit : Audit
        Checks of the printed numbers against each other.
    across : tuple of AcrossStudies
        Effects that related studies print too; empty where the study file names none.
    readings : tuple of WeighedReading
        What the publication leaves open, weighed; empty where the study states no readings.
    reading_audits : tuple of OptionAudit
        The audit under each option of them.
    """

    study: Study
    posteriors: tuple[CellPosterior, ...]
    claims: tuple[PrintedClaim, ...]
    contrasts: tuple[Contrast, ...]
    audit: Audit
    across: tuple[AcrossStudies, ...] = ()
    readings: tuple[WeighedReading, ...] = ()
    reading_audits: tuple[OptionAudit, ...] = ()

    def slope_deviations(self) -> list[CellPosterior]:
        """Return the posteriors of the slope deviations."""
        return [one for one in self.posteriors if one.effect.role == "slope_deviation"]


def analyse_printed(study: Study, priors: Sequence[str] = ()) -> Printed | None:
    """Compute everything that the printed numbers of a study tell without data.

    Parameters
    ----------
    study : Study
        As loaded.
    priors : sequence of str
        Names of prior sets to keep, ``robust`` among them; empty for all.

    Returns
    -------
    Printed or None
        None for a study without printed cells.
    """
    if not study.cells:
        return None
    audit, weighed = audit_study(study), weigh_readings(study, load_readings(study))
    return Printed(
        study=study,
        posteriors=tuple(cell_posteriors(study, priors)) if study.priors else (),
        claims=tuple(
            PrintedClaim(effect=effect, reverse=reverse_bayes(effect.region))
            for effect in printed_effects(study)
            if effect.is_deviation and effect.region is not None and effect.parsed.value is not None
        ),
        contrasts=tuple(subgroup_contrasts(study)),
        audit=audit,
        across=tuple(across_studies(study)),
        readings=weighed,
        reading_audits=audit_readings(study, weighed, audit),
    )


def printed_priors(study: Study) -> tuple[str, ...]:
    """Return the names of the priors under which printed cells have posteriors; the robust mixture comes last."""
    return (*(prior.name for prior in study.priors), *([ROBUST] if len(study.priors) > 1 else []))


def posterior_from_print(study: Study, priors: Sequence[str] = ()) -> Printed:
    """Compute what printed cells tell under some or all priors.

    Parameters
    ----------
    study : Study
        With printed cells.
    priors : sequence of str
        Names of prior sets, or ``robust``; empty for all.

    Returns
    -------
    Printed

    Raises
    ------
    InputError
        If the study has no printed cells, or lacks a prior set.
    """
    names = printed_priors(study)
    problems = [no_such("prior set", name, names) for name in priors if name not in names]
    if problems:
        raise InputError(f"study {study.id}", problems)
    found = analyse_printed(study, priors)
    if found is None:
        raise InputError(
            f"study {study.id}", [Problem(what="it has no printed cells", fix="add a cells.csv")]
        )
    return found
