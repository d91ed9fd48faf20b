"""Attacks on what is given away of real data. Each succeeds on exact scores or unmasked cells, and on a bundle no
better than guessing from the published model.

The attacker knows the visits of every patient, the grid of the scale, every draw and every number in the bundle.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import itertools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy import special, stats

from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import StudyResults
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.show.disclosure import smallest_group
from bayes_alliance.show.plots.plan import plan_figures
from bayes_alliance.show.plots.scores import tabulate_patient_scores
from bayes_alliance.show.privacy import mask_small_cells
from bayes_alliance.show.share import contents_of, draw_anew, write_share
from bayes_alliance.show.tables import write_tables
from bayes_alliance.show.tables.text import format_csv_rows
from bayes_alliance.study.records import Source, Study, TrajectoryFigure
from tests.small_study import MODELS, small_study

Array = NDArray[np.float64]
TIMES = np.array([0.0, 12.0, 24.0])
GRID = np.arange(1.0, 7.01, 0.5)
# Every record that a patient of the study can have.
RECORDS = np.array(list(itertools.product(GRID, repeat=len(TIMES))))
SIZES = [30, pytest.param(155, marks=pytest.mark.slow), pytest.param(1_000, marks=pytest.mark.slow)]


def patients(rng: np.random.Generator, n: int) -> Array:
    """Draw records of patients of one population."""
    effects = rng.multivariate_normal([4.0, 0.02], [[0.8, -0.005], [-0.005, 0.0012]], size=n)
    mean = effects[:, :1] + effects[:, 1:] * TIMES
    return np.clip(np.round((mean + 0.6 * rng.standard_normal(mean.shape)) * 2.0) / 2.0, 1.0, 7.0)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A run on real data, and the bundle that was made of it."""

    study: Study
    records: Array
    paranoid: Array
    exact: StudyResults
    bundle: dict[str, bytes]

    def table(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.bundle[name].decode())))


