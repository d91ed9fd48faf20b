"""The commands that list what there is: ``studies`` and ``models``."""

from __future__ import annotations

import argparse
from typing import Any

from bayes_alliance.cli.options import add_json, add_study, check_json, give_json
from bayes_alliance.errors import printable


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
    listed = [
        {"id": s.id, "title": s.title, "source": s.data.source.value, "models": len(s.models)}
        for s in studies
    ]
    if not give_json(options, listed):
        for study in studies:
            default = f"{len(study.models)} models; default input: {study.data.source.value}"
            print(f"{study.id:<14} {study.title} ({default})")
    return 0


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
