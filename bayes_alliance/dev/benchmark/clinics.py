"""Very many patients in clinics: processor time and memory of a whole process that fits one model by three criteria.

The process draws its rows, fits them by ML and REML and draws the posterior, as ``ba.fit`` does in one call. Run as
``python -m bayes_alliance.dev.benchmark.clinics DATES PATIENTS CLINICS`` it is that process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.dev.benchmark.programs import ONE_THREAD

PATIENTS, CLINICS, VISITS = 100_000, 2_000, 5
DATES = ("schedule", "scattered")
MOST_SECONDS, MOST_MIB = 120.0, 2048.0
FORMULA = "score ~ time*treated + (time | patient) + (1 | clinic)"
_TRUTH = {"Intercept": 5.0, "time": 0.2, "treated": 0.0, "time:treated": -0.1}
_SEED = 1


def draw_clinics(dates: str, patients: int, clinics: int, seed: int = _SEED) -> pd.DataFrame:
    """Draw patients dealt to clinics, five visits each, at common times or at times that no two share."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), VISITS)
    clinic, treated = (np.arange(patients) % clinics)[patient], rng.integers(0, 2, patients)[patient]
    time = np.tile(np.arange(float(VISITS)), patients)
    if dates == "scattered":
        time += rng.uniform(0.0, 0.5, len(time))
    mean = _TRUTH["Intercept"] + (_TRUTH["time"] + _TRUTH["time:treated"] * treated) * time
    own = rng.standard_normal((patients, 2)) * [1.0, 0.3]
    effects = 0.5 * rng.standard_normal(clinics)[clinic] + own[patient, 0] + own[patient, 1] * time
    score = mean + effects + rng.standard_normal(len(time))
    columns = {"patient": patient, "clinic": clinic, "time": time, "treated": treated, "score": score}
    return pd.DataFrame(columns)


def fit_clinics(dates: str, patients: int, clinics: int) -> dict[str, float]:
    """Fit by ML, REML and ``collapsed``: Pareto k, and by how many SDs the worst coefficient is off the truth."""
    import bayes_alliance as ba

    found = ba.fit(FORMULA, draw_clinics(dates, patients, clinics), time="time", seed=_SEED)
    if not isinstance(found, StructuredFit) or found.posterior is None:
        raise RuntimeError("no posterior of the patients in clinics")
    draws = found.posterior.beta
    truth = np.array([_TRUTH[name] for name in found.posterior.x_names])
    off = np.abs(draws.mean(axis=0) - truth) / draws.std(axis=0)
    return {"pareto_k": found.posterior.pareto_k, "off": float(off.max())}


def measure_clinics(
    report: Callable[[str], None], *, patients: int = PATIENTS, clinics: int = CLINICS
) -> list[dict[str, float | str]]:
    """Run one process for each kind of dates, one thread each: seconds of processor time and peak memory in MiB."""
    lines: list[dict[str, float | str]] = []
    for dates in DATES:
        report(f"{patients} patients in {clinics} clinics, {dates}")
        module = "bayes_alliance.dev.benchmark.clinics"
        command = [sys.executable, "-m", module, dates, str(patients), str(clinics)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD}) as process:
            assert process.stdout is not None
            text = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the process of {dates} dates ended with {process.returncode}")
        spent = {"seconds": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024.0}
        lines.append({"dates": dates, "patients": patients, "clinics": clinics, **spent, **json.loads(text)})
    return lines


def write_clinics(lines: list[dict[str, float | str]], path: Path, command: str) -> None:
    """Write the figures as a table of Markdown."""
    text = [
        "# Very many patients in clinics",
        "",
        f"Made by `{command}`: processor time (user and system) and peak memory of a whole process that draws the rows "
        f"of simulated patients, {VISITS} visits each, and fits `{FORMULA}` by ML, REML and `collapsed` (4,000 draws), "
        "one thread. On schedule, patients share their visit times; on scattered dates, none do. Off the truth: of "
        "the worst coefficient, in posterior SDs.",
        "",
        "| patients | clinics | dates | s | target | peak, MiB | target | Pareto k | off the truth |",
        "| ---: | ---: | --- | ---: | --- | ---: | --- | ---: | ---: |",
    ]
    for line in lines:
        reached = [
            "reached" if float(line[key]) <= most else "not reached"
            for key, most in (("seconds", MOST_SECONDS), ("mib", MOST_MIB))
        ]
        text.append(
            f"| {line['patients']:,} | {line['clinics']:,} | {line['dates']} "
            f"| {float(line['seconds']):.0f} | at most {MOST_SECONDS:g}: {reached[0]} "
            f"| {float(line['mib']):,.0f} | at most {MOST_MIB:,.0f}: {reached[1]} "
            f"| {float(line['pareto_k']):.2f} | {float(line['off']):.1f} |"
        )
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(fit_clinics(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
