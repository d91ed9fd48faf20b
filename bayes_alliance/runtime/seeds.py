"""Seeds of many tasks from the one seed of a run."""

from __future__ import annotations

import hashlib

DEFAULT_SEED = 2020


def derive_seed(seed: int, *parts: str) -> int:
    """Derive the seed of one task from the run's seed and the task's name, whatever the order of tasks."""
    text = "\0".join((str(seed), *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
