#!/usr/bin/env python
"""On invented tables: false alarms of the audit, and posteriors from the table beside those from data.

scripts/calibrate_published.py --store FILE --papers 1000    judge what the file lacks (about 2.5 s a publication)
scripts/calibrate_published.py --store FILE... --write       tables in docs/ from it
scripts/calibrate_published.py --rounding-only --papers 100  bands of rounding alone, printed
"""

import argparse
import sys
from pathlib import Path

from bayes_alliance.dev.campaign_page import write_campaign
from bayes_alliance.dev.dialects import DIALECTS
from bayes_alliance.dev.published_campaign import read_lines, run_campaign, summarise_campaign
from bayes_alliance.dev.published_recovery import format_recovery, once_per_seed, recover
from bayes_alliance.inference.collapsed import fit_collapsed

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> int:
    """Judge publications, or write what follows from those that are stored."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--papers", type=int, default=1000, help="publications (%(default)s)")
    parser.add_argument("--seed", type=int, default=2_000_000, help="seed of the first (%(default)s)")
    parser.add_argument("--dialect", choices=DIALECTS, nargs="+", default=DIALECTS, help="how tables print")
    parser.add_argument("--store", type=Path, nargs="+", help="file or files with a line a publication")
    parser.add_argument("--write", action="store_true", help="make the tables of the documentation")
    parser.add_argument("--rounding-only", action="store_true", help="bands of rounding alone")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.papers)
    if options.rounding_only:
        fit = once_per_seed(lambda design, rows, priors, seed: fit_collapsed(design, rows, priors, seed=seed))
        for dialect in options.dialect:
            found = recover(seeds, fit, rounding_only=True, dialect=dialect)
            print(f"Dialect {dialect}", *format_recovery(found), sep="\n", flush=True)
        return 0
    if not options.store:
        parser.error("--store FILE is required without --rounding-only")
    if options.write:
        write_campaign(summarise_campaign(read_lines(options.store)), DOCS)
        return 0
    run_campaign(
        options.store[0], seeds, dialects=options.dialect, report=lambda line: print(line, flush=True)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
