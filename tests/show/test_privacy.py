"""No patient's row, identifier or value leaves the private file, and small cells are withheld on request."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_alliance.assess.descriptives import GroupValue
from bayes_alliance.cli.main import main
from bayes_alliance.data.dictionary import describe_data
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.show.disclosure import Content
from bayes_alliance.show.privacy import _mask_left_out, _round_p, mask_small_cells, mask_text
from bayes_alliance.show.report.checklist_model import _class, _classes
from bayes_alliance.show.share import write_share
from bayes_alliance.show.tables import build_tables
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source
from tests.corpus_study import HEADER, join, sound_rows, write_study
from tests.small_study import small_data, small_settings, small_study

MARKER = "Zq7Xmarker"
NUMBER = 83.7264519


def marked_file(path: Path) -> Path:
    """Every identifier, an unused column and one weight carry a marker."""
    rows = sound_rows()
    for number, row in enumerate(rows[1:]):
        row[HEADER.index("id")] = MARKER + row[HEADER.index("id")]
        row[HEADER.index("weight")] = repr(NUMBER) if number % 7 == 3 else row[HEADER.index("weight")]
    with_note = [[*row, "note" if i == 0 else f"{MARKER} said so"] for i, row in enumerate(rows)]
    path.write_text(join(with_note))
    return path


def readable(raw: bytes) -> bytes:
    """Return bytes with what was packed in them (PDF, PNG, NetCDF; the parts of a Word file) unpacked behind."""
    parts = [raw]
    if raw.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    for match in re.finditer(b"\x78[\x01\x5e\x9c\xda]", raw):
        try:
            parts.append(zlib.decompressobj().decompress(raw[match.start() :]))
        except zlib.error:
            continue
    return b"\n".join(parts)


def holds_marker(raw: bytes) -> bool:
    text = readable(raw)
    spelled = [MARKER.encode(), MARKER.encode("utf-16-le"), b"83.7264", np.float64(NUMBER).tobytes()]
    return any(part in text for part in spelled)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the study on marked data with a bundle; give the folder and everything printed."""
    import contextlib

    folder = tmp_path_factory.mktemp("marked")
    study = write_study(folder / "study")
    data = marked_file(folder / "marked.csv")
    out = folder / "out"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main(
            ["reanalyse", str(study), "--data", str(data), "--engine", "collapsed", "--draws", "100",
             "--everything", "--figures", "all", "--out", str(out), "--share", str(folder / "bundle.zip")]
        )  # fmt: skip
        main(["check-data", str(study), str(data)])
        main(["check-data", str(study), str(data), "--json"])
        main(["fit", str(study), "--data", str(data), "--model", "growth", "--engine", "none", "--json", "-"])
    assert code in (0, 3)
    return folder, printed.getvalue()


