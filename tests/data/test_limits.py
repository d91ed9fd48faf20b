"""A hostile file costs a message within seconds and a bounded amount of memory, never the machine."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import resource
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from bayes_alliance.data.readers import excel, printed_grid, read_table
from bayes_alliance.data.readers.excel_sheet import read_sheet_facts
from bayes_alliance.data.readers.printed_grid import read_grids
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.load_publication import FACT_COLUMNS
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import ReadOptions
from tests.corpus_study import STUDY, join, sound_rows, write_study

GIGABYTE = 2**30
SECONDS = 60


def refuse(path: Path) -> str:
    """Read a file in a process of 4 GB; return the message with which it was refused."""
    script = (
        "import sys; from pathlib import Path; from bayes_alliance.data.readers import read_table\n"
        "from bayes_alliance.errors import InputError; from bayes_alliance.study.records import ReadOptions\n"
        "try: read_table(Path(sys.argv[1]), ReadOptions())\n"
        "except InputError as error: print(error); sys.exit(2)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 * GIGABYTE, 4 * GIGABYTE))

    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True, text=True, timeout=SECONDS, preexec_fn=limit, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "pack",
    [bz2.compress, lzma.compress, gzip.compress, lambda raw: gzip.compress(gzip.compress(raw))],
    ids=["bz2", "xz", "gzip", "gzip twice"],
)
def test_an_r_file_unpacks_to_no_more_than_a_data_file_may_have(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Two gigabytes of zeros in a few kilobytes."""
    zeros = b"X\n" + bytes(200_000_000)
    path = tmp_path / "bomb.rds"
    path.write_bytes(pack(zeros))
    said = refuse(path)
    assert "at most" in said or "packed more than once" in said


