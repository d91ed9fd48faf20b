"""What is needed to make a run again: versions, seeds, digests, settings, timings, and the files it left."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_alliance.assess.check_record import Check, failed_gates, unchecked_gates
from bayes_alliance.run.check_tally import CheckTally, tally_checks
from bayes_alliance.runtime.code_digest import package_digest
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.study.records import Study

if TYPE_CHECKING:
    from bayes_alliance.run.results import ModelRun, StudyResults
    from bayes_alliance.run.settings import RunSettings

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
_OF_SAMPLING = ("pymc", "pytensor", "bambi", "nutpie")
_OF_POSTERIORS = ("arviz",)


def packages_used(engine: str) -> tuple[str, ...]:
    """Return the packages that take part in a run by an engine: those that sample, and that score, only where they do.

    A fit that engine ``collapsed`` hands over to NUTS names the versions of the sampler itself.
    """
    idle = set() if engine in ("pymc", "bambi") else set(_OF_SAMPLING)
    idle |= set(_OF_POSTERIORS) if engine == "none" else set()
    return tuple(name for name in PACKAGES if name not in idle)


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """What the last lines of a run say.

    Parameters
    ----------
    study, source : str
        Id, and provenance of the rows.
    models_run : int
        Models that were fitted.
    models_skipped : dict of str to str
        Reasons by model.
    failed, unchecked : tuple of Check
        Gates that were failed, and those that could not be judged.
    tally : CheckTally
        How all checks came out.
    """

    study: str
    source: str
    models_run: int
    models_skipped: dict[str, str]
    failed: tuple[Check, ...]
    unchecked: tuple[Check, ...]
    tally: CheckTally


def end_run(results: StudyResults) -> RunEnd:
    """Return the last words on a run."""
    return RunEnd(
        study=results.study.id,
        source=results.source.value,
        models_run=len(results.runs),
        models_skipped={m.model_id: m.reason for m in results.skipped if not m.comparison},
        failed=tuple(failed_gates(results.checks)),
        unchecked=tuple(unchecked_gates(results.checks)),
        tally=tally_checks(results),
    )


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """How a run is shown.

    Parameters
    ----------
    style : str
        For what the figures are made: a key of :data:`bayes_alliance.show.plots.style.STYLES`.
    kinds : tuple of str
        Drawings of each figure, of ``pdf``, ``svg`` and ``png``.
    min_cell : int
        Counts of patients below it are masked.
    everything : bool
        Whether all figures and every form of each table are written.
    captions : {"inside", "file"}
        Whether titles and notes stand in the figures, or in a file beside them.
    depth : str
        How far the claims are judged, of :data:`bayes_alliance.claims.settings.Depth`.
    spaghetti : bool
        Whether every patient's scores are drawn, into a folder that is not to be published.
    """

    style: str = "journal"
    kinds: tuple[str, ...] = ("pdf", "svg", "png")
    min_cell: int = 0
    everything: bool = False
    captions: str = "file"
    depth: str = "main"
    spaghetti: bool = False


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What the manifest says of the rows: provenance, digest, and what was done on reading them."""

    source: str
    origin: str
    digest: str
    notes: tuple[str, ...]


def identify_run(
    study: Study,
    data: RunData,
    settings: RunSettings,
    *,
    prior: str,
    shown: Presentation,
    companions: Mapping[str, str],
) -> dict[str, Any]:
    """Name everything that a run's files follow from: same identity, same files (NUTS by its stored draws).

    Parameters
    ----------
    study, data, settings
        What is run.
    prior : str
        Name of the prior set that is used.
    shown : Presentation
        How it is shown.
    companions : mapping of str to str
        SHA-256 of the files of other commands that the report shows.

    Returns
    -------
    dict
        JSON-ready.
    """
    cohorts = sorted((study.folder / "cohorts").glob("*"))
    identity = {
        "study": {"id": study.id, "digest": study.digest},
        "data": dataclasses.asdict(data),
        "settings": dataclasses.asdict(settings) | {"prior": prior},
        "presentation": dataclasses.asdict(shown),
        "companions": dict(companions),
        "cohorts": {path.name: _sha256(path) for path in cohorts if path.is_file()},
        "claims": {
            name: _sha256(study.folder / name)
            for name in ("claims.toml", "multiverse.toml", "readings.toml")
            if (study.folder / name).is_file()
        },
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {name: importlib.metadata.version(name) for name in packages_used(settings.engine)},
        "code": package_digest(),
    }
    ready: dict[str, Any] = json_ready(identity)
    return ready


