import dataclasses
import inspect
import json
import math
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from matplotlib.text import Text

from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.dev.benchmark import programs, report, results
from bayes_alliance.dev.benchmark.__main__ import main
from bayes_alliance.dev.benchmark.clinics import measure_clinics, write_clinics
from bayes_alliance.dev.benchmark.designs import draw_rows
from bayes_alliance.dev.benchmark.measure import Measured, run_process
from bayes_alliance.dev.benchmark.peers import (
    bulk_ess,
    prepare_bambi,
    prepare_bambi_nutpie,
    prepare_collapsed,
    prepare_effects,
)
from bayes_alliance.dev.benchmark.programs import PROGRAMS, find_program, start_command, why_missing
from bayes_alliance.dev.benchmark.report import format_report, plot_benchmark, write_report
from bayes_alliance.dev.benchmark.results import (
    BenchmarkPlan,
    Result,
    foresee,
    load_results,
    record,
    run_benchmark,
)
from bayes_alliance.dev.benchmark.rows_file import FORMULA, read_design, read_rows, write_rows
from bayes_alliance.dev.benchmark.targets import find_fastest, list_claims
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from tests.legible import check_legible


def made(program="collapsed", scale=1, dates="scattered", **fields):
    given = {"patients": 155 * scale, "rows": 491 * scale, "status": "done"} | fields
    return Result(program=program, scale=scale, dates=dates, **given)


@pytest.fixture(scope="module")
def rows_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(draw_rows(1, "scattered", seed=3), path)
    return path


@pytest.mark.parametrize("dates", ["scattered", "schedule"])
@pytest.mark.parametrize("scale", [1, 7])
def test_the_design_scales_exactly(scale, dates):
    """Each number of assessments has exactly ``scale`` times the paper's patients, whatever the seed."""
    counts = draw_rows(scale, dates, seed=scale)["patient"].value_counts()
    numbers = counts.value_counts().sort_index()
    assert numbers.to_dict() == {
        n: scale * c for n, c in enumerate([34, 31, 31, 24, 16, 11, 5, 2, 1], start=1)
    }


def test_a_share_of_patients_is_poor_and_stays_so():
    """64 of the 155 patients are poor in the cohorts, as in the paper; a patient is so at every visit or at none."""
    by_patient = draw_rows(10, "scattered", seed=1).groupby("patient")["poor_outcome"]
    assert by_patient.nunique().max() == 1
    assert by_patient.first().sum() == round(1550 * 64 / 155)


def test_scheduled_patients_share_their_visit_times_and_scattered_ones_do_not():
    """Ten times the patients on schedule have hardly more schedules; on scattered dates, ten times as many."""
    found = {}
    for dates in ("schedule", "scattered"):
        for scale in (10, 100):
            rows = draw_rows(scale, dates, seed=2)
            z = np.column_stack([np.ones(len(rows)), rows["months"]])
            x = z[:, :1]
            stats = summarise(rows["tasks"].to_numpy(), x, z, rows["patient"].to_numpy())
            found[dates, scale] = len(stats.counts)
    assert found["schedule", 100] < 1.3 * found["schedule", 10] < 200
    assert found["scattered", 100] > 9 * found["scattered", 10] > 9 * 1400


def test_rows_are_sorted_distinct_visits_within_the_study():
    """Visits of a patient are in order of time, none at the same time, all within 36.5 months."""
    rows = draw_rows(3, "scattered", seed=5)
    gaps = rows.groupby("patient")["months"].diff().dropna()
    assert (gaps > 0.0).all()
    assert rows["months"].between(0.0, 36.5).all()
    assert rows["patient"].is_monotonic_increasing


def test_the_same_seed_gives_the_same_rows():
    """And another seed gives others."""
    one, same, other = (draw_rows(1, "scattered", seed=s) for s in (1, 1, 2))
    assert one.equals(same)
    assert not one["tasks"].equals(other["tasks"])


def test_what_was_put_in_is_found_again(tmp_path):
    """ML on 15,500 patients gives the cohort file's slope difference and residual SD within four standard errors."""
    write_rows(draw_rows(100, "schedule", seed=8), tmp_path / "rows.csv")
    design, used, _ = read_design(tmp_path / "rows.csv")
    fit = fit_mixed(design, used)
    plan = load_cohort_plan(load_study("folmo2020"))
    growth = next(part for part in plan.growth if part.outcome == "tasks")
    at = fit.x_names.index("months:poor_outcome")
    assert abs(fit.beta[at] - dict(growth.on_slope)["poor"]) < 4 * math.sqrt(fit.beta_cov[at, at])
    assert math.isclose(fit.sigma, growth.sigma, rel_tol=0.02)
    assert math.isclose(fit.sd[0], growth.sd_intercept, rel_tol=0.05)


