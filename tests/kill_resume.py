"""Kill a run at random moments, let it go on, and compare what it leaves with a run that was not killed.

``python -m tests.kill_resume --times 50`` prints a line a kill and a count at the end. With an engine that samples by
NUTS, what was fitted again need only agree within Monte-Carlo error: numbers of the posterior may differ by a tenth
of its SD, everything else not at all.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARED = ("tables/*.csv", "tables/*.md", "figures/*.csv")


@dataclass(frozen=True)
class Run:
    """What is run: study, models, engine, drawings of the figures, processes."""

    study: str
    models: str
    engine: str
    figures: str
    jobs: int

    def command(self, out: Path) -> list[str]:
        """Return the command line."""
        return [
            *(
                sys.executable,
                "-m",
                "bayes_alliance.cli.main",
                "reanalyse",
                self.study,
                "--engine",
                self.engine,
            ),
            # With --again a run that was killed after its last file is taken up like any other.
            *("--models", self.models, "--out", str(out), "--again", "--figures", self.figures),
            *("--jobs", str(self.jobs)),
        ]


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file that must not differ."""
    paths = [path for pattern in COMPARED for path in folder.glob(pattern)]
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
    process = subprocess.Popen(run.command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    stored = {path.name for path in (folder / "posteriors").glob("*.nc")}
    done = subprocess.run(run.command(folder), capture_output=True, text=True, check=False)
    trouble = "" if done.returncode in (0, 3) else done.stderr[-500:]
    if list(folder.rglob(".*.part")):
        trouble += " a part of a file was left"
    return len(stored), done.stderr.count("stored posterior reused"), trouble


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
    parser.add_argument("--models", default="tasks_growth,tasks_outcome,goals_growth")
    parser.add_argument("--engine", choices=("collapsed", "pymc"), default="collapsed")
    parser.add_argument("--figures", choices=("all", "svg"), default="svg")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    run = Run(options.study, options.models, options.engine, options.figures, options.jobs)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        reference = Path(scratch) / "reference"
        started = time.perf_counter()
        subprocess.run(run.command(reference), capture_output=True, check=False)
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
