"""Whether the draws asked for fit into memory, told before anything is drawn."""

from __future__ import annotations

from typing import Literal

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.pymc.sample import SamplerSettings
from bayes_alliance.runtime.memory import memory_limit

# Arrays of the size of the draws that stand beside each other while these are made and judged, as peaks tell.
# collapsed: four million draws of eight numbers took 5.1 GiB; it draws twice as many as it returns. NUTS: a draw of six
# numbers took 1.5 KB (medication, growth), one of twelve 4.8 KB (folmo2020, outcome by age). bambi: a draw of six
# numbers and 128 effects of patients took 4.8 KB (medication, growth; 48,000 and 100,000 draws against 2,000), one of
# eight and 310 effects 10.7 KB (folmo2020, tasks_outcome).
_COPIES = {"collapsed": 20, "pymc": 50, "bambi": 16}
_COPIES_OF_EFFECTS = 4
_BYTES = 8


def check_draws_memory(
    engine: Literal["pymc", "bambi", "collapsed"],
    design: Design,
    sampler: SamplerSettings,
    collapsed: CollapsedSettings,
) -> None:
    """Refuse more draws than memory can hold.

    Raises
    ------
    InputError
        With what they would take and what there is.
    """
    values, effects = len(design.x_names) + len(design.z_names) + 2, 0
    if engine == "collapsed":
        draws, words = collapsed.draws, f"{collapsed.draws} draws"
    else:
        draws, words = sampler.draws * sampler.chains, f"{sampler.chains} chains of {sampler.draws} draws"
        if engine == "bambi" or not sampler.marginal:
            effects = len(design.z_names) * design.n_patients
    copies = _COPIES[engine] * values + _COPIES_OF_EFFECTS * effects
    needed, limit = float(_BYTES) * draws * copies, memory_limit()
    if needed > limit:
        problem = Problem(
            what=f"{words} of {values + effects} numbers need about {_gibibytes(needed)} of memory",
            allowed=f"at most {_gibibytes(limit)}, which this process may take",
            fix="fewer draws or chains (--draws, --chains)",
        )
        raise InputError("number of draws", [problem])


def _gibibytes(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB"
