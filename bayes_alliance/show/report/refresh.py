"""Refresh the page of a run once another command has made claims, stress tests or simulations beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.published.audit import Audit
from bayes_alliance.published.reading_weights import WeighedReading
from bayes_alliance.run.manifest import write_manifest
from bayes_alliance.runtime.files import alone_in, write_whole
from bayes_alliance.runtime.own_files import is_own, note_files
from bayes_alliance.show.companion_files import CLAIMS_FILE, ROOMS, digest_companions
from bayes_alliance.show.id_names import name_page
from bayes_alliance.show.report.companions import read_claims, read_companions
from bayes_alliance.show.report.first_screen import build_first_screen
from bayes_alliance.show.report.page import refresh_page
from bayes_alliance.study.records import Study

PAGE = "report.html"


def mark_study(study: Study) -> str:
    """Return what a page says of its study, by which it is told from another study's page."""
    return f"{study.id} {study.digest[:12]}"


def refresh_report(
    folder: Path, study: Study, audit: Audit | None, readings: Sequence[WeighedReading] = ()
) -> Path | None:
    """Refresh the parts of a run's page that rest on claims, stress tests and simulations.

    Parameters
    ----------
    folder : Path
        Of the run.
    study : Study
        Whose page it has to be.
    audit : Audit or None
        Of its printed numbers.
    readings : sequence of WeighedReading
        Of its publication.

    Returns
    -------
    Path or None
        The page; None where there is none, or only that of another study or of an older version of this one, or one
        that was changed by hand.
    """
    path = folder / PAGE
    if not path.is_file() or not is_own(path):
        return None
    with alone_in(folder):
        page = path.read_text(encoding="utf-8")
        if f'<meta name="study" content="{mark_study(study)}">' not in page:
            return None
        facts, _, _ = read_claims(folder / ROOMS[0].folder / CLAIMS_FILE, "")
        first = None
        if facts is not None:
            first = build_first_screen(facts, study=study, results=None, audit=audit, readings=readings)
        companions = {one.key: one for one in read_companions(folder, study)}
        write_whole(path, refresh_page(page, first, companions, name_page(study, facts)))
        _update_manifest(folder, path)
        note_files(folder, [path, folder / "manifest.json"])
    return path


def _update_manifest(folder: Path, page: Path) -> None:
    """Keep the manifest true: what the page shows now, and its digest."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
        manifest["files"][PAGE] = hashlib.sha256(page.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # a page of printed numbers alone has no manifest
    manifest["companions"] = digest_companions(folder)
    write_manifest(manifest, path)
