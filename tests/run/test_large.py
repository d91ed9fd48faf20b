"""Large data: the statistics from pieces are those from rows, however the rows lie in the file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.errors import FitError, InputError
from bayes_alliance.inference.collapsed import fit_collapsed
from bayes_alliance.inference.likelihood import log_density, relative_factor
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.run.large import reduction, source, sums
from bayes_alliance.run.large.fit import _columns_only, fit_large
from bayes_alliance.run.large.gather import LargeData, reduce_file
from bayes_alliance.run.large.sums import measure_extent, merge_extents, number_patterns
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Model, Source, Study
from tests.builders import build_variable
from tests.corpus_study import LEAN, write_study
from tests.small_study import VARIABLES, small_study

WITHOUT_COLUMNS = {
    "tasks_in_product": "goals ~ months + months:tasks + (months | patient)",
    "time_in_random_part": "goals ~ paranoid + (months | patient)",
    "time_in_product": "goals ~ 0 + paranoid + months:age + (months | patient)",
}
SETTING = build_variable("setting", "patient", "category", categories=("ward", "day", "home"))


def large_study() -> Study:
    """The small study with a category of three and a model of it."""
    study = small_study()
    setting = dataclasses.replace(
        study.model("paranoid"),
        id="setting",
        formula="goals ~ months + setting + months:setting + (months | patient)",
        estimands=(),
    )
    where = dataclasses.replace(study.model("growth"), id="where", where=(("paranoid", 1.0),))
    no_intercept = dataclasses.replace(
        study.model("growth"), id="through_zero", formula="goals ~ 0 + months + (1 | patient)"
    )
    found = (setting, where, no_intercept)
    found += tuple(
        dataclasses.replace(study.model("growth"), id=name, formula=formula)
        for name, formula in WITHOUT_COLUMNS.items()
    )
    return dataclasses.replace(study, variables=(*VARIABLES, SETTING), models=(*study.models, *found))


def large_frame(n: int = 300, *, seed: int = 1) -> pd.DataFrame:
    """Patients with one to five of five scheduled visits; a few cells are missing."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n, 5)) < 0.6
    kept[np.arange(n), rng.integers(0, 5, n)] = True
    patient, visit = np.nonzero(kept)
    months = np.array([0.0, 3.0, 6.0, 12.0, 24.0])[visit]
    level, slope = rng.normal(4.5, 0.8, n)[patient], rng.normal(0.02, 0.03, n)[patient]
    paranoid = (np.arange(n) % 3 == 0).astype(float)[patient]
    goals = np.clip(level + (slope - 0.03 * paranoid) * months + rng.normal(0, 0.5, len(patient)), 1.0, 7.0)
    frame = pd.DataFrame(
        {
            "patient": patient,
            "months": months,
            "goals": goals,
            "paranoid": paranoid,
            "age": rng.normal(0, 8, n)[patient],
            "setting": np.array(["ward", "day", "home"])[np.arange(n) % 3][patient],
        }
    )
    frame.loc[[5, 6, 200], "goals"] = np.nan
    frame.loc[frame["patient"] == 7, "paranoid"] = np.nan
    return frame


