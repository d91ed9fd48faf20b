"""Models with therapists above patients and of repeated measures beside lme4 and nlme, in one run on one thread.

Each program fits the same rows several times in a process of its own, in turn with the other; what counts is its own
processor time (user) for one warm fit, from arrays or a data frame in memory. Run as
``python -m bayes_alliance.dev.benchmark.structures FOLDER ANSWER FITS`` it is the process of this package.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_alliance.dev.benchmark.designs import draw_rows
from bayes_alliance.dev.benchmark.programs import ONE_THREAD
from bayes_alliance.inference.lmm.ml import fit_lmm
from bayes_alliance.inference.lmm.model import LmmModel, build_model
from bayes_alliance.inference.lmm.posterior import fit_lmm_posterior, make_lmm_target
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.structured_frame import StructuredRows, read_formula, read_structured

THERAPISTS, PATIENTS, VISITS, LEAVING = 20, 500, 6, 0.08
ROUNDS, FITS = 2, 2
SEED = 2020
NESTED = "tasks ~ months*poor_outcome + (months | patient) + (1 | therapist)"
REPEATED = "score ~ visit*treated"


def draw_nested(seed: int) -> pd.DataFrame:
    """Draw the built-in study's design with its 155 patients dealt to therapists."""
    rows = draw_rows(1, "scattered", seed=seed)
    rng = np.random.default_rng(seed)
    therapist = rng.permutation(np.arange(rows["patient"].nunique()) % THERAPISTS)[rows["patient"]]
    tasks = rows["tasks"] + 0.3 * rng.standard_normal(THERAPISTS)[therapist]
    return rows.assign(therapist=therapist, tasks=tasks)


def draw_repeated(seed: int) -> pd.DataFrame:
    """Draw 500 patients at up to six visits in two arms, some of whom leave after each."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(VISITS), np.arange(VISITS)))
    root = np.linalg.cholesky(0.7**lag * np.outer(*[np.linspace(1.0, 1.6, VISITS)] * 2))
    treated = np.arange(PATIENTS) % 2
    change = np.outer(0.2 + 0.1 * treated, np.arange(VISITS))
    values = 20.0 - change + rng.standard_normal((PATIENTS, VISITS)) @ root.T
    stayed = np.cumsum(rng.random((PATIENTS, VISITS)) < LEAVING, axis=1) == 0
    stayed[:, 0] = True
    patient, visit = np.nonzero(stayed)
    return pd.DataFrame(
        {
            "patient": patient,
            "number": visit + 1,
            "visit": [f"v{k + 1}" for k in visit],
            "treated": treated[patient],
            "score": values[stayed],
        }
    )


def run_structures(folder: Path, report: Callable[[str], None]) -> list[dict[str, float | str]]:
    """Draw the rows, run both programs in turn and put their figures side by side.

    Returns
    -------
    list of dict
        ``model``, ``ours`` and ``peer`` in milliseconds of user time, ``ratio``, ``target``, and how far -2 log
        likelihoods lie apart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw_nested(SEED).to_csv(folder / "nested.csv", index=False)
    draw_repeated(SEED).to_csv(folder / "repeated.csv", index=False)
    script = resources.files("bayes_alliance.dev.benchmark") / "r_peers" / "structures.R"
    module = "bayes_alliance.dev.benchmark.structures"
    commands = {
        "ours": [sys.executable, "-m", module],
        "peer": ["Rscript", str(script)],
    }
    answers: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for turn in range(ROUNDS):
        for name, command in commands.items():
            report(f"round {turn + 1} of {ROUNDS}: {name}")
            answer = folder / f"{name}.json"
            subprocess.run(
                [*command, str(folder), str(answer), str(FITS)], check=True, env={**os.environ, **ONE_THREAD}
            )
            answers[name].append(json.loads(answer.read_text(encoding="utf-8")))
    return _side_by_side(answers)


