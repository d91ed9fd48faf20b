"""The command line: exit codes, messages without tracebacks, JSON, and nothing touched on bad input."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.assess.loo import Score
from bayes_alliance.cli.main import main
from bayes_alliance.inference.engines import fit_posterior
from bayes_alliance.inference.fits import PosteriorFit
from bayes_alliance.run import fitter, score_model
from bayes_alliance.runtime.own_files import LEDGER
from bayes_alliance.study.load_study import models_folder

MEDICATION = models_folder() / "medication"
DATA = MEDICATION / "medication_pp.csv"


def _run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run the command line in this process; argparse's own exit counts as an exit code."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def _process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bayes_alliance", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the first and last twelve patients of the public data, five days each: quick to fit."""
    frame = pd.read_csv(DATA)
    ids = frame["id"].drop_duplicates()
    chosen = frame[frame["id"].isin([*ids[:12], *ids[-12:]]) & (frame["time"] % 1 == 0) & (frame["time"] < 5)]
    path = tmp_path_factory.mktemp("data") / "small.csv"
    chosen[["id", "treat", "time", "pos"]].to_csv(path, index=False)
    return path


def test_help_answers_in_half_a_second() -> None:
    """The best of three starts, interpreter included, by the processor's time: other work does not count."""

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    seconds = []
    for _ in range(3):
        started = used()
        done = _process("--help")
        seconds.append(used() - started)
        assert done.returncode == 0
        assert "Exit codes" in done.stdout
    assert min(seconds) < 0.5


def _imported(*arguments: str) -> set[str]:
    script = (
        "import sys\nfrom bayes_alliance.cli.main import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    """Not even NumPy."""
    heavy = {"numpy", "scipy", "pandas", "pymc", "bambi", "arviz", "arviz_stats", "nutpie", "matplotlib"}
    assert not heavy & _imported("--help")
    assert not heavy & _imported("reanalyse", "--help")


def test_the_frequentist_part_does_not_import_a_sampler() -> None:
    """`fit --engine none` needs neither PyMC nor its friends nor a plotting library."""
    imported = _imported("fit", "medication", "--model", "growth_placebo", "--engine", "none")
    assert not {"pymc", "pytensor", "bambi", "nutpie", "arviz", "arviz_stats", "matplotlib"} & imported


def test_version_is_that_of_the_package() -> None:
    """So that a report of a problem can name it."""
    from bayes_alliance import __version__

    assert _process("--version").stdout.strip() == f"bayes-alliance {__version__}"


def test_studies_lists_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    """Every study, in words and as JSON: input, design, N and cells as printed, licence, verdicts where asked for."""
    code, out, _ = _run(capsys, "studies")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "bates2015",
        "davidian_armd",
        "egsingle",
        "espel_huynh2024",
        "folmo2020",
        "fox2019",
        "galecki2013",
        "hothorn2014",
        "kokkeler2020",
        "lindqvist2020",
        "medication",
        "okeefe2013",
        "pinheiro2000",
        "shea2023",
        "unemployment",
        "verbeke2000",
    ]
    (trial,) = (line for line in out.splitlines() if line.startswith("hothorn2014"))
    assert all(
        part in trial for part in ("randomised trial, 2 arms", "N 97 printed", "58 printed cells", "GPL-2")
    )
    listed = json.loads(_run(capsys, "studies", "--verdicts", "--json")[1])
    verdicts = {s["id"]: s["verdicts_by_print"] for s in listed}
    assert verdicts["hothorn2014"] == {"supported": 4, "likely": 2} and verdicts["medication"] == {}
    sources = {s["id"]: s["source"] for s in listed}
    assert (sources["folmo2020"], sources["medication"]) == ("synthetic", "real data")
    assert sources["kokkeler2020"] == "printed"


def test_fit_prints_the_quantities(capsys: pytest.CaptureFixture[str]) -> None:
    """The treatment effect on the slope by ML as in the textbook: 5.54 (2.28)."""
    code, out, err = _run(capsys, "fit", "medication", "--model", "treatment", "--engine", "none")
    assert (code, err) == (0, "")
    (line,) = (line for line in out.splitlines() if line.strip().startswith("deviation_treatment"))
    assert "5.537 (2.278)" in line


def test_fit_as_json_on_stdout_and_in_a_file_is_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`--json` and `--json -` print what `--json FILE` writes beside the text, and stdout holds nothing else."""
    arguments = ("fit", "medication", "--model", "growth_placebo", "--engine", "none", "--json")
    code, out, _ = _run(capsys, *arguments, "-")
    assert code == 0
    assert _run(capsys, *arguments)[1] == out
    code, text, _ = _run(capsys, *arguments, tmp_path / "fit.json")
    assert code == 0 and "growth_placebo" in text and "{" not in text
    assert json.loads(out) == json.loads((tmp_path / "fit.json").read_text())
    assert json.loads(out)["models"][0]["model"] == "growth_placebo"


def test_reanalyse_leaves_everything_and_ends_with_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path
) -> None:
    """Tables, figures, posteriors, manifest; progress on stderr, one line on stdout."""
    out_folder = tmp_path / "deep" / "out"
    code, out, err = _run(
        capsys, "reanalyse", "medication", "--data", small_file, "--engine", "collapsed", "--draws", "100",
        "--out", out_folder, "--models", "growth, treatment,",
    )  # fmt: skip
    assert code == 0
    assert {path.name for path in out_folder.iterdir()} == {
        "tables",
        "figures",
        "paper",
        "posteriors",
        "report.html",
        "manifest.json",
        LEDGER,
    }
    assert out.count("\n") == 1
    assert out.startswith("medication: 2 models on real data, no essential check failed (of ")
    assert "[2/2] treatment: drawn in" in err
    manifest = json.loads((out_folder / "manifest.json").read_text())
    assert manifest["settings"]["collapsed"]["draws"] == 400
    assert manifest["settings"]["models"] == ["growth", "treatment"]


