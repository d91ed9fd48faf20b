"""Effective draws a second of this package beside brms and rstan, model by model, one thread.

``python -m tests.measure_posteriors [MODEL ...]``, by default all of :mod:`tests.reference_posteriors`. For each model
``tests/reference/stan.R`` compiles and samples in a process of its own, then this package draws in another. With
``--tables`` it only writes the pages anew from what was measured.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from bayes_alliance.dev.benchmark.programs import ONE_THREAD
from bayes_alliance.inference.lmm.ml import fit_lmm
from bayes_alliance.inference.lmm.model import build_model
from bayes_alliance.inference.lmm.posterior import fit_lmm_posterior, make_lmm_target
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.structured_frame import read_formula, read_structured
from tests.reference_fits import REFERENCE, ROOT
from tests.reference_posteriors import (
    MODELS,
    ReferenceModel,
    differences,
    fit_draws,
    model_named,
    read_rows,
    stan_answers,
)

RECORD = ROOT / "figures" / "benchmark_posteriors.csv"
PAGE = RECORD.with_suffix(".md")
ENGINES = ROOT / "docs" / "engines.md"
MARKS = "<!-- posteriors -->", "<!-- end of posteriors -->"
WAYS = ("collapsed", "ba.fit")
TARGET, FITS, DRAWS = 20.0, 3, 4000
COLUMNS = (
    "model",
    "engine",
    "effective_draws",
    "draw_s",
    "mean_apart_sd",
    "mean_apart_mcse",
    "sd_apart",
    "sd_apart_mcse",
)


def seconds() -> float:
    """Processor time (user) of this process and of those it waited for."""
    return sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(draw: Callable[[], float]) -> tuple[float, float]:
    """Return the last result and the median time of a warm call."""
    spent = []
    for _ in range(FITS + 1):
        started = seconds()
        found = draw()
        spent.append(seconds() - started)
    return found, statistics.median(spent[1:])


def draw_structured(model: ReferenceModel) -> Callable[[], float]:
    """Draw by ``collapsed`` from arrays, the REML fit that it starts from included; returns effective draws."""
    found = read_structured(
        *read_formula(model.formula, model.residual, model.patient), read_rows(model), time=model.time
    )
    priors = coefficient_priors(found.study, found.design, found.study.priors[0].name)

    def draw() -> float:
        built = build_model(found.rows, found.structure, found.design.x_names)
        target = make_lmm_target(built, priors, found.patient_prior, found.cluster_prior)
        drawn = fit_lmm_posterior(target, fit_lmm(built, method="REML"), seed=5, draws=DRAWS)
        return 1.0 / (1.0 / drawn.ess + 1.0 / DRAWS)

    return draw


def measure(model: ReferenceModel, engine: str) -> dict[str, Any]:
    """Fit a model several times; ``ba.fit`` is all of it, from a data frame."""
    found = fit_draws(model, draws=DRAWS)
    effective, warm = timed(
        (lambda: fit_draws(model, draws=DRAWS).independent) if engine == "ba.fit" else draw_structured(model)
    )
    apart = differences(stan_answers()["models"][model.name], found)
    return {
        "model": model.name,
        "engine": engine,
        "effective_draws": round(effective),
        "draw_s": round(warm, 4),
        "mean_apart_sd": round(max(abs(one.mean_sd) for one in apart.values()), 3),
        "mean_apart_mcse": round(max(abs(one.mean_mcse) for one in apart.values()), 2),
        "sd_apart": round(max(abs(one.sd_ratio - 1.0) for one in apart.values()), 3),
        "sd_apart_mcse": round(max(abs(one.sd_mcse) for one in apart.values()), 2),
    }


def read_record() -> dict[tuple[str, str], dict[str, str]]:
    """Read what was measured, by model and engine."""
    if not RECORD.exists():
        return {}
    with RECORD.open(newline="", encoding="utf-8") as stream:
        return {(row["model"], row["engine"]): row for row in csv.DictReader(stream)}


def keep(row: dict[str, Any]) -> None:
    """Write one row into the record, in the order of the models."""
    rows: dict[tuple[str, str], dict[str, Any]] = {**read_record(), (row["model"], row["engine"]): row}
    with RECORD.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for model in MODELS:
            writer.writerows(one for (name, _), one in sorted(rows.items()) if name == model.name)


def say(value: float) -> str:
    """Write a figure with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.3g}'):g}"


def _verdict(ratios: dict[str, float], way: str) -> str:
    missed = [f"{name} {say(ratio)}" for name, ratio in ratios.items() if ratio < TARGET]
    least = say(min(ratios.values()))
    if not missed:
        return f"`{way}`: all {len(ratios)} ratios reach the target of {TARGET:g}, the least is {least}."
    return (
        f"`{way}`: {len(missed)} of {len(ratios)} ratios miss the target of {TARGET:g}: {', '.join(missed)}."
    )


