"""The command that judges every claim of a study: ``claims``."""

from __future__ import annotations

import argparse
import math
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import load_data, load_protected, report_warnings
from bayes_alliance.cli.options import (
    add_data,
    add_figure_style,
    add_jobs,
    add_json,
    add_out,
    add_quiet,
    add_seed,
    add_study,
    check_json,
    give_json,
    make_folder,
    refresh_page,
)
from bayes_alliance.cli.parser import split_names
from bayes_alliance.cli.progress import ProgressReporter
from bayes_alliance.errors import InputError, Problem, printable

if TYPE_CHECKING:
    from bayes_alliance.claims.ledger import Ledger
    from bayes_alliance.claims.results import ClaimResult
    from bayes_alliance.claims.run import ClaimsRun, OtherTests
    from bayes_alliance.claims.settings import Depth
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.study.records import Study

DEFAULT_STRESS = ("missing", "joint", "conditioning")
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
    add_study(command)
    add_data(command)
    add_seed(command)
    add_out(command, "results/<study>/claims")
    add_jobs(command)
    command.add_argument(
        "--quick", action="store_true", help="verdicts and priors only: no multiverse, no removal of patients"
    )
    command.add_argument(
        "--stress",
        type=split_names,
        default=DEFAULT_STRESS,
        metavar="WHAT,...",
        help="stress tests whose draws challenge the verdicts too, as of the command stress: missing, joint, "
        "conditioning, likelihoods (slow); none for none "
        f"(default: {','.join(DEFAULT_STRESS)}; --quick makes none)",
    )
    add_figure_style(command)
    add_json(command)
    add_quiet(command)
    command.set_defaults(run=_claims)


def _claims(options: argparse.Namespace) -> int:
    from bayes_alliance.claims.choices_file import load_choices
    from bayes_alliance.claims.ledger_file import load_claims
    from bayes_alliance.claims.run import run_claims
    from bayes_alliance.claims.settings import ClaimsSettings
    from bayes_alliance.show.claims_folder import write_claims
    from bayes_alliance.show.claims_json import claims_json
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    if not study.priors:
        raise InputError(f"study {study.id}", [Problem(what="it states no priors, so it has no posterior")])
    choices = load_choices(study)
    ledger = load_claims(study, choices)
    rows, cohorts = _rows(options, study)
    folder = make_folder(options.out or Path("results") / study.id / "claims")
    depth: Depth = "priors" if options.quick else "full"
    settings = ClaimsSettings(seed=options.seed, jobs=options.jobs, depth=depth)
    what = () if options.quick or list(options.stress) == ["none"] else tuple(options.stress)
    with ProgressReporter(quiet=options.quiet) as report:
        if not isinstance(rows, Path):
            report_warnings(rows, report)
        more = stress_challenges(study, ledger, report, what=what, seed=options.seed)
        run = run_claims(
            study, rows, cohorts, ledger, choices, settings, store=folder / "kept", report=report, more=more
        )
        report("writing tables and figures")
        written = write_claims(run, folder)
        refresh_page(folder.parent, study, report)
    for remark in run.remarks:
        print(printable(f"warning: {remark}"), file=sys.stderr)
    if give_json(options, claims_json(run)):
        return 0
    print(printable(format_claims(run, _width())))
    print(printable(f"{len(written)} files in {folder}"))
    return 0


def stress_challenges(
    study: Study,
    ledger: Ledger,
    report: Callable[[str], None],
    *,
    what: tuple[str, ...],
    seed: int,
    models: tuple[str, ...] = (),
) -> OtherTests | None:
    """Return the stress tests asked for, as challenges to verdicts; a study without models for them has none.

    Parameters
    ----------
    study, ledger, report
        Whose claims are challenged, and where progress is reported.
    what : tuple of str
        Names of stress tests; none where empty.
    seed : int
        Of the run.
    models : tuple of str
        Stress only these; empty for the study's own claims about slopes.
    """
    from bayes_alliance.claims.change import Challenge, from_draws
    from bayes_alliance.stress.prepare import chosen_models, structured_models
    from bayes_alliance.stress.run import StressSettings, check_what, run_stress

    if left := structured_models(study):
        names = ", ".join(model.id for model in left)
        report(f"no stress tests of models with several levels or correlated residuals: {names}")
    if not what:
        return None
    settings = StressSettings(prior=study.priors[0].name, seed=seed, what=what, models=models)
    check_what(study, settings)
    if not chosen_models(study):
        return None

    def more(data: StudyData, base: Sequence[ClaimResult]) -> list[Challenge]:
        report("stress tests: " + ", ".join(what))
        return from_draws(ledger, base, run_stress(study, data, settings, report=report).all_draws())

    return more


def _rows(options: argparse.Namespace, study: Study) -> tuple[Any, dict[str, Path]]:
    """Return the rows at hand, and the synthetic cohorts by name: all that the study ships."""
    from bayes_alliance.cohorts.study_rows import shipped_cohorts

    cohorts = list(shipped_cohorts(study))
    paths = {cohort.path.stem: cohort.path for cohort in cohorts}
    if options.data is None and not study.data.file and cohorts:
        load_data(options, study)  # refuses a cohort that there is not, and what does not go with it
        return cohorts[options.cohort or 0].path, paths
    return load_protected(options, study), paths


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
    from bayes_alliance.assess.verdict_words import Verdict
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
        untested = sum(v.verdict is Verdict.NOT_APPLICABLE for v in run.multiverse.verdicts)
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
