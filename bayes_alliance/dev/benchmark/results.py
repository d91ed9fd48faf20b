"""The results of a benchmark: one record a program and size, kept on disk as they come, and the loop that makes them.

Interrupted and started again, a benchmark goes on where it was; results of other versions or limits are not reused.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bayes_alliance.dev.benchmark.designs import Dates, draw_rows
from bayes_alliance.dev.benchmark.measure import Measured, run_process
from bayes_alliance.dev.benchmark.programs import (
    PROGRAMS,
    Program,
    find_program,
    r_version,
    start_command,
    why_missing,
)
from bayes_alliance.dev.benchmark.rows_file import write_rows
from bayes_alliance.inference.versions import engine_versions

Status = Literal["done", "skipped", "failed", "stopped"]
Reporter = Callable[[str], None]
Key = tuple[str, int, Dates]
SIZES = (1, 10, 100, 1000)
LIMIT_S = 600.0
SEED_ROWS = 2020
# Short processes are started several times and their median is kept.
REPEATS, SHORT_S = 5, 10.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """One program on one data set.

    Parameters
    ----------
    program : str
        Its name.
    scale : int
        How many times the paper's patients.
    dates : {"schedule", "scattered"}
        Visits at common times, or each at its own.
    patients, rows : int
        Size of the data.
    status : {"done", "skipped", "failed", "stopped"}
        What became of it; ``word`` says why.
    wall_s : float or None
        From the shell to the answer on disk.
    fit_s, warm_s : float or None
        Of the first fit and of later fits in the same process.
    sampling_s : float or None
        What drew, compiling left out; of warm fits where there were any.
    peak_mib : float or None
        Peak resident memory.
    draws : int or None
        Posterior draws kept.
    min_ess : float or None
        Smallest bulk effective sample size over the reported parameters; ``worst`` names it.
    estimate, spread : float or None
        Of the difference between the subgroups' slopes.
    """

    program: str
    scale: int
    dates: Dates
    patients: int
    rows: int
    status: Status
    word: str = ""
    wall_s: float | None = None
    fit_s: float | None = None
    warm_s: float | None = None
    sampling_s: float | None = None
    peak_mib: float | None = None
    draws: int | None = None
    min_ess: float | None = None
    worst: str = ""
    estimate: float | None = None
    spread: float | None = None

    @property
    def ess_per_s(self) -> float | None:
        """Effective draws of the worst parameter for each second of drawing, the peers' compiling left out."""
        if self.min_ess is None or not self.sampling_s:
            return None
        return self.min_ess / self.sampling_s

    @property
    def ess_per_wall_s(self) -> float | None:
        """Effective draws of the worst parameter for each second from shell to answer."""
        return None if self.min_ess is None or not self.wall_s else self.min_ess / self.wall_s


@dataclass(frozen=True, kw_only=True)
class BenchmarkPlan:
    """What to run.

    Parameters
    ----------
    sizes : tuple of int
        Multiples of the paper's patients, ascending.
    programs : tuple of Program
        Which, in order.
    limit_s : float
        The most seconds for one process.
    folder : Path
        Where data and results are kept between runs.
    fresh : bool
        Whether to leave what is kept there aside.
    """

    sizes: tuple[int, ...]
    programs: tuple[Program, ...]
    limit_s: float
    folder: Path
    fresh: bool = False


