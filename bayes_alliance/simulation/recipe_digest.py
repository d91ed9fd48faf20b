"""What the result of a simulated study depends on, as one digest: recipe and engines' versions."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance import __version__


def digest(*parts: object) -> str:
    """SHA-256 of records, arrays, tuples, mappings, numbers and text; data frames count by their owner's digest.

    Raises
    ------
    TypeError
        For anything else, whose text might not say all of it.
    """
    found = hashlib.sha256()
    for part in (*parts, __version__):
        _add(found, part)
    return found.hexdigest()


def _add(found: Any, part: object) -> None:
    if isinstance(part, np.ndarray):
        found.update(f"{part.dtype}{part.shape}".encode())
        found.update(np.ascontiguousarray(part).tobytes())
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        for field in dataclasses.fields(part):
            if type(getattr(part, field.name)).__name__ != "DataFrame":
                found.update(field.name.encode())
                _add(found, getattr(part, field.name))
    elif isinstance(part, (tuple, list)):
        found.update(f"[{len(part)}".encode())
        for item in part:
            _add(found, item)
    elif isinstance(part, Mapping):
        _add(found, sorted(part.items()))
    elif part is None or isinstance(part, (str, int, float, np.number, Path)):
        found.update(f"{type(part).__name__}:{part!r};".encode())
    else:
        raise TypeError(f"no digest of a {type(part).__name__}")
