"""Verdicts as JSON-ready values: the machine-readable file of claims, which pages and exports read.

One entry a claim, sources apart, every part with its trace. Holds nothing of single patients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.claims.change import FAMILY_LABELS, Change
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.results import ClaimResult, Trace, commonest, spread_of
from bayes_alliance.run.manifest import json_ready
from bayes_alliance.runtime.files import read_bounded
from bayes_alliance.show.tables.claim_parts import say_predicate
from bayes_alliance.show.tables.claim_readings import say_reading_change
from bayes_alliance.show.tables.claim_table import say_change
from bayes_alliance.study.formula import is_rate
from bayes_alliance.study.records import Study

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun

SCHEMA = 2


def claims_json(run: ClaimsRun) -> dict[str, Any]:
    """Return the verdicts of a run as JSON-ready values.

    Parameters
    ----------
    run : ClaimsRun
        What was found.

    Returns
    -------
    dict
        ``schema``, the study, seeds and digests, and ``claims``: one entry a claim with the verdict from printed
        numbers (under each prior of ``printed_under`` too), over synthetic cohorts, from real data, and what changes
        it.
    """
    shares = {s.claim_id: s for s in run.multiverse.shares if not s.axis} if run.multiverse else {}
    facts = {
        **_study_facts(run.study, run.ledger, run.settings.seed),
        "choices_digest": run.choices.digest,
        "rows_at_hand": {"source": run.source.value, "origin": run.origin, "digest": run.data_digest},
        "depth": run.settings.depth,
        "seconds": round(run.seconds, 1),
        "multiverse_fits": run.multiverse.n_fits if run.multiverse else 0,
        "remarks": list(run.remarks),
        "claims": [_claim_json(run, i, shares) for i in range(len(run.ledger.claims))],
    }
    ready: dict[str, Any] = json_ready(facts)
    return ready


def printed_json(
    study: Study, ledger: Ledger, judged: Sequence[tuple[str, Sequence[ClaimResult]]], seed: int
) -> dict[str, Any]:
    """Return what printed numbers alone say of every claim, in the form of :func:`claims_json`.

    Parameters
    ----------
    study : Study
        With priors.
    ledger : Ledger
        Its claims.
    judged : sequence of (str, sequence of ClaimResult)
        From :func:`bayes_alliance.claims.from_printed.judge_printed`: by prior set, the default first.
    seed : int
        Of the run.

    Returns
    -------
    dict
        Without rows at hand; no other source has been looked at.
    """
    (_, printed), *under = judged
    facts = {
        **_study_facts(study, ledger, seed),
        "rows_at_hand": None,
        "depth": "printed",
        "remarks": [],
        "claims": [
            _entry(study, claim, printed[i], [(name, own[i]) for name, own in under])
            for i, claim in enumerate(ledger.claims)
        ],
    }
    ready: dict[str, Any] = json_ready(facts)
    return ready


def read_claims_json(path: Path) -> dict[str, Any] | None:
    """Return what a file of :func:`claims_json` holds, or None where there is no such file.

    Raises
    ------
    ValueError
        If it cannot be read or has another schema, with the reason.
    """
    if not path.exists():
        return None
    try:
        facts = json.loads(read_bounded(path))
        schema, claims = facts["schema"], facts["claims"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path.name} could not be read ({type(error).__name__}: {error})") from error
    if schema != SCHEMA or not isinstance(claims, list):
        raise ValueError(
            f"{path.name} was written by another version (schema {schema!r}, expected {SCHEMA}); "
            "run 'bayes-alliance claims' again"
        )
    found: dict[str, Any] = facts
    return found


def _study_facts(study: Study, ledger: Ledger, seed: int) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "study": study.id,
        "study_digest": study.digest,
        "ledger_digest": ledger.digest,
        "horizon": f"{study.horizon:g} {study.time_unit}",
        "prior": study.priors[0].name if study.priors else "",
        "seed": seed,
    }


def _entry(
    study: Study, claim: Claim, printed: ClaimResult, under: Sequence[tuple[str, ClaimResult]]
) -> dict[str, Any]:
    """Return what every entry has; sources that were not looked at are empty."""
    return {
        "id": claim.id,
        "says": claim.says,
        "place": claim.place,
        "published": claim.published,
        "main": claim.main,
        "leading": claim.leading,
        "note": claim.note,
        "untestable": claim.untestable,
        "combine": claim.combine,
        "printed": result_json(study, claim, printed),
        "printed_under": {name: result_json(study, claim, own) for name, own in under},
        "mixture": None,
        "synthetic": {"verdicts": {}, "commonest": "", "cohorts": {}},
        "real": None,
        "base": "",
        "first_change": "",
        "by_reading": "",
        "changes": [],
        "kept": [],
        "multiverse": None,
    }


def _claim_json(run: ClaimsRun, index: int, shares: dict[str, Any]) -> dict[str, Any]:
    claim, change = run.ledger.claims[index], run.changes[index]
    share = shares.get(claim.id)
    counts = spread_of(run.synthetic, claim.id)
    return _entry(
        run.study, claim, run.printed[index], [(name, own[index]) for name, own in run.printed_under]
    ) | {
        "synthetic": {
            "verdicts": {v.value: n for v, n in counts.items()},
            "commonest": commonest(counts).value if counts else "",
            "cohorts": {name: result_json(run.study, claim, own[index]) for name, own in run.synthetic},
        },
        "mixture": result_json(run.study, claim, run.mixture[index]) if run.mixture else None,
        "real": result_json(run.study, claim, run.real[index]) if run.real else None,
        "base": run.base[index].verdict.value,
        "first_change": say_change(change),
        "by_reading": say_reading_change(run, claim.id),
        "changes": _changes(change),
        "kept": list(dict.fromkeys(FAMILY_LABELS[c.family] for c in change.kept)),
        "multiverse": {v.value: n for v, n in share.counts.items()} if share else None,
    }


def _changes(change: Change) -> list[dict[str, str]]:
    return [
        {"family": FAMILY_LABELS[c.family], "says": c.says, "verdict": c.verdict.value}
        for c in change.changing
    ]


def result_json(study: Study, claim: Claim, result: ClaimResult) -> dict[str, Any]:
    """Return the verdict on one claim by one source, with every part and its trace, as JSON-ready values."""
    parts = {part.id: part for part in claim.parts}
    found = []
    for part in result.parts:
        declared, judged = parts[part.part_id], part.judgement
        outcome = study.model(declared.model).outcome if declared.is_of_model else declared.variable
        named = study.every_variable.get(outcome)
        about = named.label if named is not None else declared.label
        found.append(
            {
                "id": part.part_id,
                "about": f"{about} beyond the next" if declared.quantity == "largest" else about,
                "label": declared.label,
                "unit": declared.unit,
                "measure": say_measure(study, declared),
                "relation": declared.relation,
                "claimed": say_predicate(declared),
                "verdict": part.verdict.value,
                "median": part.median,
                "lower": part.lower,
                "upper": part.upper,
                "p_direction": judged.probabilities.direction if judged else None,
                "p_matters": judged.probabilities.matters if judged else None,
                "p_rope": judged.probabilities.rope if judged else None,
                "reason": part.reason,
                "trace": None if part.trace is None else _trace_json(part.trace),
            }
        )
    return {"verdict": result.verdict.value, "sure": result.sure, "reason": result.reason, "parts": found}


def say_measure(study: Study, part: Part) -> str:
    """Return whether a quantity is a change over the horizon or a level; empty where it is neither.

    Parameters
    ----------
    study : Study
        With models and horizon.
    part : Part
        Of a claim of it.
    """
    change, level = f"change over {study.horizon:g} {study.time_unit}", "level at the start"
    if part.quantity == "spread":
        return change if part.which == "slope" else level
    if part.quantity not in ("effect", "largest"):
        return ""
    named = {estimand.name: estimand.weights for estimand in study.model(part.model).estimands}
    weights = part.weights or named.get(part.estimand, ((part.estimand, 1.0),))
    if is_rate(weights, study.time):
        return change
    # A level at a later time is a combination with slopes.
    return "level" if any(study.time in name.split(":") for name, weight in weights if weight) else level


def _trace_json(trace: Trace) -> dict[str, Any]:
    return {
        "engine": trace.engine,
        "models": list(trace.models),
        "digests": list(trace.digests),
        "seeds": list(trace.seeds),
        "prior": trace.prior,
        "covariance": trace.covariance,
        "n_draws": trace.n_draws,
        "effective_draws": trace.effective,
    }
