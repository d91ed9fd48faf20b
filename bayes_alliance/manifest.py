"""What is needed to make a run again: versions, seeds, digests, settings, timings, and the files it left."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.fitting import RunSettings
from bayes_alliance.results import ModelRun, StudyResults
from bayes_alliance.whole_files import write_whole

PACKAGES = (
    "bayes-alliance",
    "numpy",
    "scipy",
    "pandas",
    "xarray",
    "formulae",
    "numba",
    "pymc",
    "pytensor",
    "bambi",
    "arviz",
    "nutpie",
    "matplotlib",
)


def build_manifest(
    results: StudyResults, settings: RunSettings, *, files: Sequence[Path], folder: Path
) -> dict[str, Any]:
    """Gather the manifest of a run.

    Parameters
    ----------
    results : StudyResults
        What the run found.
    settings : RunSettings
        How it was run.
    files : sequence of Path
        Files that the run left; each is listed with its SHA-256.
    folder : Path
        Under which they lie.

    Returns
    -------
    dict
        JSON-ready.
    """
    manifest = {
        "schema": 1,
        "study": {"id": results.study.id, "digest": results.study.digest},
        "data": {
            "source": results.source.value,
            "origin": results.origin,
            "digest": results.data_digest,
            "notes": list(results.notes),
        },
        "settings": dataclasses.asdict(settings) | {"prior": results.prior},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "fits": [_fit_entry(run) for run in results.runs],
        "comparisons": {
            item.name: {
                "models": [model.model_id for model in item.models],
                "n_patients": item.rows.n_patients,
                "n_rows": item.rows.n_rows,
                "rows_digest": item.rows.digest,
            }
            for item in results.comparisons
        },
        "skipped": [dataclasses.asdict(model) for model in results.skipped],
        "checks": {
            status: sum(check.status == status for check in results.checks)
            for status in ("pass", "fail", "not_checked")
        },
        "seconds": round(results.seconds, 1),
        "files": {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(files)},
    }
    ready: dict[str, Any] = json_ready(manifest)
    return ready


def json_ready(value: Any) -> Any:
    """Make plain JSON of nested records: NumPy scalars as numbers, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _fit_entry(run: ModelRun) -> dict[str, Any]:
    posterior = run.posterior
    return {
        "model": run.model.id,
        "formula": run.design.formula.text,
        "n_patients": run.rows.n_patients,
        "n_rows": run.rows.n_rows,
        "rows_digest": run.rows.digest,
        "seed": posterior.seed if posterior else None,
        "made_with": dict(posterior.facts) if posterior else None,
        "seconds_ml": round(run.ml.seconds, 4),
        "seconds_posterior": round(posterior.seconds, 2) if posterior else None,
    }


def write_manifest(manifest: dict[str, Any], path: Path) -> None:
    """Write the manifest as JSON, by rename, so that no half manifest is ever seen."""
    write_whole(path, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
