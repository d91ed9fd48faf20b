"""How the twelve items of a Working Alliance Inventory become Goals, Bonds, Tasks and a total.

Two short versions are known, WAI-S and WAI-SR, both rated 1 to 7 here. Only item numbers and keys stand in
this module; the wording of the items is copyrighted. Imports nothing of this package.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_ITEMS = 12
ITEMS_PER_SUBSCALE = 4
LOWEST, HIGHEST = 1, 7
SUBSCALES = ("goals", "bonds", "tasks")
_REFLECTION = LOWEST + HIGHEST


@dataclass(frozen=True, kw_only=True)
class WaiKey:
    """Which items of one version belong to which subscale, and which are worded negatively.

    Parameters
    ----------
    version : str
        Name of the version.
    goals, bonds, tasks : tuple of int
        Item numbers, 1 to 12.
    reversed : tuple of int
        Items scored as 8 minus the rating.
    """

    version: str
    goals: tuple[int, ...]
    bonds: tuple[int, ...]
    tasks: tuple[int, ...]
    reversed: tuple[int, ...] = ()

    def items_of(self, subscale: str) -> tuple[int, ...]:
        """Return the item numbers of one subscale."""
        return {"goals": self.goals, "bonds": self.bonds, "tasks": self.tasks}[subscale]


# Folmo et al. 2020, Table I (doi:10.1080/10503307.2020.1831097), which agrees with Tracey & Kokotovic 1989
# (doi:10.1037/1040-3590.1.3.207) and Hatcher & Gillaspy 2006 (doi:10.1080/10503300500352500).
KEYS = (
    WaiKey(version="WAI-S", goals=(4, 6, 10, 11), bonds=(3, 5, 7, 9), tasks=(1, 2, 8, 12), reversed=(4, 10)),
    WaiKey(version="WAI-SR", goals=(4, 6, 8, 11), bonds=(3, 5, 7, 9), tasks=(1, 2, 10, 12)),
)


@dataclass(frozen=True, kw_only=True)
class WaiScores:
    """Scores of n_rows questionnaires, in points of the 1-7 scale; NaN where too few items were answered.

    Parameters
    ----------
    goals, bonds, tasks : ndarray of float, shape (n_rows,)
        Means of the answered items of each subscale.
    total : ndarray of float, shape (n_rows,)
        Mean of the three subscales, present only where all three are.
    """

    goals: NDArray[np.float64]
    bonds: NDArray[np.float64]
    tasks: NDArray[np.float64]
    total: NDArray[np.float64]

    def subscale(self, name: str) -> NDArray[np.float64]:
        """Return one subscale by name."""
        return {"goals": self.goals, "bonds": self.bonds, "tasks": self.tasks}[name]


def find_key(version: str) -> WaiKey | None:
    """Find the key of a version, or None for an unknown one.

    Parameters
    ----------
    version : str
        ``WAI-S`` or ``WAI-SR``; case and the prefix ``WAI-`` do not matter.

    Returns
    -------
    WaiKey or None

    Examples
    --------
    >>> find_key("sr").version
    'WAI-SR'
    """
    wanted = "WAI-" + version.strip().upper().removeprefix("WAI-")
    return {key.version: key for key in KEYS}.get(wanted)


def check_items(items: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the ratings that no rater can have given: not a whole number, or outside 1 to 7.

    Parameters
    ----------
    items : ndarray, any shape
        Ratings, NaN = not answered.

    Returns
    -------
    ndarray of bool, same shape
        True where the rating is impossible; an unanswered item is not.
    """
    ratings = np.asarray(items, dtype=float)
    permitted = (ratings >= LOWEST) & (ratings <= HIGHEST) & (ratings == np.round(ratings))
    impossible: NDArray[np.bool_] = ~np.isnan(ratings) & ~permitted
    return impossible


def score_items(
    items: NDArray[np.float64], version: str, *, min_items: int = ITEMS_PER_SUBSCALE
) -> WaiScores:
    """Score questionnaires of one version.

    A negatively worded item counts as ``8 - rating``. A subscale is the mean of its answered items where at
    least ``min_items`` of its four are answered (person-mean imputation), else NaN. The total is the mean of
    the three subscales, and NaN unless all three are present, so that it always rests on the same content.

    Parameters
    ----------
    items : ndarray, shape (n_rows, 12)
        Ratings 1 to 7 in the order of the item numbers; NaN = not answered.
    version : str
        ``WAI-S`` or ``WAI-SR``.
    min_items : int
        Answered items that a subscale needs, 1 to 4.

    Returns
    -------
    WaiScores

    Raises
    ------
    ValueError
        If the shape, the version, ``min_items`` or a rating is not permitted.

    References
    ----------
    Tracey & Kokotovic 1989, doi:10.1037/1040-3590.1.3.207 (WAI-S); Hatcher & Gillaspy 2006,
    doi:10.1080/10503300500352500 (WAI-SR).

    Examples
    --------
    >>> score_items(np.full((1, 12), 6.0), "WAI-S").goals
    array([4.])
    """
    ratings = np.asarray(items, dtype=float)
    key = find_key(version)
    if key is None:
        raise ValueError(f"unknown version {version!r}; allowed: {', '.join(k.version for k in KEYS)}")
    if ratings.ndim != 2 or ratings.shape[1] != N_ITEMS:
        raise ValueError(f"items of shape {ratings.shape}; allowed: (n_rows, {N_ITEMS})")
    if not 1 <= min_items <= ITEMS_PER_SUBSCALE:
        raise ValueError(f"min_items {min_items}; allowed: 1 to {ITEMS_PER_SUBSCALE}")
    if n_impossible := int(check_items(ratings).sum()):
        raise ValueError(f"{n_impossible} ratings are not whole numbers from {LOWEST} to {HIGHEST}")
    keyed = _reflect(ratings, key)
    goals, bonds, tasks = (_subscale_mean(keyed, key.items_of(name), min_items) for name in SUBSCALES)
    return WaiScores(goals=goals, bonds=bonds, tasks=tasks, total=(goals + bonds + tasks) / len(SUBSCALES))


def _reflect(ratings: NDArray[np.float64], key: WaiKey) -> NDArray[np.float64]:
    keyed = ratings.copy()
    columns = [number - 1 for number in key.reversed]
    keyed[:, columns] = _REFLECTION - keyed[:, columns]
    return keyed


def _subscale_mean(
    keyed: NDArray[np.float64], numbers: tuple[int, ...], min_items: int
) -> NDArray[np.float64]:
    ratings = keyed[:, [number - 1 for number in numbers]]
    answered = np.sum(~np.isnan(ratings), axis=1)
    mean = np.nansum(ratings, axis=1) / np.maximum(answered, 1)
    return np.where(answered >= min_items, mean, np.nan)