def find_finished(folder: Path, identity: Mapping[str, Any]) -> tuple[RunEnd, list[Path]] | None:
    """Look for a finished run of this identity in a folder, with every file as it was left.

    Parameters
    ----------
    folder : Path
        Where a run may have left its files.
    identity : mapping
        From :func:`identify_run`.

    Returns
    -------
    tuple of RunEnd and list of Path, or None
        What it said last, and its files; None where anything differs, is missing or cannot be read.
    """
    path = folder / "manifest.json"
    try:
        found = json.loads(path.read_bytes())
        if any(found[name] != value for name, value in identity.items()):
            return None
        if found.pop("checksum") != _checksum(found):
            return None
        if any(not _stays_below(name) for name in found["files"]):
            return None
        files = {folder / name: digest for name, digest in found["files"].items()}
        if any(_sha256(file) != digest for file, digest in files.items()):
            return None
        said = found["end"]
        end = RunEnd(
            study=str(said["study"]),
            source=str(said["source"]),
            models_run=int(said["models_run"]),
            models_skipped={str(name): str(reason) for name, reason in said["models_skipped"].items()},
            failed=tuple(_read_check(check) for check in said["failed"]),
            unchecked=tuple(_read_check(check) for check in said["unchecked"]),
            tally=CheckTally(**{name: int(count) for name, count in said["tally"].items()}),
        )
        return end, [*files, path]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # No manifest, one of another version, or one that was tampered with: the run is made.
        return None


def clear_superseded(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Remove the tables and figures of the run before that this one did not make anew.

    They would lie beside those of this run as if they were its own. What somebody changed since, and whatever the
    manifest of the run before does not list, stays.

    Parameters
    ----------
    folder : Path
        With the manifest of the run before, if there was one.
    files : sequence of Path
        That this run has written there.

    Returns
    -------
    list of Path
        What was removed.
    """
    try:
        listed = dict(json.loads((folder / "manifest.json").read_bytes())["files"])
        known = {folder / name: digest for name, digest in listed.items() if _is_shown(PurePosixPath(name))}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # No manifest that can be read, so nothing is known to be of a run.
        return []
    gone = [path for path in known if path not in files and path.is_file() and _sha256(path) == known[path]]
    for path in gone:
        path.unlink()
    return gone


def _is_shown(name: PurePosixPath) -> bool:
    """Whether this is a file right in the folder of tables, figures, patients' courses or what goes into the paper."""
    folders = ("figures", "tables", "paper", "patients")
    return len(name.parts) == 2 and name.parts[0] in folders and name.parts[1] != ".."


def _read_check(entry: Mapping[str, Any]) -> Check:
    numbers = {
        name: math.nan if entry[name] is None else float(entry[name]) for name in ("value", "threshold")
    }
    return Check(**{**entry, **numbers})


# Over 40 lines: the entries of the manifest, in the order in which they stand there.
def build_manifest(
    results: StudyResults,
    settings: RunSettings,
    *,
    files: Sequence[Path],
    folder: Path,
    shown: Presentation | None = None,
    companions: Mapping[str, str] | None = None,
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
    shown : Presentation, optional
        How it is shown.
    companions : mapping of str to str, optional
        As for :func:`identify_run`.

    Returns
    -------
    dict
        JSON-ready.
    """
    data = RunData(
        source=results.source.value,
        origin=results.origin,
        digest=results.data_digest,
        notes=tuple(results.notes),
    )
    identity = identify_run(
        results.study,
        data,
        settings,
        prior=results.prior,
        shown=shown or Presentation(),
        companions=companions or {},
    )
    manifest = {
        "schema": 1,
        **identity,
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
        "end": dataclasses.asdict(end_run(results)),
        "seconds": round(results.seconds, 1),
        "files": {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(files)},
    }
    ready: dict[str, Any] = json_ready(manifest)
    return ready


def _checksum(manifest: Mapping[str, Any]) -> str:
    """Digest everything else that a manifest says, so that a damaged one is not believed."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _stays_below(name: str) -> bool:
    """Whether a listed file lies in the folder of the run."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


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
    said = {name: value for name, value in manifest.items() if name != "checksum"}
    said["checksum"] = _checksum(said)
    write_whole(path, json.dumps(said, indent=2, ensure_ascii=False) + "\n")


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise OSError(None, "no regular file", str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()
