#!/usr/bin/env python
"""Check that draws given print are calibrated, on small invented publications.

scripts/calibrate_cohorts.py [--studies 40] [--fault none]   judge what docs/calibration_cohorts.jsonl lacks
scripts/calibrate_cohorts.py --write                         table, figure and section of docs/given_print.md from it
"""

import argparse
from pathlib import Path

from bayes_alliance.dev.calibration_page import (
    FIGURE,
    STORE,
    TABLE,
    draw_figure,
    format_section,
    format_table,
    judge_all,
    put_section,
    read_all,
)
from bayes_alliance.dev.cohort_calibration import calibrate, judge
from bayes_alliance.dev.small_draws import FAULTS

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Run what is missing and print the checks, or write what follows from the stored studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("studies", 40), ("draws", 9), ("steps", 72), ("seed", 18)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--store", type=Path, default=DOCS / STORE)
    parser.add_argument("--write", action="store_true")
    options = vars(parser.parse_args())
    store, write = options.pop("store"), options.pop("write")
    if write:
        studies = read_all(store)
        judged = judge_all(studies)
        (DOCS / TABLE).write_text(format_table(judged), encoding="utf-8")
        page = DOCS / "given_print.md"
        page.write_text(
            put_section(page.read_text(encoding="utf-8"), format_section(studies, judged)), encoding="utf-8"
        )
        draw_figure(studies, DOCS / FIGURE)
        return
    store.parent.mkdir(parents=True, exist_ok=True)
    ranks, coverage = judge(calibrate(store, **options, report=lambda line: print(line, flush=True)))
    for check in ranks:
        print(f"{check.name}: distance {check.distance:.3f}, band {check.band:.3f}, passed {check.passed}")
    for item in coverage:
        print(
            f"{item.name}, {item.level:.0%}: {item.covered:.3f} (error {item.error:.3f}), passed {item.passed}"
        )


if __name__ == "__main__":
    main()
