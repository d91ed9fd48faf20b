"""Which parts a cell of each quantity may hold, and what a bare number in its brackets is.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Meaning = Literal["", "se", "sd", "p", "t", "z", "df", "ci", "percent"]


@dataclass(frozen=True, kw_only=True)
class QuantityRule:
    """What a cell of one quantity may hold.

    Parameters
    ----------
    what : str
        What the quantity is, as messages and the documentation call it.
    example : str
        A cell that is right.
    bracket : str
        What a number in brackets is unless the table's legend says otherwise; empty where that is open.
    extras : tuple of str
        Parts that may stand beside the number.
    whole : bool
        Whether it is a whole number.
    low, high : float or None
        Limits of what is possible at all.
    silent : bool
        Whether ``ns`` or a dash may stand for the number.
    """

    what: str
    example: str
    bracket: Meaning = ""
    extras: tuple[str, ...] = ()
    whole: bool = False
    low: float | None = None
    high: float | None = None
    silent: bool = False


_BESIDE = ("se", "ci", "test", "p", "df", "stars", "mark")
_EFFECT: dict[str, object] = {"bracket": "se", "extras": _BESIDE, "silent": True}
_COMPONENT = ("se", "sd", "ci", "p", "stars", "mark", "test")
RULES: dict[str, QuantityRule] = {
    "estimate": QuantityRule(
        what="an estimate", example="-0.02(0.01)*", bracket="se", extras=_BESIDE, silent=True
    ),
    "beta": QuantityRule(
        what="a standardised coefficient", example="-.15 (.06)", bracket="se", extras=_BESIDE, silent=True
    ),
    "cohen_d": QuantityRule(
        what="Cohen's d", example="0.45 [95% CI 0.13 to 0.77]", bracket="se", extras=_BESIDE, silent=True
    ),
    "hedges_g": QuantityRule(
        what="Hedges' g", example="0.44 (SE 0.16)", bracket="se", extras=_BESIDE, silent=True
    ),
    "mean": QuantityRule(
        what="a marginal mean", example="4.9 (SE 0.1)", extras=("se", "sd", "ci", "mark", "df", "n")
    ),
    "se": QuantityRule(
        what="a standard error", example="0.01", low=0.0, extras=("stars", "mark"), silent=True
    ),
    "ci": QuantityRule(
        what="an interval", example="95% CI [-0.05, -0.01]", extras=("ci", "stars", "mark"), silent=True
    ),
    "t": QuantityRule(
        what="a t value",
        example="t(143) = -2.31",
        bracket="df",
        extras=("test", "p", "df", "stars", "mark"),
        silent=True,
    ),
    "z": QuantityRule(
        what="a z value", example="z = -2.31", extras=("test", "p", "stars", "mark"), silent=True
    ),
    "f": QuantityRule(
        what="an F value",
        example="F(1, 143) = 5.34",
        bracket="df",
        extras=("test", "p", "df", "stars", "mark"),
        low=0.0,
        silent=True,
    ),
    "chi2": QuantityRule(
        what="a chi-square value",
        example="χ²(2) = 7.1",
        bracket="df",
        extras=("test", "p", "df", "stars", "mark"),
        low=0.0,
        silent=True,
    ),
    "df": QuantityRule(what="degrees of freedom", example="143.2", extras=("df",), low=0.0, silent=True),
    "p": QuantityRule(
        what="a p value", example="< .001", extras=("p", "stars", "mark"), low=0.0, high=1.0, silent=True
    ),
    "variance": QuantityRule(
        what="a variance of random effects", example="0.82 (SE 0.11)", extras=_COMPONENT, silent=True
    ),
    "sd": QuantityRule(
        what="an SD of random effects", example="0.91", extras=_COMPONENT, low=0.0, silent=True
    ),
    "covariance": QuantityRule(
        what="a covariance of random effects", example="-0.01 (SE 0.004)", extras=_COMPONENT, silent=True
    ),
    "correlation": QuantityRule(
        what="a correlation of random effects", example="-.35", extras=_COMPONENT, silent=True
    ),
    "residual": QuantityRule(
        what="a residual variance", example="0.45 (SE 0.03)", extras=_COMPONENT, silent=True
    ),
    "residual_sd": QuantityRule(
        what="a residual SD", example="0.67", extras=_COMPONENT, low=0.0, silent=True
    ),
    "ar1": QuantityRule(what="an AR(1) parameter", example=".31 (SE .06)", extras=_COMPONENT, silent=True),
    "icc": QuantityRule(
        what="an intraclass correlation", example=".42", extras=("se", "ci", "mark", "stars"), silent=True
    ),
    "r2": QuantityRule(what="an R²", example=".12", extras=("ci", "mark", "stars"), silent=True),
    "minus_2ll": QuantityRule(what="a −2 log likelihood", example="1234.56", extras=("mark",), silent=True),
    "deviance": QuantityRule(what="a deviance", example="1234.56", extras=("mark",), silent=True),
    "log_likelihood": QuantityRule(what="a log likelihood", example="-617.28", extras=("mark",), silent=True),
    "aic": QuantityRule(what="an AIC", example="1240.6"),
    "aicc": QuantityRule(what="an AICc", example="1240.8", extras=("mark",), silent=True),
    "bic": QuantityRule(what="a BIC", example="1262.3", extras=("mark",), silent=True),
    "explained_intercept": QuantityRule(what="a percentage", example="8", extras=("stars",)),
    "explained_slope": QuantityRule(what="a percentage", example="8", extras=("stars",)),
    "mean_sd": QuantityRule(
        what="a mean with its SD", example="26(6)", bracket="sd", extras=("sd", "stars", "mark", "p", "n")
    ),
    "median_iqr": QuantityRule(
        what="a median with its quartiles", example="12 [8, 17]", extras=("ci", "stars", "mark", "p")
    ),
    "percent": QuantityRule(
        what="a percentage", example="43", extras=("stars", "mark", "p"), low=0.0, high=100.0
    ),
    "count_percent": QuantityRule(
        what="a count with its percentage",
        example="64/148 (43%)",
        bracket="percent",
        extras=("of", "n", "stars", "mark", "p"),
        low=0.0,
    ),
    "count": QuantityRule(what="a count", example="155", extras=("n",), whole=True, low=0.0),
}
