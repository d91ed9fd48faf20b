"""Tables across studies: posteriors under a prior from related studies, and pairs of original and replication."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_alliance.published.cell_posterior import Banded
from bayes_alliance.published.related_studies import (
    ROBUST_SHARE,
    AcrossStudies,
    Replication,
)
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.show.tables.audit import make_table
from bayes_alliance.show.tables.printed_posteriors import (
    format_banded,
    format_bayes_factor,
    format_probability,
    unit_text,
)
from bayes_alliance.show.tables.record import Table, Value, exact_columns, shown_column, text_column
from bayes_alliance.study.records import Study

_SUMMARIES = ("mean", "lower", "upper", "p_direction", "p_beyond")


def tabulate_across(study: Study, found: Sequence[AcrossStudies]) -> list[Table]:
    """Build the tables of effects that related studies print too; none where there are no such effects."""
    pairs = [pair for one in found for pair in one.replications]
    tables = [_tabulate_priors(study, found)] if found else []
    return [*tables, *([_tabulate_replications(study, pairs)] if pairs else [])]


def _tabulate_priors(study: Study, found: Sequence[AcrossStudies]) -> Table:
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        text_column("related", "Related studies"),
        text_column("prior", "Prior"),
        text_column("unit", "Unit"),
        shown_column("prior_shown", "Prior mean (SD)"),
        shown_column("mean_shown", "Mean [band]"),
        shown_column("interval", "95 % interval"),
        shown_column("p_direction_shown", "P(direction) [band]"),
        shown_column("p_beyond_shown", "P(matters) [band]"),
        shown_column("between_shown", "SD between studies"),
        *exact_columns("prior_mean", "prior_sd", "between", "average", "average_sd", "unit_factor"),
        *exact_columns(*(f"{name}{end}" for name in _SUMMARIES for end in ("", "_low", "_high"))),
    ]
    rows = [row for one in found for row in _prior_rows(study, one)]
    note = (
        "Prior 'related studies': the effect of one more study by a random-effects meta-analysis of what the others "
        "print, each anywhere in the region of its cell (Neuenschwander et al. 2010, doi:10.1177/1740774509356002). "
        f"Robust: a share of {ROBUST_SHARE:g} on the study's default prior (Schmidli et al. 2014, "
        "doi:10.1111/biom.12242). SD between studies: posterior median, in points."
    )
    title = "Posterior from the printed cell and from related studies"
    return make_table(study, "related_priors", title, columns, rows, note)


def _prior_rows(study: Study, one: AcrossStudies) -> list[dict[str, Value]]:
    effect, unit = one.effect, one.effect.unit
    size = abs(unit)
    said = "; ".join(
        f"{r.stated.label}: {r.stated.printed}" + ("" if r.region else " (no pair is left)")
        for r in one.related
    )
    rows: list[dict[str, Value]] = []
    for prior, posterior in zip(one.priors, one.posteriors, strict=True):
        centre, sd = prior.moments
        ends = sorted((posterior.lower.value * unit, posterior.upper.value * unit))
        row: dict[str, Value] = {
            "cell": f"{effect.cell.table}: {effect.cell.row}",
            "printed": " | ".join(cell.printed for cell in effect.cells),
            "related": said,
            "prior": posterior.prior,
            "unit": unit_text(study, effect),
            "prior_shown": f"{format_number(centre * unit)} ({format_number(sd * size)})",
            "mean_shown": format_banded(posterior.mean.scaled(unit)),
            "interval": f"{format_number(ends[0])} to {format_number(ends[1])}",
            "p_direction_shown": format_banded(posterior.p_direction, format_probability),
            "p_beyond_shown": format_banded(posterior.p_beyond, format_probability),
            "between_shown": format_number(one.meta.between * size),
            "prior_mean": centre * unit,
            "prior_sd": sd * size,
            "between": one.meta.between * size,
            "average": one.meta.average[0] * unit,
            "average_sd": one.meta.average[1] * size,
            "unit_factor": unit,
        }
        for name in _SUMMARIES:
            value: Banded = getattr(posterior, name)
            row |= _parts(name, value.scaled(unit) if name in ("mean", "lower", "upper") else value)
        rows.append(row)
    return rows


def _parts(name: str, value: Banded) -> dict[str, Value]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _tabulate_replications(study: Study, pairs: Sequence[Replication]) -> Table:
    names = ("log_bayes_factor", "sceptical_p", "compatibility_z")
    columns = [
        text_column("cell", "Cell"),
        text_column("original", "Original"),
        text_column("replication", "Replication"),
        shown_column("factor_shown", "Replication Bayes factor [range]"),
        shown_column("sceptical_shown", "Sceptical p, one-sided [range]"),
        shown_column("compatibility_shown", "Difference in SEs [range]"),
        *exact_columns(*(f"{name}{end}" for name in names for end in ("", "_low", "_high"))),
    ]
    rows: list[dict[str, Value]] = []
    for pair in pairs:
        own = f"this study: {' | '.join(cell.printed for cell in pair.effect.cells)}"
        other = f"{pair.related.label}: {pair.related.printed}"
        first, second = (other, own) if pair.related.role == "original" else (own, other)
        row: dict[str, Value] = {
            "cell": f"{pair.effect.cell.table}: {pair.effect.cell.row}",
            "original": first,
            "replication": second,
            "factor_shown": format_banded(pair.log_bayes_factor, format_bayes_factor),
            "sceptical_shown": format_banded(pair.sceptical_p, format_probability),
            "compatibility_shown": format_banded(pair.compatibility_z),
        }
        for name in names:
            row |= _parts(name, getattr(pair, name))
        rows.append(row)
    note = (
        "Bayes factor of the original's effect against none, given the replication (Verhagen & Wagenmakers 2014, "
        "doi:10.1037/a0036731); sceptical p value (Held 2020, doi:10.1111/rssa.12493): small where the replication "
        "convinces even a sceptic of the original. Ranges over all pairs that print like the cells."
    )
    return make_table(study, "replications", "Original and replication", columns, rows, note)
