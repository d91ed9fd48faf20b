"""From a data file to a study file that runs at once: roles are guessed, written with comments, and never final.

The text holds what is in the headers, and the values of columns with a few values only; nothing else of the
data. Reads and guesses; :func:`write_study_folder` writes.
"""

from __future__ import annotations

import json
import keyword
import math
import re
import shutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_alliance.columns import MISSING, decimal_mark, read_numbers
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study import ReadOptions
from bayes_alliance.text_table import TextTable
from bayes_alliance.whole_files import write_whole

MAX_CATEGORIES = 6
MAX_PREDICTORS = 6
MIN_IN_CATEGORY = 3
MIN_FOR_SLOPE = 5
_PATIENT = re.compile(
    r"(patient|pasient|subject|participant|deltaker|person|case|client|klient)?[ _.-]*(id|nr|no|number)?",
    re.I,
)
_UNITS = {
    "months": re.compile(r"month|mnd|m[aå]ned", re.I),
    "weeks": re.compile(r"week|uke", re.I),
    "years": re.compile(r"year|^[aå]r$", re.I),
    "days": re.compile(r"day|dag", re.I),
}
_TIME = re.compile(r"time|tid|month|mnd|m[aå]ned|week|uke|day|dag|year|visit|wave|occasion|besøk", re.I)
# Words that are rather 0 than 1.
_NO = frozenset({"no", "nei", "nej", "nein", "false", "none", "absent", "placebo", "control", "kontroll"})
_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "aa", "Æ": "Ae", "Ø": "O", "Å": "Aa", "ß": "ss"})


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A column of patients that may explain their course.

    Parameters
    ----------
    header : str
        In the file.
    kind : {"numeric", "binary", "category"}
        As it will be declared.
    categories : tuple of str
        Values; of a binary one the names of 0 and 1, or none.
    recode : tuple of (str, str)
        Values and the 0 and 1 that they are read as, where the file says neither.
    spread : float
        SD over patients, of a numeric one.
    """

    header: str
    kind: str
    categories: tuple[str, ...] = ()
    recode: tuple[tuple[str, str], ...] = ()
    spread: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which column is what."""

    patient: str
    time: str
    time_unit: str
    outcomes: tuple[str, ...]
    predictors: tuple[Predictor, ...]


def guess_roles(
    table: TextTable,
    *,
    patient: str = "",
    time: str = "",
    time_unit: str = "",
    outcomes: tuple[str, ...] = (),
) -> Roles:
    """Guess which column is the patient, the time, the outcome and a predictor.

    Parameters
    ----------
    table : TextTable
        As read.
    patient, time, time_unit : str
        What is known already; empty to guess.
    outcomes : tuple of str
        The same.

    Returns
    -------
    Roles

    Raises
    ------
    InputError
        If a stated column does not exist, or one cannot be guessed, with the option that states it.
    """
    headers = [str(head) for head in table.frame.columns]
    stated = [head for head in (patient, time, *outcomes) if head]
    absent = [
        Problem(what=f"no column {head!r}", allowed=", ".join(headers))
        for head in stated
        if head not in headers
    ]
    if absent:
        raise InputError(table.name, absent)
    numbers = _numeric_columns(table)
    patient = patient or _guess_patient(table, headers)
    time = time or _guess_time(table, patient, numbers)
    unknown = [name for name, found in (("patient", patient), ("time", time)) if not found]
    if not unknown and not outcomes:
        outcomes = tuple(_changing(table, patient, time, numbers)[:1])
        unknown = [] if outcomes else ["outcome"]
    if unknown:
        fix = "state it: " + ", ".join(f"--{name} COLUMN" for name in unknown)
        raise InputError(
            table.name,
            [
                Problem(
                    what=f"no column looks like the {name}", allowed=f"one of {', '.join(headers)}", fix=fix
                )
                for name in unknown
            ],
        )
    unit = time_unit or next((u for u, pattern in _UNITS.items() if pattern.search(time)), "units")
    return Roles(
        patient=patient,
        time=time,
        time_unit=unit,
        outcomes=outcomes,
        predictors=tuple(_predictors(table, patient, {patient, time, *outcomes}, numbers)[:MAX_PREDICTORS]),
    )


def candidate_outcomes(table: TextTable, roles: Roles) -> list[str]:
    """List the columns that could be an outcome: numbers that change within patients and are no clock."""
    return _changing(table, roles.patient, roles.time, _numeric_columns(table))


def _texts(table: TextTable, header: str) -> pd.Series:
    cells = table.frame[header].map(lambda cell: str(cell).strip())
    return cells.where(~cells.str.lower().isin(MISSING))