def format_page() -> str:
    """Return the page of effective draws a second, as Markdown."""
    answers, record = stan_answers(), read_record()
    versions, sampling = answers["versions"], answers["sampling"]
    lines, ratios = [], {}
    for model in MODELS:
        theirs = answers["models"][model.name]
        rate = theirs["ess_bulk_min"] / theirs["sampling_s"]
        lines.append(
            f"| {model.structure} | {theirs['program']} | {theirs['ess_bulk_min']:,.0f} | {say(theirs['compile_s'])} "
            f"| {say(theirs['sampling_s'])} | {say(rate)} | |"
        )
        for engine in WAYS:
            ours = record[model.name, engine]
            own = float(ours["effective_draws"]) / float(ours["draw_s"])
            ratios[engine, model.structure] = own / rate
            lines.append(
                f"| | `{engine}` | {int(ours['effective_draws']):,} | | {say(float(ours['draw_s']))} "
                f"| {say(own)} | {say(own / rate)} |"
            )
    verdict = " ".join(_verdict({k: v for (w, k), v in ratios.items() if w == way}, way) for way in WAYS)
    head = [
        "# Effective draws a second beside brms and rstan",
        "",
        f"Made by `scripts/measure_posteriors`: models, data and priors of `tests/reference/stan.R`, the same for all. "
        f"brms {versions['brms']} and rstan {versions['rstan']} (where brms of this version lacks the residual "
        f"structure): {sampling['chains']} chains of {sampling['draws_per_chain']:,} draws after "
        f"{sampling['warmup']:,} of warm-up, adapt_delta {sampling['adapt_delta']:g}; this package on the same rows "
        "and machine. Seconds of processor time, one thread: compiling apart, drawing with "
        f"warm-up. Warm fits of ours, median of {FITS}: `collapsed` draws {DRAWS:,} from arrays, the REML fit that it "
        "starts from included; `ba.fit` does all of it from a data frame, ML and REML with their standard errors "
        "too. "
        "Effective draws: bulk, of the worst coefficient, SD or correlation; of `collapsed` by its weights.",
        "",
        verdict + " Engine `pymc` fits none of these structures; two levels by both engines beside brms: "
        "[benchmark.md](benchmark.md).",
        "",
        "| structure | program | effective draws | compiling, s | drawing, s | effective draws a second | ratio |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*head, *lines]) + "\n"


def format_section() -> str:
    """Return the table of agreement for docs/engines.md, as Markdown."""
    answers, record = stan_answers()["models"], read_record()
    lines = [
        "",
        "",
        "| structure | model | data | against | quantities | means apart, in SDs | SDs apart |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        theirs = answers[model.name]
        residual = f", `{model.residual}`" if model.residual else ""
        one = record[model.name, "collapsed"]
        means = f"{one['mean_apart_sd']} ({one['mean_apart_mcse']})"
        sds = f"{100 * float(one['sd_apart']):.1f} % ({one['sd_apart_mcse']})"
        formula = model.formula.replace("|", "\\|")
        lines.append(
            f"| {model.structure} | `{formula}`{residual} | {model.data} | {theirs['program']} "
            f"| {len(theirs['posterior'])} | {means} | {sds} |"
        )
    return "\n".join(lines) + "\n\n"


def put_section(page: str, section: str) -> str:
    """Return a page with the section between its marks replaced."""
    before, rest = page.split(MARKS[0])
    return before + MARKS[0] + section + MARKS[1] + rest.split(MARKS[1])[1]


def write_pages() -> None:
    """Write both tables."""
    PAGE.write_text(format_page(), encoding="utf-8")
    page = ENGINES.read_text(encoding="utf-8")
    ENGINES.write_text(put_section(page, format_section()), encoding="utf-8")


def run(model: ReferenceModel, *, ours_only: bool) -> None:
    """Draw by Stan, then by this package, each in a process of its own."""
    environment = {**os.environ, **ONE_THREAD}
    if not ours_only:
        subprocess.run(["Rscript", str(REFERENCE / "stan.R"), model.name], check=True, env=environment)
    for engine in WAYS:
        own = [sys.executable, "-m", "tests.measure_posteriors", model.name, "--engine", engine]
        subprocess.run(own, check=True, env=environment)


def main() -> int:
    """Measure, and write record and pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[model.name for model in MODELS])
    parser.add_argument("--engine", help="only this engine of ours, in this process")
    parser.add_argument("--tables", action="store_true", help="only write the pages anew")
    parser.add_argument("--ours", action="store_true", help="only this package: stan.json stays as it is")
    options = parser.parse_args()
    for model in [] if options.tables else [model_named(name) for name in options.models]:
        if options.engine:
            keep(measure(model, options.engine))
            print(json.dumps(read_record()[model.name, options.engine]))  # noqa: T201
        else:
            run(model, ours_only=options.ours)
    known = set(stan_answers()["models"])
    if not options.engine and known >= {model.name for model in MODELS}:
        write_pages()
    return 0


if __name__ == "__main__":
    sys.exit(main())