def test_reanalyse_quiet_as_json_prints_one_json_line_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path
) -> None:
    """Counts, folder, failed and unmade checks, for a program to read."""
    code, out, err = _run(
        capsys, "reanalyse", "medication", "--data", small_file, "--engine", "none", "--quiet", "--json",
        "--models", "growth", "--out", tmp_path / "out",
    )  # fmt: skip
    assert (code, err) == (0, "")
    (line,) = out.splitlines()
    found = json.loads(line)
    assert (found["models_run"], found["checks_failed"], found["models_skipped"]) == (1, [], {})
    # Numbers kept for the next run are not of its results.
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert found["files"] == sum(not path.match("posteriors/*.json") and path.name != LEDGER for path in left)


def test_check_data_says_what_can_be_run(capsys: pytest.CaptureFixture[str], small_file: Path) -> None:
    """In words and as JSON."""
    code, out, _ = _run(capsys, "check-data", "medication", small_file)
    assert code == 0
    assert "24 patients" in out
    found = json.loads(_run(capsys, "check-data", "medication", small_file, "--json")[1])
    assert (found["ok"], len(found["models"])) == (True, 5)


def test_a_file_with_only_some_columns_runs_the_other_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path
) -> None:
    """Without `treat`, growth runs; the others are named with the reason, in every output."""
    path = tmp_path / "some.csv"
    pd.read_csv(small_file).drop(columns="treat").to_csv(path, index=False)
    lacking = {
        name: "the data lack treat" for name in ("treatment", "growth_placebo", "growth_antidepressant")
    }
    found = json.loads(_run(capsys, "check-data", "medication", path, "--json")[1])
    assert found["models_skipped"] == lacking
    code, out, err = _run(
        capsys,
        "reanalyse",
        "medication",
        "--data",
        path,
        "--engine",
        "none",
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert code == 0
    assert "2 models on some.csv; 3 cannot be run" in err
    assert json.loads(out)["models_skipped"] == lacking
    skipped = json.loads((tmp_path / "out" / "manifest.json").read_text())["skipped"]
    assert {s["model_id"]: s["reason"] for s in skipped} == lacking


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Path]:
    """Make an output folder with a former result, which must be as it was afterwards."""
    folder = tmp_path / "results"
    (folder / "tables").mkdir(parents=True)
    (folder / "manifest.json").write_text("former")
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    yield folder
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before
    assert (folder / "manifest.json").read_text() == "former"


