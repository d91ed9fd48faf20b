"""A study folder with claims and choices, on made-up rows whose truth is known, small enough for seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source, Study

STUDY = """
[study]
id = "toy"
title = "A toy"
citation = "Nobody"
patient = "patient"
time = "months"
time_unit = "months"
horizon = 36
descriptive_group = "poor"

[data]
source = "synthetic"
file = "rows.csv"

[variables.patient]
level = "patient"
kind = "category"
required = true

[variables.months]
level = "visit"
kind = "numeric"
minimum = 0
maximum = 36
required = true

[variables.score]
label = "Score"
unit = "points"
level = "visit"
kind = "numeric"

[variables.end]
label = "End"
level = "patient"
kind = "numeric"

[variables.other_end]
label = "Other end"
level = "patient"
kind = "numeric"

[variables.female]
label = "Female"
level = "patient"
kind = "binary"
categories = ["no", "yes"]

[derived.poor]
label = "Poor"
rule = "below"
of = ["end"]
value = 60
kind = "binary"
categories = ["good", "poor"]

[derived.other_poor]
rule = "below"
of = ["other_end"]
value = 60
kind = "binary"
categories = ["good", "poor"]

[derived.n_scores]
rule = "count"
of = ["score"]
kind = "integer"

[[models]]
id = "growth"
label = "Growth"
family = "growth"
formula = "score ~ months + (months | patient)"
estimands = [{ name = "growth", label = "Mean slope", kind = "slope", weights = { months = 1 } }]

[[models]]
id = "outcome"
label = "Outcome"
family = "outcome"
formula = "score ~ months + poor + months:poor + (months | patient)"
reference = "growth"
estimands = [
  { name = "deviation", label = "Slope, poor minus good", kind = "slope_deviation", weights = { "months:poor" = 1 } },
  { name = "level", label = "Level, poor minus good", kind = "level", weights = { poor = 1 } },
]

[[priors]]
name = "neutral"
label = "Neutral"
[priors.outcomes.score]
intercept = [5, 2]
slope = [0, 3]
effect_intercept = [0, 1.5]
effect_slope = [0, 3]
sd_intercept = 1.5
sd_slope = 1.5
sigma = 1
lkj_eta = 2

[[priors]]
name = "sceptical"
label = "Sceptical"
[priors.outcomes.score]
intercept = [5, 2]
slope = [0, 3]
effect_intercept = [0, 1.5]
effect_slope = [0, 0.02]
sd_intercept = 1.5
sd_slope = 1.5
sigma = 1
lkj_eta = 2

[smallest_difference]
score = 0.5
"""

CLAIMS = """
[smallest.share]
value = 10
why = "one in ten"

[smallest.mean]
value = 0.5
why = "half an SD"

[smallest.explained]
value = 10
why = "a tenth"

[[claims]]
id = "grows"
place = "Results, 1"
says = "Scores increased"
published = "p < 0.05"
parts = [{ name = "score", model = "growth", estimand = "growth", relation = "above" }]

[[claims]]
id = "differs"
place = "Results, 2"
says = "Scores increased less with poor outcome"
published = "p < 0.05"
parts = [{ name = "score", model = "outcome", estimand = "deviation", relation = "below" }]

[[claims]]
id = "same_start"
place = "Results, 3"
says = "The start did not differ"
published = "ns"
parts = [{ name = "score", model = "outcome", estimand = "level", relation = "same" }]

[[claims]]
id = "explains"
place = "Results, 4"
says = "Outcome explains variation of slopes"
published = "30 %"
parts = [{ name = "score", quantity = "explained", model = "outcome", relation = "exceeds" }]

[[claims]]
id = "women"
place = "Results, 5"
says = "More women had a poor outcome"
published = "ns"
parts = [{ name = "female", quantity = "share", variable = "female", equals = 1, by = "poor", relation = "above" }]

[[claims]]
id = "opinion"
place = "Results, 6"
says = "More research is needed"
published = "no test"
untestable = "an opinion"
"""

CHOICES = """
priors = ["neutral", "sceptical"]
covariances = ["UN", "VC"]
models = ["growth", "outcome"]

[[axes]]
id = "final"
label = "Final at"
options = [
  { id = "own", label = "the horizon" },
  { id = "midway", label = "midway", final = "midway" },
]

[[axes]]
id = "poor"
label = "Poor by"
options = [
  { id = "below_60", label = "60" },
  { id = "below_55", label = "55", variable = "poor", value = 55 },
  { id = "other", label = "other end", variable = "poor", like = "other_poor" },
]

[[curves]]
model = "outcome"
estimand = "deviation"
"""


def toy_frame(
    n_patients: int = 60, *, difference: float = -1.5, outliers: int = 0, seed: int = 3, noise: float = 0.3
) -> pd.DataFrame:
    """Draw rows at 0, 6, 12, 24 and 36 months; slopes of poor outcome differ by ``difference`` over 36 months.

    ``outliers`` patients with good outcome are given a steep rise of 6 points on top.
    """
    rng = np.random.default_rng(seed)
    months = np.array([0.0, 6.0, 12.0, 24.0, 36.0])
    patient = np.repeat(np.arange(n_patients), len(months))
    time = np.tile(months, n_patients)
    poor = np.arange(n_patients) % 2
    slope = 1.0 + difference * poor + rng.normal(0.0, 0.4, n_patients)
    slope[2 * np.arange(outliers)] += 6.0
    level = 5.0 + rng.normal(0.0, 0.5, n_patients)
    score = level[patient] + slope[patient] * time / 36.0 + rng.normal(0.0, noise, len(time))
    end = np.where(poor == 1, 52.0 + rng.integers(0, 8, n_patients), 60.0 + rng.integers(0, 20, n_patients))
    other = rng.permutation(end)  # an end score that has nothing to do with the slopes
    return pd.DataFrame(
        {
            "patient": [f"p{i:03d}" for i in patient],
            "months": time,
            "score": score,
            "end": end[patient],
            "other_end": other[patient],
            "female": rng.permutation(np.arange(n_patients) % 2)[patient],
        }
    )


def write_toy(
    folder: Path, *, claims: str = CLAIMS, choices: str = CHOICES, frame: pd.DataFrame | None = None
) -> Path:
    """Write the study folder and give it."""
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text(STUDY)
    if claims:
        (folder / "claims.toml").write_text(claims)
    if choices:
        (folder / "multiverse.toml").write_text(choices)
    (toy_frame() if frame is None else frame).to_csv(folder / "rows.csv", index=False)
    return folder


def load_toy(folder: Path) -> tuple[Study, Multiverse, Ledger]:
    """Load the study folder."""
    study = load_study(folder)
    choices = load_choices(study)
    return study, choices, load_claims(study, choices)


def toy_data(
    study: Study, frame: pd.DataFrame | None = None, *, source: Source = Source.SYNTHETIC
) -> StudyData:
    """Check and complete the rows as a file's would be."""
    return data_from_frame(study, toy_frame() if frame is None else frame, source=source, origin="made up")
