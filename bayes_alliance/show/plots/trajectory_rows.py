"""Fixed-effects rows of a mean trajectory, from the names of a model's coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayes_alliance.inference.fits import Array


def trajectory_rows(
    x_names: Sequence[str], times: Array, values: Mapping[str, float | str], *, time: str
) -> Array:
    """Build the fixed-effects rows of a mean trajectory from the names of the coefficients.

    Parameters
    ----------
    x_names : sequence of str
        As Bambi spells them: ``Intercept``, ``months``, ``poor``, ``group[b]``, ``months:group[b]``.
    times : ndarray, shape (n,)
        In the study's unit of time.
    values : mapping of str to float or str
        Values of predictors: a number, or the level of a category. Predictors not named are held at 0, a
        category at its reference level.
    time : str
        Name of the time variable.

    Returns
    -------
    ndarray, shape (n, p)

    Raises
    ------
    ValueError
        If a category is given a number or a number a level.

    Examples
    --------
    >>> trajectory_rows(("Intercept", "t", "t:g[b]"), np.array([0.0, 2.0]), {"g": "b"}, time="t")
    array([[1., 0., 0.],
           [1., 2., 2.]])
    """
    columns = [_column(name, times, values, time) for name in x_names]
    return np.column_stack(columns)


def _column(name: str, times: Array, values: Mapping[str, float | str], time: str) -> Array:
    column = np.ones(len(times))
    for part in name.split(":"):
        variable, _, level = part.partition("[")
        if part == "Intercept":
            continue
        if part == time:
            column = column * times
        elif level:
            column = column * _is_level(variable, values.get(variable), level.removesuffix("]"))
        else:
            column = column * _number(variable, values.get(variable, 0.0))
    return column


def _is_level(variable: str, value: float | str | None, level: str) -> float:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{variable} is a category; give the name of a level, not {value}")
    return float(value == level)


def _number(variable: str, value: float | str) -> float:
    if isinstance(value, str):
        raise ValueError(f"{variable} is a number, not the level {value!r}")
    return float(value)
