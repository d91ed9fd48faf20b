"""What kinds of number a printed cell may report."""

from __future__ import annotations

from typing import Literal

Quantity = Literal[
    "estimate",
    "beta",
    "cohen_d",
    "hedges_g",
    "mean",
    "se",
    "ci",
    "t",
    "z",
    "f",
    "chi2",
    "df",
    "p",
    "variance",
    "sd",
    "covariance",
    "correlation",
    "residual",
    "residual_sd",
    "ar1",
    "icc",
    "r2",
    "minus_2ll",
    "deviance",
    "log_likelihood",
    "aic",
    "aicc",
    "bic",
    "explained_intercept",
    "explained_slope",
    "mean_sd",
    "median_iqr",
    "percent",
    "count_percent",
    "count",
]
