"""How claims are judged, and where finished parts of it are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bayes_alliance.claims.tasks import Rows
from bayes_alliance.data.rows import StudyData

Depth = Literal["verdicts", "priors", "main", "full"]


@dataclass(frozen=True, kw_only=True)
class ClaimsSettings:
    """What to run and how.

    Parameters
    ----------
    seed : int
        The one number that all randomness comes from.
    jobs : int
        Processes.
    draws : int
        Of each posterior outside of the multiverse.
    depth : {"verdicts", "priors", "main", "full"}
        *verdicts*: every source under the default prior. *priors*: also the prior suite, power-scaling and ML beside
        Bayes. *main*: the same for the main findings only, and the removal of patients. *full*: that for every claim,
        and the multiverse.
    """

    seed: int = 2020
    jobs: int = 1
    draws: int = 4000
    depth: Depth = "full"


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where finished tasks are kept, and what they depend on besides their names.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    record : str
        Of :func:`bayes_alliance.claims.multiverse.make_record`.
    """

    folder: Path | None
    record: str

    def within(self, name: str) -> Path | None:
        """Return the folder of one stage."""
        return None if self.folder is None else self.folder / name


def name_rows(rows: Rows) -> str:
    """Name the rows at hand in the keys of tasks: the cohort, or the start of the data's digest."""
    return rows.digest[:12] if isinstance(rows, StudyData) else rows.stem