def test_objects_of_r_take_no_more_memory_than_they_may(tmp_path: Path) -> None:
    """A list of nothing, 300,000 times: a kilobyte in the file, a hundred megabytes in memory."""
    n = 300_000
    head = b"X\n" + struct.pack(">iii", 3, 0x40300, 0x30500) + struct.pack(">i", 5) + b"UTF-8"
    path = tmp_path / "nothing.rds"
    path.write_bytes(gzip.compress(head + struct.pack(">ii", 19, n) + struct.pack(">i", 254) * n))
    # A process of its own: one that has freed much memory before may hold all of these objects in it.
    code = (
        "import resource, sys; from pathlib import Path; from bayes_alliance.data.readers import rds, read_table\n"
        "from bayes_alliance.errors import InputError; from bayes_alliance.study.records import ReadOptions\n"
        "rds._MEMORY = 20_000_000\n"
        "try:\n    read_table(Path(sys.argv[1]), ReadOptions())\n"
        "except InputError as error:\n    print(error)\n"
        "assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "MemoryError" in done.stdout


def with_parts(path: Path, parts: dict[str, bytes]) -> Path:
    """Write a workbook, some parts of which are others."""
    book = openpyxl.Workbook()
    book.active.append(["id", "month"])
    book.save(path)
    with zipfile.ZipFile(path) as old:
        found = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, raw in (found | parts).items():
            new.writestr(name, raw)
    return path


def test_words_of_a_workbook_unpack_to_no_more_than_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty words beside the sheets, whichever part they stand in; each takes openpyxl some microseconds."""
    monkeypatch.setattr(excel, "MAX_BESIDE", 1_000_000)
    words = b"<sst>" + b"<si><t/></si>" * 100_000 + b"</sst>"
    for name in ("xl/sharedStrings.xml", "xl/worksheets/words.xml"):
        with pytest.raises(InputError, match="besides its sheets"):
            read_table(with_parts(tmp_path / "words.xlsx", {name: words}), ReadOptions())


def test_formulas_are_looked_for_in_linear_time(tmp_path: Path) -> None:
    """Cells in one another, which a pattern would try again and again."""
    inner = '<c r="A1"><f>' * 20_000 + "</f></c>" * 20_000
    name = "xl/worksheets/sheet1.xml"
    path = with_parts(tmp_path / "f.xlsx", {name: f"<worksheet><row>{inner}</row></worksheet>".encode()})
    started = time.process_time()
    found = read_sheet_facts(path, name)
    assert time.process_time() - started < 5.0
    assert found.uncomputed


def test_a_header_of_a_hundred_thousand_letters_is_refused(tmp_path: Path) -> None:
    """Patterns that look for numbers in headers take the square of their length."""
    path = tmp_path / "x.csv"
    path.write_text("id,month," + "a1" * 50_000 + "\n1,2,3\n")
    with pytest.raises(InputError, match="the header of column 3 has 100000 letters"):
        read_table(path, ReadOptions())


@pytest.mark.parametrize("name", ["cells.docx", "cells.xlsx", "cells.html"])
@pytest.mark.parametrize("kind", ["pipe", "device", "bomb"])
def test_a_pasted_table_is_no_special_file(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe, a device, and an archive that unpacks to more than ten times what a file may have."""
    monkeypatch.setattr(printed_grid, "MAX_BYTES", 100_000)
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in ("word/document.xml", "xl/workbook.xml"):
                archive.writestr(part, bytes(2_000_000))
    with pytest.raises(InputError, match=r"no regular file|no readable table|no table in it"):
        read_grids(path)


def test_a_parquet_dictionary_unpacks_to_no_more_than_a_data_file_may_have(tmp_path: Path) -> None:
    """One text of a megabyte in every one of 6,000 rows: six gigabytes of a few kilobytes."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    column = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000, pa.int32()), pa.array(["x" * 1_000_000]))
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"a": column}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 20_000
    assert "bytes unpacked" in refuse(path)


def test_a_sheet_of_sparse_cells_is_refused(tmp_path: Path) -> None:
    """Two cells a row, four thousand columns apart, in a hundred thousand rows."""
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "sparse.xlsx"
    book = openpyxl.Workbook()
    book.save(path)
    rows = "".join(f'<row r="{r}"><c r="EWV{r}"><v>1</v></c></row>' for r in range(1, 100_001))
    sheet = (
        '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{rows}</sheetData></worksheet>"
    )
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, raw in parts.items():
            new.writestr(name, raw)
    assert "too large" in refuse(path)


def test_a_cell_of_a_hundred_thousand_digits_is_read_in_linear_time(tmp_path: Path) -> None:
    """131,000 digits and a letter are no number, at once."""
    from bayes_alliance.data.rows import read_data

    study = load_study(write_study(tmp_path / "study"))
    rows = sound_rows()
    rows[3][3] = "1" * 131_000 + "x"
    path = tmp_path / "long.csv"
    path.write_text(join(rows))
    started = time.perf_counter()
    with pytest.raises(InputError):
        read_data(study, path)
    assert time.perf_counter() - started < 10.0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_a_device_or_a_pipe_is_no_data_file(kind: str, tmp_path: Path) -> None:
    """/dev/zero under the name of a data file, and a pipe into which nobody writes."""
    path = tmp_path / "x.csv"
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    with pytest.raises(InputError, match="device or a pipe"):
        read_table(path, ReadOptions())


@pytest.mark.parametrize("name", ["cells.csv", "facts.csv"])
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd"])
def test_a_study_reads_no_file_outside_its_folder(name: str, target: str, tmp_path: Path) -> None:
    """A link in a study that somebody sent shows nothing of the reader's machine."""
    folder = write_study(tmp_path / "study")
    (folder / name).symlink_to(target)
    with pytest.raises(InputError, match="outside the study's folder") as caught:
        load_study(folder)
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        STUDY + "\n" + ".".join(["a"] * 900_000) + " = 1\n",
        STUDY + "\n" + "\n".join(f"k{i}" + ".a" * 9_000 + " = 1" for i in range(100)) + "\n",
        STUDY + "".join(f"\n[a{i}.b.c]" for i in range(100_000)),
        STUDY + '\n[[models]]\nid = "m"\n' * 100_000,
        STUDY.replace("36", "1" * 5_000, 1),
        STUDY + "\nx = " + "[" * 100_000,
    ],
    ids=["dotted keys", "many dotted keys", "tables", "models", "digits", "nesting"],
)
def test_a_study_file_is_read_or_refused_in_seconds(text: str, tmp_path: Path) -> None:
    """Up to two megabytes; and the message is short."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.toml").write_text(text)
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load_study(folder)
    assert time.perf_counter() - started < 20.0
    assert len(str(caught.value)) < 250_000


@pytest.mark.parametrize("name", ["cells.csv", "facts.csv"])
def test_a_printed_cell_of_a_hundred_thousand_letters_is_refused(name: str, tmp_path: Path) -> None:
    """Reading it would take the square of its length."""
    folder = write_study(tmp_path / "study")
    cell = "1 " * 50_000
    if name == "cells.csv":
        text = f"{','.join(CELL_COLUMNS)}\nI,months,Score,{cell},estimate,growth,months,,,\n"
    else:
        row = ",".join(
            {"id": "a", "printed": cell, "quantity": "count"}.get(head, "") for head in FACT_COLUMNS
        )
        text = f"{','.join(FACT_COLUMNS)}\n{row}\n"
    (folder / name).write_text(text)
    with pytest.raises(InputError, match="a cell of too many letters; found: '1 1 1"):
        load_study(folder)


def test_a_message_of_any_number_of_problems_is_short() -> None:
    """A hundred problems of two thousand letters at most; all of them are kept for programs."""
    error = InputError("x", [Problem(what="y" * 10_000)] * 5_000)
    assert str(error).count("\n") == 101
    assert "and 4900 more" in str(error)
    assert len(str(error)) < 250_000
    assert len(error.problems) == 5_000
