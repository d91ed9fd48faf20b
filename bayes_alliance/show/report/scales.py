"""The scale of the outcomes that main findings are about, and which difference counts as large enough to matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayes_alliance.show.labels import unit_of
from bayes_alliance.study.records import Study, Variable


def describe_scales(study: Study, facts: Mapping[str, Any]) -> str:
    """Return in a sentence or two, for each outcome of the main findings, its scale and the smallest difference.

    Outcomes that are alike share a sentence; what the study file does not say is left out.

    Parameters
    ----------
    study : Study
        With the scales of its outcomes.
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    """
    named = {
        str(part["about"]) for claim in facts["claims"] if claim["main"] for part in claim["printed"]["parts"]
    }
    alike: dict[str, list[str]] = {}
    for outcome in study.outcomes:
        variable = study.variable(outcome)
        if variable.label in named and isinstance(variable, Variable):
            alike.setdefault(_describe(study, variable), []).append(variable.label)
    return " ".join(f"{', '.join(labels)}: {said}." for said, labels in alike.items() if said)


def _describe(study: Study, variable: Variable) -> str:
    instrument = {name: one.instrument for one in study.scoring for name in one.subscales}.get(variable.name)
    unit = unit_of(study, variable.name)
    said = [f"scores of the {instrument}"] if instrument else []
    if variable.minimum is not None and variable.maximum is not None:
        said.append(f"from {variable.minimum:g} to {variable.maximum:g} {unit}")
    size = dict(study.publication.smallest_difference).get(variable.name)
    if size is None:
        return " ".join(said)
    steps = "" if variable.step is None else f"; scores move in steps of {variable.step:g}"
    matters = (
        f"a difference counts as large enough to matter from {size:g} {unit} on (declared before any fit; for changes, "
        f"over {study.horizon:g} {study.time_unit}{steps})"
    )
    return f"{' '.join(said)}; {matters}" if said else matters
