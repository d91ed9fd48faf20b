"""Check that draws given print are calibrated, on small invented publications: docs/calibration_cohorts.csv and .png.

scripts/calibrate_cohorts.py [--studies 40] [--draws 10] [--steps 48] [--seed 18] [--fault none] [--store FILE]
"""

import argparse
from pathlib import Path

from bayes_alliance.dev.cohort_calibration import calibrate, judge


def main() -> None:
    """Run what is missing, and print the checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("studies", 40), ("draws", 10), ("steps", 48), ("seed", 18)):
        parser.add_argument(f"--{name}", type=int, default=default)
    faults = ("none", "nearest_edge", "euclidean", "flipped_sign")
    parser.add_argument("--fault", choices=faults, default="none")
    parser.add_argument("--store", type=Path, default=Path("results/calibration_cohorts.jsonl"))
    options = vars(parser.parse_args())
    store = options.pop("store")
    store.parent.mkdir(parents=True, exist_ok=True)
    ranks, coverage = judge(calibrate(store, **options, report=lambda line: print(line, flush=True)))
    for check in ranks:
        print(f"{check.name}: distance {check.distance:.3f}, band {check.band:.3f}, passed {check.passed}")
    for item in coverage:
        print(f"{item.level:.0%}: {item.covered:.3f} (error {item.error:.3f}), passed {item.passed}")


if __name__ == "__main__":
    main()
