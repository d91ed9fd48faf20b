"""Correlated group-specific effects for Bambi, which (0.21) has independent ones only.

As in lme4 and brms, ``(x | g)`` stands for effects that correlate and ``(x || g)`` for independent ones. Nothing of
Bambi is replaced: each effect after the first has a prior whose distribution is built from the offsets of those before
it, so that building, fitting, predicting and simulating stay Bambi's own. The correlation matrix has an LKJ prior, by
its canonical partial correlations (Lewandowski, Kurowicka & Joe 2009, doi:10.1016/j.jmva.2009.04.008).

Likewise :func:`joint_normal` states one joint Normal prior for common effects of several terms, which Bambi takes one
by one. Imports Bambi and PyMC; knows nothing of studies.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import bambi
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray

_BAR = re.compile(r"\(([^()|]+)\|(\|?)([^()|]+)\)")


class CorrelatedModel(bambi.Model):  # type: ignore[misc]  # Bambi has no types
    """A Bambi model whose group-specific effects of one ``(... | group)`` correlate.

    Parameters
    ----------
    formula : str
        As for :class:`bambi.Model`; ``(x || g)`` besides, for independent effects.
    data : pandas.DataFrame
        As for :class:`bambi.Model`.
    lkj_eta : float
        Shape of the LKJ prior: 1 is uniform over correlation matrices, larger values draw correlations to zero.
    **options
        Of :class:`bambi.Model`. Priors on the SDs are those of the terms, such as
        ``{"x|g": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=1))}``.

    Raises
    ------
    ValueError
        If correlated effects are centred, not Normal, or those of a category.

    Notes
    -----
    The posterior holds a correlation for each pair of effects, such as ``1:x|g_correlation``.

    Examples
    --------
    >>> model = CorrelatedModel("y ~ x + (x | g)", frame, lkj_eta=2.0)  # doctest: +SKIP
    >>> results = model.fit()  # doctest: +SKIP
    """

    def __init__(self, formula: str, data: Any, *, lkj_eta: float = 2.0, **options: Any) -> None:
        if not lkj_eta > 0.0:
            raise ValueError(f"lkj_eta is {lkj_eta}; a number above 0 is allowed")
        plain, independent = split_bars(formula)
        super().__init__(plain, data, **options)
        self.lkj_eta = lkj_eta
        self.correlated: dict[str, tuple[str, ...]] = {}
        for component in self.conditional_parameters.values():
            for factor, names in component.group_specific_groups.items():
                if factor not in independent and len(names) > 1:
                    self._correlate(component, factor, names)

    def _correlate(self, component: Any, factor: str, names: Sequence[str]) -> None:
        terms = [component.group_specific_terms[name] for name in names]
        for term in terms:
            _check_term(term, self.noncentered)
        labels = tuple(term.name for term in terms)
        for position, term in enumerate(terms[1:], start=1):
            distribution = functools.partial(
                _correlated_effect, before=labels[:position], count=len(labels), eta=self.lkj_eta
            )
            term.prior = bambi.Prior(
                "Normal", auto_scale=False, dist=distribution, noncentered=False, **term.prior.args
            )
        self.correlated[factor] = labels


def split_bars(formula: str) -> tuple[str, frozenset[str]]:
    """Take double bars out of a formula.

    Returns
    -------
    formula : str
        With single bars.
    independent : frozenset of str
        Grouping factors whose effects stood behind a double bar.

    Examples
    --------
    >>> split_bars("y ~ x + (x || g) + (1 | h)")
    ('y ~ x + (x | g) + (1 | h)', frozenset({'g'}))
    """
    independent = {match[3].strip() for match in _BAR.finditer(formula) if match[2]}
    mixed = independent & {match[3].strip() for match in _BAR.finditer(formula) if not match[2]}
    if mixed:
        raise ValueError(
            f"{', '.join(sorted(mixed))}: correlated and independent effects of one grouping factor"
        )
    return _BAR.sub(lambda m: f"({m[1].strip()} | {m[3].strip()})", formula), frozenset(independent)


def _check_term(term: Any, noncentered: bool | Mapping[str, bool]) -> None:
    if len(term.coords) > 1:
        raise ValueError(
            f"{term.name}: correlated effects of a category are not supported; code it as numbers"
        )
    own = term.prior.noncentered
    if own is False or (own is None and noncentered is not True):
        raise ValueError(f"{term.name}: correlated effects are non-centred; leave noncentered at True")
    if term.prior.name != "Normal" or term.prior.dist is not None:
        raise ValueError(f"{term.name}: correlated effects are Normal, not {term.prior.name}")


def _correlated_effect(
    label: str, *, mu: Any, sigma: Any, dims: Any, before: tuple[str, ...], count: int, eta: float
) -> Any:
    """Build one effect out of its own offset and those of the effects before it: a row of the Cholesky factor."""
    model = pm.modelcontext(None)
    offset = pm.Normal(f"{label}_offset", 0.0, 1.0, dims=dims)
    offsets = [model[f"{name}_offset"] for name in before] + [offset]
    rows = [_cholesky_row(_pairs(name, before[:k]), model) for k, name in enumerate(before)]
    own = []
    for j, pair in enumerate(_pairs(label, before)):
        shape = eta + (count - 2 - j) / 2.0
        share = pm.Beta(f"{pair}_share", shape, shape)
        own.append(2.0 * share - 1.0)
    row = _row(own)
    for pair, earlier in zip(_pairs(label, before), rows, strict=True):
        pm.Deterministic(f"{pair}_correlation", sum(a * b for a, b in zip(earlier, row, strict=False)))
    combined = sum(weight * one for weight, one in zip(row, offsets, strict=True))
    return pm.Deterministic(label, mu + sigma * combined, dims=dims)


def _pairs(label: str, before: Sequence[str]) -> list[str]:
    """Name the pairs of an effect with those before it, such as ``1:x|g``."""
    own, factor = label.split("|")
    return [f"{name.split('|')[0]}:{own}|{factor}" for name in before]


def _cholesky_row(pairs: Sequence[str], model: Any) -> list[Any]:
    return _row([2.0 * model[f"{pair}_share"] - 1.0 for pair in pairs])


def _row(partial: Sequence[Any]) -> list[Any]:
    """Turn partial correlations into a row of the Cholesky factor of the correlation matrix."""
    row, left = [], 1.0
    for value in partial:
        row.append(value * left)
        left = left * pt.sqrt(1.0 - value**2)
    return [*row, left]


def joint_normal(
    terms: Mapping[str, Sequence[int]], mean: NDArray[np.float64], root: NDArray[np.float64]
) -> dict[str, Any]:
    """State one joint Normal prior for common effects, term by term as Bambi takes priors.

    Parameters
    ----------
    terms : mapping of str to sequence of int
        Which entries of the vector are the coefficients of a term; a single one for terms without levels.
    mean, root : ndarray, shape (p,) and (p, m)
        The coefficients are ``mean + root @ z``, z standard normal.

    Returns
    -------
    dict of str to bambi.Prior
        For ``priors`` of a model with ``center_predictors=False``.
    """
    build = functools.partial(_joint_effect, name=f"{'+'.join(terms)}_offset", mean=mean, root=root)
    return {
        term: bambi.Prior(
            "JointNormal",
            auto_scale=False,
            dist=functools.partial(build, entries=tuple(entries), single="[" not in term),
        )
        for term, entries in terms.items()
    }


def _joint_effect(
    label: str,
    *,
    name: str,
    mean: NDArray[np.float64],
    root: NDArray[np.float64],
    entries: tuple[int, ...],
    single: bool,
    dims: Any = None,
) -> Any:
    model = pm.modelcontext(None)
    known = name in model.named_vars
    offset = model[name] if known else pm.Normal(name, 0.0, 1.0, shape=(root.shape[1],))
    chosen = list(entries)
    value = mean[chosen] + pt.dot(root[chosen], offset)
    return pm.Deterministic(label, value if dims is not None else value[0], dims=dims)
