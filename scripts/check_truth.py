#!/usr/bin/env python
"""On simulated studies: whether cohorts rebuilt from the printed table span the posterior from the true data."""

import argparse
import sys

from bayes_alliance.reconstruct.truth import check_truth, format_truth
from bayes_alliance.workers import Pool, default_jobs


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20, help="studies to simulate (%(default)s)")
    parser.add_argument("--cohorts", type=int, default=20, help="cohorts for each (%(default)s)")
    parser.add_argument("--seed", type=int, default=2_000_000, help="seed of the first study (%(default)s)")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes (default: all)")
    options = parser.parse_args()
    cases = []
    with Pool(options.jobs) as workers:
        seeds = range(options.seed, options.seed + options.studies)
        promises = {seed: workers.submit(check_truth, seed, count=options.cohorts) for seed in seeds}
        for seed, promise in promises.items():
            try:
                found = promise.result()
            except ValueError as error:
                print(f"{seed}: left out: {error}", flush=True)
                continue
            cases += found
            spanned = sum(case.spans_interval() for case in found)
            print(f"{seed}: {spanned} of {len(found)} estimates spanned", flush=True)
    for line in format_truth(cases, count=options.cohorts):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
