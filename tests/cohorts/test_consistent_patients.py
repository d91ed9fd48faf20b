"""Baseline values fit each other: exchanges within subgroups, and shifts where no exchange can help."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.cohorts.consistent_patients import excess_of, fit_patients
from bayes_alliance.cohorts.plan import PatientRule

RULE = PatientRule(name="more part than whole", parts=("part",), whole=("whole",))


def _patients(seed: int, lowest_whole: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    part, whole = rng.integers(1, 8, 80).astype(float), rng.integers(4, 30, 80).astype(float)
    whole[:6] = lowest_whole
    return pd.DataFrame({"group": np.repeat(["good", "poor"], 40), "part": part, "whole": whole})


def _excess(patients: pd.DataFrame) -> float:
    columns = {name: patients[name].to_numpy(dtype=float) for name in ("part", "whole")}
    return float(excess_of(RULE, columns).sum())


def test_exchanges_suffice_where_values_can_be_paired() -> None:
    """The same values stand in the same subgroups, at other patients."""
    patients = _patients(1, 4.0)
    assert _excess(patients) > 0.0
    found = fit_patients(patients, (RULE,), ("whole",), np.random.default_rng(2))
    assert _excess(found) == 0.0
    for name in ("good", "poor"):
        before, after = (frame.loc[frame["group"] == name, "whole"] for frame in (patients, found))
        assert sorted(before) == sorted(after)


@pytest.mark.parametrize("seed", range(5))
def test_shifts_keep_mean_and_spread(seed: int) -> None:
    """Six wholes of zero and no part below one: no exchange helps; means stay, SDs within a rounding of two digits."""
    patients = _patients(seed, 0.0)
    found = fit_patients(patients, (RULE,), ("whole",), np.random.default_rng(2))
    assert _excess(found) == 0.0
    assert (found["whole"] >= 0.0).all()
    for name in ("good", "poor"):
        before, after = (frame.loc[frame["group"] == name, "whole"] for frame in (patients, found))
        assert after.mean() == pytest.approx(before.mean(), abs=1e-12)
        assert after.std() == pytest.approx(before.std(), abs=0.02)


def test_what_models_rest_on_stays() -> None:
    """A column that may not move is left alone, and what it breaks stays broken."""
    patients = _patients(3, 0.0)
    found = fit_patients(patients, (RULE,), (), np.random.default_rng(2))
    pd.testing.assert_frame_equal(found, patients)
