r"""Where a chain on a small publication starts: a design and covariances whose standard errors are near those printed.

A standard error follows from design and covariances, but for what the variances of one data set stray. So of several
draws of the prior one is kept with probability proportional to

.. math:: \exp\{-\tfrac12 \sum_k (\log s_k - \log \hat s_k)^2 / \tau^2\},

with :math:`s_k` a printed standard error and :math:`\hat s_k` what is to be expected: a rough posterior, and only a
start. From one draw of the prior, chains of 72 steps still remembered designs up to four SDs away.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_alliance.cohorts.draws.growth import Covariances, Floats
from bayes_alliance.cohorts.solver.design import variances_of
from bayes_alliance.cohorts.solver.sensitivity import weigh_design
from bayes_alliance.dev.small_publications import (
    HORIZON,
    PRINTED_MODELS,
    SmallPrior,
    SmallPublication,
    draw_design,
    lay_out_world,
)

CANDIDATES = 30
# SD of the log of a standard error of 60 patients, given design and covariances.
_STRAY = 0.1
PRINTED_ERRORS = ("growth:se:Intercept", "growth:se:time", "group:se:time:group")


def draw_start(
    prior: SmallPrior,
    publication: SmallPublication,
    rng: np.random.Generator,
    *,
    candidates: int = CANDIDATES,
) -> tuple[pd.DataFrame, Covariances]:
    """Draw a design and covariances from the prior, weighed by the printed standard errors.

    Parameters
    ----------
    prior : SmallPrior
        What both come from.
    publication : SmallPublication
        Its number of rows and standard errors.
    rng : numpy.random.Generator
        Source of randomness.
    candidates : int
        Draws of which one is kept.
    """
    drawn = [
        (draw_design(prior, rng, publication.n_rows), prior.covariance.draw(rng)) for _ in range(candidates)
    ]
    logs = np.array([weigh_start(prior, publication, *one) for one in drawn])
    weights = np.exp(logs - logs.max())
    return drawn[int(rng.choice(candidates, p=weights / weights.sum()))]


def weigh_start(
    prior: SmallPrior, publication: SmallPublication, frame: pd.DataFrame, covariances: Covariances
) -> float:
    """Log weight of a design and covariances."""
    world = lay_out_world(prior, frame, PRINTED_MODELS)
    effects = covariances.effects
    sds = np.sqrt([effects[0, 0], effects[1, 1] / HORIZON**2, covariances.residuals[0, 0]])
    correlation = float(effects[0, 1] / np.sqrt(effects[0, 0] * effects[1, 1]))
    total = 0.0
    for name in PRINTED_ERRORS:
        model, _, coefficient = name.split(":", 2)
        blocks = world.models[model].blocks
        cov: Floats = weigh_design(blocks, variances_of(sds, correlation))[0]
        at = blocks.design.x_names.index(coefficient)
        low, high = publication.intervals[name]
        gap = np.log(0.5 * (low + high)) - 0.5 * np.log(cov[at, at])
        total -= 0.5 * float(gap / _STRAY) ** 2
    return total
