"""`new-study`: a data file becomes a study file that loads, reads its data and runs; every guess can be overruled."""

from __future__ import annotations

import builtins
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.data.rows import StudyData, read_data
from bayes_alliance.run.plan import plan_study
from bayes_alliance.study.load_study import load_study, models_folder
from bayes_alliance.study.records import Study

MEDICATION = models_folder() / "medication" / "medication_pp.csv"


def make(data: Path, out: Path, *options: str) -> tuple[Study, StudyData]:
    """Make the study, load it, read its data, and see that no model is skipped."""
    assert main(["new-study", str(data), "--out", str(out), "--yes", *options]) == 0
    study = load_study(out)
    rows = read_data(study, out / data.name)
    plan = plan_study(study, rows)
    assert plan.skipped == ()
    assert len(plan.own) == len(study.models)
    return study, rows


def trial(seed: int = 3, n_patients: int = 24) -> pd.DataFrame:
    """Rows with Norwegian headers and words: pasient, måned, symptomer, kjønn, sted, alder."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), 4)
    month = np.tile([0, 3, 6, 12], n_patients)
    return pd.DataFrame(
        {
            "pasient id": [f"{p:04d}" for p in patient],
            "måned": month,
            "symptomer (sum)": np.round(
                20 + rng.normal(0, 4, n_patients)[patient] - 0.3 * month + rng.normal(0, 2, len(month)), 1
            ),
            "kvinne": np.where(patient % 2, "ja", "nei"),
            "sted": np.array(["Ålesund", "Bodø", "Oslo"])[patient % 3],
            "alder": rng.integers(18, 60, n_patients)[patient],
            "if": (patient % 4 == 0) + 1,
        }
    )


def test_the_shipped_medication_data_run_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Roles as in the study that ships, so the treatment effect on the slope is the textbook's 5.54 (2.28)."""
    study, _ = make(MEDICATION, tmp_path / "mine")
    assert (study.patient, study.time, study.outcomes, study.horizon) == ("id", "time", ("pos",), 6.7)
    assert [m.formula for m in study.models][1] == "pos ~ time + treat + time:treat + (time | id)"
    capsys.readouterr()
    assert main(["fit", str(tmp_path / "mine"), "--model", "pos_by_treat", "--engine", "none"]) == 0
    assert "5.537 (2.278)" in capsys.readouterr().out


def test_norwegian_headers_words_and_decimal_commas(tmp_path: Path) -> None:
    """Names without special letters, 'nei' before 'ja', towns as categories, codes 1 and 2 as 0 and 1."""
    path = tmp_path / "Mine data 2024.csv"
    trial().to_csv(path, index=False, sep=";", decimal=",", encoding="latin-1")
    study, rows = make(path, tmp_path / "ny studie")
    assert study.id == "ny_studie"
    assert study.time_unit == "months"
    variables = {v.column: v for v in study.variables}
    assert variables["symptomer (sum)"].name == "symptomer_sum"
    assert variables["kvinne"].categories == ("nei", "ja")
    assert set(variables["sted"].categories) == {
        "Bodø",
        "Oslo",
        "Ålesund",
    }
    assert variables["if"].name == "v_if"
    assert set(rows.rows["v_if"]) == {0.0, 1.0}
    assert rows.rows["pasient_id"].iloc[0] == "0000"


def test_labels_of_spss_become_labels_and_categories(tmp_path: Path) -> None:
    """Column labels and value labels are used, codes 1 and 2 need no recoding."""
    table = trial()[["pasient id", "måned", "symptomer (sum)", "if"]]
    table.columns = pd.Index(["pid", "month", "symptoms", "drug"])
    path = tmp_path / "d.sav"
    pyreadstat.write_sav(
        table,
        str(path),
        column_labels={"symptoms": 'Symptoms, "sum"'},
        variable_value_labels={"drug": {1: "placebo", 2: "active"}},
    )
    study, rows = make(path, tmp_path / "study", "--patient", "pid")
    variables = {v.name: v for v in study.variables}
    assert variables["symptoms"].label == 'Symptoms, "sum"'
    assert variables["drug"].categories == ("placebo", "active")
    assert set(rows.rows["drug"]) == {0.0, 1.0}


def test_stated_roles_win_and_wrong_ones_are_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options overrule the guesses; waves 1 to 21 span 20; a column that is not there gets those that are."""
    study, _ = make(MEDICATION, tmp_path / "a", "--time", "wave", "--time-unit", "reports")
    assert (study.time, study.time_unit, study.horizon) == ("wave", "reports", 20)
    assert main(["new-study", str(MEDICATION), "--out", str(tmp_path / "b"), "--outcome", "mood"]) == 2
    assert "no column 'mood'; allowed: id, treat, wave" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_what_cannot_be_guessed_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a column that looks like a time, the option that states one is named."""
    path = tmp_path / "d.csv"
    trial().rename(columns={"måned": "x"}).to_csv(path, index=False)
    assert main(["new-study", str(path), "--yes"]) == 2
    assert "no column looks like the time" in (said := capsys.readouterr().err)
    assert "--time COLUMN" in said


