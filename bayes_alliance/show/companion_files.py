"""Which files other commands leave beside a run, and whether they are still the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

CLAIMS_FILE = "claims.json"


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a command leaves its results.

    Parameters
    ----------
    key, title : str
        Of the section.
    folder : str
        Under the run's folder.
    command : str
        That makes them.
    """

    key: str
    title: str
    folder: str
    command: str


ROOMS = (
    Room(key="claims", title="Claims of the publication", folder="claims", command="claims"),
    Room(
        key="stress", title="Stress tests: what would overturn the claims", folder="stress", command="stress"
    ),
    Room(
        key="simulations",
        title="Simulations: calibration, power and approaches compared",
        folder="simulate",
        command="simulate",
    ),
)
# What a command keeps to go on with, and no result.
_STORES = frozenset({"multiverse", "cache", "posteriors"})


def digest_companions(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of other commands that the report shows, by path below the run's folder."""
    places = [folder / room.folder for room in ROOMS]
    paths = [path for place in places for path in (*files_of(place), place / CLAIMS_FILE)]
    return {path.relative_to(folder).as_posix(): _digest(path) for path in paths if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_of(place: Path) -> list[Path]:
    """Tables (CSV that is no figure's numbers) and drawings of a folder and of the folders in it."""
    found = [*place.glob("*.csv"), *place.glob("*.svg"), *place.glob("*/*.csv"), *place.glob("*/*.svg")]
    return sorted(
        path
        for path in found
        if not _STORES & set(path.relative_to(place).parts)
        and (path.suffix == ".svg" or not path.with_suffix(".svg").exists())
    )
