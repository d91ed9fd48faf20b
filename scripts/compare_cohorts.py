#!/usr/bin/env python
"""Set two folders of cohorts side by side: where rounded numbers lie in their intervals, and how cohorts differ.

scripts/compare_cohorts.py models/folmo2020/cohorts results/cohorts     the table of docs/given_print.md
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.cohorts.store import list_cohorts, read_cohort
from bayes_alliance.study.load_study import load_study

KINDS = {
    "estimate": "estimates",
    "se": "standard errors",
    "explained_slope": "explained variation of slopes",
    "aic": "AIC",
}


def end_distances(facts: list[dict[str, Any]]) -> list[float]:
    """Mean distance to the nearer end, as a share of the interval, of each kind of number."""
    found = []
    for kind in KINDS:
        lines = [line for one in facts for line in one["lines"] if line[2] == kind and None not in line[4:7]]
        places = np.array(
            [(value - low) / (high - low) for *_, low, high, value in (line[:7] for line in lines)]
        )
        found.append(float(np.mean(np.minimum(places, 1.0 - places))))
    return found


def spreads(facts: list[dict[str, Any]], models: set[str]) -> tuple[float, int]:
    """Median over estimands of the SD of posterior means between cohorts over the mean SD within; how many."""
    ratios = []
    for model in sorted(models & set(facts[0]["estimates"])):
        for name in facts[0]["estimates"][model]:
            values = np.array([one["estimates"][model][name][:2] for one in facts])
            ratios.append(values[:, 0].std(ddof=1) / values[:, 1].mean())
    return float(np.median(ratios)), len(ratios)


def main() -> None:
    """Print the table; the folder with more cohorts is cut to as many as the other has."""
    folders = [list_cohorts(Path(name)) for name in sys.argv[1:3]]
    count = min(len(paths) for paths in folders)
    facts = [[dict(read_cohort(path).facts) for path in paths[:count]] for paths in folders]
    study = load_study("folmo2020")
    printed = {cell.model for cell in study.cells if cell.model}
    rest = {model.id for model in study.models} - printed
    print(f"| first {count} cohorts of each | {' | '.join(sys.argv[1:3])} |\n|---|---|---|")
    for name, *values in zip(KINDS.values(), *(end_distances(one) for one in facts), strict=True):
        print(f"| distance to the nearer end (uniform: 0.25): {name} | {values[0]:.2f} | {values[1]:.2f} |")
    for name, models in (("models of the tables", printed), ("other models", rest)):
        found = [spreads(one, models) for one in facts]
        print(
            f"| SD between over SD within, {found[0][1]} estimands of {name} | {found[0][0]:.2f} | {found[1][0]:.2f} |"
        )


if __name__ == "__main__":
    main()
