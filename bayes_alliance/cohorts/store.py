"""Cohorts on disk: Parquet with the stamp synthetic, the seed, the scorecard and the assumptions in its metadata.

What carries no such stamp is not read as a cohort, so that synthetic rows cannot be taken for patients' nor the other
way round. Files appear under their name only when they are whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bayes_alliance import __version__
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.data.readers.parquet_file import read_batches
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.data.text_table import MAX_BYTES
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import Source, Study

_KEY = b"bayes_alliance"
_PACKED = b"bayes_alliance.packed"
_LONG = ("lines", "estimates", "traits", "comparisons")
STAMP = "synthetic: simulated to agree with printed tables; no patient's data"
DESIGN_STAMP = "synthetic outcomes; visit times and predictors are real patients'"


@dataclass(frozen=True, kw_only=True)
class StoredCohort:
    """A cohort read back.

    Parameters
    ----------
    path : Path
        Where it lies.
    frame : pandas.DataFrame
        Its data file.
    facts : mapping of str to object
        What its metadata say: seed, key, scorecard, traits, estimates.
    """

    path: Path
    frame: pd.DataFrame
    facts: Mapping[str, Any]

    def data(self, study: Study) -> StudyData:
        """Return the rows as the models read them, marked as synthetic."""
        origin = f"synthetic cohort {self.path.stem}, seed {self.facts['seed']}"
        if self.facts.get("stamp") == DESIGN_STAMP:
            origin += f": {DESIGN_STAMP}"
        return data_from_frame(study, self.frame, source=Source.SYNTHETIC, origin=origin)


def cohort_key(study: Study, plan: CohortPlan | None, design: str = "") -> str:
    """Digest of what a cohort is built from: what is printed, of which models, on which scales, and the plan.

    Without a plan it is the digest of the data whose design was taken.

    Labels and notes are left out, so that better words do not make a cohort stale.
    """
    scales = [(v.name, v.kind, v.minimum, v.maximum, v.step, v.categories) for v in study.variables]
    derived = [(d.name, d.rule, d.of, d.value, d.categories) for d in study.derived]
    models = [
        (m.id, m.formula, m.where, m.reference, [(e.name, e.weights) for e in m.estimands])
        for m in study.models
    ]
    cells = [
        (c.table, c.row, c.column, c.printed, c.quantity, c.model, c.coefficient, c.variable, c.group)
        for c in study.cells
    ]
    facts = [
        (f.id, f.printed, f.quantity, f.group, f.model, f.coefficient, f.sign, f.at_least, f.than)
        for f in study.facts
    ]
    rules = (study.publication.rounding, study.publication.star_rules, study.horizon)
    what = (study.id, scales, derived, models, cells, facts, rules, plan or design)
    return hashlib.sha256(repr(what).encode()).hexdigest()


def write_cohort(path: Path, frame: pd.DataFrame, facts: Mapping[str, Any], *, stamp: str = STAMP) -> None:
    """Write a cohort with its facts; the file appears when it is whole.

    Parameters
    ----------
    path : Path
        ``*.parquet``.
    frame : pandas.DataFrame
        Its data file.
    facts : mapping of str to object
        JSON-ready; scorecard and estimates are packed.
    stamp : str
        What the rows are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    plain = {"stamp": stamp, "version": __version__} | {k: v for k, v in facts.items() if k not in _LONG}
    packed = {name: facts[name] for name in _LONG if name in facts}
    metadata = {
        _KEY: json.dumps(plain, sort_keys=True).encode(),
        # Scorecard and estimates are long and repeat themselves, and Parquet does not compress metadata.
        _PACKED: base64.b64encode(zlib.compress(json.dumps(packed, sort_keys=True).encode(), 9)),
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    pq.write_table(table.replace_schema_metadata(metadata), part, compression="zstd")
    part.replace(path)


def read_cohort(path: Path) -> StoredCohort:
    """Read a cohort back.

    Raises
    ------
    InputError
        If the file is no Parquet file or bears no stamp.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Cohorts come with a study that somebody sent: a pipe is not waited for, a bomb not unpacked.
        if not path.is_file():
            raise OSError("no regular file")
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.metadata or {}
            table = read_batches(file, path.name)
        packed = zlib.decompressobj().decompress(base64.b64decode(found[_PACKED]), MAX_BYTES)
        facts = json.loads(found[_KEY]) | json.loads(packed)
        frame = table.to_pandas()
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, RecursionError, zlib.error) as error:
        what = "no cohort of this package (not Parquet, or without its stamp)"
        raise InputError(path.name, [Problem(what=what, got=type(error).__name__)]) from error
    return StoredCohort(path=path, frame=frame, facts=facts)


def list_cohorts(folder: Path) -> list[Path]:
    """List the cohort files of a folder, in order."""
    return sorted(folder.glob("cohort_*.parquet"))


def load_ensemble(study: Study, folder: Path) -> Iterator[StoredCohort]:
    """Read the cohorts of a folder that were built for this study as it stands, one by one; others are left aside.

    Raises
    ------
    InputError
        If a file is no cohort.
    """
    key = cohort_key(study, load_cohort_plan(study))
    for path in list_cohorts(folder):
        cohort = read_cohort(path)
        if cohort.facts.get("key") == key:
            yield cohort
