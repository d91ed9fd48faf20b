"""Spellings of printed cells that are read, as examples for the documentation and for tests."""

from __future__ import annotations

from decimal import Decimal

from bayes_alliance.study.cell_in_words import describe_cell
from bayes_alliance.study.parse_cell import read_cell
from bayes_alliance.study.printed_cell import PrintedError
from bayes_alliance.study.table_legend import NO_LEGEND, TableLegend

_LEVEL = TableLegend(ci_level=Decimal("0.95"))
# Text, quantity, what the table's legend must state for it, and what is read.
SPELLINGS: tuple[tuple[str, str, TableLegend, str], ...] = (
    ("-0.03(0.01)*", "estimate", NO_LEGEND, "-0.03, SE 0.01, 1 star"),
    ("−.03 (.01)", "estimate", NO_LEGEND, "-0.03, SE 0.01"),
    ("0·03 (0·01)**", "estimate", NO_LEGEND, "0.03, SE 0.01, 2 stars"),
    ("3,18 (2,91)", "estimate", NO_LEGEND, "3.18, SE 2.91"),
    ("1,234.5 (12.3)", "estimate", NO_LEGEND, "1234.5, SE 12.3"),
    ("1.234,5 (12,3)", "estimate", NO_LEGEND, "1234.5, SE 12.3"),
    ("1\u00a0234.5 (12.3)", "estimate", NO_LEGEND, "1234.5, SE 12.3"),
    ("1'234.5 (12.3)", "estimate", NO_LEGEND, "1234.5, SE 12.3"),
    ("3.18 (SE = 2.91)", "estimate", NO_LEGEND, "3.18, SE 2.91"),
    ("-3.0E-02 (1.0E-02)", "estimate", NO_LEGEND, "-0.030, SE 0.010"),
    ("1.2 × 10⁻² (3 × 10⁻³)", "estimate", NO_LEGEND, "0.012, SE 0.003"),
    ("-0.03 ± 0.01", "estimate", TableLegend(plus_minus="se"), "-0.03, SE 0.01"),
    ("-0.03 (95% CI -0.05 to -0.01)", "estimate", NO_LEGEND, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0.03, 95% CI [-0.05, -0.01]", "estimate", NO_LEGEND, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0.03 [90 % CI: −0.05; −0.01]", "estimate", NO_LEGEND, "-0.03, 90 % interval -0.05 to -0.01"),
    ("-0.03 (-0.05 to -0.01)", "estimate", _LEVEL, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0.03 [-0.05, -0.01]", "estimate", _LEVEL, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0.03 (−0.05–−0.01)", "estimate", _LEVEL, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0.03 (−0.05 – −0.01)", "estimate", _LEVEL, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0,03 [-0,05; -0,01]", "estimate", _LEVEL, "-0.03, 95 % interval -0.05 to -0.01"),
    ("-0.03 (0.01) [-0.05, -0.01]", "estimate", _LEVEL, "-0.03, SE 0.01, 95 % interval -0.05 to -0.01"),
    ("-0.03 (0.01), p = .004", "estimate", NO_LEGEND, "-0.03, SE 0.01, p = .004"),
    ("-0.03 (0.01; p < .001)", "estimate", NO_LEGEND, "-0.03, SE 0.01, p < .001"),
    (
        "b = -0.03, SE = 0.01, t(143) = -3.00, p = .003",
        "estimate",
        NO_LEGEND,
        "-0.03, SE 0.01, t(143) = -3.00, p = .003",
    ),
    ("-0.03, F(1, 143) = 9.0, p = .003", "estimate", NO_LEGEND, "-0.03, F(1, 143) = 9.0, p = .003"),
    ("-0.03 (z = -2.9)", "estimate", NO_LEGEND, "-0.03, z = -2.9"),
    ("-0.03 (0.01)†", "estimate", TableLegend(marks=(("†", "< .10"),)), "-0.03, SE 0.01, p < .10"),
    ("-0.03 (0.01)ᵃ", "estimate", TableLegend(marks=(("a", "< .05"),)), "-0.03, SE 0.01, p < .05"),
    ("-0.03 (0.01)¹", "estimate", TableLegend(marks=(("1", ""),)), "-0.03, SE 0.01"),
    ("-0.03 (.004)", "estimate", TableLegend(brackets="p"), "-0.03, p = .004"),
    ("-0.03 (-2.9)", "estimate", TableLegend(brackets="t"), "-0.03, t = -2.9"),
    ("ns", "estimate", NO_LEGEND, "not significant"),
    ("-0.01 (0.01), n.s.", "estimate", NO_LEGEND, "-0.01, SE 0.01, not significant"),
    ("—", "estimate", NO_LEGEND, "no number"),
    ("0.1 (0.1)", "estimate", TableLegend(decimals=2), "0.10, SE 0.10"),
    ("0.01", "se", NO_LEGEND, "0.01"),
    ("95% CI -0.05, -0.01", "ci", NO_LEGEND, "95 % interval -0.05 to -0.01"),
    ("t(143) = -2.31*", "t", NO_LEGEND, "t(143) = -2.31, 1 star"),
    ("-2.31 (143.2)", "t", NO_LEGEND, "t(143.2) = -2.31"),
    ("z = -2.31", "z", NO_LEGEND, "z = -2.31"),
    ("F(1, 143) = 5.34", "f", NO_LEGEND, "F(1, 143) = 5.34"),
    ("5.34 (1, 143)", "f", NO_LEGEND, "F(1, 143) = 5.34"),
    ("χ²(2) = 7.1, p = .03", "chi2", NO_LEGEND, "chi-square(2) = 7.1, p = .03"),
    ("χ2(2, N = 155) = 7.10", "chi2", NO_LEGEND, "chi-square(2) = 7.10"),
    ("df = 143.2", "df", NO_LEGEND, "df 143.2"),
    ("p = .011", "p", NO_LEGEND, "p = .011"),
    ("< .001", "p", NO_LEGEND, "p < .001"),
    ("n.s.", "p", NO_LEGEND, "not significant"),
    (".02 (one-tailed)", "p", NO_LEGEND, "p = .02 (one-sided)"),
    ("0.82 (SE 0.11)", "variance", NO_LEGEND, "0.82, SE 0.11"),
    ("0.91", "sd", NO_LEGEND, "0.91"),
    ("-0.01 (SE 0.004)", "covariance", NO_LEGEND, "-0.01, SE 0.004"),
    ("r = -.35", "correlation", NO_LEGEND, "-0.35"),
    ("0.45 (SE = 0.03)", "residual", NO_LEGEND, "0.45, SE 0.03"),
    (".31 (SE .06)", "ar1", NO_LEGEND, "0.31, SE 0.06"),
    ("ICC = .42", "icc", NO_LEGEND, "0.42"),
    ("-2LL = 1,234.56", "minus_2ll", NO_LEGEND, "1234.56"),
    ("1234.6", "deviance", NO_LEGEND, "1234.6"),
    ("-617.28", "log_likelihood", NO_LEGEND, "-617.28"),
    ("AIC = 1240.6", "aic", NO_LEGEND, "1240.6"),
    ("1240.8", "aicc", NO_LEGEND, "1240.8"),
    ("1262.3", "bic", NO_LEGEND, "1262.3"),
    ("R² = .12", "r2", NO_LEGEND, "0.12"),
    ("4.9 (SE 0.1)", "mean", NO_LEGEND, "4.9, SE 0.1"),
    ("4.9 [95% CI 4.7, 5.1]", "mean", NO_LEGEND, "4.9, 95 % interval 4.7 to 5.1"),
    ("d = 0.45 (95% CI 0.13–0.77)", "cohen_d", NO_LEGEND, "0.45, 95 % interval 0.13 to 0.77"),
    ("g = 0.44 (SE 0.16)", "hedges_g", NO_LEGEND, "0.44, SE 0.16"),
    ("β = -.15 (.06)", "beta", NO_LEGEND, "-0.15, SE 0.06"),
    ("26 (6)", "mean_sd", NO_LEGEND, "26, SD 6"),
    ("26.1 ± 6.0", "mean_sd", NO_LEGEND, "26.1, SD 6.0"),
    ("M = 26.1, SD = 6.0", "mean_sd", NO_LEGEND, "26.1, SD 6.0"),
    ("12 [8–17]", "median_iqr", NO_LEGEND, "12, quartiles 8 to 17"),
    ("12 (IQR 8 to 17)", "median_iqr", NO_LEGEND, "12, quartiles 8 to 17"),
    ("43%", "percent", NO_LEGEND, "43"),
    ("64/148 (43%)", "count_percent", NO_LEGEND, "64, of 148, 43 %"),
    ("64 (43.2)", "count_percent", NO_LEGEND, "64, 43.2 %"),
    ("n = 155", "count", NO_LEGEND, "155"),
)
# Texts that are refused until something is stated.
REFUSED: tuple[tuple[str, str], ...] = (
    ("1.234", "estimate"),
    ("-0.03 [-0.05, -0.01]", "estimate"),
    ("-0.03 [-0.05 -0.01]", "estimate"),
    ("5 (0,3)", "estimate"),
    ("-0.03 ± 0.01", "estimate"),
    ("4.9 (0.1)", "mean"),
    ("0.82 (0.11)", "variance"),
    ("-0.03 (0.01)†", "estimate"),
)


