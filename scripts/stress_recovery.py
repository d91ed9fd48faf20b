#!/usr/bin/env python
"""Whether the sampled likelihoods of the stress tests find what rows were simulated from (docs/stress.md)."""

import argparse
import sys

from bayes_alliance.dev.stress_recovery import format_recovered, recover
from bayes_alliance.stress.sampled import FAMILIES, SampledSettings


def main() -> int:
    """Print one line of the table for each family and parameter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="data sets of each family (%(default)s)")
    parser.add_argument("--patients", type=int, default=120, help="in each (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first data set (%(default)s)")
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only this one; repeatable")
    options = parser.parse_args()
    settings = SampledSettings(draws=500, tune=500, chains=2, cores=1)
    for line in recover(
        options.family or FAMILIES,
        count=options.count,
        n=options.patients,
        seed=options.seed,
        settings=settings,
    ):
        print(format_recovered(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