def _bad_data(path: Path) -> Path:
    path.write_text("id,time,treat,pos\n1,0,0,100\n1,x,0,110\n1,2,7,120\n1,2,0,130\n")
    return path


def test_a_bad_data_file_lists_every_problem_by_line(
    capsys: pytest.CaptureFixture[str], untouched: Path, tmp_path: Path
) -> None:
    """A time that is no number and an impossible code, with lines and columns, at once."""
    path = _bad_data(tmp_path / "bad.csv")
    code, out, err = _run(capsys, "reanalyse", "medication", "--data", path, "--out", untouched)
    assert (code, out) == (2, "")
    assert err.startswith("bayes-alliance: bad.csv: ")
    assert "line 3" in err
    assert "line 4" in err


def test_check_data_gives_the_problems_as_json_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`ok` is false, the problems are listed, the exit code is 2."""
    code, out, _ = _run(capsys, "check-data", "medication", _bad_data(tmp_path / "bad.csv"), "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (2, False)
    assert len(found["problems"]) >= 2


def test_check_data_of_a_sound_file_that_carries_no_model_is_json_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path
) -> None:
    """No outcome, no model: every reason, not a bare message."""
    path = tmp_path / "none.csv"
    pd.read_csv(small_file).drop(columns="pos").to_csv(path, index=False)
    code, out, _ = _run(capsys, "check-data", "medication", path, "--json")
    assert code == 2
    assert "model growth: the data lack pos" in json.loads(out)["problems"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reanalyse", "medicatoin"), ("medicatoin", "hothorn2014, kokkeler2020")),
        (("reanalyse", "medication", "--models", "growth,grwoth"), ("no such model", "'grwoth'", "growth,")),
        (("fit", "medication", "--model", "nothing"), ("no such model", "'nothing'")),
        (("fit", "medication", "--model", "growth", "--prior", "nutral"), ("no such prior set", "neutral")),
        (("reanalyse", "medication", "--prior", "nutral"), ("no such prior set", "'nutral'")),
        (
            ("reanalyse", "medication", "--patients", "x.csv"),
            ("--patients is read only together with --data",),
        ),
        (("reanalyse", "medication", "--data", "absent.csv"), ("absent.csv",)),
        (("check-data", "medication", "absent.csv"), ("absent.csv",)),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(
    capsys: pytest.CaptureFixture[str], untouched: Path, arguments: tuple[str, ...], said: tuple[str, ...]
) -> None:
    """Exit code 2, the word that was wrong, and the allowed ones; no result is touched."""
    where = ("--out", str(untouched)) if arguments[0] == "reanalyse" else ()
    code, out, err = _run(capsys, *arguments, *where)
    assert (code, out) == (2, "")
    for part in said:
        assert part in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[study\n", "study.toml"),
        ('[study]\nid = "x"\n', "study.toml"),
        ("", "study.toml"),
    ],
)
def test_a_bad_study_file_is_wrong_input(
    capsys: pytest.CaptureFixture[str], untouched: Path, tmp_path: Path, content: str, said: str
) -> None:
    """Broken TOML and missing tables are said with the file's name."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "study.toml").write_text(content)
    code, out, err = _run(capsys, "reanalyse", folder, "--out", untouched)
    assert (code, out) == (2, "")
    assert said in err


