"""Numbers computed from fits, kept beside the posteriors while nothing that they follow from has changed.

Scores, checks and summaries take longer than to read them; a figure in another style needs none of them anew. A
record is taken from its file only if study, rows, draws, settings, versions and the code that computes are those
of now, and the file is as it was left. Files are JSON: nothing in them can execute code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from bayes_alliance.assess.bayes_factors import BayesFactorCurve, BayesFactorPoint
from bayes_alliance.assess.check_record import Check
from bayes_alliance.assess.engine_agreement import Agreement
from bayes_alliance.assess.explained_variation import ExplainedVariation
from bayes_alliance.assess.loo import Score
from bayes_alliance.assess.posterior_predictive import PredictiveStatistic
from bayes_alliance.assess.prior_conflict import PriorConflict
from bayes_alliance.assess.summaries import Quantity, Summary
from bayes_alliance.inference.fits import Effect, MixedFit, RowsUsed
from bayes_alliance.inference.ml import LikelihoodRatio
from bayes_alliance.run.results import ModelNumbers, PredictiveResult, ScoredModel
from bayes_alliance.runtime.code_digest import code_digest
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.study.records import Source

FORMAT = 1
_RECORDS = {
    record.__name__: record
    for record in (
        Agreement,
        PriorConflict,
        BayesFactorCurve,
        BayesFactorPoint,
        Check,
        Effect,
        ExplainedVariation,
        LikelihoodRatio,
        MixedFit,
        ModelNumbers,
        PredictiveResult,
        PredictiveStatistic,
        PriorConflict,
        Quantity,
        RowsUsed,
        Score,
        ScoredModel,
        Summary,
    )
}
_PACKAGES = ("bayes-alliance", "arviz-stats", "formulae", "numpy", "pandas", "scipy")


def identify_numbers(*, study: str, data: str, settings: str) -> str:
    """Digest everything that all numbers of a run follow from.

    Parameters
    ----------
    study, data : str
        All that the study says, and a digest of the rows; neither is kept as it is.
    settings : str
        How fits are made and judged.

    Returns
    -------
    str
        SHA-256.
    """
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    parts = (
        str(FORMAT),
        study,
        data,
        settings,
        *versions,
        f"Python {platform.python_version()} {platform.machine()}",
        code_digest("bayes_alliance.run.judge_model", "bayes_alliance.run.score_model"),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class NumberStore:
    """The numbers kept of one run.

    Parameters
    ----------
    folder : Path or None
        Where; None keeps nothing.
    identity : str
        Of :func:`identify_numbers`.
    """

    folder: Path | None
    identity: str

    def find(self, name: str, *, follows: str) -> Any:
        """Return the record kept under a name, None where there is none or it is not the one asked for.

        Parameters
        ----------
        name : str
            Of the file, without its ending.
        follows : str
            Digest of what this record follows from besides.
        """
        if self.folder is None:
            return None
        try:
            raw = (self.folder / f"{name}.json").read_bytes()
            head, _, body = raw.partition(b"\n")
            about = json.loads(head)
            if about != self._about(follows, body):
                return None
            return decode_record(json.loads(body))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Not there, or damaged: it is computed.
            return None

    def keep(self, name: str, record: Any, *, follows: str) -> None:
        """Keep a record under a name.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        if self.folder is None:
            return
        body = json.dumps(encode_record(record))
        about = self._about(follows, body.encode())
        write_whole(self.folder / f"{name}.json", f"{json.dumps(about)}\n{body}")

    def make[**P, R](
        self, name: str, follows: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return the record kept under a name, or make it by a function and keep it."""
        found = self.find(name, follows=follows)
        if found is not None:
            return cast(R, found)
        made = function(*args, **kwargs)
        self.keep(name, made, follows=follows)
        return made

    def _about(self, follows: str, body: bytes) -> dict[str, str]:
        return {"identity": self.identity, "follows": follows, "sha256": hashlib.sha256(body).hexdigest()}


def encode_record(value: Any) -> Any:
    """Turn nested frozen records into plain JSON that :func:`decode_record` turns back, every bit the same.

    Raises
    ------
    TypeError
        For anything that is not a known record, an array, a mapping with names, a sequence or a plain value.
    """
    if isinstance(value, Source):
        return {"source": value.value}
    if isinstance(value, np.generic):
        return encode_record(value.item())
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "shape": list(value.shape), "dtype": value.dtype.str}
    if isinstance(value, tuple):
        return {"tuple": [encode_record(item) for item in value]}
    if isinstance(value, list):
        return [encode_record(item) for item in value]
    if isinstance(value, Mapping):
        return {"mapping": {_name(key): encode_record(item) for key, item in value.items()}}
    kind = type(value).__name__
    if _RECORDS.get(kind) is type(value):
        fields = {f.name: encode_record(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"record": kind, "fields": fields}
    raise TypeError(f"a {kind} cannot be kept")


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the name {key!r} of a mapping is not text")
    return key


def decode_record(value: Any) -> Any:
    """Turn what :func:`encode_record` made into the records it was made of.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is nothing that could have been made so.
    """
    if isinstance(value, list):
        return [decode_record(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "record" in value:
        fields = {name: decode_record(item) for name, item in value["fields"].items()}
        return _RECORDS[value["record"]](**fields)
    if "array" in value:
        return np.array(value["array"], dtype=np.dtype(value["dtype"])).reshape(value["shape"])
    if "tuple" in value:
        return tuple(decode_record(item) for item in value["tuple"])
    if "source" in value:
        return Source(value["source"])
    return {name: decode_record(item) for name, item in value["mapping"].items()}
