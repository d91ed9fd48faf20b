#!/usr/bin/env python
"""On invented tables: false alarms of the audit, and posteriors from the table beside those from data."""

import argparse
import sys

from bayes_alliance.dev.dialects import DIALECTS
from bayes_alliance.dev.false_alarms import count_by_dialect, format_false_alarms
from bayes_alliance.dev.published_recovery import format_recovery, once_per_seed, recover
from bayes_alliance.inference.collapsed import fit_collapsed


def main() -> int:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000, help="tables to audit (%(default)s)")
    parser.add_argument("--dialect", choices=DIALECTS, nargs="+", default=["stars"], help="how tables print")
    parser.add_argument("--posteriors", type=int, default=200, help="tables to compare (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first table (%(default)s)")
    parser.add_argument("--rounding-only", action="store_true", help="bands of rounding alone")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.tables)
    for dialect, alarms in count_by_dialect(seeds, options.dialect).items():
        print(f"Dialect {dialect}")
        for line in format_false_alarms(alarms):
            print(line, flush=True)
    first = options.seed + 1_000_000
    fit = once_per_seed(lambda design, rows, priors, seed: fit_collapsed(design, rows, priors, seed=seed))
    seeds = range(first, first + options.posteriors)
    for dialect in options.dialect:
        print(f"Dialect {dialect}")
        found = recover(seeds, fit, rounding_only=options.rounding_only, dialect=dialect)
        for line in format_recovery(found):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
