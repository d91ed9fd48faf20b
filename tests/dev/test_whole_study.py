"""Simulated publications of the built-in study's size: what is printed of a truth, and how cohorts are judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.cohorts.build import BuiltCohort
from bayes_alliance.cohorts.conflicts import possible_targets
from bayes_alliance.cohorts.draws.statistics import Link, SignedEvaluator
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.solver.demands import Evaluator
from bayes_alliance.cohorts.solver.targets import Kind, Target
from bayes_alliance.dev import whole_study_calibration as calibration
from bayes_alliance.dev import whole_study_measures as measures
from bayes_alliance.dev.calibration_page import put_section
from bayes_alliance.dev.cohort_calibration import LEVELS as COVERED
from bayes_alliance.dev.small_studies import SmallStudy
from bayes_alliance.dev.whole_study import (
    ROUNDED,
    Truth,
    draw_truth,
    is_kept,
    print_study,
    read_moments,
    restate,
)
from bayes_alliance.dev.whole_study_page import (
    MARKS,
    PLACES,
    STORE,
    TABLE,
    cover_if_right,
    format_section,
    format_table,
    keep_places,
)
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study

DOCS = Path(__file__).resolve().parents[2] / "docs"
LEVELS = (0.001, 0.01, 0.05)


@pytest.fixture(scope="module")
def study() -> Study:
    """The built-in study."""
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def plan(study: Study) -> CohortPlan:
    """Its design."""
    return load_cohort_plan(study)


@pytest.fixture(scope="module")
def truth(study: Study, plan: CohortPlan) -> Truth:
    """A simulated study."""
    return draw_truth(study, plan, possible_targets(study), np.random.default_rng([18, 0]))


@pytest.fixture(scope="module")
def printed(study: Study, plan: CohortPlan, truth: Truth) -> tuple[tuple[Target, ...], CohortPlan]:
    """What is printed of it."""
    return print_study(study, plan, possible_targets(study), truth.member)


@pytest.mark.parametrize("evaluator", [Evaluator, SignedEvaluator])
def test_the_truth_prints_what_is_printed_of_it(
    truth: Truth, printed: tuple[tuple[Target, ...], CohortPlan], evaluator: type[Evaluator]
) -> None:
    """As the grid's demands and as the draws' statistics: every statement holds."""
    for part in truth.member.model.parts:
        mine = tuple(
            t for t in printed[0] if t.model in part.problem.models and not t.kind.startswith("less_e")
        )
        state = evaluator(replace(part.problem, targets=mine, moments=(), inner=()))(
            truth.member.recorded[part.index]
        )
        assert len(state.value) == len(mine) and not np.any(state.violation(state.value, 0.0)), part.problem
    kinds = {(t.kind, t.high) for t in printed[0]}
    assert ("wald", 1.0) in kinds and ("wald", 0.05) in kinds


def test_another_truth_does_not_print_it(
    study: Study, plan: CohortPlan, truth: Truth, printed: tuple[tuple[Target, ...], CohortPlan]
) -> None:
    """Scores moved by a grid step at every tenth place change what is printed."""
    moved = truth.member.recorded.copy()
    moved[::10] += 1.0
    other, _ = print_study(study, plan, possible_targets(study), replace(truth.member, recorded=moved))
    assert other != printed[0]


def test_rounded_numbers_have_the_width_of_the_printed_ones(
    study: Study, printed: tuple[tuple[Target, ...], CohortPlan]
) -> None:
    """An interval is as wide as in the paper, round a multiple of its width; but for ends that cannot be."""
    asked = [t for t in possible_targets(study) if t.kind in ROUNDED]
    stated = [t for t in printed[0] if t.kind in ROUNDED]
    assert [t.kind for t in asked] == [t.kind for t in stated]
    for old, new in zip(asked, stated, strict=True):
        if not np.isfinite(old.low) or not np.isfinite(new.low) or new.low == 0.0:
            continue
        width = old.high - old.low
        assert new.high - new.low == pytest.approx(width)
        middle = (new.high + new.low) / 2.0 / width
        assert middle == pytest.approx(round(middle), abs=1e-6)


def test_means_and_sds_are_printed_of_the_truth(
    study: Study, plan: CohortPlan, truth: Truth, printed: tuple[tuple[Target, ...], CohortPlan]
) -> None:
    """They lie in the new intervals, and not all in the paper's."""
    new = list(read_moments(study, printed[1], truth.member))
    assert len(new) == 12 and all(low <= value <= high for _, value, (low, high) in new)
    assert not all(low <= v <= high for _, v, (low, high) in read_moments(study, plan, truth.member))