def run_benchmark(plan: BenchmarkPlan, report: Reporter) -> list[Result]:
    """Run every program at every size, one process at a time, smallest sizes first.

    Returns
    -------
    list of Result
        All that is known, by size and program: what was asked for, and what is kept of other programs and sizes.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    store = plan.folder / "results.json"
    kept = load_results(store, PROGRAMS, limit_s=plan.limit_s)
    if plan.fresh:
        asked = {program.name for program in plan.programs}
        kept = {key: r for key, r in kept.items() if r.program not in asked or r.scale not in plan.sizes}
    missing = {program.name: why_missing(program) for program in plan.programs}
    for scale in sorted(plan.sizes):
        for dates in get_args(Dates):
            for program in plan.programs:
                if scale > program.largest or (dates == "schedule" and not program.both_dates):
                    continue
                key: Key = (program.name, scale, dates)
                if key not in kept:
                    word = missing[program.name] or foresee(list(kept.values()), program, scale, plan.limit_s)
                    kept[key] = _run(program, scale, dates, plan, word)
                    store_results(store, list(kept.values()), limit_s=plan.limit_s)
                    report(describe(kept[key]))
    order = [program.name for program in PROGRAMS]
    return sorted(kept.values(), key=lambda r: (r.scale, order.index(r.program), r.dates))


def _run(program: Program, scale: int, dates: Dates, plan: BenchmarkPlan, word: str) -> Result:
    path = plan.folder / f"rows-{scale}-{dates}.csv"
    frame = draw_rows(scale, dates, seed=SEED_ROWS)
    empty = Result(
        program=program.name,
        scale=scale,
        dates=dates,
        patients=int(frame["patient"].nunique()),
        rows=len(frame),
        status="skipped",
        word=word,
    )
    if word:
        return empty
    write_rows(frame, path)
    answer = plan.folder / f"{program.name}-{scale}-{dates}.json"
    command = start_command(program, path, answer)
    if program.caches and scale == min(plan.sizes):
        # What it compiles is kept on disk; a first start ever is nobody's ordinary day.
        run_process(command, answer, limit_s=plan.limit_s)
    runs = [run_process(command, answer, limit_s=plan.limit_s)]
    while len(runs) < REPEATS and runs[0].wall_s is not None and runs[0].wall_s < SHORT_S:
        runs.append(run_process(command, answer, limit_s=plan.limit_s))
    return record(empty, runs, task=program.name == "command", limit_s=plan.limit_s)


def record(empty: Result, runs: Sequence[Measured], *, task: bool, limit_s: float) -> Result:
    """Turn what was measured into a result: medians of times over the runs, the peak of memory."""
    walls = [run.wall_s for run in runs if run.wall_s is not None]
    if len(walls) < len(runs):
        bad = next(run for run in runs if run.wall_s is None)
        word = f"no result within {limit_s:.0f} s" if bad.timed_out else f"failed: {bad.error}"
        return dataclasses.replace(empty, status="stopped" if bad.timed_out else "failed", word=word)
    whole = dataclasses.replace(
        empty, status="done", word="", wall_s=statistics.median(walls), peak_mib=max(r.peak_mib for r in runs)
    )
    if task:
        return whole
    answers = [run.answer for run in runs]
    ess: dict[str, float] = answers[0].get("ess") or {}
    worst = min(ess, key=lambda name: ess[name], default="")
    warm_sampling = _middle([run.warm for run in runs], "sampling_s")
    return dataclasses.replace(
        whole,
        fit_s=_middle(answers, "fit_s"),
        warm_s=_middle([run.warm for run in runs], "fit_s"),
        sampling_s=_middle(answers, "sampling_s") if warm_sampling is None else warm_sampling,
        draws=answers[0].get("draws"),
        min_ess=ess[worst] if ess else None,
        worst=worst,
        estimate=answers[0].get("estimate"),
        spread=answers[0].get("spread"),
    )


def _middle(facts: Sequence[dict[str, Any]], name: str) -> float | None:
    known = [float(fact[name]) for fact in facts if fact.get(name) is not None]
    return statistics.median(known) if known else None


def foresee(done: Sequence[Result], program: Program, scale: int, limit_s: float) -> str:
    """Return why a size need not be tried: the program did not manage a smaller one, or would take too long.

    What grows is taken to grow linearly with the patients, which flatters every program that grows faster;
    start-up and compiling are taken not to grow.
    """
    smaller = [r for r in done if r.program == program.name and r.scale < scale]
    if not smaller:
        return ""
    last = max(smaller, key=lambda r: (r.scale, r.dates == "scattered"))
    if last.status != "done":
        return last.word if last.status == "skipped" else f"skipped: {last.word} at {last.scale}x"
    growing = last.sampling_s or last.warm_s or last.fit_s
    if last.wall_s is None or growing is None:
        return ""
    foreseen = last.wall_s - min(growing, last.wall_s) + growing * scale / last.scale
    return f"skipped: {last.wall_s:.0f} s at {last.scale}x" if foreseen > limit_s else ""


def describe(result: Result) -> str:
    """Return a line of progress."""
    head = f"{result.program} {result.scale}x {result.dates} ({result.patients} patients)"
    if result.status != "done":
        return f"{head}: {result.word}"
    parts = [f"{result.wall_s:.2f} s from shell to result", f"{result.peak_mib:.0f} MiB"]
    parts += [f"{result.warm_s:.3f} s warm"] if result.warm_s is not None else []
    parts += [f"{result.ess_per_s:.0f} effective draws/s"] if result.ess_per_s is not None else []
    return f"{head}: {', '.join(parts)}"


def made_with(program: Program) -> str:
    """Return the versions that a program's results depend on; for this package, its very code as well."""
    if program.r:
        return f"{program.r} {r_version(program.r)}"
    packages = [program.python] if program.python else ["bambi", "pymc", "pytensor", "nutpie", "numpy"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    is_peer = bool(program.python) or program.name.startswith("bambi")
    return versions if is_peer else f"{versions}, {engine_versions()}"


def load_results(path: Path, programs: Sequence[Program], *, limit_s: float) -> dict[Key, Result]:
    """Read kept results of these programs; those made with other versions or another limit are left aside."""
    if not path.exists():
        return {}
    present = {p.name: made_with(p) for p in programs if not why_missing(p)}
    kept = {}
    for fields in json.loads(path.read_text(encoding="utf-8")):
        made, limit = fields.pop("made_with"), fields.pop("limit_s")
        if present.get(fields["program"]) == made and limit == limit_s:
            kept[fields["program"], fields["scale"], fields["dates"]] = Result(**fields)
    return kept


def store_results(path: Path, results: Sequence[Result], *, limit_s: float) -> None:
    """Keep results on disk; an interruption leaves the old file or the new one. Missing programs are not kept."""
    kept = [r for r in results if not why_missing(find_program(r.program))]
    facts = [
        {**dataclasses.asdict(r), "made_with": made_with(find_program(r.program)), "limit_s": limit_s}
        for r in kept
    ]
    part = path.with_suffix(".part")
    part.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    part.replace(path)
