"""One spelling of each coefficient, that of its model's formula, however a study file, a cell or a claim writes it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from bayes_alliance.study.formula import Formula, FormulaError, parse_formula
from bayes_alliance.study.records import Study


def spell_coefficients(study: Study) -> Study:
    """Spell every coefficient that is named in weights, cells and facts as the formula of its model does."""
    formulas: dict[str, Formula] = {}
    for model in study.models:
        with contextlib.suppress(FormulaError):  # said when the study is checked
            formulas[model.id] = parse_formula(model.formula)

    def spelled(model_id: str, coefficient: str) -> str:
        formula = formulas.get(model_id)
        return coefficient if formula is None else spell_coefficient(coefficient, formula)

    models = tuple(
        replace(
            m,
            estimands=tuple(
                replace(e, weights=tuple((spelled(m.id, name), weight) for name, weight in e.weights))
                for e in m.estimands
            ),
        )
        for m in study.models
    )
    cells = tuple(replace(c, coefficient=spelled(c.model, c.coefficient)) for c in study.cells)
    facts = tuple(replace(f, coefficient=spelled(f.model, f.coefficient)) for f in study.facts)
    return replace(study, models=models, cells=cells, facts=facts)


def spell_coefficient(coefficient: str, formula: Formula) -> str:
    """Return a coefficient's name as its formula spells it: ``months:arm`` and ``arm:months`` are one.

    Parameters
    ----------
    coefficient : str
        As somebody wrote it; what is no product of the formula's variables stays as it is.
    formula : Formula
        Of the model.

    Examples
    --------
    >>> from bayes_alliance.study.formula import parse_formula
    >>> spell_coefficient("months:arm[b]", parse_formula("y ~ arm*months + (1 | id)"))
    'arm[b]:months'
    """
    parts = {part.partition("[")[0].strip(): part.strip() for part in coefficient.split(":")}
    if len(parts) < 2:
        return coefficient.strip()
    term = next((term for term in formula.terms if set(term) == set(parts)), ())
    return ":".join(parts[name] for name in term) if term else coefficient
