"""Weights of readings: each kind of evidence against a closed form or a simulated publication with a known reading."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bayes_alliance.dev.invented_readings import CELLS, PRIORS, ROWS, invent_readings
from bayes_alliance.dev.reading_calibration import Weighed, log_gain, reliability
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.printed_effects import printed_effects
from bayes_alliance.published.reading_audits import audit_readings
from bayes_alliance.published.reading_cells import cell_vector
from bayes_alliance.published.reading_rows import gather_rows, row_likelihood
from bayes_alliance.published.reading_weights import (
    NESTED,
    WeighedReading,
    given,
    share_likelihood,
    weigh_readings,
)
from bayes_alliance.show.tables.readings import tabulate_readings
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.readings import Readings, ShareReading
from bayes_alliance.study.records import Derived, Study

MODELS = ("goals_outcome", "bonds_outcome", "tasks_outcome")


@pytest.fixture(scope="module")
def folmo() -> Study:
    """Load the built-in study."""
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def weighed(folmo: Study) -> tuple[WeighedReading, ...]:
    """Weigh its readings."""
    return weigh_readings(folmo, load_readings(folmo))


def print_aic(study: Study, model: str, text: str) -> Study:
    """Print another AIC of a model."""
    cells = [
        replace(cell, printed=text) if (cell.model, cell.quantity) == (model, "aic") else cell
        for cell in study.cells
    ]
    return replace(study, cells=tuple(cells))


def log_rows(study: Study, missing: tuple[int, int]) -> float:
    """Return the log likelihood of so many patients lacking."""
    rng = np.random.default_rng(1)
    evidence = gather_rows(study, printed_effects(study), MODELS, rng)
    assert evidence is not None
    return row_likelihood(evidence, missing, 0.02, rng)


def test_rows_that_lack_cost_aic(folmo: Study) -> None:
    """AICs that fall by 65 more say that patients lack; AICs that do not fall say that none does."""
    large, small = folmo, folmo
    for model, low, high in zip(MODELS, ("1370", "1375", "1415"), ("1447", "1452", "1487"), strict=True):
        large, small = print_aic(large, model, low), print_aic(small, model, high)
    assert log_rows(large, (7, 7)) - log_rows(large, (0, 0)) > 5.0
    assert log_rows(small, (0, 0)) - log_rows(small, (7, 7)) > 2.0


def test_a_range_of_patients_is_the_mean_over_it(folmo: Study) -> None:
    """The likelihood of 0 or 1 patients is the mean of those of 0 and of 1, up to Monte-Carlo error."""
    none, one, either = (math.exp(log_rows(folmo, pair)) for pair in ((0, 0), (1, 1), (0, 1)))
    assert one > 2.0 * none
    assert either == pytest.approx((none + one) / 2.0, rel=0.15)


def test_a_percentage_of_a_stated_count(folmo: Study) -> None:
    """64 of 148 print as 43 %; of 64 less up to seven of them, two of eight numbers do; the rest is slips."""
    slip = 0.1
    sure = share_likelihood(folmo, ShareReading(fact="share_poor", of="n_end_gaf"), slip)
    either = share_likelihood(folmo, ShareReading(fact="share_poor", of="n_end_gaf", less=(0, 7)), slip)
    wrong = share_likelihood(folmo, ShareReading(fact="share_poor", of="n_all"), slip)
    assert sure == pytest.approx(0.9 + slip / 101.0)
    assert either == pytest.approx(0.9 * 0.25 + slip / 101.0)
    assert wrong == pytest.approx(slip / 101.0)


def test_a_percentage_of_any_count(folmo: Study) -> None:
    """One of the counts 0 to 91 prints as 91 %; none of 0 to 84 does unless values are missing."""
    exact = replace(folmo, publication=replace(folmo.publication, valid_percent=False))
    share = ShareReading(fact="share_completed_good", of="n_good_of_all")
    assert share_likelihood(exact, share, 0.0) == pytest.approx(1.0 / 92.0)
    other = replace(share, of="n_good_of_end_gaf")
    assert share_likelihood(exact, other, 0.0) == 0.0
    # 75 of 82, 74 of 81, 73 of 80 and 72 of 79 print so: with two to five missing.
    halves = [0.5**k for k in range(6)]
    wanted = sum(halves[k] / (84 - k + 1) for k in (2, 3, 4, 5)) / sum(halves)
    assert share_likelihood(folmo, other, 0.0) == pytest.approx(wanted)


def test_slopes_of_simple_models_are_means_of_cells(folmo: Study) -> None:
    """A model with one grouping has the means of its cells, weighted by patients; the crossed one has the cells."""
    factor = next(d for d in folmo.derived if isinstance(d, Derived) and d.name == "outcome_ppd")
    n = np.array([78.0, 6.0, 54.0, 10.0])
    group = cell_vector(folmo, factor, n, folmo.model("tasks_outcome"), {"months:poor_outcome": 1.0})
    assert group == pytest.approx([-78 / 84, -6 / 84, 54 / 64, 10 / 64])
    trait = cell_vector(folmo, factor, n, folmo.model("tasks_ppd"), {"months:paranoid_pd": 1.0})
    assert trait == pytest.approx([-78 / 132, 6 / 16, -54 / 132, 10 / 16])
    mean = cell_vector(folmo, factor, n, folmo.model("tasks_growth"), {"months": 1.0})
    assert mean == pytest.approx(n / 148)
    own = {"months:outcome_ppd[poor_ppd]": 1.0, "months:outcome_ppd[poor_none]": -1.0}
    crossed = cell_vector(folmo, factor, n, folmo.model("tasks_outcome_ppd"), own)
    assert crossed == pytest.approx([0, 0, -1, 1])
    within = cell_vector(folmo, factor, n, folmo.model("tasks_growth_poor"), {"months": 1.0})
    assert within == pytest.approx([0, 0, 54 / 64, 10 / 64])
    assert cell_vector(folmo, factor, n, folmo.model("tasks_age"), {"months:age_centred": 1.0}) is None


def test_weights_of_the_built_in_study(weighed: tuple[WeighedReading, ...]) -> None:
    """Weights add up to one; print speaks for differences within subgroups and for the coding that the text implies."""
    for one in weighed:
        assert sum(option.posterior for option in one.options) == pytest.approx(1.0)
    # With other seeds 0.88 to 0.94: the prior says 0.5.
    assert given(weighed, "crossed_cells", "within") > 0.8
    assert given(weighed, "completed", "not_completed") > 0.95


def test_where_print_is_silent_the_prior_stays(weighed: tuple[WeighedReading, ...], folmo: Study) -> None:
    """A reading that nothing printed speaks to keeps its prior weights exactly, and the table says so."""
    silent = next(one for one in weighed if one.reading.id == "mood_gaf")
    assert not silent.is_told
    assert [o.posterior for o in silent.options] == [o.prior for o in silent.options] == [0.7, 0.3]
    table = tabulate_readings(folmo, weighed, ())
    names = [column.name for column in table.columns]
    said = {row[names.index("option")]: row[names.index("evidence")] for row in table.rows}
    assert "nothing printed tells" in str(said["deviation of patients with mood disorder"])
    assert "changes of AIC" in str(said["148: the seven without a final GAF are left out"])


def test_a_reading_within_an_option_is_summed_out(weighed: tuple[WeighedReading, ...]) -> None:
    """How likely print is under an option is the mean over the readings within it, and 1 under the others."""
    outer = next(one for one in weighed if one.reading.id == "outcome_rows")
    inner = next(one for one in weighed if one.reading.id == "end_scores")
    mean = sum(o.prior * math.exp(o.log_likelihood) for o in inner.options)
    assert [dict(o.evidence)[NESTED] for o in outer.options] == pytest.approx([math.log(mean), 0.0, 0.0])


def test_the_text_decides_a_direction_up_to_a_slip(folmo: Study) -> None:
    """The coding against the text has the odds of a slip: 0.1 to 1.9 for a slip of 0.1 in ten."""
    readings = load_readings(folmo)
    only = Readings(readings=tuple(r for r in readings.readings if r.id == "completed"), slip=0.1)
    (one,) = weigh_readings(folmo, only)
    assert one.options[1].posterior / one.options[0].posterior == pytest.approx(0.05 / 0.95)


def test_the_audit_is_done_under_every_option(folmo: Study, weighed: tuple[WeighedReading, ...]) -> None:
    """With 84 in the good subgroup 91 % who completed cannot be had; with 91 they can."""
    found = {(one.reading, one.option): one for one in audit_readings(folmo, weighed, audit_study(folmo))}
    assert len(found) == sum(len(one.options) for one in weighed)
    changed = [finding.where for finding in found["outcome_rows", "without"].changed]
    assert any("completed as planned" in where for where in changed)
    assert not any("completed as planned" in f.where for f in found["outcome_rows", "all"].changed)
    assert found["mood_gaf", "without_mood"].changed == ()


def test_the_right_reading_gains_weight() -> None:
    """Over simulated publications the true option of either reading has more weight than beforehand, on average."""
    gains: dict[str, list[float]] = {ROWS: [], CELLS: []}
    for seed in range(6):
        known = invent_readings(seed)
        for one in weigh_readings(known.study, known.readings, seed=seed):
            true = known.truth[one.reading.id]
            gains[one.reading.id].append(math.log(one.options[true].posterior / PRIORS[one.reading.id][true]))
    assert np.mean(gains[ROWS]) > 0.2
    assert np.mean(gains[CELLS]) > 0.1


def test_reliability_by_hand() -> None:
    """Of options with weights from 0.8 to 0.95 half are true here; the gain is the mean log ratio to the prior."""
    found = [
        Weighed(seed=k, reading=ROWS, true=true, weights=(0.9, 0.05, 0.05)) for k, true in enumerate((0, 2))
    ]
    bins = {low: (count, share) for low, _, count, _, share in reliability(found, ROWS)}
    assert bins[0.8] == (2, 0.5)
    assert log_gain(found, ROWS)[0] == pytest.approx((math.log(0.9 / 0.4) + math.log(0.05 / 0.4)) / 2)
