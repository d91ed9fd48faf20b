"""Large data: patients are told apart, and their rows checked, as those of small data."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.errors import InputError
from bayes_alliance.run.large import gather, reduction, source
from bayes_alliance.run.large.gather import LargeData, reduce_file
from bayes_alliance.run.large.keys import collect_keys, count_twice, merge_keys
from bayes_alliance.study.records import Model, Source, Study
from tests.small_study import small_study

N = 12


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces and batches of a size at which patients straddle both."""
    monkeypatch.setattr(source, "PIECE_ROWS", 7)
    monkeypatch.setattr(reduction, "BATCH_ROWS", 3)


def frame_of(n: int = N) -> pd.DataFrame:
    """Three visits a patient, a predictor of patients."""
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(1, n + 1), 3)
    return pd.DataFrame(
        {
            "patient": patient,
            "months": np.tile([0.0, 3.0, 6.0], n),
            "goals": np.clip(rng.normal(4.0, 0.5, len(patient)), 1, 7),
            "paranoid": (patient % 2).astype(float),
        }
    )


def reduce_parts(folder: Path, *parts: pd.DataFrame) -> LargeData:
    """Write some parts as a folder of files, with row groups of five rows, and reduce them."""
    folder.mkdir()
    for number, part in enumerate(parts):
        table = pa.Table.from_pandas(part, preserve_index=False)
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=5)
    study = small_study()
    return reduce_file(study, study.model("paranoid"), folder)


def refusals(folder: Path, *parts: pd.DataFrame) -> str:
    with pytest.raises(InputError) as caught:
        reduce_parts(folder, *parts)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "n_patients"),
    [
        (lambda p: p, lambda p: p.astype(str), N),
        (lambda p: p, lambda p: p.astype(str) + ".0", N),
        (lambda p: p.astype(str), lambda p: " " + p.astype(str) + "\u200b", N),
        (lambda p: "P" + p.astype(str), lambda p: "P" + p.astype(str) + "\0", N),
        (lambda p: "A\u030a" + p.astype(str), lambda p: "\u00c5" + p.astype(str), N),
        (lambda p: p.astype("uint64") + 2**63, lambda p: (p.astype("uint64") + 2**63).astype(str), N),
        (lambda p: p.astype(str), lambda p: "0" + p.astype(str), 2 * N),
        (lambda p: "P" + p.astype(str), lambda p: "P" + p.astype(str) + ".0", 2 * N),
    ],
    ids=["number", "float", "invisible", "nul", "composed", "large", "leading_zero", "words"],
)
def test_patients_of_two_parts_have_one_spelling(
    first: object, second: object, n_patients: int, tmp_path: Path
) -> None:
    """As many patients as small data tell of the same identifiers as text; visits of a patient lie in both parts."""
    frame = frame_of()
    early = frame["months"] < 6
    parts = [
        frame[early].assign(patient=first(frame["patient"][early])),  # type: ignore[operator]
        frame[~early].assign(patient=second(frame["patient"][~early])),  # type: ignore[operator]
    ]
    large = reduce_parts(tmp_path / "parts", *parts)
    texts = pd.concat([part.assign(patient=part["patient"].astype(str)) for part in parts])
    small = data_from_frame(small_study(), texts, source=Source.SYNTHETIC, origin="made up")
    assert large.stats.n_patients == small.rows["patient"].nunique() == n_patients


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (lambda p: "\u0420" + p.astype(str), "LATIN CAPITAL LETTER P beside CYRILLIC CAPITAL LETTER ER"),
        (lambda p: "p" + p.astype(str), "leading zeros or capitals"),
        (lambda p: "P\u2013" + p.astype(str), "blanks, dashes or points"),
        (lambda p: "P" + p.astype(str), ""),
        (lambda p: "Q" + p.astype(str), ""),
    ],
    ids=["cyrillic", "capitals", "dash", "same", "other"],
)
def test_patients_that_look_like_others_are_told(second: object, words: str, tmp_path: Path) -> None:
    """As in small data; the parts are named, and no identifier."""
    frame = frame_of()
    early, late = frame[frame["months"] < 6], frame[frame["months"] >= 6]
    parts = [early.assign(patient="P" + early["patient"].astype(str))]
    parts.append(late.assign(patient=second(late["patient"])))  # type: ignore[operator]
    said = reduce_parts(tmp_path / "parts", *parts).warnings
    assert len(said) == bool(words)
    if words:
        assert words in said[0] and f"{N} identifiers" in said[0] and "0.parquet and 1.parquet" in said[0]
        assert "P12" not in said[0] and said[0].count("parquet") == 2


def test_numbers_beside_leading_zeros_are_refused(tmp_path: Path) -> None:
    """`7` in one part and `007` in another are one patient or two: nobody can tell."""
    frame = frame_of()
    told = refusals(
        tmp_path / "parts", frame, frame.assign(patient=[f"{p:05d}" for p in frame["patient"]], months=9.0)
    )
    assert "leading zeros" in told and "one spelling of a patient" in told and "00001" not in told


@pytest.mark.parametrize("missing", [None, "", "NA", " "])
def test_a_row_without_a_patient_is_refused(missing: str | None, tmp_path: Path) -> None:
    """With the words that small data get."""
    frame = frame_of().assign(patient=lambda rows: "P" + rows["patient"].astype(str))
    frame.loc[[4, 30], "patient"] = missing
    assert "the patient is missing (2 rows)" in refusals(tmp_path / "parts", frame)


