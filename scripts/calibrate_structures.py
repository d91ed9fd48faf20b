#!/usr/bin/env python
"""Calibrate ``collapsed`` for several levels and correlated residuals: docs/calibration_structures.csv and .png.

The table of docs/simulate.md is written too, where the folder holds that page.
"""

import argparse
import sys
from pathlib import Path

from bayes_alliance.dev.ensemble_page import put_between
from bayes_alliance.dev.prior_calibration import format_named, tabulate_named
from bayes_alliance.dev.structure_calibration import KIND, MARKS, calibrate_structures, write_structures
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.simulation.records import SimulationSettings


def main() -> int:
    """Simulate, write the numbers, the figure and the table of docs/simulate.md, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=500, help="simulated studies a design (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="where to write (%(default)s)")
    parser.add_argument(
        "--store", type=Path, default=Path("results/calibration_structures"), help="finished studies"
    )
    options = parser.parse_args()
    settings = SimulationSettings(
        studies=options.studies,
        workers=Workers(jobs=options.jobs),
        store=options.store,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    results = calibrate_structures(settings)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_structures(results, options.folder)
    table = "\n".join(format_named(tabulate_named(results, KIND), KIND))
    page = options.folder / "simulate.md"
    if page.exists():
        page.write_text(put_between(page.read_text(encoding="utf-8"), MARKS, table), encoding="utf-8")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