def test_the_marker_is_nowhere_in_what_a_run_writes(run: tuple[Path, str]) -> None:
    """Tables, figures (unpacked), report, posteriors, manifest: neither an identifier nor the planted weight."""
    files = [path for path in (run[0] / "out").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert {".html", ".docx", ".tex"} <= {path.suffix for path in files}
    assert (run[0] / "out" / "report.html").exists()
    assert [path.name for path in files if holds_marker(path.read_bytes())] == []


def test_the_marker_is_nowhere_in_what_a_run_prints(run: tuple[Path, str]) -> None:
    """Progress, notes, warnings, the data dictionary, JSON."""
    assert "growth" in run[1]
    assert not holds_marker(run[1].encode())


def test_the_marker_is_nowhere_in_the_bundle(run: tuple[Path, str]) -> None:
    """And the bundle has the tables and posteriors, without digests of the data."""
    with zipfile.ZipFile(run[0] / "bundle.zip") as archive:
        names = archive.namelist()
        contents = {name: archive.read(name) for name in names}
    assert [name for name, raw in contents.items() if holds_marker(raw)] == []
    assert {"manifest.json", "REMOVED.txt", "posteriors/growth.collapsed.nc"} <= set(names)
    manifest = json.loads((run[0] / "out" / "manifest.json").read_text())
    digests = [manifest["data"]["digest"], *(fit["rows_digest"] for fit in manifest["fits"])]
    assert b'seed"' not in contents["manifest.json"]
    for raw in contents.values():
        assert not any(digest.encode() in raw for digest in digests)
    assert b"digests of the data" in contents["REMOVED.txt"]


def test_the_search_would_find_a_marker() -> None:
    """Plain, packed, in a Word file, and as eight bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", MARKER)
    assert holds_marker(packed.getvalue())
    assert holds_marker(b"x" + MARKER.encode())
    assert holds_marker(b"xx" + zlib.compress(MARKER.encode()))
    assert holds_marker(np.array([1.0, NUMBER]).tobytes())


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ((), ("some rows (<5 whole patients) without age", "about 30 rows (6 whole patients) without goals")),
        ((("poor", 1.0),), ("rows with another value of poor, or without a variable",)),
    ],
)
def test_what_a_model_lacks_cannot_be_subtracted(
    where: tuple[tuple[str, float], ...], said: tuple[str, ...]
) -> None:
    """Rows in tens; of a subgroup always the same, which tells nothing of the few whom others lack."""
    run = SimpleNamespace(
        model=SimpleNamespace(where=where),
        left_out=("7 rows (2 whole patients) without age", "28 rows (6 whole patients) without goals"),
    )
    assert _mask_left_out(run, 5) == said  # type: ignore[arg-type]


def test_error_messages_hold_no_marker(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Bad cells that carry a marker are named by line and column; on request, and only then, they are shown."""
    study = write_study(tmp_path / "study")
    rows = sound_rows()
    for line, column in ((3, "goals"), (4, "version"), (5, "paranoid"), (6, "month"), (7, "gaf")):
        rows[line - 1][HEADER.index(column)] = MARKER
    rows[9][0] = rows[8][0] = MARKER
    rows[9][1] = rows[8][1]
    path = tmp_path / "d.csv"
    path.write_text(join(rows))
    assert main(["check-data", str(study), str(path)]) == 2
    hidden = capsys.readouterr()
    assert hidden.err.count("\n") >= 7
    assert not holds_marker((hidden.out + hidden.err).encode())
    assert main(["check-data", str(study), str(path), "--show-values"]) == 2
    assert capsys.readouterr().err.count(f"found: '{MARKER}'") == 5


def test_a_bundle_leaves_out_what_belongs_to_patients(tmp_path: Path) -> None:
    """Planted effects of patients, observed data and an odd file stay out by name; parameters stay in."""
    folder = tmp_path / "run"
    folder.mkdir()
    posterior = xr.Dataset(
        {
            "beta": (("chain", "draw", "coefficient"), np.zeros((1, 5, 2))),
            "patient_effects": (("chain", "draw", "patient"), np.full((1, 5, 3), NUMBER)),
        },
        coords={"patient": [f"{MARKER}{i}" for i in range(3)], "coefficient": ["Intercept", "months"]},
    )
    observed = xr.Dataset({"y": ("row", np.full(7, NUMBER))})
    tree = xr.DataTree.from_dict({"posterior": posterior, "observed_data": observed})
    tree.attrs["bayes_alliance"] = MARKER
    tree.to_netcdf(folder / "m.nc", engine="h5netcdf")
    (folder / "rows.parquet").write_bytes(b"x")
    (folder / "manifest.json").write_text('{"data": {"digest": "abc"}, "fits": [{"rows_digest": "abc"}]}')
    (folder / "scores.csv").write_text("1")
    files = [folder / name for name in ("m.nc", "rows.parquet", "manifest.json", "scores.csv")]
    removed = write_share(files, folder, tmp_path / "b.zip", {"scores": Content.UNSTATED})
    assert {"m.nc: patient_effects", "m.nc: group observed_data"} <= set(removed)
    assert any(line.startswith("rows.parquet") for line in removed)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert sorted(archive.namelist()) == ["README.txt", "REMOVED.txt", "m.nc", "manifest.json"]
        assert not any(holds_marker(archive.read(name)) for name in archive.namelist())
        archive.extract("m.nc", tmp_path)
    with xr.open_datatree(tmp_path / "m.nc", engine="h5netcdf") as back:
        assert list(back["posterior"].data_vars) == ["beta"]


def test_small_cells_are_withheld() -> None:
    """With --min-cell above a group's size its descriptives go, and so do small counts in words."""
    study = small_study()
    results = run_study(study, small_data(study), small_settings(engine="none"))
    masked = mask_small_cells(results, 9)
    assert any(found.masked_below == 9 for found in masked.descriptives)
    shown = {table.id: table for table in build_tables(masked)}["descriptives"]
    assert "a cell below 9" in str(shown.column("status"))
    withheld = [i for i, status in enumerate(shown.column("status")) if status == "a cell below 9"]
    for name in ("n_0", "n_1", "mean_0", "mean_1", "count_0", "count_1", "percent_0", "percent_1", "p"):
        assert all(shown.column(name)[i] is None for i in withheld)
    counts = [
        int(n) for run in masked.runs for text in run.left_out for n in re.findall(r"\b(\d+) whole", text)
    ]
    assert all(count >= 9 or count == 0 for count in counts)
    assert mask_small_cells(results, 0) is results


@pytest.mark.parametrize(("name", "engine"), [("m.collapsed.nc", "pymc"), ("m.pymc.nc", "collapsed")])
def test_without_new_draws_a_bundle_has_none_of_engine_collapsed(
    name: str, engine: str, tmp_path: Path
) -> None:
    """Draws that follow from the seed of the run stay, by the file's name or by what it says of them."""
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"sigma": (("chain", "draw"), np.ones((1, 5)))})})
    tree.attrs["bayes_alliance"] = json.dumps({"fit": {"engine": engine}})
    tree.to_netcdf(tmp_path / name, engine="h5netcdf")
    removed = write_share([tmp_path / name], tmp_path, tmp_path / "b.zip", {})
    assert removed == [f"{name}: posterior draws"]


