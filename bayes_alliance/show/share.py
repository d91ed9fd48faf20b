"""A bundle of a run's results that can be given away: what is on the list of docs/disclosure.md, and nothing else."""

from __future__ import annotations

import json
import secrets
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.runtime.files import whole_file
from bayes_alliance.show.disclosure import ALLOWED, Content

if TYPE_CHECKING:
    import xarray as xr

    from bayes_alliance.inference.collapsed import CollapsedSettings
    from bayes_alliance.run.results import StudyResults

# What a shared posterior may hold: parameters of the model and statistics of the sampler that no rows enter.
PARAMETERS = frozenset({"beta", "sd", "correlation", "sigma"})
STATISTICS = frozenset({"diverging", "n_steps", "reached_max_treedepth"})
GROUPS = ("posterior", "sample_stats")
# Draws are rounded to this share of their SD: a hundredth adds nothing to the Monte-Carlo error that could be seen.
ROUNDED_TO = 0.01
_DIMENSIONS = frozenset({"chain", "draw", "coefficient", "random_coefficient"})
_DIGESTS = "digests of the data, by which a guess at them could be confirmed"
# What the manifest of a bundle may say; the rest, digests and file names among it, stays.
_MANIFEST = ("schema", "study", "presentation", "python", "versions", "checks")
_SETTINGS = ("engine", "prior", "models", "exact")
_NOTICE = """What this bundle is

Tables, figures and the report of a reanalysis: quantities of models, printed numbers, and aggregates over at least
{k} patients. No identifier, row, date or score of a patient is in it. docs/disclosure.md of bayes_alliance says what
somebody could still learn from it.
{draws}
"""
_WITH_DRAWS = """
Posterior draws are those of the models' parameters, in random order within each chain and rounded to a hundredth of
their standard deviation. Draws of engine collapsed are not those of the run: they were made again from random numbers
that nobody knows, so summaries differ from the tables by Monte-Carlo error. As the order is lost, effective sample
sizes and R-hat cannot be computed from them: see table checks.
"""


# Texts and the table made of quantities of models, for a paper.
_PAPER = ("paper/table_effects", "paper/results", "paper/robustness_report", "figures/captions")


def contents_of(results: StudyResults) -> dict[str, Content]:
    """Return what kind of content each table and figure of a run has.

    Returns
    -------
    dict of str to Content
        By path below the folder of the run, without its ending. What is made of several of them (the report, all
        tables in one file) is listed where all of these may be shared.
    """
    from bayes_alliance.show.plots.plan import plan_figures
    from bayes_alliance.show.tables import build_tables

    found = {f"tables/{table.id}": table.content for table in build_tables(results)}
    found |= {f"figures/{figure.name}": figure.content for figure in plan_figures(results)}
    if set(found.values()) <= ALLOWED:
        found |= dict.fromkeys(("tables/tables", "report", *_PAPER), Content.MODEL)
    return found


def write_share(
    files: Sequence[Path],
    folder: Path,
    bundle: Path,
    contents: Mapping[str, Content],
    *,
    draws: bool = True,
    anew: Callable[[str], xr.DataTree | None] = lambda model_id: None,
    min_cell: int = 0,
) -> list[str]:
    """Write the bundle.

    Only what the list of contents allows goes in: tables, figures and the report by what they hold; of posteriors the
    draws of the model's parameters, rounded and in random order; of the manifest versions and settings.

    Parameters
    ----------
    files : sequence of Path
        Of the run.
    folder : Path
        Under which they lie.
    bundle : Path
        ``.zip`` file to write, by rename.
    contents : mapping of str to Content
        From :func:`contents_of`.
    draws : bool
        Whether posterior draws go in.
    anew : callable
        From a model's id to its posterior drawn anew (:func:`draw_anew`). The draws of a run by engine ``collapsed``
        follow from its seed and are never shared: without new ones, a model has none in the bundle.
    min_cell : int
        Smallest number of patients that the tables describe, for the notice in the bundle.

    Returns
    -------
    list of str
        What was removed, a line an item; it also stands in the bundle as ``REMOVED.txt``.
    """
    removed: dict[str, None] = {}
    with whole_file(bundle) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            name = path.relative_to(folder).as_posix()
            if name == "manifest.json":
                archive.writestr(name, _manifest(path, removed))
            elif path.suffix == ".nc":
                tree = _shared_tree(path, anew) if draws else None
                if tree is None:
                    removed[f"{name}: posterior draws"] = None
                else:
                    archive.writestr(name, _posterior(tree, name, removed))
            elif contents.get(name.removesuffix(path.suffix)) in ALLOWED:
                archive.write(path, name)
            else:
                removed[f"{name}: not on the list of what may be shared"] = None
        lines = list(removed)
        archive.writestr("REMOVED.txt", "\n".join(["Left out of this bundle:", *lines, ""]))
        archive.writestr("README.txt", _NOTICE.format(k=max(min_cell, 1), draws=_WITH_DRAWS if draws else ""))
    return lines


