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
    studies.add_argument(
        "--verdicts",
        action="store_true",
        help="also judge each study's claims from its printed numbers alone, under its default prior (seconds)",
    )
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
    verdicts = {study.id: _verdicts(study) if options.verdicts else {} for study in studies}
    listed = [
        _describe(study) | ({"verdicts_by_print": verdicts[study.id]} if options.verdicts else {})
        for study in studies
    ]
    if not give_json(options, listed):
        for study in studies:
            tally = ", ".join(f"{count} {verdict}" for verdict, count in verdicts[study.id].items())
            facts = [*_facts(study), *([f"claims by print alone: {tally}"] if tally else [])]
            print(f"{study.id:<16} {study.title} ({'; '.join(facts)})")
    return 0


def _verdicts(study: Study) -> dict[str, int]:
    """Count the verdicts on a study's claims by its printed numbers alone; empty without claims or priors."""
    from collections import Counter

    from bayes_alliance.assess.verdict_words import Verdict
    from bayes_alliance.claims.choices_file import load_choices
    from bayes_alliance.claims.from_printed import PrintedEvaluator
    from bayes_alliance.claims.ledger_file import load_claims
    from bayes_alliance.runtime.seeds import DEFAULT_SEED

    if not study.priors or not (study.folder / "claims.toml").exists():
        return {}
    ledger = load_claims(study, load_choices(study))
    judged = PrintedEvaluator(study, seed=DEFAULT_SEED, prior=study.priors[0].name).judge_ledger(ledger)
    counts = Counter(one.verdict for one in judged)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


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
    from bayes_alliance.show.format_numbers import format_count

    known = _describe(study)
    facts = [format_count(known["models"], "model"), f"default input: {known['source']}"]
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
