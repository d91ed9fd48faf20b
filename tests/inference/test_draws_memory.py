"""Draws that memory cannot hold are refused before anything is drawn."""

from __future__ import annotations

import dataclasses
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
        ("pymc", SamplerSettings(draws=1000, chains=10, marginal=False), 8 * (50 * 5 + 4 * 100) * 10_000),
        ("bambi", SamplerSettings(draws=1000, chains=10), 8 * (16 * 5 + 4 * 100) * 10_000),
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


@pytest.mark.parametrize(
    ("n_fixed", "n_patients", "draws", "measured"),
    [(2, 64, 98_000, 98_000 * 4_750.0), (4, 155, 22_000, 22_000 * 10_691.0)],
    ids=["medication growth", "folmo2020 tasks_outcome"],
)
def test_what_bambi_is_told_to_need_is_what_it_took(
    n_fixed: int, n_patients: int, draws: int, measured: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a tenth of the growth of the peak of memory from 2,000 draws on, both with a random slope."""
    plain = design(n_patients)
    wide = dataclasses.replace(
        plain,
        x=np.ones((len(plain.y), n_fixed)),
        z=np.ones((len(plain.y), 2)),
        x_names=tuple(f"x{i}" for i in range(n_fixed)),
        z_names=("Intercept", "months"),
    )
    settings = (wide, SamplerSettings(draws=draws // 4, chains=4), CollapsedSettings())
    monkeypatch.setattr(draws_memory, "memory_limit", lambda: 1.1 * measured)
    check_draws_memory("bambi", *settings)
    monkeypatch.setattr(draws_memory, "memory_limit", lambda: 0.9 * measured)
    with pytest.raises(InputError, match="GiB of memory"):
        check_draws_memory("bambi", *settings)


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
    """Exit code 2, nothing is written, and no engine was asked for anything."""

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
    assert not (tmp_path / "out").exists()
