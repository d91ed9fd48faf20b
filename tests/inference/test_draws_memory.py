"""Draws that memory cannot hold are refused before anything is drawn."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.errors import InputError
from bayes_alliance.inference import draws_memory
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.draws_memory import check_draws_memory
from bayes_alliance.inference.pymc.sample import SamplerSettings
from bayes_alliance.runtime.memory import memory_limit
from bayes_alliance.study.formula import parse_formula

GIB = 2.0**30


def design(n_patients: int = 100) -> Design:
    """Two visits a patient, a random intercept."""
    n = 2 * n_patients
    return Design(
        y=np.zeros(n),
        x=np.ones((n, 2)),
        z=np.ones((n, 1)),
        patient_index=np.repeat(np.arange(n_patients), 2),
        x_names=("Intercept", "months"),
        z_names=("Intercept",),
        formula=parse_formula("y ~ months + (1 | patient)"),
        reference={},
    )


@pytest.mark.parametrize(
    ("engine", "sampler", "n_bytes"),
    [
        ("collapsed", SamplerSettings(), 20 * 8 * 5 * 1_000_000),
        ("pymc", SamplerSettings(draws=1000, chains=1000), 50 * 8 * 5 * 1_000_000),
        ("pymc", SamplerSettings(draws=1000, chains=10, marginal=False), 8 * (50 * 5 + 6 * 100) * 10_000),
        ("bambi", SamplerSettings(draws=1000, chains=10), 8 * (50 * 5 + 6 * 100) * 10_000),
    ],
)
def test_what_draws_take_is_held_to_the_limit(
    engine: str, sampler: SamplerSettings, n_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two coefficients, an SD, sigma and the place of a correlation; effects of 100 patients where they are sampled."""
    settings = (design(), sampler, CollapsedSettings(draws=1_000_000))
    monkeypatch.setattr(draws_memory, "memory_limit", lambda: float(n_bytes))
    check_draws_memory(engine, *settings)  # type: ignore[arg-type]
    monkeypatch.setattr(draws_memory, "memory_limit", lambda: n_bytes - 1.0)
    with pytest.raises(InputError, match=rf"{n_bytes / GIB:,.1f} GiB of memory"):
        check_draws_memory(engine, *settings)  # type: ignore[arg-type]


def test_the_limit_is_the_least_that_the_system_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of the address space counts, as a batch system sets one."""
    assert 0 < memory_limit() < 2**60
    monkeypatch.setattr(resource, "getrlimit", lambda which: (12_345, 99_999))
    assert memory_limit() == 12_345


@pytest.mark.parametrize(("command", "engine"), [("fit", "pymc"), ("reanalyse", "collapsed")])
def test_a_command_tells_before_its_first_fit(
    command: str,
    engine: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, and no engine was asked for anything."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("an engine was run")

    monkeypatch.setattr("bayes_alliance.run.fitter.fit_posterior", never)
    monkeypatch.setattr("bayes_alliance.run.fitter.fit_mixed", never)
    words = [command, "medication", "--models", "treatment", "--engine", engine, "--quiet"]
    words += ["--draws", "10000000", "--chains", "1000"]
    if command == "reanalyse":
        words += ["--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "GiB of memory; allowed: at most" in capsys.readouterr().err
