"""Loads the fits made by other programs (tests/reference) with the rows they were made from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import RowsUsed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "tests" / "reference"


@dataclass(frozen=True)
class Reference:
    """One reference fit: what lme4 or brms found, and the design it was found on."""

    name: str
    answer: dict[str, Any]
    design: Design
    rows: RowsUsed


def reference_rows(answer: dict[str, Any]) -> pd.DataFrame:
    """Read the rows of a reference fit, sorted by the grouping variable, factors in R's order."""
    rows = pd.read_csv(ROOT / answer["data"])
    group = answer["group"]
    rows[group] = rows[group].astype(str)
    for name, levels in (answer.get("factors") or {}).items():
        rows[name] = pd.Categorical(
            rows[name].astype(str), categories=[str(level) for level in levels], ordered=True
        )
    return rows.sort_values(group, kind="stable").reset_index(drop=True)


def reference_design(answer: dict[str, Any]) -> Design:
    """Build our design of a reference fit from its R formula."""
    text = answer["formula"].replace("||", "|").replace("0 + Intercept", "1")
    return build_design(parse_formula(text), reference_rows(answer))


def rows_used(design: Design) -> RowsUsed:
    """Say what the rows of a reference design are."""
    return RowsUsed(
        n_rows=design.n_rows, n_patients=design.n_patients, digest="reference", source=Source.REAL
    )


def r_name(name: str) -> str:
    """Spell one of our coefficient names as R does: g[b]:t -> gb:t."""
    return "(Intercept)" if name == "Intercept" else name.replace("[", "").replace("]", "")


def lme4_fits() -> list[dict[str, Any]]:
    """Every fit of lme4.json."""
    fits: list[dict[str, Any]] = json.loads((REFERENCE / "lme4.json").read_text())["fits"]
    return fits


def brms_runs() -> dict[str, dict[str, Any]]:
    """Every run of brms.json."""
    runs: dict[str, dict[str, Any]] = json.loads((REFERENCE / "brms.json").read_text())["runs"]
    return runs
