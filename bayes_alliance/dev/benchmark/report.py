"""The benchmark as tables and a figure: targets, every measurement, and on what machine. Shows; never measures."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bayes_alliance.dev.benchmark.peers import CHAINS, DRAWS, TUNE
from bayes_alliance.dev.benchmark.programs import PROGRAMS, find_program, r_version, why_missing
from bayes_alliance.dev.benchmark.results import Result
from bayes_alliance.dev.benchmark.rows_file import FORMULA
from bayes_alliance.dev.benchmark.targets import SpeedTarget, list_claims

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

PROVENANCE = "synthetic"
_NOTES = (
    f"Model `{FORMULA}`, random intercepts and slopes correlated (UN); Bambi (0.21) has independent ones only (VC), "
    "so it fits a smaller model. Bambi's default is PyMC's own NUTS, which it asks PyMC for by name: PyMC (6) left to "
    "itself would take nutpie where that is installed. Rows are simulated with the design of the built-in study.",
    "Every program has a process of its own and one thread, chains one after another. Process: from the shell to the "
    "result on disk, start-up and compiling included (the median of five where it takes less than 10 s; compiled "
    "code that a program keeps on disk is there). First fit and warm fit: inside the process, rows in memory; warm "
    "fits are later ones (median of up to five), where the first takes less than 30 s.",
    f"Samplers of peers: their default priors, {CHAINS} chains of {DRAWS:,} draws after {TUNE:,} of tuning. Effective "
    "draws: bulk effective sample size of the worst of the fixed effects, SDs, correlation and residual SD; for "
    "`collapsed`, independent draws by its importance weights. Effective draws a second leave the compiling of peers "
    "out. On schedule, patients share their visit times; on scattered dates, none do.",
)  # fmt: skip
_FIGURE_NOTE = (
    "SYNTHETIC DATA: simulated rows with the design of the built-in study, at scattered dates (filled) or on "
    "schedule (open); one process and one thread for each program. Dashed: maximum likelihood. Effective draws a "
    "second leave the compiling of peers out."
)
_PLOTTED = ("collapsed", "pymc", "bambi", "bambi_nutpie", "brms", "rstanarm", "ml", "lme4", "statsmodels")


def describe_machine() -> str:
    """Return what the benchmark ran on: cores, memory and versions, not whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = ("numpy", "scipy", "pymc", "bambi", "nutpie", "statsmodels")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in python if _is_installed(name)]
    versions += [f"{p.r} {r_version(p.r)}" for p in PROGRAMS if p.r and not why_missing(p)]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB of memory, {platform.system()}; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def format_claims(claims: Sequence[SpeedTarget]) -> str:
    """Return the figures and their targets as a Markdown table."""
    lines = ["| | found | target | |", "| --- | ---: | ---: | --- |"]
    for claim in claims:
        bound = "at least" if claim.at_least else "at most"
        found = "" if claim.found is None else f"{_short(claim.found)} {claim.unit}"
        lines.append(f"| {claim.what} | {found} | {bound} {claim.target:,g} {claim.unit} | {claim.verdict} |")
    return "\n".join(lines)


def format_results(results: Sequence[Result]) -> str:
    """Return every measurement as a Markdown table, sizes together."""
    head = (
        "| program | model | patients | dates | process, s | first fit, s | warm fit, s | peak, MiB "
        "| effective draws (worst) | a second | slope difference (SD or SE) |"
    )
    lines = [head, f"| --- | --- | ---: | --- |{' ---: |' * 7}"]
    for r in results:
        program = find_program(r.program)
        start = f"| {program.label} | {program.model} | {r.patients:,} | {r.dates} |"
        if r.status != "done":
            lines.append(f"{start} {r.word} | | | | | | |")
            continue
        numbers = (r.wall_s, r.fit_s, r.warm_s, r.peak_mib, r.min_ess, r.ess_per_s)
        spread = "" if r.spread is None else f" ({r.spread:.4f})"
        slope = "" if r.estimate is None else f"{r.estimate:.4f}{spread}"
        cells = ["" if n is None else _short(n) for n in numbers]
        lines.append(f"{start} {' | '.join(cells)} | {slope} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def format_report(results: Sequence[Result], command: str) -> str:
    """Return the whole report as Markdown."""
    parts = [
        "# Benchmark",
        f"Made by `{command}` on {describe_machine()}.",
        format_claims(list_claims(results)),
        format_results(results),
        *_NOTES,
    ]
    return "\n\n".join(parts) + "\n"


def plot_benchmark(results: Sequence[Result]) -> Figure:
    """Plot seconds from shell to result, and effective draws a second, against the number of patients."""
    from bayes_alliance.show.plots.style import DOUBLE_MM, add_note, make_figure, note_height_mm, use_style

    with use_style():
        figure = make_figure(DOUBLE_MM, 92.0 + note_height_mm(_FIGURE_NOTE, DOUBLE_MM))
        left, right = figure.subplots(1, 2)
        _draw(left, results, "wall_s")
        _draw(right, results, "ess_per_s")
        left.set_ylabel("Seconds from shell to result")
        right.set_ylabel("Effective draws a second (worst parameter)")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("Patients")
            for axis in (axes.xaxis, axes.yaxis):
                _tick_short_axis(axis)
        handles, labels = left.get_legend_handles_labels()
        # Three columns are as wide as the figure; a fourth would be cut off at both ends.
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
        add_note(figure, _FIGURE_NOTE)
    return figure


def _tick_short_axis(axis: Axis) -> None:
    """Write 1, 2 and 5 along a logarithmic axis that is short: its own labels would run into each other."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axis.get_view_interval()
    if high < 40.0 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _draw(axes: Axes, results: Sequence[Result], quantity: str) -> None:
    """Draw a line a program, dashed for ML; visits on schedule dotted with open markers."""
    from bayes_alliance.show.plots.style import (
        BLACK,
        BLUE,
        GREEN,
        GREY,
        ORANGE,
        PURPLE,
        SKY,
        VERMILLION,
        tidy,
    )

    colours = (BLUE, SKY, VERMILLION, ORANGE, PURPLE, GREEN, BLACK, GREY, GREY)
    for name, colour, marker in zip(_PLOTTED, colours, "os^vDPhXd", strict=True):
        program = find_program(name)
        for dates in ("scattered", "schedule"):
            found = [r for r in results if r.program == name and r.dates == dates]
            points = [(r.patients, y) for r in found if (y := getattr(r, quantity)) is not None]
            if not points:
                continue
            scattered = dates == "scattered"
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=colour,
                marker=marker,
                markerfacecolor=colour if scattered else "white",
                linestyle=":" if not scattered else "--" if program.kind == "ml" else "-",
                label=program.label if scattered else f"{program.label}, on schedule",
            )
    tidy(axes)


def write_report(results: Sequence[Result], folder: Path, *, command: str) -> list[Path]:
    """Write ``benchmark.md``, ``.csv``, ``.svg``, ``.pdf`` and ``.png``.

    Parameters
    ----------
    results : sequence of Result
        Every measurement.
    folder : Path
        Where to; made if it is not there.
    command : str
        What was run, for the report.
    """
    from bayes_alliance.show.plots.save import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "benchmark.md"
    text.write_text(format_report(results, command), encoding="utf-8")
    rows = [
        dataclasses.asdict(r) | {"ess_per_s": r.ess_per_s, "ess_per_wall_s": r.ess_per_wall_s}
        for r in results
    ]
    return [
        text,
        *save_figure(plot_benchmark(results), folder / "benchmark", rows=rows, provenance=PROVENANCE),
    ]