def test_rows_are_read_as_they_were_written(tmp_path):
    """Every number comes back to the last bit, and the design is that of pandas and formulae."""
    rows = draw_rows(1, "scattered", seed=4)
    write_rows(rows, tmp_path / "rows.csv")
    read = read_rows(tmp_path / "rows.csv")
    assert list(read) == list(rows)
    for name, values in read.items():
        assert np.array_equal(values, rows[name])
    design, used, _ = read_design(tmp_path / "rows.csv")
    other = build_design(parse_formula(FORMULA), rows)
    assert np.array_equal(design.x, other.x) and np.array_equal(design.y, other.y)
    assert (design.x_names, used.n_patients) == (other.x_names, 155)


def test_what_is_timed_imports_numpy_and_nothing_slower(rows_path, tmp_path):
    """From shell to result the collapsed engine needs no pandas, SciPy, formulae or ArviZ."""
    code = (
        "import sys; from pathlib import Path; from bayes_alliance.dev.benchmark import peers; "
        "peers.run('collapsed_effects', Path(sys.argv[1]), Path(sys.argv[2])); "
        "print([m for m in ('pandas', 'scipy', 'formulae', 'arviz_stats', 'xarray') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(rows_path), str(tmp_path / "answer.json")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
    assert json.loads((tmp_path / "answer.json").read_text())["draws"] == 4000


def test_programs_may_keep_their_byte_code(tmp_path, monkeypatch):
    """A setting that makes Python compile every module anew at each start does not reach what is timed."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    answer = tmp_path / "a.json"
    code = (
        "import json, os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps("
        "{'fit_s': sys.dont_write_bytecode * 1.0, 'threads': os.environ['OMP_NUM_THREADS']}))"
    )
    found = run_process([sys.executable, "-c", code, str(answer)], answer, limit_s=60.0)
    assert found.answer == {"fit_s": 0.0, "threads": "1"}


def test_effective_sample_size_of_independent_and_of_sticky_draws():
    """Independent draws count in full; an autoregressive chain of 0.9 counts for (1 - 0.9) / (1 + 0.9) of them."""
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((4, 5000))
    sticky = np.empty_like(noise)
    sticky[:, 0] = noise[:, 0]
    for t in range(1, 5000):
        sticky[:, t] = 0.9 * sticky[:, t - 1] + math.sqrt(1 - 0.81) * noise[:, t]
    found = bulk_ess({"independent": noise, "sticky": sticky})
    assert math.isclose(found["independent"], 20_000, rel_tol=0.1)
    assert math.isclose(found["sticky"], 20_000 / 19, rel_tol=0.25)


def test_the_collapsed_engine_counts_no_more_than_its_independent_draws(rows_path):
    """4,000 draws of resampled importance draws are worth less than 4,000, the same for every parameter."""
    answer = prepare_collapsed(rows_path)()
    assert answer.draws == 4000
    assert len(set(answer.ess.values())) == 1
    assert 1500 < min(answer.ess.values()) < 4000


def test_drawing_the_effects_changes_no_other_answer(rows_path):
    """The posterior of the slope difference is the same with and without the patients' effects."""
    without, with_effects = prepare_collapsed(rows_path)(), prepare_effects(rows_path)()
    assert (without.estimate, without.spread) == (with_effects.estimate, with_effects.spread)


@pytest.mark.slow
@pytest.mark.parametrize(("prepare", "sampler"), [(prepare_bambi, "pymc"), (prepare_bambi_nutpie, "nutpie")])
def test_bambi_runs_the_sampler_that_its_label_says(rows_path, prepare, sampler):
    """Bambi's default is PyMC's own NUTS, asked for by name, though PyMC by itself would take nutpie."""
    import bambi
    import pymc

    assert inspect.signature(bambi.Model.fit).parameters["inference_method"].default == "pymc"
    with (
        mock.patch.object(pymc, "sample", side_effect=InterruptedError) as sample,
        pytest.raises(InterruptedError),
    ):
        prepare(rows_path)()
    assert sample.call_args.kwargs["nuts_sampler"] == sampler


def test_a_program_in_r_is_skipped_with_a_word_without_r():
    """No Rscript on the path: every program of R says so, the others run."""
    with mock.patch.object(shutil, "which", return_value=None):
        words = {program.name: why_missing(program) for program in PROGRAMS}
    assert {name for name, word in words.items() if word == "R is not installed"} == {
        "brms",
        "rstanarm",
        "lme4",
    }


def test_a_program_in_r_is_skipped_with_a_word_without_its_package():
    """Rscript is there but the package is not."""
    with (
        mock.patch.object(shutil, "which", return_value="Rscript"),
        mock.patch.object(programs, "r_version", return_value=""),
    ):
        assert why_missing(find_program("brms")) == "R package brms is not installed"


def test_a_skipped_program_stands_in_the_report_with_its_word_and_is_looked_for_again(tmp_path):
    """What is missing today is not kept as missing: R may be installed tomorrow."""
    plan = BenchmarkPlan(sizes=(1,), programs=(find_program("lme4"),), limit_s=9.0, folder=tmp_path)
    with mock.patch.object(shutil, "which", return_value=None):
        found = run_benchmark(plan, lambda _: None)
    assert [(r.status, r.word) for r in found] == [("skipped", "R is not installed")]
    assert "| R is not installed |" in format_report(found, "make bench")
    assert json.loads((tmp_path / "results.json").read_text()) == []


def test_the_programs_in_r_ship_with_the_package():
    """Every program of R has its script where the command line looks for it."""
    for program in PROGRAMS:
        if program.r:
            command = start_command(program, "rows", "answer")
            assert command[0] == "Rscript"
            assert "run_program" in Path(command[1]).read_text()


def test_a_slow_program_is_foreseen_not_to_manage_the_next_size():
    """70 s of sampling at 1x are foreseen as 700 s at 10x, beyond 600; 50 s are 500 and tried."""
    bambi = find_program("bambi")
    slow, quick = (made("bambi", wall_s=s + 20.0, fit_s=s + 10.0, sampling_s=s) for s in (70.0, 50.0))
    assert foresee([slow], bambi, 10, 600.0) == "skipped: 90 s at 1x"
    assert foresee([quick], bambi, 10, 600.0) == ""
    assert foresee([slow], find_program("brms"), 10, 600.0) == ""


def test_a_program_that_was_stopped_is_not_tried_again_at_a_larger_size():
    """And the word is handed on from size to size."""
    stopped = made("brms", status="stopped", word="no result within 600 s")
    first = foresee([stopped], find_program("brms"), 10, 600.0)
    assert first == "skipped: no result within 600 s at 1x"
    second = made("brms", scale=10, status="skipped", word=first)
    assert foresee([stopped, second], find_program("brms"), 100, 600.0) == first


def test_a_process_is_measured_from_outside(tmp_path):
    """Seconds count until the answer is on disk and not what follows; memory counts all that was held."""
    answer = tmp_path / "a.json"
    code = (
        "import sys, time, pathlib; held = bytearray(200 << 20); time.sleep(0.3); "
        "pathlib.Path(sys.argv[1]).write_text('{\"fit_s\": 0.3}'); time.sleep(1.0)"
    )
    started = time.perf_counter()
    found = run_process([sys.executable, "-c", code, str(answer)], answer, limit_s=60.0)
    assert 0.3 <= found.wall_s < time.perf_counter() - started - 0.8
    # the system counts what the parent held at the moment of the fork, which a long test session has grown
    parent_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert 200 < found.peak_mib < max(400, parent_mib + 50)
    assert found.answer == {"fit_s": 0.3}
    assert not found.timed_out


def test_a_process_beyond_its_limit_is_stopped_with_its_children(tmp_path):
    """A child of the program is stopped with it, and no answer is left from an earlier run."""
    answer, alive = tmp_path / "a.json", tmp_path / "alive"
    answer.write_text("{}")
    child = f"import time, pathlib; time.sleep(2.0); pathlib.Path({str(alive)!r}).touch()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = run_process([sys.executable, "-c", code], answer, limit_s=0.5)
    assert found.timed_out and found.wall_s is None and found.answer == {}
    time.sleep(2.0)
    assert not alive.exists()


def test_a_failing_program_says_why(tmp_path):
    """The last line of its stderr is the word in the table."""
    answer = tmp_path / "a.json"
    found = run_process([sys.executable, "-c", "raise ValueError('no such model')"], answer, limit_s=60.0)
    made_of = record(made(), [found], task=False, limit_s=60.0)
    assert (made_of.status, made_of.word) == ("failed", "failed: ValueError: no such model")


def test_a_record_takes_medians_of_times_the_peak_of_memory_and_the_worst_parameter():
    """Warm sampling replaces that of first fits, which compile."""

    def run(wall, peak, warm):
        answer = {"fit_s": 9.0, "sampling_s": 8.0, "draws": 400, "ess": {"a": 300.0, "b": 200.0}}
        return Measured(
            wall_s=wall,
            peak_mib=peak,
            answer=answer,
            warm={"fit_s": warm, "sampling_s": warm},
            timed_out=False,
            error="",
        )

    found = record(
        made(), [run(3.0, 10.0, 1.0), run(1.0, 30.0, 2.0), run(2.0, 20.0, 4.0)], task=False, limit_s=9
    )
    assert (found.wall_s, found.peak_mib, found.warm_s, found.fit_s) == (2.0, 30.0, 2.0, 9.0)
    assert (found.min_ess, found.worst, found.ess_per_s, found.ess_per_wall_s) == (200.0, "b", 100.0, 100.0)


def test_an_interrupted_benchmark_goes_on_where_it_was(tmp_path):
    """Results of the first run are used again, those of another limit are not."""
    plan = BenchmarkPlan(sizes=(1,), programs=(find_program("ml"),), limit_s=50.0, folder=tmp_path)
    measured = Measured(wall_s=20.0, peak_mib=1.0, answer={"fit_s": 1.0}, warm={}, timed_out=False, error="")
    with mock.patch.object(results, "run_process", return_value=measured) as process:
        first = run_benchmark(plan, lambda _: None)
        assert process.call_count == 2
        assert run_benchmark(plan, lambda _: None) == first
        assert process.call_count == 2
        run_benchmark(dataclasses.replace(plan, limit_s=60.0), lambda _: None)
        assert process.call_count == 4
    assert len(load_results(tmp_path / "results.json", plan.programs, limit_s=60.0)) == 2


def test_running_one_program_keeps_the_results_of_others(tmp_path):
    """Programs may be run one after the other; ``fresh`` measures again what is asked for, and only that."""
    ours, theirs = (
        BenchmarkPlan(sizes=(1,), programs=(find_program(name),), limit_s=50.0, folder=tmp_path)
        for name in ("collapsed_left_out", "bambi")
    )
    measured = Measured(wall_s=20.0, peak_mib=1.0, answer={"fit_s": 1.0}, warm={}, timed_out=False, error="")
    with mock.patch.object(results, "run_process", return_value=measured) as process:
        run_benchmark(ours, lambda _: None)
        both = run_benchmark(theirs, lambda _: None)
        assert [r.program for r in both] == ["bambi", "collapsed_left_out"]
        calls = process.call_count
        again = run_benchmark(dataclasses.replace(ours, fresh=True), lambda _: None)
        assert again == both
        assert process.call_count == calls + 1


def test_ratios_are_those_of_the_programs_they_name():
    """Each figure by hand from made-up measurements."""
    measured = [
        made("collapsed_effects", wall_s=1.0, warm_s=0.06, sampling_s=0.05, min_ess=2500.0),
        made("collapsed", wall_s=1.0, warm_s=0.03, sampling_s=0.03, min_ess=2500.0),
        made("collapsed", scale=100, dates="schedule", warm_s=0.1),
        made("collapsed", scale=100, fit_s=1.5, warm_s=1.0),
        made("collapsed", scale=1000, fit_s=12.0, warm_s=9.0, peak_mib=600.0),
        made("lme4", warm_s=0.02),
        made("bambi", wall_s=45.0, sampling_s=20.0, min_ess=1000.0),
        made("bambi_nutpie", sampling_s=4.0, min_ess=1000.0),
        made("command", wall_s=1.2),
        made("collapsed_left_out", fit_s=6.0),
    ]
    claims = list_claims(measured)
    assert [round(claim.found, 6) for claim in claims] == [
        3.0,
        1.2,
        1000.0,
        200.0,
        45.0,
        0.1,
        12.0,
        600.0,
        9.0,
        6.0,
    ]
    assert [claim.verdict for claim in claims] == ["reached"] * 9 + ["not reached"]
    assert find_fastest(measured).program == "bambi_nutpie"
    assert {claim.verdict for claim in list_claims([])} == {"not measured"}


def test_the_legend_of_every_program_fits_the_figure():
    """With all programs on both kinds of dates no name is cut off at either side."""
    measured = [
        made(p.name, dates=dates, wall_s=1.0, sampling_s=0.1, min_ess=100.0)
        for p in PROGRAMS
        for dates in (("scattered", "schedule") if p.both_dates else ("scattered",))
    ]
    figure = plot_benchmark(measured)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0.0 and box.x1 <= figure.bbox.width and box.y0 >= 0.0


def test_the_report_and_the_figure_show_what_was_measured(tmp_path):
    """The plotted points are the measurements; five files are written; no host is named."""
    measured = [
        made("collapsed", wall_s=1.0, peak_mib=10.0, sampling_s=0.1, min_ess=2500.0),
        made("collapsed", scale=10, wall_s=2.0, peak_mib=10.0, sampling_s=0.5, min_ess=2500.0),
        made("lme4", wall_s=3.0, peak_mib=10.0),
    ]
    left, right = plot_benchmark(measured).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in left.get_lines()}
    assert lines == {
        "this package, collapsed": [[155, 1.0], [1550, 2.0]],
        "lme4, ML": [[155, 3.0]],
    }
    assert [line.get_xydata().tolist() for line in right.get_lines()] == [[[155, 25000.0], [1550, 5000.0]]]
    written = write_report(measured, tmp_path, command="make bench")
    assert {path.name for path in written} == {
        f"benchmark.{end}" for end in ("md", "csv", "svg", "pdf", "png")
    }
    assert platform.node() not in (tmp_path / "benchmark.md").read_text()