def spoilt(fault: str) -> pd.DataFrame:
    """The frame with one fault."""
    frame = frame_of()
    if fault == "varies":
        frame.loc[4, "paranoid"] = 1.0 - frame.loc[4, "paranoid"]
    elif fault == "varies where the outcome is missing":
        frame.loc[4, "paranoid"] = 1.0 - frame.loc[4, "paranoid"]
        frame.loc[4, "goals"] = np.nan
    elif fault == "twice":
        frame.loc[4, "months"] = 0.0
    return frame


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("varies", "paranoid: differs from an earlier row of the same patient (1 patient)"),
        ("varies where the outcome is missing", "paranoid: differs from an earlier row of the same patient"),
        ("twice", "months: the same patient and time as an earlier row (1 row)"),
    ],
)
@pytest.mark.parametrize("order", ["sorted", "shuffled", "text", "two parts"])
def test_rows_of_a_patient_that_contradict_each_other_are_refused(
    fault: str, words: str, order: str, tmp_path: Path
) -> None:
    """Wherever they lie; small data refuse the same rows in the same words."""
    frame = spoilt(fault)
    with pytest.raises(
        InputError, match=words.partition(": ")[2].partition(" (")[0].partition(" an earlier")[0]
    ):
        data_from_frame(small_study(), frame, source=Source.SYNTHETIC, origin="made up")
    if order == "shuffled":
        frame = frame.sample(frac=1.0, random_state=3)
    elif order == "text":
        frame["patient"] = "P" + frame["patient"].astype(str)
    parts = [frame.iloc[::2], frame.iloc[1::2]] if order == "two parts" else [frame]
    assert words in refusals(tmp_path / "parts", *parts)


def test_fewer_than_three_patients_are_refused(tmp_path: Path) -> None:
    """In the file, or on the rows that carry the model."""
    assert "only 2 patients and 6 rows; allowed: at least 3" in refusals(tmp_path / "few", frame_of(2))
    frame = frame_of()
    frame.loc[frame["patient"] > 2, "goals"] = np.nan
    assert "only 2 patients carry it; at least 3 are needed" in refusals(tmp_path / "used", frame)


def test_a_header_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """No matter whether the two columns agree."""
    table = pa.Table.from_pandas(frame_of(), preserve_index=False)
    pq.write_table(table.append_column("goals", table.column("goals")), tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="columns 3 and 5 have the same header"):
        reduce_file(small_study(), small_study().model("paranoid"), tmp_path / "twice.parquet")


def test_keys_of_parts_are_those_of_the_whole() -> None:
    """Merged in any order, with missing times and values: counted by brute force."""
    rng = np.random.default_rng(5)
    ids, times = rng.integers(0, 9, 60), rng.integers(0, 5, 60).astype(float)
    times[rng.random(60) < 0.2] = np.nan
    values = rng.normal(size=(60, 2))
    values[rng.random((60, 2)) < 0.2] = np.nan
    whole = collect_keys(ids, values, times)
    parts = [collect_keys(ids[i::4], values[i::4], times[i::4]) for i in (2, 0, 3, 1)]
    merged = merge_keys(parts)
    np.testing.assert_array_equal(merged.ids, np.unique(ids))
    for found in (whole, merged):
        for number, patient in enumerate(found.ids):
            np.testing.assert_array_equal(found.low[number], np.nanmin(values[ids == patient], axis=0))
            np.testing.assert_array_equal(found.high[number], np.nanmax(values[ids == patient], axis=0))
    seen = ~np.isnan(times)
    n_twice = int(seen.sum()) - len({*zip(ids[seen].tolist(), times[seen].tolist(), strict=True)})
    assert count_twice(whole) == count_twice(merged) == n_twice > 0


def test_what_a_worker_finds_wrong_is_the_users_to_correct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece whose patients are not where the file says: exit code 2, not that of a failed worker."""

    def lying(study: Study, model: Model, path: Path) -> tuple[source.LargeSource, list[source.Piece]]:
        found, pieces = source.open_source(study, model, path)
        return found, [dataclasses.replace(piece, span=(50, 60)) for piece in pieces]

    monkeypatch.setattr(gather, "open_source", lying)
    assert "own statistics of the patient column are wrong" in refusals(tmp_path / "parts", frame_of())
    with pytest.raises(InputError) as caught:
        reduce_parts(tmp_path / "again", frame_of())
    assert caught.value.exit_code == 2 and len(caught.value.problems) == 1


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "part"])
def test_a_pipe_is_no_part(beside: bool, tmp_path: Path) -> None:
    """It is not waited for, alone or beside sound parts."""
    os.mkfifo(tmp_path / "z.parquet")
    if beside:
        frame_of().to_parquet(tmp_path / "a.parquet")
    study = small_study()
    with pytest.raises(InputError, match="a device, a pipe or a folder"):
        reduce_file(study, study.model("paranoid"), tmp_path if beside else tmp_path / "z.parquet")


def test_an_identifier_of_a_megabyte_is_refused_before_it_is_in_every_row(tmp_path: Path) -> None:
    """It stands once in the file's dictionary: a few kilobytes that would unpack to gigabytes."""
    frame = frame_of()
    column = pa.DictionaryArray.from_arrays(
        pa.array([0] * len(frame), pa.int32()), pa.array(["x" * 1_000_000])
    )
    table = pa.Table.from_pandas(frame, preserve_index=False).set_column(0, "patient", column)
    pq.write_table(table, tmp_path / "long.parquet", store_schema=False)
    study = small_study()
    with pytest.raises(InputError, match="a text of 1000000 bytes"):
        reduce_file(study, study.model("paranoid"), tmp_path / "long.parquet")
