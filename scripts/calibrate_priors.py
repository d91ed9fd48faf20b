#!/usr/bin/env python
"""Calibrate engine ``collapsed`` under every prior of the suite: docs/calibration_priors_<model>.csv and .png.

The table of docs/simulate.md is written too, where the folder holds that page.
"""

import argparse
import sys
from pathlib import Path

from bayes_alliance.dev.ensemble_page import put_between
from bayes_alliance.dev.prior_calibration import (
    MARKS,
    calibrate_suite,
    format_suite,
    tabulate_suite,
    write_suite,
)
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.simulation.records import SimulationSettings
from bayes_alliance.study.load_study import load_study


def main() -> int:
    """Simulate, write the numbers, the figure and the table of docs/simulate.md, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="folmo2020", help="study (%(default)s)")
    parser.add_argument("--model", default="tasks_ppd", help="whose design (%(default)s)")
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies a prior (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="where to write (%(default)s)")
    parser.add_argument(
        "--store", type=Path, default=Path("results/calibration_priors"), help="finished studies"
    )
    options = parser.parse_args()
    settings = SimulationSettings(
        studies=options.studies,
        model=options.model,
        workers=Workers(jobs=options.jobs),
        store=options.store,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    setting, results = calibrate_suite(load_study(options.study), settings)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_suite(setting, results, options.folder)
    table = "\n".join(format_suite(tabulate_suite(results)))
    page = options.folder / "simulate.md"
    if page.exists():
        page.write_text(put_between(page.read_text(encoding="utf-8"), MARKS, table), encoding="utf-8")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
