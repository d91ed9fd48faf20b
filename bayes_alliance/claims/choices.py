"""The choices of analysis that a study declares, as frozen records: axes of options, each one small change.

An option is data: a limit moved, a derived variable defined like another, rows kept, the final assessment placed
elsewhere. The first option of every axis is the study's own way and changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bayes_alliance.inference.fits import Covariance

Final = Literal["", "after_previous", "midway"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of an axis; at most one kind of change.

    Parameters
    ----------
    id, label : str
        Key and words.
    variable : str
        Derived variable to define anew: by another ``value`` of its rule, or by the rule of the derived variable
        ``like``.
    value : float or None
    like : str
    keep : tuple of (str, float or str)
        Keep only the rows with these values.
    at_least : tuple of (str, float)
        Keep only the rows with at least these values.
    final : {"", "after_previous", "midway"}
        Move each patient's assessment at the end of the horizon: to ``step`` after the one before it, or halfway
        between; never later than it stands.
    step : float
        In the study's unit of time.
    without_end : tuple of (str, str)
        Variables of patients without a value where the patient has no assessment of an outcome at the horizon; of a
        reading of the publication (:mod:`bayes_alliance.claims.readings`), not of a ``multiverse.toml``.
    at_most : int
        For ``without_end``: of the first so many patients only; 0 for all.
    """

    id: str
    label: str
    variable: str = ""
    value: float | None = None
    like: str = ""
    keep: tuple[tuple[str, float | str], ...] = ()
    at_least: tuple[tuple[str, float], ...] = ()
    final: Final = ""
    step: float = 0.0
    without_end: tuple[tuple[str, str], ...] = ()
    at_most: int = 0

    @property
    def changes_nothing(self) -> bool:
        """Whether it is the study's own way."""
        return not (self.variable or self.keep or self.at_least or self.final or self.without_end)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One choice: its options, the study's own first."""

    id: str
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True, kw_only=True)
class Multiverse:
    """Every choice of a study, and which models are run under all of them.

    Parameters
    ----------
    priors : tuple of str
        Prior sets of the study, the first being the default.
    covariances : tuple of {"UN", "VC"}
        Likewise.
    axes : tuple of Axis
        Choices about rows and coding.
    models : tuple of str
        Ids of the models.
    curves : tuple of (str, str)
        Model and estimand of each specification curve to be drawn.
    cohorts : int
        How many of the synthetic cohorts enter.
    digest : str
        SHA-256 of the file; empty where the study has none.
    withheld : frozenset of (frozenset of str, str)
        Departures from the study's own way, and a model, that are not fitted to the rows at hand since few patients
        would be singled out (:mod:`bayes_alliance.claims.protected_codings`).
    """

    priors: tuple[str, ...]
    covariances: tuple[Covariance, ...]
    axes: tuple[Axis, ...]
    models: tuple[str, ...]
    curves: tuple[tuple[str, str], ...]
    cohorts: int
    digest: str
    withheld: frozenset[tuple[frozenset[str], str]] = frozenset()

    def departures(self, coding: Iterable[str]) -> frozenset[str]:
        """Return the options of a coding that change something; an empty id is no option."""
        return frozenset(name for name in coding if name and not self.option(name).changes_nothing)

    def option(self, option_id: str) -> Option:
        """Return the option of this id (KeyError where there is none; ids are unique over all axes)."""
        return {option.id: option for axis in self.axes for option in axis.options}[option_id]

    def codings(self, axes: tuple[Axis, ...]) -> Iterator[tuple[Option, ...]]:
        """Return every combination of the options of some axes, the study's own first."""
        return itertools.product(*(axis.options for axis in axes))
