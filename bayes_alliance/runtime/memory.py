"""How much memory this process may take, as far as the system tells."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> float:
    """Return the bytes that this process may hold, by machine, limits and container; infinite if unknown."""
    return min(_physical(), _address_space(), _container())


def _physical() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on Windows
        return float("inf")


def _address_space() -> float:
    try:
        import resource
    except ImportError:  # not on Windows
        return float("inf")
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return float("inf") if soft == resource.RLIM_INFINITY else float(soft)


def _container() -> float:
    try:
        text = _CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        return float("inf")
    return float(text) if text.isdecimal() else float("inf")