def test_every_problem_of_a_study_file_is_said_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Two planted mistakes and what follows from one of them, in one message."""
    text = (MEDICATION / "study.toml").read_text()
    text = text.replace("pos ~ days + treat", "pos ~ days + traet", 1).replace("horizon = 7", "horizon = -7")
    (tmp_path / "study.toml").write_text(text)
    (tmp_path / "medication_pp.csv").write_bytes(DATA.read_bytes())
    code, _, err = _run(capsys, "reanalyse", tmp_path, "--out", tmp_path / "out")
    assert code == 2
    assert "3 problems" in err
    assert "'traet'" in err
    assert "key 'horizon'" in err
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_is_wrong_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The file stays as it is."""
    path = tmp_path / "taken"
    path.write_text("mine")
    code, _, err = _run(capsys, "reanalyse", "medication", "--engine", "none", "--out", path)
    assert code == 2
    assert "there is a file of this name" in err
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--draws", "0"),
        ("--draws", "many"),
        ("--chains", "0"),
        ("--chains", "-1"),
        ("--seed", "-1"),
        ("--seed", str(2**32)),
        ("--seed", "1.5"),
        ("--engine", "stan"),
        ("--sampler", "hmc"),
    ],
)
def test_an_option_out_of_range_is_refused_with_its_range(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """Exit code 2 and the allowed values, before a file is read."""
    code, _, err = _run(capsys, "reanalyse", "medication", option, value)
    assert code == 2
    assert option in err
    assert "whole number from" in err or "choose from" in err


def _like_nuts(**planted: Any) -> Any:
    """Make an engine that answers at once as NUTS would, with something planted."""

    def fit(engine: str, *arguments: Any, **options: Any) -> PosteriorFit:
        exact = fit_posterior("collapsed", *arguments, **options)
        if engine == "collapsed":
            return exact
        shape = exact.sigma.shape
        stats = {"diverging": np.zeros(shape), "reached_max_treedepth": np.zeros(shape)}
        stats["energy"] = np.random.default_rng(1).normal(size=shape)
        found = dataclasses.replace(exact, engine=engine, sample_stats=stats)
        if "diverging" in planted:
            stats["diverging"][0, 0] = 1.0
        if "energy" in planted:
            del stats["energy"]
        if "sticky" in planted:
            return dataclasses.replace(found, sigma=np.sort(exact.sigma, axis=1))
        return found

    return fit


def _gates(capsys: pytest.CaptureFixture[str], small_file: Path, **planted: Any) -> tuple[int, str]:
    with mock.patch.object(fitter, "fit_posterior", _like_nuts(**planted)):
        code, out, err = _run(
            capsys, "fit", "medication", "--data", small_file, "--model", "growth", "--quiet"
        )
    assert "sigma" in out
    return code, err


def test_a_run_without_trouble_exits_with_zero(capsys: pytest.CaptureFixture[str], small_file: Path) -> None:
    """Nothing planted, nothing said but progress, which --quiet leaves out."""
    assert _gates(capsys, small_file) == (0, "")


def test_a_planted_divergence_reaches_the_exit_code(
    capsys: pytest.CaptureFixture[str], small_file: Path
) -> None:
    """3, with the check, its value, its threshold and what to do; the numbers are printed all the same."""
    code, err = _gates(capsys, small_file, diverging=True)
    assert code == 3
    assert "check failed: growth: divergences = 1 (threshold 0); to do: raise target_accept" in err


def test_planted_low_effective_sample_size_reaches_the_exit_code(
    capsys: pytest.CaptureFixture[str], small_file: Path
) -> None:
    """Draws of sigma in ascending order are worth almost nothing."""
    code, err = _gates(capsys, small_file, sticky=True)
    assert code == 3
    assert "growth: ESS bulk" in err


def test_planted_pareto_k_reaches_the_exit_code(
    capsys: pytest.CaptureFixture[str], small_file: Path, tmp_path: Path
) -> None:
    """A patient whom not even a refit can leave out."""

    def spoil(score: Score, *_: object, **__: object) -> Score:
        return dataclasses.replace(score, pareto_k=np.full(score.n_units, 0.9))

    with mock.patch.object(score_model, "refit_patients", spoil):
        code, _, err = _run(
            capsys,
            *("reanalyse", "medication", "--data", small_file, "--models", "growth"),
            *("--engine", "collapsed", "--quiet", "--jobs", "1", "--out", tmp_path / "out"),
        )
    assert code == 3
    assert "growth: Pareto k above 0.7 (new_patient) = 24" in err


def test_a_run_that_nothing_changed_says_so_until_something_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path
) -> None:
    """The same last words, no file touched; other results beside it or --again: anew; an edited file is kept."""

    def spoil(score: Score, *_: object, **__: object) -> Score:
        return dataclasses.replace(score, pareto_k=np.full(score.n_units, 0.9))

    out = tmp_path / "out"

    def again(*more: str) -> tuple[int, str, str, bool]:
        before = (out / "report.html").stat().st_mtime_ns if out.exists() else 0
        with mock.patch.object(score_model, "refit_patients", spoil):
            code, said, err = _run(
                capsys,
                *("reanalyse", "medication", "--data", small_file, "--models", "growth", "--draws", "100"),
                *("--engine", "collapsed", "--figures", "svg", "--jobs", "1", "--out", out, *more),
            )
        return code, said, err, (out / "report.html").stat().st_mtime_ns != before

    first, second = again(), again()
    assert not list((out / "figures").glob("*.p*"))
    assert (first[0], first[3]) == (3, True)
    assert (second[0], second[3]) == (3, False)
    assert "nothing has changed" in second[2]
    assert "growth: Pareto k above 0.7 (new_patient) = 24" in second[2]
    assert second[1].split("; ")[1] == first[1].split("; ")[1]
    assert again("--again")[3]
    assert not again()[3]
    (out / "claims").mkdir()
    (out / "claims" / "table.csv").write_text("provenance,claim\nsynthetic,a claim of the test\n")
    assert again()[3]
    assert "a claim of the test" in (out / "report.html").read_text(encoding="utf-8")
    edited = next((out / "figures").glob("*.csv"))
    edited.write_text("edited")
    refused = again()
    assert (refused[0], refused[3]) == (2, False)
    assert "was changed since the run that made it" in refused[2]
    assert edited.read_text() == "edited"
    edited.unlink()
    assert again()[3]