def draw_anew(results: StudyResults, settings: CollapsedSettings, model_id: str) -> xr.DataTree | None:
    """Draw a model's posterior again from random numbers that nobody knows, for a bundle.

    The normal numbers behind the draws of a run follow from a seed of 32 bits, so all can be tried; with the right
    one, thousands of draws can be solved for sums over single patients, rounded though they are.

    Parameters
    ----------
    results : StudyResults
        Of the run, with its rows.
    settings : CollapsedSettings
        How much to draw.
    model_id : str
        Which model.

    Returns
    -------
    xarray.DataTree or None
        None for a model without posterior, or where the new draws cannot be used. Draws by NUTS, after a hand-over,
        are returned as they are: they cannot be followed without the data.
    """
    from bayes_alliance.inference.arviz_tree import posterior_tree
    from bayes_alliance.inference.collapsed import fit_collapsed
    from bayes_alliance.inference.priors import coefficient_priors
    from bayes_alliance.inference.psis import PARETO_K_LIMIT

    run = results.run(model_id)
    if run is None or run.posterior is None:
        return None
    if run.posterior.engine != "collapsed":
        return posterior_tree(run.posterior)
    fit = fit_collapsed(
        run.design,
        run.rows,
        coefficient_priors(results.study, run.design, results.prior),
        seed=secrets.randbits(128),
        model_id=model_id,
        covariance=run.posterior.covariance,
        settings=settings,
    )
    return posterior_tree(fit) if float(fit.facts["pareto_k"]) <= PARETO_K_LIMIT else None


def _shared_tree(path: Path, anew: Callable[[str], xr.DataTree | None]) -> xr.DataTree | None:
    """Return the draws to be shared: of engine collapsed new ones, of others those of the file.

    What the file says of its draws counts beside its name: models with several levels are drawn by ``collapsed``
    whatever engine was asked for.
    """
    import xarray as xr

    with xr.open_datatree(path, engine="h5netcdf") as tree:
        said = str(tree.attrs.get("bayes_alliance", ""))
        if path.name.endswith(".collapsed.nc") or '"engine": "collapsed"' in said:
            return anew(path.name.rsplit(".", 2)[0])
        return tree.load()


def _manifest(path: Path, removed: dict[str, None]) -> str:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    kept: dict[str, Any] = {name: manifest[name] for name in _MANIFEST if name in manifest}
    data = manifest.get("data", {})
    kept["data"] = {name: data[name] for name in ("source", "origin") if name in data}
    settings = manifest.get("settings", {})
    kept["settings"] = {name: settings[name] for name in _SETTINGS if name in settings}
    kept["fits"] = [
        {name: fit[name] for name in ("model", "formula", "n_patients", "n_rows") if name in fit}
        for fit in manifest.get("fits", ())
    ]
    removed[f"{path.name}: {_DIGESTS}"] = None
    removed[f"{path.name}: the seed (the report has it), the notes on the data, timings, list of files"] = (
        None
    )
    return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"


def _posterior(tree: xr.DataTree, name: str, removed: dict[str, None]) -> bytes:
    """Return a new file with what may be shared; what is deleted inside an HDF5 file stays in its bytes."""
    import xarray as xr

    rng = np.random.default_rng(secrets.randbits(128))
    kept: dict[str, xr.Dataset] = {}
    order: NDArray[np.int64] | None = None
    for node in sorted(tree.subtree, key=lambda node: node.path):
        group = node.path.strip("/")
        dataset = node.to_dataset(inherit=False)
        if group and group not in GROUPS:
            removed[f"{name}: group {group}"] = None
            continue
        names = [str(v) for v in dataset.data_vars]
        open_names = [v for v in names if set(map(str, dataset[v].dims)) <= _DIMENSIONS]
        allowed = PARAMETERS if group == "posterior" else STATISTICS
        open_names = [v for v in open_names if v in allowed]
        for variable in sorted(set(names) - set(open_names)):
            removed[f"{name}: {variable}"] = None
        if group and open_names:
            if order is None:
                shape = dataset.sizes["chain"], dataset.sizes["draw"]
                order = np.argsort(rng.random(shape), axis=1).astype(np.int64)
            kept[group] = _coarsen(dataset[open_names].load(), order, rounded=group == "posterior")
    removed[f"{name}: {_DIGESTS}"] = None
    removed[f"{name}: order of the draws, digits beyond a hundredth of their SD"] = None
    return bytes(xr.DataTree.from_dict(kept).to_netcdf(None, engine="h5netcdf"))


def _coarsen(dataset: xr.Dataset, order: NDArray[np.int64], *, rounded: bool) -> xr.Dataset:
    """Put the draws of each chain into another order and round them.

    Exact draws can be solved for sums over patients: given the variances of a draw, its effects are the
    least-squares estimate plus noise that the seed gives away.
    """
    import xarray as xr

    variables = {}
    for name, variable in dataset.data_vars.items():
        values = variable.transpose("chain", "draw", ...)
        array = np.asarray(values.values)
        index = order.reshape(order.shape + (1,) * (array.ndim - 2))
        array = np.take_along_axis(array, np.broadcast_to(index, array.shape), axis=1)
        if rounded:
            step = ROUNDED_TO * array.std(axis=(0, 1))
            # A power of ten, so that the step itself tells nothing exact.
            step = np.power(10.0, np.floor(np.log10(np.where(step > 0.0, step, 1.0))))
            array = np.where(step > 0.0, np.round(array / step) * step, array)
        variables[str(name)] = xr.Variable(values.dims, array)
    wanted = {
        name: dataset[name].variable for name in ("coefficient", "random_coefficient") if name in dataset
    }
    return xr.Dataset(variables, coords=wanted)
