#!/usr/bin/env python
"""Check that draws given print are calibrated, on small invented publications and on some of the built-in one's size.

scripts/calibrate_cohorts.py [--studies 40] [--fault none]   judge what docs/calibration_cohorts.jsonl lacks
scripts/calibrate_cohorts.py --full-size [--studies 60]      the steps that draw shipped cohorts, likewise
scripts/calibrate_cohorts.py --whole-study [--studies 5] [--draws 7] [--seed 5]
                                                             cohorts like those that ship, given simulated publications
                                                             of the built-in study's size: about a minute a cohort
scripts/calibrate_cohorts.py --write                         tables, figures and sections of docs/given_print.md
"""

import argparse
import json
from pathlib import Path

from bayes_alliance.dev import calibration_page as page
from bayes_alliance.dev import whole_study_page as whole_page
from bayes_alliance.dev.cohort_calibration import calibrate, calibrate_full_size, judge, read_studies
from bayes_alliance.dev.small_draws import FAULTS
from bayes_alliance.dev.whole_study_calibration import (
    calibrate_whole_study,
    judge_whole_study,
    read_lines,
    read_whole_studies,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
# Every data set of a campaign on whole studies: large, and of no use but to go on with it.
WORK = DOCS.parent / "results" / "calibration_whole_study_members.jsonl"
# Studies, draws for each, and seed, where nothing else is asked.
USUAL = {"small": (40, 9, 18), "whole": (5, 7, 5)}


def main() -> None:
    """Run what is missing and print the checks, or write what follows from the stored studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("studies", "draws", "seed"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--steps", type=int, default=72)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--whole-study", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="first of the whole studies, to share the work")
    parser.add_argument("--write", action="store_true")
    options = vars(parser.parse_args())
    full_size, whole, write, first = (
        options.pop(name) for name in ("full_size", "whole_study", "write", "first")
    )
    usual = dict(zip(("studies", "draws", "seed"), USUAL["whole" if whole else "small"], strict=True))
    options |= {name: value for name, value in usual.items() if options[name] is None}
    settings = {name: options[name] for name in usual}
    if write:
        write_page()
        return
    if whole:
        found = calibrate_whole_study(WORK, DOCS / whole_page.STORE, **settings, report=say, first=first)
        if first:
            return
    elif full_size:
        found = calibrate_full_size(DOCS / page.FULL_SIZE_STORE, **settings, report=say)
    else:
        found = calibrate(DOCS / page.STORE, **options, report=say)
    ranks, coverage = judge_whole_study(found) if whole else judge(found)
    for check in ranks:
        print(f"{check.name}: distance {check.distance:.3f}, band {check.band:.3f}, passed {check.passed}")
    for item in coverage:
        print(
            f"{item.name}, {item.level:.0%}: {item.covered:.3f} (error {item.error:.3f}), passed {item.passed}"
        )


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def write_page() -> None:
    """Write tables, figures and sections from the stored studies."""
    chains, full_size = page.read_all(DOCS / page.STORE), read_studies(DOCS / page.FULL_SIZE_STORE, "none")
    judged = page.judge_all(chains)
    (DOCS / page.TABLE).write_text(page.format_table(judged), encoding="utf-8")
    (DOCS / page.FULL_SIZE_TABLE).write_text(page.format_table({"none": judge(full_size)}), encoding="utf-8")
    written = (DOCS / "given_print.md").read_text(encoding="utf-8")
    written = page.put_section(written, page.format_section(chains, judged))
    written = page.put_section(written, page.format_full_size(full_size), page.FULL_SIZE_MARKS)
    whole = read_whole_studies(DOCS / whole_page.STORE)
    if whole:
        (DOCS / whole_page.TABLE).write_text(whole_page.format_table(whole), encoding="utf-8")
        places = DOCS / whole_page.PLACES
        if WORK.exists():
            first = json.loads((DOCS / whole_page.STORE).read_text(encoding="utf-8").splitlines()[0])
            members = read_lines(WORK, {name: first[name] for name in ("code", "seed")})
            places.write_text(whole_page.keep_places(members), encoding="utf-8")
        kept = places.read_text(encoding="utf-8")
        written = page.put_section(written, whole_page.format_section(whole, kept), whole_page.MARKS)
    (DOCS / "given_print.md").write_text(written, encoding="utf-8")
    page.draw_figure(chains, DOCS / page.FIGURE)
    page.draw_figure({"none": full_size}, DOCS / page.FULL_SIZE_FIGURE)


if __name__ == "__main__":
    main()