def test_the_figure_of_all_programs_can_be_read_in_print():
    """With every program in the legend all text stays on the page, and the figure says that its rows are made up."""
    measured = [
        made(name, scale=scale, dates=dates, wall_s=1.0, sampling_s=0.1, min_ess=100.0)
        for name in report._PLOTTED
        for scale in (1, 10)
        for dates in ("scattered", "schedule")
    ]
    figure = plot_benchmark(measured)
    check_legible(figure)
    assert any("SYNTHETIC DATA" in text.get_text() for text in figure.findobj(Text))


def test_unknown_programs_and_sizes_are_refused(capsys):
    """The message lists what there is."""
    for arguments, word in ((["--only", "stan"], "there are collapsed"), (["--sizes", "0"], "whole numbers")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert word in capsys.readouterr().err


@pytest.mark.skipif(bool(why_missing(find_program("lme4"))), reason="needs R and lme4")
def test_lme4_and_this_package_give_the_same_maximum(tmp_path):
    """Two programs through the whole machinery, from process to report: the same estimate and standard error."""
    plan = BenchmarkPlan(
        sizes=(1,), programs=(find_program("ml"), find_program("lme4")), limit_s=300.0, folder=tmp_path
    )
    with mock.patch.object(results, "REPEATS", 1):
        found = {(r.program, r.dates): r for r in run_benchmark(plan, lambda _: None)}
    ours, theirs = found["ml", "scattered"], found["lme4", "scattered"]
    assert math.isclose(ours.estimate, theirs.estimate, rel_tol=1e-3)
    assert math.isclose(ours.spread, theirs.spread, rel_tol=1e-3)
    assert theirs.warm_s < theirs.wall_s


def test_patients_in_clinics_are_fitted_in_processes_of_their_own(tmp_path: Path) -> None:
    """Few of them: coefficients near those that were drawn, and a figure beyond its target is said to be."""
    lines = measure_clinics(lambda line: None, patients=400, clinics=20)
    # as above: what the parent held at the moment of the fork is counted
    parent_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert [line["dates"] for line in lines] == ["schedule", "scattered"]
    for line in lines:
        assert float(line["off"]) < 4.0 and float(line["pareto_k"]) <= 0.7
        assert 0.1 < float(line["seconds"]) < 120.0 and 50.0 < float(line["mib"]) < max(
            2048.0, parent_mib + 50
        )
    write_clinics([lines[0], {**lines[1], "seconds": 121.0}], tmp_path / "page.md", "by hand")
    page = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    assert "at most 120: reached" in page[-2] and "| 121 | at most 120: not reached |" in page[-1]