def _side_by_side(answers: Mapping[str, list[dict[str, float]]]) -> list[dict[str, float | str]]:
    def middle(name: str, key: str) -> float:
        return statistics.median(answer[key] for answer in answers[name])

    lines = (
        ("three levels, ML", "nested_ml", "nested_ml", "nested_deviance", None),
        ("three levels, 4,000 draws", "nested_posterior", "nested_ml", "nested_deviance", 10.0),
        ("repeated measures, ML", "repeated_ml", "repeated_ml", "repeated_deviance", 2.0),
    )
    return [
        {
            "model": label,
            "ours": 1e3 * middle("ours", own),
            "peer": 1e3 * middle("peer", theirs),
            "ratio": middle("ours", own) / middle("peer", theirs),
            "target": float("nan") if target is None else target,
            "apart": abs(middle("ours", deviance) - middle("peer", deviance)),
        }
        for label, own, theirs, deviance, target in lines
    ]


def measure_ours(folder: Path, fits: int) -> dict[str, float]:
    """Fit both models by this package: seconds of user time of a warm fit, and -2 log likelihoods."""
    nested, repeated = pd.read_csv(folder / "nested.csv"), pd.read_csv(folder / "repeated.csv")
    three = read_structured(*read_formula(NESTED, "", ""), nested, time="months")
    priors = coefficient_priors(three.study, three.design, three.study.priors[0].name)

    def ml(frame: pd.DataFrame, formula: str, residual: str, patient: str, time: str) -> float:
        found = read_structured(*read_formula(formula, residual, patient), frame, time=time)
        return fit_lmm(_model(found), method="ML").deviance

    def draw() -> float:
        model = _model(three)
        target = make_lmm_target(model, priors, three.patient_prior, three.cluster_prior)
        found = fit_lmm_posterior(target, fit_lmm(model, method="REML"), seed=SEED, draws=4000)
        if not found.usable:
            raise RuntimeError(f"Pareto k {found.pareto_k:.2f}: these draws are not to be used")
        return found.pareto_k

    nested_ml, nested_deviance = _seconds(lambda: ml(nested, NESTED, "", "", "months"), fits)
    repeated_ml, repeated_deviance = _seconds(
        lambda: ml(repeated, REPEATED, "un(visit)", "patient", "number"), fits
    )
    posterior, _ = _seconds(draw, fits)
    return {
        "nested_ml": nested_ml,
        "nested_deviance": nested_deviance,
        "nested_posterior": posterior,
        "repeated_ml": repeated_ml,
        "repeated_deviance": repeated_deviance,
    }


def _model(found: StructuredRows) -> LmmModel:
    return build_model(found.rows, found.structure, found.design.x_names)


def _seconds(fit: Callable[[], float], fits: int) -> tuple[float, float]:
    """Median user time of several fits after a first one, and what the last returned."""
    value = fit()
    spent = []
    for _ in range(fits):
        started = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        value = fit()
        spent.append(resource.getrusage(resource.RUSAGE_SELF).ru_utime - started)
    return statistics.median(spent), value


def write_structures(lines: list[dict[str, float | str]], path: Path, command: str) -> None:
    """Write the figures as a table of Markdown."""
    text = [
        "# Several levels and repeated measures beside lme4 and nlme",
        "",
        f"Made by `{command}`: milliseconds of processor time (user) of one warm fit from a data frame in memory, one "
        f"thread; median of {ROUNDS} processes each, run in turn, {FITS} fits a process. Three levels: 155 patients in "
        f"{THERAPISTS} therapists, `{NESTED}`, beside one ML fit of lme4; draws start from arrays. Repeated "
        f"measures: {PATIENTS} patients, up to {VISITS} visits, `{REPEATED}` with `un(visit)`, beside nlme's `gls`.",
        "",
        "Effective draws a second of every structure beside brms and rstan: "
        "[benchmark_posteriors.md](benchmark_posteriors.md).",
        "",
        "| model | ours, ms | peer, ms | ratio | target | -2 log likelihoods apart |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in lines:
        target = float(line["target"])
        aim = "" if np.isnan(target) else f"at most {target:g}"
        text.append(
            f"| {line['model']} | {line['ours']:.0f} | {line['peer']:.0f} | {line['ratio']:.2f} | {aim} "
            f"| {line['apart']:.1e} |"
        )
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    measured = measure_ours(Path(sys.argv[1]), int(sys.argv[3]))
    Path(sys.argv[2]).write_text(json.dumps(measured), encoding="utf-8")
