"""Reading ``[[published.related]]``, what other publications print of the same effects, and checking it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import get_args

from bayes_alliance.errors import Problem
from bayes_alliance.study.publication import Publication, RelatedRole, RelatedStudy
from bayes_alliance.study.toml_reader import TableReader


def read_related(published: TableReader) -> tuple[RelatedStudy, ...]:
    """Read the related studies of the table ``[published]``; there may be none."""
    return tuple(_related(reader) for reader in published.tables("related"))


def _related(reader: TableReader) -> RelatedStudy:
    found = RelatedStudy(
        label=reader.text("label"),
        citation=reader.text("citation"),
        model=reader.text("model"),
        coefficient=reader.text("coefficient"),
        printed=reader.text("printed"),
        factor=reader.number("factor", default=1.0),
        role=reader.text("role", choices=get_args(RelatedRole), default=""),  # type: ignore[arg-type]
        note=reader.text("note", default=""),
    )
    if found.factor == 0.0:
        reader.complain("not permitted", "factor", got="0", allowed="any other number")
    reader.finish()
    return found


def check_related(
    publication: Publication, outcomes: tuple[str, ...], fault: Callable[[str, str], str], file: str
) -> Iterator[Problem]:
    """Check that each related study speaks of an effect of this one, in a cell that can be read.

    Parameters
    ----------
    publication : Publication
        Whose ``related`` and ``heterogeneity``.
    outcomes : tuple of str
        Of the study.
    fault : callable
        Says why a model has no coefficient or estimand of a name, empty where it has.
    file : str
        Name of the study file.
    """
    for one in publication.related:
        where = f"{file}, [[published.related]] {one.label!r}"
        why = fault(one.model, one.coefficient) or ("" if one.coefficient else "no coefficient")
        if why:
            yield Problem(what=why, where=where, got=repr(f"{one.model} {one.coefficient}".strip()))
        known = one.parsed.value is not None or one.parsed.ci is not None
        spread = one.parsed.spread is not None or one.parsed.ci is not None or bool(one.parsed.tests)
        if one.fault or not (known and spread):
            allowed = one.fault or "an estimate with its SE, interval or test, such as -0.05 (0.02)"
            yield Problem(
                what="malformed 'printed'", where=where, got=repr(one.printed[:40]), allowed=allowed
            )
    keys = Counter((one.label, one.model, one.coefficient) for one in publication.related)
    for (label, model, coefficient), count in keys.items():
        if count > 1:
            where = f"{file}, [[published.related]] {label!r}"
            yield Problem(what="the study stands twice", where=where, got=repr(f"{model} {coefficient}"))
    for outcome, value in publication.heterogeneity:
        where = f"{file}, [published.heterogeneity]"
        if outcome not in outcomes:
            allowed = ", ".join(outcomes)
            yield Problem(what="not an outcome", where=where, got=repr(outcome[:40]), allowed=allowed)
        if value <= 0.0:
            yield Problem(what="not above zero", where=f"{where}, key {outcome!r}", got=f"{value:g}")