def _numeric_columns(table: TextTable) -> dict[str, pd.Series]:
    """Give the columns that hold numbers only."""
    headers = [str(head) for head in table.frame.columns]
    decimal = decimal_mark(table, headers)
    found = {}
    for header in headers:
        values, unreadable = read_numbers(table.frame[header], decimal)
        if not unreadable.any() and not np.isnan(values).all():
            found[header] = pd.Series(values, index=table.frame.index)
    return found


def _guess_patient(table: TextTable, headers: list[str]) -> str:
    repeated = [head for head in headers if 3 <= _texts(table, head).nunique() <= len(table.frame) / 1.2]
    named = [head for head in repeated if head and _PATIENT.fullmatch(head)]
    return next(iter(named), "")


def _guess_time(table: TextTable, patient: str, numbers: dict[str, pd.Series]) -> str:
    if not patient:
        return ""
    groups = _texts(table, patient)
    fitting = [
        head
        for head, values in numbers.items()
        if head != patient
        and _TIME.search(head)
        and (values.dropna() >= 0).all()
        and not pd.DataFrame({"p": groups, "t": values}).duplicated().any()
    ]
    # A name that says nothing else than time goes first; a count of visits last.
    rank = {"time": 0, "months": 0, "month": 0, "weeks": 0, "days": 0, "years": 0}
    late = re.compile(r"visit|wave|occasion|besøk", re.I)
    return min(fitting, key=lambda head: (rank.get(head.lower(), 1), bool(late.search(head))), default="")


def _changing(table: TextTable, patient: str, time: str, numbers: dict[str, pd.Series]) -> list[str]:
    groups = _texts(table, patient)
    found = []
    for header, values in numbers.items():
        if header in (patient, time) or values.nunique() < 5:
            continue
        changes = bool((values.groupby(groups).nunique() > 1).any())
        is_clock = time in numbers and bool((values.groupby(numbers[time]).nunique() <= 1).all())
        if changes and not is_clock:
            found.append(header)
    return found


def _predictors(
    table: TextTable, patient: str, taken: set[str], numbers: dict[str, pd.Series]
) -> list[Predictor]:
    groups = _texts(table, patient)
    found = []
    for header in map(str, table.frame.columns):
        texts = _texts(table, header)
        if header in taken or bool((texts.groupby(groups).nunique() > 1).any()):
            continue
        of_patient = texts.groupby(groups).first().dropna()
        levels = sorted(of_patient.unique(), key=lambda text: (len(text), text))
        thin = bool((of_patient.value_counts() < MIN_IN_CATEGORY).any())
        if len(levels) == 2 and not thin:
            found.append(_binary(header, levels, table.value_labels.get(header, {})))
        elif header in numbers and len(levels) > 2:
            values = numbers[header].groupby(groups).first().dropna()
            found.append(Predictor(header=header, kind="numeric", spread=float(values.std())))
        elif header not in numbers and 2 < len(levels) <= MAX_CATEGORIES and not thin and _usable(levels):
            found.append(Predictor(header=header, kind="category", categories=tuple(levels)))
    return found


def _usable(levels: Iterable[str]) -> bool:
    return not any(set(level) & set("[]:,") for level in levels)


def _binary(header: str, levels: list[str], labels: dict[str, str] | object) -> Predictor:
    named = tuple(str(labels.get(level, "")) for level in levels) if isinstance(labels, dict) else ()
    if len(named) == 2 and all(named) and named[0].casefold() != named[1].casefold() and _usable(named):
        return Predictor(header=header, kind="binary", categories=named)
    if levels == ["0", "1"]:
        return Predictor(header=header, kind="binary")
    levels = sorted(levels, key=lambda level: level.casefold() not in _NO)
    if _usable(levels) and levels[0].casefold() != levels[1].casefold() and not levels[0][0].isdigit():
        return Predictor(header=header, kind="binary", categories=tuple(levels))
    return Predictor(header=header, kind="binary", recode=((levels[0], "0"), (levels[1], "1")))


