"""Kill a run at random moments, let it go on, and compare what it leaves with a run that was not killed.

``python -m tests.kill_resume --times 50`` prints a line a kill and a count at the end. With an engine that samples by
NUTS, what was fitted again need only agree within Monte-Carlo error: numbers of the posterior may differ by a tenth
of its SD, everything else not at all.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bayes_alliance.cli.main import main as main_of_program

# What a run imports sooner or later: imported once, so that a kill costs little.
IMPORTED = (
    *(
        "matplotlib.backends.backend_svg",
        "matplotlib.pyplot",
        "docx",
        "openpyxl",
        "jinja2",
        "numba",
        "arviz_stats",
    ),
    *("pymc", "nutpie", "scipy.stats", "xarray", "pyarrow", "bayes_alliance.api"),
)
COMPARED = ("tables/*.csv", "tables/*.md", "figures/*.csv")


@dataclass(frozen=True)
class Run:
    """What is run: study, models, engine, drawings of the figures, processes."""

    study: str
    models: str
    engine: str
    figures: str
    jobs: int
    draws: int

    def arguments(self, out: Path) -> list[str]:
        """Return the command line."""
        return [
            *("reanalyse", self.study, "--engine", self.engine, "--out", str(out), "--figures", self.figures),
            *(("--models", self.models) if self.models else ()),
            *(("--draws", str(self.draws)) if self.draws else ()),
            # With --again a run that was killed after its last file is taken up like any other; without --everything
            # no table is written as CSV, and nothing but figures would be compared.
            *("--again", "--everything", "--min-cell", "0", "--jobs", str(self.jobs)),
        ]

    def start(self, out: Path, log: Path) -> int:
        """Start it in a forked process, which has the libraries imported already; return its id."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which all sleep here
            child = os.fork()
        if child:
            return child
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            os._exit(main_of_program(self.arguments(out)))
        except BaseException:
            traceback.print_exc()
            os._exit(99)

    def finish(self, out: Path, log: Path) -> int:
        """Run it to its end and return the exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.start(out, log), 0)[1])


def kill_after(process: int, seconds: float) -> None:
    """Kill a process after some seconds, with no chance to tidy up; nothing if it has ended before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(process, os.WNOHANG)[0]:
            return
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file that must not differ; tables are always among them."""
    paths = [path for pattern in COMPARED for path in folder.glob(pattern)]
    if folder / "tables" / "estimands.csv" not in paths:
        raise FileNotFoundError(f"{folder} has no table of estimands: the run did not come to its end")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def kill_and_resume(run: Run, folder: Path, seconds: float) -> tuple[int, int, str]:
    """Run, kill after some seconds, run again to the end.

    Returns
    -------
    stored : int
        Posteriors that were there after the kill.
    reused : int
        Of these, how many the second run said to reuse.
    trouble : str
        Empty, or what went wrong.
    """
    log = folder.with_suffix(".log")
    kill_after(run.start(folder, log), seconds)
    stored = {path.name for path in (folder / "posteriors").glob("*.nc")}
    code = run.finish(folder, log)
    said = log.read_text()
    trouble = "" if code in (0, 3) else said[-500:]
    if list(folder.rglob(".*.part")):
        trouble += " a part of a file was left"
    return len(stored), said.count("stored posterior reused"), trouble


def differing(
    run: Run, wanted: dict[str, bytes], found: dict[str, bytes], folder: Path, reference: Path
) -> list[str]:
    """Name what differs more than it may: any byte, or for NUTS a quantity beyond Monte-Carlo error."""
    if run.engine == "collapsed":
        return sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if wanted.keys() != found.keys():
        return sorted(wanted.keys() ^ found.keys())
    return sorted(_apart(reference / "tables" / "estimands.csv", folder / "tables" / "estimands.csv"))


# How much less is known of a 2.5 % quantile than of the mean, for a normal distribution.
_TAIL = 2.7


def _apart(first: Path, second: Path) -> Iterator[str]:
    """Name estimands whose posteriors differ by more than five Monte-Carlo errors, or whose ML differs at all."""
    with first.open(newline="", encoding="utf-8") as a, second.open(newline="", encoding="utf-8") as b:
        for one, other in zip(csv.DictReader(a), csv.DictReader(b), strict=True):
            error = math.hypot(float(one["bayes_mcse_mean"]), float(other["bayes_mcse_mean"]))
            for name, text in one.items():
                allowed = {"bayes_mean": 5.0, "bayes_q2.5": 5.0 * _TAIL, "bayes_q97.5": 5.0 * _TAIL}.get(name)
                if allowed is None:
                    differs = not name.startswith("bayes") and text != other[name]
                else:
                    differs = not abs(float(text) - float(other[name])) <= allowed * error
                if differs:
                    yield f"{one['model_id']}: {one['quantity']}: {name}: {text} | {other[name]}"


def main() -> int:
    """Kill and resume as often as asked for; exit code 1 where any result differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="kills (%(default)s)")
    parser.add_argument("--study", default="folmo2020")
    parser.add_argument("--models", default="", help="default: all")
    parser.add_argument("--draws", type=int, default=0, help="default: as many as the program takes")
    parser.add_argument("--engine", choices=("collapsed", "pymc"), default="collapsed")
    parser.add_argument("--figures", choices=("all", "svg"), default="svg")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    run = Run(options.study, options.models, options.engine, options.figures, options.jobs, options.draws)
    rng = random.Random(options.seed)
    for name in IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as scratch:
        reference = Path(scratch) / "reference"
        started = time.perf_counter()
        run.finish(reference, Path(scratch) / "reference.log")
        whole = time.perf_counter() - started
        wanted = contents(reference)
        agree = (
            "identical"
            if run.engine == "collapsed"
            else "there, posteriors within Monte-Carlo error, the rest identical"
        )
        failed = 0
        for number in range(1, options.times + 1):
            folder = Path(scratch) / "killed"
            seconds = rng.uniform(0.0, whole)
            stored, reused, trouble = kill_and_resume(run, folder, seconds)
            found = contents(folder)
            apart = differing(run, wanted, found, folder, reference)
            bad = bool(apart or trouble or reused != stored)
            failed += bad
            verdict = f"DIFFERS {apart} {trouble}" if bad else agree
            print(  # noqa: T201
                f"{number}: killed after {seconds:.2f} of {whole:.2f} s; {stored} posteriors stored, {reused} reused; "
                f"{len(wanted)} files {verdict}",
                flush=True,
            )
            shutil.rmtree(folder)
    print(f"{options.times - failed} of {options.times} kills left identical results")  # noqa: T201
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
