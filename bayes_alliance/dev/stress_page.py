"""The tables of docs/stress.md, from the stored numbers of the stress tests on the shipped cohorts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bayes_alliance.dev.ensemble_page import put_between
from bayes_alliance.dev.stress_numbers import USED
from bayes_alliance.show.format_numbers import format_fixed

STORE = "stress_folmo2020.json"
Part = Mapping[str, Any]
Line = Mapping[str, Any]
_OUTCOMES = ("goals", "bonds", "tasks")
_CHANGES = {
    "": "unchanged",
    "log_normal_dropout": "shared parameter",
}
_BRACKETS = "In brackets after a verdict: in how many of the cohorts alone it is the same."
_MISSING = (
    "unchanged",
    "assessments",
    "assessments_by_subgroup",
    "completers_by_subgroup",
    "shared parameter",
)
# Of the crossed models, the slope difference that the publication speaks of; all others are stored.
_SHOWN = (
    "Slope, poor minus good outcome",
    "Slope, paranoid PD minus none",
    "Slope, paranoid PD minus none, poor outcome",
)
_STRENGTHS, _RESIDUALS = (0.0, 0.2, 0.4, 0.6, 0.8), (0.0, 0.6)


def marks(part: str) -> tuple[str, str]:
    """Return the marks around a part of the page."""
    return f"<!-- stress: {part} -->", f"<!-- end of stress: {part} -->"


def stress_page(written: str, stored: Mapping[str, Part]) -> str:
    """Put the tables of every part into the page, between their marks."""
    for part, text in _PARTS.items():
        written = put_between(
            written, marks(part), "\n".join([_origin(part, stored[part]), "", *text(stored[part])])
        )
    return written


def _origin(part: str, stored: Part) -> str:
    n, used = stored["cohorts"], USED[part]
    if used == 1:
        on = f"the first of the {n} synthetic cohorts that ship, one possible data set"
    elif used is None:
        on = f"a mixture of all {n} synthetic cohorts that ship"
    else:
        on = f"a mixture of the first {used} of the {n} synthetic cohorts that ship"
    return f"Of {on} (digest of the ensemble `{stored['ensemble']}`); `scripts/stress_page.py {part}`."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _by_outcome(lines: Sequence[Line], cell: Callable[[Line], str]) -> list[str]:
    """Return the cell of each outcome, in the order of the columns."""
    found = {line["outcome"]: cell(line) for line in lines}
    return [found.get(outcome, "") for outcome in _OUTCOMES]


def _judged(line: Line) -> str:
    return f"{line['posterior']} {line['verdict']} ({line['same']})"


def _variant(line: Line) -> str:
    name = str(line["variant"])
    return _CHANGES.get(name, name)


def _posteriors(lines: Sequence[Line], order: Sequence[str]) -> list[str]:
    """Return a table of each estimand under every change."""
    text: list[str] = []
    for estimand in dict.fromkeys(line["estimand"] for line in lines):
        mine = [line for line in lines if line["estimand"] == estimand]
        rows = [
            [
                name if name in _CHANGES.values() else f"`{name}`",
                *_by_outcome([line for line in mine if _variant(line) == name], _judged),
            ]
            for name in order
        ]
        label = str(mine[0]["label"]).removeprefix("Slope, ")
        text += [f"{label[0].upper()}{label[1:]}:", "", *_table(["", "Goals", "Bonds", "Tasks"], rows), ""]
    return text


def _missing(stored: Part) -> list[str]:
    tips = [tip for tip in stored["tipping"] if tip["model"].endswith("_outcome")]
    return [
        _BRACKETS,
        "",
        *_posteriors([line for line in stored["posteriors"] if line["label"] in _SHOWN], _MISSING),
        "Where the verdict changes, in points over 36 months by which slopes after the last assessment depart from "
        f"prediction (not assessed at 36 months are {_counts(tips[0]['incomplete'])}):",
        "",
        *_table(["deltas (poor minus good outcome)", "Goals", "Bonds", "Tasks"], _tips(tips)),
        "",
        _dropout(stored["dropout"]),
    ]


def _counts(incomplete: Mapping[str, Sequence[int]]) -> str:
    said = [
        f"{low} {group}" if low == high else f"{low} to {high} {group}"
        for group, (low, high) in incomplete.items()
    ]
    return " and ".join(said) + " patients"


def _tips(tips: Sequence[Line]) -> list[list[str]]:
    rows: dict[str, list[Line]] = {}
    for tip in tips:
        said = ", ".join(f"{group}: {where}" for group, where in tip["direction"].items())
        rows.setdefault(said, []).append(tip)
    shown = {said: mine for said, mine in rows.items() if any(tip["delta"] is not None for tip in mine)}
    return [[said, *_by_outcome(mine, _tip)] for said, mine in shown.items()]


def _tip(tip: Line) -> str:
    if tip["delta"] is None:
        return f"nowhere up to {tip['limit']:g}"
    return f"{tip['delta']:.2f} ({tip['before']} → {tip['after']})"


def _dropout(lines: Sequence[Line]) -> str:
    n, without = sum(line["cohorts"] for line in lines), sum(line["without_zero"] for line in lines)
    return (
        "In the cohorts dropout does not depend on the course by construction. Of the shared-parameter models' "
        f"{n} intervals of γ₁ ({len(lines)} models on each cohort), {without} have zero outside, "
        f"{format_fixed(100.0 * without / n, 0)} %, where 5 % would be expected; the models of a cohort share its "
        "patients, so these are far fewer than as many independent intervals."
    )


def _joint(stored: Part) -> list[str]:
    head = ("estimand", "outcome", "separate", "joint", "pooled", "P(largest): separate", "joint", "pooled")
    rows = [
        [
            line["label"],
            line["outcome"],
            *(line[name] for name in ("separate", "joint", "pooled")),
            *(
                "" if line[name] is None else format_fixed(line[name], 2)
                for name in ("p_separate", "p_joint", "p_pooled")
            ),
        ]
        for line in stored["effects"]
        if line["label"] in _SHOWN
    ]
    tasks = stored["effects"][_OUTCOMES.index("tasks")]
    said = [
        f"of {one['of']} {format_fixed(one['mean'], 2)} ({format_fixed(one['least'], 2)} to "
        f"{format_fixed(one['most'], 2)})"
        for one in stored["correlations"]
    ]
    fewest = min(line["cohorts_pooled"] for line in stored["effects"])
    return [
        *_table(head, rows),
        "",
        f"Mean correlations, with the range over cohorts and estimands: {'; '.join(said)}. That the difference by "
        f"outcome is largest for Tasks has a probability of {format_fixed(tasks['p_joint'], 2)} (separate models: "
        f"{format_fixed(tasks['p_separate'], 2)}). How subscales correlate is an assumption of the cohorts. "
        f"Joint draws could be reweighted for partial pooling in at least {fewest} of {tasks['cohorts']} cohorts.",
    ]


def _conditioning(stored: Part) -> list[str]:
    rows = []
    for residual in _RESIDUALS:
        for strength in _STRENGTHS:
            mine = [
                line
                for line in stored["strengths"]
                if (line["strength"], line["residual"]) == (strength, residual)
            ]
            rows.append([f"{strength:g}", f"{residual:g}", *_by_outcome(mine, _simulated)])
    required = [
        f"{'none looked at' if one['required'] is None else format_fixed(one['required'], 2)} "
        f"({one['outcome'].capitalize()}: printed {format_fixed(one['printed'], 2)}, rounding leaves "
        f"{format_fixed(one['low'], 2)} to {format_fixed(one['high'], 2)})"
        for one in stored["required"]
    ]
    return [
        *_table(["correlation of slopes", "residuals", "Goals", "Bonds", "Tasks"], rows),
        "",
        f"*Printed* beside it: a correlation of slopes of {', '.join(required)} gives all of the printed difference on "
        "average, without any effect of alliance on outcome or of outcome on alliance. How strong the correlation is, "
        "the printed tables do not say.",
    ]


def _simulated(line: Line) -> str:
    low, high = format_fixed(line["lower"], 2), format_fixed(line["upper"], 2)
    return f"{format_fixed(line['mean'], 2)} [{low}, {high}]"


def _likelihoods(stored: Part) -> list[str]:
    """Return posteriors and scores of some likelihoods; of one outcome alone, one column."""
    scores = stored["scores"]
    names = list(dict.fromkeys(line["variant"] for line in stored["posteriors"]))
    order = list(dict.fromkeys(_CHANGES.get(name, name) for name in names if name != "gaussian"))
    variants = list(dict.fromkeys(line["variant"] for line in scores))
    bad, diverging = sum(line["bad_k"] for line in scores), sum(line["diverging"] for line in scores)
    rows = [
        [f"`{name}`", *_by_outcome([line for line in scores if line["variant"] == name], _score)]
        for name in variants
    ]
    return [
        _BRACKETS,
        "",
        *_posteriors(stored["posteriors"], order),
        "elpd less the Gaussian one (standard error over patients"
        + ("; means over cohorts, range in square brackets" if scores[0]["cohorts"] > 1 else "")
        + "); greater is better:",
        "",
        *_table(["likelihood", "Goals", "Bonds", "Tasks"], rows),
        "",
        f"Visits with a Pareto k above 0.7: {bad} in {sum(line['cohorts'] for line in scores)} fits; divergent "
        f"transitions: {diverging}.",
    ]


def _score(line: Line) -> str:
    said = f"{line['elpd_diff']:+.1f} ({line['se']:.1f})"
    return said if line["cohorts"] == 1 else f"{said} [{line['least']:+.1f}, {line['most']:+.1f}]"


_PARTS: dict[str, Callable[[Part], list[str]]] = {
    "missing": _missing,
    "joint": _joint,
    "conditioning": _conditioning,
    "variants": _likelihoods,
    "sampled": _likelihoods,
}
