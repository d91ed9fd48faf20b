"""The command for data of registry size: ``fit-large``."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_alliance.run.large.fit import LargeFit
    from bayes_alliance.run.large.gather import LargeData
    from bayes_alliance.study.records import Study

DEFAULT_SEED = 2020


def add_commands(commands: Any) -> None:
    """Add ``fit-large`` to the commands of the parser."""
    command = commands.add_parser(
        "fit-large",
        help="fit one model to a Parquet file that need not fit into memory",
        description="Read Parquet in pieces, reduce it to the statistics of the likelihood, and fit one model by ML, "
        "REML and the engine collapsed. Every variable of the model has to be a column, scored and derived.",
    )
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )
    command.add_argument("file", type=Path, metavar="PATH", help="a Parquet file, or a folder of them")
    command.add_argument("--model", required=True, metavar="ID")
    command.add_argument(
        "--engine", choices=("collapsed", "none"), default="collapsed", help="default: %(default)s"
    )
    command.add_argument(
        "--prior", default="", metavar="NAME", help="prior set of the study (default: its first)"
    )
    command.add_argument(
        "--draws", type=_draws, default=4000, metavar="N", help="of the posterior (%(default)s)"
    )
    command.add_argument(
        "--jobs", type=_jobs, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)"
    )
    command.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="Dask: address of a scheduler, or 'local' for one of --jobs",
    )
    command.add_argument("--seed", type=_seed, default=DEFAULT_SEED, metavar="N", help="default: %(default)s")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--quiet", action="store_true", help="no progress")
    command.set_defaults(run=_fit_large)


def _whole(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return int(text)


def _draws(text: str) -> int:
    return _whole(text, 200, 1_000_000)


def _jobs(text: str) -> int:
    return _whole(text, 1, 10_000)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**32 - 1)


def _fit_large(options: argparse.Namespace) -> int:
    from bayes_alliance.errors import InputError, Problem, printable
    from bayes_alliance.run.large.fit import fit_large
    from bayes_alliance.run.large.gather import reduce_file
    from bayes_alliance.run.settings import RunSettings, choose_prior
    from bayes_alliance.runtime.task_store import Workers
    from bayes_alliance.simulation.setting import choose_model
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    model = choose_model(study, options.model)
    prior = choose_prior(study, RunSettings(engine=options.engine, prior=options.prior))
    if not options.file.exists():
        raise InputError(
            "option PATH", [Problem(what="there is no such file or folder", got=str(options.file))]
        )

    def report(line: str) -> None:
        if not options.quiet:
            print(printable(line), file=sys.stderr, flush=True)

    started = time.perf_counter()
    workers = Workers(jobs=options.jobs, scheduler=options.scheduler)
    data = reduce_file(study, model, options.file, workers=workers, report=report)
    seconds = time.perf_counter() - started
    fit = fit_large(
        study, model, data, prior=prior, seed=options.seed, draws=options.draws + -options.draws % 4,
        bayes=options.engine != "none",
    )  # fmt: skip
    if options.json:
        print(json.dumps(_facts(study, data, fit, prior, seconds), indent=2, ensure_ascii=False))
    else:
        print(printable("\n".join(_lines(study, data, fit, seconds))))
    return 0


def _facts(study: Study, data: LargeData, fit: LargeFit, prior: str, seconds: float) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "study": study.id,
        "model": fit.ml.model_id,
        "prior": prior,
        "n_patients": data.stats.n_patients,
        "n_rows": data.stats.n_rows,
        "n_rows_read": data.n_read,
        "left_out": data.set_aside,
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
    """Give the same as text for a terminal."""
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
