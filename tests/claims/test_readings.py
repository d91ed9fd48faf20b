"""Claims under every reading of the publication: from print, on a cohort analysed anew, and mixed by weights."""

import dataclasses
from pathlib import Path

import pytest

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_printed import judge_printed
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.readings import (
    ReadingVerdict,
    coding_of,
    combine_with_base,
    gather_readings,
    judge_readings_printed,
    reading_challenges,
    reading_tasks,
)
from bayes_alliance.claims.recode import recode
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.claims.run import run_claims
from bayes_alliance.claims.settings import ClaimsSettings
from bayes_alliance.claims.tasks import Specification, combine_parts, judge_under, load_rows, restore
from bayes_alliance.published.reading_weights import WeighedReading, weigh_readings
from bayes_alliance.show.claims_json import claims_json
from bayes_alliance.show.report.companions import view_claims
from bayes_alliance.show.tables.claim_readings import say_reading_change, tabulate_claim_readings
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study

CLAIMS = ("change_differs", "completing_gaf", "paranoid_in_poor", "mood_gaf_level")
Printed = dict[tuple[str, str], dict[str, ClaimResult]]


@pytest.fixture(scope="module")
def folmo() -> Study:
    """Load the built-in study."""
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def choices(folmo: Study) -> Multiverse:
    """Load its choices."""
    return load_choices(folmo)


@pytest.fixture(scope="module")
def ledger(folmo: Study, choices: Multiverse) -> Ledger:
    """Keep four of its claims."""
    found = load_claims(folmo, choices)
    return dataclasses.replace(found, claims=tuple(found.claim(name) for name in CLAIMS))


@pytest.fixture(scope="module")
def weighed(folmo: Study) -> tuple[WeighedReading, ...]:
    """Weigh its readings."""
    return weigh_readings(folmo, load_readings(folmo))


@pytest.fixture(scope="module")
def base(folmo: Study, ledger: Ledger) -> tuple[ClaimResult, ...]:
    """Judge the claims from print."""
    return judge_printed(folmo, ledger, 1)[0][1]


@pytest.fixture(scope="module")
def printed(
    folmo: Study, ledger: Ledger, weighed: tuple[WeighedReading, ...], base: tuple[ClaimResult, ...]
) -> Printed:
    """Judge them under every option."""
    return judge_readings_printed(folmo, ledger, weighed, base, 1)


@pytest.fixture(scope="module")
def cohort(folmo: Study) -> Path:
    """Find the first cohort."""
    return sorted((folmo.folder / "cohorts").glob("*.parquet"))[0]


def verdict_of(found: tuple[ReadingVerdict, ...], claim: str, reading: str) -> ReadingVerdict:
    """Find a claim under a reading."""
    return next(v for v in found if (v.claim_id, v.reading.reading.id) == (claim, reading))


def test_the_other_coding_turns_the_claim_round(printed: Printed) -> None:
    """-0.3 for those who completed contradicts what -0.3 for those who did not supports."""
    assert printed["completed", "not_completed"]["completing_gaf"].verdict is Verdict.SUPPORTED
    assert printed["completed", "completed"]["completing_gaf"].verdict is Verdict.CONTRADICTED


def test_only_claims_that_a_reading_touches(printed: Printed) -> None:
    """The rows by outcome do not touch completing; the coding of completing touches nothing else."""
    assert set(printed["completed", "completed"]) == {"completing_gaf"}
    assert set(printed["outcome_rows", "without"]) == {"change_differs"}
    assert "paranoid_in_poor" in printed["crossed_cells", "against_good_none"]


def test_a_mixture_weighs_options_by_print(
    ledger: Ledger,
    weighed: tuple[WeighedReading, ...],
    base: tuple[ClaimResult, ...],
    printed: Printed,
) -> None:
    """The mixed probability of a direction is the mean of those of the options, by their posterior weights."""
    one = verdict_of(gather_readings(ledger, weighed, base, printed, {}), "completing_gaf", "completed")
    assert one.printed_mixture is not None
    assert one.printed_weight == pytest.approx(1.0)
    each = [result.parts[0].judgement for result in one.printed if result is not None]
    wanted = sum(
        weight.posterior * own.probabilities.direction
        for weight, own in zip(one.reading.options, each, strict=True)
        if own is not None
    )
    mixed = one.printed_mixture.parts[0].judgement
    assert mixed is not None
    assert mixed.probabilities.direction == pytest.approx(wanted)
    assert wanted == pytest.approx(one.reading.options[0].posterior, abs=0.01)


