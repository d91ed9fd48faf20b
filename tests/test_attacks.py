"""What an attack on version 0.1.0 found, entry by entry, and the tests that would find it again.

Letters are those of the attack's list: critical, high, medium, low. ``TESTED`` names the tests of each entry; those of
no other room stand below. ``FAILED_BEFORE`` says how an entry was seen to fail on version 0.1.0 (commit 674b3ab).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.cohorts.store import read_cohort
from bayes_alliance.data.rows import data_from_frame, read_data
from bayes_alliance.errors import InputError
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study, models_folder
from bayes_alliance.study.records import ReadOptions, Source
from tests.corpus_study import LEAN, write_study
from tests.small_study import small_study

HERE = Path(__file__).parent
TESTED = {
    "C1 records out of a bundle": (
        "show/test_disclosure_attacks.py::test_records_are_recovered_no_better_than_by_guessing_from_the_model",
        "show/test_disclosure_attacks.py::test_the_recovery_attack_works_on_exact_scores",
        "show/test_disclosure_attacks.py::test_no_digest_seed_of_a_sampler_or_energy_is_in_a_bundle",
    ),
    "H1 real patients in synthetic cohorts": (
        "cohorts/test_rebuild.py::test_a_cohort_on_real_patients_says_so_and_holds_no_more_of_them_than_it_needs",
        "cohorts/test_rebuild.py::test_real_patients_enter_a_cohort_only_where_that_was_said",
    ),
    "H2 data in a compiler's cache": (
        "inference/test_private_cache.py::test_fits_leave_no_number_of_the_data_behind",
    ),
    "H3 inputs overwritten": (
        "cli/test_outputs.py::test_fit_writes_its_numbers_over_nothing",
        "cli/test_outputs.py::test_a_bundle_is_written_over_nothing",
    ),
    "H4 masks that do not mask": (
        "show/test_small_groups.py::test_nothing_of_the_one_patient_is_in_tables_figures_or_report",
        "show/test_small_groups.py::test_the_dictionary_hides_complements",
        "show/test_disclosure_attacks.py::test_a_group_of_three_is_in_no_output_and_in_no_difference_of_outputs",
        "show/test_privacy.py::test_error_messages_hold_no_marker",
    ),
    "H5 a group of one described": (
        "show/test_small_groups.py::test_nothing_of_the_one_patient_is_in_tables_figures_or_report",
    ),
    "H6 formulas without a value": ("cli/test_cases.py::test_formulas_that_were_never_computed_are_named",),
    "H7 underflow": (
        "assess/test_bayes_factors.py::test_far_from_zero_the_bayes_factor_is_still_a_number",
        "inference/test_importance.py::test_a_target_without_a_density_anywhere_is_told",
        "test_attacks.py::test_a_horizon_that_cannot_be_computed_with_is_refused",
    ),
    "M1 bombs": (
        "data/test_limits.py::test_an_r_file_unpacks_to_no_more_than_a_data_file_may_have",
        "data/test_limits.py::test_a_parquet_dictionary_unpacks_to_no_more_than_a_data_file_may_have",
        "data/test_limits.py::test_a_sheet_of_sparse_cells_is_refused",
        "data/test_limits.py::test_objects_of_r_take_no_more_memory_than_they_may",
        "data/test_limits.py::test_words_of_a_workbook_unpack_to_no_more_than_they_may",
        "cohorts/test_store.py::test_a_cohort_unpacks_to_no_more_than_a_data_file_may_have",
        "run/test_large_patients.py::test_an_identifier_of_a_megabyte_is_refused_before_it_is_in_every_row",
    ),
    "M2 a cell of 131,000 digits": (
        "data/test_limits.py::test_a_cell_of_a_hundred_thousand_digits_is_read_in_linear_time",
        "data/test_limits.py::test_formulas_are_looked_for_in_linear_time",
        "data/test_limits.py::test_a_header_of_a_hundred_thousand_letters_is_refused",
    ),
    "M3 devices, pipes and links": (
        "data/test_limits.py::test_a_device_or_a_pipe_is_no_data_file",
        "data/test_limits.py::test_a_study_reads_no_file_outside_its_folder",
        "data/test_limits.py::test_a_pasted_table_is_no_special_file",
        "cohorts/test_store.py::test_a_pipe_is_no_cohort",
        "run/test_large_patients.py::test_a_pipe_is_no_part",
        "show/test_views.py::test_a_file_beside_a_run_that_cannot_be_read_is_a_remark",
    ),
    "M4 no cache can be written": (
        "runtime/test_compiled.py::test_a_cache_that_cannot_be_written_is_done_without",
        "runtime/test_compiled.py::test_nothing_asks_for_a_cache_by_itself",
        "inference/test_cache_place.py::test_pytensor_is_given_a_folder_where_the_home_is_closed",
    ),
    "M5 memory": (
        "inference/test_draws_memory.py::test_a_command_tells_before_its_first_fit",
        "inference/test_draws_memory.py::test_what_bambi_is_told_to_need_is_what_it_took",
        "cli/test_hard_ends.py::test_out_of_memory_is_a_message",
    ),
    "M6 script in a drawing": (
        "show/test_views.py::test_a_drawing_with_more_than_shapes_is_refused",
        "show/test_views.py::test_no_comment_enters_the_page",
        "show/test_views.py::test_the_policy_names_the_very_script_of_the_page",
    ),
    "M7 one row a patient": ("test_attacks.py::test_one_row_a_patient_carries_no_model",),
    "M8 one patient under two spellings": (
        "data/test_codes.py::test_no_character_that_shows_nothing_makes_another_patient",
        "data/test_alike_identifiers.py::test_two_spellings_are_told_with_their_letters",
        "data/test_alike_identifiers.py::test_a_second_table_that_spells_a_patient_otherwise_is_told",
        "run/test_large_patients.py::test_patients_that_look_like_others_are_told",
        "run/test_large_patients.py::test_patients_of_two_parts_have_one_spelling",
    ),
    "M9 a missing code blanks identifiers": (
        "test_attacks.py::test_a_missing_code_leaves_identifiers_and_times_alone",
    ),
    "M10 an item that nobody answered": ("test_attacks.py::test_a_column_without_a_value_is_named",),
    "M11 large data": (
        "run/test_large_patients.py::test_patients_of_two_parts_have_one_spelling",
        "run/test_large_patients.py::test_numbers_beside_leading_zeros_are_refused",
        "run/test_large_patients.py::test_a_row_without_a_patient_is_refused",
        "run/test_large_patients.py::test_rows_of_a_patient_that_contradict_each_other_are_refused",
        "run/test_large_patients.py::test_fewer_than_three_patients_are_refused",
        "run/test_large_patients.py::test_a_header_that_stands_twice_is_refused",
    ),
    "M12 endless study files": (
        "data/test_limits.py::test_a_study_file_is_read_or_refused_in_seconds",
        "data/test_limits.py::test_a_printed_cell_of_a_hundred_thousand_letters_is_refused",
        "data/test_limits.py::test_a_message_of_any_number_of_problems_is_short",
    ),
    "M13 a mistyped --date": (
        "test_attacks.py::test_a_date_column_that_is_not_there_is_refused",
        "test_attacks.py::test_an_option_without_a_name_is_refused",
    ),
    "M14 results over other files": (
        "runtime/test_own_files.py::test_files_of_somebody_else_are_refused_before_anything_is_written",
        "runtime/test_own_files.py::test_a_table_changed_by_hand_is_refused",
        "runtime/test_own_files.py::test_a_drawing_of_somebody_else_is_not_replaced_by_one_of_patients",
        "cli/test_outputs.py::test_the_working_folder_is_not_filled",
    ),
    "M15 names of files": ("test_attacks.py::test_names_that_share_a_file_are_refused",),
    "M16 odd characters at the end": (
        "show/test_table_forms.py::test_hostile_text_is_text_in_word",
        "show/test_table_forms.py::test_no_sign_in_a_title_or_a_note_ends_a_workbook",
        "test_attacks.py::test_control_characters_in_a_study_file_are_refused",
        "cli/test_hard_ends.py::test_a_name_that_is_not_utf8_is_refused_before_any_work",
        "cli/test_hard_ends.py::test_a_closed_or_narrow_stream_ends_no_command",
    ),
    "M17 a hidden sheet": ("test_attacks.py::test_a_hidden_sheet_is_not_read_unasked",),
    "L1 damaged records": (
        "cli/test_hard_ends.py::test_a_damaged_manifest_is_no_finished_run",
        "show/test_views.py::test_a_file_beside_a_run_that_cannot_be_read_is_a_remark",
        "run/test_manifest.py::test_what_is_not_whole_or_not_ours_is_made_again",
        "run/test_posterior_store.py::test_what_is_said_of_stored_draws_cannot_be_changed",
    ),
    "L2 cohort files": (
        "cohorts/test_load_plan.py::test_numbers_that_cannot_be_drawn_are_refused",
        "cohorts/test_load_plan.py::test_an_integer_of_thousands_of_digits_is_refused",
        "test_attacks.py::test_a_cohort_with_a_flipped_byte_is_refused",
    ),
    "L3 a file without headers": ("test_attacks.py::test_a_file_without_headers_shows_no_patient",),
    "L4 hashes and licences": (
        "test_packaging.py::test_licences_of_test_data_are_stated",
        "test_packaging.py::test_the_environment_is_made_by_hashes",
    ),
    "L5 generated sources": (
        "inference/test_private_cache.py::test_fits_leave_no_number_of_the_data_behind",
    ),
    "L6 told at the end, or wrongly": (
        "cli/test_outputs.py::test_a_bundle_is_written_over_nothing",
        "cli/test_survival.py::test_a_finished_run_needs_no_writing",
        "run/test_large_patients.py::test_what_a_worker_finds_wrong_is_the_users_to_correct",
    ),
    "L7 a row of means": ("test_attacks.py::test_a_row_of_means_is_no_patient",),
}

# What version 0.1.0 did, by the attack's own steps on the command line or those of the tests.
FAILED_BEFORE = {
    "C1 records out of a bundle": "64 rows of patient_scores_pos.csv in a bundle of medication, 16 digits each",
    "H1 real patients in synthetic cohorts": "the cohort on a design held 90 of 90 marked identifiers",
    "H2 data in a compiler's cache": "fit --engine bambi left all 48 outcomes of a file in ~/.pytensor/numba, mode 644",
    "H3 inputs overwritten": "fit --json rows.csv: exit 0, and the data were gone",
    "H4 masks that do not mask": "--min-cell 5: mean and SD of the one treated patient in each of four windows",
    "H5 a group of one described": "age of the one treated patient: 'mean (SD) 21.0 (undefined)'",
    "H6 formulas without a value": "check-data: exit 0, without a word of formulas",
    "H7 underflow": "ZeroDivisionError",
    "M1 bombs": "0.4 GB in a .rds of a few hundred bytes were unpacked: 0.9 GB of memory, without a bound",
    "M2 a cell of 131,000 digits": "not read within 90 s",
    "M3 devices, pipes and links": "/dev/zero was not refused within 40 s, a pipe not within 15 s",
    "M4 no cache can be written": "cohort folmo2020: RuntimeError of numba: no locator available",
    "M5 memory": "a traceback from NumPy: unable to allocate 149 GiB",
    "M6 script in a drawing": "the script of a drawing in stress/ was in report.html, whose policy let it run",
    "M7 one row a patient": "the model was planned and fitted",
    "M8 one patient under two spellings": "identifiers with a zero-width space made 16 patients of 8",
    "M9 a missing code blanks identifiers": "--missing 3: 'the patient is missing' in three rows",
    "M10 an item that nobody answered": "item 6, empty in every row, was in no warning",
    "M11 large data": "24 patients of 12 by leading zeros; an empty identifier and two patients accepted",
    "M12 endless study files": "a dotted key of two megabytes was not refused within 60 s",
    "M13 a mistyped --date": "24 rows were read by the column of time, without a word",
    "M14 results over other files": "report, manifest and a table of somebody else's were overwritten, exit 0",
    "M15 names of files": "models 'growth' and 'Growth' were both accepted",
    "M16 odd characters at the end": "tracebacks after all work: \\u0001 in the title, a data file not named in UTF-8",
    "M17 a hidden sheet": "the hidden sheet was read, and not said to be hidden",
    "L1 damaged records": "'99 models, no check failed' from an edited manifest; RecursionError on a nested one",
    "L2 cohort files": "ValueError on an integer of 5,000 digits",
    "L3 a file without headers": "the message listed the first patient's identifier among the headers",
    "L4 hashes and licences": "pyproject.toml stated BSD-3-Clause alone; GPL data were in the sdist",
    "L5 generated sources": "a fit by pymc left 17 files in TMPDIR, one by bambi 13",
    "L6 told at the end, or wrongly": "--share into a missing folder was told after 48 files; exit 1 for a wrong input",
    "L7 a row of means": "'Mean' was a ninth patient",
}


def test_every_entry_has_its_tests() -> None:
    """All 32 entries, each with tests that exist, and with what version 0.1.0 did."""
    assert len(TESTED) == 1 + 7 + 17 + 7
    assert set(FAILED_BEFORE) == set(TESTED)
    for entry, tests in TESTED.items():
        for test in tests:
            file, _, name = test.partition("::")
            assert re.search(rf"^def {name}\(", (HERE / file).read_text(encoding="utf-8"), re.MULTILINE), (
                entry
            )


def rows(n: int = 8) -> pd.DataFrame:
    """Three visits of each of some patients."""
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(1, n + 1), 3)
    return pd.DataFrame(
        {
            "patient": patient,
            "months": np.tile([0.0, 3.0, 9.0], n),
            "goals": np.clip(np.round(4 * rng.normal(4, 0.6, len(patient))) / 4, 1, 7),
            "paranoid": (patient % 2).astype(float),
        }
    )


def written(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def test_one_row_a_patient_carries_no_model() -> None:
    """Variances between and within patients cannot be told apart."""
    study, frame = small_study(), rows(20).query("months == 0")
    data = data_from_frame(study, frame, source=Source.REAL, origin="made up")
    for name in ("unconditional", "growth"):
        model = study.model(name)
        planned = plan_model(data, model, parse_formula(model.formula).names)
        assert not isinstance(planned, PlannedModel) and planned.reason


def test_a_missing_code_leaves_identifiers_and_times_alone(tmp_path: Path) -> None:
    """`--missing 3` blanks scores of 3, neither patient 3 nor month 3."""
    frame = rows()
    frame.loc[frame.index[:2], "goals"] = 3.0
    found = read_data(small_study(), written(frame, tmp_path), options=ReadOptions(missing=("3",))).rows
    assert "3" in set(found["patient"]) and 3.0 in set(found["months"])
    assert 3.0 not in set(found["goals"]) and found["goals"].isna().sum() == (frame["goals"] == 3.0).sum()


def test_a_column_without_a_value_is_named(tmp_path: Path) -> None:
    """An item too, which is part of a score only."""
    study = load_study(str(write_study(tmp_path / "study", LEAN)))
    assert study.scoring
    items = [study.scoring[0].items.format(item=number) for number in range(1, 13)]
    frame = pd.DataFrame(
        {
            "id": np.repeat([f"P{i}" for i in range(6)], 3),
            "month": np.tile([0, 3, 6], 6),
            "goals": "",
            "version": "WAI-S",
            **{item: np.tile([3, 4, 5, 2], 5)[:18] for item in items},
        }
    ).assign(**{items[5]: ""})
    data = read_data(study, written(frame, tmp_path))
    assert [w for w in data.warnings if items[5] in w.format() and "missing" in w.format()]


def test_a_date_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Also where the file has a column of time, which would be used instead without a word."""
    with pytest.raises(InputError, match="no column 'seem', from which time is to be computed"):
        read_data(
            small_study(),
            written(rows().assign(seen="2020-01-01"), tmp_path),
            options=ReadOptions(date="seem", date_required=True),
        )


