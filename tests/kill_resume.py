"""Kill a run at random moments, let it go on, and compare what it leaves with a run that was not killed.

``python -m tests.kill_resume --times 50`` prints a line a kill and a count at the end.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMPARED = ("tables/*.csv", "tables/*.md", "figures/*.csv")


def command(study: str, models: str, out: Path) -> list[str]:
    """Give the command line of the run."""
    return [
        *(sys.executable, "-m", "bayes_alliance.cli", "reanalyse", study, "--engine", "collapsed"),
        *("--models", models, "--out", str(out)),
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file that must not differ."""
    paths = [path for pattern in COMPARED for path in folder.glob(pattern)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def kill_and_resume(study: str, models: str, folder: Path, seconds: float) -> tuple[int, int, str]:
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
    process = subprocess.Popen(
        command(study, models, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    stored = {path.name for path in (folder / "posteriors").glob("*.nc")}
    done = subprocess.run(command(study, models, folder), capture_output=True, text=True, check=False)
    trouble = "" if done.returncode in (0, 3) else done.stderr[-500:]
    if list(folder.rglob(".*.part")):
        trouble += " a part of a file was left"
    return len(stored), done.stderr.count("stored posterior reused"), trouble


def main() -> int:
    """Kill and resume as often as asked for; exit code 1 where any result differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="kills (%(default)s)")
    parser.add_argument("--study", default="folmo2020")
    parser.add_argument("--models", default="tasks_growth,tasks_outcome,goals_growth")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        reference = Path(scratch) / "reference"
        started = time.perf_counter()
        subprocess.run(command(options.study, options.models, reference), capture_output=True, check=False)
        whole = time.perf_counter() - started
        wanted = contents(reference)
        failed = 0
        for number in range(1, options.times + 1):
            folder = Path(scratch) / "killed"
            seconds = rng.uniform(0.0, whole)
            stored, reused, trouble = kill_and_resume(options.study, options.models, folder, seconds)
            found = contents(folder)
            differing = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
            bad = bool(differing or trouble or reused != stored)
            failed += bad
            verdict = f"DIFFERS {differing} {trouble}" if bad else "identical"
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