def test_a_check_that_could_not_be_made_is_said_and_does_not_pass_silently(
    capsys: pytest.CaptureFixture[str], small_file: Path, tmp_path: Path
) -> None:
    """No failure, so exit code 0, but the line on stdout does not claim that all is well."""
    code, err = _gates(capsys, small_file, energy=None)
    assert code == 0
    assert "check not made: growth: E-BFMI" in err
    with mock.patch.object(fitter, "fit_posterior", _like_nuts(energy=None)):
        _, out, _ = _run(
            capsys,
            "reanalyse",
            "medication",
            "--data",
            small_file,
            "--models",
            "growth",
            "--out",
            tmp_path / "o",
        )
    assert ", 1 could not be made, " in out and "no essential check failed (of " in out


def test_ctrl_c_exits_with_130_and_a_word(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path
) -> None:
    """What was stored stays for the next run."""
    with mock.patch.object(fitter, "fit_posterior", side_effect=KeyboardInterrupt):
        code, out, err = _run(
            capsys, "reanalyse", "medication", "--data", small_file, "--out", tmp_path / "out"
        )
    assert (code, out) == (130, "")
    assert "interrupted; stored posteriors are kept" in err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_cannot_be_written_gives_one_clean_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_file: Path, number: int
) -> None:
    """Exit code 1, the system's words and the file."""
    error = OSError(number, os.strerror(number), str(tmp_path / "x.nc"))
    arguments = ("--engine", "collapsed", "--models", "growth", "--quiet", "--out", tmp_path / "out")
    with mock.patch.object(fitter, "store_fit", side_effect=error):
        code, out, err = _run(capsys, "reanalyse", "medication", "--data", small_file, *arguments)
    assert (code, out) == (1, "")
    assert err == f"bayes-alliance: {os.strerror(number)}: {tmp_path / 'x.nc'}\n"


