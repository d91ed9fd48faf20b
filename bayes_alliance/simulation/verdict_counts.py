"""How often each verdict comes out where truth is drawn from the prior, and how often it is right then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_alliance.assess.verdict_words import ORDER

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class VerdictCount:
    """How often a verdict came out on the claim that an estimand is above zero, and what was true then.

    Parameters
    ----------
    n : int
        Studies with the verdict.
    above, matters, rope : float
        Share of these whose true value was above zero, above the smallest difference that matters, nearer to zero than
        that.
    """

    estimand: str
    verdict: str
    n: int
    above: float
    matters: float
    rope: float


def count_verdicts(table: pd.DataFrame, smallest: Mapping[str, float]) -> tuple[VerdictCount, ...]:
    """Count the verdicts beside the truth of each study.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`bayes_alliance.simulation.calibration.calibrate_batch`.
    smallest : mapping of str to float
        Smallest difference that matters, by estimand.
    """
    found = []
    for name, size in smallest.items():
        if not len(table):
            continue
        mine = table[table["quantity"] == name]
        for verdict in ORDER:
            truth = mine["truth"].to_numpy(float)[(mine["verdict"] == verdict.value).to_numpy()]
            if len(truth):
                shares = (np.mean(truth > 0.0), np.mean(truth > size), np.mean(np.abs(truth) < size))
                above, matters, rope = (float(share) for share in shares)
                found.append(
                    VerdictCount(
                        estimand=name,
                        verdict=verdict.value,
                        n=len(truth),
                        above=above,
                        matters=matters,
                        rope=rope,
                    )
                )
    return tuple(found)
