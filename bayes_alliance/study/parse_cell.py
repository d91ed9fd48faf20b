"""Reading a printed cell: its text, the kind of number it reports, and the legend of its table.

What the text and the legend leave open is refused with every reading, and with how to write it. Standard library
only, for study files are checked without anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from bayes_alliance.study.cell_draft import Draft
from bayes_alliance.study.cell_grammar import Part, ScanError, scan_cell
from bayes_alliance.study.cell_in_words import describe_cell, p_statement
from bayes_alliance.study.cell_rules import RULES, QuantityRule
from bayes_alliance.study.number_text import STYLES, plain_text
from bayes_alliance.study.printed_cell import (
    PrintedCell,
    PrintedError,
    PrintedNumber,
    PrintedP,
    PrintedRange,
    PrintedTest,
    UndecidedError,
)
from bayes_alliance.study.table_legend import NO_LEGEND, TableLegend

_BLANK = ("-", "--", "---", "...", "n/a", "na", "n.a.", ".")
_TESTS = ("t", "z", "f", "chi2")


@lru_cache(maxsize=8192)  # cells are read again whenever a record that holds one is replaced
def read_cell(text: str, quantity: str = "estimate", legend: TableLegend = NO_LEGEND) -> PrintedCell:
    """Read a printed cell.

    Parameters
    ----------
    text : str
        As printed.
    quantity : str
        One of :data:`RULES`.
    legend : TableLegend
        What the notes of its table say.

    Returns
    -------
    PrintedCell

    Raises
    ------
    PrintedError
        If it cannot be read, or (:class:`UndecidedError`) can be read in more than one way.

    Examples
    --------
    >>> cell = read_cell("-0.03, 95% CI [-0.05, -0.01], p = .004")
    >>> cell.value.interval().ends, cell.p[0].text
    ((-0.035, -0.025), '= .004')
    """
    plain, rule = plain_text(text), RULES[quantity]
    if not plain or plain.lower() in _BLANK:
        if rule.silent and plain:
            return PrintedCell(kind="blank")
        raise PrintedError(f"{rule.what}, such as {rule.example}")
    if quantity in ("explained_intercept", "explained_slope") and plain.lower().rstrip("* .") in (
        "reference",
        "ref",
    ):
        return PrintedCell(kind="reference", stars=plain.count("*"))
    if quantity == "ci" and re.match(r"[-+\d.,]", plain):
        plain = f"[{plain}]"
    found: list[PrintedCell] = []
    faults: list[PrintedError] = []
    for style in (legend.decimal,) if legend.decimal else STYLES:
        try:
            found.append(_interpret(scan_cell(plain, style), quantity, rule, legend))
        except PrintedError as error:
            faults.append(error)
    undecided = [fault for fault in faults if isinstance(fault, UndecidedError)]
    if found and not undecided and all(cell == found[0] for cell in found):
        return found[0]
    if found:
        said = " and ".join(
            f"{describe_cell(cell)} with a decimal {style}"
            for cell, style in zip(found, STYLES, strict=False)
        )
        if len(found) == 1:
            said = f"{describe_cell(found[0])}, or {undecided[0]}"
        raise UndecidedError(
            f'one reading; it may be {said}: state decimal = "point" or "comma" in [[published.tables]]'
        )
    raise undecided[0] if undecided else _furthest(faults, rule)


def _furthest(faults: list[PrintedError], rule: QuantityRule) -> PrintedError:
    """Keep the message of the reading that got furthest, and say how to write the cell."""
    best = max(faults, key=lambda fault: fault.at if isinstance(fault, ScanError) else 10**6)
    said = str(best)
    return PrintedError(
        said if said.startswith(rule.what) else f"{rule.what}, such as {rule.example} ({said})"
    )


def _interpret(
    parts: tuple[Part, ...], quantity: str, rule: QuantityRule, legend: TableLegend
) -> PrintedCell:
    draft = Draft()
    for part in parts:
        _take(draft, part, quantity, rule, legend)
    _finish(draft, quantity, rule, legend)
    silent = draft.silent and draft.value is None and not draft.tests and draft.ci is None
    return PrintedCell(
        kind="not_significant" if silent else "number",
        value=draft.value,
        spread=draft.spread,
        spread_kind=draft.spread_kind,  # type: ignore[arg-type]
        stars=draft.stars,
        ci=draft.ci,
        tests=draft.tests,
        df=draft.df,
        p=draft.p,
        total=draft.total,
        percent=draft.percent,
        marks=draft.marks if silent or not draft.silent else (*draft.marks, "ns"),
    )


def _take(draft: Draft, part: Part, quantity: str, rule: QuantityRule, legend: TableLegend) -> None:
    numbers = tuple(_ruled(number, legend) for number in part.numbers)
    if part.kind == "number":
        _take_number(draft, numbers[0], part, quantity, rule)
    elif part.kind in ("bracket", "plus_minus"):
        _take_bracket(draft, replace(part, numbers=numbers), quantity, rule, legend)
    elif part.kind in ("range", "ci", "quartiles"):
        _take_pair(draft, replace(part, numbers=numbers), quantity, rule, legend)
    elif part.kind in ("se", "sd"):
        _allow(part.kind, rule)
        _set_spread(draft, numbers[0], part.kind)
    elif part.kind == "test" and part.test is not None:
        _allow("test", rule)
        test = replace(part.test, value=_ruled(part.test.value, legend))
        if quantity in _TESTS and test.kind != quantity:
            raise PrintedError(f"a cell of quantity {test.kind!r}")
        draft.tests = (*draft.tests, test)
    elif part.kind == "p":
        _take_p(draft, part, rule, legend)
    elif part.kind == "tails":
        if not draft.p:
            raise PrintedError("a p value that the word one-tailed speaks of")
        draft.p = (*draft.p[:-1], replace(draft.p[-1], tails=part.tails))
    elif part.kind == "df":
        _allow("df", rule)
        _once(draft, "df", numbers[0])
    elif part.kind == "stars":
        _allow("stars", rule)
        draft.stars += len(part.text)
    elif part.kind == "mark":
        _allow("mark", rule)
        _take_mark(draft, part, legend)
    elif part.kind in ("of", "n"):
        _take_count(draft, part, quantity, rule)


def _ruled(number: PrintedNumber, legend: TableLegend) -> PrintedNumber:
    return replace(number, rule=legend.rounding) if legend.rounding else number


def _padded(number: PrintedNumber, legend: TableLegend) -> PrintedNumber:
    """Put back the trailing zeros that a spreadsheet dropped, where the legend says how many decimals."""
    if legend.decimals is None or number.decimals >= legend.decimals:
        return number
    return replace(number, value=number.value.quantize(Decimal(1).scaleb(-legend.decimals)))


def _once(draft: Draft, name: str, value: object) -> None:
    if getattr(draft, name) is not None:
        raise PrintedError(f"one number for {name.replace('_', ' ')}, not two")
    setattr(draft, name, value)


def _allow(name: str, rule: QuantityRule) -> None:
    if name not in rule.extras:
        names = {
            "se": "standard error",
            "sd": "SD",
            "ci": "interval",
            "p": "p value",
            "stars": "stars",
            "df": "df",
        }
        raise PrintedError(f"{rule.what} without {names.get(name, name)}, such as {rule.example}")


def _set_spread(draft: Draft, number: PrintedNumber, kind: str) -> None:
    if number.value < 0 or number.negative_zero:
        raise PrintedError(f"a standard {'error' if kind == 'se' else 'deviation'} that is not negative")
    _once(draft, "spread", number)
    draft.spread_kind = kind


def _take_number(draft: Draft, number: PrintedNumber, part: Part, quantity: str, rule: QuantityRule) -> None:
    if part.percent and quantity == "count_percent":
        _once(draft, "percent", number)
    elif quantity == "p":
        _once_p(draft, p_statement("=", number, 2))
    else:
        _once(draft, "value", number)


def _take_bracket(draft: Draft, part: Part, quantity: str, rule: QuantityRule, legend: TableLegend) -> None:
    number = part.numbers[0]
    if part.text:
        draft.stars += len(part.text)
    if part.kind == "plus_minus":
        meaning: str = legend.plus_minus or ("sd" if quantity == "mean_sd" else "")
        sign = "±"
    else:
        stated = (
            legend.brackets if rule.bracket in ("", "se") and rule.extras and legend.brackets != "ci" else ""
        )
        meaning = stated or rule.bracket
        if part.percent:
            meaning = "percent"
        sign = "brackets"
    if not meaning:
        if not {"se", "sd"} & set(rule.extras):
            raise PrintedError(f"{rule.what} without brackets, such as {rule.example}")
        key = "plus_minus" if sign == "±" else "brackets"
        raise UndecidedError(
            f"one reading; {number.value} behind {sign} may be a standard error (SE = {number.value}) or an SD "
            f'(SD = {number.value}): write SE or SD before it, or state {key} = "se" or "sd" in '
            "[[published.tables]]"
        )
    _place(draft, number, meaning, rule)


def _place(draft: Draft, number: PrintedNumber, meaning: str, rule: QuantityRule) -> None:
    if meaning in ("se", "sd"):
        if meaning not in rule.extras and rule.bracket != meaning:
            _allow(meaning, rule)
        _set_spread(draft, number, meaning)
    elif meaning == "percent":
        if rule.bracket != "percent":
            raise PrintedError(f"{rule.what} without a percentage in brackets")
        _once(draft, "percent", number)
    elif meaning == "df":
        _once(draft, "df", number)
    elif meaning == "p":
        _once_p(draft, p_statement("=", number, 2))
    else:
        draft.tests = (*draft.tests, PrintedTest(kind=meaning, value=number))  # type: ignore[arg-type]


def _take_pair(draft: Draft, part: Part, quantity: str, rule: QuantityRule, legend: TableLegend) -> None:
    lower, upper = part.numbers
    if quantity == "f" and part.kind == "range":
        if draft.value is None or draft.tests:
            raise PrintedError(f"{rule.what}, such as {rule.example}")
        draft.tests = (PrintedTest(kind="f", value=draft.value, df=(lower, upper)),)
        draft.value = None
        return
    _allow("ci", rule)
    if part.kind == "quartiles" and quantity != "median_iqr":
        raise PrintedError(f"{rule.what} without quartiles, such as {rule.example}")
    level = part.level or legend.ci_level
    if quantity == "median_iqr":
        level = None
    elif level is None:
        raise UndecidedError(
            f"the level of the interval {lower.value} to {upper.value}: with 95 % the SE is about "
            f"{_se_at(lower, upper, 3.92)}, with 90 % about {_se_at(lower, upper, 3.29)}; write '95% CI "
            f"[{lower.value}, {upper.value}]' or state ci_level = 95 in [[published.tables]]"
        )
    elif not Decimal("0.5") <= level < 1:
        raise PrintedError("a level of the interval between 50 and 99.9 %")
    if lower.value > upper.value:
        raise PrintedError(f"a lower limit below the upper one, not {lower.value} to {upper.value}")
    limits = PrintedRange(
        lower=_padded(lower, legend),
        upper=_padded(upper, legend),
        level=level,
        outward=legend.ci_rounding == "outward",
        symmetric=legend.ci_method == "wald",
    )
    _once(draft, "ci", limits)


def _se_at(lower: PrintedNumber, upper: PrintedNumber, width: float) -> str:
    return f"{float(upper.value - lower.value) / width:.3g}"


def _take_p(draft: Draft, part: Part, rule: QuantityRule, legend: TableLegend) -> None:
    if part.text == "ns":
        if not (rule.silent or "p" in rule.extras):
            _allow("p", rule)
        draft.silent = True
        return
    _allow("p", rule)
    tails = min(part.tails, legend.tails)
    _once_p(draft, p_statement(part.text, part.numbers[0], tails))


def _once_p(draft: Draft, statement: PrintedP) -> None:
    draft.p = (*draft.p, statement)


def _take_mark(draft: Draft, part: Part, legend: TableLegend) -> None:
    draft.marks = (*draft.marks, part.text)
    stated = dict(legend.marks)
    if part.text not in stated:
        raise UndecidedError(
            f"a meaning of the mark {part.text!r}: it may be a level of significance or a footnote; state marks = "
            f'{{ "{part.text}" = "< .10" }} in [[published.tables]], or "" for a footnote that says nothing of p'
        )
    if stated[part.text]:
        _once_p(draft, read_p(stated[part.text], tails=legend.tails))


def _take_count(draft: Draft, part: Part, quantity: str, rule: QuantityRule) -> None:
    if part.kind == "of":
        _allow("of", rule)
        if draft.value is not None and draft.value.value != part.numbers[0].value:
            raise PrintedError("one count, not two")
        draft.value, draft.total = part.numbers
    elif quantity in ("count", "count_percent") and draft.value is None:
        draft.value = part.numbers[0]
    else:
        _allow("n", rule)
        _once(draft, "total", part.numbers[0])


def read_p(text: str, *, tails: int = 2) -> PrintedP:
    """Read a statement about a p value, such as ``< 0.05``, ``p = .011`` or ``.03``.

    Raises
    ------
    PrintedError
        If it is none.
    """
    cell = read_cell(text, "p")
    if not cell.p:
        raise PrintedError("a statement about a p value, such as '< 0.05', '> 0.1' or '= 0.11'")
    return replace(cell.p[0], tails=min(tails, cell.p[0].tails))


_Fault = tuple[Callable[[Draft], bool], str]


def _finish(draft: Draft, quantity: str, rule: QuantityRule, legend: TableLegend) -> None:
    """Check what the cell holds as a whole, and put a bare test statistic or df in its place."""
    if draft.value is not None and quantity not in ("count", "count_percent", "percent"):
        draft.value = _padded(draft.value, legend)
    if draft.spread is not None:
        draft.spread = _padded(draft.spread, legend)
    if quantity in _TESTS and draft.value is not None:
        df = (draft.df,) if draft.df is not None else ()
        draft.tests = (*draft.tests, PrintedTest(kind=quantity, value=draft.value, df=df))  # type: ignore[arg-type]
        draft.value = draft.df = None
    if quantity == "df" and draft.df is None:
        draft.df, draft.value = draft.value, None
    value = draft.value
    wanted: dict[str, Callable[[], bool]] = {
        "ci": lambda: draft.ci is not None,
        "df": lambda: draft.df is not None,
        "p": lambda: bool(draft.p),
        "mean_sd": lambda: value is not None and draft.spread is not None,
        "median_iqr": lambda: value is not None and draft.ci is not None,
        **{name: lambda: bool(draft.tests) for name in _TESTS},
    }
    complete = wanted.get(quantity, lambda: value is not None)()
    if not complete and not (draft.silent and rule.silent):
        raise PrintedError(f"{rule.what}, such as {rule.example}")
    if quantity in ("estimate", "cohen_d", "hedges_g", "beta") and draft.spread_kind == "sd":
        raise PrintedError("a standard error, not an SD, beside an estimate")
    if quantity == "mean_sd" and draft.spread_kind == "se":
        raise PrintedError("an SD beside this mean; a mean with its SE has quantity 'mean'")
    numbers = [value] if value is not None else [test.value for test in draft.tests]
    for number in numbers:
        low, high = rule.low, rule.high
        if (low is not None and number.value < Decimal(str(low))) or (
            high is not None and number.value > Decimal(str(high))
        ):
            limits = f"between {low:g} and {high:g}" if high is not None else "that is not negative"
            raise PrintedError(f"{rule.what} {limits}")
        if rule.whole and number.decimals > 0:
            raise PrintedError("a whole number")
