"""Stored fits: the same bits back, or a reason in words; never an exception, never a half file."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
import xarray as xr

from bayes_alliance.inference.fits import PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.run.posterior_store import design_digest, fit_record, load_fit, store_fit
from tests.known_posteriors import make_design, make_rows, posterior_around_ml

ROWS = make_rows(12)
DESIGN = make_design(ROWS, "y ~ time + (time | patient)")
PRIORS = CoefficientPriors(
    name="neutral",
    mean=np.array([4.0, 0.0]),
    sd=np.array([1.5, 0.1]),
    sd_scale=np.array([1.0, 0.05]),
    sigma_scale=1.0,
    lkj_eta=2.0,
)
RECORD = fit_record(
    DESIGN, PRIORS, engine="pymc", covariance="UN", settings="draws=100", seed=7, versions="pymc 6"
)


@pytest.fixture(scope="module")
def fit() -> PosteriorFit:
    return posterior_around_ml(DESIGN, draws=100)


def test_a_stored_fit_comes_back_bit_for_bit(tmp_path: Path, fit: PosteriorFit) -> None:
    """Draws, statistics and every fact of the record are equal, not only close."""
    odd = fit.sample_stats["energy"].copy()
    odd[0, :3] = [np.nan, -0.0, 5e-324]
    fit = dataclasses.replace(
        fit,
        sample_stats={**fit.sample_stats, "energy": odd},
        facts={"pareto_k": 0.1 + 0.2, "versions": "pymc 6", "log_evidence": float("nan")},
    )
    store_fit(tmp_path / "m.nc", fit, RECORD)
    back = load_fit(tmp_path / "m.nc", RECORD)
    assert isinstance(back, PosteriorFit)
    for name in ("beta", "sd", "correlation", "sigma"):
        assert getattr(back, name).tobytes() == getattr(fit, name).tobytes()
        assert getattr(back, name).dtype == float
    assert set(back.sample_stats) == set(fit.sample_stats)
    assert back.sample_stats["energy"].tobytes() == odd.tobytes()
    for field in dataclasses.fields(PosteriorFit):
        if field.name not in ("beta", "sd", "correlation", "sigma", "sample_stats", "facts"):
            assert getattr(back, field.name) == getattr(fit, field.name), field.name
    assert repr(back.facts) == repr(dict(fit.facts))


def test_a_random_intercept_fit_without_statistics_comes_back_too(tmp_path: Path) -> None:
    """One random effect and an engine without a sampler are stored alike."""
    design = make_design(ROWS, "y ~ time + (1 | patient)")
    fit = dataclasses.replace(posterior_around_ml(design, draws=20), sample_stats={})
    store_fit(tmp_path / "m.nc", fit, RECORD)
    back = load_fit(tmp_path / "m.nc", RECORD)
    assert isinstance(back, PosteriorFit)
    assert (back.z_names, back.covariance, back.sample_stats) == (("Intercept",), "ID", {})
    np.testing.assert_array_equal(back.sd, fit.sd)


def test_arviz_reads_a_stored_fit(tmp_path: Path, fit: PosteriorFit) -> None:
    """The file is an ordinary DataTree with named coefficients."""
    store_fit(tmp_path / "m.nc", fit, RECORD)
    with xr.open_datatree(tmp_path / "m.nc", engine="h5netcdf") as tree:
        posterior = tree["posterior"]
        assert posterior["beta"].dims == ("chain", "draw", "coefficient")
        slope = posterior["beta"].sel(coefficient="time").values
        assert tree["sample_stats"]["diverging"].dims == ("chain", "draw")
    np.testing.assert_array_equal(slope, fit.beta[..., 1])


def test_no_row_of_a_patient_is_stored(tmp_path: Path, fit: PosteriorFit) -> None:
    """Neither identifiers nor outcomes are in the file."""
    store_fit(tmp_path / "m.nc", fit, RECORD)
    content = (tmp_path / "m.nc").read_bytes()
    assert b"p001" not in content
    assert DESIGN.y.tobytes() not in content
    assert not any(value.tobytes() in content for value in DESIGN.y)


def _changed(**changed: object) -> dict[str, str]:
    given: dict[str, object] = {
        "design": DESIGN,
        "priors": PRIORS,
        "engine": "pymc",
        "covariance": "UN",
        "settings": "draws=100",
        "seed": 7,
        "versions": "pymc 6",
    } | changed
    design, priors = given.pop("design"), given.pop("priors")
    return fit_record(design, priors, **given)  # type: ignore[arg-type]


ONE_VALUE = ROWS.assign(y=ROWS["y"].where(ROWS.index != 17, ROWS["y"] + 1e-12))
OTHER_PATIENT = ROWS.assign(patient=ROWS["patient"].replace("p001", "p000"))


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (_changed(design=make_design(ROWS, "y ~ time + (1 | patient)")), {"formula", "rows"}),
        (_changed(design=make_design(ONE_VALUE, "y ~ time + (time | patient)")), {"rows"}),
        (_changed(design=make_design(OTHER_PATIENT, "y ~ time + (time | patient)")), {"rows"}),
        (_changed(design=make_design(ROWS[:-1], "y ~ time + (time | patient)")), {"rows"}),
        (_changed(priors=dataclasses.replace(PRIORS, name="sceptical")), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, sd=np.array([1.5, 0.1 + 1e-15]))), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, mean=np.array([4.0, 0.1]))), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, sd_scale=np.array([1.0, 0.06]))), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, sigma_scale=1.1)), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, lkj_eta=1.0)), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, scale_family="half_t")), {"prior"}),
        (_changed(priors=dataclasses.replace(PRIORS, scale_df=4.0)), {"prior"}),
        (_changed(engine="bambi"), {"engine"}),
        (_changed(covariance="VC"), {"covariance"}),
        (_changed(settings="draws=200"), {"settings"}),
        (_changed(seed=8), {"seed"}),
        (_changed(versions="pymc 7"), {"versions"}),
        (_changed(seed=8, engine="bambi"), {"seed", "engine"}),
        (RECORD | {"new": "item"}, {"new"}),
        ({k: v for k, v in RECORD.items() if k != "versions"}, {"versions"}),
    ],
)
def test_whatever_made_the_fit_and_changed_is_named(
    tmp_path: Path, fit: PosteriorFit, record: dict[str, str], named: set[str]
) -> None:
    """The store gives no fit but the names of what differs."""
    store_fit(tmp_path / "m.nc", fit, RECORD)
    found = load_fit(tmp_path / "m.nc", record)
    assert isinstance(found, str)
    reason, _, names = found.partition(": ")
    assert reason == "changed since it was stored"
    assert set(names.split(", ")) == named


def test_every_field_of_the_priors_is_in_the_record() -> None:
    """A field added to the priors enters the record by itself."""
    assert all(f'"{field.name}"' in RECORD["prior"] for field in dataclasses.fields(CoefficientPriors))


def test_digest_is_the_same_for_equal_designs_and_blind_to_names_of_patients() -> None:
    """The likelihood sees who is the same patient, not what the patient is called."""
    renamed = ROWS.assign(patient="x" + ROWS["patient"])
    assert design_digest(make_design(renamed, DESIGN.formula.text)) == design_digest(DESIGN)


def test_a_missing_file_is_not_stored_yet(tmp_path: Path) -> None:
    """No file, no complaint."""
    assert load_fit(tmp_path / "m.nc", RECORD) == "not stored yet"


@pytest.mark.parametrize("keep", [0, 1, 8, 100, 4000, -1, -1000])
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_truncated_file_is_a_reason_not_an_exception(tmp_path: Path, fit: PosteriorFit, keep: int) -> None:
    """Wherever a file breaks off, the fit is made again."""
    path = tmp_path / "m.nc"
    store_fit(path, fit, RECORD)
    path.write_bytes(path.read_bytes()[:keep])
    found = load_fit(path, RECORD)
    assert isinstance(found, str)
    assert found.startswith("the stored file ")


@pytest.mark.parametrize("content", [b"", b"not a NetCDF file\n" * 100, b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_file_of_another_kind_is_a_reason(tmp_path: Path, content: bytes) -> None:
    """Something else under that name is not mistaken for a fit."""
    path = tmp_path / "m.nc"
    path.write_bytes(content)
    assert "cannot be read" in str(load_fit(path, RECORD))


def test_a_folder_or_a_foreign_netcdf_is_a_reason(tmp_path: Path) -> None:
    """So are a folder and a NetCDF file that somebody else wrote."""
    assert "cannot be read" in str(load_fit(tmp_path, RECORD))
    xr.Dataset({"x": ("n", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    assert "cannot be read" in str(load_fit(tmp_path / "other.nc", RECORD))


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_one_flipped_byte_anywhere_never_gives_other_draws(tmp_path: Path, fit: PosteriorFit) -> None:
    """A damaged file is refused, or still holds the very same draws (the byte was unused)."""
    path = tmp_path / "m.nc"
    store_fit(path, fit, RECORD)
    whole = path.read_bytes()
    at_draws = whole.index(fit.sigma[1, :4].tobytes())
    refused = 0
    for position in (at_draws, at_draws + 9, *range(0, len(whole), len(whole) // 40)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(bytes(damaged))
        found = load_fit(path, RECORD)
        if isinstance(found, str):
            refused += 1
        else:
            np.testing.assert_array_equal(found.sigma, fit.sigma)
            np.testing.assert_array_equal(found.beta, fit.beta)
    assert refused >= 2


def test_an_interrupted_write_leaves_the_former_file_and_no_part(tmp_path: Path, fit: PosteriorFit) -> None:
    """Ctrl-C while writing: what was there stays, and nothing else is left behind."""
    path = tmp_path / "m.nc"
    store_fit(path, fit, RECORD)
    before = path.read_bytes()
    with (
        mock.patch.object(Path, "replace", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        store_fit(path, fit, RECORD | {"seed": "8"})
    assert [p.name for p in tmp_path.iterdir()] == ["m.nc"]
    assert path.read_bytes() == before


def test_a_full_disk_is_an_oserror_and_leaves_nothing(tmp_path: Path) -> None:
    """A write that breaks off (here by a limit on the size of files) is an OSError, not a crash of HDF5."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {os.fspath(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.run.test_posterior_store import DESIGN, RECORD, posterior_around_ml, store_fit
