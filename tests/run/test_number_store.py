"""Numbers kept beside the posteriors: the same to the last bit, and only while nothing they follow from changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_alliance.assess.check_record import Check
from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import RowsUsed
from bayes_alliance.run import pipeline
from bayes_alliance.run.number_store import NumberStore, decode_record, encode_record
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import ModelNumbers, StudyResults
from bayes_alliance.study.records import Source
from tests.small_study import small_data, small_frame, small_settings, small_study

STUDY = small_study()
DATA = small_data(STUDY)
CHECK = Check(
    model_id="m", name="n", value=float("nan"), threshold=1 / 3, status="pass", gate=True, advice="é − ≥"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of the small study."""
    folder = tmp_path_factory.mktemp("store")
    run_study(STUDY, DATA, small_settings(), store=folder)
    return folder


@pytest.fixture(scope="module")
def results() -> StudyResults:
    """The same run, of which nothing was kept."""
    return run_study(STUDY, DATA, small_settings())


def _numbers(run: Any) -> ModelNumbers:
    return ModelNumbers(**{f.name: getattr(run, f.name) for f in dataclasses.fields(ModelNumbers)})


def _same(one: Any, other: Any) -> bool:
    """Whether two records are of the same types and numbers, all bits and NaN included."""
    if type(one) is not type(other):
        return False
    if dataclasses.is_dataclass(one):
        return all(_same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))


def test_every_kind_of_number_of_a_run_comes_back_to_the_last_bit(results: StudyResults) -> None:
    """Models with and without tests, scores, predictions: through JSON text and back, types included."""
    records: list[Any] = [_numbers(run) for run in results.runs]
    records += [dict(scores) for item in results.comparisons for scores in item.scores.values()]
    records += list(results.predictive)
    assert len(records) > 8
    for record in records:
        assert _same(decode_record(json.loads(json.dumps(encode_record(record)))), record)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -0.0,
        float("inf"),
        5e-324,
        "text",
        (1, ("a",), []),
        {"a": (1.5, None)},
        np.array([[1, 2], [3, 4]]),
        np.array([], dtype=bool),
        np.zeros((0, 3)),
        RowsUsed(n_rows=1, n_patients=1, digest="d", source=Source.REAL),
        CHECK,
    ],
)
def test_plain_values_come_back(value: Any) -> None:
    """With the sign of zero, the ends of the range of numbers, and shapes without entries."""
    back = decode_record(json.loads(json.dumps(encode_record(value))))
    assert _same(back, value)
    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [{1: "a"}, {1, 2}, object(), b"bytes", 1j, Path("p")])
def test_what_would_not_come_back_is_refused(value: Any) -> None:
    """No record is kept with something in it that is read back as something else."""
    with pytest.raises(TypeError, match=r"cannot be kept|not text|not JSON"):
        encode_record((value,))


def test_records_are_those_that_are_known_by_name() -> None:
    """A file can name no other class, and its fields have to be the record's."""
    with pytest.raises(KeyError):
        decode_record({"record": "Path", "fields": {}})
    with pytest.raises(TypeError):
        decode_record({"record": "Check", "fields": {"name": "n"}})


def test_kept_is_found_only_as_what_was_asked_for(tmp_path: Path) -> None:
    """Another identity, other draws, another name: nothing is found."""
    kept = NumberStore(folder=tmp_path, identity="i")
    kept.keep("m.scores", CHECK, follows="draws")
    assert repr(kept.find("m.scores", follows="draws")) == repr(CHECK)
    assert kept.find("m.scores", follows="other draws") is None
    assert kept.find("m.other", follows="draws") is None
    assert NumberStore(folder=tmp_path, identity="j").find("m.scores", follows="draws") is None
    nothing = NumberStore(folder=None, identity="i")
    nothing.keep("m.scores", CHECK, follows="draws")
    assert nothing.find("m.scores", follows="draws") is None


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    """Cut at any place, or with any byte changed, nothing is found; and what is made then is kept."""
    kept = NumberStore(folder=tmp_path, identity="i")
    kept.keep("m", CHECK, follows="f")
    path = tmp_path / "m.json"
    whole = path.read_bytes()
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            assert kept.find("m", follows="f") is None
    assert repr(kept.make("m", "f", lambda: CHECK)) == repr(CHECK)
    assert path.read_bytes() == whole


