"""Tables of invented publications in the dialects of journals: what each prints of an effect, a fit and its variances.

Every number is printed honestly, rounded once, so that whatever the audit finds in it is a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, get_args

from scipy import special

from bayes_alliance.inference.fits import Effect, MixedFit
from bayes_alliance.inference.ml import score_aic
from bayes_alliance.study.records import Cell
from bayes_alliance.study.table_legend import TableLegend

Dialect = Literal["stars", "interval", "t_df", "z", "f", "comma", "dagger"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
TABLE = "III"
POINT = TableLegend(decimal="point")
LEGENDS: dict[Dialect, TableLegend] = {
    "stars": TableLegend(tables=(TABLE,)),
    "interval": TableLegend(tables=(TABLE,), decimal="point", ci_level=Decimal("0.95")),
    "t_df": TableLegend(tables=(TABLE,), decimal="point"),
    "z": TableLegend(tables=(TABLE,), decimal="point"),
    "f": TableLegend(tables=(TABLE,), decimal="point"),
    "comma": TableLegend(tables=(TABLE,), decimal="comma", ci_level=Decimal("0.9")),
    "dagger": TableLegend(
        tables=(TABLE,),
        decimal="point",
        marks=(("†", "< .10"), ("a", "< .05"), ("b", "< .01")),
    ),
}


class Prints(Protocol):
    """A program that prints numbers with a given number of decimals."""

    @property
    def decimals(self) -> int:
        """Decimals of estimates and standard errors."""

    def number(self, value: float, decimals: int) -> str:
        """Print a number."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Patients and rows behind every fit."""

    patients: int
    rows: int


def fit_cells(
    dialect: Dialect,
    fit: MixedFit,
    reference: MixedFit,
    effects: Mapping[str, Effect],
    sizes: Sizes,
    printer: Prints,
) -> Iterator[Cell]:
    """Print one fit in a dialect.

    Parameters
    ----------
    reference : MixedFit
        Smaller model on the same rows; the fit itself where it is the reference.
    effects : mapping of str to Effect
        By coefficient or estimand.
    """
    model, legend = fit.model_id, LEGENDS[dialect]

    def cell(row: str, column: str, printed: str, quantity: str, coefficient: str = "") -> Cell:
        text = printed.replace(".", ",") if dialect == "comma" else printed
        return Cell(
            table=TABLE,
            row=f"{model}: {row}",
            column=column,
            printed=text,
            quantity=quantity,  # type: ignore[arg-type]
            model=model,
            coefficient=coefficient,
            legend=legend,
        )

    for name, effect in effects.items():
        for column, printed, quantity in _effect(dialect, effect, printer):
            yield cell(name, column, printed, quantity, name)
    yield from _fit(dialect, fit, reference, sizes, printer, cell)


def _effect(dialect: Dialect, effect: Effect, printer: Prints) -> Iterator[tuple[str, str, str]]:
    """Columns that a dialect prints of an effect: heading, text, quantity."""
    d = printer.decimals

    def number(value: float, extra: int = 0) -> str:
        return printer.number(value, d + extra)

    t = effect.estimate / effect.se
    exact = _p(effect.p, printer)
    b, se = number(effect.estimate), number(effect.se)
    if dialect == "interval":
        low, high = (number(effect.estimate + sign * _t(0.95, effect.df) * effect.se) for sign in (-1, 1))
        yield "b (95% CI)", f"{b} ({low} to {high})", "estimate"
        yield "p", exact, "p"
    elif dialect == "t_df":
        yield "b", b, "estimate"
        yield "SE", number(effect.se, 1), "se"
        yield "t", printer.number(t, 2), "t"
        yield "df", printer.number(effect.df, 1), "df"
        yield "p", exact, "p"
    elif dialect == "z":
        yield (
            "Estimate",
            f"{b} (SE = {se}), z = {printer.number(t, 2)}, p {_said(effect.p, printer)}",
            "estimate",
        )
    elif dialect == "f":
        yield "b", b, "estimate"
        yield (
            "F",
            f"F(1, {printer.number(effect.df, 1)}) = {printer.number(t * t, 2)}, p {_said(effect.p, printer)}",
            "f",
        )
    elif dialect == "comma":
        low, high = (number(effect.estimate + sign * _t(0.9, effect.df) * effect.se) for sign in (-1, 1))
        yield "b (SE)", f"{b} ({se}) [{low}; {high}]", "estimate"
        yield "p", exact, "p"
    elif dialect == "dagger":
        mark = "b" if effect.p < 0.01 else "a" if effect.p < 0.05 else "†" if effect.p < 0.10 else ""
        yield "b", f"{b} ({se}){mark}", "estimate"