fit = posterior_around_ml(DESIGN, draws=2000)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    store_fit(Path({os.fspath(tmp_path / "m.nc")!r}), fit, RECORD)
except OSError as error:
    print("OSError:", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.startswith("OSError:"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path: Path, fit: PosteriorFit) -> None:
    """The store does not make folders; whoever asks gets the path in the error."""
    with pytest.raises(OSError):
        store_fit(tmp_path / "absent" / "m.nc", fit, RECORD)


@pytest.mark.parametrize("change", ["facts", "seconds", "rows"])
def test_what_is_said_of_stored_draws_cannot_be_changed(
    change: str, tmp_path: Path, fit: PosteriorFit
) -> None:
    """A Pareto k made good, or other rows: the digest of the draws does not see it, that of the record does."""
    path = tmp_path / "m.nc"
    store_fit(path, dataclasses.replace(fit, facts={"pareto_k": 0.9}), RECORD)
    assert isinstance(load_fit(path, RECORD), PosteriorFit)
    with h5py.File(path, "r+") as file:
        about = json.loads(file.attrs["bayes_alliance"])
        about["fit"][change] = {
            "facts": {"pareto_k": 0.1},
            "seconds": -1.0,
            "rows": about["fit"]["rows"] | {"n_patients": 99},
        }[change]
        file.attrs["bayes_alliance"] = json.dumps(about)
    assert load_fit(path, RECORD) == "the stored file is damaged: what it says of its draws was changed"