def test_a_second_run_reads_its_numbers_and_is_the_same(
    store: Path, results: StudyResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is computed again, and every record is that of a run without a store."""
    for name in ("_model_numbers", "_score_model", "_predict"):
        monkeypatch.setattr(pipeline, name, _refuse)
    again = run_study(STUDY, DATA, small_settings(), store=store)
    assert len(again.runs) == len(results.runs) == 5
    for one, other in zip(again.runs, results.runs, strict=True):
        assert _timeless(one) == _timeless(other)
    assert repr(again.checks) == repr(results.checks)
    assert repr(again.comparisons[0].models) == repr(results.comparisons[0].models)
    assert _same(again.predictive, results.predictive)


def _timeless(run: Any) -> str:
    numbers = _numbers(run)
    fits = {name: dataclasses.replace(getattr(numbers, name), seconds=0.0) for name in ("ml", "reml")}
    return json.dumps(encode_record(dataclasses.replace(numbers, **fits)))


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise FitError("computed again")


def _other_label(study: Any) -> Any:
    """The study with another label of an estimand, which numbers carry along."""
    first, *others = study.models[::-1]
    return dataclasses.replace(study, models=(*others[::-1], dataclasses.replace(first, label="other")))


@pytest.mark.parametrize(
    "changed",
    [
        lambda: run_args(settings=small_settings(seed=12)),
        lambda: run_args(settings=small_settings(prior="sceptical")),
        lambda: run_args(settings=small_settings(exact=True)),
        lambda: run_args(study=_other_label(STUDY)),
        lambda: run_args(frame=_moved()),
    ],
    ids=["seed", "prior", "exact", "study", "rows"],
)
def test_what_numbers_follow_from_is_looked_at(
    store: Path, monkeypatch: pytest.MonkeyPatch, changed: Callable[[], Any]
) -> None:
    """Another seed, prior, way of scoring, word of the study or single rating: every number is computed again."""
    calls: list[str] = []

    def count(data: Any, planned: Any, *rest: Any) -> Any:
        calls.append(planned.model.id)
        raise FitError("stopped here")

    monkeypatch.setattr(pipeline, "_model_numbers", count)
    run_study(*changed(), store=_copy(store))
    assert len(calls) == 5


def run_args(study: Any = STUDY, frame: Any = None, settings: Any = None) -> tuple[Any, ...]:
    """Arguments of a run."""
    return study, small_data(study, frame), settings or small_settings()


def _moved() -> Any:
    frame = small_frame()
    frame.loc[0, "tasks"] += 0.25
    return frame


def _copy(store: Path) -> Path:
    """A store of its own, so that no test spoils another's."""
    folder = store.with_name(f"{store.name}_copy")
    folder.mkdir(exist_ok=True)
    for path in store.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_other_models_or_another_engine_do_not_spoil_what_is_kept(store: Path) -> None:
    """A run of one model reads that model's numbers; another engine keeps its own beside them."""
    folder = _copy(store)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.numbers.json")}
    run_study(STUDY, DATA, small_settings(models=("growth",)), store=folder)
    run_study(STUDY, DATA, small_settings(engine="none"), store=folder)
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.numbers.json")}
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)


def test_other_draws_are_judged_anew(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A posterior that was lost and sampled again need not be the same: its numbers are not taken for it."""
    folder = _copy(store)
    calls: list[str] = []
    whole = pipeline._model_numbers

    def count(data: Any, planned: Any, *rest: Any) -> Any:
        calls.append(planned.model.id)
        return whole(data, planned, *rest)

    monkeypatch.setattr(pipeline, "_model_numbers", count)
    monkeypatch.setattr(pipeline, "draws_digest", lambda fit: f"other draws of {fit.model_id}")
    run_study(STUDY, DATA, small_settings(), store=folder)
    assert len(calls) == 5
