"""The audit and the forensics of AICs under every option of every reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bayes_alliance.published.aic_forensics import forensics
from bayes_alliance.published.audit import Audit, audit_study
from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.reading_weights import WeighedReading
from bayes_alliance.study.readings import study_under
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class OptionAudit:
    """What the audit says under one option of a reading.

    Parameters
    ----------
    reading, option : str
        Ids.
    n_inconsistent : int
        Findings that cannot stand together.
    changed : tuple of Finding
        Those with another verdict than in the study as its file reads it.
    impossible : tuple of str
        Models whose printed AIC no way of computing by maximum likelihood gives, over the samples of the option.
    """

    reading: str
    option: str
    n_inconsistent: int
    changed: tuple[Finding, ...]
    impossible: tuple[str, ...]


def audit_readings(study: Study, weighed: Sequence[WeighedReading], base: Audit) -> tuple[OptionAudit, ...]:
    """Audit a study as each option reads it.

    Parameters
    ----------
    study : Study
        As loaded.
    weighed : sequence of WeighedReading
        Its readings.
    base : Audit
        Of the study as loaded.

    Returns
    -------
    tuple of OptionAudit
        One an option, in their order.
    """
    own = _impossible(study) if weighed else ()
    found = []
    for one in weighed:
        for weight in one.options:
            under = study_under(study, weight.option)
            audit = base if under is study else audit_study(under)
            found.append(
                OptionAudit(
                    reading=one.reading.id,
                    option=weight.option.id,
                    n_inconsistent=len(audit.of(AuditVerdict.INCONSISTENT)),
                    changed=() if under is study else tuple(_changed(base, audit)),
                    impossible=own if under is study else _impossible(under),
                )
            )
    return tuple(found)


def _impossible(study: Study) -> tuple[str, ...]:
    """Return the models whose AIC no combination under maximum likelihood and unstructured covariance can give."""
    own = [set(c.impossible) for c in forensics(study, dialects=("ml",), covariances=("UN",))]
    return tuple(sorted(set.intersection(*own))) if own else ()


def _changed(base: Audit, audit: Audit) -> list[Finding]:
    """Return the findings whose verdict the base audit does not have at the same place."""
    places: dict[tuple[str, str, str], list[AuditVerdict]] = {}
    for finding in base.findings:
        places.setdefault((finding.check, finding.where, finding.printed), []).append(finding.verdict)
    changed = []
    for finding in audit.findings:
        had = places.get((finding.check, finding.where, finding.printed), [])
        if finding.verdict in had:
            had.remove(finding.verdict)
        elif had or finding.verdict is AuditVerdict.INCONSISTENT:
            changed.append(finding)
    return changed
