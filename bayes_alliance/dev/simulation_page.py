"""Simulations of docs/simulate.md that are made again by script: what is run, and the text from its tables.

Each is stored with a digest of the cohort whose design it has, so that numbers of another cohort are noticed.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bayes_alliance.dev.ensemble_page import put_between
from bayes_alliance.show.format_numbers import format_fixed

STORE = "simulated_on.json"
Row = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A simulation whose numbers stand in the page.

    Parameters
    ----------
    arguments : tuple of str
        Of the command.
    files : dict of str to str
        Names in the folder of documentation, and those that the command gives.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, str]


def _simulation(kind: str, studies: int, *more: str, engine: str = "collapsed", **files: str) -> Simulation:
    settings = ("--model", "tasks_ppd", "--prior", "neutral", "--engine", engine, "--seed", "2020")
    return Simulation(
        arguments=("simulate", kind, "folmo2020", *settings, "--studies", str(studies), *more),
        files={
            f"{name}.{ending}": f"{stem}.{ending}"
            for name, stem in files.items()
            for ending in ("csv", "png")
        },
    )


SIMULATIONS = {
    "calibration": _simulation("sbc", 1000, ranks_collapsed="ranks_tasks_ppd_collapsed_neutral"),
    "pymc": _simulation("sbc", 200, engine="pymc", ranks_pymc="ranks_tasks_ppd_pymc_neutral"),
    "power": _simulation(
        "power",
        100,
        *("--n-patients", "80,155,300", "--marked", "paranoid_pd=15,30,60", "--n-visits", "3,4,8"),
        "--effect=-1.5,-1,-0.5,0",
        power_tasks_ppd="power_tasks_ppd",
    ),
    "comparison": _simulation("compare", 250, comparison_tasks_ppd="comparison_tasks_ppd"),
}
# Tables that text is made from, beside the figures and their numbers.
TABLES = {
    "calibration": {"ranks_collapsed_quantities.csv": "calibration_quantities.csv"},
    "pymc": {"ranks_pymc_quantities.csv": "calibration_quantities.csv"},
    "power": {},
    "comparison": {},
}
_WORLDS = {
    "as_modelled": "as modelled",
    "no_slope_variance": "slope SD a twentieth",
    "ceiling": "a quarter of the scores at the ceiling",
    "informative_dropout": "who does worse leaves sooner",
}
_APPROACHES = ("ML", "REML", "collapsed, neutral prior")


def marks(part: str) -> tuple[str, str]:
    """Return the marks around a part of the page."""
    return f"<!-- simulation: {part} -->", f"<!-- end of simulation: {part} -->"


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def calibration_text(rows: Sequence[Row], digest: str, engine: str = "collapsed") -> str:
    """Return what the ranks of all quantities say.

    Parameters
    ----------
    rows : sequence of mapping
        One a quantity.
    digest : str
        Of the cohort whose design was simulated.
    engine : str
        Whose ranks.
    """
    outside = [row["quantity"] for row in rows if row["inside"] != "yes"]
    strayed = [row["quantity"] for row in rows if float(row["p_adjusted"]) < 0.05]
    coverage = sorted(100.0 * float(row["coverage_95"]) for row in rows)
    said = (
        "every quantity uniform within its own band"
        if not outside
        else f"{len(outside)} outside its own 95 % band"
    )
    return (
        f"By `{engine}` (design: digest `{digest}`), {rows[0]['n']} studies: of {len(rows)} quantities {said}, "
        f"least p {format_fixed(min(float(row['p']) for row in rows), 3)}; after adjustment for all of them "
        f"(Holm) the least is {format_fixed(min(float(row['p_adjusted']) for row in rows), 2)}, so "
        f"{len(strayed) or 'none'} of them strays. 95 % intervals cover in {format_fixed(coverage[0], 1)} to "
        f"{format_fixed(coverage[-1], 1)} % ([numbers](ranks_{engine}_quantities.csv), "
        f"[curves](ranks_{engine}.csv))."
    )


def power_text(rows: Sequence[Row], digest: str) -> str:
    """Return how the curves were made, and the power that the collapsed engine has at every effect size."""
    shown = [
        f"{100.0 * float(row['estimate']):.0f} % at {float(row['value']):g}"
        for row in rows
        if (row["factor"], row["measure"], row["approach"]) == ("effect", "excludes_zero", _APPROACHES[-1])
    ]
    return (
        f"An example of {max(int(row['n']) for row in rows)} studies a condition, so with wide errors (design: digest "
        f"`{digest}`; [numbers](power_tasks_ppd.csv)). Intervals of `collapsed` without zero by size of the effect, in "
        f"points over 36 months: {', '.join(shown)}."
    )


def comparison_text(rows: Sequence[Row], digest: str) -> str:
    """Return coverage, bias and share without zero of three approaches in four worlds, as Markdown."""
    found = {(row["scenario"], row["approach"], row["measure"]): row for row in rows}
    lines = [
        f"{rows[0]['n']} studies in each of the four worlds (design: digest `{digest}`), "
        f"{sum(int(row['failed']) for row in rows if row['measure'] == 'bias')} failed "
        "([numbers](comparison_tasks_ppd.csv)):",
        "",
        "| world | coverage of 95 % intervals: ML, REML, Bayes | bias | width | intervals without zero |",
        "| --- | --- | --- | --- | --- |",
    ]
    for world, said in _WORLDS.items():
        cells = [
            ", ".join(
                format_fixed(factor * float(found[world, approach, measure]["estimate"]), digits)
                for approach in _APPROACHES
            )
            for measure, factor, digits in (
                ("coverage", 100.0, 1),
                ("bias", 1.0, 2),
                ("width", 1.0, 2),
                ("excludes_zero", 100.0, 0),
            )
        ]
        lines.append(f"| {said} | {cells[0]} % | {cells[1]} | {cells[2]} | {cells[3]} % |")
    errors = {
        measure: max(float(row["monte_carlo_error"]) for row in rows if row["measure"] == measure)
        for measure in ("coverage", "bias")
    }
    lines += [
        "",
        f"Monte-Carlo errors are at most {format_fixed(100.0 * errors['coverage'], 1)} points of coverage and "
        f"{format_fixed(errors['bias'], 3)} of bias.",
    ]
    return "\n".join(lines)


def simulation_page(written: str, docs: Path, digests: Mapping[str, str]) -> str:
    """Put the text of every simulation into the page, between its marks."""
    texts = {
        "calibration": calibration_text(
            read_rows(docs / "ranks_collapsed_quantities.csv"), digests["calibration"]
        ),
        "pymc": calibration_text(read_rows(docs / "ranks_pymc_quantities.csv"), digests["pymc"], "pymc"),
        "power": power_text(read_rows(docs / "power_tasks_ppd.csv"), digests["power"]),
        "comparison": comparison_text(read_rows(docs / "comparison_tasks_ppd.csv"), digests["comparison"]),
    }
    for part, text in texts.items():
        written = put_between(written, marks(part), text)
    return written
