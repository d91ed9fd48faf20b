"""Engines that compile leave no patient's data in caches or temporary folders."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.show.test_privacy import readable

STUDY = """
[study]
id = "mini"
title = "Mini"
citation = "Made up."
patient = "patient"
time = "months"
time_unit = "months"
horizon = 12

[data]
source = "real data"
file = "rows.csv"

[variables.patient]
column = "pid"
level = "patient"
kind = "category"
required = true

[variables.months]
column = "month"
level = "visit"
kind = "numeric"
required = true

[variables.goals]
level = "visit"
kind = "numeric"

[variables.age]
level = "patient"
kind = "numeric"

[[models]]
id = "age"
label = "Age"
family = "growth"
formula = "goals ~ months + age + (months | patient)"

[[models]]
id = "level"
label = "Level"
family = "growth"
formula = "goals ~ months + (1 | patient)"

[[priors]]
name = "neutral"
label = "Neutral"
[priors.outcomes]
goals.intercept = [4, 2]
goals.slope = [0, 2]
goals.effect_intercept = [0, 1]
goals.effect_slope = [0, 1]
goals.sd_intercept = 1
goals.sd_slope = 1
goals.sigma = 1
goals.lkj_eta = 2
"""


def write_marked(folder: Path) -> list[float]:
    """Write a study whose every number has digits of its own; return those numbers."""
    rng = np.random.default_rng(5)
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY)
    lines, numbers = ["pid,month,goals,age"], []
    for patient in range(12):
        age = 40.0 + rng.normal()
        for visit in range(4):
            month, goal = 3.0 * visit + rng.uniform(0.1, 0.9), 4.0 + rng.normal()
            numbers += [month, goal, age]
            lines.append(f"MARKER{patient:02d},{month!r},{goal!r},{age!r}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return numbers


# Commands of one process, so that PyMC is imported and compiled for once: engine and sampler, and the model. PyMC's own
# sampler ends in a division by zero on so few patients with a random slope.
FITS = (
    (("bambi",), "age"),
    (("bambi", "--sampler", "pymc"), "age"),
    (("pymc",), "age"),
    (("pymc", "--sampler", "pymc"), "level"),
    (("collapsed",), "age"),
)
# Ends with what the last command ended with, or at the first one that failed; says what each left in TMPDIR.
_RUN = """
import os, sys
from bayes_alliance.cli.main import main
for words in {commands!r}:
    code = main(words)
    print("ended", code, sorted(os.listdir(os.environ["TMPDIR"])), file=sys.stderr)
    if code not in (0, 3):
        sys.exit(1)
"""


def test_fits_leave_no_number_of_the_data_behind(tmp_path: Path) -> None:
    """By no engine does HOME or TMPDIR hold an identifier, or a value as text or bytes; TMPDIR is left empty."""
    numbers = write_marked(tmp_path / "study")
    places = {name: tmp_path / name for name in ("HOME", "TMPDIR")}
    for place in places.values():
        place.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {name: str(place) for name, place in places.items()} | {"PYTENSOR_FLAGS": ""}
    commands = [
        ["fit", str(tmp_path / "study"), "--model", model, "--engine", *engine, "--draws", "60"]
        + ([] if engine == ("collapsed",) else ["--chains", "2"])
        for engine, model in FITS
    ]
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(commands=commands)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr.count("ended ") == len(FITS), done.stderr
    kept = [path for place in places.values() for path in place.rglob("*") if path.is_file()]
    spelled = {repr(number).encode() for number in numbers} | {b"MARKER"}
    spelled |= {struct.pack("<d", number) for number in numbers}
    for path in kept:
        text = readable(path.read_bytes())
        assert not [part for part in spelled if part in text], path
    assert list(places["TMPDIR"].iterdir()) == [], done.stderr
