"""Simulated studies run as tasks with a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bayes_alliance.simulation.approaches import Approach
    from bayes_alliance.simulation.setting import Setting

# So that a task takes about a second, and an interrupted run loses no more than that of each process.
_BATCH = {"collapsed": 20, "pymc": 2, "bambi": 1}


def _approaches(setting: Setting, engines: Sequence[str], priors: Sequence[str]) -> list[Approach]:
    from bayes_alliance.simulation.approaches import Approach

    frequentist = [Approach(method="ML"), Approach(method="REML")]
    bayes = [
        Approach(method="Bayes", engine=engine, priors=setting.priors(name))  # type: ignore[arg-type]
        for engine in engines
        for name in priors
    ]
    return [*frequentist, *bayes]
