#!/usr/bin/env python
"""Make the simulations of docs/simulate.md again, on the design of the first cohort that ships.

scripts/simulation_page.py                  calibration and comparison; finished studies in --out are kept
scripts/simulation_page.py comparison       one of them
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from bayes_alliance.cli.main import main as command
from bayes_alliance.dev.ensemble_page import ensemble_digest, shipped
from bayes_alliance.dev.simulation_page import SIMULATIONS, STORE, TABLES, simulation_page
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> int:
    """Run, copy figures and numbers, store the digest of the design, and write the text of the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(SIMULATIONS))
    parser.add_argument("--jobs", default="1", help="processes (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/simulation_page"))
    options = parser.parse_args()
    store = DOCS / STORE
    digests = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    for part in options.parts or SIMULATIONS:
        folder = options.out / part
        simulation = SIMULATIONS[part]
        code = command([*simulation.arguments, "--jobs", options.jobs, "--out", str(folder)])
        if code:
            return code
        for name, made in {**simulation.files, **TABLES[part]}.items():
            shutil.copy(folder / made, DOCS / name)
        digests[part] = ensemble_digest(shipped(load_study("folmo2020"))[:1])
        store.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    page = DOCS / "simulate.md"
    page.write_text(simulation_page(page.read_text(encoding="utf-8"), DOCS, digests), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
