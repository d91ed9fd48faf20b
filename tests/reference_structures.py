"""Which public data sets hold ML and REML fits of each covariance structure to other programs.

``python -m tests.reference_structures`` writes the table of docs/engines.md.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.reference_fits import REFERENCE, ROOT, lme4_fits

PAGE = ROOT / "docs" / "engines.md"
MARKS = "<!-- data sets -->", "<!-- end of data sets -->"
LEAST = 3
VISITS = ("visit", "Days")
PROGRAMS = {"lmer": "lme4", "lme": "nlme", "gls": "nlme", "sas": "SAS"}
TWO_LEVELS = {
    "RI": "random intercept",
    "VC": "independent random effects (`\\|\\|`)",
    "UN": "correlated intercept and slope",
}
CROSSED = ("penicillin", "machines", "sleepstudy", "orthodont")
Fits = dict[str, dict[str, set[tuple[str, str]]]]


def structure_of(formula: str, residual: str, program: str, data: str) -> str:
    """Name the structure of a fit of structures.json."""
    if residual:
        return _residual_structure(residual)
    parts = [part.split(")")[0] for part in formula.split("(")[1:]]
    groups = {part.split("|")[-1].strip() for part in parts}
    if len(groups) == 1 and "/" not in formula:
        return _one_level(parts[0])
    if program == "lme":
        return "compound symmetry of random effects"
    if "/" not in formula and data in CROSSED:
        return "crossed factors"
    if any(part.strip().startswith("0 +") for part in parts):
        return "three levels, upper effects in one arm only"
    plain = all(part.split("|")[0].strip() == "1" for part in parts)
    return f"three levels, random {'intercepts' if plain else 'intercepts and slopes'}"


def _one_level(part: str) -> str:
    columns, bars = part.rsplit("|", 1)[0].rstrip("|").strip(), "||" in part
    count = len([one for one in columns.split("+") if one.strip() not in ("0", "1")])
    if columns.startswith("0 +") and count == 1:
        return "random slope only"
    count += not columns.startswith("0 +")
    if bars:
        return TWO_LEVELS["VC"] if count == 2 else "three or more independent random effects"
    return TWO_LEVELS["UN"] if count == 2 else "three or more correlated random effects"


def _residual_structure(residual: str) -> str:
    names = {
        "ar1": "AR(1)",
        "car1": "CAR(1) in continuous time",
        "cs": "compound symmetry",
        "toep": "Toeplitz",
        "un": "unstructured by visit (MMRM)",
        "var": "",
    }
    kind, _, spread = residual.partition(" * ")
    kind, spread = ("var", kind) if kind.startswith("var(") else (kind, spread)
    name = names[kind.partition("(")[0]]
    if not spread:
        return name
    by = "visit" if spread.removeprefix("var(").rstrip(")") in VISITS else "arm or group"
    return f"{name}, variances by {by}" if name else f"variances by {by}"


def _fits() -> Iterator[tuple[str, str, str, str]]:
    """Structure, method, data set and program of every reference fit."""
    for fit in lme4_fits():
        yield TWO_LEVELS[fit["covariance"]], fit["method"], fit["dataset"], "lme4"
    answers: list[dict[str, Any]] = json.loads((REFERENCE / "structures.json").read_text())["fits"]
    for fit in answers:
        structure = structure_of(fit["formula"], fit["residual"], fit["program"], fit["data"])
        yield structure, fit["method"], fit["data"], PROGRAMS[fit["program"]]
    sas: dict[str, Any] = json.loads((REFERENCE / "sas.json").read_text())
    for fit in sas["one_mean"]:
        yield _residual_structure(fit["residual"]), fit["method"], "fev", "SAS"


def data_sets() -> Fits:
    """Return data sets and programs by structure and method."""
    found: Fits = defaultdict(lambda: {"ML": set(), "REML": set()})
    for structure, method, data, program in _fits():
        found[structure][method].add((data, program))
    return dict(found)


def format_section() -> str:
    """Return the table as Markdown."""
    lines = [
        "",
        "",
        "| structure | data sets, ML | data sets, REML | which | against |",
        "|---|---:|---:|---|---|",
    ]
    for structure, methods in data_sets().items():
        counts = [len({data for data, _ in methods[method]}) for method in ("ML", "REML")]
        every = methods["ML"] | methods["REML"]
        names, programs = (sorted({one[k] for one in every}) for k in (0, 1))
        lines.append(
            f"| {structure} | {counts[0]} | {counts[1]} | {', '.join(names)} | {', '.join(programs)} |"
        )
    return "\n".join(lines) + "\n\n"


def put_section(page: str) -> str:
    """Return the page with the table between its marks replaced."""
    before, rest = page.split(MARKS[0])
    return before + MARKS[0] + format_section() + MARKS[1] + rest.split(MARKS[1])[1]


if __name__ == "__main__":
    PAGE.write_text(put_section(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
