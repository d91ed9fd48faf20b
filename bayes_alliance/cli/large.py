"""The command for data of registry size: ``fit-large``."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.options import (
    MIN_DRAWS,
    add_jobs,
    add_json,
    add_models,
    add_prior,
    add_quiet,
    add_seed,
    add_study,
    check_json,
    give_json,
    one_model,
    one_prior,
)
from bayes_alliance.cli.parser import whole_number
from bayes_alliance.cli.progress import ProgressReporter

if TYPE_CHECKING:
    from bayes_alliance.run.large.fit import LargeFit
    from bayes_alliance.run.large.gather import LargeData
    from bayes_alliance.study.records import Study


CHAINS = 4


def add_commands(commands: Any) -> None:
    """Add ``fit-large`` to the commands of the parser."""
    command = commands.add_parser(
        "fit-large",
        help="fit one model to a Parquet file that need not fit into memory",
        description="Read Parquet in pieces, reduce it to the statistics of the likelihood, and fit one model by ML, "
        "REML and the engine collapsed. Every variable of the model has to be a column, scored and derived.",
    )
    add_study(command)
    command.add_argument("file", type=Path, metavar="PATH", help="a Parquet file, or a folder of them")
    add_models(command, several=False, required=True)
    command.add_argument(
        "--engine", choices=("collapsed", "none"), default="collapsed", help="default: %(default)s"
    )
    add_prior(command)
    command.add_argument(
        "--draws",
        type=whole_number(MIN_DRAWS, 10**6),
        default=1000,
        metavar="N",
        help="draws per chain, as in fit with four chains (default: %(default)s, so 4000 in all)",
    )
    add_jobs(command, scheduler=True)
    add_seed(command)
    add_json(command)
    add_quiet(command)
    command.set_defaults(run=_fit_large)


def _fit_large(options: argparse.Namespace) -> int:
    from bayes_alliance.errors import InputError, Problem, printable
    from bayes_alliance.run.large.fit import fit_large
    from bayes_alliance.run.large.gather import reduce_file
    from bayes_alliance.run.settings import RunSettings, choose_prior
    from bayes_alliance.runtime.task_store import Workers
    from bayes_alliance.simulation.setting import choose_model
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    model = choose_model(study, one_model(options))
    prior = choose_prior(study, RunSettings(engine=options.engine, prior=one_prior(options)))
    if not options.file.exists():
        raise InputError(
            "option PATH", [Problem(what="there is no such file or folder", got=str(options.file))]
        )

    started = time.perf_counter()
    workers = Workers(jobs=options.jobs, scheduler=options.scheduler)
    with ProgressReporter(quiet=options.quiet) as report:
        data = reduce_file(study, model, options.file, workers=workers, report=report)
        for warning in data.warnings:
            report(f"warning: {warning}")
    seconds = time.perf_counter() - started
    fit = fit_large(
        study, model, data, prior=prior, seed=options.seed, draws=CHAINS * options.draws,
        bayes=options.engine != "none",
    )  # fmt: skip
    if not give_json(options, _facts(study, data, fit, prior, seconds)):
        print(printable("\n".join(_lines(study, data, fit, seconds))))
    return 0


def _facts(study: Study, data: LargeData, fit: LargeFit, prior: str, seconds: float) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "study": study.id,
        "model": fit.ml.model_id,
        "prior": prior,
        "draws": 0 if fit.posterior is None else next(iter(fit.posterior.named_draws().values())).size,
        "n_patients": data.stats.n_patients,
        "n_rows": data.stats.n_rows,
        "n_rows_read": data.n_read,
        "left_out": data.set_aside,
        "warnings": list(data.warnings),
        "patterns_of_visit_times": len(data.stats.counts),
        "seconds": {"reduce": seconds, "ml_and_reml": fit.ml_seconds, "posterior": fit.posterior_seconds},
        "deviance_ml": fit.ml.deviance,
        "converged": fit.ml.converged and fit.reml.converged,
        "quantities": [
            {
                "name": q.name,
                "kind": q.kind,
                "ml": number(q.ml.estimate),
                "ml_se": number(q.ml.se),
                "ml_p": number(q.ml.p),
                "reml": number(q.reml.estimate),
                "reml_se": number(q.reml.se),
                "bayes": None
                if q.bayes is None
                else {
                    name: number(getattr(q.bayes, name))
                    for name in ("mean", "sd", "median", "lower", "upper", "p_negative")
                },
            }
            for q in fit.quantities
        ],
    }


def _lines(study: Study, data: LargeData, fit: LargeFit, seconds: float) -> list[str]:
    """Return the same as text for a terminal."""
    width = max(24, *(len(quantity.name) for quantity in fit.quantities)) + 2
    lines = [
        f"{study.id}, {fit.ml.model_id}: {data.stats.n_patients} patients, {data.stats.n_rows} of {data.n_read} rows, "
        f"{len(data.stats.counts)} patterns of visit times",
        *(f"  left out: {count} rows {words}" for words, count in data.set_aside.items()),
        f"reduced in {seconds:.1f} s, ML and REML in {fit.ml_seconds:.1f} s, posterior in "
        f"{fit.posterior_seconds:.1f} s; covariance type {fit.ml.covariance}; 95 % equal-tailed intervals",
        f"  {'quantity':<{width}}{'ML (SE)':>24}{'Bayes median [interval]':>40}",
    ]
    for quantity in fit.quantities:
        se = "" if math.isnan(quantity.ml.se) else f" ({quantity.ml.se:.3g})"
        b = quantity.bayes
        bayes = f"{b.median:.5g} [{b.lower:.5g}, {b.upper:.5g}]" if b else ""
        lines.append(f"  {quantity.name:<{width}}{f'{quantity.ml.estimate:.5g}{se}':>24}{bayes:>40}")
    return lines
