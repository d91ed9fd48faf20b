"""Whether the posterior from the table alone agrees with the posterior from the data behind it.

For invented publications both can be had. A cell agrees where the full-data posterior's mean, SD, both ends
of its 95 % interval and P(direction) lie within the bands of the posterior from the table, widened by nothing
but the Monte-Carlo error of the full-data posterior.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bayes_alliance.dev.dialects import Dialect
from bayes_alliance.dev.invented import invent_table
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.published.cell_posterior import Banded, CellPosterior, cell_posteriors
from bayes_alliance.published.printed_effects import PrintedEffect

MONTE_CARLO_ERRORS = 3.0
QUANTITIES = ("mean", "sd", "lower", "upper", "p_direction")
Fit = Callable[[Design, RowsUsed, CoefficientPriors, int], PosteriorFit]


@dataclass(frozen=True, kw_only=True)
class CellAgreement:
    """One quantity of one cell.

    Parameters
    ----------
    kind : str
        Role of the estimate, and whether its digits were printed or only ``ns``.
    quantity : str
        Which one.
    inside : bool
        Whether the full-data value lies within the band.
    distance : float
        How far it lies outside, in SDs of the full-data posterior (a probability: as it is); 0 inside.
    """

    kind: str
    quantity: str
    inside: bool
    distance: float


def cell_kind(effect: PrintedEffect) -> str:
    """Name the kind of a cell: its role, and ``ns`` where it prints no digits."""
    printed = "ns" if effect.parsed.value is None else "printed"
    return f"{effect.role.replace('_', ' ')}, {printed}"


def compare_cell(posterior: CellPosterior, full: PosteriorFit) -> Iterator[CellAgreement]:
    """Check the posterior from the table against draws of the one from the data.

    Parameters
    ----------
    posterior : CellPosterior
        Of one cell under one prior.
    full : PosteriorFit
        Of the cell's model under the same prior; independent draws.

    Yields
    ------
    CellAgreement
        One for each of mean, SD, both ends of the 95 % interval and P(direction).
    """
    draws = full.combine(posterior.effect.weights).ravel()
    spread = float(draws.std())
    for name, (value, error) in _summaries(draws, posterior.direction).items():
        band: Banded = getattr(posterior, name)
        slack = MONTE_CARLO_ERRORS * error
        unit = 1.0 if name == "p_direction" else spread
        distance = max(band.low - slack - value, value - band.high - slack, 0.0) / unit
        yield CellAgreement(
            kind=cell_kind(posterior.effect), quantity=name, inside=distance == 0.0, distance=distance
        )


def _summaries(draws: Array, direction: int) -> dict[str, tuple[float, float]]:
    """Mean, SD, quantiles and P(direction) of independent draws, each with its Monte-Carlo standard error."""
    n, spread = len(draws), float(draws.std())
    # Density of a Normal at its 2.5 % quantile, for the error of an empirical quantile.
    tail = spread * np.sqrt(0.025 * 0.975 / n) / 0.05844507
    lower, upper = np.quantile(draws, [0.025, 0.975])
    share = float(np.mean(draws * direction > 0.0))
    return {
        "mean": (float(draws.mean()), spread / np.sqrt(n)),
        "sd": (spread, spread / np.sqrt(2.0 * n)),
        "lower": (float(lower), float(tail)),
        "upper": (float(upper), float(tail)),
        "p_direction": (share, float(np.sqrt(max(share * (1.0 - share), 1.0 / n) / n))),
    }


def count_agreement(found: Iterable[CellAgreement]) -> dict[str, dict[str, tuple[int, int]]]:
    """Count, by kind of cell and quantity, how many lie inside and how many there are."""
    inside: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for one in found:
        inside[(one.kind, one.quantity)] += one.inside
        total[(one.kind, one.quantity)] += 1
    kinds = sorted({kind for kind, _ in total})
    return {
        kind: {
            name: (inside[(kind, name)], total[(kind, name)]) for name in QUANTITIES if (kind, name) in total
        }
        for kind in kinds
    }


def recover(
    seeds: Iterable[int],
    fit: Fit,
    *,
    prior: str = "neutral",
    rounding_only: bool = False,
    dialect: Dialect = "stars",
) -> Iterator[CellAgreement]:
    """Invent publications and compare every cell's posterior with that of the data behind it.

    Parameters
    ----------
    seeds : iterable of int
        One publication each.
    fit : callable
        Engine: draws the full-data posterior from design, rows, priors and a seed.
    prior : str
        Name of the prior set.
    rounding_only : bool
        Whether the bands allow for nothing but rounding, stars, text and AIC.
    dialect : str
        How the tables print.
    """
    for seed in seeds:
        table = invent_table(seed, dialect)
        full = {
            name: fit(design, table.rows, coefficient_priors(table.study, design, prior), seed)
            for name, design in table.designs.items()
        }
        for posterior in cell_posteriors(table.study, [prior], rounding_only=rounding_only):
            yield from compare_cell(posterior, full[posterior.effect.model.id])


def once_per_seed(fit: Fit) -> Fit:
    """Keep full-data posteriors by seed and model, for publications that print in several dialects."""
    kept: dict[tuple[int, str], PosteriorFit] = {}

    def kept_fit(design: Design, rows: RowsUsed, priors: CoefficientPriors, seed: int) -> PosteriorFit:
        key = (seed, design.formula.text)
        if key not in kept:
            kept[key] = fit(design, rows, priors, seed)
        return kept[key]

    return kept_fit


def format_recovery(found: Iterable[CellAgreement]) -> Iterator[str]:
    """Format the figures line by line, as a Markdown table."""
    counts = count_agreement(found)
    yield "| Kind of cell | cells | mean | SD | lower end | upper end | P(direction) |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    inside = total = 0
    for kind, by in counts.items():
        shares = " | ".join(f"{100 * by[name][0] / by[name][1]:.1f} %" for name in QUANTITIES)
        yield f"| {kind} | {by['mean'][1]} | {shares} |"
        inside += sum(pair[0] for pair in by.values())
        total += sum(pair[1] for pair in by.values())
    yield ""
    yield f"{inside} of {total} quantities within their band ({100 * inside / max(total, 1):.1f} %)."
