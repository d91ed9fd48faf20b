"""The commands that list what there is: ``studies`` and ``models``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.options import add_json, add_study, check_json, give_json
from bayes_alliance.errors import printable

if TYPE_CHECKING:
    from bayes_alliance.study.records import Study


def add_commands(commands: Any) -> None:
    """Add ``studies`` and ``models`` to the commands of the parser."""
    studies = commands.add_parser("studies", help="list the studies that ship with the package")
    add_json(studies)
    studies.set_defaults(run=_studies)
    models = commands.add_parser(
        "models",
        help="list the models of a study",
        description="List the models of a study: id, label, formula.",
    )
    add_study(models)
    add_json(models)
    models.set_defaults(run=_models)


def _studies(options: argparse.Namespace) -> int:
    from bayes_alliance.study.load_study import list_studies, load_study

    check_json(options)
    studies = [load_study(name) for name in list_studies()]
    if not give_json(options, [_describe(study) for study in studies]):
        for study in studies:
            print(f"{study.id:<16} {study.title} ({'; '.join(_facts(study))})")
    return 0


def _describe(study: Study) -> dict[str, Any]:
    """Return what the list says of a study, for programs."""
    from bayes_alliance.published.patient_counts import all_patients

    return {
        "id": study.id,
        "title": study.title,
        "source": study.data.source.value,
        "models": len(study.models),
        "design": study.design,
        "patients_printed": all_patients(study),
        "cells": len(study.cells),
        "licence": study.data.licence,
    }


def _facts(study: Study) -> list[str]:
    """Return what the list says of a study, in words: models, default input, design, N and cells as printed, data."""
    known = _describe(study)
    facts = [f"{known['models']} models", f"default input: {known['source']}"]
    facts += [str(known["design"])] if known["design"] else []
    facts += [f"N {known['patients_printed']} printed"] if known["patients_printed"] else []
    facts += [f"{known['cells']} printed cells"] if known["cells"] else ["no printed cells"]
    return [*facts, *([f"data: {known['licence']}"] if known["licence"] else [])]


def _models(options: argparse.Namespace) -> int:
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    listed = [
        {
            "id": model.id,
            "label": model.label,
            "outcome": model.outcome,
            "formula": model.formula,
            "where": model.where,
            "estimands": [estimand.name for estimand in model.estimands],
        }
        for model in study.models
    ]
    if not give_json(options, listed):
        width = max(len(model.id) for model in study.models)
        for model in study.models:
            print(printable(f"{model.id:<{width}}  {model.label}: {model.formula}"))
    return 0
