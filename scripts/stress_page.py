#!/usr/bin/env python
"""Make the tables of docs/stress.md again, on the cohorts that ship with the built-in study.

scripts/stress_page.py                       every part
scripts/stress_page.py missing conditioning  some of them; the others stay as they are stored
"""

import argparse
import json
from pathlib import Path

from bayes_alliance.dev.ensemble_page import ensemble_digest, shipped
from bayes_alliance.dev.stress_numbers import PARTS
from bayes_alliance.dev.stress_page import STORE, stress_page
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Compute parts, store them with the digest of the ensemble, and put the tables into the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts or list(PARTS)
    study = load_study("folmo2020")
    cohorts = shipped(study)
    store = DOCS / STORE
    kept = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    for part in parts:
        numbers = PARTS[part](study, cohorts, lambda line: print(line, flush=True))
        kept[part] = {"ensemble": ensemble_digest(cohorts), "cohorts": len(cohorts), **numbers}
        store.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if set(kept) == set(PARTS):
        page = DOCS / "stress.md"
        page.write_text(stress_page(page.read_text(encoding="utf-8"), kept), encoding="utf-8")


if __name__ == "__main__":
    main()
