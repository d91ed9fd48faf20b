"""The ratios that matter, from programs measured side by side in one run, each beside what it should reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bayes_alliance.dev.benchmark.designs import Dates
from bayes_alliance.dev.benchmark.programs import find_program
from bayes_alliance.dev.benchmark.results import Key, Result

Field = Literal["wall_s", "fit_s", "warm_s", "peak_mib", "ess_per_s"]


@dataclass(frozen=True, kw_only=True)
class SpeedTarget:
    """One figure beside its target.

    Parameters
    ----------
    what : str
        In words.
    found : float or None
        In ``unit``; None where a program that it needs was not measured.
    target : float
        In ``unit``.
    unit : str
        "s", "MiB" or "times".
    at_least : bool
        Whether the target is a floor; else it is a ceiling.
    """

    what: str
    found: float | None
    target: float
    unit: str
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Return "reached", "not reached" or "not measured"."""
        if self.found is None:
            return "not measured"
        met = self.found >= self.target if self.at_least else self.found <= self.target
        return "reached" if met else "not reached"


def list_claims(results: Sequence[Result]) -> list[SpeedTarget]:
    """Work out every figure; one whose programs were not run stands there as not measured."""
    done: dict[Key, Result] = {(r.program, r.scale, r.dates): r for r in results if r.status == "done"}

    def found(program: str, field: Field, scale: int = 1, dates: Dates = "scattered") -> float | None:
        result = done.get((program, scale, dates))
        value: float | None = None if result is None else getattr(result, field)
        return value

    return [*_of_its_size(found, find_fastest(results)), *_of_large_data(found)]


def _of_its_size(found: Callable[..., float | None], fastest: Result | None) -> list[SpeedTarget]:
    """List the figures on data of the paper's size."""
    # Drawing patients' effects is what the peers' samplers do too, so this is what stands beside them.
    ours = "collapsed_effects"
    name = f" ({find_program(fastest.program).label})" if fastest else ""
    return [
        SpeedTarget(
            what="155 patients, 4,000 draws with patients' effects, warm, against one warm lme4 ML fit",
            found=_ratio(found(ours, "warm_s"), found("lme4", "warm_s")),
            target=3.0,
            unit="times",
        ),
        SpeedTarget(
            what="whole process, shell to JSON, of `bayes-alliance fit --engine collapsed`",
            found=found("command", "wall_s"),
            target=1.5,
            unit="s",
        ),
        SpeedTarget(
            what="effective draws a second, against Bambi's default",
            found=_ratio(found(ours, "ess_per_s"), found("bambi", "ess_per_s")),
            target=300.0,
            unit="times",
            at_least=True,
        ),
        SpeedTarget(
            what=f"effective draws a second, against the fastest peer{name}",
            found=_ratio(found(ours, "ess_per_s"), fastest.ess_per_s if fastest else None),
            target=20.0,
            unit="times",
            at_least=True,
        ),
        SpeedTarget(
            what="Bambi's default from shell to result, against ours",
            found=_ratio(found("bambi", "wall_s"), found(ours, "wall_s")),
            target=30.0,
            unit="times",
            at_least=True,
        ),
    ]


def _of_large_data(found: Callable[..., float | None]) -> list[SpeedTarget]:
    """List the figures on more data, and of many refits."""
    return [
        SpeedTarget(
            what="15,500 patients on schedule, without patients' effects, warm",
            found=found("collapsed", "warm_s", 100, "schedule"),
            target=0.5,
            unit="s",
        ),
        SpeedTarget(
            what="155,000 patients, scattered dates",
            found=found("collapsed", "fit_s", 1000),
            target=60.0,
            unit="s",
        ),
        SpeedTarget(
            what="155,000 patients, scattered dates: peak memory",
            found=found("collapsed", "peak_mib", 1000),
            target=2048.0,
            unit="MiB",
        ),
        SpeedTarget(
            what="155,000 patients against 15,500, scattered dates, warm",
            found=_ratio(found("collapsed", "warm_s", 1000), found("collapsed", "warm_s", 100)),
            target=10.0,
            unit="times",
        ),
        SpeedTarget(
            what="exact leave-one-patient-out, 155 refits",
            found=found("collapsed_left_out", "fit_s"),
            target=5.0,
            unit="s",
        ),
    ]


def find_fastest(results: Sequence[Result]) -> Result | None:
    """Return the sampler of another package with the most effective draws a second on the paper's size."""
    own = {"collapsed", "collapsed_effects", "pymc"}
    peers = [r for r in results if r.scale == 1 and r.ess_per_s is not None and r.program not in own]
    return max(peers, key=lambda r: r.ess_per_s or 0.0, default=None)


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None
