#!/usr/bin/env python
"""Count whether posterior weights of readings are right, on publications whose readings are known.

scripts/calibrate_readings.py [--publications 200]   weigh what docs/calibration_readings.csv lacks
scripts/calibrate_readings.py --write                section of docs/readings.md from it
"""

import argparse
from pathlib import Path

from bayes_alliance.dev.reading_calibration import (
    FILE,
    put_sections,
    read_weighed,
    weigh_more,
)
from bayes_alliance.published.reading_weights import weigh_readings
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Weigh what is missing, or write what follows from the stored weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--publications", type=int, default=200)
    parser.add_argument("--store", type=Path, default=DOCS / FILE)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        page = DOCS / "readings.md"
        study = load_study("folmo2020")
        weighed = weigh_readings(study, load_readings(study))
        text = put_sections(page.read_text(encoding="utf-8"), read_weighed(options.store), weighed)
        page.write_text(text, encoding="utf-8")
        return
    weigh_more(options.store, options.publications, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
