"""Ratings of questionnaire items that give a cohort's subscale scores, each version by its own keys.

A subscale is the mean of its four items, so their sum is known; which item got which rating is drawn. Negatively
worded items are turned round, so that scoring the ratings gives the subscale again.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_alliance.data.typed_columns import item_headers
from bayes_alliance.data.wai import HIGHEST, ITEMS_PER_SUBSCALE, LOWEST, N_ITEMS, SUBSCALES, WaiKey, find_key
from bayes_alliance.inference.fits import Array
from bayes_alliance.study.records import Scoring, Study


def draw_items(study: Study, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Add the items of every questionnaire of a study whose three subscales a cohort has.

    Parameters
    ----------
    study : Study
        Says how items are scored.
    frame : pandas.DataFrame
        A cohort under the headers of the data file.
    rng : numpy.random.Generator
        Draws the ratings.

    Returns
    -------
    pandas.DataFrame
        With one column an item.
    """
    out = frame
    for scoring in study.scoring:
        if set(SUBSCALES) <= set(scoring.subscales) and set(scoring.subscales) <= set(frame.columns):
            out = out.assign(**_items(scoring, out, rng))
    return out


def _items(scoring: Scoring, frame: pd.DataFrame, rng: np.random.Generator) -> dict[str, Array]:
    ratings = np.full((len(frame), N_ITEMS), np.nan)
    for row, version in enumerate(frame[scoring.version]):
        key = find_key(version) if isinstance(version, str) else None
        if key is None:
            continue
        for subscale in SUBSCALES:
            mean = float(frame[subscale].iloc[row])
            if not np.isnan(mean):
                numbers = [number - 1 for number in key.items_of(subscale)]
                ratings[row, numbers] = _turned(key, numbers, _split(round(4 * mean), rng))
    return {header: ratings[:, index] for index, header in enumerate(item_headers(scoring.items))}


def _split(total: int, rng: np.random.Generator) -> Array:
    """Draw four ratings of a given sum, near to each other as ratings of one subscale are."""
    ratings = np.full(ITEMS_PER_SUBSCALE, total // ITEMS_PER_SUBSCALE, dtype=float)
    ratings[rng.permutation(ITEMS_PER_SUBSCALE)[: total % ITEMS_PER_SUBSCALE]] += 1.0
    for _ in range(int(rng.poisson(1.5))):
        up, down = rng.choice(ITEMS_PER_SUBSCALE, size=2, replace=False)
        if ratings[up] < HIGHEST and ratings[down] > LOWEST:
            ratings[up] += 1.0
            ratings[down] -= 1.0
    return ratings


def _turned(key: WaiKey, numbers: list[int], ratings: Array) -> Array:
    reverse = np.array([number + 1 in key.reversed for number in numbers])
    turned: Array = np.where(reverse, LOWEST + HIGHEST - ratings, ratings)
    return turned
