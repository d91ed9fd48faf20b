"""How many patients there were: counts as stated or worked out, and how precisely a predictor can be told.

What the text says of group sizes and what Table-1-like percentages imply for a predictor decides how large a
standard error is relative to another one; nothing else of the patients is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayes_alliance.study.publication import Fact
from bayes_alliance.study.records import Cell, Derived, Study


def fact(study: Study, fact_id: str) -> Fact:
    """Return the fact of this id (KeyError where there is none; loading checks that)."""
    return {f.id: f for f in study.facts}[fact_id]


def count_of(study: Study, stated: Fact) -> int:
    """Return the whole number that a count states or that follows from others."""
    if stated.derived:
        return sum(sign * count_of(study, fact(study, name)) for sign, name in stated.derived)
    value = stated.parsed.value
    assert value is not None
    return int(value.value)


def group_sizes(study: Study, group: str) -> tuple[int, ...]:
    """Return every size that is stated for a subgroup or follows from stated counts, largest first."""
    sizes = {count_of(study, f) for f in study.facts if f.quantity == "count" and f.group == group}
    return tuple(sorted(sizes, reverse=True))


def all_patients(study: Study) -> int | None:
    """Return the number of patients of the first stated sample, or None."""
    samples = study.publication.samples
    return count_of(study, fact(study, samples[0].count)) if samples else None


def mean_assessments(study: Study) -> float | None:
    """Return the stated mean number of rows of a patient, or None."""
    stated = study.publication.assessments
    value = fact(study, stated).parsed.value if stated else None
    return None if value is None else float(value.value)


def groups(study: Study) -> tuple[str, ...]:
    """Return the names of the subgroups of the descriptive table."""
    group = study.every_variable.get(study.descriptive_group)
    return group.categories if group is not None else ()


@dataclass(frozen=True, kw_only=True)
class Precision:
    r"""How precisely an estimand can be told from the patients behind it.

    Parameters
    ----------
    variance : float
        Squared standard error for patients of variance one: for groups :math:`\sum_c w_c^2/n_c`, for a
        numeric predictor :math:`1/(N s^2)`. A coefficient's squared SE is about proportional to it within
        one outcome and one role (level or slope), as designs differ little.
    fewest : int
        Patients in the smallest group that it contrasts; all patients for a numeric predictor.
    """

    variance: float
    fewest: int


def precision(study: Study, weights: Mapping[str, float]) -> Precision | None:
    """Return the precision of an estimand; None where the printed numbers do not tell.

    Parameters
    ----------
    weights : mapping of str to float
        Coefficients and weights of the estimand.
    """
    stripped: dict[str, float] = {}
    for column, weight in weights.items():
        parts = [part for part in column.split(":") if part != study.time]
        if len(parts) != 1 or column == "Intercept":
            return None
        stripped[parts[0]] = stripped.get(parts[0], 0.0) + weight
    names = {part.split("[")[0] for part in stripped}
    return _of_variable(study, names.pop(), stripped) if len(names) == 1 else None


def _of_variable(study: Study, name: str, weights: Mapping[str, float]) -> Precision | None:
    variable = study.every_variable[name]
    if isinstance(variable, Derived) and variable.rule == "offset":
        return _of_variable(study, variable.of[0], {variable.of[0]: sum(weights.values())})
    if isinstance(variable, Derived) and variable.rule == "cross":
        return _of_groups(_used_sizes(study, variable, weights))
    weight = sum(weights.values())
    if variable.kind == "binary":
        sizes = _binary_sizes(study, name)
        return _of_groups([(weight, n) for n in sizes] if sizes else None)
    spread = _numeric_spread(study, name)
    return None if spread is None else Precision(variance=weight**2 / spread[1], fewest=spread[0])


def _of_groups(parts: Sequence[tuple[float, int]] | None) -> Precision | None:
    if not parts or min(n for _, n in parts) <= 0:
        return None
    return Precision(variance=sum(w**2 / n for w, n in parts), fewest=min(n for _, n in parts))


def cross_sizes(study: Study, variable: Derived) -> tuple[int, ...] | None:
    """Return the patients in each cell of a crossed factor of the study's subgroups; None where it is not printed.

    Parameters
    ----------
    variable : Derived
        Rule ``cross``; cells in the order of its categories.
    """
    first, second = variable.of
    if first != study.descriptive_group:
        return None
    sizes: list[int] = []
    for group in groups(study):
        total, share = _size(study, group), _share(study, second, group)
        if total is None or share is None:
            return None
        positive = round(total * share)
        sizes += [total - positive, positive]
    return tuple(sizes)


def _used_sizes(
    study: Study, variable: Derived, weights: Mapping[str, float]
) -> list[tuple[float, int]] | None:
    """Weights and sizes of the cells of a crossed factor that are used; the reference takes what is left."""
    sizes = cross_sizes(study, variable)
    if sizes is None:
        return None
    contrast = [weights.get(f"{variable.name}[{category}]", 0.0) for category in variable.categories]
    contrast[0] -= sum(contrast)
    return [(w, n) for w, n in zip(contrast, sizes, strict=True) if w != 0.0]


def _size(study: Study, group: str) -> int | None:
    sizes = group_sizes(study, group)
    return sizes[-1] if sizes else None


def _binary_sizes(study: Study, name: str) -> tuple[int, int] | None:
    """Patients without and with a binary variable."""
    totals = [_size(study, group) for group in groups(study)]
    known = [total for total in totals if total is not None]
    if len(known) < 2:
        return None
    if name == study.descriptive_group:
        return known[0], known[1]
    shares = [_share(study, name, group) for group in groups(study)]
    if any(share is None for share in shares):
        return None
    positive = sum(round(n * share) for n, share in zip(known, shares, strict=True) if share is not None)
    return sum(known) - positive, positive


def _share(study: Study, name: str, group: str) -> float | None:
    cell = _descriptive(study, name, group, "percent")
    value = cell.parsed.value if cell else None
    return None if value is None else float(value.value) / 100.0


def _numeric_spread(study: Study, name: str) -> tuple[int, float] | None:
    """N, and N times the variance, of a numeric variable over both groups, from means and SDs."""
    parts = []
    for group in groups(study):
        cell, size = _descriptive(study, name, group, "mean_sd"), _size(study, group)
        if cell is None or size is None:
            return None
        printed = cell.parsed
        if printed.value is None or printed.spread is None:
            return None
        parts.append((size, float(printed.value.value), float(printed.spread.value)))
    if not parts:
        return None
    total = sum(n for n, _, _ in parts)
    mean = sum(n * m for n, m, _ in parts) / total
    spread = sum(n * (s**2 + (m - mean) ** 2) for n, m, s in parts)
    return (total, spread) if spread > 0.0 else None


def _descriptive(study: Study, name: str, group: str, quantity: str) -> Cell | None:
    found = [c for c in study.cells if (c.variable, c.group, c.quantity) == (name, group, quantity)]
    return found[0] if found else None
