"""Measure ``fit-large`` from ten thousand to a million patients: seconds, memory, and how they grow.

``python -m tests.measure_large --out docs`` writes ``large_data.csv`` and ``large_data.png``/``.svg``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

STUDY, MODEL = "folmo2020", "tasks_ppd"
SCHEDULE = np.array([0.0, 1.0, 2.0, 3.0, 6.0, 9.0, 12.0, 18.0, 24.0, 30.0, 36.0])
CHUNK = 50_000


def write_registry(path: Path, patients: int, *, dates: str, seed: int = 1) -> None:
    """Write patients with four visits each: in four scheduled months, or at dates that none share."""
    rng = np.random.default_rng(seed)
    schema = pa.schema(
        [
            ("patient", pa.int64()),
            ("months", pa.float64()),
            ("paranoid_pd", pa.int8()),
            ("tasks", pa.float64()),
        ]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, patients, CHUNK):
            n = min(CHUNK, patients - start)
            chosen = np.sort(np.argpartition(rng.random((n, len(SCHEDULE))), 4, axis=1)[:, :4], axis=1)
            months = SCHEDULE[chosen]
            if dates == "scattered":
                months = np.sort(np.clip(months + rng.uniform(-0.4, 0.4, months.shape), 0.0, 36.0), axis=1)
            marked = (rng.random(n) < 0.2).astype(np.int8)
            level = 4.6 + 0.9 * rng.standard_normal(n)
            slope = 0.02 - 0.02 * marked + 0.03 * rng.standard_normal(n)
            score = np.clip(
                level[:, None] + slope[:, None] * months + 0.7 * rng.standard_normal(months.shape), 1.0, 7.0
            )
            columns = [
                np.repeat(np.arange(start, start + n), 4),
                months.ravel(),
                np.repeat(marked, 4),
                score.ravel(),
            ]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=4 * CHUNK)


def measure(path: Path, jobs: int) -> dict[str, float]:
    """Run the command once; seconds of its steps and the peak memory of its largest process."""
    command = [
        sys.executable,
        "-m",
        "bayes_alliance.cli.main",
        "fit-large",
        STUDY,
        str(path),
        "--model",
        MODEL,
    ]
    command += ["--jobs", str(jobs), "--json", "--quiet"]
    one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **one_thread})
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"fit-large ended with {process.returncode}")
    facts = json.loads(text)
    return {
        "patients": facts["n_patients"],
        "rows": facts["n_rows"],
        "patterns": facts["patterns_of_visit_times"],
        "reduce_s": facts["seconds"]["reduce"],
        "ml_and_reml_s": facts["seconds"]["ml_and_reml"],
        "posterior_s": facts["seconds"]["posterior"],
        "processor_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024.0,
    }


def plot(rows: list[dict[str, object]], out: Path) -> None:
    """Seconds of processor against patients, both on logarithmic axes, with a line of slope one; memory beside."""
    from bayes_alliance.show.plots.style import BLUE, DOUBLE_MM, GREY, VERMILLION, make_figure, use_style

    with use_style():
        figure = make_figure(DOUBLE_MM, 70.0)
        seconds, memory = figure.subplots(1, 2)
        for dates, colour, words in (
            ("schedule", BLUE, "visits in scheduled months"),
            ("scattered", VERMILLION, "no two patients seen at the same times"),
        ):
            mine = [row for row in rows if row["dates"] == dates]
            size = [float(str(row["patients"])) for row in mine]
            for panel, name in ((seconds, "processor_s"), (memory, "peak_mib")):
                panel.plot(
                    size, [float(str(row[name])) for row in mine], color=colour, marker="o", label=words
                )
        line = np.array([1e4, 1e6])
        seconds.plot(line, 10.0 * line / 1e6, color=GREY, linestyle=":", label="linear in patients")
        seconds.set(xscale="log", yscale="log", ylabel="Seconds of processor, whole command")
        memory.set(xscale="log", ylim=(0.0, None), ylabel="Peak memory, MiB")
        for panel in (seconds, memory):
            panel.set_xlabel("Patients, four visits each")
        seconds.legend()
        for ending in ("png", "svg"):
            figure.savefig(out / f"large_data.{ending}", dpi=200)


def main() -> int:
    """Measure every size and kind of dates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,30000,100000,300000,1000000")
    parser.add_argument("--scattered", default="10000,30000,100000", help="sizes with scattered dates")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for dates, sizes in (("schedule", options.sizes), ("scattered", options.scattered)):
            for size in (int(part) for part in sizes.split(",") if part):
                path = Path(scratch) / "registry.parquet"
                write_registry(path, size, dates=dates)
                load = os.getloadavg()[0]
                found = measure(path, options.jobs)
                rows.append({"dates": dates, **found, "jobs": options.jobs, "load_before": load})
                shown = {k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items()}
                print(shown, flush=True)  # noqa: T201
    options.out.mkdir(exist_ok=True)
    with (options.out / "large_data.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