def test_plain_means_have_three_digits_and_counts_of_none_go() -> None:
    """Of real data: sums of whole numbers cannot be told, and that nobody lies at an end of the scale is not said."""
    study = small_study()
    results = run_study(study, small_data(study), small_settings())
    masked = mask_small_cells(results, 5)
    means = [group for found in masked.descriptives if found.kind == "mean" for group in found.groups]
    exact = [group for found in results.descriptives if found.kind == "mean" for group in found.groups]
    numbers = [x for group in means for x in (group.mean, group.sd) if np.isfinite(x)]
    assert numbers and all(x == float(f"{x:.3g}") for x in numbers)
    assert any(x != float(f"{x:.3g}") for group in exact for x in (group.mean, group.sd) if np.isfinite(x))
    before = [s.n_patients for one in results.predictive for s in one.statistics]
    after = [s.n_patients for one in masked.predictive for s in one.statistics]
    assert min(before) < 5 <= min(after)


def test_the_test_of_known_means_has_fewer_digits_than_they() -> None:
    """With p to three digits, the sums of 47 and of 20 ages were the only ones to agree in a third of cases."""
    study = small_study()
    masked = mask_small_cells(run_study(study, small_data(study), small_settings(engine="none")), 5)
    tests = [found.test for found in masked.descriptives if found.kind == "mean" and not found.masked_below]
    assert tests and all(test.statistic == round(test.statistic, 1) for test in tests)
    assert all(test.p == (round(test.p, 2) if test.p >= 0.1 else float(f"{test.p:.2g}")) for test in tests)
    assert [_round_p(p) for p in (0.929, 0.0476, 0.00123, 1.49e-16)] == [0.93, 0.048, 0.0012, 1e-16]


