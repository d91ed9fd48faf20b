"""Manifests: enough to make a run again, valid JSON whatever the numbers, never half a file."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from bayes_alliance.run.manifest import (
    Presentation,
    RunData,
    build_manifest,
    clear_superseded,
    find_finished,
    identify_run,
    json_ready,
    packages_used,
    write_manifest,
)
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import StudyResults
from tests.small_study import small_data, small_frame, small_settings, small_study

SETTINGS = small_settings(models=("growth", "age", "tasks_growth"))


@pytest.fixture(scope="module")
def results() -> StudyResults:
    study = small_study()
    return run_study(study, small_data(study, small_frame().drop(columns="age")), SETTINGS)


def _text(results: StudyResults, folder: Path, names: tuple[str, ...] = ()) -> str:
    files = []
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
        files.append(folder / name)
    write_manifest(build_manifest(results, SETTINGS, files=files, folder=folder), folder / "manifest.json")
    return (folder / "manifest.json").read_text(encoding="utf-8")


def test_it_says_what_was_run_on_what_and_how(results: StudyResults, tmp_path: Path) -> None:
    """Study, data, prior actually used, seed and settings."""
    found = json.loads(_text(results, tmp_path))
    assert found["data"] == {
        "source": "synthetic",
        "origin": "made up",
        "digest": results.data_digest,
        "notes": list(results.notes),
    }
    assert found["settings"]["prior"] == "neutral"
    assert (found["settings"]["seed"], found["settings"]["engine"]) == (11, "collapsed")
    assert found["settings"]["collapsed"]["draws"] == 400
    assert found["versions"]["numpy"] == importlib.metadata.version("numpy")
    assert "bambi" in packages_used("pymc") and "numpy" in packages_used("collapsed")
    assert not {"pymc", "bambi", "nutpie"} & set(packages_used("collapsed"))
    assert "arviz" in packages_used("collapsed") and "arviz" not in packages_used("none")


def test_what_the_run_before_left_does_not_lie_beside_this_one(results: StudyResults, tmp_path: Path) -> None:
    """Its tables and figures go; what was changed, is not listed, or is no table or figure stays."""
    shown = ("figures/old.svg", "figures/kept.svg", "tables/old.csv", "tables/edited.csv")
    _text(results, tmp_path, (*shown, "report.html", "posteriors/growth.nc"))
    (tmp_path / "tables" / "edited.csv").write_text("mine")
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    gone = clear_superseded(tmp_path, [tmp_path / "figures" / "kept.svg"])
    assert sorted(path.name for path in gone) == ["old.csv", "old.svg"]
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {
        "figures/kept.svg", "figures/mine.svg", "tables/edited.csv", "report.html", "posteriors/growth.nc",
        "manifest.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["../outside.svg", "figures/../../outside.svg", "figures/..", "/outside.svg"]
)
def test_a_manifest_that_was_tampered_with_removes_nothing(tmp_path: Path, name: str) -> None:
    """Only files right in the two folders are ever removed; one that cannot be read is passed over."""
    folder = tmp_path / "run"
    (folder / "figures").mkdir(parents=True)
    (tmp_path / "outside.svg").write_text("x")
    digest = hashlib.sha256(b"x").hexdigest()
    for manifest in ({"files": {name: digest}}, {"files": [1]}, {}, []):
        (folder / "manifest.json").write_text(json.dumps(manifest))
        assert clear_superseded(folder, []) == []
    (folder / "manifest.json").write_text("{")
    assert clear_superseded(folder, []) == []
    assert (tmp_path / "outside.svg").exists()


def test_each_fit_has_counts_digest_and_its_own_seed(results: StudyResults, tmp_path: Path) -> None:
    """Enough to see whether a later fit rests on the same rows."""
    fits = {fit["model"]: fit for fit in json.loads(_text(results, tmp_path))["fits"]}
    growth = results.run("growth")
    assert growth is not None
    assert growth.posterior is not None
    assert set(fits) == {"growth", "tasks_growth"}
    assert fits["growth"]["rows_digest"] == growth.rows.digest
    assert (fits["growth"]["n_rows"], fits["growth"]["seed"]) == (117, growth.posterior.seed)
    assert fits["growth"]["seed"] != fits["tasks_growth"]["seed"]
    assert fits["growth"]["made_with"]["pareto_k"] == growth.posterior.facts["pareto_k"]


def test_what_was_skipped_compared_and_checked_is_counted(results: StudyResults, tmp_path: Path) -> None:
    """Skipped models with reasons; comparison sets with N; checks by status."""
    found = json.loads(_text(results, tmp_path))
    assert found["skipped"] == [{"model_id": "age", "reason": "the data lack age", "comparison": ""}]
    assert found["comparisons"]["goals"]["n_rows"] == 117
    assert sum(found["checks"].values()) == len(results.checks)


def test_files_stand_with_their_digests_below_the_folder(results: StudyResults, tmp_path: Path) -> None:
    """Relative paths with forward slashes, sorted, with SHA-256."""
    names = ("tables/b.csv", "figures/a.svg")
    files = json.loads(_text(results, tmp_path, names))["files"]
    assert list(files) == sorted(names)
    assert files["tables/b.csv"] == hashlib.sha256(b"tables/b.csv").hexdigest()


def test_numbers_that_are_not_finite_are_null_in_valid_json(results: StudyResults, tmp_path: Path) -> None:
    """A flat prior has no evidence (NaN): the file stays JSON for every reader."""
    run = results.runs[0]
    assert run.posterior is not None
    facts = {**run.posterior.facts, "log_evidence": float("nan"), "count": np.int64(3)}
    changed = dataclasses.replace(run, posterior=dataclasses.replace(run.posterior, facts=facts))
    text = _text(dataclasses.replace(results, runs=(changed,)), tmp_path)
    assert "NaN" not in text
    made_with = json.loads(text)["fits"][0]["made_with"]
    assert (made_with["log_evidence"], made_with["count"]) == (None, 3)


def test_json_ready_reaches_every_level() -> None:
    """Tuples, mappings and NumPy scalars at any depth."""
    found = json_ready({"a": (1.0, np.inf, {"b": [np.float64("nan"), np.int32(2), None, "x", True]})})
    assert found == {"a": [1.0, None, {"b": [None, 2, None, "x", True]}]}


def test_an_interrupted_write_leaves_the_former_manifest(results: StudyResults, tmp_path: Path) -> None:
    """Whatever stops the write, there is a whole manifest or none, and no part of one."""
    before = _text(results, tmp_path)
    with (
        mock.patch.object(Path, "replace", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        write_manifest({"schema": 2}, tmp_path / "manifest.json")
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert (tmp_path / "manifest.json").read_text() == before


def _identity(results: StudyResults, **changed: object) -> dict[str, object]:
    data = RunData(
        source=results.source.value,
        origin=results.origin,
        digest=results.data_digest,
        notes=results.notes,
    )
    given: dict[str, object] = {"prior": results.prior, "shown": Presentation(), "companions": {}}
    return identify_run(results.study, data, SETTINGS, **(given | changed))  # type: ignore[arg-type]


def test_a_finished_run_is_found_with_its_last_words(results: StudyResults, tmp_path: Path) -> None:
    """The same identity and untouched files: what was said is said again, failed gates included."""
    nan = dataclasses.replace(results.checks[0], value=math.nan, status="fail", gate=True, name="made up")
    told = dataclasses.replace(results, checks=(*results.checks, nan))
    _text(told, tmp_path, ("tables/b.csv",))
    found = find_finished(tmp_path, _identity(results))
    assert found is not None
    end, files = found
    assert (end.study, end.models_run) == ("tiny", 2)
    assert end.models_skipped == {"age": "the data lack age"}
    assert [check.name for check in end.failed][-1] == "made up"
    assert math.isnan(end.failed[-1].value)
    assert files == [tmp_path / "tables/b.csv", tmp_path / "manifest.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "tables/b.csv").write_text("tables/c.csv"),
        lambda folder: (folder / "tables/b.csv").unlink(),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: _put(folder, "end", None),
        lambda folder: _put(folder, "code", "0"),
        lambda folder: _put(folder, "files", ["tables/b.csv"]),
    ],
)
def test_what_is_not_whole_or_not_ours_is_made_again(
    results: StudyResults, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """A file changed or gone, a manifest of another version or none: not finished."""
    _text(results, tmp_path, ("tables/b.csv",))
    assert find_finished(tmp_path, _identity(results)) is not None
    spoil(tmp_path)
    assert find_finished(tmp_path, _identity(results)) is None


def _put(folder: Path, key: str, value: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {key: value}))


def test_any_change_makes_another_run(results: StudyResults, tmp_path: Path) -> None:
    """Prior, style, smallest cell, seed and rows each count."""
    _text(results, tmp_path)
    shown = (Presentation(style="apa"), Presentation(min_cell=5), Presentation(kinds=("svg",)))
    for changed in (
        {"prior": "wide"},
        *({"shown": how} for how in shown),
        {"companions": {"claims/a.csv": "0"}},
    ):
        assert find_finished(tmp_path, _identity(results, **changed)) is None
    other = dataclasses.replace(results, data_digest="0" * 64)
    assert find_finished(tmp_path, _identity(other)) is None