def format_study(table: TextTable, roles: Roles, *, study_id: str, options: ReadOptions) -> str:
    """Write the study file.

    Parameters
    ----------
    table : TextTable
        The data.
    roles : Roles
        Which column is what.
    study_id : str
        An identifier.
    options : ReadOptions
        How the file was read.

    Returns
    -------
    str
        TOML with comments.
    """
    numbers = _numeric_columns(table)
    names = _names([roles.patient, roles.time, *roles.outcomes, *(p.header for p in roles.predictors)])
    longest = float(numbers[roles.time].max())
    horizon = _round_up(longest) if longest > 0 else 1.0
    texts = _texts(table, roles.patient)
    repeated = pd.Series(1, index=texts.index).groupby(texts).sum()
    slope = int((repeated >= 2).sum()) >= MIN_FOR_SLOPE
    parts = [
        _head(table, roles, names, study_id=study_id, horizon=horizon, options=options),
        *_variables(table, roles, names),
        *_models(roles, names, slope=slope),
        _priors(roles, names, numbers, horizon),
    ]
    return "\n".join(parts)


def _head(
    table: TextTable,
    roles: Roles,
    names: dict[str, str],
    *,
    study_id: str,
    horizon: float,
    options: ReadOptions,
) -> str:
    group = next((names[p.header] for p in roles.predictors if p.kind == "binary"), "")
    lines = [
        f"# A study file made from {_text(table.name)}. Every line is a guess to be looked at: roles, labels, priors.",
        "# See what the program understood:  bayes-alliance check-data FOLDER FILE",
        "# Run it:                           bayes-alliance reanalyse FOLDER",
        "",
        "[study]",
        f"id = {_text(study_id)}",
        f"title = {_text(f'Course of {roles.outcomes[0]}')}",
        'citation = "not published"  # what the study is to be cited as',
        f"patient = {_text(names[roles.patient])}",
        f"time = {_text(names[roles.time])}",
        f"time_unit = {_text(roles.time_unit)}",
        f"horizon = {horizon:g}  # priors and figures speak of change over this time",
    ]
    if group:
        lines.append(f"descriptive_group = {_text(group)}  # the two groups of the table of patients")
    lines += ["", "[data]", 'source = "real data"', f"file = {_text(table.name)}"]
    for key in ("sheet", "encoding", "decimal"):
        if value := getattr(options, key):
            lines.append(f"{key} = {_text(value)}")
    if options.delimiter:
        called = {",": "comma", ";": "semicolon", "\t": "tab"}[options.delimiter]
        lines.append(f"delimiter = {_text(called)}")
    if options.missing:
        lines.append(f"missing = [{', '.join(map(_text, options.missing))}]")
    else:
        lines.append('# missing = ["99", "999"]  # codes that stand for a missing value in every column')
    if options.wide:
        lines += ["", "# The file is wide: headers of the long form, and the patterns of its own."]
        lines += ["[data.wide]", *(f"{_text(head)} = {_text(pattern)}" for head, pattern in options.wide)]
    if options.visits:
        lines += ["", "[data.visits]", *(f"{_text(visit)} = {time!r}" for visit, time in options.visits)]
    for predictor in roles.predictors:
        if predictor.recode:
            lines += ["", f"[data.recode.{_text(predictor.header)}]"]
            lines += [f"{_text(found)} = {_text(meaning)}" for found, meaning in predictor.recode]
    return "\n".join([*lines, ""])


def _variables(table: TextTable, roles: Roles, names: dict[str, str]) -> list[str]:
    def block(header: str, level: str, kind: str, *more: str) -> str:
        label = table.column_labels.get(header, header)
        lines = [f"[variables.{names[header]}]", f"column = {_text(header)}", f"label = {_text(label)}"]
        return "\n".join([*lines, f'level = "{level}"', f'kind = "{kind}"', *more, ""])

    parts = [
        "# Columns of the data file. Add unit, minimum, maximum and step (the grid of the score) where known."
    ]
    parts.append(block(roles.patient, "patient", "category", "required = true"))
    unit = f"unit = {_text(roles.time_unit)}"
    parts.append(block(roles.time, "visit", "numeric", unit, "minimum = 0", "required = true"))
    parts += [block(header, "visit", "numeric") for header in roles.outcomes]
    for predictor in roles.predictors:
        more = []
        if predictor.categories:
            more.append(f"categories = [{', '.join(map(_text, predictor.categories))}]")
        if predictor.kind == "numeric" and predictor.spread > 0:
            more.append(
                f"contrast = {_two(predictor.spread):g}  # a prior on its effect is for this difference"
            )
        parts.append(block(predictor.header, "patient", predictor.kind, *more))
    return parts