def test_models_of_too_few_patients_are_withheld_with_their_reason() -> None:
    """Age is known of 22 of 24 patients, and few are paranoid: what rests on fewer goes and says why."""
    study = small_study()
    data = small_data(study)
    results = run_study(study, data, small_settings())
    rarest = int(data.rows.groupby("patient")["paranoid"].first().value_counts().min())
    assert {run.model.id: run.rows.n_patients for run in results.runs}["age"] == 22
    masked = mask_small_cells(results, 23)
    assert {run.model.id for run in results.runs} - {run.model.id for run in masked.runs} == {
        "age",
        "paranoid",
    }
    assert {run.model.id for run in mask_small_cells(results, rarest + 1).runs} == {
        "unconditional",
        "growth",
        "age",
        "tasks_growth",
    }
    reasons = {(s.comparison, s.model_id): s.reason for s in masked.skipped}
    assert "fewer than 23 patients" in reasons["", "age"]
    assert ("goals", "growth") in reasons
    assert [found.name for found in masked.comparisons] == ["tasks"]
    assert not any(check.model_id == "age" for check in masked.checks)
    assert len(mask_small_cells(results, rarest).runs) == len(results.runs)
    for table in build_tables(masked):
        if table.id != "rows" and "model" in {column.name for column in table.columns}:
            assert "age" not in table.column("model"), table.id


def test_masking_a_larger_cell_withholds_no_less() -> None:
    """Monotone in the smallest size."""
    study = small_study()
    results = run_study(study, small_data(study), small_settings(engine="none"))
    withheld = [
        {d.variable for d in mask_small_cells(results, n).descriptives if d.masked_below}
        for n in range(2, 26, 4)
    ]
    assert all(a <= b for a, b in itertools.pairwise(withheld))
    assert withheld[0] < withheld[-1]


def test_masked_counts_in_sentences() -> None:
    """Counts of patients and rows, and nothing else that is a number."""
    text = "3 rows (1 whole patients) without age; version 2, line 3, 12 patients"
    assert mask_text(text, 5) == "some rows (<5 whole patients) without age; version 2, line 3, 12 patients"
    limit = "fewer than 3 patients have two or more visits"
    assert mask_text(limit, 5) == limit


def test_the_dictionary_shows_no_extreme_unless_asked() -> None:
    """The largest value is one patient's; percentiles and means stand in for it."""
    study = load_study("medication")
    frame = pd.read_csv(study.folder / study.data.file)
    frame.loc[17, "pos"] = 987.654321
    from bayes_alliance.data.rows import data_from_frame
    from bayes_alliance.study.records import Source

    data = data_from_frame(study, frame, source=Source.REAL, origin="x")
    closed = {e.name: e for e in describe_data(study, data)}
    opened = {e.name: e for e in describe_data(study, data, show_values=True)}
    assert "987" not in str([dataclasses.asdict(e) for e in closed.values()])
    assert "to 987.654" in opened["pos"].summary
    assert "<30" in {e.name: e for e in describe_data(study, data, min_cell=30)}["treat"].summary


@pytest.mark.parametrize(("count", "withheld"), [(0, True), (3, True), (6, False), (14, True), (16, True)])
def test_none_or_all_of_a_group_is_withheld_like_a_few(count: int, withheld: bool) -> None:
    """That nobody of a group has a disorder tells of each of its patients."""
    study = small_study()
    found = run_study(study, small_data(study), small_settings(engine="none"))
    one = GroupValue(n=16, mean=np.nan, sd=np.nan, count=count, percent=100.0 * count / 16)
    other = GroupValue(n=20, mean=np.nan, sd=np.nan, count=10, percent=50.0)
    share = dataclasses.replace(found.descriptives[0], kind="share", groups=(one, other))
    (masked,) = mask_small_cells(dataclasses.replace(found, descriptives=(share,)), 5).descriptives
    assert (masked.masked_below == 5) is withheld
    assert np.isnan(masked.groups[1].percent) == withheld


