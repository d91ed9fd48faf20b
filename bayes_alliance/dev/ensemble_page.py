"""What the shipped cohorts are: the tables of docs/given_print.md and docs/cohorts.md that are made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from bayes_alliance.cohorts.estimates import spread_estimates
from bayes_alliance.cohorts.store import StoredCohort, load_ensemble
from bayes_alliance.cohorts.typicality import check_ensemble
from bayes_alliance.run.results import Spread
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.tables.cohorts import tabulate_ensemble_checks
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study

CHECKS = "<!-- ensemble checks -->", "<!-- end of ensemble checks -->"
COUNTS = "<!-- cohorts -->", "<!-- end of cohorts -->"
SPREAD = "<!-- spread -->", "<!-- end of spread -->"
# Slope deviations whose spread is shown: by model and estimand, and what is printed of them.
_SHOWN = (
    ("tasks_outcome", "deviation_poor_outcome", "printed"),
    ("tasks_outcome_ppd", "ppd_in_poor", "printed"),
    ("tasks_outcome_ppd", "ppd_in_good", "printed as `ns`"),
    ("tasks_outcome_ppd", "moderation", "not printed"),
    ("goals_outcome_ppd", "moderation", "not printed"),
)


def shipped(study: Study) -> list[StoredCohort]:
    """Return the cohorts that ship with a study."""
    return list(load_ensemble(study, study.folder / study.data.ensemble))


def ensemble_digest(cohorts: Sequence[StoredCohort]) -> str:
    """Digest the rows of all cohorts, so that what was computed on others is noticed."""
    digest = hashlib.sha256()
    for cohort in cohorts:
        digest.update(cohort.frame.to_csv(index=False).encode())
    return digest.hexdigest()[:16]


def put_between(written: str, marks: tuple[str, str], text: str) -> str:
    """Put text into a page, between its two marks."""
    before, _, rest = written.partition(marks[0])
    return "\n".join([before + marks[0], "", text, "", marks[1] + rest.partition(marks[1])[2]])


def checks_table(study: Study, facts: Sequence[Mapping[str, Any]]) -> str:
    """Return the checks of the ensemble as Markdown."""
    table = tabulate_ensemble_checks(study, check_ensemble(study, facts))
    shown = ("what", "limits", "found", "where", "verdict")
    lines = ["| checked | ordinary | farthest out | where | check |", "|---|---|---|---|---|"]
    columns = [table.column(name) for name in shown]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in zip(*columns, strict=True)]
    return "\n".join(lines)


def counts_text(facts: Sequence[Mapping[str, Any]]) -> str:
    """Return how many cohorts there are and what they print, in two sentences."""
    cells = sorted({tuple(fact["cells"]) for fact in facts})
    text = sorted({tuple(fact["text"]) for fact in facts})
    tilted = sum(bool(fact["tilt"]) for fact in facts)
    drawn = sum(bool(fact["drawn"]) for fact in facts)
    return (
        f"{len(facts)} cohorts ship, {drawn} of them drawn given print. They print {_counts(cells)} numbers of the "
        f"tables and meet {_counts(text)} statements of the text.\nIn {tilted} of them predictors lean towards "
        "often- or seldom-assessed patients, since none of the random deals tried had the printed standard errors."
    )


def _counts(pairs: Sequence[tuple[int, ...]]) -> str:
    return " or ".join(f"{met} of {asked}" for met, asked in pairs)


def spread_table(study: Study, cohorts: Sequence[StoredCohort]) -> str:
    """Return how far the posteriors of some slope deviations spread over the cohorts, as Markdown, over the horizon."""
    found = {(spread.model_id, spread.name): spread for spread in spread_estimates(study, cohorts)}
    lines = [
        f"| slope deviation, points over {study.horizon:g} {study.time_unit} | posterior mean: least to largest "
        "| SD between cohorts | posterior SD |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [_spread_row(study, found[model, name], said) for model, name, said in _SHOWN]
    return "\n".join(lines)


def _spread_row(study: Study, spread: Spread, said: str) -> str:
    outcome = spread.model_id.split("_")[0].capitalize()
    low, high, between, within = (
        format_fixed(study.horizon * value, 2)
        for value in (spread.bayes_low, spread.bayes_high, spread.bayes_sd, spread.posterior_sd)
    )
    return f"| {outcome}: {spread.label} ({said}) | {low} to {high} | {between} | {within} |"


def given_print_page(written: str) -> str:
    """Put the checks of the shipped cohorts into the page on draws given print."""
    study = load_study("folmo2020")
    return put_between(written, CHECKS, checks_table(study, [cohort.facts for cohort in shipped(study)]))


def cohorts_page(written: str) -> str:
    """Put counts and spread of the shipped cohorts into the page on cohorts."""
    study = load_study("folmo2020")
    cohorts = shipped(study)
    counted = put_between(written, COUNTS, counts_text([cohort.facts for cohort in cohorts]))
    return put_between(counted, SPREAD, spread_table(study, cohorts))
