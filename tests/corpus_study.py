"""The study that defective files are read by, and a sound file to spoil."""

from __future__ import annotations

from pathlib import Path

STUDY = """
[study]
id = "corpus"
title = "Corpus"
citation = "Made up."
patient = "patient"
time = "months"
time_unit = "months"
horizon = 36
descriptive_group = "paranoid"

[data]
source = "real data"
file = "sound.csv"

[variables.patient]
column = "id"
level = "patient"
kind = "category"
required = true

[variables.months]
column = "month"
level = "visit"
kind = "numeric"
maximum = 60
required = true

[variables.version]
level = "visit"
kind = "category"
categories = ["WAI-S", "WAI-SR"]

[variables.goals]
level = "visit"
kind = "numeric"
minimum = 1
maximum = 7
step = 0.25
required = true

[variables.gaf]
level = "visit"
kind = "integer"
minimum = 0
maximum = 100

[variables.weight]
level = "visit"
kind = "numeric"

[variables.relapse]
level = "visit"
kind = "binary"
categories = ["no", "yes"]

[variables.age]
level = "patient"
kind = "numeric"

[variables.paranoid]
level = "patient"
kind = "binary"
categories = ["no", "yes"]

[[scoring]]
instrument = "WAI"
version = "version"
items = "wai{item}"
subscales = ["goals"]

[[models]]
id = "growth"
label = "Growth"
family = "growth"
formula = "goals ~ months + (months | patient)"
comparison = "goals"

[[models]]
id = "paranoid"
label = "Paranoid"
family = "growth"
formula = "goals ~ months + paranoid + months:paranoid + (months | patient)"
comparison = "goals"
reference = "growth"
estimands = [
  { name = "deviation", label = "Deviation", kind = "slope_deviation", weights = { "months:paranoid" = 1 } },
]

[[models]]
id = "weight"
label = "Weight"
family = "weight"
formula = "weight ~ months + relapse + (1 | patient)"

[[priors]]
name = "neutral"
label = "Neutral"

[priors.outcomes.goals]
intercept = [4, 1.5]
slope = [0, 2]
effect_intercept = [0, 1]
effect_slope = [0, 1.5]
sd_intercept = 1
sd_slope = 1
sigma = 0.75
lkj_eta = 2

[priors.outcomes.weight]
intercept = [70, 20]
slope = [0, 10]
effect_intercept = [0, 5]
effect_slope = [0, 5]
sd_intercept = 5
sd_slope = 5
sigma = 5
lkj_eta = 2

[[figures]]
id = "trajectories"
title = "Goals"
models = ["paranoid"]
lines = [
  { label = "no", values = { paranoid = 0 } },
  { label = "yes", values = { paranoid = 1 } },
]
"""

# The same without what draws figures: quicker to run as a whole.
LEAN = "\n".join(
    line
    for line in STUDY.split("\n[[figures]]")[0].splitlines()
    if not line.startswith(("comparison", "reference", "estimands", "  {", "]"))
)

HEADER = ("id", "month", "version", "goals", "gaf", "weight", "relapse", "age", "paranoid")
_MONTHS = (0, 6, 12)
_GOALS = (4.5, 4.75, 5.25, 3.5, 4, 5, 6, 5.75, 6.25, 2.5, 3, 3.25)


def sound_rows() -> list[list[str]]:
    """Eight patients at three visits each, as text, header first."""
    rows = [list(HEADER)]
    for patient in range(8):
        for visit, month in enumerate(_MONTHS):
            goals = _GOALS[(3 * patient + 2 * visit) % len(_GOALS)]
            rows.append(
                [
                    f"{patient + 1:03d}",
                    str(month),
                    "WAI-S" if visit < 2 else "WAI-SR",
                    f"{goals:g}",
                    str(50 + 3 * patient - visit),
                    f"{60 + 2.5 * ((patient + visit) % 6):g}",
                    str((patient * visit) % 2),
                    str(25 + 2 * patient),
                    str(patient % 2),
                ]
            )
    return rows


def write_study(folder: Path, text: str = STUDY) -> Path:
    """Write the study and its sound file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    (folder / "sound.csv").write_text(join(sound_rows()), encoding="utf-8")
    return folder


def join(rows: list[list[str]], separator: str = ",") -> str:
    """Return rows as the text of a file."""
    return "\n".join(separator.join(row) for row in rows) + "\n"


def spoil(cells: dict[tuple[int, str], str], rows: list[list[str]] | None = None) -> list[list[str]]:
    """Replace cells of the sound rows, by line of the file and column."""
    rows = sound_rows() if rows is None else rows
    for (line, column), value in cells.items():
        rows[line - 1][rows[0].index(column)] = value
    return rows
