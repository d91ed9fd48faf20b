"""Run every command of an installed wheel: its help, and one small run, from another folder.

``scripts/try_wheel`` runs this file by the interpreter of an environment that holds the wheel and what it requires, and
nothing else; it imports nothing of the tests. The exit code is the number of commands that failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# A command, and the exit codes of a good run: 3 says that a check failed, as may be with so few patients or draws.
RUNS = (
    "studies",
    "models medication",
    "audit kokkeler2020 --out audit",
    "printed kokkeler2020 --out printed --quiet",
    "new-study small.csv --out mine --patient id --time time --outcome pos --yes",
    "new-cells mine --to cells.csv",
    "check-data medication small.csv",
    "fit medication --models treatment --data small.csv --engine none",
    "fit medication --models treatment --data small.csv --engine collapsed --json fit.json",
    "fit medication --models treatment --data small.csv --engine pymc --draws 200 --chains 2",
    "fit medication --models treatment --data small.csv --engine bambi --draws 200 --chains 2",
    "fit mine --models {first} --data small.csv --engine none",
    "reanalyse medication --data small.csv --models treatment --engine collapsed --out run --share run.zip --jobs 1",
    "stress medication --models treatment --data small.csv --stress conditioning --out stress",
    "claims mine --data small.csv --quick --stress none --out claims --jobs 1",
    "cohort folmo2020 --count 1 --out cohorts --jobs 1",
    "simulate sbc medication --models treatment --studies 4 --prior neutral --out sbc --jobs 1",
    "simulate power medication --models treatment --studies 2 --n-patients 40 --engine none --out power --jobs 1",
    "simulate compare medication --models treatment --studies 2 --prior neutral --out compare --jobs 1",
    "fit-large medication small.parquet --models treatment",
    "register bates2015 --out register --quiet",
)
NESTED = {"simulate": ("sbc", "power", "compare")}


def commands() -> list[str]:
    """Return every command of the program, by its own help."""
    return re.findall(r"^    ([a-z][a-z-]*)(?: |$)", call(["--help"]).stdout, re.MULTILINE)


def call(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the installed program as a user does."""
    program = str(Path(sys.executable).with_name("bayes-alliance"))
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=600, check=False)


def write_inputs() -> None:
    """Write a small part of the public data that ship, as CSV and as Parquet."""
    import pandas as pd

    from bayes_alliance.study.load_study import models_folder

    frame = pd.read_csv(models_folder() / "medication" / "medication_pp.csv")
    kept = frame[(frame["time"] % 1 == 0) & (frame["time"] < 5)][["id", "treat", "time", "pos"]]
    kept.to_csv("small.csv", index=False)
    kept.to_parquet("small.parquet")


def fill(command: str) -> list[str]:
    """Put the id of the first model of the new study into a command."""
    if "{first}" in command:
        found = re.search(
            r'^\[\[models\]\]\s+id = "(\w+)"', Path("mine/study.toml").read_text(), re.MULTILINE
        )
        assert found is not None, "the new study has no model"
        command = command.format(first=found[1])
    return command.split()


def tell(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run everything in a folder of its own; print a line each; return how many failed."""
    failed = 0
    names = commands()
    unknown = set(names) ^ {run.split()[0] for run in RUNS}
    assert not unknown, f"commands without a small run, or runs without a command: {sorted(unknown)}"
    helps = [[name, "--help"] for name in names]
    helps += [[name, kind, "--help"] for name, kinds in NESTED.items() for kind in kinds]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_inputs()
        for arguments in [*helps, *RUNS]:
            words = fill(arguments) if isinstance(arguments, str) else arguments
            started = time.perf_counter()
            done = call(words)
            good = done.returncode in (0, 3) and "Traceback" not in done.stderr and done.stdout
            failed += not good
            verdict = "ok    " if good else "FAILED"
            tell(f"{verdict} {time.perf_counter() - started:6.1f} s  {' '.join(words)}")
            if not good:
                tell(f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