def test_an_option_without_a_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a variable of a script that was never set: the column of time is not used in its place."""
    study = write_study(tmp_path / "study", LEAN)
    for option in ("--date", "--baseline", "--sheet"):
        assert main(["check-data", str(study), str(study / "sound.csv"), option, ""]) == 2
        assert f"option {option}: it is empty" in capsys.readouterr().err


def test_control_characters_in_a_study_file_are_refused(tmp_path: Path) -> None:
    """All at once and before any work: no drawing, page or workbook can hold them."""
    text = LEAN.replace('title = "', 'title = "\\u0001').replace('label = "', 'label = "\\b')
    with pytest.raises(InputError, match="control character") as caught:
        load_study(str(write_study(tmp_path / "study", text)))
    assert len([p for p in caught.value.problems if "control character" in p.what]) > 2
    assert "\x01" not in str(caught.value) and "\x08" not in str(caught.value)


@pytest.mark.parametrize("horizon", ["1e-300", "1e300"])
def test_a_horizon_that_cannot_be_computed_with_is_refused(horizon: str, tmp_path: Path) -> None:
    """With a reason, by the study file."""
    text = LEAN.replace("horizon = 36", f"horizon = {horizon}")
    with pytest.raises(InputError, match=r"prior of model .* cannot be"):
        load_study(str(write_study(tmp_path / "study", text)))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ('[[figures]]\nid = "prior_posterior"\ntitle = "T"\nmodels = ["growth"]', "a figure of every run"),
        (
            '[[models]]\nid = "Growth"\nlabel = "G"\nfamily = "g"\nformula = "goals ~ months + (1 | patient)"',
            "differs from 'growth' in capitals only",
        ),
    ],
)
def test_names_that_share_a_file_are_refused(extra: str, words: str, tmp_path: Path) -> None:
    """One of the two would be lost."""
    with pytest.raises(InputError, match=words):
        load_study(str(write_study(tmp_path / "study", f"{LEAN}\n{extra}\n")))


def test_a_hidden_sheet_is_not_read_unasked(tmp_path: Path) -> None:
    """The first sheet that is shown is read, and the hidden one named."""
    book = openpyxl.Workbook()
    hidden, shown = book.active, book.create_sheet("shown")
    assert hidden is not None
    for sheet, frame in ((hidden, rows().assign(goals=7.0)), (shown, rows())):
        sheet.append(list(frame.columns))
        for row in frame.itertuples(index=False):
            sheet.append([str(row[0]), *map(float, row[1:])])
    hidden.title, hidden.sheet_state = "secret", "hidden"
    book.save(tmp_path / "book.xlsx")
    data = read_data(small_study(), tmp_path / "book.xlsx")
    assert not (data.rows["goals"] == 7.0).all()
    assert any("secret" in text for text in (*data.notes, *(w.format() for w in data.warnings)))


def test_a_cohort_with_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    """One message, whichever byte of the stamp or the data it is; some bytes are unused."""
    whole = next((models_folder() / "folmo2020" / "cohorts").glob("cohort_*.parquet")).read_bytes()
    path = tmp_path / "cohort_000.parquet"
    refused = 0
    for position in range(len(whole) - 3_000, len(whole), 150):
        damaged = bytearray(whole)
        damaged[position] ^= 0x80
        path.write_bytes(bytes(damaged))
        try:
            read_cohort(path)
        except InputError:
            refused += 1
    assert refused


def test_a_file_without_headers_shows_no_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first patient's cells stand where headers should; the terminal does not show them."""
    frame = rows().assign(patient=lambda f: [f"MARKER{p}" for p in f["patient"]])
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False, header=False)
    assert main(["new-study", str(path), "--out", str(tmp_path / "new"), "--yes"]) == 2
    said = capsys.readouterr()
    assert "MARKER1" not in said.out + said.err


def test_a_row_of_means_is_no_patient(tmp_path: Path) -> None:
    """A row of summaries below the table is refused."""
    frame = rows().astype({"patient": str})
    frame.loc[len(frame)] = ["Mean", 4.0, 4.0, 0.5]
    with pytest.raises(InputError, match="a row of summaries, not of a patient"):
        read_data(small_study(), written(frame, tmp_path))