def test_who_of_which_group_lacks_a_value_is_not_told() -> None:
    """One of sixteen lacks it: a count, or a test whose means are known, would say of which group the one is."""
    study = small_study()
    found = run_study(study, small_data(study), small_settings(engine="none"))
    test = found.descriptives[0].test
    whole, part = (GroupValue(n=n, mean=30.0, sd=5.0, count=8, percent=50.0) for n in (16, 15))
    lines = [
        dataclasses.replace(found.descriptives[0], kind=kind, groups=(one, whole), test=test)
        for kind, one in (("mean", whole), ("mean", part), ("share", part))
    ]
    results = dataclasses.replace(found, descriptives=tuple(lines))
    kept, mean, share = mask_small_cells(results, 5).descriptives
    assert [group.n for group in kept.groups] == [16, 16]
    assert ([group.n for group in mean.groups], mean.groups[0].mean) == ([0, 0], 30.0)
    assert np.isnan(mean.test.p) and np.isnan(mean.test.df) and mean.test.n == (0, 0)
    assert np.isnan(share.groups[0].percent)
    shown = {table.id: table for table in build_tables(mask_small_cells(results, 5))}["descriptives"]
    assert shown.column("status")[1] == "fewer than 5 of a group lack it: neither n nor test"
    assert (shown.column("n_0")[1], shown.column("p_shown")[1], shown.column("mean_0")[1]) == (
        None,
        None,
        30.0,
    )


def test_counts_that_others_could_be_taken_from_are_round() -> None:
    """Rows of the file beside those of the models; those of windows, with two outcomes."""
    study = small_study()
    results = run_study(study, small_data(study), small_settings())
    note = "rows.csv: UTF-8, separated by comma, 266 rows"
    masked = mask_small_cells(dataclasses.replace(results, notes=(note,)), 5)
    assert masked.notes == ("rows.csv: UTF-8, separated by comma, about 270 rows",)
    counts = [n for one in masked.predictive for s in one.statistics for n in (s.n_rows, s.n_patients)]
    assert counts and all(count % 10 == 0 for count in counts)


def test_numbers_that_tell_a_mean_more_exactly_have_fewer_digits() -> None:
    """A prior's SD holds the mean of a predictor, a difference of AICs more decimals than an AIC."""
    study = small_study()
    data = dataclasses.replace(small_data(study), source=Source.REAL, min_cell=5)
    results = mask_small_cells(run_study(study, data, small_settings()), 5)
    tables = {table.id: table for table in build_tables(results)}
    for name, digits in (("prior_sd", 2), ("prior_conflict_p", 2), ("ml_se", 5)):
        values = [x for x in tables["estimands"].column(name) if isinstance(x, float) and np.isfinite(x)]
        assert values and all(x == float(f"{x:.{digits}g}") for x in values)
    differences = [x for x in tables["comparison"].column("aic_diff") if isinstance(x, float)]
    assert any(differences) and all(x == round(x, 2) for x in differences)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (
            [1, *[2] * 8, *[3] * 18, *[4] * 23, *[5] * 15, *[6] * 4],
            "9 with 1 to 2, 18 with 3, 23 with 4, 19 with 5",
        ),
        ([*[1] * 9, *[2] * 2, *[3] * 7, *[7] * 2], "11 with 1 to 2, 9 with 3 or more"),
        ([*[1] * 6, *[3] * 6], "6 with 1 to 2, 6 with 3 or more"),
    ],
)
def test_few_patients_by_assessments_are_counted_with_their_neighbours(sizes: list[int], said: str) -> None:
    """A small class alone could be had from the others and the total."""
    counts = np.bincount(np.minimum(sizes, 5), minlength=6)[1:]
    words = ", ".join(f"{count} with {_class(low, high)}" for low, high, count in _classes(counts))
    assert words.startswith(said)