def _t(level: float, df: float) -> float:
    return float(-special.stdtrit(df, 0.5 * (1.0 - level)))


def _p(p: float, printer: Prints) -> str:
    return "< 0.001" if p < 0.001 else printer.number(p, 3)


def _said(p: float, printer: Prints) -> str:
    return "< .001" if p < 0.001 else f"= {printer.number(p, 3)}"


class _MakesCell(Protocol):
    def __call__(self, row: str, column: str, printed: str, quantity: str, coefficient: str = "") -> Cell: ...


def _fit(
    dialect: Dialect, fit: MixedFit, reference: MixedFit, sizes: Sizes, printer: Prints, cell: _MakesCell
) -> Iterator[Cell]:
    """Variances and measures of fit: all of them, in the forms that go with the dialect."""
    d = printer.decimals + 1
    as_sd = dialect in ("t_df", "dagger")
    for name, sd in zip(fit.z_names, fit.sd, strict=True):
        value, quantity = (sd, "sd") if as_sd else (sd**2, "variance")
        yield cell(f"{quantity} of {name}", "Value", printer.number(float(value), d), quantity, name)
    sigma, quantity = (fit.sigma, "residual_sd") if as_sd else (fit.sigma**2, "residual")
    yield cell("residual", "Value", printer.number(sigma, d), quantity)
    if math.isfinite(fit.correlation):
        if dialect in ("z", "comma"):
            covariance = fit.correlation * float(fit.sd[0] * fit.sd[1])
            yield cell("covariance", "Value", printer.number(covariance, d), "covariance")
        yield cell("correlation", "Value", printer.number(fit.correlation, 2), "correlation")
    if dialect == "interval":
        yield cell("ICC", "Value", printer.number(fit.icc, 2), "icc")
    decimals = {"interval": 1, "t_df": 2, "z": 2}.get(dialect, 0)
    aic = score_aic(fit, "ml")
    counted = fit.n_fixed + fit.n_covariance
    observed = sizes.rows if dialect != "z" else sizes.patients
    if dialect == "f":
        yield cell("log likelihood", "Value", printer.number(-fit.deviance / 2.0, 2), "log_likelihood")
    else:
        yield cell("-2LL", "Value", printer.number(fit.deviance, decimals), "minus_2ll")
    yield cell("AIC", "Value", printer.number(aic, decimals), "aic")
    yield cell("BIC", "Value", printer.number(fit.deviance + counted * math.log(observed), decimals), "bic")
    corrected = aic + 2.0 * counted * (counted + 1) / (observed - counted - 1)
    if dialect in ("t_df", "comma"):
        yield cell("AICc", "Value", printer.number(corrected, 2), "aicc")
    if fit.model_id != reference.model_id:
        yield from _against(fit, reference, printer, cell)


def _against(fit: MixedFit, reference: MixedFit, printer: Prints, cell: _MakesCell) -> Iterator[Cell]:
    """Yield the likelihood-ratio test against the reference, and what is explained beyond it."""
    added = fit.n_fixed - reference.n_fixed
    ratio = max(reference.deviance - fit.deviance, 0.0)
    p = float(special.chdtrc(added, ratio))
    text = f"χ²({added}) = {printer.number(ratio, 2)}, p {_said(p, printer)}"
    yield cell("likelihood-ratio test", "Value", text, "chi2")
    for quantity, ours, theirs in (
        ("explained_intercept", fit.intercept_variance, reference.intercept_variance),
        ("explained_slope", fit.slope_variance, reference.slope_variance),
    ):
        if theirs > 0.0:
            yield cell(quantity, "Value", printer.number(100.0 * (theirs - ours) / theirs, 0), quantity)
