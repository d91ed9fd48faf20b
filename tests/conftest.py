"""Settings of all tests, and the markers that say what a test needs."""

import inspect
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A property is no less true on a busy machine: examples have no time limit.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
BINARY = (".sav", ".zsav", ".dta")
# What a test needs, by the words of its own source: nobody has to think of a marker.
NEEDS = {
    "dask": ("dask", "scheduler"),
    "latex": ("pdflatex",),
    # SPSS and Stata files are read in a process of their own.
    "subprocess": ("subprocess.", "_process(", "_imported(", "kill_resume", "hostile_watch", *BINARY),
}
BROWSER = ("test_report_in_browser.py",)
# Files whose tests make whole runs, sample by NUTS, build cohorts or draw every figure: `make quick` leaves them out.
SLOW = (
    "cli/test_claims.py",
    "cli/test_fuzz.py",
    "cli/test_hostile.py",
    "cli/test_main.py",
    "cli/test_published.py",
    "cli/test_simulation.py",
    "cli/test_survival.py",
    "claims/",
    "cohorts/",
    "dev/",
    "inference/test_pymc",
    "run/test_pipeline.py",
    "run/test_profiles.py::test_every_shape",
    "run/test_number_store.py",
    "run/test_manifest.py",
    "run/test_large.py",
    "run/test_large_patients.py",
    "run/test_text_facts.py",
    "show/",
    "simulation/",
    "stress/",
    "test_api.py",
    "test_api_calls.py",
    # Single tests of rooms whose others are quick.
    "cli/test_cases.py::test_levels_that_do_not_occur_are_left_out_with_a_note[all_sites",
    "cli/test_every_option.py::test_an_option_does_what_its_help_says[studies --verdicts",
    "assess/test_bayes_factors.py::test_far_from_zero_the_bayes_factor_is_still_a_number",
    "assess/test_bayes_factors.py::test_stated_error_is_the_spread_over_seeds",
    "assess/test_loo.py::test_the_monte_carlo_error_is_how_far_other_draws_move_the_score",
    "assess/test_loo.py::test_order_of_models_does_not_matter",
    "assess/test_loo.py::test_stacking_survives_patients_with_very_low_joint_density",
    "assess/test_verdict_rules.py::test_verdicts_have_no_cliff",
    "data/test_formats.py::test_every_format_and_dialect_gives_the_same_answer[integers.parquet",
    "data/test_formats.py::test_every_format_and_dialect_gives_the_same_answer[table.parquet-o",
    "data/test_formats.py::test_every_format_and_dialect_gives_the_same_answer[table.parquet-t",
    "data/test_formats.py::test_every_format_and_dialect_gives_the_same_answer[table.parquet-]",
    "data/test_formats.py::test_every_format_and_dialect_gives_the_same_answer[table.parquet-n",
    "data/test_formats.py::test_every_format_and_dialect_gives_the_same_answer[table.parquet-u",
    "data/test_limits.py::test_a_parquet_dictionary_unpacks",
    "data/test_limits.py::test_a_sheet_of_sparse_cells",
    "data/test_limits.py::test_a_study_file_is_read_or_refused_in_seconds[tables",
    "data/test_limits.py::test_an_r_file_unpacks_to_no_more_than_a_data_file_may_have",
    "data/test_new_study.py::test_the_shipped_medication_data_run_at_once",
    "data/test_readers.py::test_a_damaged_binary_file_is_refused_in_one_line[.parquet",
    "data/test_readers.py::test_a_bomb_is_not_unpacked",
    "inference/test_collapsed.py::test_posterior_is_that_of_quadrature",
    "inference/test_collapsed.py::test_hard_cases_are_those_of_quadrature",
    "inference/test_collapsed.py::test_psis_and_exact_leave_one_patient_out_agree[medication",
    "inference/test_collapsed.py::test_psis_and_exact_leave_one_patient_out_agree[paper",
    "inference/test_correlated_effects.py::test_bambi_fits_predicts_and_scores_it",
    "inference/test_correlated_effects.py::test_correlations_have_an_lkj_prior",
    "inference/test_ml_intervals.py::test_bootstrap",
    "inference/test_ml_intervals.py::test_profile_intervals_agree_with_lme4[medication",
    "inference/test_stan_posteriors.py::test_a_wrong_posterior_is_noticed",
    "inference/test_stan_posteriors.py::test_every_structure_has_the_posterior_of_stan",
    "published/test_cell_posterior.py::test_mixture_over_the_region",
    "published/test_dialects.py::test_honest_tables_raise_no_alarm",
    "published/test_omitted.py::test_tipping_icc_agrees_with_three_level_simulation",
    "run/test_structured_plan.py::test_published_null_model_of_three_levels_prints_again",
)

# Files that take longest (processor seconds, with what they start), first to be run: with one of these last, the other
# processor waits for it. pytest-xdist would begin with the files of most tests, so scripts/test tells it not to.
LONG = (
    "claims/test_register.py",  # 140
    "inference/test_prior_invariance.py",  # 130
    "cli/test_every_option.py",  # 93
    "cli/test_survival.py",  # 89
    "cli/test_main.py",  # 80
    "cli/test_traces.py",
    "cli/test_simulation.py",  # 70
    "run/test_pipeline.py",
    "dev/test_verdicts_since.py",  # 63
    "run/test_profiles.py",  # 58
    "cohorts/test_cohorts.py",
    "inference/test_private_cache.py",
    "show/test_disclosure_attacks.py",
    "cli/test_published.py",  # 36
    "stress/",
    "simulation/",
    "assess/test_loo.py",
    "data/test_formats.py",
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files out unread whose tests are all slow, where slow tests are not asked for: imports take seconds."""
    place = collection_path.relative_to(HERE).as_posix() if collection_path.is_relative_to(HERE) else ""
    whole = tuple(name for name in SLOW if "::" not in name)
    asked_for = "not slow" not in (config.option.markexpr or "")
    return None if asked_for or not place.startswith(whole) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by what it needs; long files come first, then those of many tests."""
    tests = Counter(item.nodeid.partition("::")[0] for item in items)

    def turn(item: pytest.Item) -> tuple[int, int]:
        file = item.nodeid.partition("::")[0]
        rank = next(
            (i for i, name in enumerate(LONG) if file.removeprefix("tests/").startswith(name)), len(LONG)
        )
        # Files of as many tests stay apart: the sort is stable, and a file's tests stand together.
        return rank, -tests[file]

    items.sort(key=turn)
    for item in items:
        place = item.nodeid.removeprefix("tests/")
        source = inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""
        told = f"{source} {item.name}".lower()
        for marker, words in NEEDS.items():
            if any(word in told for word in words):
                item.add_marker(marker)
        if place.partition("::")[0].endswith(BROWSER):
            item.add_marker("browser")
        if place.startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(autouse=True, scope="session")
def _processor_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tell, with ``--durations``, how much processor time a process of tests used: other work does not count."""
    yield
    if request.config.getoption("durations") is None:
        return
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in spent)
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\nprocessor time of these tests: {seconds:.0f} s")
