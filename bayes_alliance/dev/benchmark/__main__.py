"""``python -m bayes_alliance.dev.benchmark``: run the benchmark, going on where it was, and write its report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.dev.benchmark.clinics import measure_clinics, write_clinics
from bayes_alliance.dev.benchmark.programs import PROGRAMS, find_program
from bayes_alliance.dev.benchmark.report import write_report
from bayes_alliance.dev.benchmark.results import LIMIT_S, SIZES, BenchmarkPlan, run_benchmark
from bayes_alliance.dev.benchmark.structures import run_structures, write_structures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the programs asked for and report all that was measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    if options.structures:
        lines = run_structures(options.folder / "structures", _say)
        write_structures(lines, options.figures / "benchmark_structures.md", "scripts/bench --structures")
        return 0
    if options.clinics:
        write_clinics(
            measure_clinics(_say), options.figures / "benchmark_clinics.md", "scripts/bench --clinics"
        )
        return 0
    plan = BenchmarkPlan(
        sizes=options.sizes,
        programs=tuple(find_program(name) for name in options.only),
        limit_s=options.limit,
        folder=options.folder,
        fresh=options.fresh,
    )
    results = run_benchmark(plan, _say)
    command = shlex.join(["scripts/bench", *given]) if given else "make bench"
    written = write_report(results, options.figures, command=command)
    _say(f"{len(results)} results; {len(written)} files in {options.figures}")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=SIZES,
        metavar="N,...",
        help="how many times the paper's 155 patients (default: 1,10,100,1000)",
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=[program.name for program in PROGRAMS],
        metavar="NAME,...",
        help=f"programs: {', '.join(program.name for program in PROGRAMS)} (default: all)",
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=LIMIT_S,
        metavar="S",
        help="seconds for one process (default: %(default)g)",
    )
    parser.add_argument(
        "--structures",
        action="store_true",
        help="only several levels and repeated measures, beside lme4 and nlme",
    )
    parser.add_argument(
        "--clinics", action="store_true", help="only 100,000 patients in 2,000 clinics, time and memory"
    )
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument("--folder", type=Path, default=Path("results/bench"), help="where results are kept")
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="where the report goes")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers from 1")
    return sizes


def _names(text: str) -> list[str]:
    names = text.split(",")
    known = [program.name for program in PROGRAMS]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(
            f"no such program: {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return names


if __name__ == "__main__":
    sys.exit(main())