def _models(roles: Roles, names: dict[str, str], *, slope: bool) -> list[str]:
    patient, time = names[roles.patient], names[roles.time]
    random = f"({time} | {patient})" if slope else f"(1 | {patient})"
    parts = ['# Models of one "comparison" are fitted to the same rows.\n']
    for header in roles.outcomes:
        outcome = names[header]

        def model(key: str, label: str, formula: str, *more: str, outcome: str = outcome) -> str:
            lines = ["[[models]]", f"id = {_text(f'{outcome}_{key}'[:64])}", f"label = {_text(label)}"]
            lines += [f"family = {_text(key)}", f"formula = {_text(f'{outcome} ~ {formula}')}"]
            return "\n".join([*lines, f"comparison = {_text(outcome)}", *more, ""])

        mean = (
            'estimands = [\n  { name = "mean_slope", label = "Mean slope", kind = "slope", '
            f"weights = {{ {time} = 1 }} }},\n]"
        )
        parts.append(model("growth", "Growth", f"{time} + {random}", mean))
        for predictor in roles.predictors:
            name = names[predictor.header]
            formula = f"{time} + {name} + {time}:{name} + {random}"
            more = [f"reference = {_text(f'{outcome}_growth'[:64])}"]
            levels = [f"[{c}]" for c in predictor.categories[1:]] if predictor.kind == "category" else [""]
            items = [
                f'  {{ name = "deviation_{number}", label = {_text(f"Slope by {predictor.header} {level}".strip())}, '
                f'kind = "slope_deviation", weights = {{ {_text(f"{time}:{name}{level}")} = 1 }} }},'
                for number, level in enumerate(levels, start=1)
            ]
            more.append("\n".join(["estimands = [", *items, "]"]))
            parts.append(model(f"by_{name}", f"Growth by {predictor.header}", formula, *more))
    return parts


def _priors(roles: Roles, names: dict[str, str], numbers: dict[str, pd.Series], horizon: float) -> str:
    lines = [
        f"# Priors in points, and points over {horizon:g} {' '.join(roles.time_unit.split())}; [mean, sd] is Normal,",
        "# one number the scale of a half-normal. These only know the order of magnitude of the scores: put in",
        "# what is known beforehand.",
        "",
        "[[priors]]",
        'name = "neutral"',
        'label = "Neutral"',
        'tag = "default: scaled to the spread of the scores"',
        "",
        "[priors.outcomes]",
    ]
    for header in roles.outcomes:
        values = numbers[header].dropna()
        sd = _two(float(values.std())) or 1.0
        centre = float(f"{float(values.mean()):.2g}")
        lines.append(
            f"{names[header]} = {{ intercept = [{centre:g}, {2.5 * sd:g}], slope = [0, {2 * sd:g}], "
            f"effect_intercept = [0, {sd:g}], effect_slope = [0, {sd:g}], sd_intercept = {sd:g}, "
            f"sd_slope = {sd:g}, sigma = {sd:g}, lkj_eta = 2 }}"
        )
    return "\n".join([*lines, ""])


def _names(headers: list[str]) -> dict[str, str]:
    """Give every header a name that formulas can use, each of them different."""
    names: dict[str, str] = {}
    for header in headers:
        plain = unicodedata.normalize("NFKD", header.translate(_LETTERS)).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:24] or "column"
        name = name if name[0].isalpha() else f"v_{name}"
        if name in ("sigma", "icc", "correlation") or name.startswith("sd_") or keyword.iskeyword(name):
            name = f"v_{name}"
        number = 2
        unique = name
        while unique in names.values():
            unique, number = f"{name}_{number}", number + 1
        names[header] = unique
    return names


def _text(value: str) -> str:
    """Write a TOML basic string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _two(value: float) -> float:
    """Round to two significant digits; zero where it is no positive number."""
    return float(f"{value:.2g}") if math.isfinite(value) and value > 0 else 0.0


def _round_up(value: float) -> float:
    """Round up to two significant digits."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(round(value / step, 9)) * step:.2g}")


def write_study_folder(folder: Path, text: str, data: Path) -> Path:
    """Write ``study.toml`` into a folder, with a copy of the data beside it.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; must not hold a study yet.
    text : str
        Of the study file.
    data : Path
        The data file.

    Returns
    -------
    Path
        Of the study file.

    Raises
    ------
    InputError
        If there is a study already.
    """
    path = folder / "study.toml"
    if path.exists():
        problem = Problem(what="there is a study.toml already", got=str(folder), fix="choose another --out")
        raise InputError("option --out", [problem])
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / data.name).exists():
        shutil.copyfile(data, folder / data.name)
    elif not (folder / data.name).samefile(data):
        problem = Problem(
            what="another file of that name is there", got=data.name, fix="choose another --out"
        )
        raise InputError("option --out", [problem])
    write_whole(path, text)
    return path
