"""Tables of claims: verdicts by source, what they rest on, and what would change them. Show; never fit.

Printed numbers, real data and synthetic cohorts stand in columns or rows of their own, never pooled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.change import FAMILY_LABELS
from bayes_alliance.claims.leave_out_tasks import PatientsResult
from bayes_alliance.claims.ml_beside_bayes import Approaches
from bayes_alliance.claims.multiverse_results import Share
from bayes_alliance.show.disclosure import Content
from bayes_alliance.show.format_numbers import INTERVAL_NAME, format_fixed, format_number, format_p
from bayes_alliance.show.tables.claim_parts import tabulate_parts
from bayes_alliance.show.tables.claim_prior_weight import tabulate_prior_weight
from bayes_alliance.show.tables.claim_readings import say_reading_change, tabulate_claim_readings
from bayes_alliance.show.tables.claim_table import (
    SOURCES_NOTE,
    _say_share,
    _stamp,
    _table,
    _whole_shares,
    say_change,
    say_spread,
    say_verdict,
)
from bayes_alliance.show.tables.multiverse import tabulate_multiverse, tabulate_multiverse_options
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    exact_columns,
    number_column,
    publish,
    shown_column,
    text_column,
)
from bayes_alliance.show.verdict_definitions import FIRST_CHANGE, define_verdicts
from bayes_alliance.study.records import Source

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun


def build_claim_tables(run: ClaimsRun) -> list[Table]:
    """Build every table of a run; those without a row are left out."""
    tables = [
        tabulate_claims(run),
        tabulate_parts(run),
        tabulate_priors(run),
        tabulate_sensitivity(run),
        tabulate_prior_weight(run),
        tabulate_patients(run),
        tabulate_multiverse(run),
        tabulate_multiverse_options(run),
        tabulate_changes(run),
        tabulate_claim_readings(run),
        tabulate_approaches(run),
    ]
    return [publish(table, Content.MODEL, run.source) for table in tables if table.rows]


def tabulate_claims(run: ClaimsRun) -> Table:
    """List every claim with its verdict in each source and what would change it first."""
    columns = (
        text_column("claim", "Claim"),
        text_column("says", "What it says"),
        text_column("place", "Place"),
        text_column("published", "Published"),
        text_column("printed", "Verdict: printed numbers"),
        text_column("synthetic", "Verdict: synthetic cohorts"),
        *((text_column("real", "Verdict: real data"),) if run.real else ()),
        shown_column("sure_shown", "How sure (rows at hand)"),
        text_column("first_change", "First change of verdict"),
        text_column("by_reading", "Readings of the publication that would change it"),
        shown_column("supporting", "Specifications that support it"),
        text_column("reason", "Why untestable, and how it was read"),
        *exact_columns(
            "sure_printed",
            "sure_synthetic_least",
            "sure_synthetic_largest",
            "sure_rows_at_hand",
            "share_supported",
        ),
        text_column("rows_at_hand", "Verdict: rows at hand"),
    )
    shares = _whole_shares(run)
    rows = [_claim_row(run, i, shares) for i in range(len(run.ledger.claims))]
    note = (
        "How sure: posterior probability of what is claimed; of several parts, at least that of all at once. ~: within "
        f"two Monte-Carlo errors of a limit. {FIRST_CHANGE} All stand in the table of what would change a verdict."
    )
    stamp = f"column printed: printed; column synthetic: synthetic; {_stamp(run)}"
    named = ("claims", f"{run.study.id}: does each claim survive?")
    return _table(run, named, columns, rows, define_verdicts(), SOURCES_NOTE, note, printed=True, stamp=stamp)


def _claim_row(run: ClaimsRun, index: int, shares: dict[str, Share]) -> dict[str, Value]:
    claim, base, printed = run.ledger.claims[index], run.base[index], run.printed[index]
    change = run.changes[index]
    cohorts = [
        r.sure for _, own in run.synthetic for r in own if r.claim_id == claim.id and not math.isnan(r.sure)
    ]
    share = shares.get(claim.id)
    supported = share.share(Verdict.SUPPORTED) if share else math.nan
    row: dict[str, Value] = {
        "claim": claim.id,
        "says": claim.says,
        "place": claim.place,
        "published": claim.published,
        "printed": say_verdict(printed),
        "synthetic": say_spread(run, claim.id),
        "sure_shown": "" if math.isnan(base.sure) else format_p(base.sure),
        "first_change": say_change(change),
        "by_reading": say_reading_change(run, claim.id),
        "supporting": _say_share(share),
        "reason": "; ".join(filter(None, (base.reason, claim.note))),
        "sure_printed": printed.sure,
        "sure_synthetic_least": min(cohorts) if cohorts else None,
        "sure_synthetic_largest": max(cohorts) if cohorts else None,
        "sure_rows_at_hand": base.sure,
        "share_supported": supported if share else None,
        "rows_at_hand": say_verdict(base),
    }
    return row | ({"real": say_verdict(run.real[index])} if run.real else {})


def tabulate_priors(run: ClaimsRun) -> Table:
    """List the verdict on every claim under every prior of the suite."""
    names = [variant.id for variant, _ in run.suite]
    columns = (
        text_column("claim", "Claim"),
        *(text_column(variant.id, variant.label) for variant, _ in run.suite),
        *exact_columns(*(f"sure_{name}" for name in names)),
    )
    rows: list[dict[str, Value]] = []
    for i, claim in enumerate(run.ledger.claims):
        if run.base[i].verdict is Verdict.NOT_APPLICABLE:
            continue
        row: dict[str, Value] = {"claim": claim.id}
        for variant, results in run.suite:
            own = next((result for result in results if result.claim_id == claim.id), None)
            if own is not None:
                row |= {variant.id: say_verdict(own), f"sure_{variant.id}": own.sure}
        rows.append(row)
    note = (
        "The same rows under every prior. Claims about patients' shares and means have a reference prior that the "
        "suite does not touch. Automatic: Bambi's scaling, with correlated random effects."
    )
    return _table(run, ("claim_priors", f"{run.study.id}: verdicts by prior"), columns, rows, note)


def tabulate_sensitivity(run: ClaimsRun) -> Table:
    """List the power-scaling sensitivity of every part."""
    columns = (
        text_column("claim", "Claim"),
        text_column("part", "Part"),
        number_column("prior", "Prior"),
        number_column("likelihood", "Likelihood"),
        text_column("diagnosis", "Diagnosis"),
    )
    rows: list[dict[str, Value]] = [
        {
            "claim": one.claim_id,
            "part": one.part_id,
            "prior": one.sensitivity.prior,
            "likelihood": one.sensitivity.likelihood,
            "diagnosis": one.sensitivity.diagnosis,
        }
        for one in run.sensitivities
    ]
    note = (
        "Power-scaling sensitivity (psense of ArviZ; Kallioinen et al. 2024, doi:10.1007/s11222-023-10366-5): how fast "
        "the quantity's posterior moves when prior or likelihood is raised to a power. Above 0.05 is remarkable."
    )
    return _table(run, ("claim_sensitivity", f"{run.study.id}: power-scaling"), columns, rows, note)


def tabulate_patients(run: ClaimsRun) -> Table:
    """List what the removal of patients does to every part."""
    columns = (
        text_column("claim", "Claim"),
        text_column("part", "Part"),
        text_column("verdict", "Verdict"),
        number_column("n_patients", "Patients"),
        number_column("n_changing", "Patients whose removal alone changes it"),
        shown_column("range", "P(claimed) without one patient"),
        text_column("fewest", "Fewest found that change the claim"),
        *exact_columns("lowest", "highest", "largest_shift"),
        *(
            Column(name=name, heading=name, shown="csv")
            for name in ("n_refitted", "n_failed", "n_removed", "n_tried", "becomes")
        ),
    )
    rows: list[dict[str, Value]] = [
        {
            "claim": one.claim_id,
            "part": one.part_id,
            "verdict": one.verdict.value,
            "n_patients": one.n_patients,
            "n_changing": one.n_changing,
            "fewest": _say_fewest(one.n_removed, one.n_tried, one.becomes),
            **({} if run.source is Source.REAL else _extremes(one)),
            "n_refitted": one.n_refitted,
            "n_failed": one.n_failed,
            "n_removed": one.n_removed,
            "n_tried": one.n_tried,
            "becomes": one.becomes.value,
        }
        for one in run.patients
    ]
    note = (
        "The fewest are found greedily and confirmed by a refit: an upper bound, a smaller set may exist. Nobody is "
        "named. Not sought where the change of this part alone would not change the claim."
    )
    if run.source is Source.REAL:
        note += " Of real data the probabilities without one patient are withheld: they tell of that patient."
    return _table(run, ("claim_patients", f"{run.study.id}: patients left out"), columns, rows, note)


def _extremes(one: PatientsResult) -> dict[str, Value]:
    """Return what the most telling patients do; of real data this would give their ratings away."""
    return {
        "range": f"{format_fixed(one.lowest, 3)} to {format_fixed(one.highest, 3)}",
        "lowest": one.lowest,
        "highest": one.highest,
        "largest_shift": one.largest_shift,
    }


def _say_fewest(n_removed: int, n_tried: int, becomes: Verdict) -> str:
    if n_removed:
        return f"{n_removed}: {becomes.value}"
    return f"none of up to {n_tried}" if n_tried else "not sought"


def tabulate_changes(run: ClaimsRun) -> Table:
    """List every departure from the base analysis with the verdict under it, from mild to strong."""
    columns = (
        text_column("claim", "Claim"),
        text_column("base", "Verdict"),
        text_column("family", "Kind of departure"),
        text_column("departure", "Departure"),
        text_column("verdict", "Verdict under it"),
        text_column("changes", "Changes"),
        Column(name="name", heading="name", shown="csv"),
    )
    rows: list[dict[str, Value]] = []
    for change in run.changes:
        for challenge in (*change.changing, *change.kept, *change.not_tested):
            rows.append(
                {
                    "claim": change.claim_id,
                    "base": change.verdict.value,
                    "family": FAMILY_LABELS[challenge.family],
                    "departure": challenge.says,
                    "verdict": challenge.verdict.value,
                    "changes": "yes" if challenge in change.changing else "no",
                    "name": challenge.name,
                }
            )
    note = "Departures in one thing at a time from the base analysis, those that change the verdict first."
    return _table(run, ("claim_changes", f"{run.study.id}: what would change a verdict"), columns, rows, note)


def tabulate_approaches(run: ClaimsRun) -> Table:
    """List ML beside Bayes for every printed estimate."""
    columns = (
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        text_column("prior", "Prior"),
        shown_column("ml_shown", "ML: estimate(SE)"),
        shown_column("bayes_shown", f"Bayes: mean [{INTERVAL_NAME}]"),
        shown_column("shift_shown", "Shift, SE"),
        shown_column("ratio_shown", "Posterior SD / SE"),
        shown_column("overlap_shown", "Overlap of intervals"),
        text_column("ml_decides", "ML: p < 0.05"),
        text_column("bayes_decides", "Bayes: interval without 0"),
        text_column("same", "Same decision"),
        text_column("reason", "Reason"),
        *exact_columns(
            "ml", "ml_se", "ml_df", "ml_p", "mean", "sd", "lower", "upper", "shift", "sd_ratio", "overlap"
        ),
        *exact_columns("unit_factor"),
    )
    rows = [_approach_row(one) for one in run.approaches]
    notes = [
        "Both on the same rows, per unit of time. Shift: posterior mean less ML estimate, in SEs. Overlap: length that "
        "both intervals share over the length that they cover together. Reason: the one change that undoes a different "
        "decision, tried in the order boundary, df, prior of the effects (shrinkage where it draws towards zero), "
        "priors of SDs; else that Bayes does not take the variances as known.",
        *(f"Not compared: {cell.row}, {cell.column}: {why}." for cell, why in run.left),
    ]
    named = ("claim_approaches", f"{run.study.id}: ML beside Bayes, cell by cell")
    return _table(
        run, named, columns, rows, *notes, printed=True, stamp=f"column printed: printed; {_stamp(run)}"
    )


def _approach_row(one: Approaches) -> dict[str, Value]:
    lower, mean, upper = (format_number(v, one.sd) for v in (one.lower, one.mean, one.upper))
    return {
        "cell": f"{one.cell.table}: {one.cell.row}: {one.cell.column}",
        "printed": one.cell.printed,
        "prior": one.prior,
        "ml_shown": f"{format_number(one.ml.estimate, one.ml.se)}({format_number(one.ml.se, one.ml.se)})",
        "bayes_shown": f"{mean} [{lower}, {upper}]",
        "shift_shown": format_fixed(one.shift, 2),
        "ratio_shown": format_fixed(one.sd_ratio, 2),
        "overlap_shown": format_fixed(one.overlap, 2),
        "ml_decides": "yes" if one.ml_decides else "no",
        "bayes_decides": "yes" if one.bayes_decides else "no",
        "same": "yes" if one.same_decision else "NO",
        "reason": one.reason,
        "ml": one.ml.estimate,
        "ml_se": one.ml.se,
        "ml_df": one.ml.df,
        "ml_p": one.ml.p,
        "mean": one.mean,
        "sd": one.sd,
        "lower": one.lower,
        "upper": one.upper,
        "shift": one.shift,
        "sd_ratio": one.sd_ratio,
        "overlap": one.overlap,
        "unit_factor": one.unit,
    }