def make(n: int, folder: Path, *, few: int = 0, k: int | None = None, times: Array = TIMES) -> Target:
    """Run the study of two models on n patients, of whom a third (or ``few``) are paranoid, and make the bundle."""
    models = [model for model in MODELS if model.id in ("growth", "paranoid")]
    both = TrajectoryFigure(
        id="both",
        title="Both",
        models=("growth", "paranoid"),
        lines=(("all", ()), ("paranoid", (("paranoid", 1.0),))),
    )
    study = dataclasses.replace(small_study(models), descriptive_group="paranoid", figures=(both,))
    rng = np.random.default_rng(n)
    records = patients(rng, n)
    paranoid = (np.arange(n) < (few or n // 3)).astype(float)
    frame = pd.DataFrame(
        {
            "patient": np.repeat([f"p{i:04d}" for i in range(n)], len(TIMES)),
            "months": np.tile(times, n),
            "goals": records.ravel(),
            "tasks": np.nan,
            "age": np.nan,
            "paranoid": np.repeat(paranoid, len(TIMES)),
        }
    )
    data: StudyData = data_from_frame(study, frame, source=Source.REAL, origin="rows.csv")
    (folder / "posteriors").mkdir()
    settings = RunSettings(engine="collapsed", seed=3, collapsed=CollapsedSettings(draws=2_000))
    exact = run_study(study, data, settings, store=folder / "posteriors")
    shown = mask_small_cells(exact, smallest_group(Source.REAL, k))
    files = [*write_tables(shown, folder / "tables"), *folder.glob("posteriors/*.nc")]
    (folder / "figures").mkdir()
    for figure in plan_figures(shown):
        path = folder / "figures" / f"{figure.name}.csv"
        path.write_text(format_csv_rows(list(figure.rows[0]), [list(row.values()) for row in figure.rows]))
        files.append(path)
    anew = functools.partial(draw_anew, exact, settings.collapsed)
    write_share(files, folder, folder / "bundle.zip", contents_of(shown), anew=anew)
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        bundle = {name: archive.read(name) for name in archive.namelist()}
    return Target(study=study, records=records, paranoid=paranoid, exact=exact, bundle=bundle)


@pytest.fixture(scope="module", params=SIZES)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Target:
    return make(int(request.param), tmp_path_factory.mktemp("target"))


def score(beta: Array, sd: Array, correlation: Array, sigma: Array, group: float) -> Array:
    """Leave-one-patient-out score of every possible record under the draws of a model, by importance weights."""
    columns = [np.ones(3), TIMES] + ([np.full(3, group), group * TIMES] if beta.shape[1] == 4 else [])
    mean = beta @ np.stack(columns)
    z = np.stack([np.ones(3), TIMES], axis=1)
    total = np.zeros((len(beta), len(RECORDS)))
    for s in range(len(beta)):
        g = np.diag(sd[s]) @ np.array([[1.0, correlation[s]], [correlation[s], 1.0]]) @ np.diag(sd[s])
        total[s] = stats.multivariate_normal(mean[s], z @ g @ z.T + sigma[s] ** 2 * np.eye(3)).logpdf(RECORDS)
    found: Array = np.log(len(beta)) - special.logsumexp(-total, axis=0)
    return found


def shared_draws(target: Target, model: str, folder: Path) -> tuple[Array, Array, Array, Array]:
    path = folder / f"{model}.nc"
    path.write_bytes(target.bundle[f"posteriors/{model}.collapsed.nc"])
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        found = [tree["posterior"][name].values for name in ("beta", "sd", "correlation", "sigma")]
    beta, sd, correlation, sigma = (values.reshape(-1, *values.shape[2:])[::4] for values in found)
    return beta, sd, correlation, sigma


def test_shared_draws_are_not_those_of_the_run(target: Target, tmp_path: Path) -> None:
    """Their normal numbers follow from no seed: sorted, they lie further from the run's than rounding moves them."""
    for model in ("growth", "paranoid"):
        fit = target.exact.run(model)
        assert fit is not None and fit.posterior is not None
        path = tmp_path / f"{model}.nc"
        path.write_bytes(target.bundle[f"posteriors/{model}.collapsed.nc"])
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            shared, own = (
                np.sort(tree["posterior"]["sigma"].values.ravel()),
                np.sort(fit.posterior.sigma.ravel()),
            )
        assert np.abs(shared - own).max() > 0.02 * own.std()
        assert abs(shared.mean() - own.mean()) < 0.2 * own.std()


def differences(target: Target, folder: Path, group: float) -> Array:
    """Difference in score between the two models of every possible record, by the draws in the bundle."""
    one, other = (score(*shared_draws(target, model, folder), group) for model in ("paranoid", "growth"))
    return one - other


def listed(target: Target, *, exact: bool) -> Array:
    """Scores that the attacker reads: those in the bundle, or exact ones as they were given away before."""
    if not exact:
        rows = [row for name in target.bundle if "patient_scores" in name for row in target.table(name)]
        return np.array([float(row["elpd_diff"]) for row in rows])
    synthetic = dataclasses.replace(target.exact, source=Source.SYNTHETIC)
    (comparison,) = synthetic.comparisons
    rows_of = tabulate_patient_scores(synthetic, comparison, [("paranoid", "growth")])
    return np.array([float(row["elpd_diff"] or 0.0) for row in rows_of])


def guess_by_scores(difference: Array, values: Array, n: int) -> NDArray[np.int64]:
    """Guess the n records that lie nearest to listed scores."""
    gap = np.min(np.abs(difference[:, None] - values[None, :]), axis=1)
    return np.argsort(gap, kind="stable")[:n]


def share_right(target: Target, guesses: NDArray[np.int64], group: float) -> float:
    """Share of guessed records that some patient of the group has."""
    real = {tuple(record) for record in target.records[target.paranoid == group]}
    return float(np.mean([tuple(RECORDS[i]) in real for i in guesses]))


def test_records_are_recovered_no_better_than_by_guessing_from_the_model(
    target: Target, tmp_path: Path
) -> None:
    """By scores of a bundle, a guessed record is right no more often than one that the model finds likely.

    What is compared: the share of right guesses, among as many as there are paranoid patients.
    """
    n = int(target.paranoid.sum())
    difference = differences(target, tmp_path, 1.0)
    by_bundle = share_right(target, guess_by_scores(difference, listed(target, exact=False), n), 1.0)
    likely = np.argsort(-score(*shared_draws(target, "paranoid", tmp_path), 1.0), kind="stable")[:n]
    by_model = share_right(target, likely, 1.0)
    noise = np.sqrt(max(by_model * (1.0 - by_model), 1.0 / n) / n)
    assert by_bundle <= by_model + 2.0 * noise


def test_the_recovery_attack_works_on_exact_scores(tmp_path: Path) -> None:
    """Exact scores beside exact draws name a record each: the attack could succeed."""
    target = make(30, tmp_path)
    difference = {
        model: score(*(values[:] for values in found.posterior.flat()), 1.0)
        for model in ("paranoid", "growth")
        if (found := target.exact.run(model)) is not None and found.posterior is not None
    }
    candidates = difference["paranoid"] - difference["growth"]
    exact = listed(target, exact=True)
    real = [tuple(record) for record in target.records[target.paranoid == 1.0]]
    index = {tuple(record): i for i, record in enumerate(RECORDS)}
    # A listed value lies as near to that of a true record as importance sampling allows.
    near = [float(np.min(np.abs(exact - candidates[index[record]]))) for record in real]
    coarse = listed(target, exact=False)
    far = [float(np.min(np.abs(coarse - candidates[index[record]]))) for record in real]
    assert len(exact) == 30
    assert len(coarse) == 3
    assert np.median(near) < 0.1 * np.median(far)


def test_membership_of_a_known_patient_is_told_no_better_than_by_the_model(
    target: Target, tmp_path: Path
) -> None:
    """Area under the ROC curve of members against others: by scores in the bundle, and by the model's density."""
    members = target.records[target.paranoid == 1.0]
    others = patients(np.random.default_rng(99), len(members))
    index = {tuple(record): i for i, record in enumerate(RECORDS)}
    difference, values = differences(target, tmp_path, 1.0), listed(target, exact=False)
    density = score(*shared_draws(target, "paranoid", tmp_path), 1.0)

    def area(statistic: Callable[[int], float]) -> float:
        inside, outside = (
            np.array([statistic(index[tuple(record)]) for record in records]) for records in (members, others)
        )
        rank = stats.mannwhitneyu(inside, outside).statistic
        return float(rank / (len(inside) * len(outside)))

    by_bundle = area(lambda i: -float(np.min(np.abs(values - difference[i]))))
    by_model = area(lambda i: float(density[i]))
    noise = np.sqrt((2.0 * len(members) + 1.0) / (12.0 * len(members) ** 2))
    assert by_bundle <= max(by_model, 0.5) + 2.0 * noise


def sums_of(target: Target) -> Array:
    """Every sum of ratings in a window that the bundle tells, from means and numbers of rows."""
    return np.array(
        [
            float(row["observed"]) * float(row["n_rows"])
            for row in target.table("tables/predictive_checks.csv")
            if row["statistic"] == "mean" and row["window"] and row["observed"]
        ]
    )


def is_reached(sums: Array, wanted: float, rounding: float) -> bool:
    """Whether a sum, or a difference of two or three of them, is what is wanted to the digits given."""
    reached = [sums, (sums[:, None] - sums[None, :]).ravel()]
    reached.append((sums[:, None, None] - sums[None, :, None] - sums[None, None, :]).ravel())
    return any(bool(np.any(np.abs(values - wanted) <= rounding)) for values in reached)


@pytest.mark.parametrize("n", SIZES)
def test_a_group_of_three_is_in_no_output_and_in_no_difference_of_outputs(n: int, tmp_path: Path) -> None:
    """The sum of their nine ratings in a window: told with masking off, and not with the default."""
    few = 3
    for k, told in ((1, True), (None, False)):
        folder = tmp_path / str(k)
        folder.mkdir()
        target = make(n, folder, few=few, k=k, times=np.array([0.0, 3.0, 6.0]))
        if "tables/predictive_checks.csv" not in target.bundle:
            assert not told
            continue
        sums = sums_of(target)
        # Five digits of a mean of nine.
        assert is_reached(sums, float(target.records[:few].sum()), rounding=0.001) is told, k
        for row in target.table("tables/rows.csv"):
            assert told or row["model_id"] != "paranoid" or "withheld" in row["left_out"]


def test_no_digest_seed_of_a_sampler_or_energy_is_in_a_bundle(target: Target) -> None:
    """Nor any number of more than seven digits in a table or a figure."""
    digests = {target.exact.data_digest} | {run.rows.digest for run in target.exact.runs}
    for name, raw in target.bundle.items():
        assert not any(digest[:12].encode() in raw for digest in digests), name
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(raw.decode())):
                numbers = [cell for cell in row if cell.replace(".", "").lstrip("-").isdigit()]
                assert all(len(cell.split(".")[-1].lstrip("0")) <= 7 for cell in numbers if "." in cell), name
        assert b"energy" not in raw, name
