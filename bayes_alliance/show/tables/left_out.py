"""Tables of what printed models leave out: a level, a confounder, the other tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bayes_alliance.published.left_out import ConfounderLeftOut, LeftOut, LevelLeftOut, TestsLeftOut
from bayes_alliance.published.printed_effects import PrintedEffect
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.tables.audit import make_table
from bayes_alliance.show.tables.printed_posteriors import format_probability
from bayes_alliance.show.tables.record import (
    Table,
    Value,
    exact_columns,
    shown_column,
    text_column,
)
from bayes_alliance.study.records import Study


def tabulate_left_out(study: Study, found: LeftOut) -> tuple[Table, ...]:
    """Build the tables of one prior; a table without a row is left out."""
    tables = (
        _tabulate_levels(study, found.levels, found.prior),
        _tabulate_confounders(study, found.confounders, found.prior),
        _tabulate_tests(study, found.tests, found.prior),
    )
    return tuple(table for table in tables if table.rows)


def _cell(effect: PrintedEffect) -> dict[str, Value]:
    return {
        "cell": f"{effect.cell.table}: {effect.cell.row}: {effect.cell.column}",
        "printed": " | ".join(cell.printed for cell in effect.cells),
    }


def _icc_text(value: float) -> str:
    return "none" if math.isinf(value) else "0 (does not hold)" if value == 0.0 else format_fixed(value, 3)


# Over 40 lines: the columns of the table, and cells whose number depends on the ICCs tried.
def _tabulate_levels(study: Study, found: Sequence[LevelLeftOut], prior: str) -> Table:
    iccs = [at.icc for at in found[0].at] if found else []
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        text_column("level", "Left out"),
        shown_column("tipping_shown", "Tipping ICC, p < 0.05 [range]"),
        shown_column("direction_shown", "Tipping ICC, posterior"),
        *(shown_column(f"at_{icc:g}_shown", f"At ICC {icc:g}: SE times, P(direction)") for icc in iccs),
        text_column("verdicts", "Verdict by ICC"),
        *exact_columns("tipping", "tipping_low", "tipping_high", "tipping_direction"),
        *(column for icc in iccs for column in exact_columns(f"inflation_{icc:g}", f"p_direction_{icc:g}")),
    ]
    rows: list[dict[str, Value]] = []
    for one in found:
        tipping = one.significance
        ends = f"{_icc_text(tipping.low)}; {_icc_text(tipping.high)}"
        row = _cell(one.effect) | {
            "level": f"{one.level.label} ({one.level.clusters:g})",
            "tipping_shown": f"{_icc_text(tipping.middle)} [{ends}]",
            "direction_shown": _icc_text(one.direction),
            "verdicts": _verdicts(one),
            "tipping": tipping.middle,
            "tipping_low": tipping.low,
            "tipping_high": tipping.high,
            "tipping_direction": one.direction,
        }
        for at in one.at:
            said = f"{format_fixed(at.inflation, 2)}, {format_probability(at.p_direction)}"
            row |= {
                f"at_{at.icc:g}_shown": said,
                f"inflation_{at.icc:g}": at.inflation,
                f"p_direction_{at.icc:g}": at.p_direction,
            }
        rows.append(row)
    worst = (
        "ICC of the predictor within the level as stated in the study file (1, the worst case, by default)."
    )
    note = (
        f"Prior {prior}. The level's share of the variance of patients' levels or slopes (ICC) "
        "at which a claim "
        "falls: the test statistic to 1.96, or the posterior below sure of the direction. "
        "'None' where no ICC overturns it. "
        "The SE grows by the root of the design effect (Scott & Holt 1982, "
        f"doi:10.1080/01621459.1982.10477910), checked by three-level simulation. {worst}"
    )
    return make_table(study, "omitted_level", "A level that the models leave out", columns, rows, note)


def _verdicts(one: LevelLeftOut) -> str:
    """Return from which ICC on each verdict holds."""
    said: list[str] = []
    last = ""
    for at in one.at:
        if at.verdict.value != last:
            said.append(f"{at.verdict.value} from {at.icc:g}" if last else at.verdict.value)
            last = at.verdict.value
    return ", ".join(said)


def _tabulate_confounders(study: Study, found: Sequence[ConfounderLeftOut], prior: str) -> Table:
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        shown_column("zero_shown", "Share to zero"),
        shown_column("direction_shown", "Share to overturn"),
        text_column("benchmark", "Strongest printed covariate"),
        *exact_columns("to_zero", "direction", "benchmark_share", "df"),
    ]
    rows: list[dict[str, Value]] = []
    for one in found:
        benchmark = one.benchmark
        rows.append(
            _cell(one.effect)
            | {
                "zero_shown": f"{100 * one.to_zero:.1f} %",
                "direction_shown": "does not hold"
                if one.direction == 0.0
                else f"{100 * one.direction:.1f} %",
                "benchmark": f"{benchmark.name}: {100 * benchmark.share:.1f} %"
                if benchmark
                else "none printed",
                "to_zero": one.to_zero,
                "direction": one.direction,
                "benchmark_share": benchmark.share if benchmark else None,
                "df": one.df,
            }
        )
    note = (
        f"Prior {prior}. The share (partial R²) that an unmeasured patient characteristic "
        "would have to explain of "
        "both the predictor and the patients' levels or slopes to bring the estimate to zero, "
        "or the posterior below sure "
        "of the direction (Cinelli & Hazlett 2020, doi:10.1111/rssb.12348). Beside it the "
        "share that the strongest "
        "printed covariate of the same outcome explains."
    )
    return make_table(study, "omitted_confounder", "An unmeasured confounder", columns, rows, note)


# Over 40 lines: the columns of the table and their cells, each number as shown and in full.
def _tabulate_tests(study: Study, found: Sequence[TestsLeftOut], prior: str) -> Table:
    columns = [
        text_column("cell", "Cell"),
        text_column("printed", "Printed"),
        shown_column("p_shown", "p of the region"),
        shown_column("adjusted_shown", "p times the tests"),
        shown_column("probability_shown", "P(effect), one of the tests"),
        shown_column("overturned_shown", "Tests that bring it to 0.95"),
        *exact_columns(
            "tests", "p_low", "p_high", "adjusted_low", "adjusted_high", "probability", "overturned_by"
        ),
    ]
    rows: list[dict[str, Value]] = []
    for one in found:
        rows.append(
            _cell(one.effect)
            | {
                "p_shown": " to ".join(f"{end:.2g}" for end in one.p),
                "adjusted_shown": " to ".join(f"{end:.2g}" for end in one.adjusted),
                "probability_shown": format_probability(one.probability),
                "overturned_shown": "below with one"
                if one.overturned_by == 0.0
                else f"{one.overturned_by:.0f}",
                "tests": one.tests,
                "p_low": one.p[0],
                "p_high": one.p[1],
                "adjusted_low": one.adjusted[0],
                "adjusted_high": one.adjusted[1],
                "probability": one.probability,
                "overturned_by": one.overturned_by,
            }
        )
    count = found[0].tests if found else 0
    note = (
        f"Prior {prior}. Each claim as one of {count} effects of predictors that were tested: "
        "its p value times that "
        "number (Bonferroni), and the probability of an effect where all of them together are "
        "null with probability one half "
        "(Westfall, Johnson & Utts 1997, doi:10.1093/biomet/84.2.419), by the Bayes factor against zero."
    )
    return make_table(study, "multiplicity", "One of several tests", columns, rows, note)
