"""Whether ``collapsed`` is calibrated for several levels and for correlated residuals: one design a structure.

The designs are small, so that hundreds of studies take minutes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bayes_alliance.dev.prior_calibration import plot_named, tabulate_named
from bayes_alliance.show.plots.save import save_figure
from bayes_alliance.simulation.calibration import CalibrationResult
from bayes_alliance.simulation.records import SimulationSettings
from bayes_alliance.simulation.sbc import simulate_sbc
from bayes_alliance.study.load_study import load_study

MARKS = ("<!-- calibration of structures -->", "<!-- end of calibration of structures -->")
FILE = "calibration_structures"
KIND = "design"
_PRIOR = "neutral"
_COLUMNS = 2


@dataclass(frozen=True, kw_only=True)
class SmallDesign:
    """The design of one model of a study that ships."""

    name: str
    study: str
    model: str


DESIGNS = (
    SmallDesign(name="three levels, 10 dogs", study="pinheiro2000", model="day_dog"),
    SmallDesign(name="MMRM", study="verbeke2000", model="lines"),
)


def calibrate_structures(
    settings: SimulationSettings, designs: tuple[SmallDesign, ...] = DESIGNS
) -> dict[str, CalibrationResult]:
    """Calibrate ``collapsed`` on each design under the neutral prior."""
    found = {}
    for design in designs:
        store = None if settings.store is None else settings.store / f"{design.study}_{design.model}"
        own = dataclasses.replace(settings, model=design.model, priors=(_PRIOR,), store=store)
        found[design.name] = simulate_sbc(load_study(design.study), own).results[0]
    return found


def write_structures(results: Mapping[str, CalibrationResult], folder: Path) -> list[Path]:
    """Write the table as CSV and the figure as PNG."""
    return save_figure(
        plot_named(results, _COLUMNS),
        folder / FILE,
        rows=tabulate_named(results, KIND),
        provenance="simulated; designs from real data that ship with the studies",
        kinds=("png",),
    )