def test_an_existing_study_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second call is refused and changes nothing."""
    make(MEDICATION, tmp_path / "mine")
    (tmp_path / "mine" / "study.toml").write_text("edited by hand")
    assert main(["new-study", str(MEDICATION), "--out", str(tmp_path / "mine"), "--yes"]) == 2
    assert "there is a study.toml already" in capsys.readouterr().err
    assert (tmp_path / "mine" / "study.toml").read_text() == "edited by hand"


def test_a_terminal_is_asked_and_enter_takes_the_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four questions, each with its guess; answers are taken."""
    asked: list[str] = []
    answers = iter(["", "time", "days", ""])

    def answer(question: str) -> str:
        asked.append(question)
        return next(answers)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(builtins, "input", answer)
    assert main(["new-study", str(MEDICATION), "--out", str(tmp_path / "mine")]) == 0
    assert asked == [
        "column of the patient [id]: ",
        "column of the time [time]: ",
        "unit of time [units]: ",
        "outcomes, apart by commas (pos) [pos]: ",
    ]
    assert load_study(tmp_path / "mine").time_unit == "days"


def test_names_of_files_and_columns_cannot_break_out_of_their_strings(tmp_path: Path) -> None:
    """Quotes, brackets and line breaks in headers and in the file's name stay text."""
    table = trial()[["pasient id", "måned", "symptomer (sum)"]]
    table.columns = pd.Index(["id", "month", 'score"\n[models]\nid = "x'])
    path = tmp_path / 'a\nhorizon = 9\n#".csv'
    table.to_csv(path, index=False)
    study, _ = make(path, tmp_path / "study")
    assert [m.id for m in study.models] == ["score_models_id_x_growth"]
    assert study.horizon == 12


def test_too_few_visits_give_a_random_intercept_only(tmp_path: Path) -> None:
    """A slope that nobody has two visits for is not put into the model."""
    path = tmp_path / "d.csv"
    table = trial()
    keep = (table["måned"] == 0) | table["pasient id"].isin(["0000", "0001"])
    table.loc[keep, ["pasient id", "måned", "symptomer (sum)"]].to_csv(path, index=False)
    study, _ = make(path, tmp_path / "study", "--patient", "pasient id")
    assert study.models[0].formula == "symptomer_sum ~ maaned + (1 | pasient_id)"


def test_a_wide_file_gives_a_study_that_reads_it(tmp_path: Path) -> None:
    """The declared pattern and times go into the study file; the models are those of the long form."""
    wide = trial().pivot(index=["pasient id", "kvinne"], columns="måned", values="symptomer (sum)")
    wide.columns = pd.Index([f"score_t{month}" for month in wide.columns])
    path = tmp_path / "w.csv"
    wide.reset_index().to_csv(path, index=False)
    options = ("--wide", "score=score_t{visit}", "--time-unit", "months", "--patient", "pasient id")
    study, rows = make(path, tmp_path / "study", *options)
    assert study.models[1].formula == "score ~ time + kvinne + time:kvinne + (time | pasient_id)"
    assert sorted(set(rows.rows["time"])) == [0, 3, 6, 12]
    study, rows = make(path, tmp_path / "other", *options, "--visits", "0=0,3=1,6=2,12=2.5")
    assert sorted(set(rows.rows["time"])) == [0, 1, 2, 2.5]


def test_row_names_of_r_are_no_patients_until_they_have_a_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wide file as R's write.csv writes it: the message says what to add, and with a header it is a study."""
    rows = [f'"{i}","{"ab"[i % 2]}",{4 + i % 3},{3 + i % 2},{2 + i % 4}' for i in range(1, 13)]
    path = tmp_path / "loss.csv"
    wide = ["--wide", "wl=wl{visit}", "--yes", "--out", str(tmp_path / "s")]
    path.write_text("\n".join(['"","group","wl1","wl2","wl3"', *rows]))
    assert main(["new-study", str(path), *wide]) == 2
    assert "give them one" in capsys.readouterr().err
    path.write_text("\n".join(['"id","group","wl1","wl2","wl3"', *rows]))
    assert main(["new-study", str(path), *wide]) == 0
    assert main(["check-data", str(tmp_path / "s"), str(tmp_path / "s" / "loss.csv")]) == 0


def test_a_patient_under_no_known_header_is_found_by_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """79 trees of MASS's Sitka: the message names the one column that can be it, and does not complain of the time."""
    rows = [f"{4 + tree / 50 + day / 100},{day},{tree}" for tree in range(1, 13) for day in (152, 174, 201)]
    path = tmp_path / "d.csv"
    path.write_text("\n".join(["size,Time,tree", *rows]))
    new = ["new-study", str(path), "--yes", "--out", str(tmp_path / "s")]
    assert main(new) == 2
    said = capsys.readouterr().err
    assert "1 problem\n" in said and "state it: --patient tree" in said and "like the time" not in said
    assert main([*new, "--patient", "tree"]) == 0
    assert "time: Time" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("first", "shared", "zero"),
    [(0.12645974990194297, 1, 0.1), (2.718281828459045, 1, 2.7), (1.5, 5, 1.5), (1.234567, 4, 1.2)],
)
def test_the_first_visit_of_few_patients_is_rounded_down(
    first: float, shared: int, zero: float, tmp_path: Path
) -> None:
    """A study file may be given away; a time that five patients share is none of a patient's."""
    frame = trial()
    frame["måned"] = frame["måned"] + 2.9 + np.repeat(np.arange(24) / 300.0, 4)
    starts = frame.index[frame["måned"] < 3.5][:shared]
    frame.loc[starts, "måned"] = first
    path = tmp_path / "trial.csv"
    frame.to_csv(path, index=False)
    study, rows = make(path, tmp_path / "mine", "--outcome", "symptomer (sum)")
    text = (tmp_path / "mine" / "study.toml").read_text(encoding="utf-8")
    assert f"\ntime_zero = {zero!r}  #" in text
    assert (repr(first) in text) is (shared >= 5)
    assert rows.rows[study.time].min() == pytest.approx(first - zero)
