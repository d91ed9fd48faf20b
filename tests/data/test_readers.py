"""Every kind of data file gives the same rows: identifiers as text, codes with labels, declared missing codes."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest
import rdata

from bayes_alliance.data.readers import READERS, read_table
from bayes_alliance.data.rows import StudyData, freeze_rows, read_data
from bayes_alliance.errors import InputError
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.fits import RowsUsed
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import ReadOptions, Study
from tests.builders import build_study, build_variable

MEDICATION = load_study("medication")
FILE = MEDICATION.folder / MEDICATION.data.file
OPTIONS = ReadOptions()


def frame() -> pd.DataFrame:
    return pd.read_csv(FILE)[["id", "treat", "wave", "time", "pos"]]


def write_xlsx(path: Path, table: pd.DataFrame, *, sheet: str = "data") -> None:
    table.to_excel(path, index=False, sheet_name=sheet)


def write_wide(path: Path) -> ReadOptions:
    """One row a patient, one column a wave; the times of the waves are declared."""
    table = frame()
    wide = table.pivot(index=["id", "treat"], columns="wave", values="pos").add_prefix("pos_w").reset_index()
    wide.to_csv(path, index=False)
    times = table.drop_duplicates("wave").set_index("wave")["time"]
    return ReadOptions(
        wide=(("pos", "pos_w{visit}"),), visits=tuple((str(w), float(t)) for w, t in times.items())
    )


WRITERS: dict[str, Callable[[Path], object]] = {
    "semicolon.csv": lambda path: frame().to_csv(path, index=False, sep=";", decimal=","),
    "tab.tsv": lambda path: frame().to_csv(path, index=False, sep="\t"),
    "utf16.csv": lambda path: frame().to_csv(path, index=False, encoding="utf-16"),
    "book.xlsx": lambda path: write_xlsx(path, frame()),
    "spss.sav": lambda path: pyreadstat.write_sav(frame(), str(path)),
    "packed.zsav": lambda path: pyreadstat.write_sav(frame(), str(path), compress=True),
    "stata.dta": lambda path: pyreadstat.write_dta(frame(), str(path)),
    "table.parquet": lambda path: frame().to_parquet(path),
    "r.rds": lambda path: rdata.write_rds(path, frame()),
    "wide.csv": write_wide,
}


def growth_deviance(study: Study, data: StudyData) -> tuple[float, tuple[float, ...]]:
    """Fit the growth model by ML: deviance and coefficients."""
    formula = parse_formula(study.model("growth").formula)
    frozen = freeze_rows(data, sorted(formula.names))
    rows = RowsUsed(
        n_rows=frozen.n_rows, n_patients=frozen.n_patients, digest=frozen.digest, source=frozen.source
    )
    fit = fit_mixed(build_design(formula, frozen.rows), rows, model_id="growth")
    return fit.deviance, tuple(fit.beta)


@pytest.fixture(scope="module")
def reference() -> StudyData:
    return read_data(MEDICATION, FILE)


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_data_in_every_format_give_identical_fits(
    tmp_path: Path, reference: StudyData, name: str
) -> None:
    """Rows have the same digest and the growth model the same deviance and coefficients, to the last bit."""
    made = WRITERS[name](tmp_path / name)
    options = made if isinstance(made, ReadOptions) else OPTIONS
    data = read_data(MEDICATION, tmp_path / name, options=options)
    assert data.digest == reference.digest
    assert growth_deviance(MEDICATION, data) == growth_deviance(MEDICATION, reference)


def test_every_registered_ending_is_tested() -> None:
    """No reader is in the registry without a file of its kind here."""
    assert set(READERS) - {".txt"} == {Path(name).suffix for name in WRITERS}


STUDY = build_study(
    variables=(
        build_variable("patient", "patient", column="id"),
        build_variable("months", column="month"),
        build_variable("version", kind="category", categories=("WAI-S", "WAI-SR")),
        build_variable("goals", limits=(1, 7)),
        build_variable("paranoid", "patient", "binary", categories=("no", "yes")),
    ),
    derived=(),
)
STUDY = replace(STUDY, scoring=())


def spss(path: Path, labels: dict[int, str], **changed: object) -> Path:
    table = pd.DataFrame(
        {
            "id": [7.0, 7.0, 12.0, 12.0, 13.0],
            "month": [0.0, 3.0, 0.0, 3.0, 0.0],
            "version": [1.0, 2.0, 1.0, 2.0, 1.0],
            "goals": [5.0, 99.0, 4.25, 3.0, 98.0],
            "paranoid": [1.0, 1.0, 2.0, 2.0, 1.0],
        }
    ).assign(**changed)
    pyreadstat.write_sav(
        table,
        str(path),
        column_labels={"goals": "Mål (WAI)"},
        variable_value_labels={"version": {1: "WAI-S", 2: "wai-sr"}, "paranoid": labels},
        missing_ranges={"goals": [{"lo": 98, "hi": 99}]},
        variable_format={"id": "N4"},
    )
    return path


def test_spss_codes_labels_and_missing_codes(tmp_path: Path) -> None:
    """Labels give categories and 0/1, a declared range is missing, format N keeps zeros, labels are kept."""
    path = spss(tmp_path / "d.sav", {1: "No", 2: "Yes"})
    data = read_data(STUDY, path)
    assert data.rows["patient"].tolist() == ["0007", "0007", "0012", "0012", "0013"]
    assert data.rows["version"].tolist() == ["WAI-S", "WAI-SR", "WAI-S", "WAI-SR", "WAI-S"]
    assert data.rows["paranoid"].tolist() == [0, 0, 1, 1, 0]
    np.testing.assert_array_equal(data.rows["goals"], [5, np.nan, 4.25, 3, np.nan])
    assert any("declared missing in the file: goals 98 to 99" in note for note in data.notes)
    assert read_table(path, OPTIONS).column_labels == {"goals": "Mål (WAI)"}


def test_labels_that_contradict_the_study_are_refused(tmp_path: Path) -> None:
    """0 labelled as what the study calls 1 is no harmless difference."""
    path = spss(tmp_path / "d.sav", {0: "Yes", 1: "No"}, paranoid=[0.0, 0.0, 1.0, 1.0, 0.0])
    with pytest.raises(InputError, match="labels 0 and 1 the other way round"):
        read_data(STUDY, path)


def test_words_of_a_binary_variable_are_understood(tmp_path: Path) -> None:
    """A text file may say 'yes' where the study calls 1 'yes'; another word is refused with those allowed."""
    text = "id,month,goals,paranoid\n1,0,5,Yes\n1,3,5,yes\n2,0,4,no\n3,0,4,0\n"
    (tmp_path / "d.csv").write_text(text)
    assert read_data(STUDY, tmp_path / "d.csv").rows["paranoid"].tolist() == [1, 1, 0, 0]
    (tmp_path / "d.csv").write_text(text.replace("Yes", "maybe"))
    with pytest.raises(InputError, match="0 or 1 or no or yes"):
        read_data(STUDY, tmp_path / "d.csv")


def book(path: Path, rows: list[list[object]], *, sheet: str = "one") -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    made.active.title = sheet
    for row in rows:
        made.active.append(row)
    made.save(path)
    return made


ROWS: list[list[object]] = [
    ["id", "month", "goals"],
    ["007", 0, 5.25],
    ["007", 3, 4],
    ["08", 0, 3],
    ["9", 0, 3],
]


def test_excel_keeps_leading_zeros_of_text_and_of_a_format(tmp_path: Path) -> None:
    """Text '007' stays; a number 7 shown as 007 by its format is 007; a bare 9 is 9, not 9.0."""
    made = book(tmp_path / "d.xlsx", ROWS)
    made.active["A3"] = 7
    made.active["A3"].number_format = "000"
    made.active["A5"] = 9
    made.save(tmp_path / "d.xlsx")
    data = read_data(STUDY, tmp_path / "d.xlsx")
    assert data.rows["patient"].tolist() == ["007", "007", "08", "9"]


def test_the_sheet_can_be_chosen(tmp_path: Path) -> None:
    """The first by default, another by name; a wrong name is answered with those there are."""
    made = book(tmp_path / "d.xlsx", [["notes"], ["nothing here"]], sheet="read me")
    other = made.create_sheet("data")
    for row in ROWS:
        other.append(row)
    made.save(tmp_path / "d.xlsx")
    assert len(read_table(tmp_path / "d.xlsx", ReadOptions(sheet="data")).frame) == 4
    assert "sheet 'read me' of 2" in read_table(tmp_path / "d.xlsx", OPTIONS).notes[0]
    with pytest.raises(InputError, match=r"no such sheet.*read me, data"):
        read_table(tmp_path / "d.xlsx", ReadOptions(sheet="dta"))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A workbook that would unpack to more than a gigabyte is refused by what its directory says."""
    import zipfile

    archive = zipfile.ZipFile(tmp_path / "d.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member:
        for _ in range(101):
            member.write(bytes(10_000_000))
    with pytest.raises(InputError, match="unpacks to too much"):
        read_table(tmp_path / "d.xlsx", OPTIONS)


def test_latin_1_is_found_out_and_can_be_stated(tmp_path: Path) -> None:
    """Norwegian letters in Windows-1252 are read and reported; what cannot be Western text is refused."""
    path = tmp_path / "d.csv"
    path.write_bytes("id;mål;sted\n1;5,5;Ålesund\n".encode("latin-1"))
    table = read_table(path, OPTIONS)
    assert table.frame.columns.tolist() == ["id", "mål", "sted"]
    assert "Windows-1252" in table.notes[0]
    assert read_table(path, ReadOptions(encoding="latin-1")).frame.equals(table.frame)
    path.write_bytes(b"id;x\n1;\x81\x8d\n")
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        read_table(path, OPTIONS)


def test_the_separator_and_the_decimal_mark_can_be_stated(tmp_path: Path) -> None:
    """A header with more commas than semicolons, and quoted decimal commas between commas."""
    path = tmp_path / "d.csv"
    path.write_text("id;month;goals (a, b, c)\n1;0;5\n1;3;5\n2;0;4\n3;0;4\n")
    with pytest.raises(InputError):
        read_table(path, OPTIONS)
    assert read_table(path, ReadOptions(delimiter=";")).frame.shape == (4, 3)
    path.write_text('id,month,goals\n1,0,"5,5"\n1,3,"4,25"\n2,0,4\n3,0,4\n')
    with pytest.raises(InputError, match="not a number"):
        read_data(STUDY, path)
    data = read_data(STUDY, path, options=ReadOptions(decimal=","))
    assert data.rows["goals"].tolist() == [5.5, 4.25, 4, 4]


def test_an_unknown_ending_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """With a hint for the old Excel format."""
    (tmp_path / "d.xls").write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.csv, .*\.rds; to do: save it as \.xlsx"):
        read_table(tmp_path / "d.xls", OPTIONS)


@pytest.mark.parametrize("suffix", sorted(set(READERS) - {".csv", ".tsv", ".txt"}))
def test_a_damaged_binary_file_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    """Half a file, and text under a false name, are refused as what they are."""
    name = next(name for name in WRITERS if name.endswith(suffix))
    WRITERS[name](tmp_path / name)
    raw = (tmp_path / name).read_bytes()
    for content in (raw[: len(raw) // 2], b"id,time\n1,2\n", b""):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_data(MEDICATION, tmp_path / name)
        assert name in str(caught.value)


def test_an_r_object_that_is_no_data_frame_is_refused(tmp_path: Path) -> None:
    """A vector is not a table."""
    rdata.write_rds(tmp_path / "d.rds", np.arange(3))
    with pytest.raises(InputError, match="not a data frame"):
        read_table(tmp_path / "d.rds", OPTIONS)


def test_a_data_frame_saved_by_r_itself() -> None:
    """Leading zeros, labels of factors, dates, gaps and letters outside ASCII come back as R shows them."""
    table = read_table(Path(__file__).parents[1] / "reference" / "data" / "frame.rds", OPTIONS)
    assert table.frame.to_numpy().tolist() == [
        ["007", "drug", "2020-01-31", "50", "5.25", "Ålesund", "TRUE"],
        ["007", "", "2020-07-31", "", "", "", ""],
        ["08", "placebo", "", "65", "4", "Bodø", "FALSE"],
    ]
    assert table.notes == ("frame.rds: R data frame, 3 rows",)


def test_moments_and_long_integers_saved_by_r_itself() -> None:
    """The clock of the stated zone; integers beyond 2**53 to the last digit; a column without a zone is warned of."""
    table = read_table(Path(__file__).parents[1] / "reference" / "data" / "moments.rds", OPTIONS)
    winter, summer = "2020-01-31 09:00:00", "2020-07-31 09:00:00"
    assert table.frame.to_numpy().tolist() == [
        ["9007199254740993", f"{winter}+01:00", winter, winter, "2020-01-31", f"{winter}+01:00"],
        ["-5", f"{summer}+02:00", summer, summer, "2020-07-31", f"{summer}+02:00"],
    ]
    assert [problem.where for problem in table.warnings] == ["moments.rds, column 'nowhere'"]
    assert "read as UTC" in table.warnings[0].what


def test_a_library_prints_nothing_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A named style without a format makes openpyxl write "9 is out of range" to stdout, where ``--json`` goes."""
    path = tmp_path / "book.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/styles.xml"] = parts["xl/styles.xml"].replace(b'xfId="0"', b'xfId="9"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(InputError):
        read_table(path, ReadOptions())
    assert capsys.readouterr().out == ""
