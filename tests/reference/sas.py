"""Writes tests/reference/sas.json: what PROC MIXED of SAS prints for the data set fev_data of the R package mmrm.

python tests/reference/sas.py FOLDER, with a checkout of github.com/openpharma/mmrm (0.3.18): its folder ``design`` has
SAS's listings and the code that was run.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TYPES = {
    "us": "un(visit)",
    "ar1": "ar1(visit)",
    "arh1": "ar1(visit) * var(visit)",
    "cs": "cs",
    "csh": "cs * var(visit)",
    "toep": "toep(visit)",
    "toeph": "toep(visit) * var(visit)",
}
LISTINGS = {
    "ar1": "ar1",
    "ar1h": "arh1",
    "cs": "cs",
    "csh": "csh",
    "toeph": "toeph",
    "log_simple": "us",
}


def likelihood(text: str) -> float:
    """-2 log likelihood of a listing, with one decimal."""
    found = re.search(r"^\s+-2 (?:Res )?Log Likelihood\s+([\d.]+)", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def kenward(design: Path) -> list[dict[str, Any]]:
    """Difference of the arms under each structure, by REML, ddfm=kr and ddfm=kr(linear)."""
    out = []
    for name, residual in TYPES.items():
        one: dict[str, Any] = {"type": name, "residual": residual}
        for key, prefix in (("kr", "kr"), ("linear", "kr1")):
            stem = design / "ddfm_covtype" / f"{prefix}_{name}"
            one["minus2ll"] = likelihood(stem.with_suffix(".txt").read_text())
            (row,) = csv.DictReader(stem.with_suffix(".csv").open())
            one |= {"estimate": float(row["Estimate"])}
            one[key] = {"se": float(row["StdErr"]), "df": float(row["DF"])}
        out.append(one)
    return out


def means(design: Path) -> list[dict[str, Any]]:
    """-2 log likelihood of a model with one mean under each structure."""
    out = []
    for listing, name in LISTINGS.items():
        for method in ("ml", "reml"):
            suffix = (
                {"ml": "", "reml": "_reml"} if listing.startswith("log") else {"ml": "_ml", "reml": "_reml"}
            )
            text = (design / "SAS" / f"sas_{listing}{suffix[method]}.txt").read_text()
            out.append(
                {
                    "type": name,
                    "residual": TYPES[name],
                    "method": method.upper(),
                    "minus2ll": likelihood(text),
                }
            )
    return out


def differences(design: Path) -> dict[str, Any]:
    """Differences of the arms at each visit in the whole model, as printed."""
    text = (design / "SAS" / "sas_log_reml.txt").read_text()
    rows = re.findall(r"AVISIT\*ARMCD\s+(VIS\d)\s+TRT\s+\1\s+PBO\s+([-\d.]+)\s+([\d.]+)\s+(\d+)\s", text)
    return {
        "model": "FEV1 = RACE SEX ARMCD AVISIT AVISIT*ARMCD, type=un, REML",
        "df": re.findall(r"Degrees of Freedom Method\s+(\S+)", text)[0],
        "minus2ll": likelihood(text),
        "differences": {visit: [float(a), float(b), float(c)] for visit, a, b, c in rows},
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) / "design"
    found = {
        "source": "github.com/openpharma/mmrm 0.3.18, folder design; SAS PROC MIXED; data set fev_data",
        "kenward_roger": kenward(folder),
        "one_mean": means(folder),
        "mmrm": differences(folder),
    }
    (HERE / "sas.json").write_text(json.dumps(found, indent=1) + "\n")