def target(kind: Kind, low: float, high: float, **more: Any) -> Target:
    """One statement of the real publication."""
    return Target(
        model="a", kind=kind, low=low, high=high, **{"said": "", "place": "", "from_cell": False, **more}
    )


@pytest.mark.parametrize(
    ("old", "value", "low", "high", "sign"),
    [
        (target("estimate", 0.015, 0.025), -0.0312, -0.035, -0.025, 0),
        (target("se", 0.005, 0.015), 0.0021, 0.0, 0.005, 0),
        (target("aic", 1448.5, 1449.5), 1321.7, 1321.5, 1322.5, 0),
        (target("explained_slope", 4.5, 5.5), -12.0, -np.inf, 0.5, 0),
        (target("explained_slope", -np.inf, 0.5), 7.2, 6.5, 7.5, 0),
        (target("p", 0.0, 0.05, sign=1), -0.2, 0.05, 1.0, 0),
        (target("p", 0.1, 1.0), -0.03, 0.0, 0.1, -1),
        (target("p", 0.05, 0.1, sign=-1), 0.07, 0.05, 0.1, 1),
        (target("p", 0.0, 0.001, sign=1, from_cell=True), 0.03, 0.01, 0.05, 1),
        (target("p", 0.105, 0.115, sign=-1, said="p = 0.11"), 0.4321, 0.425, 0.435, 1),
        (target("sign", 0.0, np.inf, sign=1), -2.0, -np.inf, 0.0, -1),
        (target("wald", 0.0, 0.05), 0.3, 0.05, 1.0, 0),
        (target("lr", 0.0, 0.01), 1e-9, 0.0, 0.01, 0),
        (target("less_t", -np.inf, 0.0), 0.4, 0.0, np.inf, 0),
        (target("aic_gain", -np.inf, 0.0), -1.0, -np.inf, 0.0, 0),
    ],
)
def test_each_kind_of_statement_is_made_of_another_number(
    old: Target, value: float, low: float, high: float, sign: int
) -> None:
    """Rounded alike, in the class that the paper tells apart, or turned round."""
    new = restate(old, value, LEVELS)
    assert new is not None and new.sign == sign
    assert [new.low, new.high] == pytest.approx([low, high])


def test_an_order_is_kept_turned_round_or_left_out() -> None:
    """By the ratio of both sizes."""
    old = target("less_estimate", -np.inf, 0.0, other="b", weights=(("x", 1.0),), other_weights=(("y", 1.0),))
    assert restate(old, 0.5, LEVELS) is old
    turned = restate(old, 2.0, LEVELS)
    assert turned is not None and (turned.model, turned.other) == ("b", "a")
    assert (turned.weights, turned.other_weights) == ((("y", 1.0),), (("x", 1.0),))
    assert restate(old, 1.01, LEVELS) is None


def test_truths_at_an_end_of_a_scale_are_not_kept(study: Study, truth: Truth) -> None:
    """The one that was drawn is; with Goals near the top it is not."""
    assert is_kept(study, truth.member)
    moved = truth.member.recorded.copy()
    moved[truth.member.model.parts[0].index] = np.clip(
        moved[truth.member.model.parts[0].index] + 2.0, 1.0, 7.0
    )
    assert not is_kept(study, replace(truth.member, recorded=moved))