def format_legend(legend: TableLegend) -> str:
    """Format what a legend states, as keys of ``[[published.tables]]``."""
    stated = {
        "ci_level": "95" if legend.ci_level else "",
        "plus_minus": f'"{legend.plus_minus}"' if legend.plus_minus else "",
        "brackets": f'"{legend.brackets}"' if legend.brackets else "",
        "decimals": "" if legend.decimals is None else str(legend.decimals),
        "marks": ", ".join(f'"{mark}" = "{said}"' for mark, said in legend.marks),
    }
    return ", ".join(
        f"{key} = {{ {value} }}" if key == "marks" else f"{key} = {value}"
        for key, value in stated.items()
        if value
    )


def tabulate_spellings() -> list[str]:
    """Format the table of spellings for the documentation, from what is really read."""
    rows = ["| Printed | `quantity` | Read as | Legend needed |", "| --- | --- | --- | --- |"]
    for text, quantity, legend, _ in SPELLINGS:
        read = describe_cell(read_cell(text, quantity, legend))
        stated = format_legend(legend)
        code = f"`{stated}`" if stated else ""
        rows.append(f"| `{text}` | `{quantity}` | {_escaped(read)} | {code} |")
    rows += ["", "| Refused | `quantity` | Message |", "| --- | --- | --- |"]
    for text, quantity in REFUSED:
        try:
            read_cell(text, quantity)
        except PrintedError as error:
            rows.append(f"| `{text}` | `{quantity}` | {_escaped(str(error))} |")
    return rows


def _escaped(text: str) -> str:
    """Keep Markdown from reading signs of a text as its own."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")
