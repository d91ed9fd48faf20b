"""Whether ``collapsed`` is calibrated for several levels and for correlated residuals: one design a structure.

Designs are small, so that hundreds of studies take minutes: studies that ship, one with the first patients of the first
clusters only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.data.rows import StudyData
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
_COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class SmallDesign:
    """The design of one model of a study that ships.

    Parameters
    ----------
    name : str
        In the table and the figure.
    study, model : str
        Identifiers.
    cluster : str
        Variable of the upper level of which only some are taken; empty for all rows.
    clusters, patients : int
        How many, and patients of each; the first in the order of the rows.
    """

    name: str
    study: str
    model: str
    cluster: str = ""
    clusters: int = 0
    patients: int = 0


DESIGNS = (
    SmallDesign(
        name="three levels, 12 schools",
        study="egsingle",
        model="growth",
        cluster="school",
        clusters=12,
        patients=8,
    ),
    SmallDesign(name="three levels, 10 dogs", study="pinheiro2000", model="day_dog"),
    SmallDesign(name="MMRM", study="verbeke2000", model="lines"),
    SmallDesign(name="Toeplitz", study="verbeke2000", model="toeplitz"),
    SmallDesign(name="AR(1)", study="verbeke2000", model="autoregressive"),
)


def rows_of(design: SmallDesign) -> StudyData:
    """Return the rows of a design."""
    study = load_study(design.study)
    data = load_data(study)
    if not design.cluster:
        return data
    rows = data.rows
    kept = rows[rows[design.cluster].isin(rows[design.cluster].unique()[: design.clusters])]
    number = kept.groupby(design.cluster, observed=True)[study.patient].transform(
        lambda patients: patients.astype(str).factorize()[0]
    )
    kept = kept[number.astype(int) < design.patients].reset_index(drop=True)
    origin = f"{data.origin}, {design.clusters} of {design.cluster}, {design.patients} patients each"
    return dataclasses.replace(data, rows=kept, origin=origin)


def calibrate_structures(
    settings: SimulationSettings, designs: tuple[SmallDesign, ...] = DESIGNS
) -> dict[str, CalibrationResult]:
    """Calibrate ``collapsed`` on each design under the neutral prior."""
    found = {}
    for design in designs:
        store = None if settings.store is None else settings.store / f"{design.study}_{design.model}"
        own = dataclasses.replace(settings, model=design.model, priors=(_PRIOR,), store=store)
        run = simulate_sbc(load_study(design.study), own, data=rows_of(design))
        found[design.name] = run.results[0]
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
