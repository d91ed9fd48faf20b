"""The audit of a publication: every check that its cells and facts allow, each with a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bayes_alliance.published.aic_checks import check_aics
from bayes_alliance.published.count_checks import check_counts
from bayes_alliance.published.estimate_checks import check_estimates, check_explained, check_text
from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.fit_checks import check_fit
from bayes_alliance.published.group_checks import check_groups
from bayes_alliance.published.part_checks import check_omnibus, check_parts
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.published.spread_checks import check_spreads
from bayes_alliance.published.standardised import check_standardised
from bayes_alliance.published.variance_checks import check_variances
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All findings of a study, in the order of the checks."""

    findings: tuple[Finding, ...]

    def of(self, verdict: AuditVerdict) -> tuple[Finding, ...]:
        """Return the findings with a verdict, those of the greatest weight first."""
        found = (finding for finding in self.findings if finding.verdict is verdict)
        return tuple(sorted(found, key=lambda finding: -finding.weight))

    def counts(self) -> dict[str, dict[str, int]]:
        """Count verdicts by kind of check."""
        found: dict[str, Counter[str]] = {}
        for finding in self.findings:
            found.setdefault(finding.check, Counter())[finding.verdict.value] += 1
        return {check: {v.value: counts[v.value] for v in AuditVerdict} for check, counts in found.items()}


def audit_study(study: Study) -> Audit:
    """Run every check on a study's printed cells and facts.

    Parameters
    ----------
    study : Study
        As loaded; no data are needed.

    Returns
    -------
    Audit

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> audit = ba.audit_study(ba.load_study("bates2015"))
    >>> {finding.verdict.value for finding in audit.findings}
    {'consistent'}
    """
    effects = printed_effects(study)
    return Audit(
        findings=(
            *check_counts(study),
            *check_groups(study),
            *check_estimates(study, effects),
            *check_parts(study),
            *check_standardised(study),
            *check_omnibus(study),
            *check_spreads(study),
            *check_fit(study),
            *check_variances(study),
            *check_aics(study, effects),
            *check_explained(study),
            *check_text(study, effects),
        )
    )
