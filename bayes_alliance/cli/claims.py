"""The command that judges every claim of a study: ``claims``."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import load_data
from bayes_alliance.cli.options import add_figure_style, add_reading_options
from bayes_alliance.errors import InputError, Problem, printable

if TYPE_CHECKING:
    from bayes_alliance.claims.ledger import Ledger
    from bayes_alliance.claims.results import ClaimResult
    from bayes_alliance.claims.run import ClaimsRun, OtherTests
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.study.records import Study

DEFAULT_SEED = 2020
DEFAULT_STRESS = "missing,joint,conditioning"
MAX_JOBS = 1024
NARROWEST, WIDEST = 80, 100


def add_commands(commands: Any) -> None:
    """Add ``claims`` to the commands of the parser."""
    command = commands.add_parser(
        "claims",
        help="judge every published claim, and say what would change the verdict",
        description="Judge every finding of a publication from its printed numbers, from synthetic cohorts and from "
        "data, side by side, and stress each verdict: priors, coding of the data, single patients, and every "
        "combination of the choices that the study declares (multiverse). An interrupted multiverse goes on where it "
        "was.",
    )
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )
    command.add_argument(
        "--data", type=Path, metavar="FILE", help="the patients' data; default: what the study ships with"
    )
    command.add_argument("--patients", type=Path, metavar="FILE", help="second table, one row a patient")
    command.add_argument(
        "--cohort",
        type=_number,
        metavar="N",
        help="which of the synthetic cohorts is stressed, from 0 (default: 0)",
    )
    add_reading_options(command)
    command.add_argument("--seed", type=_seed, default=DEFAULT_SEED, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="output folder (default: results/<study>/claims)"
    )
    command.add_argument(
        "--jobs", type=_jobs, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)"
    )
    command.add_argument(
        "--quick", action="store_true", help="verdicts and priors only: no multiverse, no removal of patients"
    )
    command.add_argument(
        "--stress",
        default=DEFAULT_STRESS,
        metavar="WHAT,...",
        help="stress tests whose draws challenge the verdicts too, as of the command stress: missing, joint, "
        "conditioning, likelihoods (slow); none for none (default: %(default)s; --quick makes none)",
    )
    add_figure_style(command)
    command.add_argument("--json", action="store_true", help="print JSON instead of the table")
    command.add_argument("--quiet", action="store_true", help="no progress")
    command.set_defaults(run=_claims)


def _whole(text: str, lowest: int, highest: int) -> int:
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} to {highest}")
    return int(text)


def _number(text: str) -> int:
    return _whole(text, 0, 10**4)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**32 - 1)


def _jobs(text: str) -> int:
    return _whole(text, 1, MAX_JOBS)


def _claims(options: argparse.Namespace) -> int:
    from bayes_alliance.claims.choices_file import load_choices
    from bayes_alliance.claims.ledger_file import load_claims
    from bayes_alliance.claims.run import run_claims
    from bayes_alliance.claims.settings import ClaimsSettings
    from bayes_alliance.show.claims_folder import claims_json, write_claims
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    if not study.priors:
        raise InputError(f"study {study.id}", [Problem(what="it states no priors, so it has no posterior")])
    choices = load_choices(study)
    ledger = load_claims(study, choices)
    folder: Path = options.out or Path("results") / study.id / "claims"
    rows, cohorts = _rows(options, study)

    def report(line: str) -> None:
        if not options.quiet:
            print(printable(line), file=sys.stderr, flush=True)

    _make_folder(folder)
    settings = ClaimsSettings(seed=options.seed, jobs=options.jobs, quick=options.quick)
    more = _stress_tests(options, study, ledger, report)
    run = run_claims(
        study, rows, cohorts, ledger, choices, settings, store=folder / "kept", report=report, more=more
    )
    report("writing tables and figures")
    written = write_claims(run, folder)
    for remark in run.remarks:
        print(printable(f"warning: {remark}"), file=sys.stderr)
    if options.json:
        print(json.dumps(claims_json(run), indent=2, ensure_ascii=False))
        return 0
    print(printable(format_claims(run, _width())))
    print(printable(f"{len(written)} files in {folder}"))
    return 0


def _stress_tests(
    options: argparse.Namespace, study: Study, ledger: Ledger, report: Callable[[str], None]
) -> OtherTests | None:
    """Give the stress tests asked for, as challenges to verdicts; a study without models for them has none."""
    from bayes_alliance.claims.change import Challenge, from_draws
    from bayes_alliance.stress.prepare import chosen_models
    from bayes_alliance.stress.run import StressSettings, check_what, run_stress

    what = tuple(part.strip() for part in options.stress.split(",") if part.strip())
    if what == ("none",) or options.quick:
        return None
    settings = StressSettings(prior=study.priors[0].name, seed=options.seed, what=what)
    check_what(study, settings)
    if not chosen_models(study):
        return None

    def more(data: StudyData, base: Sequence[ClaimResult]) -> list[Challenge]:
        report("stress tests: " + ", ".join(what))
        return from_draws(ledger, base, run_stress(study, data, settings, report=report).all_draws())

    return more


def _rows(options: argparse.Namespace, study: Study) -> tuple[Any, dict[str, Path]]:
    """Give the rows at hand, and the synthetic cohorts by name: all that the study ships."""
    from bayes_alliance.cohorts.study_rows import shipped_cohorts

    cohorts = list(shipped_cohorts(study))
    paths = {cohort.path.stem: cohort.path for cohort in cohorts}
    if options.data is None and not study.data.file and cohorts:
        load_data(options, study)  # refuses a cohort that there is not, and what does not go with it
        return cohorts[options.cohort or 0].path, paths
    return load_data(options, study), paths


def _make_folder(folder: Path) -> None:
    from bayes_alliance.runtime.files import clear_parts

    if folder.exists() and not folder.is_dir():
        raise InputError("option --out", [Problem(what="there is a file of this name", got=str(folder))])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = Problem(
            what=f"nothing can be written there ({error.strerror})",
            got=str(folder),
            fix="name another with --out",
        )
        raise InputError("output folder", [problem]) from error
    clear_parts(folder)


def _width() -> int:
    import shutil

    return min(max(shutil.get_terminal_size((WIDEST, 24)).columns, NARROWEST), WIDEST)


def format_claims(run: ClaimsRun, width: int) -> str:
    """Format the verdicts as a table for a terminal.

    Parameters
    ----------
    run : ClaimsRun
        What was found.
    width : int
        Columns at hand, 80 or more.

    Returns
    -------
    str
        No line is longer than ``width``.
    """
    from bayes_alliance.show.tables.claim_table import say_change, say_synthetic, say_verdict
    from bayes_alliance.show.tables.printed_posteriors import format_probability
    from bayes_alliance.study.records import Source

    heads = ["Claim", "Printed", "Synthetic", "Real data" if run.real else "One cohort", "First change"]
    fixed = [13, 13, 13]
    free = width - sum(fixed) - (len(heads) - 1)
    widths = [free - free * 2 // 5, *fixed, free * 2 // 5]
    rule = "-" * width
    kind = "SYNTHETIC DATA" if run.source is Source.SYNTHETIC else run.source.value
    about = f"{run.study.title}. Printed numbers alone; {len(run.synthetic)} synthetic cohorts"
    about += "; real data. " if run.real else ". "
    about += f"The last two columns are of {kind}, {run.origin}; seed {run.settings.seed}."
    lines = [*textwrap.wrap(about, width), rule, _row(heads, widths), rule]
    for i, claim in enumerate(run.ledger.claims):
        base = run.base[i]
        sure = "" if math.isnan(base.sure) else f" {format_probability(base.sure)}"
        cells = [
            claim.says,
            say_verdict(run.printed[i]),
            say_synthetic(run, claim.id),
            f"{say_verdict(base)}{sure}",
            say_change(run.changes[i]),
        ]
        lines.append(_row(cells, widths))
    lines.append(rule)
    if run.multiverse is not None:
        untested = sum(v.verdict.value == "not applicable" for v in run.multiverse.verdicts)
        lines.append(
            f"Multiverse: {run.multiverse.n_fits} fits, {len(run.multiverse.verdicts) - untested} specifications of "
            f"claims judged, {untested} could not be."
        )
    return "\n".join(lines)


def _row(cells: list[str], widths: list[int]) -> str:
    """Set cells side by side, each wrapped to its width."""
    wrapped = [textwrap.wrap(text, size) or [""] for text, size in zip(cells, widths, strict=True)]
    lines = []
    for i in range(max(map(len, wrapped))):
        parts = [(w[i] if i < len(w) else "").ljust(size) for w, size in zip(wrapped, widths, strict=True)]
        lines.append(" ".join(parts).rstrip())
    return "\n".join(lines)
