"""Do two engines give the same posterior? Differences of means and SDs in units of their Monte-Carlo error.

Meant for engines that fit the same model with the same priors on the same rows; anything else is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bayes_alliance.assess.summaries import effective_draws
from bayes_alliance.errors import RowsDifferError
from bayes_alliance.inference.fits import Array, PosteriorFit

# With some 600 quantities compared, a |z| of 5 is beyond chance (two-sided p of 6e-7 each).
Z_LIMIT = 5.0


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One quantity by two engines.

    Parameters
    ----------
    first, second : str
        Names of the engines.
    mean_first, mean_second, sd : float
        Posterior means; SD by the first engine.
    shift_in_sd : float
        Difference of the means (second minus first) in posterior SDs.
    z_mean, z_sd : float
        Differences of means and of SDs in units of their Monte-Carlo standard errors.
    """

    model_id: str
    name: str
    first: str
    second: str
    mean_first: float
    mean_second: float
    sd: float
    shift_in_sd: float
    z_mean: float
    z_sd: float

    @property
    def within_error(self) -> bool:
        """Whether the difference is within Monte-Carlo error."""
        return abs(self.z_mean) <= Z_LIMIT and abs(self.z_sd) <= Z_LIMIT


def compare_engines(first: PosteriorFit, second: PosteriorFit) -> tuple[Agreement, ...]:
    """Compare every parameter of two posteriors of one model.

    Raises
    ------
    RowsDifferError
        If the fits are not of the same model, covariance type, prior and rows.
    """
    same = all(
        getattr(first, name) == getattr(second, name)
        for name in ("formula", "covariance", "prior", "x_names")
    )
    if not same or first.rows.digest != second.rows.digest:
        raise RowsDifferError(
            f"{first.engine} and {second.engine} did not fit the same model to the same rows "
            f"({first.model_id}: {first.rows.n_rows} rows; {second.model_id}: {second.rows.n_rows} rows)"
        )
    other = second.named_draws()
    return tuple(
        _compare(name, draws, other[name], first, second) for name, draws in first.named_draws().items()
    )


def _compare(name: str, a: Array, b: Array, first: PosteriorFit, second: PosteriorFit) -> Agreement:
    (mean_a, sd_a, error_a, error_sd_a), (mean_b, sd_b, error_b, error_sd_b) = (
        _moments(first, a),
        _moments(second, b),
    )
    return Agreement(
        model_id=first.model_id,
        name=name,
        first=first.engine,
        second=second.engine,
        mean_first=mean_a,
        mean_second=mean_b,
        sd=sd_a,
        shift_in_sd=(mean_b - mean_a) / sd_a if sd_a > 0.0 else math.nan,
        z_mean=_z(mean_b - mean_a, error_a, error_b),
        z_sd=_z(sd_b - sd_a, error_sd_a, error_sd_b),
    )


def _z(difference: float, first: float, second: float) -> float:
    error = math.hypot(first, second)
    if error == 0.0:
        return 0.0 if difference == 0.0 else math.inf
    return difference / error


def _moments(fit: PosteriorFit, draws: Array) -> tuple[float, float, float, float]:
    """Mean, SD and their Monte-Carlo errors; that of the SD from the error of the second moment."""
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    squares = (draws - mean) ** 2
    error = sd / math.sqrt(effective_draws(fit, draws))
    error_square = float(squares.std(ddof=1)) / math.sqrt(effective_draws(fit, squares))
    return mean, sd, error, error_square / (2.0 * sd) if sd > 0.0 else 0.0
