"""Settings of all tests, and the markers that say what a test needs."""

import inspect
import resource
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A property is no less true on a busy machine: examples have no time limit.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# What a test needs, by the words of its own source: nobody has to think of a marker.
NEEDS = {
    "dask": ("dask", "scheduler"),
    "latex": ("pdflatex",),
    "subprocess": ("subprocess.", "_process(", "_imported(", "kill_resume", "hostile_watch"),
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
    "run/test_number_store.py",
    "run/test_manifest.py",
    "run/test_large.py",
    "show/",
    "simulation/",
    "stress/",
    "test_api.py",
    "test_api_calls.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by what it needs."""
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
