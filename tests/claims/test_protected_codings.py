"""Codings of real data are analysed beside each other only where no two fits differ by a few patients."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import Evaluator, Fitted
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.protected_codings import withhold_codings
from bayes_alliance.claims.recode import recode
from bayes_alliance.claims.run import run_claims
from bayes_alliance.claims.settings import ClaimsSettings
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.run.protected_rows import protect_rows
from bayes_alliance.show.disclosure import round_significant
from bayes_alliance.show.tables.claims import build_claim_tables
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source, Study
from tests.claims_study import CHOICES, load_toy, toy_data, toy_frame, write_toy

K = 5
# Two patients end between 58 and 60, and two have two scores only.
MORE = (
    CHOICES.replace("value = 55", "value = 58")
    + """
[[axes]]
id = "scores"
label = "Patients with at least"
options = [
  { id = "one", label = "one score" },
  { id = "three", label = "three scores", at_least = { n_scores = 3 } },
]
"""
)


def _frame(n_between: int, n_short: int) -> pd.DataFrame:
    """Sixty patients, of whom some are poor by one limit only, and some have two scores."""
    frame = toy_frame(60)
    names = frame["patient"].unique()
    poor = names[1::2]
    frame["end"] = np.where(frame["patient"].isin(poor), 50.0, 70.0)
    frame.loc[frame["patient"].isin(poor[:n_between]), "end"] = 59.0
    frame["other_end"] = np.where(frame["patient"].isin(names[:30]), 50.0, 70.0)
    short = frame["patient"].isin(names[-n_short:]) & (frame["months"] > 6)
    return frame[~short].reset_index(drop=True)


def _real(folder: Path, n_between: int, n_short: int) -> tuple[Study, Multiverse, Ledger, StudyData]:
    frame = _frame(n_between, n_short)
    study, choices, ledger = load_toy(write_toy(folder / "toy", choices=MORE, frame=frame))
    data = protect_rows(study, toy_data(study, frame, source=Source.REAL), K)
    return study, choices, ledger, data


def _fits(
    study: Study, choices: Multiverse, data: StudyData
) -> Iterator[tuple[str, dict[tuple[str, float], tuple[object, ...]]]]:
    """Rows of every fit of the multiverse that is not withheld: a model, and its values by patient and score."""
    for coding in choices.codings(choices.axes):
        coded = recode(study, data, coding)
        for name in choices.models:
            model = study.model(name)
            if (choices.departures(option.id for option in coding), name) in choices.withheld:
                continue
            planned = plan_model(coded, model, parse_formula(model.formula).names)
            if isinstance(planned, PlannedModel):
                rows = planned.frozen.rows
                columns = [rows[column].tolist() for column in sorted(rows.columns)]
                keys = zip(rows["patient"].astype(str), rows["score"], strict=True)
                yield name, dict(zip(keys, zip(*columns, strict=True), strict=True))


def _few_apart(study: Study, choices: Multiverse, data: StudyData) -> list[int]:
    """Numbers of patients, where few, by whose rows two fits differ, or by whose values one model does."""
    found = []
    for (name, one), (other_name, other) in combinations(_fits(study, choices, data), 2):
        differing = {key[0] for key in one.keys() ^ other.keys()}
        if name == other_name:
            differing |= {key[0] for key in one.keys() & other.keys() if one[key] != other[key]}
        if 0 < len(differing) < K:
            found.append(len(differing))
    return found


@pytest.mark.parametrize(
    ("n_between", "n_short", "withheld"),
    [
        (2, 2, {"below_55", "three"}),
        (2, 8, {"below_55"}),
        (8, 3, {"three"}),
        (8, 8, set()),
    ],
)
def test_no_two_fits_of_the_multiverse_differ_by_a_few_patients(
    n_between: int, n_short: int, withheld: set[str], tmp_path: Path
) -> None:
    """Single departures that concern few patients go; what is combined with others differs by few or it stays."""
    study, choices, ledger, data = _real(tmp_path, n_between, n_short)
    protected = withhold_codings(study, data, choices, ledger, combined=True)
    single = {name for departures, _ in protected.withheld if len(departures) == 1 for name in departures}
    assert single == withheld
    assert bool(_few_apart(study, choices, data)) is bool(withheld)
    assert not _few_apart(study, protected, data)
    models = {(next(iter(d)), model) for d, model in protected.withheld if len(d) == 1}
    # Who is poor is nothing to a model without outcome.
    assert ("below_55", "growth") not in models and (("three", "growth") in models) is ("three" in withheld)


def _guess(whole: Fitted, without: Fitted, times: Array, grid: Array) -> Array:
    """Guess the scores of the patient by whom two fits differ, from estimates with five digits and everybody's visits.

    Every possible record is added to the smaller fit by weighted least squares; the one that leads nearest to the
    estimates of the larger fit is taken.
    """

    def told(values: Array) -> Array:
        return np.array([round_significant(float(value)) for value in np.ravel(values)])

    beta, sd, correlation, sigma = (told(np.median(v, axis=0)) for v in without.fit.flat())
    cov = np.array([[1.0, correlation[0]], [correlation[0], 1.0]]) * np.outer(sd, sd)

    def information(at: Array) -> tuple[Array, Array]:
        x = np.column_stack([np.ones(len(at)), at])
        weighted = x.T @ np.linalg.inv(x @ cov @ x.T + sigma[0] ** 2 * np.eye(len(at)))
        return weighted @ x, weighted

    visits = without.planned.frozen.rows
    rest = sum(
        (information(own.to_numpy())[0] for _, own in visits.groupby("patient")["months"]), np.zeros((2, 2))
    )
    mine, weighted = information(times)
    records = np.array(list(itertools.product(grid, repeat=len(times))))
    reached = np.linalg.solve(rest + mine, (rest @ beta)[:, None] + weighted @ records.T).T
    gap = (reached - told(np.median(whole.fit.flat()[0], axis=0))) @ np.linalg.cholesky(rest)
    best: Array = records[np.argmin(np.sum(gap**2, axis=1))]
    return best


def test_the_record_of_a_patient_follows_from_two_codings(tmp_path: Path) -> None:
    """Estimates with and without one patient tell that patient's scores, so the second fit is withheld.

    The attack finds most of seven records, and misses none by more than a step of the scale.
    """
    grid = np.arange(1.0, 9.01, 0.5)
    right = []
    for patient in range(7):
        frame = _frame(8, 1)
        frame["score"] = np.round(2.0 * frame["score"]) / 2.0
        mine = frame["patient"] == frame["patient"].unique()[-1]
        record = frame.loc[frame["patient"] == frame["patient"].unique()[patient], "score"].to_numpy()[:2]
        frame.loc[mine, "score"] = record
        folder = write_toy(tmp_path / str(patient), choices=MORE, frame=frame)
        study, choices, ledger = load_toy(folder)
        data = protect_rows(study, toy_data(study, frame, source=Source.REAL), K)
        variant = prior_suite(study)[0]
        evaluator = Evaluator(study, data, choices, seed=1, variant=variant)
        whole, without = (evaluator.fit("growth", coding) for coding in ("", "three"))
        assert whole.stats.n_patients == without.stats.n_patients + 1
        times = frame.loc[mine, "months"].to_numpy(dtype=float)
        right.append(np.abs(_guess(whole, without, times, grid) - record).max())
    # One of 289 possible records by chance.
    assert sum(far == 0.0 for far in right) >= 3 and max(right) <= 0.5
    protected = withhold_codings(study, data, choices, ledger, combined=False)
    evaluator = Evaluator(study, data, protected, seed=1, variant=variant)
    assert evaluator.fit("growth").stats.n_patients == whole.stats.n_patients
    with pytest.raises(CannotTell, match=r"growth: withheld: under this coding .* fewer than 5 patients"):
        evaluator.fit("growth", "three")


def test_a_run_on_real_data_says_what_was_withheld_and_one_on_synthetic_data_withholds_nothing(
    tmp_path: Path,
) -> None:
    """Specifications under the coding are not applicable, with the reason."""
    study, choices, ledger, data = _real(tmp_path, 2, 8)
    settings = ClaimsSettings(draws=400)
    run = run_claims(study, data, {}, ledger, choices, settings)
    assert run.multiverse is not None
    under = [
        cell.result
        for cell in run.multiverse.cells
        if dict(cell.choices)["poor"] == "below_55" and "withheld" in cell.result.reason
    ]
    assert under and all(result.judgement is None for result in under)
    parts = next(table for table in build_claim_tables(run) if table.id == "claim_parts")
    real = [
        row
        for row in zip(parts.column("source"), parts.column("digests"), strict=True)
        if "real" in str(row[0])
    ]
    assert real and not any(digests for _, digests in real)
    synthetic = dataclasses.replace(data, source=Source.SYNTHETIC, min_cell=0)
    assert withhold_codings(study, synthetic, choices, ledger, combined=True) is choices
