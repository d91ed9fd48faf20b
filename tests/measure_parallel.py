"""Measure how many simulated studies a second one and two workers make: processes, and Dask on one machine.

``python -m tests.measure_parallel --studies 400``
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from bayes_alliance.cohorts.study_rows import shipped_cohorts
from bayes_alliance.runtime.resumable_tasks import run_tasks
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.simulation.calibration import Calibration, calibrate_batch, calibration_tasks
from bayes_alliance.simulation.population import Sampling
from bayes_alliance.simulation.setting import choose_model, prepare
from bayes_alliance.study.load_study import load_study


class Clock:
    """When results came in: the start of the workers is left out of the rate."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tick(self, _: str) -> None:
        """Note a moment."""
        self.times.append(time.perf_counter())


def rate(calibration: Calibration, workers: Workers, studies: int) -> float:
    """Studies a second from the first result to the last."""
    from bayes_alliance.runtime import tasks as parallel

    clock = Clock()
    parallel._REPORT_SECONDS = 0.0
    tasks = calibration_tasks(calibration, studies=studies, batch=10, key="k")
    done = run_tasks(calibrate_batch, tasks, workers=workers, report=clock.tick)
    assert not done.failures
    # One result a worker is let pass, so that every one of them is at work when the clock starts.
    first = clock.times[workers.jobs - 1]
    return (studies - 10 * workers.jobs) / (clock.times[len(tasks) - 1] - first)


def main() -> int:
    """Print rates and their ratios, with the load of the machine before each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    study = load_study("folmo2020")
    setting = prepare(study, next(iter(shipped_cohorts(study))).data(study), choose_model(study, "tasks_ppd"))
    priors = setting.priors("neutral")
    calibration = Calibration(
        pool=setting.pool, sampling=Sampling(), engine="collapsed", drawn=priors, fitted=priors,
        estimands=setting.estimands, seed=1,
    )  # fmt: skip
    for scheduler in ("", "local"):
        for _ in range(options.rounds):
            found = {}
            for jobs in (1, 2):
                load = os.getloadavg()[0]
                found[jobs] = rate(calibration, Workers(jobs=jobs, scheduler=scheduler), options.studies)
                line = f"{scheduler or 'processes'}, {jobs}: {found[jobs]:.1f} studies a second (load {load:.2f})"
                print(line, flush=True)  # noqa: T201
            print(f"{scheduler or 'processes'}: {found[2] / found[1]:.2f} times", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
