"""Tables ``[[published.ends]]`` and ``[[published.shares]]``: how numbers of the text are counted in data; visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from bayes_alliance.errors import Problem
from bayes_alliance.study.publication import Fact, Publication, StatedEnds, StatedShare
from bayes_alliance.study.records import Study
from bayes_alliance.study.toml_reader import TableReader


def read_ends(reader: TableReader) -> StatedEnds:
    """Read one table ``[[published.ends]]``."""
    ends = StatedEnds(outcome=reader.text("outcome"), first=reader.text("first"), last=reader.text("last"))
    reader.finish()
    return ends


def read_share(reader: TableReader) -> StatedShare:
    """Read one table ``[[published.shares]]``."""
    share = StatedShare(
        fact=reader.text("fact"),
        variable=reader.text("variable"),
        category=reader.text("category"),
        within=reader.text("within", default=""),
        within_category=reader.text("within_category", default=""),
    )
    reader.finish()
    return share


def check_stated(study: Study, file: str) -> Iterator[Problem]:
    """Check that facts, outcomes, variables and categories that these tables name exist."""
    facts = {fact.id: fact for fact in study.facts}
    for ends in study.publication.ends:
        place = f"{file}, [[published.ends]]"
        if ends.outcome not in study.outcomes:
            allowed = ", ".join(study.outcomes)
            yield Problem(what="not an outcome", where=place, got=repr(ends.outcome[:40]), allowed=allowed)
        for name in (ends.first, ends.last):
            yield from _check_fact(facts, name, "mean_sd", place)
    yield from _check_shares(study, study.publication, facts, file)


def _check_shares(
    study: Study, publication: Publication, facts: Mapping[str, Fact], file: str
) -> Iterator[Problem]:
    place = f"{file}, [[published.shares]]"
    for share in publication.shares:
        yield from _check_fact(facts, share.fact, "percent", place)
        pairs = [(share.variable, share.category)]
        if share.within or share.within_category:
            pairs.append((share.within, share.within_category))
        for name, category in pairs:
            variable = study.every_variable.get(name)
            if variable is None or variable.level != "patient":
                yield Problem(what="not a patient-level variable", where=place, got=repr(name[:40]))
            elif category not in variable.categories:
                allowed = ", ".join(variable.categories) or "none: it has no categories"
                yield Problem(
                    what=f"not a category of {name!r}", where=place, got=repr(category[:40]), allowed=allowed
                )


def _check_fact(facts: Mapping[str, Fact], name: str, quantity: str, place: str) -> Iterator[Problem]:
    if name not in facts or facts[name].quantity != quantity:
        kind = "percentage" if quantity == "percent" else "mean"
        yield Problem(what=f"not the id of a {kind}", where=place, got=repr(name[:60]))


def read_visits(table: TableReader) -> tuple[float, ...]:
    """Read the times of the scheduled assessments."""
    found = table.take("visits", (list,), "a list of rising numbers", [], False)
    numeric = all(isinstance(time, int | float) and not isinstance(time, bool) for time in found)
    if not numeric or any(later <= earlier for earlier, later in pairwise(found)):
        table.complain("not permitted", "visits", allowed="rising numbers, one for each scheduled assessment")
        return ()
    return tuple(float(time) for time in found)
