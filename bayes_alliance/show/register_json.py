"""Every registered claim as one record for machines: what is asserted, where it comes from, and who says so.

The three parts are those of a nanopublication (Groth, Gibson & Velterop 2010, doi:10.3233/ISU-2010-0613): assertion,
provenance, publication information. Verdicts have the form of ``claims.json``. Holds nothing of single patients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bayes_alliance import __version__
from bayes_alliance.claims.register import RegisterEntry, VerdictAgreement
from bayes_alliance.run.manifest import json_ready
from bayes_alliance.show.claims_json import result_json

SCHEMA = 2
FILE = "register.json"


def register_json(entries: Sequence[RegisterEntry], seed: int) -> dict[str, Any]:
    """Return a record of every claim of the register, as JSON-ready values.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        After their blind tests.
    seed : int
        Of the run.

    Returns
    -------
    dict
        ``schema`` and ``records``: each with ``id`` (study and claim), ``assertion`` (the finding and its verdicts by
        print alone, by the mixture over drawn data sets and by the data), ``provenance`` (publication, data, digests,
        what was drawn, prior, seed) and ``publication`` (what made the record).
    """
    records = [_record(entry, one, seed) for entry in entries for one in entry.verdicts]
    ready: dict[str, Any] = json_ready({"schema": SCHEMA, "records": records})
    return ready


def register_text(entries: Sequence[RegisterEntry], seed: int) -> str:
    """Return the records as the text of a file."""
    return json.dumps(register_json(entries, seed), indent=1, ensure_ascii=False) + "\n"


def _record(entry: RegisterEntry, one: VerdictAgreement, seed: int) -> dict[str, Any]:
    study, claim = entry.study, one.claim
    return {
        "id": f"{study.id}#{claim.id}",
        "assertion": {
            "study": study.id,
            "claim": claim.id,
            "says": claim.says,
            "main": claim.main,
            "note": claim.note,
            "published": claim.published,
            "printed": result_json(study, claim, one.printed),
            "mixture": result_json(study, claim, one.mixture) if one.mixture else None,
            "real": result_json(study, claim, one.real),
            "agree": one.agree if one.both else None,
            "mixture_agrees": one.mixture_agrees if one.mixture_judges else None,
            "reason": one.reason,
        },
        "provenance": {
            "title": study.title,
            "citation": study.citation,
            "doi": study.doi,
            "place": claim.place,
            "design": study.design,
            **_rows_json(entry),
            "study_digest": study.digest,
            "ledger_digest": entry.ledger_digest,
            "prior": study.priors[0].name,
            "seed": seed,
        },
        "publication": {"made_by": f"bayes_alliance {__version__}", "licence": "BSD-3-Clause"},
    }


def _rows_json(entry: RegisterEntry) -> dict[str, Any]:
    """Return what is said of the real rows and of the drawn ones."""
    study = entry.study
    return {
        "data": {
            "citation": study.data.citation,
            "licence": study.data.licence,
            "patients": entry.n_patients,
            "rows": entry.n_rows,
            "digest": entry.data_digest,
        },
        "mixture": {
            "data_sets": entry.mixture.data_sets,
            "assumed": entry.mixture.assumed,
            "reason": entry.mixture.reason,
        },
    }
