#!/usr/bin/env python
"""On simulated studies: whether cohorts rebuilt from the printed table span the posterior from the true data."""

import argparse
import sys
from pathlib import Path

from bayes_alliance.dev.cohort_truth import check_truth, format_truth
from bayes_alliance.runtime.pool import default_jobs
from bayes_alliance.runtime.task_store import Workers


def main() -> int:
    """Print the figures; what lies in the store is not done again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20, help="studies to simulate (%(default)s)")
    parser.add_argument("--cohorts", type=int, default=20, help="cohorts for each (%(default)s)")
    parser.add_argument("--seed", type=int, default=2_000_000, help="seed of the first study (%(default)s)")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes (default: all)")
    parser.add_argument("--out", type=Path, default=Path("results/truth"), help="store (%(default)s)")
    options = parser.parse_args()
    found = check_truth(
        range(options.seed, options.seed + options.studies),
        count=options.cohorts,
        workers=Workers(jobs=options.jobs),
        store=options.out,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for line in format_truth(found, count=options.cohorts):
        print(line)
    return 3 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
