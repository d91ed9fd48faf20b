"""From a data file to a study file that runs at once: written with comments, to be looked through.

The text holds what is in the headers, and the values of columns with a few values only; nothing else of the
data.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata

import pandas as pd

from bayes_alliance.data.guess_roles import Predictor, Roles, column_texts, numeric_columns
from bayes_alliance.data.labelled_time import first_time, times_of_labels
from bayes_alliance.data.text_table import TextTable
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.records import ReadOptions
from bayes_alliance.study.validate import name_fault

MIN_FOR_SLOPE = 5
_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "aa", "Æ": "Ae", "Ø": "O", "Å": "Aa", "ß": "ss"})


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
    numbers = numeric_columns(table)
    names = _names([roles.patient, roles.time, *roles.outcomes, *(p.header for p in roles.predictors)])
    labelled = times_of_labels(table.value_labels.get(roles.time, {}), table.frame[roles.time])
    times = pd.Series(list(labelled.values())) if labelled else numbers[roles.time]
    last, texts = float(times.max()), column_texts(table, roles.patient)
    first = float(times.min()) if labelled else first_time(times, texts, fewest=MIN_FOR_SLOPE)
    horizon = _round_up(last - first) if last > first else 1.0
    repeated = pd.Series(1, index=texts.index).groupby(texts).sum()
    slope = int((repeated >= 3).sum()) >= MIN_FOR_SLOPE
    parts = [
        _head(table, roles, names, study_id=study_id, times=(first, horizon), options=options),
        *_variables(table, roles, names, first=first),
        *_models(roles, names, slope=slope),
        _priors(roles, names, numbers, horizon),
        *_figures(roles, names),
    ]
    return "\n".join(parts)


def _head(
    table: TextTable,
    roles: Roles,
    names: dict[str, str],
    *,
    study_id: str,
    times: tuple[float, float],
    options: ReadOptions,
) -> str:
    first, horizon = times
    group = next((names[p.header] for p in roles.predictors if p.kind == "binary"), "")
    lines = [
        f"# A study file made from {_text(table.name)}. Every line is a guess to be looked at: roles, labels, priors.",
        "# See what the program understood:  bayes-alliance check-data FOLDER FILE",
        "# Run it:                           bayes-alliance reanalyse FOLDER",
        "",
        "[study]",
        f"id = {_text(study_id)}",
        f"title = {_text(f'Course of {", ".join(roles.outcomes)}')}",
        'citation = "not published"  # what the study is to be cited as',
        f"patient = {_text(names[roles.patient])}",
        f"time = {_text(names[roles.time])}",
        f"time_unit = {_text(roles.time_unit)}",
        f"horizon = {horizon:g}  # priors and figures speak of change over this time",
    ]
    if group:
        lines.append(f"descriptive_group = {_text(group)}  # the two groups of the table of patients")
    lines += ["", "[data]", 'source = "real data"', f"file = {_text(table.name)}"]
    lines += _reading_lines(options)
    if first > 0:
        lines.append(f"time_zero = {first!r}  # time counts from here, the first visit; horizon is the span")
    if options.wide:
        lines += ["", "# The file is wide: headers of the long form, and the patterns of its own."]
        lines += ["[data.wide]", *(f"{_text(head)} = {_text(pattern)}" for head, pattern in options.wide)]
    if options.visits:
        lines += ["", "[data.visits]", *(f"{_text(visit)} = {time!r}" for visit, time in options.visits)]
    lines += _recode_lines(table, roles)
    return "\n".join([*lines, ""])


def _recode_lines(table: TextTable, roles: Roles) -> list[str]:
    """Write what the codes of visits and of predictors stand for."""
    lines: list[str] = []
    times = times_of_labels(table.value_labels.get(roles.time, {}), table.frame[roles.time])
    if times:
        lines += ["", "# Codes of visits, and the times that their labels name."]
        lines += [f"[data.recode.{_text(roles.time)}]"]
        lines += [f"{_text(code)} = {_text(f'{time:g}')}" for code, time in times.items()]
    for predictor in roles.predictors:
        if predictor.recode:
            lines += ["", f"[data.recode.{_text(predictor.header)}]"]
            lines += [f"{_text(found)} = {_text(meaning)}" for found, meaning in predictor.recode]
    return lines


def _reading_lines(options: ReadOptions) -> list[str]:
    """Write the options by which the file was read."""
    lines = [
        f"{key} = {_text(value)}"
        for key in ("sheet", "encoding", "decimal")
        if (value := getattr(options, key))
    ]
    if options.delimiter:
        called = {",": "comma", ";": "semicolon", "\t": "tab"}[options.delimiter]
        lines.append(f"delimiter = {_text(called)}")
    if options.missing:
        lines.append(f"missing = [{', '.join(map(_text, options.missing))}]")
    else:
        lines.append('# missing = ["99", "999"]  # codes that stand for a missing value in every column')
    return lines


def _variables(table: TextTable, roles: Roles, names: dict[str, str], *, first: float) -> list[str]:
    def block(header: str, level: str, kind: str, *more: str) -> str:
        label = table.column_labels.get(header, header)
        lines = [f"[variables.{names[header]}]", f"column = {_text(header)}", f"label = {_text(label)}"]
        return "\n".join([*lines, f'level = "{level}"', f'kind = "{kind}"', *more, ""])

    parts = [
        "# Columns of the data file. Add unit, minimum, maximum and step (the grid of the score) where known."
    ]
    parts.append(block(roles.patient, "patient", "category", "required = true"))
    unit = f"unit = {_text(roles.time_unit)}"
    earliest = f"minimum = {math.floor(min(first, 0.0))}"
    parts.append(block(roles.time, "visit", "numeric", unit, earliest, "required = true"))
    parts += [block(header, "visit", "numeric") for header in roles.outcomes]
    for predictor in roles.predictors:
        more = []
        if predictor.categories:
            more.append(f"categories = [{', '.join(map(_text, predictor.categories))}]")
        if predictor.kind == "numeric" and predictor.spread > 0:
            centre = _near(predictor.centre, predictor.spread)
            more.append(f"reference = {centre:.12g}  # priors speak of a patient with this value")
            more.append(
                f"contrast = {_two(predictor.spread):g}  # a prior on its effect is for this difference"
            )
        parts.append(block(predictor.header, "patient", predictor.kind, *more))
    return parts


def _near(centre: float, spread: float) -> float:
    """Round a mean to a tenth of the spread or finer: a calendar year to its own digits."""
    return round(centre, 1 - math.floor(math.log10(spread)))


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
            items = [
                f'  {{ name = "deviation_{number}", label = {_text(f"Slope, {difference}")}, '
                f'kind = "slope_deviation", weights = {{ {_text(f"{time}:{name}{level}")} = 1 }} }},'
                for number, (level, difference) in enumerate(_differences(predictor), start=1)
            ]
            more.append("\n".join(["estimands = [", *items, "]"]))
            parts.append(model(f"by_{name}", f"Growth by {predictor.header}", formula, *more))
    return parts


def _differences(predictor: Predictor) -> list[tuple[str, str]]:
    """Return, for each coefficient of a predictor, how it is marked and whose difference it is: "A minus B"."""
    header, groups = predictor.header, group_labels(predictor)
    if predictor.kind == "category":
        return [(f"[{group}]", f"{group} minus {groups[0]}") for group in groups[1:]]
    return [("", f"{groups[1]} minus {groups[0]}" if groups else f"per unit of {header}")]


def group_labels(predictor: Predictor) -> tuple[str, ...]:
    """Return the names of a predictor's groups, the reference first; none for a number.

    Examples
    --------
    >>> group_labels(Predictor(header="arm", kind="binary"))
    ('arm 0', 'arm 1')
    """
    if predictor.kind == "binary" and not predictor.categories:
        values = [found for found, _ in predictor.recode] or ["0", "1"]
        return tuple(f"{predictor.header} {value}" for value in values)
    return predictor.categories


def _figures(roles: Roles, names: dict[str, str]) -> list[str]:
    """Write one figure of trajectories an outcome: by its first factor, or of the mean course."""
    factor = next((p for p in roles.predictors if p.kind != "numeric"), None)
    parts = []
    for header in roles.outcomes:
        outcome = names[header]
        key = "growth" if factor is None else f"by_{names[factor.header]}"
        lines = ['{ label = "All", values = {} }']
        if factor is not None:
            name = names[factor.header]
            values = factor.categories if factor.kind == "category" else (0, 1)
            shown = [_text(value) if isinstance(value, str) else str(value) for value in values]
            lines = [
                f"{{ label = {_text(label)}, values = {{ {name} = {value} }} }}"
                for label, value in zip(group_labels(factor), shown, strict=True)
            ]
        parts.append(
            "\n".join(
                [
                    "[[figures]]",
                    f"id = {_text(f'course_{outcome}'[:64])}",
                    f"title = {_text(f'Course of {header}')}",
                    f"models = [{_text(f'{outcome}_{key}'[:64])}]",
                    f"lines = [{', '.join(lines)}]",
                    "",
                ]
            )
        )
    return parts


def format_cells_template() -> str:
    """Return ``cells.csv`` without a cell: its header, to be filled in with the numbers of a published table."""
    return ",".join(CELL_COLUMNS) + "\n"


def format_claims_template(table: TextTable, roles: Roles) -> str:
    """Return ``claims.toml`` with one claim an outcome, to be put into the words of a publication.

    Parameters
    ----------
    table : TextTable
        The data, of which the spread of the outcomes gives the smallest difference that matters to begin with.
    roles : Roles
        Which column is what.
    """
    numbers = numeric_columns(table)
    names = _names([roles.patient, roles.time, *roles.outcomes, *(p.header for p in roles.predictors)])
    parts = [
        "# Claims that  bayes-alliance claims FOLDER  judges. Each is a guess to be put right: what is said, where,",
        "# the relation (above, below, same) and the smallest difference that matters, here 0.2 SD of the outcome.",
        "",
    ]
    for header in roles.outcomes:
        outcome = names[header]
        smallest = _two(0.2 * float(numbers[header].std())) or 1.0
        parts += [
            "[[claims]]",
            f"id = {_text(f'{outcome}_rises'[:64])}",
            'place = "not published"',
            f"says = {_text(f'{header} rises over time')}",
            'published = "not published"',
            f"parts = [{{ name = {_text(outcome)}, model = {_text(f'{outcome}_growth'[:64])}, "
            f'estimand = "mean_slope", relation = "above", smallest = {smallest:g} }}]',
            "",
        ]
    return "\n".join(parts)


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
    """Return every header a name that formulas can use, each of them different."""
    names: dict[str, str] = {}
    for header in headers:
        plain = unicodedata.normalize("NFKD", header.translate(_LETTERS)).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:24] or "column"
        name = name if name[0].isalpha() else f"v_{name}"
        if name_fault(name):
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
