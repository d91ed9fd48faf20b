"""A bundle of a run's results that can be given away: nothing of single patients, and a list of what was removed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.runtime.files import whole_file

# What a shared posterior may hold: parameters of the model and statistics of the sampler.
PARAMETERS = frozenset({"beta", "sd", "correlation", "sigma"})
GROUPS = ("posterior", "sample_stats")
_DIMENSIONS = frozenset({"chain", "draw", "coefficient", "random_coefficient"})
_DIGESTS = "digests of the data, by which a guess at them could be confirmed"
_OPEN = (".csv", ".md", ".html", ".pdf", ".svg", ".png", ".tex", ".docx")


def write_share(files: Sequence[Path], folder: Path, bundle: Path) -> list[str]:
    """Write the bundle.

    Tables and figures hold nothing of single patients and go in as they are; of posteriors only the draws of
    the model's parameters and the sampler's statistics; of the manifest everything but the digests of the
    data. Any other kind of file stays out.

    Parameters
    ----------
    files : sequence of Path
        Of the run.
    folder : Path
        Under which they lie.
    bundle : Path
        ``.zip`` file to write, by rename.

    Returns
    -------
    list of str
        What was removed, a line an item; it also stands in the bundle as ``REMOVED.txt``.
    """
    removed: dict[str, None] = {}
    with whole_file(bundle) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            name = path.relative_to(folder).as_posix()
            if path.name == "manifest.json":
                archive.writestr(name, _manifest(path, removed))
            elif path.suffix == ".nc":
                archive.writestr(name, _posterior(path, name, removed))
            elif path.suffix in _OPEN:
                archive.write(path, name)
            else:
                removed[f"{name}: not a table, figure, posterior or manifest"] = None
        lines = list(removed)
        archive.writestr("REMOVED.txt", "\n".join(["Left out of this bundle:", *lines, ""]))
    return lines


def _manifest(path: Path, removed: dict[str, None]) -> str:
    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: strip(item) for key, item in value.items() if key not in ("rows_digest", "data_digest")
            }
        return [strip(item) for item in value] if isinstance(value, list) else value

    manifest = strip(json.loads(path.read_text(encoding="utf-8")))
    manifest["data"].pop("digest", None)
    # Digests of the files of the run: those of the posteriors are not the ones in the bundle.
    manifest.pop("files", None)
    removed[f"{path.name}: {_DIGESTS}"] = None
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _posterior(path: Path, name: str, removed: dict[str, None]) -> bytes:
    """Give the file anew with what may be shared; what is deleted inside an HDF5 file stays in its bytes."""
    import xarray as xr

    with xr.open_datatree(path, engine="h5netcdf") as tree:
        kept: dict[str, xr.Dataset] = {}
        for node in tree.subtree:
            group = node.path.strip("/")
            dataset = node.to_dataset(inherit=False)
            if group and group not in GROUPS:
                removed[f"{name}: group {group}"] = None
                continue
            names = [str(v) for v in dataset.data_vars]
            open_names = [v for v in names if set(map(str, dataset[v].dims)) <= _DIMENSIONS]
            open_names = [v for v in open_names if group != "posterior" or v in PARAMETERS]
            for variable in sorted(set(names) - set(open_names)):
                removed[f"{name}: {variable}"] = None
            if group:
                kept[group] = dataset[open_names].load()
        removed[f"{name}: {_DIGESTS}"] = None
    return bytes(xr.DataTree.from_dict(kept).to_netcdf(None, engine="h5netcdf"))