def test_options_that_cannot_judge_are_left_out_of_the_mixture(
    ledger: Ledger,
    weighed: tuple[WeighedReading, ...],
    base: tuple[ClaimResult, ...],
    printed: Printed,
) -> None:
    """With own slopes in the table the claim is not printed: its weight is not in the mixture."""
    found = gather_readings(ledger, weighed, base, printed, {})
    one = verdict_of(found, "paranoid_in_poor", "crossed_cells")
    last = one.printed[2]
    assert last is not None
    assert last.verdict is Verdict.NOT_APPLICABLE
    assert one.printed_weight == pytest.approx(1.0 - one.reading.options[2].posterior)


def test_rows_under_a_reading(folmo: Study, weighed: tuple[WeighedReading, ...], cohort: Path) -> None:
    """The seven without a final GAF have no subgroup where they are left out; four of them half-way; first none."""
    data = load_rows(folmo, cohort)
    counts = []
    for weight in weighed[0].options:
        rows = recode(folmo, data, [coding_of("outcome_rows", weight.option)]).rows
        patients = rows.groupby(folmo.patient).first()
        assert patients["poor_outcome"].notna().sum() == patients["outcome_ppd"].notna().sum()
        assert patients["poor_outcome"].sum() == 64
        counts.append(int(patients["poor_outcome"].notna().sum()))
    assert counts == [155, 151, 148]


def test_a_cohort_is_analysed_anew(
    folmo: Study,
    choices: Multiverse,
    ledger: Ledger,
    weighed: tuple[WeighedReading, ...],
    printed: Printed,
    cohort: Path,
) -> None:
    """Left-out patients change the fits by outcome alone, and the verdict is a challenge named with its weight."""
    variant = prior_suite(folmo)[0]
    claims = [ledger.claim("change_differs"), ledger.claim("mood_gaf_level")]
    (task,) = reading_tasks(
        folmo, cohort, choices, claims, weighed, seed=1, draws=1000, variant=variant, every=False
    ).values()
    assert [claim.id for claim in task.arguments[3]] == ["change_differs"]
    few = dataclasses.replace(ledger, claims=tuple(claims))
    plain = judge_under(folmo, cohort, choices, claims, 1, [Specification(variant=variant, draws=1000)])
    own = combine_parts(few, restore(plain))
    anew = combine_with_base(few, own, judge_under(*task.arguments))
    trace = anew["change_differs"].parts[0].trace
    before = own[0].parts[0].trace
    assert trace is not None
    assert before is not None
    assert (before.n_patients, trace.n_patients) == (155, 148)
    found = gather_readings(few, weighed, own, printed, {"outcome_rows_without": anew})
    one = verdict_of(found, "change_differs", "outcome_rows")
    assert one.at_hand[1] is None
    weights = [weight.posterior for weight in one.reading.options]
    assert one.at_hand_weight == pytest.approx(weights[0] + weights[2])
    (challenge,) = [c for c in reading_challenges(found) if c.claim_id == "change_differs"]
    assert challenge.family == "reading"
    assert f"{weights[2]:.2f}" in challenge.says
    assert challenge.verdict is anew["change_differs"].verdict


def test_a_run_says_what_a_reading_changes(
    folmo: Study, choices: Multiverse, ledger: Ledger, cohort: Path
) -> None:
    """The table lists every option, and the claim's line names the reading that would change it, with its weight."""
    few = dataclasses.replace(ledger, claims=(ledger.claim("completing_gaf"),))
    settings = ClaimsSettings(seed=1, draws=500, depth="verdicts")
    run = run_claims(folmo, cohort, {"cohort_000": cohort}, few, choices, settings)
    table = tabulate_claim_readings(run)
    assert len(table.rows) == 3  # two options and their mixture
    said = "deviation of those who completed (weight 0.01; printed): contradicted"
    assert said in say_reading_change(run, "completing_gaf")
    (view,) = view_claims(claims_json(run))
    assert said in view.by_reading