def test_unbending_finds_the_latent_score() -> None:
    """What was recorded comes back; at the ends of a range the latent score may be anything beyond."""
    n = 9
    link = Link(
        lower=np.full(n, 0.5), upper=np.full(n, 7.5), lower_bend=np.full(n, 0.1), upper_bend=np.full(n, 0.2)
    )
    latent = np.linspace(0.6, 7.4, n)
    recorded, _ = link.record(latent)
    assert measures.unbend(link, recorded) == pytest.approx(latent, abs=1e-6)
    assert np.all(measures.unbend(link, link.lower) == -np.inf)
    assert np.all(measures.unbend(link, link.upper) == np.inf)


def test_the_posterior_covers_the_true_effects(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the truth's own data, four fifths of its 252 effects lie in the central 80 %, within what chance leaves."""
    monkeypatch.setattr(measures, "_TURNS", 6)
    monkeypatch.setattr(measures, "_SKIPPED", 2)
    names = measures.name_coefficients(truth.member)
    known = dict(zip(names, map(float, truth.coefficients), strict=True))
    places = measures.place_of(known, *measures.posterior_of(truth.member, np.random.default_rng(1)), names)
    effects = np.array([place for name, place in places.items() if "effect" in name])
    assert len(effects) == 252 and 0.7 < np.mean(np.abs(effects - 0.5) < 0.4) < 0.9


def lines(rng: np.random.Generator, shift: float, *, missed: int = 0) -> list[dict[str, Any]]:
    """Lines of a truth and seven cohorts, all of one normal law but for a shift of the cohorts."""
    found: list[dict[str, Any]] = []
    for member in range(8):
        values = {
            group: {str(k): float(rng.normal() + shift * (member > 0)) for k in range(40)}
            for group in measures.GROUPS
        }
        places = {f"goals: {name}": float(rng.random()) for name in ("level", "slope", "effect 0 level")}
        gone = ["x"] * (0 < member <= missed)
        found.append(
            {"member": member, "designs": 2, "missed": gone, "tilt": 0.0, "values": values, "places": places}
        )
    return found


def test_right_cohorts_pass_and_shifted_ones_fail() -> None:
    """Five publications of independent quantities; cohorts that lie an SD too high are found in every group."""
    rng = np.random.default_rng(3)
    right = [calibration.rank_members(lines(rng, 0.0), rng) for _ in range(5)]
    wrong = [calibration.rank_members(lines(rng, 1.0), rng) for _ in range(5)]
    assert all(check.distance <= check.band for check in calibration.judge_whole_study(right)[0])
    assert all(check.distance > check.band for check in calibration.judge_whole_study(wrong)[0])
    assert "(fails)" in format_section(wrong) and "tests and orders" in format_table(wrong)


def test_cohorts_that_miss_something_are_counted_and_not_ranked() -> None:
    """Two of seven."""
    found = calibration.rank_members(lines(np.random.default_rng(1), 0.0, missed=2), np.random.default_rng(1))
    assert (found.n, found.failed) == (5, 2) and found.accepted == pytest.approx(5 / 14)
    assert all(len(ranks) == 6 for ranks in found.ranks.values())
    assert "4 more missed something" in format_section([found, found])


def test_a_campaign_goes_on_where_it_stopped(
    truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cohorts in the file are not drawn again, those of other code are; a complete study is taken from the store."""
    drawn: list[int] = []
    made = lines(np.random.default_rng(1), 0.0)
    stop = 2

    def draw_cohort(_study: object, _plan: object, _stated: object, seed: int, _rng: object) -> BuiltCohort:
        if len(drawn) == stop:
            raise KeyboardInterrupt
        drawn.append(seed)
        return BuiltCohort(seed=seed, frame=None, solutions=())  # type: ignore[arg-type]

    def measure_draw(*arguments: Any) -> dict[str, Any]:
        return made[int(arguments[4].seed)]

    monkeypatch.setattr(calibration, "draw_truth", lambda *_: truth)
    monkeypatch.setattr(calibration, "print_study", lambda *_: ((), None))
    monkeypatch.setattr(calibration, "measure", lambda *_: made[0]["values"])
    monkeypatch.setattr(calibration, "draw_cohort", draw_cohort)
    monkeypatch.setattr(calibration, "_measure_draw", measure_draw)
    work, store = tmp_path / "work.jsonl", tmp_path / "store.jsonl"

    def run() -> None:
        calibration.calibrate_whole_study(work, store, studies=1, seed=5, draws=4, report=lambda _: None)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert drawn == [1, 2] and not store.exists()
    stop = 4
    run()
    assert drawn == [1, 2, 3, 4]
    run()
    assert drawn == [1, 2, 3, 4] and len(calibration.read_whole_studies(store)) == 1
    stop = 8
    store.unlink()
    work.write_text(
        "\n".join(json.dumps({**json.loads(x), "code": "old"}) for x in work.read_text().splitlines()) + "\n"
    )
    run()
    assert drawn[4:] == [1, 2, 3, 4]


def test_what_is_committed_follows_from_the_stored_studies() -> None:
    """Section and table are made anew by 'scripts/calibrate_cohorts.py --write'."""
    found = calibration.read_whole_studies(DOCS / STORE)
    page = (DOCS / "given_print.md").read_text(encoding="utf-8")
    assert page == put_section(page, format_section(found, (DOCS / PLACES).read_text()), MARKS)
    assert (DOCS / TABLE).read_text(encoding="utf-8") == format_table(found)


def test_what_right_cohorts_cover_follows_from_how_much_they_differ() -> None:
    """Cohorts that agree cover at their level; those whose posteriors lie apart cover less, five as simulated."""
    rng = np.random.default_rng(4)

    def kept(between: float) -> str:
        made = []
        for number in range(60):
            truth = np.hypot(1.0, between) * rng.standard_normal(8)
            for member in range(5):
                place = stats.norm.cdf(truth - between * rng.standard_normal(8))
                places = {f"b{k}": float(value) for k, value in enumerate(place)}
                made.append({"study": number, "member": member + 1, "places": places})
        made.append({"study": 0, "member": 0, "values": {}})
        return keep_places(made)

    assert cover_if_right(kept(0.0)) == pytest.approx([0.5, 0.8, 0.95], abs=0.01)
    assert cover_if_right(kept(1.0)) == pytest.approx([0.46, 0.748, 0.907], abs=0.01)


@pytest.fixture(scope="module")
def stored() -> list[SmallStudy]:
    """The publications of the built-in study's size that the documentation rests on."""
    found = calibration.read_whole_studies(DOCS / STORE)
    assert len(found) >= 5
    return found


def test_whole_studies_rank_uniformly(stored: list[SmallStudy]) -> None:
    """All five groups of quantities, and each quantity of them."""
    ranks, _ = calibration.judge_whole_study(stored)
    assert {check.name: check.passed for check in ranks} == dict.fromkeys(calibration.GROUPS, True)


def check_coverage(stored: list[SmallStudy], level: float) -> bool:
    """Whether intervals of all coefficients cover as those of right draws would, within three Monte-Carlo errors."""
    _, coverage = calibration.judge_whole_study(stored)
    right = cover_if_right((DOCS / PLACES).read_text(encoding="utf-8"))
    (found,) = (check for check in coverage if check.name == "all" and check.level == level)
    return abs(found.covered - right[COVERED.index(level)]) < 3.0 * found.error


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_intervals_of_whole_studies_cover_as_right_draws_do(stored: list[SmallStudy], level: float) -> None:
    assert check_coverage(stored, level)


@pytest.mark.xfail(
    reason="docs/given_print.md, Calibration on publications of the built-in study's size: two points low",
    strict=True,
)
def test_wide_intervals_of_whole_studies_cover_as_right_draws_do(stored: list[SmallStudy]) -> None:
    assert check_coverage(stored, 0.95)
