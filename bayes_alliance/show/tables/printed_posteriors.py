"""Tables of posteriors from printed cells alone, of what overturns a claim, and of subgroup contrasts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bayes_alliance.published.cell_posterior import Banded, CellPosterior
from bayes_alliance.published.interaction import Contrast
from bayes_alliance.published.printed_effects import PrintedEffect
from bayes_alliance.run.printed_side import Printed, PrintedClaim
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.show.labels import unit_of
from bayes_alliance.show.printed_scale import scale_printed
from bayes_alliance.show.tables.audit import make_table
from bayes_alliance.show.tables.record import (
    Table,
    Value,
    exact_columns,
    number_column,
    shown_column,
    text_column,
)
from bayes_alliance.study.records import Study

BAND_NOTE = (
    "In brackets: the band, that is the range over every estimate and standard error that print like the "
    "cell and satisfy its stars, the text and the AIC, over any correlation from -0.9 to 0.5 with the level "
    "(or slope) beside it, and over what estimating the variances may add to the SD. The number before it is "
    "the mixture over the pairs of estimate and standard error, each weighed by its prior predictive density. "
    "Intervals are 95 %, equal-tailed."
)


def unit_text(study: Study, effect: PrintedEffect) -> str:
    """Return the unit in which an effect is shown."""
    parts = [part.split("[")[0] for part in effect.weights[0][0].split(":")]
    single = len(effect.weights) == 1 and abs(effect.weights[0][1]) == 1.0
    names = [part for part in parts if part not in ("Intercept", study.time)] if single else []
    variables = [study.every_variable[name] for name in names]
    contrast = " ".join(f", for {v.contrast:g} {v.unit}".rstrip() for v in variables if v.contrast != 1.0)
    over = f" over {study.horizon:g} {study.time_unit}" if effect.role.startswith("slope") else ""
    return f"{unit_of(study, effect.model.outcome)}{over}{contrast}"


def format_banded(banded: Banded, show: Callable[[float], str] = format_number) -> str:
    """Format a number with its band.

    Examples
    --------
    >>> format_banded(Banded(value=5.24, low=3.13, high=math.inf))
    '5.24 [3.13; inf]'
    """
    if math.isnan(banded.value):
        return ""
    # What is left of a sum that cancels is no number to be shown.
    sizes = [abs(end) for end in (banded.low, banded.high) if math.isfinite(end)]
    value = banded.value if abs(banded.value) > 1e-9 * max(sizes, default=0.0) else 0.0
    return f"{show(value)} [{show(banded.low)}; {show(banded.high)}]"


def format_probability(value: float) -> str:
    """Format a probability with two decimals, three near the ends, never as a certainty."""
    if value > 0.999:
        return "> 0.999"
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value > 0.99 or value < 0.01 else f"{value:.2f}"


def format_bayes_factor(log_factor: float) -> str:
    """Format a Bayes factor given by its natural logarithm."""
    if log_factor > math.log(1000.0):
        return "> 1000"
    if log_factor < -math.log(1000.0):
        return "< 0.001"
    return format_number(math.exp(log_factor))


_SHOWN: tuple[tuple[str, str, bool, Callable[[float], str]], ...] = (
    ("mean", "Mean [band]", True, format_number),
    ("lower", "Lower end [band]", True, format_number),
    ("upper", "Upper end [band]", True, format_number),
    ("p_direction", "P(direction) [band]", False, format_probability),
    ("p_beyond", "P(matters) [band]", False, format_probability),
    ("p_rope", "P(too small to matter) [band]", False, format_probability),
    ("log_bayes_factor", "Bayes factor against zero [band]", False, format_bayes_factor),
)
_EXACT = ("mean", "sd", "median", "lower", "upper")
_RATIOS = ("p_direction", "p_beyond", "p_rope", "log_bayes_factor")


def tabulate_posteriors(study: Study, posteriors: Sequence[CellPosterior]) -> Table:
    """List the posterior of every printed effect under every prior, in points and per unit of time."""
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        shown_column("printed_over", "Printed, in the unit of the row"),
        text_column("prior", "Prior"),
        text_column("unit", "Unit"),
        shown_column("per_unit", f"Mean per {study.time_unit.rstrip('s')} [band]"),
        *(shown_column(f"{name}_shown", heading) for name, heading, _, _ in _SHOWN),
        text_column("direction", "Direction"),
        text_column("used", "Used besides the digits"),
        *exact_columns("unit_factor"),
        *exact_columns(*(f"{name}{end}" for name in (*_EXACT, *_RATIOS) for end in ("", "_low", "_high"))),
        *exact_columns(*(f"{name}_raw{end}" for name in _EXACT for end in ("", "_low", "_high"))),
    ]
    notes = (
        BAND_NOTE,
        "P(direction): of the printed sign. P(matters): of that sign and more than the smallest difference "
        "that matters; too small to matter: less than that, either way.",
    )
    rows = [_posterior_row(study, one) for one in posteriors]
    title = "Posterior from the printed cell alone"
    return make_table(study, "printed_posteriors", title, columns, rows, *notes)


def tabulate_slopes(study: Study, posteriors: Sequence[CellPosterior]) -> Table:
    """List the posteriors of the slope deviations in few columns, in points over the horizon."""
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", f"Printed, per {study.time_unit.rstrip('s')}"),
        shown_column("printed_over", f"Printed, over {study.horizon:g} {study.time_unit}"),
        text_column("prior", "Prior"),
        shown_column("mean_shown", f"Mean over {study.horizon:g} {study.time_unit} [band]"),
        shown_column("interval", "95 % interval"),
        shown_column("p_direction_shown", "P(direction) [band]"),
        shown_column("p_beyond_shown", "P(matters) [band]"),
        shown_column("bayes_factor", "Bayes factor against zero [band]"),
        text_column("unit", "Unit"),
        text_column("direction", "Direction"),
        *exact_columns(*(f"{name}{end}" for name in (*_EXACT, *_RATIOS) for end in ("", "_low", "_high"))),
        *exact_columns("mean_raw", "mean_raw_low", "mean_raw_high"),
    ]
    names = {column.name for column in columns}
    rows: list[dict[str, Value]] = []
    for one in posteriors:
        if one.effect.role != "slope_deviation":
            continue
        full = _posterior_row(study, one)
        row = {name: value for name, value in full.items() if name in names}
        ends = sorted((one.lower.value * one.effect.unit, one.upper.value * one.effect.unit))
        row["cell"] = f"{one.effect.cell.table}: {one.effect.cell.row}"
        row["interval"] = f"{format_number(ends[0])} to {format_number(ends[1])}"
        row["bayes_factor"] = full["log_bayes_factor_shown"]
        rows.append(row)
    note = "Cells printed as ns have a borrowed SE: their bands show what ns leaves open, not an estimate."
    title = "Slope deviations from their printed cells alone"
    return make_table(study, "printed_slope_deviations", title, columns, rows, BAND_NOTE, note)


def _posterior_row(study: Study, one: CellPosterior) -> dict[str, Value]:
    effect, factor = one.effect, one.effect.unit
    row: dict[str, Value] = {
        "cell": f"{effect.cell.table}: {effect.cell.row}: {effect.cell.column}",
        "printed": effect.cell.printed,
        "printed_over": scale_printed(effect.cell.parsed, factor),
        "prior": one.prior,
        "unit": unit_text(study, effect),
        "per_unit": format_banded(one.mean) if effect.role.startswith("slope") else "",
        "direction": "above zero" if one.direction > 0 else "below zero",
        "used": "; ".join((*effect.constraints, *filter(None, [effect.borrowed]))),
        "unit_factor": factor,
    }
    for name, _, is_scaled, show in _SHOWN:
        banded: Banded = getattr(one, name)
        row[f"{name}_shown"] = format_banded(banded.scaled(factor) if is_scaled else banded, show)
    for name in (*_EXACT, *_RATIOS):
        banded = getattr(one, name)
        scaled = banded.scaled(factor) if name in _EXACT else banded
        row |= {name: scaled.value, f"{name}_low": scaled.low, f"{name}_high": scaled.high}
        if name in _EXACT:
            row |= {
                f"{name}_raw": banded.value,
                f"{name}_raw_low": banded.low,
                f"{name}_raw_high": banded.high,
            }
    return row


# Over 40 lines: the columns of the table and their cells, each number as shown and in full.
def tabulate_reverse_bayes(study: Study, claims: Sequence[PrintedClaim]) -> Table:
    """List what it takes to overturn each printed claim."""
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        shown_column("printed_over", "Printed, in the unit of the row"),
        text_column("unit", "Unit"),
        shown_column("limit_shown", "Scepticism limit [range]"),
        shown_column("significant_shown", "Share of the region with p < 0.05"),
        shown_column("matthews_shown", "... intrinsically credible (Matthews)"),
        shown_column("held_shown", "... intrinsically credible (Held)"),
        shown_column("p_shown", "p for intrinsic credibility [range]"),
        *exact_columns(
            "limit", "limit_low", "limit_high", "share_significant", "share_matthews", "share_held"
        ),
        *exact_columns("p_intrinsic", "p_intrinsic_low", "p_intrinsic_high"),
    ]
    rows: list[dict[str, Value]] = []
    for claim in claims:
        effect, found = claim.effect, claim.reverse
        factor = abs(effect.unit)
        limit = Banded(value=found.limit, low=found.limit_low, high=found.limit_high).scaled(factor)
        p = Banded(value=found.p_intrinsic, low=found.p_intrinsic_low, high=found.p_intrinsic_high)
        rows.append(
            {
                "cell": f"{effect.cell.table}: {effect.cell.row}: {effect.cell.column}",
                "printed": effect.cell.printed,
                "printed_over": scale_printed(effect.cell.parsed, effect.unit),
                "unit": unit_text(study, effect),
                "limit_shown": format_banded(limit, _limit_text),
                "significant_shown": format_probability(found.share_significant),
                "matthews_shown": format_probability(found.share_matthews),
                "held_shown": format_probability(found.share_held),
                "p_shown": format_banded(p, format_probability),
                "limit": limit.value,
                "limit_low": limit.low,
                "limit_high": limit.high,
                "share_significant": found.share_significant,
                "share_matthews": found.share_matthews,
                "share_held": found.share_held,
                "p_intrinsic": p.value,
                "p_intrinsic_low": p.low,
                "p_intrinsic_high": p.high,
            }
        )
    notes = (
        "Scepticism limit: a Normal prior around zero whose 95 % interval ends there just overturns the "
        "claim; a narrower one does so the more. The wider the limit, the weaker the claim; 'any' where "
        "rounding leaves room for an estimate at the edge of significance. The range is over the rounding "
        "region.",
        "Intrinsic credibility: the estimate lies beyond that limit (Matthews 2018, "
        "doi:10.1098/rsos.171047), or beyond what that prior would predict (Held 2019, "
        "doi:10.1098/rsos.181534).",
    )
    return make_table(
        study, "reverse_bayes", "How sceptical one must be to overturn a claim", columns, rows, *notes
    )


def _limit_text(value: float) -> str:
    return "any" if math.isinf(value) else format_number(value)


def tabulate_contrasts(study: Study, contrasts: Sequence[Contrast]) -> Table:
    """List the differences between effects of which one is printed with a star and the other as ``ns``."""
    columns = [
        text_column("contrast", "Difference"),
        text_column("printed", "Printed"),
        shown_column("estimate_shown", f"Difference over {study.horizon:g} {study.time_unit} [range]"),
        shown_column("se_shown", "Its SE [range]"),
        shown_column("t_shown", "Its test statistic [range]"),
        number_column("share_significant", "Share with p < 0.05"),
        text_column("priors", "P(same sign as the starred effect) by prior [range]"),
        *exact_columns(
            *(f"{name}{end}" for name in ("estimate", "se", "t") for end in ("", "_low", "_high"))
        ),
    ]
    rows: list[dict[str, Value]] = []
    for one in contrasts:
        estimate, se = one.estimate.scaled(one.unit), one.se.scaled(one.unit)
        row: dict[str, Value] = {
            "contrast": f"{one.model.label}: {one.estimand.label}",
            "printed": f"{one.starred.cell.printed} per {study.time_unit.rstrip('s')} | {one.silent.cell.printed}",
            "estimate_shown": format_banded(estimate),
            "se_shown": format_banded(se),
            "t_shown": format_banded(one.t),
            "share_significant": one.share_significant,
            "priors": "; ".join(f"{name} {format_banded(p, format_probability)}" for name, p in one.priors),
        }
        for name, banded in (("estimate", estimate), ("se", se), ("t", one.t)):
            row |= {name: banded.value, f"{name}_low": banded.low, f"{name}_high": banded.high}
        rows.append(row)
    note = (
        "The effect printed as not significant may have been anything that is not; its SE is that of the "
        "starred one, scaled by the patients behind each, within a factor of 1.5. Two separate calls of "
        "significance imply no more than this for the difference (Gelman & Stern 2006, "
        "doi:10.1198/000313006X152649)."
    )
    title = "Significant in one subgroup, not in the other"
    return make_table(study, "interaction", title, columns, rows, note)


def tabulate_printed(printed: Printed) -> list[Table]:
    """Build the tables of posteriors, slope deviations, sceptical limits and contrasts from print alone."""
    return [
        tabulate_posteriors(printed.study, printed.posteriors),
        tabulate_slopes(printed.study, printed.posteriors),
        tabulate_reverse_bayes(printed.study, printed.claims),
        tabulate_contrasts(printed.study, printed.contrasts),
    ]
