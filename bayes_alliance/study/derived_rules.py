"""Names of the rules by which variables are derived; ``Derived`` of :mod:`bayes_alliance.study.records` says more."""

from __future__ import annotations

from typing import Literal

Rule = Literal[
    "below",
    "at_least",
    "count",
    "versions",
    "cross",
    "offset",
    "last",
    "log",
    "sqrt",
    "square",
    "knot",
    "patient_mean",
    "within",
    "first",
    "change",
    "lag",
]
