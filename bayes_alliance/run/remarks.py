"""What a reader has to know of the fits of one model beside their numbers, in the words that every output uses.

Terminal, JSON, tables and page list the same remarks, so that none of them is silent about what another one says.
"""

from __future__ import annotations

import math

from bayes_alliance.inference.engines import HANDED_OVER
from bayes_alliance.run.results import ModelRun


def model_remarks(run: ModelRun) -> tuple[str, ...]:
    """List the remarks on one model: rows and levels left out, fits at a boundary, hand-overs, moving priors.

    Parameters
    ----------
    run : ModelRun

    Returns
    -------
    tuple of str
    """
    fits = (run.ml, run.reml)
    said = [f"left out: {text}" for text in run.left_out]
    if stuck := [fit.method for fit in fits if not fit.converged]:
        said.append(f"{' and '.join(stuck)} did not converge")
    if singular := [fit.method for fit in fits if fit.singular]:
        said.append(
            f"{' and '.join(singular)} singular: a variance is zero or a correlation is -1 or 1; the "
            "estimate lies on the boundary"
        )
    if run.posterior is not None and HANDED_OVER in run.posterior.facts:
        said.append(f"handed over to {run.posterior.engine}: {run.posterior.facts[HANDED_OVER]}")
    if moved := [quantity.name for quantity in run.quantities if quantity.is_moved]:
        said.append(f"the prior moves {', '.join(moved)} by more than half a standard error")
    return tuple(said)


def sampling_quality(run: ModelRun) -> dict[str, float] | None:
    """Return the largest R-hat and the smallest effective sample sizes of a model's quantities.

    Parameters
    ----------
    run : ModelRun

    Returns
    -------
    dict of str to float or None
        ``r_hat``, ``ess_bulk`` and ``ess_tail``; None without a posterior.
    """
    known = [quantity.bayes for quantity in run.quantities if quantity.bayes is not None]
    if not known:
        return None
    return {
        "r_hat": max((s.r_hat for s in known if not math.isnan(s.r_hat)), default=math.nan),
        "ess_bulk": min((s.ess_bulk for s in known if not math.isnan(s.ess_bulk)), default=math.nan),
        "ess_tail": min((s.ess_tail for s in known if not math.isnan(s.ess_tail)), default=math.nan),
    }