@pytest.mark.parametrize("place", ["file/out", "closed"])
def test_a_folder_that_cannot_be_written_is_wrong_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str
) -> None:
    """Below a file, or where the system refuses every file, there is no result: said before any fit is made."""
    (tmp_path / "file").write_text("")
    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    refuse = mock.patch("tempfile.TemporaryFile", side_effect=refusal if place == "closed" else None)
    with (
        refuse,
        mock.patch("bayes_alliance.run.pipeline.run_study", side_effect=AssertionError("a fit was made")),
    ):
        code, out, err = _run(
            capsys, "reanalyse", "medication", "--engine", "none", "--quiet", "--out", tmp_path / place
        )
    assert (code, out) == (2, "")
    reason = "Permission denied" if place == "closed" else "Not a directory"
    assert f"nothing can be written there ({reason}); found: {tmp_path / place}" in err


@pytest.mark.parametrize("name", ["", "absent/x.json"])
def test_a_json_file_that_cannot_be_made_is_wrong_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    """A folder, or a file in a folder that is not there: exit code 2 before any fit is made."""
    arguments = ("--model", "growth", "--engine", "none", "--json", tmp_path / name)
    with mock.patch("bayes_alliance.run.pipeline.run_study", side_effect=AssertionError("a fit was made")):
        code, out, err = _run(capsys, "fit", "medication", *arguments)
    assert (code, out) == (2, "")
    assert "option --json" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--engine", "none", "--prior", "sceptical"),
        ("--engine", "none", "--draws", "100"),
        ("--engine", "none", "--chains", "2"),
        ("--engine", "none", "--sampler", "pymc"),
        ("--engine", "none", "--exact"),
        ("--engine", "none", "--sample-effects"),
        ("--engine", "bambi", "--sample-effects"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Whoever asks for draws, a prior or a sampler that the engine does not use is told, not humoured."""
    code, _, err = _run(capsys, "reanalyse", "medication", *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert f"{arguments[2]} changes nothing with --engine {arguments[1]}" in err
    assert not (tmp_path / "out").exists()


def test_exact_scores_are_no_option_of_a_single_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """`fit` scores nothing, so it does not take `--exact`."""
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "medication", "--model", "growth", "--exact"])
    assert stopped.value.code == 2
    assert "--exact" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    """`bayes-alliance studies | true` ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bayes_alliance.cli.main", "studies"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


LONG_RUN = ("reanalyse", "medication", "--models", "treatment", "--draws", "500000")


def starts_with_ctrl_c_heard(*command: str) -> subprocess.Popen[str]:
    """Start a program that Ctrl-C reaches, also where the tests themselves run in the background."""
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def assert_ended_without_half_a_posterior(process: subprocess.Popen[str], out: Path) -> None:
    """Exit code 130, one line, an empty store, no table."""
    try:
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert stdout == ""
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert list((out / "posteriors").glob("*.nc")) == []
    assert not (out / "tables").exists()


@pytest.mark.slow
def test_ctrl_c_during_sampling_stores_no_half_posterior(tmp_path: Path) -> None:
    """A signal in the middle of NUTS (on a machine that has compiled nothing yet, of compiling)."""
    process = starts_with_ctrl_c_heard("-m", "bayes_alliance.cli.main", *LONG_RUN, "--out", str(tmp_path))
    time.sleep(25.0)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert_ended_without_half_a_posterior(process, tmp_path)


PRESSED_WHILE_COMPILING = """
import signal, sys
from llvmlite.binding.executionengine import ExecutionEngine
from bayes_alliance.cli.main import main

find = ExecutionEngine._find_module_ptr

def pressed(self, pointer):
    ExecutionEngine._find_module_ptr = find
    signal.raise_signal(signal.SIGINT)
    return find(self, pointer)

ExecutionEngine._find_module_ptr = pressed
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_ctrl_c_during_compiling_is_not_lost(tmp_path: Path) -> None:
    """LLVM calls Python back for each function; an exception there has no caller and is only reported."""
    process = starts_with_ctrl_c_heard("-c", PRESSED_WHILE_COMPILING, *LONG_RUN, "--out", str(tmp_path))
    assert_ended_without_half_a_posterior(process, tmp_path)
