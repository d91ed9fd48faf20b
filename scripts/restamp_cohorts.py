"""Judge and fit the shipped cohorts of a study anew after its facts, models or default prior have changed.

    scripts/restamp_cohorts.py [--study folmo2020] [--lines-only]

Scores stay as they are: what a cohort does not meet is said on its scorecard.
"""

import argparse

from bayes_alliance.cohorts.ensemble import restamp
from bayes_alliance.cohorts.store import list_cohorts
from bayes_alliance.study.load_study import load_study


def main() -> None:
    """Restamp every cohort of the study's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="folmo2020")
    parser.add_argument(
        "--lines-only", action="store_true", help="fit only models that have no estimates yet"
    )
    options = parser.parse_args()
    study = load_study(options.study)
    for path in list_cohorts(study.folder / study.data.ensemble):
        facts = restamp(study, path, refit=not options.lines_only)
        print(path.stem, facts["cells"], facts["text"], flush=True)


if __name__ == "__main__":
    main()