def write(frame: pd.DataFrame, path: Path, *, group: int = 100) -> Path:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=group)
    return path


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces and batches of a size at which patients straddle both."""
    monkeypatch.setattr(source, "PIECE_ROWS", 250)
    monkeypatch.setattr(reduction, "BATCH_ROWS", 64)


def planned(study: Study, frame: pd.DataFrame, model: Model) -> PlannedModel:
    """The same model the ordinary way: rows in memory."""
    as_text = frame.assign(
        patient=[f"p{p:06d}" if isinstance(p, int | np.integer) else p for p in frame["patient"]]
    )
    data = data_from_frame(study, as_text, source=Source.SYNTHETIC, origin="made up")
    found = plan_model(data, model, parse_formula(model.formula).names)
    assert isinstance(found, PlannedModel)
    return found


def assert_same(large: LargeData, ordinary: PlannedModel) -> None:
    """Log densities at scattered parameters agree to 1e-9, as do counts, names, ML and REML."""
    design = ordinary.design
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    assert (large.stats.n_rows, large.stats.n_patients) == (stats.n_rows, stats.n_patients)
    assert large.x_names == design.x_names and large.z_names == design.z_names
    assert len(large.stats.counts) == len(stats.counts)
    np.testing.assert_allclose(large.stats.beta_ols, stats.beta_ols, rtol=1e-9)
    rng = np.random.default_rng(0)
    q = len(design.z_names)
    sd = rng.uniform(0.01, 1.0, (5, q)) * np.array([1.0, 0.05])[:q]
    sigma = rng.uniform(0.4, 1.0, 5)
    factor = relative_factor(sd, rng.uniform(-0.9, 0.9, 5), sigma)
    beta = stats.beta_ols + 0.1 * rng.standard_normal((5, stats.p))
    found, expected = (log_density(s, beta, factor, sigma) for s in (large.stats, stats))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    empty = dataclasses.replace(design, y=np.empty(0))
    for method in ("ML", "REML"):
        mine = fit_mixed(empty, ordinary.rows, method=method, stats=large.stats)
        theirs = fit_mixed(design, ordinary.rows, method=method)
        assert mine.deviance == pytest.approx(theirs.deviance, abs=1e-6)
        np.testing.assert_allclose(mine.beta, theirs.beta, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(mine.sd, theirs.sd, rtol=1e-4)


def lay(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """Put the rows in another order."""
    if order == "shuffled":
        return frame.sample(frac=1.0, random_state=2)
    return frame.sort_values("months", kind="stable") if order == "by month" else frame


@pytest.mark.parametrize("model_id", ["paranoid", "setting", "unconditional", "where", "through_zero"])
@pytest.mark.parametrize("order", ["sorted", "by month", "shuffled"])
def test_statistics_from_pieces_are_those_from_rows(model_id: str, order: str, tmp_path: Path) -> None:
    """Sorted or not, with patients across row groups, whatever the predictors: the likelihood is the same."""
    study, frame = large_study(), large_frame()
    large = reduce_file(study, study.model(model_id), write(lay(frame, order), tmp_path / "rows.parquet"))
    assert large.n_pieces == 4 and large.n_read == len(frame)
    assert_same(large, planned(study, frame, study.model(model_id)))


@pytest.mark.parametrize(
    "model_id", ["paranoid", "age", "setting", "unconditional", "where", "through_zero", *WITHOUT_COLUMNS]
)
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_priors_are_those_of_the_rows(model_id: str, order: str, tmp_path: Path) -> None:
    """Middle and least value of every numeric variable, and with them the priors, agree with rows in memory.

    Patients straddle pieces and have unequal numbers of visits, so that the mean over patients is not that over rows;
    time starts at 2; a binary predictor, and predictors without a column of their own, are among the models.
    """
    study, frame = large_study(), large_frame().assign(months=lambda rows: rows["months"] + 2.0)
    frame["age"] += 40.0
    frame["tasks"] = 1.0 + 0.25 * ((7 * frame["patient"] + np.arange(len(frame))) % 20)
    model = study.model(model_id)
    data = reduce_file(study, model, write(lay(frame, order), tmp_path / "rows.parquet"))
    assert data.n_pieces == 4
    design = planned(study, frame, model).design
    assert list(data.reference) == list(design.reference)
    for name, expected in design.reference.items():
        np.testing.assert_allclose(data.reference[name], expected, rtol=1e-12, err_msg=name)
    found = coefficient_priors(study, _columns_only(model, data), "neutral")
    expected_priors = coefficient_priors(study, design, "neutral")
    assert found.origin == expected_priors.origin == (2.0 if "(months | patient)" in model.formula else 0.0)
    np.testing.assert_allclose(found.mean, expected_priors.mean, rtol=1e-10)
    np.testing.assert_allclose(found.covariance, expected_priors.covariance, rtol=1e-10)


def test_the_middle_is_the_mean_over_patients_unless_there_are_two_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: patients at (0, 6), (3) and (0, 12, 24) months have the means 3, 3 and 12; paranoid is 0 or 1."""
    study = large_study()
    model = dataclasses.replace(
        study.model("growth"), formula="goals ~ months + paranoid + (months | patient)"
    )
    frame = pd.DataFrame(
        {
            "patient": [0, 0, 1, 2, 2, 2],
            "months": [0.0, 6.0, 3.0, 0.0, 12.0, 24.0],
            "goals": [4.0, 5.0, 3.0, 2.0, 6.0, 5.0],
            "paranoid": [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        }
    )
    monkeypatch.setattr(source, "PIECE_ROWS", 1)
    for group in (1, 2, 6):
        data = reduce_file(study, model, write(frame, tmp_path / "rows.parquet", group=group))
        assert data.n_pieces == 6 // group
        assert data.reference == {"months": (pytest.approx(6.0), 0.0), "paranoid": (0.5, 0.0)}


def test_two_values_are_noticed_however_they_lie_in_pieces() -> None:
    """A third value counts wherever it stands: inside a piece, or as an end of one piece within those of another."""
    cases = {
        ((0.0, 1.0), (1.0,), ()): False,
        ((0.0,), (1.0,), (0.0,)): False,
        ((0.0, 1.0), (0.5,), ()): True,
        ((0.0, 0.5, 1.0), (0.0,), ()): True,
        ((0.0,), (0.5,), (1.0,)): True,
        ((5.0,), (), ()): False,
    }
    for pieces, expected in cases.items():
        parts = [measure_extent(np.array(values, dtype=float).reshape(-1, 1)) for values in pieces]
        merged, whole = merge_extents(parts), measure_extent(np.concatenate(pieces).reshape(-1, 1))
        assert merged.has_others.item() is whole.has_others.item() is expected, pieces
        assert (merged.low, merged.high) == (whole.low, whole.high)


def test_sorted_patients_are_reduced_before_they_are_gathered(tmp_path: Path) -> None:
    """Of a sorted file only the patients at the ends of pieces travel one by one; of an unsorted one all do."""
    study, frame = large_study(), large_frame()
    model = study.model("paranoid")
    for lying, most in ((frame, 2), (frame.sample(frac=1.0, random_state=2), 300)):
        where, pieces = source.open_source(study, model, write(lying, tmp_path / "rows.parquet"))
        frame_of = reduction.find_frame(where, pieces)
        parts = [reduction.reduce_rows(where, frame_of, piece) for piece in pieces]
        singles = [len(part.open.ids) for part in parts]
        assert max(singles) <= most and (most == 2 or min(singles) > 90)


def test_pieces_read_elsewhere_give_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask workers give the statistics of a serial run, bit for bit."""
    monkeypatch.setattr(reduction, "BATCH_ROWS", 250_000)  # as workers have it
    study = large_study()
    path = write(large_frame(), tmp_path / "rows.parquet")
    places = (None, Workers(scheduler="local"))
    first, second = (reduce_file(study, study.model("paranoid"), path, workers=place) for place in places)
    for field in dataclasses.fields(first.stats):
        np.testing.assert_array_equal(getattr(first.stats, field.name), getattr(second.stats, field.name))
    assert first.reference == second.reference


def test_a_folder_of_files_and_patients_named_by_text(tmp_path: Path) -> None:
    """Several files are one data set, patients may stand in two of them and be named by text."""
    study, frame = large_study(), large_frame()
    named = frame.assign(patient=[f"p{p:06d}" for p in frame["patient"]])
    (tmp_path / "parts").mkdir()
    write(named.iloc[:501], tmp_path / "parts" / "a.parquet")
    write(named.iloc[501:], tmp_path / "parts" / "b.parquet")
    large = reduce_file(study, study.model("paranoid"), tmp_path / "parts")
    assert_same(large, planned(study, frame, study.model("paranoid")))


def test_rows_left_out_are_counted_by_what_they_lack(tmp_path: Path) -> None:
    """Missing outcomes, missing predictors and other values of a condition are counted, in that order of steps."""
    study, frame = large_study(), large_frame()
    path = write(frame, tmp_path / "rows.parquet")
    seven = int((frame["patient"] == 7).sum())
    assert reduce_file(study, study.model("growth"), path).set_aside == {"without goals": 3}
    assert reduce_file(study, study.model("paranoid"), path).set_aside == {
        "without goals": 3,
        "without paranoid": seven,
    }
    where = reduce_file(study, study.model("where"), path)
    assert where.set_aside["without paranoid"] == seven
    assert where.set_aside["with another value of paranoid"] == int((frame["paranoid"] == 0.0).sum())


def test_a_far_origin_of_time_costs_no_digits(tmp_path: Path) -> None:
    """With time counted from the year 0 in days, slopes and deviance are those of time from baseline."""
    study, frame = large_study(), large_frame()
    study = dataclasses.replace(
        study, variables=tuple(dataclasses.replace(v, minimum=None, maximum=None) for v in study.variables)
    )
    model = study.model("growth")
    near = reduce_file(study, model, write(frame, tmp_path / "near.parquet"))
    far = reduce_file(
        study, model, write(frame.assign(months=frame["months"] + 730_000.0), tmp_path / "far.parquet")
    )
    fits = [
        fit_mixed(
            dataclasses.replace(planned(study, frame, model).design, y=np.empty(0)),
            planned(study, frame, model).rows,
            stats=data.stats,
        )
        for data in (near, far)
    ]
    assert fits[1].deviance == pytest.approx(fits[0].deviance, abs=1e-5)
    assert fits[1].beta[1] == pytest.approx(fits[0].beta[1], rel=1e-6)
    assert len(far.stats.counts) == len(near.stats.counts)


def test_everything_wrong_with_a_file_is_said_at_once(tmp_path: Path) -> None:
    """Columns that are absent or of the wrong type, each by name; then impossible values, counted, none shown."""
    study, frame = large_study(), large_frame()
    model = study.model("paranoid")
    bad = frame.drop(columns="paranoid").assign(goals="x")
    with pytest.raises(InputError) as caught:
        reduce_file(study, model, write(bad, tmp_path / "bad.parquet"))
    assert "'paranoid': it is not there" in str(caught.value) and "'goals': wrong type" in str(caught.value)
    wild = frame.assign(
        goals=frame["goals"].where(frame.index != 600, 77.25), paranoid=frame["paranoid"].replace(1.0, 2.0)
    )
    with pytest.raises(InputError) as caught:
        reduce_file(study, model, write(wild, tmp_path / "wild.parquet"))
    assert "paranoid: a value that the study does not allow" in str(caught.value) and "77" not in str(
        caught.value
    )
    other = frame.assign(setting=frame["setting"].replace("home", "abroad"))
    with pytest.raises(InputError, match=r"setting: a value.*allowed: ward, day, home"):
        reduce_file(study, study.model("setting"), write(other, tmp_path / "other.parquet"))
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(InputError, match="no Parquet file"):
        reduce_file(study, model, tmp_path / "text.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no \*\.parquet file"):
        reduce_file(study, model, tmp_path / "empty")


def test_a_file_that_crashes_its_library_is_refused_by_name(tmp_path: Path) -> None:
    """One byte makes pyarrow end the process that looks at the columns of a row group; it is a message here."""
    study, folder = large_study(), tmp_path / "parts"
    folder.mkdir()
    sound = write(large_frame(), folder / "a.parquet")
    optional, required = b"\x25\x02\x18\x05goals", b"\x25\x00\x18\x05goals"
    assert sound.read_bytes().count(optional) == 1
    (folder / "b.parquet").write_bytes(sound.read_bytes().replace(optional, required))
    with pytest.raises(InputError, match=r"b\.parquet") as caught:
        reduce_file(study, study.model("paranoid"), folder)
    assert "its reader crashed on it" in str(caught.value)


def test_rows_that_cannot_carry_the_model_are_refused(tmp_path: Path) -> None:
    """Dependent columns, an outcome without residual, and no complete row: each has its message."""
    study, frame = large_study(), large_frame()
    model = study.model("paranoid")
    with pytest.raises(InputError, match="linearly dependent"):
        reduce_file(study, model, write(frame.assign(paranoid=1.0), tmp_path / "one.parquet"))
    with pytest.raises(FitError, match="without any residual"):
        reduce_file(
            study, model, write(frame.assign(goals=2.0 + 0.1 * frame["months"]), tmp_path / "exact.parquet")
        )
    with pytest.raises(InputError, match="no row has every variable"):
        reduce_file(study, model, write(frame.assign(paranoid=np.nan), tmp_path / "none.parquet"))


def test_wrong_statistics_of_a_file_are_noticed(tmp_path: Path) -> None:
    """A piece whose patients are not where the file says is refused, not summed wrongly."""
    study, model = large_study(), large_study().model("paranoid")
    where, pieces = source.open_source(study, model, write(large_frame(), tmp_path / "rows.parquet"))
    frame = reduction.find_frame(where, pieces)
    lying = dataclasses.replace(pieces[0], span=(0, 10))
    with pytest.raises(InputError, match="own statistics"):
        reduction.reduce_rows(where, frame, lying)


def test_equal_patterns_meet_and_different_ones_do_not() -> None:
    """Numbers follow first appearance; rows that share a hash but not their values stay apart."""
    zz = np.array([[2.0, 1.0, 5.0], [1.0, 0.0, 0.0], [2.0, 1.0 + 1e-14, 5.0], [2.0, 1.0, 5.1]])
    index, first = number_patterns(zz)
    assert index.tolist() == [0, 1, 0, 2] and first.tolist() == [0, 1, 3]


def test_colliding_hashes_are_sorted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should two patterns have one hash, their rows themselves decide."""
    monkeypatch.setattr(sums, "_hash", lambda rows: np.zeros(len(rows), dtype=np.uint64))
    index, first = number_patterns(np.array([[2.0], [1.0], [2.0]]))
    assert index.tolist() == [0, 1, 0] and first.tolist() == [0, 1]


def test_the_posterior_is_that_of_the_rows(tmp_path: Path) -> None:
    """Means and SDs of all quantities agree with the engine on the rows to Monte-Carlo error."""
    study, frame = large_study(), large_frame()
    model = study.model("paranoid")
    data = reduce_file(study, model, write(frame, tmp_path / "rows.parquet"))
    fit = fit_large(study, model, data, prior="neutral", seed=1)
    assert fit.posterior is not None
    ordinary = planned(study, frame, model)
    priors = coefficient_priors(study, ordinary.design, "neutral")
    theirs = fit_collapsed(ordinary.design, ordinary.rows, priors, seed=2).named_draws()
    for name, draws in fit.posterior.named_draws().items():
        other = theirs[name]
        assert abs(draws.mean() - other.mean()) < 6.0 * other.std() / np.sqrt(2000)
        assert draws.std() == pytest.approx(other.std(), rel=0.1)
    assert {q.name for q in fit.quantities} >= {"deviation", "icc", "months"}


def test_the_command_prints_what_was_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON, with the rows left out; a wrong path is the user's to mend."""
    folder = write_study(tmp_path / "study", LEAN)
    from bayes_alliance.study.load_study import load_study

    study = load_study(str(folder))
    model = next(m for m in study.models if m.id == "growth")
    rng = np.random.default_rng(1)
    n = 200
    frame = pd.DataFrame(
        {study.patient: np.repeat(np.arange(n), 4), study.time: np.tile([0.0, 3.0, 6.0, 12.0], n)}
    )
    level = (
        rng.normal(4.5, 0.7, n)[frame[study.patient]]
        + rng.normal(0.02, 0.03, n)[frame[study.patient]] * frame[study.time]
    )
    frame[model.outcome] = np.clip(level + rng.normal(0, 0.4, len(frame)), 1, 7)
    frame.loc[3, model.outcome] = np.nan
    headers = {v.name: v.column for v in study.variables}
    path = write(frame.rename(columns=headers), tmp_path / "rows.parquet")
    assert main(["fit-large", str(folder), str(path), "--model", "growth", "--jobs", "1", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert (
        "200 patients, 799 of 800 rows, 2 patterns" in text
        and f"left out: 1 rows without {model.outcome}" in text
    )
    arguments = [
        "fit-large",
        str(folder),
        str(path),
        "--model",
        "growth",
        "--jobs",
        "1",
        "--json",
        "--engine",
        "none",
    ]
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_rows"] == 799 and facts["quantities"][0]["bayes"] is None
    assert main(["fit-large", str(folder), str(tmp_path / "no.parquet"), "--model", "growth"]) == 2
    assert "there is no such file" in capsys.readouterr().err
