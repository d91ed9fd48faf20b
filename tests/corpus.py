"""Data files with one defect each, and what must be said of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pandas as pd
import pyreadstat

from tests.corpus_study import HEADER, join, sound_rows, spoil


@dataclass(frozen=True, kw_only=True)
class Case:
    """One defective file.

    Parameters
    ----------
    name : str
        File name; its stem says what is wrong.
    write : callable
        Writes the file at a path.
    said : tuple of str
        Parts of the message, the place among them.
    options : tuple of str
        Of the command line; ``{folder}`` stands for the folder of the file.
    """

    name: str
    write: Callable[[Path], object]
    said: tuple[str, ...]
    options: tuple[str, ...] = ()


def text_case(name: str, text: str | bytes, *said: str, options: tuple[str, ...] = ()) -> Case:
    raw = text if isinstance(text, bytes) else text.encode()
    return Case(name=name, write=lambda path: path.write_bytes(raw), said=said, options=options)


def cell_case(name: str, cell: tuple[int, str], value: str, *said: str) -> Case:
    """One cell of the sound file replaced; its line and column must be named."""
    place = f"line {cell[0]}, column {cell[1]!r}"
    return text_case(f"{name}.csv", join(spoil({cell: value})), place, *said)


def without(*columns: str) -> str:
    keep = [i for i, head in enumerate(HEADER) if head not in columns]
    return join([[row[i] for i in keep] for row in sound_rows()])


def with_items(count: int = 12, *, value: str = "4", score: str = "4", version: str = "WAI-SR") -> str:
    rows = sound_rows()
    goals, kind = HEADER.index("goals"), HEADER.index("version")
    made = [rows[0] + [f"wai{i}" for i in range(1, count + 1)]]
    for number, row in enumerate(rows[1:]):
        row[goals], row[kind] = (score if number == 0 else ""), "WAI-SR"
        made.append(row + ["4"] * count)
    made[1][kind] = version
    made[1][-1] = value
    return join(made)


def sheet(rows: list[list[object]], *, title: str = "data") -> Callable[[Path], object]:
    def write(path: Path) -> None:
        book = openpyxl.Workbook()
        book.active.title = title
        for row in rows:
            book.active.append(row)
        book.save(path)

    return write


def typed_rows(cells: dict[tuple[int, str], object] | None = None) -> list[list[object]]:
    rows: list[list[object]] = []
    for number, row in enumerate(sound_rows()):
        typed: list[object] = list(row)
        if number:
            typed = [float(c) if h not in ("id", "version") else c for h, c in zip(HEADER, row, strict=True)]
        rows.append(typed)
    for (line, column), value in (cells or {}).items():
        rows[line - 1][HEADER.index(column)] = value
    return rows


def frame(cells: dict[tuple[int, str], object] | None = None) -> pd.DataFrame:
    rows = typed_rows(cells)
    return pd.DataFrame(rows[1:], columns=[str(head) for head in rows[0]])


def cut(write: Callable[[Path], object]) -> Callable[[Path], object]:
    """Write a file and keep its first half."""

    def cut_in_half(path: Path) -> None:
        write(path)
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2])

    return cut_in_half


def with_patients(patients: str, visits: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        path.write_text(visits)
        path.with_name("patients.csv").write_text(patients)

    return write


def crashing(path: Path) -> None:
    """Write a Parquet file with one byte changed, on which pyarrow ends its process: a column that may not be null."""
    frame().to_parquet(path)
    raw = path.read_bytes()
    optional, required = b"\x25\x02\x18\x05goals", b"\x25\x00\x18\x05goals"
    assert raw.count(optional) == 1
    path.write_bytes(raw.replace(optional, required))


def nested(path: Path) -> None:
    frame().assign(goals=[[1.0, 2.0]] * 24).to_parquet(path)


def r_vector(path: Path) -> None:
    import numpy as np
    import rdata

    rdata.write_rds(path, np.arange(3))


def r_frame(path: Path) -> None:
    path.write_bytes((Path(__file__).parent / "reference" / "data" / "frame.rds").read_bytes())


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_001)


PATIENTS = ("--patients", "{folder}/patients.csv")
VISITS_ONLY = without("age", "paranoid")
DATED = [["id", "when", "start", "goals"]] + [
    [f"{p:03d}", f"2020-{m:02d}-{10 + p}", "2020-01-01", "4"] for p in range(1, 9) for m in (2, 6)
]


def dated(line: int, column: str, value: str) -> str:
    return join(spoil({(line, column): value}, [row.copy() for row in DATED]))


SOUND = join(sound_rows())
WIDE = "id,goals_pre,goals_post\n" + "".join(f"{p:03d},4,5\n" for p in range(1, 9))
SPSS_REVERSED = {"paranoid": {0: "yes", 1: "no"}}

CASES = [
    text_case("empty.csv", "", "the file is empty"),
    text_case("blank.csv", " \n\n\t\n", "the file is empty"),
    text_case("only_separators.csv", ",,,\n,,,\n", "the file is empty"),
    text_case("header_only.csv", join(sound_rows()[:1]), "no rows below the header"),
    text_case("binary.csv", b"PK\x03\x04\0\0\0\0" + SOUND.encode(), "not a text file"),
    text_case("not_utf8.csv", SOUND.encode().replace(b"WAI-S,", b"\x81,", 1), "line 2: not UTF-8"),
    text_case("utf16_without_mark.csv", SOUND.encode("utf-16-le"), "not a text file"),
    text_case("utf16_cut.csv", SOUND.encode("utf-16")[:-1], "not UTF-16 text"),
    text_case("open_quote.csv", SOUND.replace("003,", '"003,', 1), "not valid CSV", "quotation mark"),
    text_case(
        "short_row.csv",
        SOUND.replace(",WAI-S,", ",", 1),
        "line 2: the row has 8 fields",
        "9, as in the header",
    ),
    text_case("long_row.csv", SOUND.replace(",4.5,", ",4,5,", 1), "the row has 10 fields", "separator"),
    text_case("same_header.csv", SOUND.replace("weight", "gaf", 1), "columns 5 and 6 have the same header"),
    text_case("no_header.csv", SOUND.replace("weight", "", 1), "column 6 has content and no header"),
    text_case("pipes.csv", SOUND.replace(",", "|"), "no column 'id'", "no column 'month'"),
    text_case("wrong_separator.csv", SOUND, "no column 'id'", options=("--delimiter", "semicolon")),
    text_case(
        "wrong_encoding.csv",
        SOUND.replace("weight", "vægt").encode("latin-1"),
        "line 1: not utf-8 text",
        options=("--encoding", "utf-8"),
    ),
    text_case(
        "unknown_encoding.csv", SOUND, "unknown encoding", "'klingon'", options=("--encoding", "klingon")
    ),
    Case(name="folder.csv", write=lambda path: path.mkdir(), said=("cannot be read", "folder")),
    Case(name="absent.csv", write=lambda path: None, said=("cannot be read", "No such file")),
    Case(name="too_large.csv", write=huge, said=("too large", "100000001 bytes")),
    text_case("unknown_kind.docx", "x", "an unknown kind of data file", ".sav"),
    text_case("old_excel.xls", "x", "save it as .xlsx"),
    text_case("no_ending", "x", "a name without an ending"),
    text_case("no_patient.csv", without("id"), "no column 'id'"),
    text_case("no_time.csv", without("month"), "no column 'month'"),
    text_case("no_required.csv", without("goals"), "no column 'goals'"),
    text_case("other_case.csv", SOUND.replace("id,", "ID,", 1), "no column 'id'"),
    text_case("eleven_items.csv", with_items(11), "no column wai12", "all of wai1 to wai12, or none"),
    text_case(
        "items_no_version.csv",
        with_items().replace("version", "form", 1),
        "cannot be scored without the version",
    ),
    cell_case("word", (3, "goals"), "good", "not a number"),
    cell_case("quoted_decimal_comma", (4, "goals"), '"4,5"', "not a number"),
    cell_case("per_cent", (2, "gaf"), "50%", "not a number"),
    cell_case("unit", (5, "weight"), "60 kg", "not a number"),
    cell_case("date_in_number", (5, "weight"), "2020-01-01", "not a number"),
    cell_case("infinite", (5, "weight"), "inf", "not a number"),
    cell_case("overflow", (5, "weight"), "1e999", "not a number"),
    cell_case("hexadecimal", (5, "weight"), "0x10", "not a number"),
    cell_case("underscore", (5, "weight"), "1_000", "not a number"),
    cell_case("arabic_digits", (5, "weight"), "\u0661\u0662", "not a number"),
    text_case(
        "thousands.csv",
        join(spoil({(3, "goals"): "4,5", (4, "weight"): "1.060"}), ";"),
        "column 'weight'",
        "with a decimal comma",
    ),
    cell_case("above", (3, "goals"), "7.5", "a number from 1 up to 7"),
    cell_case("below", (3, "goals"), "0.5", "a number from 1 up to 7"),
    cell_case("code_9", (3, "goals"), "9", "looks like a code for a missing one", "--missing"),
    cell_case("code_99", (3, "goals"), "99", "looks like a code for a missing one"),
    cell_case("code_minus_9", (3, "gaf"), "-9", "looks like a code for a missing one"),
    cell_case("code_999", (3, "gaf"), "999", "looks like a code for a missing one"),
    cell_case("fraction", (3, "gaf"), "50.5", "a whole number from 0 up to 100"),
    cell_case("two_for_binary", (3, "relapse"), "2", "0 or 1"),
    cell_case("word_for_binary", (3, "relapse"), "maybe", "0 or 1 or no or yes"),
    cell_case("unknown_category", (3, "version"), "WAI-X", "WAI-S, WAI-SR", "recode"),
    cell_case("no_patient_in_row", (3, "id"), "", "the patient is missing"),
    cell_case("no_time_in_row", (3, "month"), "", "the time is missing"),
    cell_case("negative_time", (3, "month"), "-1", "the time is negative", "0 (baseline) or later"),
    cell_case("time_word", (3, "month"), "six", "not a number"),
    cell_case("impossible_time", (3, "month"), "720", "up to 60"),
    text_case(
        "twice.csv", join(spoil({(3, "month"): "0"})), "line 3: the same patient and time as in line 2"
    ),
    cell_case("age_changes", (3, "age"), "26", "differs from an earlier row of the same patient"),
    cell_case("diagnosis_changes", (4, "paranoid"), "1", "differs from an earlier row of the same patient"),
    text_case("item_8.csv", with_items(value="8"), "line 2, column 'wai12'", "a whole number from 1 up to 7"),
    text_case("item_half.csv", with_items(value="3.5"), "line 2, column 'wai12'", "a whole number"),
    text_case("items_without_version.csv", with_items(version="", score=""), "items without a version"),
    text_case("score_disagrees.csv", with_items(score="2"), "disagrees with the score of the items"),
    text_case("two_patients.csv", join(sound_rows()[:7]), "only 2 patients", "at least 3 patients"),
    text_case(
        "few_rows.csv",
        join([r for r in sound_rows() if r[1] in ("month", "0")]),
        "at least 3 patients and 10 rows",
    ),
    text_case(
        "no_outcome_at_all.csv",
        join(
            [
                [c if h == "id" or h in ("month",) or i == 0 else "" for h, c in zip(HEADER, r, strict=True)]
                for i, r in enumerate(sound_rows())
            ]
        ),
        "no row has all of",
    ),
    Case(
        name="patients_no_id.csv",
        write=with_patients("pid,age\n1,30\n", VISITS_ONLY),
        said=("patients.csv: no column 'id'",),
        options=PATIENTS,
    ),
    Case(
        name="patient_twice.csv",
        write=with_patients("id,age\n001,30\n001,31\n", VISITS_ONLY),
        said=("patients.csv, line 3, column 'id'", "stands in an earlier row too"),
        options=PATIENTS,
    ),
    Case(
        name="visit_column_in_patients.csv",
        write=with_patients("id,gaf\n001,50\n", without("gaf")),
        said=("column 'gaf' changes between assessments",),
        options=PATIENTS,
    ),
    Case(
        name="column_in_both.csv",
        write=with_patients("id,age\n001,30\n", SOUND),
        said=("column 'age' stands in both files",),
        options=PATIENTS,
    ),
    Case(
        name="bad_patient_cell.csv",
        write=with_patients("id,paranoid\n001,5\n", VISITS_ONLY),
        said=("patients.csv, line 2, column 'paranoid'", "0 or 1"),
        options=PATIENTS,
    ),
    Case(
        name="no_patients_file.csv",
        write=lambda path: path.write_text(VISITS_ONLY),
        said=("cannot be read",),
        options=("--patients", "{folder}/nowhere.csv"),
    ),
    text_case("text.xlsx", SOUND, "not an Excel workbook"),
    text_case("encrypted.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "not an Excel workbook"),
    Case(name="cut.xlsx", write=cut(sheet(typed_rows())), said=("not an Excel workbook",)),
    Case(name="empty_sheet.xlsx", write=sheet([]), said=("sheet 'data' is empty",)),
    Case(
        name="header_row_only.xlsx", write=sheet(typed_rows()[:1]), said=("no rows below the header", "sheet")
    ),
    Case(
        name="wrong_sheet.xlsx",
        write=sheet(typed_rows()),
        said=("no such sheet", "'Ark1'", "data"),
        options=("--sheet", "Ark1"),
    ),
    Case(
        name="formula_error.xlsx",
        write=sheet(typed_rows({(3, "goals"): "#DIV/0!"})),
        said=("row 3, column 4", "an error of a formula"),
    ),
    Case(
        name="formula_not_computed.xlsx",
        write=sheet(typed_rows({(3, "month"): "=1+2"})),
        said=("row 3, column 'month'", "1 formula has no stored value"),
    ),
    Case(
        name="same_header.xlsx",
        write=sheet([["id", "month", "goals", "goals"], *[["1", 0, 4, 4]] * 3]),
        said=("columns 3 and 4 have the same header",),
    ),
    Case(
        name="out_of_range.xlsx",
        write=sheet(typed_rows({(3, "goals"): 8})),
        said=("row 3, column 'goals'", "up to 7"),
    ),
    Case(
        name="date_as_time.xlsx",
        write=sheet(typed_rows({(3, "month"): pd.Timestamp("2020-01-31")})),
        said=("row 3, column 'month'", "not a number"),
    ),
    text_case("text.sav", SOUND, "cannot be read as .sav"),
    Case(name="cut.sav", write=cut(lambda path: pyreadstat.write_sav(frame(), str(path))), said=("cut.sav",)),
    Case(
        name="reversed_labels.sav",
        write=lambda path: pyreadstat.write_sav(frame(), str(path), variable_value_labels=SPSS_REVERSED),
        said=("labels 0 and 1 the other way round",),
    ),
    Case(
        name="undeclared_code.sav",
        write=lambda path: pyreadstat.write_sav(frame({(3, "goals"): 99.0}), str(path)),
        said=("row 2, column 'goals'", "looks like a code for a missing one"),
    ),
    text_case("text.dta", SOUND, "cannot be read as .dta"),
    Case(
        name="cut.parquet",
        write=cut(lambda path: frame().to_parquet(path)),
        said=("cannot be read as .parquet",),
    ),
    Case(name="crashes_pyarrow.parquet", write=crashing, said=("cannot be read as .parquet",)),
    Case(name="nested.parquet", write=nested, said=("column 'goals' is nested",)),
    Case(name="vector.rds", write=r_vector, said=("not a data frame",)),
    Case(name="cut.rds", write=cut(r_frame), said=("cut.rds",)),
    text_case(
        "wide_unknown_visits.csv",
        WIDE,
        "the time of visit 'pre' is not known",
        "--visits",
        options=("--wide", "goals=goals_{visit}"),
    ),
    text_case(
        "wide_without_visit.csv",
        WIDE,
        "the pattern needs {visit} once",
        options=("--wide", "goals=goals_pre"),
    ),
    text_case("wide_no_pair.csv", WIDE, "no pair", "COLUMN=PATTERN", options=("--wide", "goals_{visit}")),
    text_case(
        "visits_no_time.csv",
        WIDE,
        "not a time",
        "'soon'",
        options=("--wide", "goals=goals_{visit}", "--visits", "pre=0,post=soon"),
    ),
    text_case(
        "wide_bad_cell.csv",
        WIDE.replace("003,4,5", "003,4,8"),
        "line 4, column 'goals_post'",
        options=("--wide", "goals=goals_{visit}", "--visits", "pre=0,post=6"),
    ),
    text_case(
        "no_date_column.csv",
        join(DATED).replace("when", "wann"),
        "no column 'when'",
        options=("--date", "when"),
    ),
    text_case(
        "no_date.csv",
        dated(3, "when", "2020-13-01"),
        "line 3, column 'when': not a date",
        options=("--date", "when"),
    ),
    text_case(
        "date_year_20.csv", dated(3, "when", "0020-01-01"), "not a date", "1900", options=("--date", "when")
    ),
    text_case(
        "date_before_baseline.csv",
        dated(3, "when", "2019-12-31"),
        "line 3",
        "the time is negative",
        options=("--date", "when", "--baseline", "start"),
    ),
    text_case(
        "no_baseline_date.csv",
        dated(3, "start", ""),
        "the time is missing",
        options=("--date", "when", "--baseline", "start"),
    ),
    text_case(
        "two_readings.csv",
        "id,when,goals\n" + "".join(f"{p},0{m}/0{p}/2020,4\n" for p in range(1, 9) for m in (2, 6)),
        "can be read as",
        "date_format",
        options=("--date", "when"),
    ),
]


def filled(name: str, word: str, count: int = 6) -> str:
    """Put a word into the first cells of a column."""
    rows = sound_rows()
    at = rows[0].index(name)
    for row in rows[1 : count + 1]:
        row[at] = word
    return join(rows)


def merged_book(path: Path) -> None:
    sheet(typed_rows())(path)
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("A2:A4")
    book.save(path)


HEADERS_TWICE = SOUND.replace("\n", "\nwho,when,form,points,points,kg,ja/nei,years,ja/nei\n", 1)
ROW_NAMES = "\n".join(
    line if not number else f"{number},{line}" for number, line in enumerate(SOUND.splitlines())
)

# One cause in many cells is said once, with what to do.
CASES += [
    *(
        text_case(
            f"missing_word_{number}.csv",
            filled("weight", word),
            "column 'weight'",
            "not a number (6 of 24 cells)",
            f'missing = ["{word}"]',
        )
        for number, word in enumerate(
            (
                "-",
                "--",
                "?",
                "missing",
                "mangler",
                "ukjent",
                "unknown",
                "k.a.",
                "ikke besvart",
                "refused",
                ".a",
                "sysmis",
            )
        )
    ),
    *(
        text_case(f"words_{name}.csv", filled(name, "abc"), f"column {name!r}", "(6 of 24 cells)")
        for name in ("goals", "gaf", "weight", "relapse", "age", "paranoid")
    ),
    *(
        text_case(
            f"summary_{number}.csv",
            SOUND + f"{word},3,WAI-S,4,50,60,0,30,0\n",
            "line 26",
            "a row of summaries",
        )
        for number, word in enumerate(
            (
                "Mean",
                "TOTAL",
                "Gjennomsnitt",
                "Sum:",
                "Median",
                "Mittelwert",
                "Moyenne",
                "SD",
                "Std. Dev.",
                "antall",
            )
        )
    ),
    *(
        text_case(
            f"header_{number}.csv",
            SOUND.replace("month,", f"{head},", 1),
            "no column 'month'",
            f"did you mean '{head}'",
        )
        for number, head in enumerate(("Month", "MONTH", "months", "mon_th", "mnth", "month_", "m.onth"))
    ),
    text_case("headers_twice.csv", HEADERS_TWICE, "line 2", "words in every column of numbers"),
    text_case("write_table.csv", ROW_NAMES, "one field more than the header", "row.names = FALSE"),
    text_case("title.csv", "Data from a study,,,,,,,,\n" + SOUND, "the first row is a title, not headers"),
    text_case("no_headers.csv", SOUND.split("\n", 1)[1], "the first row holds values, not headers"),
    text_case("all_twice.csv", SOUND + SOUND.split("\n", 1)[1], "24 rows have the same patient and time"),
    text_case(
        "all_negative.csv", SOUND.replace(",6,", ",-6,"), "the time is negative (8 of 24 cells)", "time_zero"
    ),
    text_case(
        "wide_undeclared.csv",
        "id,goals_0,goals_6,goals_12\n" + "".join(f"{p},4,5,5\n" for p in range(1, 9)),
        "the file looks wide",
        "--wide 'goals=goals_{visit}'",
    ),
    Case(name="merged.xlsx", write=merged_book, said=("column 'id'", "merged cells (A2:A4)", "fill down")),
    Case(
        name="no_match.csv",
        write=with_patients("id,age\n" + "".join(f"P-{p},30\n" for p in range(1, 9)), VISITS_ONLY),
        said=("the identifiers of the two files do not match", "leading zeros"),
        options=PATIENTS,
    ),
    text_case("time_zero_dates.csv", SOUND, "no column 'when'", "headers found", options=("--date", "when")),
    text_case(
        "blank_patients.csv", filled("id", "", 8).replace("\n,0", "\n001,0", 1), "the patient is missing"
    ),
    text_case(
        "kilos.csv", filled("weight", "60,5 kg", 2).replace("60,5 kg", '"60,5 kg"'), "line 2, column 'weight'"
    ),
    text_case("hours.csv", filled("month", "6h"), "column 'month'", "not a number (6 of 24 cells)"),
    text_case("pounds.csv", filled("weight", "60 lb"), "column 'weight'", "--show-values"),
]


def thin(path: Path) -> None:
    rows = sound_rows()
    for row in rows[1:]:
        row[HEADER.index("paranoid")] = "1" if row[0] in ("001", "002") else "0"
    path.write_text(join(rows))


def column(name: str, value: Callable[[int, str], str]) -> str:
    rows = sound_rows()
    at = rows[0].index(name)
    for number, row in enumerate(rows[1:]):
        row[at] = value(number, row[at])
    return join(rows)


def one_visit(path: Path) -> None:
    rows = sound_rows()
    path.write_text(join([rows[0], *(r for r in rows[1:] if r[1] == "0" or r[0] in ("001", "002"))]))


WARNINGS = [
    text_case(
        "dropped_zeros.csv",
        join(spoil({(2, "id"): "1"})),
        "identifiers differ from others in leading zeros or capitals only",
    ),
    text_case("constant.csv", column("weight", lambda i, c: "60"), "column 'weight': it has one value only"),
    text_case("all_missing.csv", column("gaf", lambda i, c: ""), "column 'gaf': every cell is missing"),
    text_case(
        "code_in_free_number.csv",
        column("weight", lambda i, c: "999" if i == 4 else c),
        "column 'weight'",
        "stand far above all others",
    ),
    text_case(
        "minus_code.csv",
        column("weight", lambda i, c: "-99" if i == 4 else c),
        "column 'weight'",
        "stand far above",
    ),
    Case(
        name="thin_cell.csv",
        write=thin,
        said=("fewer than 3 patients with two visits have paranoid = yes", "models paranoid"),
    ),
    Case(
        name="one_visit.csv",
        write=one_visit,
        said=("fewer than 5 patients have two or more visits", "growth, paranoid"),
    ),
]


def write_case(case: Case, folder: Path) -> tuple[Path, list[str]]:
    """Write a case into a folder; give its path and the options."""
    path = folder / case.name
    with contextlib.suppress(FileExistsError):
        case.write(path)
    return path, [option.replace("{folder}", str(folder)) for option in case.options]
