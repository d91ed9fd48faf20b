"""A file that is no cohort of this package costs a message: a pipe, a device, a bomb."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_alliance.cohorts import store
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.store import read_cohort
from bayes_alliance.data.readers import parquet_file
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study, models_folder


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_is_no_cohort(kind: str, tmp_path: Path) -> None:
    """It is not waited for, nor read without end."""
    path = tmp_path / "cohort_000.parquet"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="no cohort of this package"):
        read_cohort(path)


@pytest.mark.parametrize("place", ["rows", "facts"])
def test_a_cohort_unpacks_to_no_more_than_a_data_file_may_have(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a text of a megabyte in every row, nor facts that are packed."""
    for module in (store, parquet_file):
        monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    text, rows = ("x" * 100_000, 100) if place == "rows" else ("x", 1)
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    long = json.dumps({"lines": "x" * (2_000_000 if place == "facts" else 1)}).encode()
    metadata = {b"bayes_alliance": b"{}", b"bayes_alliance.packed": base64.b64encode(zlib.compress(long))}
    path = tmp_path / "cohort_000.parquet"
    table = pa.table({"a": column}).replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd", store_schema=False)
    with pytest.raises(InputError, match=r"bytes unpacked|no cohort of this package"):
        read_cohort(path)


def test_the_cohorts_that_ship_are_read() -> None:
    """With their facts, and every cell as pandas reads it."""
    path = next((models_folder() / "folmo2020" / "cohorts").glob("cohort_*.parquet"))
    found = read_cohort(path)
    assert found.facts["lines"]
    pd.testing.assert_frame_equal(found.frame, pd.read_parquet(path))


def test_a_cohort_plan_is_read_like_every_file_of_a_study(tmp_path: Path) -> None:
    """No link out of the folder, and no key of endless parts."""
    study = dataclasses.replace(load_study("folmo2020"), folder=tmp_path)
    path = tmp_path / study.data.cohort
    path.write_text("\n" + ".".join(["a"] * 30_000) + " = 1\n")
    with pytest.raises(InputError, match="too large a study"):
        load_cohort_plan(study)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="outside the study's folder"):
        load_cohort_plan(study)
